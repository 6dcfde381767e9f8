using System.Globalization;
using System.Text;
using DriverLab.Conformance.Comparison;
using DriverLab.Conformance.Running;
using DriverLab.Conformance.Scenarios;

namespace DriverLab.Conformance.Golden;

/// <summary>The outcomes of one suite, recorded from one real kernel: a file of tests/Golden.</summary>
/// <param name="Stamp">Kernel release, package and version: whatever names the kernel exactly.</param>
/// <param name="Runs">Recorded runs by scenario, each with the digest of the scenario's text at that time.</param>
/// <param name="Same">Scenarios that said what they said on another kernel line, word for word.</param>
public sealed record GoldenFile(string Stamp, IReadOnlyDictionary<string, (ulong Digest, ScenarioRun Run)> Runs, IReadOnlyDictionary<string, SameRun> Same)
{
    private const string StampPrefix = "# recorded from ", SameStatus = "as";

    /// <summary>The digest that ties a recorded run to the scenario's text.</summary>
    public static ulong DigestOf(Scenario scenario) => TestData.Digest(Encoding.UTF8.GetBytes(scenario.Source));

    /// <summary>The digest of everything that a run said.</summary>
    public static ulong DigestOf(ScenarioRun run) => TestData.Digest(Encoding.UTF8.GetBytes($"{run.Status} {run.Reason}\n{string.Join('\n', run.Lines)}"));

    /// <summary>The file's text.</summary>
    /// <param name="stamp">What names the kernel.</param>
    /// <param name="runs">What it said.</param>
    /// <param name="same">Finds a run of another line that said the same; null when there is none. Then one line of the file is enough.</param>
    public static string Write(string stamp, IEnumerable<(Scenario Scenario, ScenarioRun Run)> runs, Func<Scenario, ScenarioRun, SameRun?>? same = null)
    {
        var text = new StringBuilder();
        _ = text.Append(StampPrefix).Append(stamp).Append('\n');
        _ = text.Append("# by 'driverlab golden record'; never edited by hand\n");
        bool after = true;
        foreach (var (scenario, run) in runs.OrderBy(r => r.Scenario.Name, StringComparer.Ordinal))
        {
            var other = same?.Invoke(scenario, run);
            if (other is null || after)
                _ = text.Append('\n');
            after = other is null;
            string what = other is { } found ? string.Create(CultureInfo.InvariantCulture, $"{SameStatus} {found.Line} {found.RunDigest:x16}") : $"{run.Status} {run.Reason}".TrimEnd(' ');
            _ = text.Append(CultureInfo.InvariantCulture, $"== {scenario.Name} {DigestOf(scenario):x16} {what}\n");
            if (other is not null)
                continue;
            foreach (var line in run.Lines)
                _ = text.Append(line.ToString()).Append('\n');
        }
        return text.ToString();
    }

    /// <summary>Reads what <see cref="Write"/> wrote.</summary>
    /// <exception cref="DataException">What is wrong.</exception>
    public static GoldenFile Parse(string file, string text)
    {
        var runs = new Dictionary<string, (ulong, ScenarioRun)>();
        var same = new Dictionary<string, SameRun>();
        string stamp = "";
        string? name = null;
        ulong digest = 0;
        var status = RunStatus.Done;
        string reason = "";
        var lines = new List<TraceLine>();
        int number = 0;
        void Keep()
        {
            if (name is not null)
                runs[name] = (digest, new(name, status, reason, [.. lines]));
            lines.Clear();
        }
        foreach (var line in text.Split('\n'))
        {
            number++;
            if (line.StartsWith(StampPrefix, StringComparison.Ordinal))
                stamp = line[StampPrefix.Length..];
            else if (line.StartsWith("== ", StringComparison.Ordinal))
            {
                Keep();
                var parts = line[3..].Split(' ', 4);
                (name, reason) = (parts[0], parts.Length > 3 ? parts[3] : "");
                if (parts.Length < 3 || !ulong.TryParse(parts[1], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out digest))
                    throw new DataException(file, number, "expected '== SCENARIO DIGEST STATUS'; record the golden again");
                if (parts[2] == SameStatus)
                {
                    same[name] = SameRun.TryParse(digest, reason) ?? throw new DataException(file, number, "expected '== SCENARIO DIGEST as LINE DIGEST'; record the golden again");
                    name = null;
                }
                else if (!Enum.TryParse(parts[2], out status))
                    throw new DataException(file, number, $"'{parts[2]}' is no status of a run; record the golden again");
            }
            else if (line.Length > 0 && !line.StartsWith('#'))
                lines.Add(TraceLine.TryParse(line, out var trace) ? trace : throw new DataException(file, number, "expected four fields between tabs; record the golden again"));
        }
        Keep();
        return new(stamp, runs, same);
    }
}

/// <summary>A run that said what another kernel line said.</summary>
/// <param name="Digest">The digest of the scenario's text.</param>
/// <param name="Line">The other line, which has the run in full.</param>
/// <param name="RunDigest">The digest of that run: when it is recorded anew and says something else, this one must be too.</param>
public sealed record SameRun(ulong Digest, string Line, ulong RunDigest)
{
    /// <summary>Reads <c>LINE DIGEST</c>; null when it is none.</summary>
    internal static SameRun? TryParse(ulong digest, string text)
    {
        int space = text.IndexOf(' ');
        return space > 0 && ulong.TryParse(text.AsSpan(space + 1), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out ulong run) ? new(digest, text[..space], run) : null;
    }
}
