using System.Text.RegularExpressions;
using DriverLab.Conformance.Comparison;
using DriverLab.Conformance.Running;
using DriverLab.Conformance.Scenarios;
using DriverLab.Linux;

namespace DriverLab.Conformance.Coverage;

/// <summary>Which errors of which calls real kernels were seen to return, and the emulator with them; and which documented ones nobody has seen.</summary>
public sealed partial class ErrnoCoverage
{
    private static readonly string[] s_walk = ["EBADF", "ENOENT", "ENAMETOOLONG", "ENOTDIR", "EACCES", "ELOOP"];

    /// <summary>Calls of scenarios whose errors are those of one member of <see cref="IKernel"/>.</summary>
    private static readonly Dictionary<string, string> s_members = new()
    {
        ["mkdir"] = "MkdirAt", ["mknod"] = "MknodAt", ["symlink"] = "SymlinkAt", ["link"] = "LinkAt", ["unlink"] = "UnlinkAt", ["rmdir"] = "UnlinkAt", ["rename"] = "RenameAt2",
        ["readlink"] = "ReadLinkAt", ["open"] = "OpenAt", ["close"] = "Close", ["dup"] = "Dup", ["read"] = "Read", ["pread"] = "PRead", ["pwrite"] = "PWrite", ["lseek"] = "LSeek",
        ["truncate"] = "Truncate", ["ftruncate"] = "FTruncate", ["fallocate"] = "Fallocate", ["fsync"] = "Fsync", ["copy_range"] = "CopyFileRange", ["getdents"] = "GetDents",
        ["setfl"] = "SetStatusFlags", ["getfl"] = "GetStatusFlags", ["stat"] = "Statx", ["lstat"] = "Statx", ["fstat"] = "Statx", ["access"] = "FaccessAt", ["chmod"] = "FchmodAt",
        ["fchmod"] = "Fchmod", ["chown"] = "FchownAt", ["lchown"] = "FchownAt", ["fchown"] = "FchownAt", ["utimes"] = "UtimensAt", ["statfs"] = "StatFs", ["getxattr"] = "GetXattr",
        ["setxattr"] = "SetXattr", ["listxattr"] = "ListXattr", ["removexattr"] = "RemoveXattr", ["chdir"] = "Chdir", ["fchdir"] = "Fchdir", ["chroot"] = "Chroot", ["getcwd"] = "GetCwd",
        ["unshare"] = "Unshare", ["mount"] = "Mount", ["bind"] = "Mount", ["rbind"] = "Mount", ["move"] = "Mount", ["remount"] = "Mount", ["umount"] = "Umount",
    };

    private readonly SortedDictionary<string, SortedDictionary<string, (int Seen, int Matched)>> _calls = new(StringComparer.Ordinal);

    /// <summary>By call: each outcome (<c>ok</c> or an errno) with how often real kernels gave it, and how often the emulator gave the same.</summary>
    public IEnumerable<(string Call, IReadOnlyDictionary<string, (int Seen, int Matched)> Outcomes)> Calls => _calls.Select(static c => (c.Key, (IReadOnlyDictionary<string, (int, int)>)c.Value));

    /// <summary>Pairs of call and errno that real kernels gave.</summary>
    public int Seen => _calls.Values.Sum(static o => o.Count(static p => p.Key != "ok"));

    /// <summary>Of those, pairs in which the emulator always gave the same.</summary>
    public int Matched => _calls.Values.Sum(static o => o.Count(static p => p.Key != "ok" && p.Value.Seen == p.Value.Matched));

    /// <summary>Counts the steps of a scenario that ran on both.</summary>
    public void Add(Scenario scenario, ScenarioComparison comparison)
    {
        var differs = comparison.Divergences.Where(static d => d.Detail.Length == 0).Select(static d => d.Step).ToHashSet();
        int gap = comparison.Verdict == Verdict.Gap && comparison.Emulator.Lines.FirstOrDefault(static l => l.IsGap) is { Step: not null } line ? line.StepNumber : int.MaxValue;
        foreach (var step in comparison.Real.Lines.Where(static l => l.Step != "end" && !l.Step.Contains('.', StringComparison.Ordinal)))
        {
            if (step.StepNumber < 1 || step.StepNumber > scenario.Steps.Count || Outcome(step.Outcome) is not { } outcome)
                continue;
            string call = scenario.Steps[step.StepNumber - 1].Verb.Name;
            if (!_calls.TryGetValue(call, out var outcomes))
                _calls.Add(call, outcomes = new(StringComparer.Ordinal));
            var (seen, matched) = outcomes.GetValueOrDefault(outcome);
            outcomes[outcome] = (seen + 1, matched + (differs.Contains(step.StepNumber) || step.StepNumber >= gap ? 0 : 1));
        }
    }

    /// <summary>Pairs that the interface documents and no real kernel was seen to give.</summary>
    /// <param name="source">The text of IKernel.cs.</param>
    public IReadOnlyList<(string Call, string Errno)> NeverSeen(string source)
    {
        var documented = Documented(source);
        // Two calls of scenarios may be one call of the kernel: seen by one is seen.
        var seen = _calls.Where(static c => s_members.ContainsKey(c.Key)).SelectMany(static c => c.Value.Keys.Select(e => (s_members[c.Key], e))).ToHashSet();
        var missing = new List<(string, string)>();
        foreach (var group in s_members.GroupBy(static m => m.Value).OrderBy(static g => g.Key, StringComparer.Ordinal))
        {
            foreach (string errno in documented.GetValueOrDefault(group.Key, []).Where(e => !seen.Contains((group.Key, e))))
                missing.Add((string.Join('/', group.Select(static m => m.Key)), errno));
        }
        return missing;
    }

    /// <summary>The errors of each member, from the comment above it.</summary>
    internal static Dictionary<string, SortedSet<string>> Documented(string source)
    {
        var members = new Dictionary<string, SortedSet<string>>();
        string returns = "";
        foreach (string raw in source.Split('\n'))
        {
            string line = raw.Trim();
            if (line.StartsWith("///", StringComparison.Ordinal))
            {
                returns += line;
                continue;
            }
            if (Member().Match(line) is { Success: true } member)
            {
                var errors = new SortedSet<string>(StringComparer.Ordinal);
                int at = returns.IndexOf("<returns>", StringComparison.Ordinal);
                string text = at < 0 ? "" : returns[at..];
                foreach (Match word in ErrorName().Matches(text))
                {
                    if (Enum.TryParse<Errno>(word.Value, out _))
                        _ = errors.Add(word.Value);
                }
                if (text.Contains("(walk)", StringComparison.Ordinal))
                    errors.UnionWith(s_walk);
                string name = member.Groups[1].Value;
                if (members.TryGetValue(name, out var known))
                    known.UnionWith(errors);
                else
                    members.Add(name, errors);
            }
            returns = "";
        }
        return members;
    }

    private static string? Outcome(string text)
    {
        int end = text.IndexOf(' ');
        string word = end < 0 ? text : text[..end];
        return word == "ok" || (word.Length > 1 && word[0] == 'E' && Enum.TryParse<Errno>(word, out _)) ? word : null;
    }

    [GeneratedRegex(@"^(?:Errno|SysResult<[^>]+>|Mode|IKernel|long|void) (\w+)\(")]
    private static partial Regex Member();

    [GeneratedRegex(@"\bE[A-Z0-9]{2,}\b")]
    private static partial Regex ErrorName();
}
