using DriverLab.Conformance.Running;
using DriverLab.Conformance.Scenarios;

namespace DriverLab.Cli.Targets;

/// <summary>What one kernel was found to have and to lack while scenarios ran on it.</summary>
/// <param name="scenarios">The scenarios; their names are different.</param>
internal sealed class KernelNeeds(IEnumerable<Scenario> scenarios)
{
    /// <summary>What a run says that was skipped because the kernel lacks something.</summary>
    public const string Prefix = "needs ";

    private readonly Dictionary<string, IReadOnlyList<string>> _needs = scenarios.ToDictionary(static s => s.Name, static s => s.Needs);
    private readonly HashSet<string> _missing = [], _present = [];

    /// <summary>What a scenario needs and the kernel is known to lack; null when there is no such thing.</summary>
    public string? MissingOf(Scenario scenario) => scenario.Needs.FirstOrDefault(_missing.Contains);

    /// <summary>Takes note of a run. What the kernel had it still has: a scenario that takes something away would have all that come after it skipped, so that such a run is broken.</summary>
    public ScenarioRun Judge(ScenarioRun run)
    {
        if (run.Status != RunStatus.Skipped)
            _present.UnionWith(_needs[run.Scenario]);
        if (run.Status != RunStatus.Skipped || !run.Reason.StartsWith(Prefix, StringComparison.Ordinal) || run.Reason.Contains(':', StringComparison.Ordinal))
            return run;
        string need = run.Reason[Prefix.Length..];
        if (_present.Contains(need))
            return run with { Status = RunStatus.Broken, Reason = $"needs {need}, which was there for an earlier scenario: one between them took it away" };
        _ = _missing.Add(need);
        return run;
    }
}
