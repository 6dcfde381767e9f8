using System.Collections.Concurrent;
using DriverLab.Cli.Targets;
using DriverLab.Conformance.Running;
using DriverLab.Conformance.Scenarios;
using DriverLab.Emulator;
using DriverLab.Linux;
using DriverLab.Simulation;

namespace DriverLab.Cli.Fuzzing;

/// <summary>A kernel that many short programs run on, one after the other.</summary>
internal interface IFuzzSide : IAsyncDisposable
{
    /// <summary>The name as the user wrote it.</summary>
    string Name { get; }

    /// <summary>The kernel as the emulator understands it.</summary>
    KernelProfile Profile { get; }

    /// <summary>Programs that are worth sending at once.</summary>
    int Batch { get; }

    /// <summary>True when programs of a batch run beside each other: they get each other's device numbers, and a difference counts only when the program shows it alone.</summary>
    bool RunsBeside => false;

    /// <summary>Takes away what programs may have left where a scenario's clean up does not look: a device's content and limits, the mode of its node. Where that cannot be, nothing is done.</summary>
    ValueTask RenewAsync() => ValueTask.CompletedTask;

    /// <summary>Runs programs; one trace for each, in order.</summary>
    Task<IReadOnlyList<StepTrace>> RunAsync(IReadOnlyList<Scenario> programs, CancellationToken cancellation);
}

/// <summary>The emulator with a profile; every program gets a kernel of its own.</summary>
/// <param name="profile">The kernel to be.</param>
/// <param name="boot">Boots an emulator; null for the one that there is.</param>
/// <param name="times">Takes the time of each call; null to measure none.</param>
/// <param name="lanes">Programs that run at the same time: one where a real kernel runs beside it.</param>
internal sealed class EmulatedSide(KernelProfile profile, Func<KernelProfile, IKernel>? boot = null, VerbTimes? times = null, int lanes = 1) : IFuzzSide
{
    /// <summary>The first words of why a run broke when the reason is an exception that no scenario may end with.</summary>
    public const string DefectPrefix = "emulator defect: ";

    private readonly ConcurrentDictionary<string, bool> _needs = []; // all kernels are booted alike

    public string Name => $"emulator of {profile.Version.Line}";

    public KernelProfile Profile => profile;

    public int Batch => 64 * lanes;

    public Task<IReadOnlyList<StepTrace>> RunAsync(IReadOnlyList<Scenario> programs, CancellationToken cancellation) => Task.Run<IReadOnlyList<StepTrace>>(
        () => lanes == 1 ? [.. programs.Select(p => Run(p, cancellation))] : [.. programs.AsParallel().AsOrdered().WithDegreeOfParallelism(lanes).Select(p => Run(p, cancellation))], cancellation);

    /// <summary>Runs one program on the calling thread.</summary>
    public StepTrace Run(Scenario program, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        var trace = new StepTrace();
        try
        {
            using var kernel = boot?.Invoke(profile) ?? new EmulatedKernel(profile);
            using var runner = new ScenarioRunner(kernel, _needs);
            _ = runner.Run(program, times?.Around(trace) ?? trace); // the trace holds the status
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            trace.End(RunStatus.Broken, DefectPrefix + Render.Text(e.ToString()));
        }
        return trace;
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}

/// <summary>A kernel in a machine.</summary>
internal sealed class MachineSide(MachineTarget target) : IFuzzSide
{
    public string Name => target.Name;

    public KernelProfile Profile => target.Profile;

    public int Batch => 16;

    public async Task<IReadOnlyList<StepTrace>> RunAsync(IReadOnlyList<Scenario> programs, CancellationToken cancellation)
    {
        // Candidates of a shrinker share a name; a machine tells runs by their names.
        var named = programs.Select(static (p, i) => p with { Name = $"{p.Suite}/fuzz/{i}" }).ToArray();
        var runs = new Dictionary<string, StepTrace>();
        await target.RunAsync(named, run => runs[run.Scenario] = StepTrace.Of(run), cancellation);
        return [.. named.Select(p => runs[p.Name])];
    }

    /// <summary>The next program starts a machine anew, from its saved memory.</summary>
    public ValueTask RenewAsync() => target.DisposeAsync();

    public ValueTask DisposeAsync() => target.DisposeAsync();
}
