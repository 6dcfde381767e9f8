using System.Collections.Concurrent;
using System.Collections.Frozen;
using DriverLab.Conformance.Comparison;
using DriverLab.Conformance.Running;
using DriverLab.Conformance.Scenarios;
using DriverLab.Linux;

namespace DriverLab.Conformance.Golden;

/// <summary>A folder with one folder a kernel line, each with a profile and one trace file a suite.</summary>
/// <param name="root">The folder, tests/Golden.</param>
public sealed class GoldenStore(string root)
{
    /// <summary>The lines that are recorded in full. What another line says word for word as the nearest of these is recorded as a reference to it.</summary>
    public static IReadOnlyList<string> WholeLines { get; } = ["6.12", "6.1"];

    private const string ProfileFile = "profile.txt";
    private const string Extension = ".trace";

    private readonly ConcurrentDictionary<string, GoldenFile> _files = new();

    /// <summary>Options of the kernel's configuration that decide behaviour in the suites; the rest of some ten thousand is left out.</summary>
    private static readonly string[] s_prefixes = ["CONFIG_OVERLAY_FS", "CONFIG_TMPFS", "CONFIG_DEVTMPFS", "CONFIG_BLK_DEV_LOOP", "CONFIG_BLK_DEV_DM", "CONFIG_DM_", "CONFIG_FS_POSIX_ACL", "CONFIG_FS_VERITY", "CONFIG_UNICODE", "CONFIG_HZ", "CONFIG_BTRFS", "CONFIG_EXT4", "CONFIG_SECURITY", "CONFIG_LSM", "CONFIG_BLK_DEV_RAM", "CONFIG_AUFS"];

    /// <summary>The kernel lines that are recorded, oldest first. Those that are only observed are not among them.</summary>
    public IReadOnlyList<string> Lines => LinesWith(Extension);

    /// <summary>The kernel lines that were observed, oldest first.</summary>
    public IReadOnlyList<string> ObservedLines => LinesWith(ObservedFile.Extension);

    private IReadOnlyList<string> LinesWith(string extension) => !Directory.Exists(root) ? [] :
        [.. Directory.EnumerateDirectories(root).Where(d => File.Exists(Path.Combine(d, ProfileFile)) && Directory.EnumerateFiles(d, "*" + extension).Any()).Select(d => Path.GetFileName(d)).OrderBy(l => KernelVersion.TryParse(l, out var v) ? v : default)];

    /// <summary>The profile of a recorded kernel.</summary>
    /// <exception cref="DataException">The file cannot be read.</exception>
    public KernelProfile Profile(string line)
    {
        string file = Path.Combine(root, line, ProfileFile);
        var config = new Dictionary<string, string>();
        string name = line;
        int number = 0;
        foreach (var text in File.ReadAllLines(file))
        {
            number++;
            int equals = text.IndexOf('=');
            if (text.StartsWith('#') || text.Length == 0)
                continue;
            if (equals < 0)
                throw new DataException(file, number, $"'{text}' is no setting; expected NAME=VALUE");
            if (text[..equals] == "release")
                name = text[(equals + 1)..];
            else
                config[text[..equals]] = text[(equals + 1)..];
        }
        return KernelVersion.TryParse(name, out var version)
            ? new(name, version, config.ToFrozenDictionary())
            : throw new DataException(file, 1, $"'{name}' is no release; expected for example release=6.1.0-40-cloud-amd64");
    }

    /// <summary>Everything that was recorded of a kernel line, by scenario. A run that is recorded as that of another line is left out when that line was recorded anew since and says something else.</summary>
    public IReadOnlyDictionary<string, (ulong Digest, ScenarioRun Run)> Runs(string line)
    {
        var runs = new Dictionary<string, (ulong, ScenarioRun)>();
        foreach (string path in Directory.EnumerateFiles(Path.Combine(root, line), "*" + Extension).Order(StringComparer.Ordinal))
        {
            var file = _files.GetOrAdd(path, static p => GoldenFile.Parse(p, File.ReadAllText(p)));
            foreach (var (name, run) in file.Runs)
                runs[name] = run;
            foreach (var (name, same) in file.Same)
                if (InFull(same.Line, Path.GetFileName(path)) is { } full && full.Runs.TryGetValue(name, out var run) && GoldenFile.DigestOf(run.Run) == same.RunDigest)
                    runs[name] = (same.Digest, run.Run);
        }
        return runs;
    }

    /// <summary>The file of a suite of another line; null when there is none.</summary>
    private GoldenFile? InFull(string line, string suite)
    {
        string path = Path.Combine(root, line, suite);
        return File.Exists(path) ? _files.GetOrAdd(path, static p => GoldenFile.Parse(p, File.ReadAllText(p))) : null;
    }

    private SameRun? SameAs(string line, Scenario scenario, ScenarioRun run)
    {
        if (WholeLines.Contains(line))
            return null;
        ulong digest = GoldenFile.DigestOf(run);
        foreach (string other in WholeLines)
            if (InFull(other, scenario.Suite + Extension) is { } full && full.Runs.TryGetValue(scenario.Name, out var there) && GoldenFile.DigestOf(there.Run) == digest)
                return new(GoldenFile.DigestOf(scenario), other, digest);
        return null;
    }

    /// <summary>What is known of a kernel that was observed, not recorded.</summary>
    /// <exception cref="DataException">A file cannot be read.</exception>
    public IReadOnlyList<ObservedFile> Observed(string line) =>
        [.. Directory.EnumerateFiles(Path.Combine(root, line), "*" + ObservedFile.Extension).Order(StringComparer.Ordinal).Select(static f => ObservedFile.Parse(f, File.ReadAllText(f)))];

    /// <summary>Writes what a kernel said. Suites that were not run keep what they have; one that the kernel skipped whole says nothing.</summary>
    public void Write(string line, string stamp, KernelProfile profile, IReadOnlyList<(Scenario Scenario, ScenarioRun Run)> runs)
    {
        string folder = Path.Combine(root, line);
        _ = Directory.CreateDirectory(folder);
        var settings = profile.Config.Where(o => s_prefixes.Any(p => o.Key.StartsWith(p, StringComparison.Ordinal))).OrderBy(o => o.Key, StringComparer.Ordinal);
        File.WriteAllText(Path.Combine(folder, ProfileFile), $"# recorded from {stamp}\nrelease={profile.Name}\n{string.Concat(settings.Select(o => $"{o.Key}={o.Value}\n"))}");
        foreach (var suite in runs.GroupBy(r => r.Scenario.Suite).Where(static suite => suite.Any(static r => r.Run.Status != RunStatus.Skipped)))
            File.WriteAllText(Path.Combine(folder, suite.Key + Extension), GoldenFile.Write(stamp, suite, (scenario, run) => SameAs(line, scenario, run)));
        _files.Clear();
    }

    /// <summary>What stays of a line's records when only some scenarios are recorded anew: those of the same suites, the same text and the same kernel.</summary>
    /// <param name="line">The kernel line.</param>
    /// <param name="scenarios">All scenarios of those suites.</param>
    /// <param name="except">Names of those that are recorded now.</param>
    public IReadOnlyList<(Scenario Scenario, ScenarioRun Run)> Kept(string line, IReadOnlyList<Scenario> scenarios, IReadOnlySet<string> except)
    {
        if (!Lines.Contains(line))
            return [];
        var recorded = Runs(line);
        return [.. scenarios.Where(s => !except.Contains(s.Name) && recorded.TryGetValue(s.Name, out var golden) && golden.Digest == GoldenFile.DigestOf(s)).Select(s => (s, recorded[s.Name].Run))];
    }

    /// <summary>Compares recorded runs of lines with those that the emulator makes now.</summary>
    /// <param name="lines">The kernel lines.</param>
    /// <param name="scenarios">The scenarios to replay on each.</param>
    /// <param name="comparer">Normalisers and ledger.</param>
    /// <param name="emulator">Runs a scenario on the emulator with the recorded profile of a line.</param>
    /// <returns>A line's comparisons one after the other, in the order of the scenarios.</returns>
    public IReadOnlyList<ScenarioComparison> Verify(IReadOnlyList<string> lines, IReadOnlyList<Scenario> scenarios, Comparer comparer, Func<string, Func<Scenario, ScenarioRun>> emulator)
    {
        var recordings = lines.AsParallel().AsOrdered().Select(Runs).ToArray();
        var emulators = lines.Select(emulator).ToArray();
        var compared = new ScenarioComparison[lines.Count * scenarios.Count];
        _ = Parallel.ForEach(Partitioner.Create(0, compared.Length, 4), range =>
        {
            for (int i = range.Item1; i < range.Item2; i++)
            {
                var scenario = scenarios[i % scenarios.Count];
                var (line, recorded, emulate) = (lines[i / scenarios.Count], recordings[i / scenarios.Count], emulators[i / scenarios.Count]);
                compared[i] = !recorded.TryGetValue(scenario.Name, out var golden) ? NotRecorded(scenario, line, emulate)
                    : golden.Digest != GoldenFile.DigestOf(scenario) ? Stale(scenario, line, "the scenario has changed since it was recorded")
                    : comparer.Compare(scenario, line, emulate(scenario), golden.Run);
            }
        });
        return compared;
    }

    /// <summary>A kernel that lacks what a scenario needs has nothing to record.</summary>
    private static ScenarioComparison NotRecorded(Scenario scenario, string line, Func<Scenario, ScenarioRun> emulate)
    {
        var run = emulate(scenario);
        return run.Status == RunStatus.Skipped ? new(scenario.Name, scenario.Suite, line, Verdict.Skipped, run.Reason, [], run, run) : Stale(scenario, line, "not recorded");
    }

    private static ScenarioComparison Stale(Scenario scenario, string line, string why)
    {
        var none = new ScenarioRun(scenario.Name, RunStatus.Skipped, why, []);
        return new(scenario.Name, scenario.Suite, line, Verdict.Skipped, $"{why}: driverlab golden record --kernel {line}", [], none, none);
    }
}
