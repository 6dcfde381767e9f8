using System.Globalization;
using DriverLab.Conformance.Running;
using DriverLab.Conformance.Scenarios;
using DriverLab.Linux;
using DriverLab.Rig;
using DriverLab.Rig.Kernels;
using DriverLab.Rig.Machines;

namespace DriverLab.Cli.Targets;

/// <summary>A real kernel in a machine. When a scenario kills the kernel, it is marked and the others go on in a new machine.</summary>
internal sealed class MachineTarget : ITarget
{
    /// <summary>Machines that may die in one run before it is given up: more points to something else than a scenario.</summary>
    private const int MostLosses = 5;

    private readonly RealKernels _kernels;
    private readonly KernelEntry _entry;
    private readonly IProgress<string> _progress;
    private Machine? _machine;
    private bool _hasLayers;

    private MachineTarget(string name, RealKernels kernels, KernelEntry entry, IProgress<string> progress)
    {
        (Name, _kernels, _entry, _progress) = (name, kernels, entry, progress);
        Facts = $"{entry.Release} ({entry.Package})";
    }

    public string Name { get; }

    public string Facts { get; private set; }

    /// <summary>Release and package: what a golden is stamped with.</summary>
    public string Stamp => $"{_entry.Release}, package {_entry.Package}";

    public KernelProfile Profile => _entry.Profile;

    /// <summary>Gets the kernel; the machine starts when scenarios are run.</summary>
    public static async Task<MachineTarget> CreateAsync(RealKernels kernels, string line, IProgress<string> progress, CancellationToken cancellation, bool fewMessages = false) =>
        new(line, kernels, await kernels.Kernels.GetAsync(line, Tagged(line, progress), cancellation), Tagged(line, progress)) { FewMessages = fewMessages };

    /// <summary>A kernel given by its files.</summary>
    public static async Task<MachineTarget> CreateAsync(RealKernels kernels, string image, string? modules, string? config, IProgress<string> progress, CancellationToken cancellation, bool fewMessages = false)
    {
        var entry = await KernelStore.FromFilesAsync(image, modules, config, cancellation);
        return new(entry.Line, kernels, entry, Tagged(entry.Line, progress)) { FewMessages = fewMessages };
    }

    /// <summary>True for one message a scenario instead of one a step: for many short runs. A scenario that kills the kernel is run again with a message a step.</summary>
    public bool FewMessages { get; init; }

    public async Task RunAsync(IReadOnlyList<Scenario> scenarios, Action<ScenarioRun> onRun, CancellationToken cancellation)
    {
        var waiting = scenarios.ToList();
        bool few = FewMessages;
        for (int losses = 0; waiting.Count > 0; losses++)
        {
            await StartAsync(cancellation);
            await PutLayersAsync(waiting, cancellation);
            var reader = new BatchReader(new RunSink(run =>
            {
                _ = waiting.RemoveAll(s => s.Name == run.Scenario);
                onRun(run);
            }));
            try
            {
                await _machine!.RunProgramAsync(Batch.Encode(waiting, few), reader.Read, cancellation);
                if (waiting.Count > 0)
                    throw new RigException($"the guest program for {Name} ended without running {waiting[0].Name}; its console says:\n{_machine.Console}");
            }
            catch (MachineException lost) when (losses < MostLosses)
            {
                string what = lost switch
                {
                    MachinePanicException panic => $"oops: {panic.Reason}",
                    MachineHangException => TraceLine.HangPrefix,
                    _ => "lost: the machine ended",
                };
                if (few)
                {
                    few = false;
                    _progress.Report($"{what} in {reader.Scenario}; going on step by step in another machine");
                    await StopAsync();
                    continue;
                }
                if (reader.Lost(Render.Text(what)) is not { } scenario)
                    throw;
                _progress.Report($"{scenario} step {reader.Step}: {what}; starting another machine\n{lost.ConsoleTail}");
                await StopAsync();
            }
        }
    }

    public ValueTask DisposeAsync() => new(StopAsync());

    private async Task StartAsync(CancellationToken cancellation)
    {
        if (_machine is not null)
            return;
        var options = await _kernels.PrepareAsync(_entry, progress: _progress, cancellation: cancellation);
        _machine = await _kernels.StartAsync(options, _progress, cancellation);
        Facts = $"{_entry.Release} ({_entry.Package}), {_machine.Accelerator.Name} ({_machine.Accelerator.Why})";
        _progress.Report(string.Create(CultureInfo.InvariantCulture, $"{_entry.Release} ({_entry.Package}), {_machine.Accelerator.Name}, {(_machine.Restored ? "restored" : "booted")} in {_machine.BootTime.TotalSeconds:0.0} s"));
        foreach (var complaint in _machine.Hello.Complaints)
            _progress.Report($"module not loaded: {complaint}");
    }

    /// <summary>Gives a machine the archives that scenarios read, once, and only when one of them is going to run.</summary>
    private async Task PutLayersAsync(List<Scenario> scenarios, CancellationToken cancellation)
    {
        if (_hasLayers || !LayerArchives.AreNeeded(scenarios) || await LayerArchives.FolderAsync(_progress, cancellation) is not { } folder)
            return;
        foreach (string file in Directory.GetFiles(folder, "*.tar").Order(StringComparer.Ordinal))
            await _machine!.PutFileAsync($"{KernelLayerAssets.GuestFolder}/{Path.GetFileName(file)}", await File.ReadAllBytesAsync(file, cancellation), 0x1A4, cancellation);
        _hasLayers = true;
    }

    private async Task StopAsync()
    {
        _hasLayers = false;
        if (_machine is { } machine)
            await machine.DisposeAsync();
        _machine = null;
    }

    private static IProgress<string> Tagged(string line, IProgress<string> progress) => new Tag(line, progress);

    private sealed class Tag(string line, IProgress<string> inner) : IProgress<string>
    {
        public void Report(string value) => inner.Report($"{line}: {value}");
    }
}
