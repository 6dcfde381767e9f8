using DriverLab.Conformance.Comparison;
using DriverLab.Conformance.Running;
using DriverLab.Conformance.Scenarios;
using DriverLab.Conformance.Shrinking;

namespace DriverLab.Cli.Fuzzing;

/// <summary>Makes a program that differs between two sides small, and says what it shows.</summary>
/// <param name="reference">The emulator, or the kernel to compare with.</param>
/// <param name="real">The real kernel.</param>
/// <param name="others">Further kernels that are asked what they say to the small program.</param>
/// <param name="comparer">Compares.</param>
/// <param name="ledger">Known differences.</param>
internal sealed class SideShrinker(IFuzzSide reference, IFuzzSide real, IReadOnlyList<IFuzzSide> others, Comparer comparer, Ledger ledger)
{
    /// <summary>Candidates that a machine gets at once: a message costs more than a run.</summary>
    private const int MachineBatch = 12;

    /// <summary>Shrinks.</summary>
    /// <returns>What was found; null when the program does not differ when it is run alone, on a machine that nothing else has used.</returns>
    public async Task<Finding?> ShrinkAsync(Scenario program, TimeSpan budget, CancellationToken cancellation)
    {
        await real.RenewAsync();
        var shrinker = new Shrinker(candidates => DifferencesAsync(candidates, cancellation), budget, real is MachineSide ? MachineBatch : 1);
        if (await shrinker.ShrinkAsync(program) is not { } small)
            return null;
        await real.RenewAsync();
        if ((await DifferencesAsync([small.Scenario], cancellation))[0] is null)
        {
            // Some candidate differed only after what others had left: once more, each in a machine of its own.
            shrinker = new Shrinker(async candidates =>
            {
                await real.RenewAsync();
                return await DifferencesAsync(candidates, cancellation);
            }, budget, batch: 1);
            if (await shrinker.ShrinkAsync(program) is not { } again)
                return null;
            small = again;
        }
        // Read back from its text: line numbers are then those of the file.
        var scenario = ScenarioParser.Parse(small.Scenario.Name, small.Scenario.File, small.Scenario.Source);
        var said = new List<(string, string)>();
        foreach (var other in others)
            said.Add((other.Name, Said((await other.RunAsync([scenario], cancellation))[0], scenario, small.Difference)));
        string text = Explanation.Of(scenario, small.Difference, reference is EmulatedSide ? "the emulator" : $"kernel {reference.Name}", said, ledger);
        return new(scenario, small.Difference, Signature.Of(scenario, small.Difference), text, shrinker.Tried);
    }

    private async Task<IReadOnlyList<Divergence?>> DifferencesAsync(IReadOnlyList<Scenario> candidates, CancellationToken cancellation)
    {
        var emulating = reference.RunAsync(candidates, cancellation);
        var theirs = await real.RunAsync(candidates, cancellation);
        var ours = await emulating;
        return [.. candidates.Select((c, i) => ours[i].IsSame(theirs[i]) ? null
            : comparer.Compare(c, real.Name, ours[i].ToRun(c), theirs[i].ToRun(c)).Divergences.FirstOrDefault(static d => d.Listed is null))];
    }

    private static string Said(StepTrace trace, Scenario scenario, Divergence difference)
    {
        foreach (var line in trace.ToRun(scenario).Lines)
        {
            bool isDetail = line.Step.Contains('.', StringComparison.Ordinal);
            if (line.StepNumber == difference.Step && (difference.Detail.Length == 0 ? !isDetail : isDetail && line.Op == difference.Detail))
                return line.Outcome;
        }
        return Divergence.Absent;
    }
}
