namespace DriverLab.Conformance.Reports;

/// <summary>What came of one scenario on one kernel.</summary>
public enum CaseVerdict
{
    /// <summary>Every outcome and every manifest is equal.</summary>
    Same,
    /// <summary>Something differs and the ledger does not know it, or the ledger knows a difference that is gone.</summary>
    Different,
    /// <summary>The emulator says that it does not model something.</summary>
    Gap,
    /// <summary>Not run; the reason says why. Never counted as passed.</summary>
    Skipped,
}

/// <summary>One step of a trace, on both sides.</summary>
/// <param name="Step">1-based number in the scenario.</param>
/// <param name="Actor">Who called.</param>
/// <param name="Call">The call as the scenario writes it.</param>
/// <param name="Real">The kernel's outcome.</param>
/// <param name="Emulated">The emulator's outcome.</param>
/// <param name="Differs">True when the two are not equal after normalising.</param>
public sealed record TraceRow(int Step, string Actor, string Call, string Real, string Emulated, bool Differs);

/// <summary>What the first differing step of a scenario says.</summary>
public sealed record DifferenceView
{
    /// <summary>1-based number of the first differing step.</summary>
    public required int Step { get; init; }
    /// <summary>1-based line of that step in the scenario file; 0 when unknown.</summary>
    public required int Line { get; init; }
    public required string Call { get; init; }
    /// <summary>The kernel's outcome.</summary>
    public required string Real { get; init; }
    /// <summary>The emulator's outcome.</summary>
    public required string Emulated { get; init; }
    /// <summary>The layer at which it starts: vfs, overlay, dm, loop ….</summary>
    public required string Layer { get; init; }
    /// <summary>One sentence for a person.</summary>
    public required string Explanation { get; init; }
    /// <summary>The related entry of the ledger, if any.</summary>
    public string? LedgerId { get; init; }
}

/// <summary>One scenario on one kernel.</summary>
public sealed record CaseResult
{
    public required string Suite { get; init; }
    /// <summary>The path below the scenario folder without its ending.</summary>
    public required string Scenario { get; init; }
    /// <summary>The kernel's short name: <c>6.12</c>, <c>host</c>.</summary>
    public required string Kernel { get; init; }
    public required CaseVerdict Verdict { get; init; }
    /// <summary>Why it was skipped, or what is not modelled; null otherwise.</summary>
    public string? Reason { get; init; }
    /// <summary>Wall time of both sides together, in seconds.</summary>
    public double Seconds { get; init; }
    /// <summary>The real kernel's part of <see cref="Seconds"/>.</summary>
    public double KernelSeconds { get; init; }
    /// <summary>Steps that were run.</summary>
    public int Steps { get; init; }
    public DifferenceView? Difference { get; init; }
    /// <summary>The whole trace; kept for cases that differ or have a gap, empty otherwise.</summary>
    public IReadOnlyList<TraceRow> Trace { get; init; } = [];
    /// <summary>The scenario's text; kept like <see cref="Trace"/>.</summary>
    public string Source { get; init; } = "";
    /// <summary>The one command that reproduces the case.</summary>
    public required string Reproduce { get; init; }
}

/// <summary>How often a call had an outcome on real kernels, and how often the emulator gave the same.</summary>
/// <param name="Call">The call as scenarios write it.</param>
/// <param name="Outcome"><c>ok</c>, or an errno.</param>
/// <param name="Seen">Steps of real kernels.</param>
/// <param name="Matched">Those in which the emulator did not differ.</param>
public sealed record CallCoverage(string Call, string Outcome, int Seen, int Matched);

/// <summary>An entry of the ledger about scenarios that were run.</summary>
/// <param name="Id">Its name.</param>
/// <param name="Scenario">The scenarios that it is about, a pattern.</param>
/// <param name="Kernels">The kernels that it is about.</param>
/// <param name="Seen">True when it listed a difference in this run; one that no shard has seen is to be taken out.</param>
public sealed record LedgerUse(string Id, string Scenario, string Kernels, bool Seen);

/// <summary>A whole run, as every report shows it.</summary>
/// <param name="Facts">What ran where: commit, kernel releases, accelerator, seed; name and value.</param>
/// <param name="Cases">Every scenario on every kernel.</param>
/// <param name="Seconds">Wall time of the run, in seconds.</param>
public sealed record ReportModel(IReadOnlyList<(string Name, string Value)> Facts, IReadOnlyList<CaseResult> Cases, double Seconds)
{
    /// <summary>The part of the scenarios that was run, <c>1/1</c> for all.</summary>
    public string Shard { get; init; } = "1/1";

    /// <summary>Entries of the ledger that had something to say.</summary>
    public IReadOnlyList<LedgerUse> Ledger { get; init; } = [];

    /// <summary>Kernels that were asked for and could not be had, with the reason. Their scenarios are among the skipped cases; a run with one is not passed.</summary>
    public IReadOnlyList<(string Kernel, string Reason)> Missing { get; init; } = [];

    /// <summary>Calls and outcomes that the run covered, in order.</summary>
    public IReadOnlyList<CallCoverage> Coverage { get; init; } = [];

    /// <summary>Cases with this verdict.</summary>
    public int Count(CaseVerdict verdict) => Cases.Count(c => c.Verdict == verdict);

    /// <summary>Cases with this verdict in one cell of the table suite × kernel.</summary>
    public int Count(string suite, string kernel, CaseVerdict verdict) => Cases.Count(c => c.Verdict == verdict && c.Suite == suite && c.Kernel == kernel);

    /// <summary>The suites, sorted.</summary>
    public IReadOnlyList<string> Suites => [.. Cases.Select(c => c.Suite).Distinct().Order(StringComparer.Ordinal)];

    /// <summary>The kernels, in order of first appearance.</summary>
    public IReadOnlyList<string> Kernels => [.. Cases.Select(c => c.Kernel).Distinct()];

    /// <summary>The verdict in one sentence.</summary>
    public string Sentence
    {
        get
        {
            int different = Count(CaseVerdict.Different), gap = Count(CaseVerdict.Gap), skipped = Count(CaseVerdict.Skipped), same = Count(CaseVerdict.Same);
            string kernels = Kernels.Count == 1 ? $"kernel {Kernels[0]}" : $"{Kernels.Count} kernels";
            string main = different > 0 ? $"{different} of {Cases.Count} scenarios differ on {kernels}"
                : same == 0 ? "nothing was compared"
                : $"emulator and {kernels} agree in {same} scenarios";
            return main + (gap > 0 ? $", {gap} not modelled" : "") + (skipped > 0 ? $", {skipped} skipped" : "")
                + (Missing.Count > 0 ? $"; MISSING kernels: {string.Join(", ", Missing.Select(m => m.Kernel))}" : "") + ".";
        }
    }
}
