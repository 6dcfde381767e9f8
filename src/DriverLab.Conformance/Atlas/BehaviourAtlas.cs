using DriverLab.Conformance.Comparison;
using DriverLab.Conformance.Golden;
using DriverLab.Conformance.Scenarios;

namespace DriverLab.Conformance.Atlas;

/// <summary>A behaviour that changed between two kernel lines that follow each other among those recorded.</summary>
/// <param name="Scenario">The scenario that shows it.</param>
/// <param name="Before">The last line with the old behaviour.</param>
/// <param name="Since">The first line with the new one.</param>
/// <param name="Changes">Every observation that changed, in the order of the steps; the emulator's side of each holds what the older kernel says.</param>
public sealed record ChangedBehaviour(Scenario Scenario, string Before, string Since, IReadOnlyList<Divergence> Changes)
{
    /// <summary>The first observation that changed.</summary>
    public Divergence First => Changes[0];
}

/// <summary>Behaviours that changed between kernels: found by comparing what was recorded of each, never typed in.</summary>
public sealed class BehaviourAtlas
{
    private BehaviourAtlas(IReadOnlyList<string> lines, IReadOnlyList<ChangedBehaviour> rows, int compared) => (Lines, Rows, Compared) = (lines, rows, compared);

    /// <summary>The kernel lines, oldest first.</summary>
    public IReadOnlyList<string> Lines { get; }

    /// <summary>What changed, by scenario.</summary>
    public IReadOnlyList<ChangedBehaviour> Rows { get; }

    /// <summary>Scenarios that were recorded, as they are now, on two lines at least.</summary>
    public int Compared { get; }

    /// <summary>Compares each line with the one before it.</summary>
    public static BehaviourAtlas Of(GoldenStore store, IReadOnlyList<Scenario> scenarios, NormaliserSet normalisers)
    {
        var comparer = new Comparer(normalisers, Ledger.Empty);
        var lines = store.Lines;
        var runs = lines.Select(store.Runs).ToArray();
        var rows = new List<ChangedBehaviour>();
        int compared = 0;
        foreach (var scenario in scenarios)
        {
            ulong digest = GoldenFile.DigestOf(scenario);
            int before = -1;
            bool counted = false;
            for (int i = 0; i < lines.Count; i++)
            {
                if (!runs[i].TryGetValue(scenario.Name, out var run) || run.Digest != digest || run.Run.Status == Running.RunStatus.Skipped)
                    continue;
                if (before >= 0)
                {
                    counted = true;
                    var comparison = comparer.Compare(scenario, lines[i], runs[before][scenario.Name].Run, run.Run);
                    if (comparison.Divergences.Count > 0)
                        rows.Add(new(scenario, lines[before], lines[i], comparison.Divergences));
                }
                before = i;
            }
            compared += counted ? 1 : 0;
        }
        return new(lines, rows, compared);
    }
}
