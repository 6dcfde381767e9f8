using DriverLab.Conformance.Running;
using DriverLab.Conformance.Scenarios;
using DriverLab.Linux;
using DriverLab.Rig;
using DriverLab.Rig.Kernels;
using DriverLab.Rig.Machines;

namespace DriverLab.Cli.Targets;

/// <summary>A real kernel in machines: two when there is much to run and processors for both, each taking the next few scenarios when it has done its own.</summary>
internal sealed class MachineTarget : ITarget
{
    /// <summary>Scenarios that a machine takes at a time.</summary>
    private const int BatchSize = 8;

    private readonly RealKernels _kernels;
    private readonly KernelEntry _entry;
    private readonly IProgress<string> _progress;
    private readonly int _machines;
    private readonly List<MachineLane> _lanes = [];

    private MachineTarget(string name, RealKernels kernels, KernelEntry entry, IProgress<string> progress, int machines)
    {
        (Name, _kernels, _entry, _progress, _machines) = (name, kernels, entry, progress, machines);
        Facts = $"{entry.Release} ({entry.Package})";
    }

    public string Name { get; }

    public string Facts { get; private set; }

    /// <summary>Release and package: what a golden is stamped with.</summary>
    public string Stamp => $"{_entry.Release}, package {_entry.Package}";

    public KernelProfile Profile => _entry.Profile;

    /// <summary>Gets the kernel; machines start when scenarios are run.</summary>
    /// <param name="kernels">Where kernels come from.</param>
    /// <param name="line">The kernel line.</param>
    /// <param name="progress">Told what is done.</param>
    /// <param name="cancellation">Ends the work.</param>
    /// <param name="machines">The most machines at a time.</param>
    /// <param name="fewMessages">As <see cref="FewMessages"/>.</param>
    public static async Task<MachineTarget> CreateAsync(RealKernels kernels, string line, IProgress<string> progress, CancellationToken cancellation, int machines = 1, bool fewMessages = false) =>
        new(line, kernels, await kernels.Kernels.GetAsync(line, Tagged(line, progress), cancellation), Tagged(line, progress), machines) { FewMessages = fewMessages };

    /// <summary>A kernel given by its files.</summary>
    public static async Task<MachineTarget> CreateAsync(RealKernels kernels, string image, string? modules, string? config, IProgress<string> progress, CancellationToken cancellation,
        int machines = 1, bool fewMessages = false)
    {
        var entry = await KernelStore.FromFilesAsync(image, modules, config, cancellation);
        return new(entry.Line, kernels, entry, Tagged(entry.Line, progress), machines) { FewMessages = fewMessages };
    }

    /// <summary>True for one message a scenario instead of one a step: for many short runs. A scenario that kills the kernel is run again with a message a step.</summary>
    public bool FewMessages { get; init; }

    public async Task RunAsync(IReadOnlyList<Scenario> scenarios, Action<ScenarioRun> onRun, CancellationToken cancellation)
    {
        var batches = new Queue<List<Scenario>>(_machines > 1 ? Batches(scenarios) : [scenarios.ToList()]);
        while (_lanes.Count < Math.Max(1, Math.Min(_machines, batches.Count)))
            _lanes.Add(new(Name, _kernels, _entry, _progress) { FewMessages = FewMessages });
        await _lanes[0].StartAsync(cancellation); // the others find its image and its saved machine
        Facts = _lanes[0].Facts;
        var gate = new Lock();
        var needs = new KernelNeeds(scenarios);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        await Task.WhenAll(_lanes.Select(lane => Task.Run(() => WorkAsync(lane), CancellationToken.None)));

        async Task WorkAsync(MachineLane lane)
        {
            try
            {
                while (Next() is { } batch)
                {
                    if (batch.Count > 0)
                        await lane.RunAsync(batch, Tell, stop.Token);
                }
            }
            catch
            {
                await stop.CancelAsync();
                throw;
            }
        }

        void Tell(ScenarioRun run)
        {
            lock (gate)
            {
                onRun(needs.Judge(run));
            }
        }

        List<Scenario>? Next()
        {
            lock (gate)
            {
                if (!batches.TryDequeue(out var batch))
                    return null;
                // What the kernel was found to lack it is not asked for again.
                foreach (var scenario in batch.Where(s => needs.MissingOf(s) is not null).ToList())
                {
                    _ = batch.Remove(scenario);
                    onRun(new(scenario.Name, RunStatus.Skipped, KernelNeeds.Prefix + needs.MissingOf(scenario), []));
                }
                return batch;
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var lane in _lanes)
            await lane.DisposeAsync();
    }

    /// <summary>Scenarios with archives first, each alone: they take longest, and a machine that runs none needs no archives.</summary>
    private static IEnumerable<List<Scenario>> Batches(IReadOnlyList<Scenario> scenarios)
    {
        var large = scenarios.Where(LayerArchives.IsNeeded).OrderByDescending(LayerArchives.Weight).ThenBy(s => s.Name, StringComparer.Ordinal);
        var small = scenarios.Where(s => !LayerArchives.IsNeeded(s));
        return large.Select(s => new List<Scenario> { s }).Concat(small.Chunk(BatchSize).Select(batch => batch.ToList()));
    }

    private static IProgress<string> Tagged(string line, IProgress<string> progress) => new Tag(line, progress);

    private sealed class Tag(string line, IProgress<string> inner) : IProgress<string>
    {
        public void Report(string value) => inner.Report($"{line}: {value}");
    }
}
