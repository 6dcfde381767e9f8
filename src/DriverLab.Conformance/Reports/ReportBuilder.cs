using DriverLab.Conformance.Comparison;
using DriverLab.Conformance.Coverage;
using DriverLab.Conformance.Running;
using DriverLab.Conformance.Scenarios;

namespace DriverLab.Conformance.Reports;

/// <summary>Makes the report's model of comparisons.</summary>
public static class ReportBuilder
{
    /// <summary>The model of a run.</summary>
    /// <param name="facts">What ran where.</param>
    /// <param name="scenarios">The scenarios, by name.</param>
    /// <param name="comparisons">Every scenario on every kernel.</param>
    /// <param name="vanished">Entries of the ledger whose difference is gone.</param>
    /// <param name="seconds">Wall time.</param>
    public static ReportModel Build(IReadOnlyList<(string Name, string Value)> facts, IReadOnlyDictionary<string, Scenario> scenarios, IReadOnlyList<ScenarioComparison> comparisons, IReadOnlyList<LedgerEntry> vanished, double seconds)
    {
        var cases = comparisons.Select(c => Case(scenarios[c.Scenario], c)).ToList();
        cases.AddRange(vanished.Select(entry => Vanished(new(entry.Id, entry.Scenario, entry.Kernels, Seen: false))));
        var coverage = new ErrnoCoverage();
        foreach (var comparison in comparisons.Where(static c => c.Verdict != Verdict.Skipped))
            coverage.Add(scenarios[comparison.Scenario], comparison);
        return new(facts, cases, seconds) { Coverage = [.. coverage.Calls.SelectMany(static c => c.Outcomes.Select(o => new CallCoverage(c.Call, o.Key, o.Value.Seen, o.Value.Matched)))] };
    }

    /// <summary>The case that an entry of the ledger makes when nothing that it lists was seen.</summary>
    internal static CaseResult Vanished(LedgerUse entry) => new()
    {
        Suite = entry.Scenario.Split('/')[0],
        Scenario = entry.Scenario,
        Kernel = entry.Kernels,
        Verdict = CaseVerdict.Different,
        Reason = $"the ledger's entry '{entry.Id}' lists a difference that is gone; take the entry out",
        Reproduce = $"driverlab conform --scenario '{entry.Scenario}'",
    };

    /// <summary>The case of a scenario on a kernel that could not be had.</summary>
    public static CaseResult Missing(Scenario scenario, string kernel, string reason) => new()
    {
        Suite = scenario.Suite,
        Scenario = scenario.Name,
        Kernel = kernel,
        Verdict = CaseVerdict.Skipped,
        Reason = reason,
        Reproduce = $"driverlab kernel fetch {kernel}",
    };

    /// <summary>True for what a plain run leaves out: scenarios that take long, and those of which the emulator is known to have a gap.</summary>
    public static bool IsLeftOut(Scenario scenario) => scenario.Slow || scenario.Gap is not null;

    /// <summary>The case of a scenario that a plain run leaves out.</summary>
    public static CaseResult LeftOut(Scenario scenario, string kernel) => new()
    {
        Suite = scenario.Suite,
        Scenario = scenario.Name,
        Kernel = kernel,
        Verdict = CaseVerdict.Skipped,
        Reason = (scenario.Gap is { } gap ? $"not modelled yet: {gap}" : "slow") + ", --all runs it",
        Reproduce = $"driverlab conform --kernel {kernel} --scenario {scenario.Name}",
    };

    private static CaseResult Case(Scenario scenario, ScenarioComparison c)
    {
        var first = c.Divergences.FirstOrDefault(d => d.Listed is null) ?? (c.Divergences.Count > 0 ? c.Divergences[0] : null);
        bool keep = c.Verdict is Verdict.Different or Verdict.Gap;
        return new()
        {
            Suite = c.Suite,
            Scenario = c.Scenario,
            Kernel = c.Kernel,
            Verdict = c.Verdict switch
            {
                Verdict.Same or Verdict.Listed => CaseVerdict.Same,
                Verdict.Different => CaseVerdict.Different,
                Verdict.Gap => CaseVerdict.Gap,
                Verdict.Skipped => CaseVerdict.Skipped,
            },
            Reason = c.Verdict == Verdict.Listed ? $"known: {string.Join(", ", c.Divergences.Select(d => d.Listed!.Id).Distinct())}" : c.Reason.Length > 0 ? c.Reason : null,
            Seconds = (c.Emulator.Elapsed + c.Real.Elapsed).TotalSeconds,
            KernelSeconds = c.Real.Elapsed.TotalSeconds,
            Steps = scenario.Steps.Count,
            Difference = keep && first is not null ? View(scenario, first, c.Divergences.Count) : null,
            Trace = keep ? Trace(scenario, c) : [],
            Source = keep ? scenario.Source : "",
            Reproduce = $"driverlab conform --kernel {c.Kernel} --scenario {c.Scenario}",
        };
    }

    private static DifferenceView View(Scenario scenario, Divergence d, int count)
    {
        string what = d.Detail.Length > 0 ? $"'{d.Detail}' of step {d.Step}" : d.Step > 0 ? $"step {d.Step}" : d.Call;
        string more = count > 1 ? $" {count - 1} more differ after it." : "";
        return new()
        {
            Step = d.Step,
            Line = d.Step > 0 ? scenario.Steps[d.Step - 1].Line : 0,
            Call = d.Detail.Length > 0 ? $"{d.Call}  ->  {d.Detail}" : d.Call,
            Real = d.Real,
            Emulated = d.Emulator,
            Layer = d.Layer,
            Explanation = $"At {what} the kernel says {Quote(d.Real)} and the emulator {Quote(d.Emulator)}.{more}",
            LedgerId = d.Listed?.Id,
        };
    }

    private static string Quote(string text) => text.Length == 0 ? "nothing" : $"'{text}'";

    private static List<TraceRow> Trace(Scenario scenario, ScenarioComparison c)
    {
        var differs = c.Divergences.Select(d => (d.Step, d.Detail)).ToHashSet();
        var ours = c.Emulator.Lines.GroupBy(l => (l.StepNumber, Key(l))).ToDictionary(g => g.Key, g => g.First().Outcome);
        var rows = new List<TraceRow>();
        var seen = new HashSet<(int, string)>();
        foreach (var line in c.Real.Lines.Concat(c.Emulator.Lines).OrderBy(l => l.StepNumber == 0 ? int.MaxValue : l.StepNumber))
        {
            var key = (line.StepNumber, Key(line));
            if (!seen.Add(key))
                continue;
            string real = c.Real.Lines.FirstOrDefault(l => l.StepNumber == key.StepNumber && Key(l) == key.Item2) is { Step: not null } r ? r.Outcome : Divergence.Absent;
            string emulated = ours.GetValueOrDefault(key, Divergence.Absent);
            string call = line.Step.Contains('.', StringComparison.Ordinal) ? "    " + line.Op : line.Op;
            rows.Add(new(line.StepNumber, line.Actor, call, real, emulated, differs.Contains(key) || (real != emulated && c.Verdict == Verdict.Gap)));
        }
        return rows;
    }

    /// <summary>What pairs lines of one step on both sides: nothing for its outcome, the key for a detail.</summary>
    private static string Key(TraceLine line) => line.Step.Contains('.', StringComparison.Ordinal) ? line.Op : "";
}
