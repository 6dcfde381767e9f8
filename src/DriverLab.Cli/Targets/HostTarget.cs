using DriverLab.Conformance.Running;
using DriverLab.Conformance.Scenarios;
using DriverLab.Linux;
using DriverLab.Native;

namespace DriverLab.Cli.Targets;

/// <summary>The machine's own kernel, in private mount namespaces; only when the user asks for it and is root.</summary>
internal sealed class HostTarget : ITarget
{
    private readonly NativeKernel _kernel;

    public HostTarget()
    {
        if (Environment.UserName != "root" && !Environment.IsPrivilegedProcess)
            throw new UsageException("--kernel host needs root, and this is another user; run it as root (sudo), or take a kernel in a machine, such as --kernel 6.12");
        _kernel = NativeKernel.NewTask();
    }

    public string Name => "host";

    public string Facts => _kernel.Profile.Name;

    public KernelProfile Profile => _kernel.Profile;

    public Task RunAsync(IReadOnlyList<Scenario> scenarios, Action<ScenarioRun> onRun, CancellationToken cancellation) => Task.Run(() =>
    {
        using var runner = new ScenarioRunner(_kernel) { Assets = new LayerArchives(progress: null) };
        var sink = new RunSink(onRun);
        foreach (var scenario in scenarios)
        {
            cancellation.ThrowIfCancellationRequested();
            _ = runner.Run(scenario, sink); // the status is in the run that the sink hands out
        }
    }, cancellation);

    public ValueTask DisposeAsync()
    {
        _kernel.Dispose();
        return ValueTask.CompletedTask;
    }
}
