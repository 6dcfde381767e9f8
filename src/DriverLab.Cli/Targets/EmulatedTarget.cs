using DriverLab.Conformance.Running;
using DriverLab.Conformance.Scenarios;
using DriverLab.Emulator;
using DriverLab.Linux;
using DriverLab.Simulation;

namespace DriverLab.Cli.Targets;

/// <summary>The emulator with a kernel's profile: a new world for each scenario, so that none can see what another left.</summary>
internal sealed class EmulatedTarget(KernelProfile profile) : ITarget
{
    private readonly LayerArchives _layers = new(progress: null);

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

    /// <summary>Runs one scenario. A defect of the emulator is a run that broke, with the exception as its reason; the others go on.</summary>
    public ScenarioRun Run(Scenario scenario)
    {
        using var kernel = new EmulatedKernel(profile, ModuleSet.Standard, new World(0));
        try
        {
            using var runner = new ScenarioRunner(kernel) { Assets = _layers };
            return runner.Run(scenario);
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            return new(scenario.Name, RunStatus.Broken, $"emulator defect: {Render.Text(e.ToString())}", []);
        }
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
