using System.Globalization;
using DriverLab.Conformance.Running;
using DriverLab.Conformance.Scenarios;
using DriverLab.Rig;
using DriverLab.Rig.Kernels;
using DriverLab.Rig.Machines;

namespace DriverLab.Cli.Targets;

/// <summary>One machine after another for batches of scenarios. When a scenario kills the kernel, it is marked and the others go on in a new machine; so they do when a scenario leaves something behind.</summary>
/// <param name="name">The kernel as the user named it.</param>
/// <param name="kernels">Starts machines.</param>
/// <param name="entry">The kernel.</param>
/// <param name="progress">Told what is done.</param>
internal sealed class MachineLane(string name, RealKernels kernels, KernelEntry entry, IProgress<string> progress) : IAsyncDisposable
{
    /// <summary>Machines that may die in one batch before the run is given up: more points to something else than a scenario.</summary>
    private const int MostLosses = 5;

    private readonly HashSet<string> _archives = [];
    private Machine? _machine;

    /// <summary>The kernel, and what runs it.</summary>
    public string Facts { get; private set; } = "";

    /// <summary>True for one message a scenario, as long as no machine is lost.</summary>
    public bool FewMessages { get; init; }

    /// <summary>Starts a machine if none is running.</summary>
    public async Task StartAsync(CancellationToken cancellation)
    {
        if (_machine is not null)
            return;
        var options = await kernels.PrepareAsync(entry, progress: progress, cancellation: cancellation);
        _machine = await kernels.StartAsync(options, progress, cancellation);
        Facts = $"{entry.Release} ({entry.Package}), {kernels.Starter.Name}, {_machine.Accelerator.Name} ({_machine.Accelerator.Why})";
        progress.Report(string.Create(CultureInfo.InvariantCulture, $"{entry.Release} ({entry.Package}), {_machine.Accelerator.Name}, {(_machine.Restored ? "restored" : "booted")} in {_machine.BootTime.TotalSeconds:0.0} s"));
        foreach (var complaint in _machine.Hello.Complaints)
            progress.Report($"module not loaded: {complaint}");
    }

    /// <summary>Runs a batch and tells each run when it ends.</summary>
    public async Task RunAsync(List<Scenario> waiting, Action<ScenarioRun> onRun, CancellationToken cancellation)
    {
        bool few = FewMessages;
        int losses = 0;
        while (waiting.Count > 0)
        {
            await StartAsync(cancellation);
            await PutArchivesAsync(waiting, cancellation);
            using var usedUp = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
            var reader = new BatchReader(new RunSink(run =>
            {
                // What is left in the machine must not be seen by other scenarios.
                if (usedUp.IsCancellationRequested)
                    return;
                _ = waiting.RemoveAll(s => s.Name == run.Scenario);
                onRun(run);
                if (run.LeftSomething)
                    usedUp.Cancel();
            }));
            try
            {
                await _machine!.RunProgramAsync(Batch.Encode(waiting, few), reader.Read, usedUp.Token);
                usedUp.Token.ThrowIfCancellationRequested();
                if (waiting.Count > 0)
                    throw new RigException($"the guest program for {name} ended without running {waiting[0].Name}; its console says:\n{_machine.Console}");
                return;
            }
            catch (OperationCanceledException) when (usedUp.IsCancellationRequested && !cancellation.IsCancellationRequested)
            {
                await DisposeAsync();
            }
            catch (MachineException lost) when (losses < MostLosses)
            {
                losses++;
                string what = lost switch
                {
                    MachinePanicException panic => $"oops: {panic.Reason}",
                    MachineHangException => TraceLine.HangPrefix,
                    _ => "lost: the machine ended",
                };
                if (few)
                {
                    few = false;
                    progress.Report($"{what} in {reader.Scenario}; going on step by step in another machine");
                    await DisposeAsync();
                    continue;
                }
                if (reader.Lost(Render.Text(what)) is not { } scenario)
                    throw;
                progress.Report($"{scenario} step {reader.Step}: {what}; starting another machine\n{lost.ConsoleTail}");
                await DisposeAsync();
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        _archives.Clear();
        if (_machine is { } machine)
            await machine.DisposeAsync();
        _machine = null;
    }

    /// <summary>Gives the machine the archives that these scenarios read, each once.</summary>
    private async Task PutArchivesAsync(List<Scenario> scenarios, CancellationToken cancellation)
    {
        string[] wanted = [.. scenarios.SelectMany(LayerArchives.Of).Distinct().Where(archive => !_archives.Contains(archive))];
        foreach (string archive in wanted)
        {
            if (await LayerArchives.FileAsync(archive, progress, cancellation) is { } file)
                await _machine!.PutFileAsync($"{KernelLayerAssets.GuestFolder}/{archive}.tar", await File.ReadAllBytesAsync(file, cancellation), 0x1A4, cancellation);
            _ = _archives.Add(archive);
        }
    }
}
