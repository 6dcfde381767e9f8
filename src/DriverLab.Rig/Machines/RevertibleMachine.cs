using System.Globalization;
using DriverLab.Rig.Cache;
using DriverLab.Rig.Processes;

namespace DriverLab.Rig.Machines;

/// <summary>A machine with snapshots. Going back to one ends the QEMU process and starts another from the kept state, on new files above the frozen disks.</summary>
/// <remarks>States and disks are files without names: a killed process leaves none. Calls go to the QEMU process of the moment.</remarks>
internal sealed class RevertibleMachine(RigCache cache, MachineOptions options, QemuMachine first, AnonymousFile? owned = null) : Machine
{
    private readonly Dictionary<string, MachineMoment> moments = [];
    private readonly List<string> order = [];
    private readonly List<AnonymousFile> files = owned is null ? [] : [owned];
    private readonly SemaphoreSlim changing = new(1);
    private volatile QemuMachine current = first;

    public override GuestHello Hello => current.Hello;

    public override Accelerator Accelerator => current.Accelerator;

    public override TimeSpan BootTime => current.BootTime;

    public override bool Restored { get => current.Restored; private protected set => throw new NotSupportedException(); }

    public override string Console => current.Console;

    public override IReadOnlyList<string> Snapshots
    {
        get
        {
            lock (order)
                return [.. order];
        }
    }

    public override async Task SnapshotAsync(string name, CancellationToken cancellation = default)
    {
        await changing.WaitAsync(cancellation).ConfigureAwait(false);
        try
        {
            var moment = await current.KeepMomentAsync(NewFile, cancellation).ConfigureAwait(false);
            if (moments.TryGetValue(name, out var old))
            {
                old.State.Dispose();
                old.Memory.Dispose();
            }
            moments[name] = moment;
            lock (order)
            {
                _ = order.Remove(name);
                order.Add(name);
            }
        }
        finally
        {
            _ = changing.Release();
        }
    }

    public override async Task RevertAsync(string name, CancellationToken cancellation = default)
    {
        await changing.WaitAsync(cancellation).ConfigureAwait(false);
        try
        {
            if (!moments.TryGetValue(name, out var moment))
                throw new RigUsageException($"there is no snapshot '{name}'; expected {(order.Count == 0 ? "one that was taken before (there are none)" : "one of " + string.Join(", ", order))}");
            var accelerator = current.Accelerator;
            var disks = await Task.WhenAll(moment.Disks.Select(disk => AboveAsync(disk, cancellation))).ConfigureAwait(false);
            await current.DisposeAsync().ConfigureAwait(false);
            for (int i = 0; i < disks.Length; i++)
            {
                if (moment.Contents[i] is { } content)
                    disks[i].Content!.Revert(content);
            }
            current = await QemuMachine.ResumeAsync(options with { Disks = [.. disks] }, accelerator, moment, cancellation).ConfigureAwait(false);
        }
        finally
        {
            _ = changing.Release();
        }
    }

    public override Task RunProgramAsync(ReadOnlyMemory<byte> program, BytesSink onTraceLine, CancellationToken cancellation) => current.RunProgramAsync(program, onTraceLine, cancellation);

    public override Task<byte[]> KernelCallAsync(ReadOnlyMemory<byte> call, CancellationToken cancellation) => current.KernelCallAsync(call, cancellation);

    public override Task<int> ExecAsync(IReadOnlyList<string> arguments, BytesSink onOutput, CancellationToken cancellation) => current.ExecAsync(arguments, onOutput, cancellation);

    public override Task<int> ExecAsync(IReadOnlyList<string> arguments, ExecStreams streams, CancellationToken cancellation) => current.ExecAsync(arguments, streams, cancellation);

    public override Task GetFileAsync(string path, BytesSink onBytes, CancellationToken cancellation) => current.GetFileAsync(path, onBytes, cancellation);

    public override Task PutFileAsync(string path, ReadOnlyMemory<byte> content, uint mode, CancellationToken cancellation) => current.PutFileAsync(path, content, mode, cancellation);

    public override Task LoadModulesAsync(IReadOnlyList<string> names, CancellationToken cancellation) => current.LoadModulesAsync(names, cancellation);

    public override Task SetClockAsync(DateTimeOffset time, CancellationToken cancellation) => current.SetClockAsync(time, cancellation);

    public override Task PowerOffAsync(CancellationToken cancellation) => current.PowerOffAsync(cancellation);

    public override async ValueTask DisposeAsync()
    {
        await current.DisposeAsync().ConfigureAwait(false);
        foreach (var file in files)
            file.Dispose();
        changing.Dispose();
    }

    private AnonymousFile NewFile()
    {
        var file = new AnonymousFile(cache.Folder("runs"));
        files.Add(file);
        return file;
    }

    /// <summary>A new file above a frozen one; a disk that QEMU cannot freeze stays what it is.</summary>
    private async Task<MachineDisk> AboveAsync(MachineDisk frozen, CancellationToken cancellation)
    {
        if (frozen is not { Format: DiskFormat.Raw or DiskFormat.Qcow2, ReadOnly: false })
            return frozen;
        AnonymousFile file;
        lock (files)
            file = NewFile();
        return await QemuImage.AboveAsync(frozen, file, cancellation).ConfigureAwait(false);
    }
}

/// <summary>QEMU's tool for image files.</summary>
internal static class QemuImage
{
    /// <summary>Makes a file that shows another one and takes the writes.</summary>
    public static async Task<MachineDisk> AboveAsync(MachineDisk below, AnonymousFile file, CancellationToken cancellation)
    {
        string tool = Tool.Require("qemu-img", "qemu-utils", "to put disk files above each other");
        string format = below.Format == DiskFormat.Raw ? "raw" : "qcow2";
        // -u: the file below is not looked at; a running QEMU may have it open.
        _ = await Tool.OutputAsync(tool, ["create", "-q", "-u", "-f", "qcow2", "-F", format, "-b", below.Source, file.Path, below.SizeBytes.ToString(CultureInfo.InvariantCulture)], null, cancellation).ConfigureAwait(false);
        return below with { Format = DiskFormat.Qcow2, Source = file.Path };
    }
}
