namespace DriverLab.Conformance.Comparison;

/// <summary>One observation in which two kernels differ.</summary>
/// <param name="Scenario">The scenario.</param>
/// <param name="Kernel">The real kernel, as the user named it.</param>
/// <param name="Step">The step's number; 0 for the cleaning up or the run as a whole.</param>
/// <param name="Call">The call.</param>
/// <param name="Detail">Key of the detail (a path, a name), or empty for the call's own outcome.</param>
/// <param name="Emulator">The emulator's outcome.</param>
/// <param name="Real">The real kernel's outcome.</param>
/// <param name="Layer">Where in the stack the difference most likely is.</param>
public sealed record Divergence(string Scenario, string Kernel, int Step, string Call, string Detail, string Emulator, string Real, string Layer)
{
    /// <summary>The outcome shown for a line that one side does not have.</summary>
    public const string Absent = "(absent)";

    /// <summary>The ledger's entry that lists it, or null.</summary>
    public LedgerEntry? Listed { get; init; }

    /// <summary>The command that shows it again.</summary>
    public string Reproduce => $"driverlab conform --kernel {Kernel} --scenario {Scenario}";
}

/// <summary>What came of a scenario on one kernel.</summary>
public enum Verdict
{
    /// <summary>All observations are equal.</summary>
    Same,
    /// <summary>They differ, and the ledger lists every difference.</summary>
    Listed,
    /// <summary>They differ.</summary>
    Different,
    /// <summary>The emulator has a gap.</summary>
    Gap,
    /// <summary>The kernel lacks something that the scenario needs.</summary>
    Skipped,
}

/// <summary>A scenario's comparison on one kernel.</summary>
/// <param name="Scenario">Its name.</param>
/// <param name="Suite">Its suite.</param>
/// <param name="Kernel">The real kernel, as the user named it.</param>
/// <param name="Verdict">What came of it.</param>
/// <param name="Reason">Why it was skipped, or what the gap is; else empty.</param>
/// <param name="Divergences">Every difference, in the order of the steps.</param>
/// <param name="Emulator">The emulator's run.</param>
/// <param name="Real">The real kernel's run.</param>
public sealed record ScenarioComparison(string Scenario, string Suite, string Kernel, Verdict Verdict, string Reason, IReadOnlyList<Divergence> Divergences, Running.ScenarioRun Emulator, Running.ScenarioRun Real);
