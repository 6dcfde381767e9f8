using DriverLab.Conformance.Comparison;
using DriverLab.Conformance.Running;
using DriverLab.Conformance.Scenarios;
using DriverLab.Conformance.Shrinking;

namespace DriverLab.Cli.Fuzzing;

/// <summary>The emulator with no kernel to compare with: what no kernel would answer is a defect, what it does not model is a gap.</summary>
/// <param name="side">The emulator.</param>
/// <param name="ledger">Known differences.</param>
internal sealed class LoneEmulator(EmulatedSide side, Ledger ledger)
{
    private const string Expected = "an answer of a kernel";

    public EmulatedSide Side => side;

    /// <summary>The first answer that no kernel gives, or what ended the run and is no kernel's; null when there is none.</summary>
    public static Divergence? DefectOf(Scenario program, StepTrace trace)
    {
        for (int i = 0; i < trace.Outcomes.Count; i++)
        {
            if (trace.Outcomes[i].StartsWith(TraceLine.DefectPrefix, StringComparison.Ordinal))
                return new(program.Name, "none", i + 1, program.Steps[i].Text, "", trace.Outcomes[i], Expected, Conformance.Comparison.Layers.Guess(program, program.Steps[i]));
        }
        return trace.Status == RunStatus.Broken && trace.Reason.StartsWith(EmulatedSide.DefectPrefix, StringComparison.Ordinal) ? new(program.Name, "none", 0, "clean up", "", trace.Reason, Expected, "the run") : null;
    }

    /// <summary>What the program met that is not modelled.</summary>
    public static IEnumerable<string> Gaps(StepTrace trace) => trace.Outcomes.Append(trace.Reason)
        .Where(static o => o.StartsWith(TraceLine.GapPrefix, StringComparison.Ordinal)).Select(static o => o[TraceLine.GapPrefix.Length..]).Distinct();

    /// <summary>True when a call of the program would never end.</summary>
    public static bool Hangs(StepTrace trace) => trace.Outcomes.Contains(TraceLine.HangPrefix);

    /// <summary>Makes a program with a defect small; null when it has none when it is run again.</summary>
    public async Task<Finding?> ShrinkAsync(Scenario program, TimeSpan budget, CancellationToken cancellation)
    {
        var shrinker = new Shrinker(async candidates =>
        {
            var traces = await side.RunAsync(candidates, cancellation);
            return [.. candidates.Select((c, i) => DefectOf(c, traces[i]))];
        }, budget, batch: 1);
        if (await shrinker.ShrinkAsync(program) is not { } small)
            return null;
        var scenario = ScenarioParser.Parse(small.Scenario.Name, small.Scenario.File, small.Scenario.Source);
        string text = Explanation.Of(scenario, small.Difference, "the emulator", [], ledger);
        return new(scenario, small.Difference, Signature.Of(scenario, small.Difference), text, shrinker.Tried);
    }
}
