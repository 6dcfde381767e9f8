using System.Diagnostics;
using DriverLab.Conformance.Comparison;
using DriverLab.Conformance.Scenarios;

namespace DriverLab.Conformance.Shrinking;

/// <summary>Runs candidates on both sides and tells the first unlisted difference of each; null where there is none (or a gap hides it).</summary>
public delegate Task<IReadOnlyList<Divergence?>> DifferenceOracle(IReadOnlyList<Scenario> candidates);

/// <summary>
/// Makes a program that differs small: delta debugging over steps, then over arguments and what is set up. A candidate counts when it shows a difference of the same kind
/// (<see cref="Signature"/>). The order of candidates is fixed, so that the same program shrinks to the same program.
/// </summary>
/// <remarks>Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", 2002.</remarks>
/// <param name="oracle">Both sides.</param>
/// <param name="budget">When to be content with what there is.</param>
/// <param name="batch">Candidates run at once: 1 where a run costs little beside its start, more where messages are dear.</param>
public sealed class Shrinker(DifferenceOracle oracle, TimeSpan budget, int batch)
{
    private readonly Stopwatch _watch = Stopwatch.StartNew();
    private Signature _wanted = null!;

    /// <summary>Candidates run so far.</summary>
    public int Tried { get; private set; }

    /// <summary>Shrinks.</summary>
    /// <param name="scenario">A program that differs.</param>
    /// <returns>The smallest found with its difference; null when the program does not differ when it is run again.</returns>
    public async Task<(Scenario Scenario, Divergence Difference)?> ShrinkAsync(Scenario scenario)
    {
        var first = (await oracle([StepEdits.With(scenario, scenario.Steps)]))[0];
        if (first is null)
            return null;
        _wanted = Signature.Of(scenario, first);
        var best = (Scenario: scenario, Difference: first);
        // A changed program may hide a fault behind another one: passes are repeated while they help.
        for (int before = int.MaxValue; Weight(best.Scenario) < before && !IsOver;)
        {
            before = Weight(best.Scenario);
            best = await CutAsync(best);
            best = await DropAsync(best);
            best = await ReplaceAsync(best, static s => StepEdits.Joined(s.Steps).Concat(StepEdits.Flatter(s.Steps)).Select(steps => StepEdits.With(s, steps)));
            best = await ReplaceAsync(best, OneStepSimpler);
        }
        return best;
    }

    private bool IsOver => _watch.Elapsed > budget;

    private static int Weight(Scenario scenario) => scenario.Steps.Sum(static s => 20 + s.Text.Length + (s.Actor == Actor.Main ? 0 : 10));

    /// <summary>Nothing after the step that differs matters.</summary>
    private async Task<(Scenario, Divergence)> CutAsync((Scenario Scenario, Divergence Difference) best)
    {
        if (best.Difference.Step == 0 || best.Difference.Step >= best.Scenario.Steps.Count)
            return best;
        var cut = StepEdits.With(best.Scenario, best.Scenario.Steps.Take(best.Difference.Step));
        return await FirstAsync([cut]) ?? best;
    }

    /// <summary>ddmin over steps: drops ever smaller pieces, and goes on with what still differs.</summary>
    private async Task<(Scenario, Divergence)> DropAsync((Scenario Scenario, Divergence Difference) best)
    {
        int size = Math.Max(1, best.Scenario.Steps.Count / 2);
        while (!IsOver)
        {
            var steps = best.Scenario.Steps;
            var candidates = new List<Scenario>();
            for (int at = (steps.Count - 1) / size * size; at >= 0; at -= size)
            {
                int from = at;
                var candidate = StepEdits.With(best.Scenario, steps.Where((_, i) => i < from || i >= from + size));
                if (candidate.Steps.Count > 0)
                    candidates.Add(candidate);
            }
            if (await FirstAsync(candidates) is { } smaller)
                best = await CutAsync(smaller);
            else if (size == 1)
                return best;
            else
                size = (size + 1) / 2;
            size = Math.Min(size, Math.Max(1, best.Scenario.Steps.Count / 2));
        }
        return best;
    }

    private async Task<(Scenario, Divergence)> ReplaceAsync((Scenario Scenario, Divergence Difference) best, Func<Scenario, IEnumerable<Scenario>> edits)
    {
        while (!IsOver && await FirstAsync([.. edits(best.Scenario).Where(s => s.Steps.Count > 0 && Weight(s) < Weight(best.Scenario))]) is { } simpler)
            best = simpler;
        return best;
    }

    private static IEnumerable<Scenario> OneStepSimpler(Scenario scenario)
    {
        for (int i = 0; i < scenario.Steps.Count; i++)
        {
            foreach (var simpler in StepEdits.Simpler(scenario.Steps[i]))
                yield return StepEdits.With(scenario, [.. scenario.Steps.Take(i), simpler, .. scenario.Steps.Skip(i + 1)]);
        }
    }

    /// <summary>The first candidate that differs in the way that is wanted; null when none does.</summary>
    private async Task<(Scenario Scenario, Divergence Difference)?> FirstAsync(List<Scenario> candidates)
    {
        for (int at = 0; at < candidates.Count && !IsOver; at += batch)
        {
            var some = candidates.GetRange(at, Math.Min(batch, candidates.Count - at));
            var differences = await oracle(some);
            Tried += some.Count;
            for (int i = 0; i < some.Count; i++)
            {
                if (differences[i] is { } difference && Signature.Of(some[i], difference) == _wanted)
                    return (some[i], difference);
            }
        }
        return null;
    }
}
