using System.Diagnostics;
using System.Globalization;
using System.Text;
using DriverLab.Cli.Output;
using DriverLab.Conformance.Running;
using DriverLab.Conformance.Scenarios;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Rig;
using DriverLab.Rig.Kernels;
using DriverLab.Rig.Machines;

namespace DriverLab.Cli;

/// <summary>What <c>rig bench</c> measured. Times in seconds.</summary>
internal sealed record RigNumbers
{
    public required string Kernel { get; init; }
    public required string Machine { get; init; }
    public required Accelerator Accelerator { get; init; }
    public double Boot { get; init; }
    public double Save { get; init; }
    public double SavedMegabytes { get; init; }
    /// <summary>From the call that starts the machine to the first answered kernel call, sorted.</summary>
    public required IReadOnlyList<double> Restores { get; init; }
    /// <summary>Where a restore's time goes: mean seconds of each phase.</summary>
    public required IReadOnlyList<(string Phase, double Seconds)> Phases { get; init; }
    /// <summary>Keeping a moment of a running machine, and going back to it until it answers; medians, 0 where that is not offered.</summary>
    public (double Snapshot, double Revert) Moments { get; init; }
    public int Calls { get; init; }
    public double BatchSeconds { get; init; }
    /// <summary>Processor time that QEMU took for the batch; it does not depend on how busy the host is. 0 when it is not known.</summary>
    public double QemuCpu { get; init; }
    /// <summary>The guest's own account of the batch: seconds in user space (the runner), in the kernel (the calls, the port), waiting.</summary>
    public (double User, double Kernel, double Idle) Guest { get; init; }

    public double RestoreMedian => Restores.Count == 0 ? 0 : Median(Restores);
    public double RestoreWorst => Restores.Count == 0 ? 0 : Restores[^1];
    public double CallsPerSecond => Calls / BatchSeconds;

    /// <summary>Of sorted values.</summary>
    public static double Median(IReadOnlyList<double> sorted) => (sorted[(sorted.Count - 1) / 2] + sorted[sorted.Count / 2]) / 2;
}

/// <summary>Measures a machine: boot, save, restores, and a batch of calls whose trace is streamed as <c>conform</c> does it.</summary>
internal sealed class RigBench(RealKernels rig, KernelEntry entry, Progress progress)
{
    private const int Restores = 20, Moments = 5, Rounds = 150, Scenarios = 8;

    /// <summary>Each line is one system call in the guest.</summary>
    private static readonly string[] s_round =
        ["mkdir /d", "fd = open /d/f O_RDWR|O_CREAT 0644", "pwrite fd \"some text\" 0", "pread fd 100 0", "fstat fd", "close fd", "stat /d/f", "rename /d/f /d/g", "unlink /d/g", "rmdir /d"];

    public async Task<RigNumbers> RunAsync(CancellationToken cancellation)
    {
        var options = await rig.PrepareAsync(entry, progress: progress, cancellation: cancellation);
        var accelerator = await rig.AcceleratorAsync(options, progress, cancellation);
        progress.Report($"{entry.Release} by {rig.Starter.Name} ({accelerator.Name}: {accelerator.Why}): booting and saving");
        var (boot, save, bytes) = await rig.Starter.MakeAsync(options, accelerator, progress, cancellation);
        var restores = new List<double>();
        var phases = new Dictionary<string, double>();
        for (int i = 0; i < Restores; i++)
        {
            progress.Count($"restore {i + 1} of {Restores}");
            restores.Add(await RestoreAsync(options, accelerator, phases, cancellation));
        }
        restores.Sort();
        var moments = rig.Starter == rig.Saved ? await MomentsAsync(cancellation) : default;
        progress.Report("a batch of calls");
        var numbers = new RigNumbers
        {
            Kernel = $"{entry.Release} ({entry.Package})",
            Machine = rig.Starter.Name,
            Accelerator = accelerator,
            Boot = boot.TotalSeconds,
            Save = save.TotalSeconds,
            SavedMegabytes = bytes / 1e6,
            Restores = restores,
            Moments = moments,
            Phases = [.. phases.Select(phase => (phase.Key, phase.Value / Restores))],
        };
        return await BatchAsync(numbers, options, accelerator, cancellation);
    }

    private async Task<double> RestoreAsync(MachineOptions options, Accelerator accelerator, Dictionary<string, double> phases, CancellationToken cancellation)
    {
        long start = Stopwatch.GetTimestamp();
        await using var machine = await rig.Starter.StartAsync(options, accelerator, progress, cancellation);
        if (!machine.Restored)
            throw new RigException($"the machine of {entry.Line} booted instead of going on from its saved state; see above why");
        using var task = await Task.Run(machine.NewTask, cancellation);
        if (await Task.Run(() => task.Statx(Fd.Cwd, "/"u8, AtFlags.None, StatxMask.STATX_BASIC_STATS, out _), cancellation) is not Errno.OK and var refused)
            throw new RigException($"the machine of {entry.Line} answers statx of / with {refused}");
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        var before = TimeSpan.Zero;
        foreach (var (phase, at) in machine.Phases)
        {
            phases[phase] = phases.GetValueOrDefault(phase) + (at - before).TotalSeconds;
            before = at;
        }
        phases["first call"] = phases.GetValueOrDefault("first call") + seconds - before.TotalSeconds;
        return seconds;
    }

    private async Task<(double Snapshot, double Revert)> MomentsAsync(CancellationToken cancellation)
    {
        await using var machine = await Machine.StartAsync(rig, entry, null, progress, cancellation);
        var (snapshots, reverts) = (new List<double>(), new List<double>());
        for (int i = 0; i < Moments; i++)
        {
            progress.Count($"snapshot and revert {i + 1} of {Moments}");
            long start = Stopwatch.GetTimestamp();
            await machine.SnapshotAsync("bench", cancellation);
            snapshots.Add(Stopwatch.GetElapsedTime(start).TotalSeconds);
            start = Stopwatch.GetTimestamp();
            await machine.RevertAsync("bench", cancellation);
            using var task = await Task.Run(machine.NewTask, cancellation);
            reverts.Add(Stopwatch.GetElapsedTime(start).TotalSeconds);
        }
        snapshots.Sort();
        reverts.Sort();
        return (RigNumbers.Median(snapshots), RigNumbers.Median(reverts));
    }

    private async Task<RigNumbers> BatchAsync(RigNumbers numbers, MachineOptions options, Accelerator accelerator, CancellationToken cancellation)
    {
        string text = "# A batch.\nsuite vfs\n" + string.Concat(Enumerable.Repeat(string.Join('\n', s_round) + "\n", Rounds));
        var scenarios = Enumerable.Range(0, Scenarios).Select(i => ScenarioParser.Parse($"vfs/bench/{i}", "bench", text)).ToList();
        await using var machine = await rig.Starter.StartAsync(options, accelerator, progress, cancellation);
        var runs = new List<ScenarioRun>();
        var reader = new BatchReader(new Targets.RunSink(runs.Add));
        await machine.RunProgramAsync(Batch.Encode([ScenarioParser.Parse("vfs/bench/warm", "bench", text)], few: true), reader.Read, cancellation);
        runs.Clear();
        var (guestBefore, qemuBefore) = (await GuestCpuAsync(machine, cancellation), QemuCpu(machine));
        long start = Stopwatch.GetTimestamp();
        await machine.RunProgramAsync(Batch.Encode(scenarios, few: true), reader.Read, cancellation);
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        var (guestAfter, qemuAfter) = (await GuestCpuAsync(machine, cancellation), QemuCpu(machine));
        if (runs.Count != Scenarios || runs.Exists(run => run.Status != RunStatus.Done || run.Lines.Any(line => line.Outcome.StartsWith('E'))))
            throw new RigException($"the batch did not run as it should: {runs.Count} of {Scenarios} scenarios, {runs.SelectMany(run => run.Lines).Select(line => line.ToString()).FirstOrDefault(line => line.Contains("\tE", StringComparison.Ordinal)) ?? runs.FirstOrDefault()?.Reason}");
        return numbers with
        {
            Calls = Scenarios * Rounds * s_round.Length,
            BatchSeconds = seconds,
            QemuCpu = qemuAfter - qemuBefore,
            Guest = (guestAfter.User - guestBefore.User, guestAfter.Kernel - guestBefore.Kernel, guestAfter.Idle - guestBefore.Idle),
        };
    }

    /// <summary>The first line of the guest's /proc/stat, in seconds.</summary>
    private static async Task<(double User, double Kernel, double Idle)> GuestCpuAsync(Machine machine, CancellationToken cancellation)
    {
        using var bytes = new MemoryStream();
        _ = await machine.ExecAsync(["head", "-n1", "/proc/stat"], part => bytes.Write(part), cancellation);
        double[] ticks = [.. Encoding.ASCII.GetString(bytes.ToArray()).Split(' ', StringSplitOptions.RemoveEmptyEntries).Skip(1).Select(word => double.Parse(word, CultureInfo.InvariantCulture) / 100)];
        return (ticks[0] + ticks[1], ticks[2] + ticks[5] + ticks[6], ticks[3] + ticks[4]);
    }

    /// <summary>Processor time of the QEMU process so far, in seconds; 0 when it is not on this host.</summary>
    private static double QemuCpu(Machine machine)
    {
        if (machine.HostProcessId is not > 0)
            return 0;
        using var process = Process.GetProcessById(machine.HostProcessId.Value);
        return process.TotalProcessorTime.TotalSeconds;
    }
}
