using System.Collections.Immutable;
using System.Diagnostics;
using DriverLab.Guest.Wire;
using DriverLab.Rig.Cache;

namespace DriverLab.Rig.Machines;

/// <summary>A machine at one moment: what it takes to go on from there.</summary>
/// <param name="Memory">The guest's memory.</param>
/// <param name="State">Processors and devices.</param>
/// <param name="Disks">The disks as they were; those of files are frozen and must not be written any more.</param>
/// <param name="Contents">For each disk that lives in this process, its content.</param>
internal sealed record MachineMoment(AnonymousFile Memory, AnonymousFile State, ImmutableArray<MachineDisk> Disks, ImmutableArray<object?> Contents);

/// <summary>Saving a machine, and going on with a saved one.</summary>
public sealed partial class QemuMachine
{
    private string[]? nodes;
    private MachineDisk[]? tops;
    private int freezes;

    /// <summary>Goes on with a saved machine.</summary>
    /// <param name="options">As the machine was saved with.</param>
    /// <param name="accelerator">As it was saved with.</param>
    /// <param name="saved">Its files.</param>
    /// <param name="cancellation">Gives up.</param>
    internal static Task<QemuMachine> RestoreAsync(MachineOptions options, Accelerator accelerator, SavedState saved, CancellationToken cancellation) =>
        StartAsync(options, accelerator, GuestMemory.Of(options, saved.Memory), midStream: false, control => control.GoOnAsync(saved.State, cancellation), cancellation);

    /// <summary>Goes on from a moment, on disks of its own.</summary>
    internal static Task<QemuMachine> ResumeAsync(MachineOptions options, Accelerator accelerator, MachineMoment moment, CancellationToken cancellation) =>
        StartAsync(options, accelerator, GuestMemory.Of(options, moment.Memory.Path), midStream: true, async control =>
        {
            await control.GoOnAsync(moment.State.Path, cancellation).ConfigureAwait(false);
            // It rested when it was kept.
            await control.ContinueWhenReadAsync(cancellation).ConfigureAwait(false);
        }, cancellation);

    /// <summary>Boots a machine, saves it when it is ready, and ends it. Its disks are stand-ins of the same size: what they hold must not get into the guest's memory.</summary>
    /// <param name="options">The machine.</param>
    /// <param name="accelerator">What runs it.</param>
    /// <param name="saved">The files to make.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <returns>How long booting and saving took.</returns>
    internal static async Task<(TimeSpan Boot, TimeSpan Save)> BootAndSaveAsync(MachineOptions options, Accelerator accelerator, SavedState saved, CancellationToken cancellation)
    {
        options = options with { Disks = [.. options.Disks.Select(disk => disk with { Format = DiskFormat.Null, Source = "" })] };
        var machine = await StartAsync(options, accelerator, GuestMemory.WrittenTo(options, saved.Memory), midStream: false, null, cancellation).ConfigureAwait(false);
        await using (machine.ConfigureAwait(false))
        {
            long start = Stopwatch.GetTimestamp();
            var channel = await machine.ControlAsync(cancellation).ConfigureAwait(false);
            await channel.ShareMemoryAsync(cancellation).ConfigureAwait(false);
            // Running: QEMU stops it for the last part, and notes that it ran.
            await channel.SaveAsync(saved.State, cancellation).ConfigureAwait(false);
            return (machine.BootTime, Stopwatch.GetElapsedTime(start));
        }
    }

    /// <summary>Keeps this moment; the machine goes on. Its disks' files are frozen, and what is written from now on goes to new files above them.</summary>
    /// <param name="newFile">Makes files that live as long as the moments that use them.</param>
    /// <param name="cancellation">Gives up.</param>
    internal async Task<MachineMoment> KeepMomentAsync(Func<AnonymousFile> newFile, CancellationToken cancellation)
    {
        var channel = await ControlAsync(cancellation).ConfigureAwait(false);
        nodes ??= [.. options.Disks.Select((_, index) => QemuCommand.NodeName(index))];
        tops ??= [.. options.Disks];
        using var gate = new ManualResetEventSlim();
        // When the ping is answered, the guest has read all that was sent, and nothing more is sent: no frame is cut by the moment. What the guest is sending may be cut; see PortLink.
        var request = requests.Add(FrameKind.Ping, null);
        link.Send(FrameKind.Ping, request.Id, default);
        link.Hold(gate);
        try
        {
            _ = await request.Answer.WaitAsync(cancellation).ConfigureAwait(false);
            await channel.StopAsync(cancellation).ConfigureAwait(false);
            try
            {
                return await KeepStoppedAsync(channel, newFile, cancellation).ConfigureAwait(false);
            }
            catch (IOException e)
            {
                throw new RigException($"the machine's {options.MemoryMiB} MiB of memory cannot be kept: {e.Message}; free space is needed in the cache folder, or choose another with DRIVERLAB_CACHE=DIR", e);
            }
            finally
            {
                await channel.ContinueAsync(CancellationToken.None).ConfigureAwait(false);
            }
        }
        finally
        {
            gate.Set();
            requests.Remove(request);
        }
    }

    private async Task<MachineMoment> KeepStoppedAsync(QmpClient control, Func<AnonymousFile> newFile, CancellationToken cancellation)
    {
        MachineDisk[] frozen = [.. tops!];
        for (int i = 0; i < tops!.Length; i++)
            await FreezeAsync(i, newFile, cancellation).ConfigureAwait(false);
        object?[] contents = [.. options.Disks.Select(disk => disk.Content?.Capture())];
        var (state, copy) = (newFile(), newFile());
        var copying = Task.Run(() => copy.CopyFrom(memory!.Own!.Handle), CancellationToken.None);
        await control.ShareMemoryAsync(cancellation).ConfigureAwait(false);
        await Task.WhenAll(control.SaveAsync(state.Path, cancellation), copying).ConfigureAwait(false);
        return new(copy, state, [.. frozen], [.. contents]);
    }

    private async Task FreezeAsync(int index, Func<AnonymousFile> newFile, CancellationToken cancellation)
    {
        if (tops![index] is not { Format: DiskFormat.Raw or DiskFormat.Qcow2, ReadOnly: false })
            return;
        var above = await QemuImage.AboveAsync(tops[index], newFile(), cancellation).ConfigureAwait(false);
        string node = $"{QemuCommand.NodeName(index)}-{++freezes}";
        await control!.FreezeDiskAsync(nodes![index], above.Source, node, cancellation).ConfigureAwait(false);
        (nodes[index], tops[index]) = (node, above);
    }
}
