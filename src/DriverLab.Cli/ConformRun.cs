using System.Reflection;
using DriverLab.Cli.Commands;
using DriverLab.Cli.Output;
using DriverLab.Cli.Targets;
using DriverLab.Conformance.Comparison;
using DriverLab.Conformance.Reports;
using DriverLab.Conformance.Running;
using DriverLab.Conformance.Scenarios;
using DriverLab.Rig;

namespace DriverLab.Cli;

/// <summary>One run of <c>driverlab conform</c>: every kernel beside the emulator with that kernel's profile, both at the same time.</summary>
internal sealed class ConformRun(ConformOptions options, Progress progress)
{
    private const string DefaultKernel = "6.1";

    /// <summary>Machines at a time.</summary>
    private static readonly int MostMachines = Math.Clamp(Environment.ProcessorCount, 1, 2);

    private readonly List<(string Name, string Value)> _facts = [];
    private readonly List<(string Kernel, string Reason)> _missing = [];

    public async Task<ReportModel> RunAsync(CancellationToken cancellation)
    {
        var data = DataFolder.Find(options.Data);
        var chosen = options.Shard.Of(data.Load(options.Suites, options.Scenarios));
        var scenarios = chosen.Where(s => !(options.IsPlain && ReportBuilder.IsLeftOut(s))).ToList();
        var comparer = data.Comparer();
        var ledger = data.Ledger();
        string[] names = options.KernelImage is not null ? ["image"] : options.Kernels.Count > 0 ? [.. options.Kernels.Distinct()] : [DefaultKernel];
        progress.Report($"driverlab {Version()}: {scenarios.Count} scenarios{(options.Shard.Count > 1 ? $" (shard {options.Shard})" : "")}, kernels {string.Join(", ", names)}, data {data.Root}");

        var comparisons = new List<ScenarioComparison>();
        // Two machines at a time: more would only wait for each other, and the watchdogs would think so too.
        using var slots = new SemaphoreSlim(MostMachines);
        var runs = names.Select(name => KernelAsync(name, names.Length > 1, scenarios, comparer, slots, cancellation)).ToArray();
        foreach (var run in runs)
            comparisons.AddRange(await run);
        return Report(names, chosen, comparisons, ledger);
    }

    private ReportModel Report(string[] names, IReadOnlyList<Scenario> scenarios, List<ScenarioComparison> comparisons, Ledger ledger)
    {
        _facts.Insert(0, ("driverlab", Version()));
        var uses = ledger.Uses(comparisons);
        // A shard does not see all that an entry is about: whether its difference is gone is for the merged report to say.
        var vanished = options.Shard.Count > 1 ? [] : uses.Where(use => !use.Seen).Select(use => use.Entry).ToList();
        var model = ReportBuilder.Build(_facts, scenarios.ToDictionary(s => s.Name), comparisons, vanished, progress.Seconds);
        var missing = _missing.OrderBy(m => Array.IndexOf(names, m.Kernel)).ToList();
        return model with
        {
            Cases =
            [
                .. model.Cases,
                .. missing.SelectMany(m => scenarios.Select(s => ReportBuilder.Missing(s, m.Kernel, m.Reason))),
                .. comparisons.Select(c => c.Kernel).Distinct().SelectMany(kernel => scenarios.Where(s => options.IsPlain && ReportBuilder.IsLeftOut(s)).Select(s => ReportBuilder.LeftOut(s, kernel))),
            ],
            Shard = options.Shard.ToString(),
            Ledger = [.. uses.Select(use => new LedgerUse(use.Entry.Id, use.Entry.Scenario, use.Entry.Kernels, use.Seen))],
            Missing = missing,
        };
    }

    /// <summary>This command's version, with the commit it was built from.</summary>
    public static string Version() => typeof(ConformRun).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion is { } version
        ? version.IndexOf('+') is > 0 and var plus && version.Length > plus + 9 ? version[..(plus + 9)] : version
        : "unknown";

    private async Task<List<ScenarioComparison>> KernelAsync(string name, bool oneOfMany, IReadOnlyList<Scenario> scenarios, Comparer comparer, SemaphoreSlim slots, CancellationToken cancellation)
    {
        await slots.WaitAsync(cancellation);
        try
        {
            await using var real = await OpenAsync(name, oneOfMany ? 1 : MostMachines, cancellation);
            var (emulated, measured) = await BothAsync(real, scenarios, cancellation);
            lock (_facts)
                _facts.Add(($"kernel {real.Name}", real.Facts));
            return [.. scenarios.Select(s => comparer.Compare(s, real.Name, emulated[s.Name], measured[s.Name]))];
        }
        catch (RigException e) when (oneOfMany && e is not RigUsageException)
        {
            // The other kernels' results are worth having; this one's absence is said, and the run is not passed.
            progress.Report($"{name}: MISSING from this run: {e.Message}");
            lock (_missing)
                _missing.Add((name, e.Message.Split('\n')[0]));
            return [];
        }
        finally
        {
            _ = slots.Release();
        }
    }

    private async Task<(Dictionary<string, ScenarioRun> Emulated, Dictionary<string, ScenarioRun> Real)> BothAsync(ITarget real, IReadOnlyList<Scenario> scenarios, CancellationToken cancellation)
    {
        var ours = new Dictionary<string, ScenarioRun>();
        var theirs = new Dictionary<string, ScenarioRun>();
        await using var emulator = new EmulatedTarget(real.Profile);
        var emulating = emulator.RunAsync(scenarios, run => ours[run.Scenario] = run, cancellation);
        await real.RunAsync(scenarios, run =>
        {
            theirs[run.Scenario] = run;
            progress.Count($"{real.Name}: {theirs.Count}/{scenarios.Count} {run.Scenario}");
        }, cancellation);
        await emulating;
        progress.Report($"{real.Name}: {theirs.Count} scenarios done");
        return (ours, theirs);
    }

    private async Task<ITarget> OpenAsync(string name, int machines, CancellationToken cancellation) => name switch
    {
        "host" => new HostTarget(),
        "emulated" => new EmulatedTarget(Profiles.Of(DefaultKernel)),
        "image" => await MachineTarget.CreateAsync(RealKernels.OfUser(options.Machine), options.KernelImage!, options.Modules, options.Config, progress, cancellation, machines, fewMessages: true),
        _ => await MachineTarget.CreateAsync(RealKernels.OfUser(options.Machine), name, progress, cancellation, machines, fewMessages: true),
    };
}
