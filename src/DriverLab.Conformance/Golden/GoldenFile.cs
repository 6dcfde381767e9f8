using System.Globalization;
using System.Text;
using DriverLab.Conformance.Comparison;
using DriverLab.Conformance.Running;
using DriverLab.Conformance.Scenarios;

namespace DriverLab.Conformance.Golden;

/// <summary>The outcomes of one suite, recorded from one real kernel: a file of tests/Golden.</summary>
/// <param name="Stamp">Kernel release, package and version: whatever names the kernel exactly.</param>
/// <param name="Runs">Recorded runs by scenario, each with the digest of the scenario's text at that time.</param>
public sealed record GoldenFile(string Stamp, IReadOnlyDictionary<string, (ulong Digest, ScenarioRun Run)> Runs)
{
    private const string StampPrefix = "# recorded from ";

    /// <summary>The digest that ties a recorded run to the scenario's text.</summary>
    public static ulong DigestOf(Scenario scenario) => TestData.Digest(Encoding.UTF8.GetBytes(scenario.Source));

    /// <summary>The digest of everything that a run said.</summary>
    public static ulong DigestOf(ScenarioRun run) => TestData.Digest(Encoding.UTF8.GetBytes($"{run.Status} {run.Reason}\n{string.Join('\n', run.Lines)}"));

    /// <summary>The file's text.</summary>
    public static string Write(string stamp, IEnumerable<(Scenario Scenario, ScenarioRun Run)> runs)
    {
        var text = new StringBuilder();
        _ = text.Append(StampPrefix).Append(stamp).Append('\n');
        _ = text.Append("# by 'driverlab golden record'; never edited by hand\n");
        foreach (var (scenario, run) in runs.OrderBy(r => r.Scenario.Name, StringComparer.Ordinal))
        {
            _ = text.Append(string.Create(CultureInfo.InvariantCulture, $"\n== {scenario.Name} {DigestOf(scenario):x16} {run.Status} {run.Reason}").TrimEnd(' ')).Append('\n');
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
                if (parts.Length < 3 || !ulong.TryParse(parts[1], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out digest) || !Enum.TryParse(parts[2], out status))
                    throw new DataException(file, number, "expected '== SCENARIO DIGEST STATUS'; record the golden again");
                (name, reason) = (parts[0], parts.Length > 3 ? parts[3] : "");
            }
            else if (line.Length > 0 && !line.StartsWith('#'))
                lines.Add(TraceLine.TryParse(line, out var trace) ? trace : throw new DataException(file, number, "expected four fields between tabs; record the golden again"));
        }
        Keep();
        return new(stamp, runs);
    }
}
