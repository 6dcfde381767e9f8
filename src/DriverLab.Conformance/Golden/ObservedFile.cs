using System.Globalization;
using DriverLab.Conformance.Comparison;
using DriverLab.Conformance.Running;
using DriverLab.Conformance.Scenarios;

namespace DriverLab.Conformance.Golden;

/// <summary>What is known of one step: its outcome, and details of it.</summary>
/// <param name="Line">1-based line in the file.</param>
/// <param name="Op">The call as the scenario writes it.</param>
/// <param name="Outcome">The outcome, with <c>*</c> and <c>?</c> for what is not known; <c>names A B …</c> for the names of a listing in order, <c>branch A B …</c> for
/// those but aufs's own at the root of a branch.</param>
/// <param name="Details">Key and text of details; the text <c>none</c> says that there is no such detail.</param>
public sealed record ObservedStep(int Line, string Op, string Outcome, IReadOnlyList<(string Key, string Text)> Details);

/// <summary>
/// Facts about a kernel that cannot be fetched, observed on it and handed over as data: the steps of a scenario whose outcome is known. A golden has every step; this has those that somebody saw.
/// </summary>
/// <param name="Stamp">The kernel that was observed.</param>
/// <param name="Scenarios">Known steps by scenario.</param>
public sealed record ObservedFile(string Stamp, IReadOnlyDictionary<string, IReadOnlyList<ObservedStep>> Scenarios)
{
    /// <summary>The ending of such files.</summary>
    public const string Extension = ".observed";

    private const string StampPrefix = "# observed on ";
    private static readonly string[] s_branchNames = [".wh..wh.aufs", ".wh..wh.orph", ".wh..wh.plnk"];

    /// <summary>Reads a file: <c>== SCENARIO</c>, then call and outcome between tabs, then for details a tab, key, tab, text.</summary>
    /// <exception cref="DataException">What is wrong.</exception>
    public static ObservedFile Parse(string file, string text)
    {
        string stamp = "";
        var scenarios = new Dictionary<string, IReadOnlyList<ObservedStep>>();
        List<ObservedStep>? steps = null;
        int number = 0;
        foreach (var line in text.Split('\n'))
        {
            number++;
            if (line.StartsWith(StampPrefix, StringComparison.Ordinal))
                stamp = line[StampPrefix.Length..];
            if (line.Length == 0 || line[0] == '#')
                continue;
            if (line.StartsWith("== ", StringComparison.Ordinal))
            {
                if (!scenarios.TryAdd(line[3..], steps = []))
                    throw new DataException(file, number, $"'{line[3..]}' stands twice");
                continue;
            }
            var fields = line.Split('\t');
            if (steps is not null && fields is ["", var key, var detail] && steps is [.., var last])
                steps[^1] = last with { Details = [.. last.Details, (key, detail)] };
            else if (steps is not null && fields is [var op, var outcome] && op.Length > 0)
                steps.Add(new(number, op, outcome, []));
            else
                throw new DataException(file, number, "expected '== SCENARIO', then CALL and OUTCOME between a tab, or a tab, KEY, a tab and TEXT");
        }
        return new(stamp, scenarios);
    }

    /// <summary>Compares a run with what is known of its scenario.</summary>
    /// <returns>What differs, a line each; empty when nothing does.</returns>
    public IReadOnlyList<string> Check(ScenarioRun run)
    {
        if (!Scenarios.TryGetValue(run.Scenario, out var steps))
            return [$"nothing is known of {run.Scenario}"];
        if (run.Status != RunStatus.Done)
            return [$"{run.Status}: {run.Reason}"];
        var problems = new List<string>();
        int at = 0;
        foreach (var step in steps)
        {
            int found = at;
            while (found < run.Lines.Count && (run.Lines[found].Op != step.Op || run.Lines[found].Step.Contains('.')))
                found++;
            if (found == run.Lines.Count)
            {
                problems.Add(string.Create(CultureInfo.InvariantCulture, $"line {step.Line}: no step '{step.Op}' is left in the scenario"));
                continue;
            }
            at = found + 1;
            var details = run.Lines.Skip(at).TakeWhile(static l => l.Step.Contains('.')).ToArray();
            problems.AddRange(Differences(step, run.Lines[found], details).Select(d => string.Create(CultureInfo.InvariantCulture, $"line {step.Line}, step {run.Lines[found].Step}: {step.Op}: {d}")));
        }
        return problems;
    }

    private static IEnumerable<string> Differences(ObservedStep step, TraceLine line, TraceLine[] details)
    {
        var words = step.Outcome.Split(' ');
        if (words[0] is "names" or "branch")
        {
            var names = details.Select(static d => d.Op).Where(n => words[0] == "names" || !s_branchNames.Contains(n));
            if (!line.Outcome.StartsWith("ok", StringComparison.Ordinal) || !names.SequenceEqual(words[1..]))
                yield return $"observed {step.Outcome}, here {line.Outcome}: {string.Join(' ', details.Select(static d => d.Op))}";
        }
        else if (!ScenarioStore.Matches(line.Outcome, step.Outcome))
        {
            yield return $"observed {step.Outcome}, here {line.Outcome}";
        }
        foreach (var (key, text) in step.Details)
        {
            bool isThere = Array.Exists(details, d => d.Op == key && ScenarioStore.Matches(d.Outcome, text));
            if (text == "none" ? Array.Exists(details, d => d.Op == key) : !isThere)
                yield return $"{key}: observed {text}, here {string.Join(" | ", details.Where(d => d.Op == key).Select(static d => d.Outcome).DefaultIfEmpty("none"))}";
        }
    }
}
