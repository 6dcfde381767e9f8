using DriverLab.Conformance.Running;
using DriverLab.Conformance.Scenarios;
using DriverLab.Linux;

namespace DriverLab.Cli.Targets;

/// <summary>A kernel that scenarios run on.</summary>
internal interface ITarget : IAsyncDisposable
{
    /// <summary>The name as the user wrote it: <c>6.12</c>, <c>host</c>.</summary>
    string Name { get; }

    /// <summary>Names the kernel exactly.</summary>
    string Facts { get; }

    /// <summary>The kernel as the emulator understands it; known before the kernel runs.</summary>
    KernelProfile Profile { get; }

    /// <summary>Runs scenarios and tells each run when it ends.</summary>
    Task RunAsync(IReadOnlyList<Scenario> scenarios, Action<ScenarioRun> onRun, CancellationToken cancellation);
}

/// <summary>Hands out runs as they end.</summary>
internal sealed class RunSink(Action<ScenarioRun> onRun) : ITraceSink
{
    private readonly CollectingSink _inner = new();

    public void Begin(string scenario) => _inner.Begin(scenario);

    public void Entering(int step) { }

    public void Line(in TraceLine line) => _inner.Line(line);

    public void End(RunStatus status, string reason)
    {
        _inner.End(status, reason);
        onRun(_inner.Result!);
    }
}
