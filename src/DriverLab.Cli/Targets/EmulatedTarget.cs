using DriverLab.Conformance.Running;
using DriverLab.Conformance.Scenarios;
using DriverLab.Linux;

namespace DriverLab.Cli.Targets;

/// <summary>The emulator with a kernel's profile: a new world for each scenario, so that none can see what another left.</summary>
internal sealed class EmulatedTarget(KernelProfile profile) : ITarget
{
    public string Name => "emulated";

    public string Facts => $"emulator of {profile.Version.Line} ({profile.Name})";

    public KernelProfile Profile => profile;

    public Task RunAsync(IReadOnlyList<Scenario> scenarios, Action<ScenarioRun> onRun, CancellationToken cancellation) => Task.Run(() =>
    {
        foreach (var scenario in scenarios)
        {
            cancellation.ThrowIfCancellationRequested();
            onRun(Run(scenario));
        }
    }, cancellation);

    /// <summary>Runs one scenario.</summary>
    public ScenarioRun Run(Scenario scenario) => new(scenario.Name, RunStatus.Broken, $"{TraceLine.GapPrefix}this build has no emulated kernel of {profile.Name}", []);

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
