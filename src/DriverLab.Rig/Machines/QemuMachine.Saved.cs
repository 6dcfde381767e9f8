using DriverLab.Rig.Cache;

namespace DriverLab.Rig.Machines;

/// <summary>Saving a machine, and going on with a saved one.</summary>
public sealed partial class QemuMachine
{
    /// <summary>Goes on with a saved machine; its memory is mapped privately.</summary>
    /// <param name="options">As the machine was saved with.</param>
    /// <param name="accelerator">As it was saved with.</param>
    /// <param name="saved">Its files.</param>
    /// <param name="runFolder">A private folder for the control socket; it is removed.</param>
    /// <param name="cancellation">Gives up.</param>
    internal static async Task<QemuMachine> RestoreAsync(MachineOptions options, Accelerator accelerator, SavedState saved, string runFolder, CancellationToken cancellation)
    {
        string path = Path.Combine(runFolder, "control");
        string[] extra = [.. QemuCommand.MemoryFile(options, saved.Memory, shared: false), .. QemuCommand.Control(path), "-incoming", "defer"];
        try
        {
            return await StartAsync(options, accelerator, extra, async machine =>
            {
                machine.Restored = true;
                var control = await QmpClient.ConnectAsync(path, machine.process.Exited, cancellation).ConfigureAwait(false);
                await using (control.ConfigureAwait(false))
                {
                    await control.ShareMemoryAsync(cancellation).ConfigureAwait(false);
                    await control.RestoreAsync(saved.State, cancellation).ConfigureAwait(false);
                }
            }, cancellation).ConfigureAwait(false);
        }
        finally
        {
            RigCache.Remove(runFolder);
        }
    }

    /// <summary>Boots a machine, saves it when it is ready, and ends it.</summary>
    /// <param name="options">The machine.</param>
    /// <param name="accelerator">What runs it.</param>
    /// <param name="saved">The files to make.</param>
    /// <param name="runFolder">A private folder for the control socket; it is removed.</param>
    /// <param name="cancellation">Gives up.</param>
    internal static async Task BootAndSaveAsync(MachineOptions options, Accelerator accelerator, SavedState saved, string runFolder, CancellationToken cancellation)
    {
        string path = Path.Combine(runFolder, "control");
        string[] extra = [.. QemuCommand.MemoryFile(options, saved.Memory, shared: true), .. QemuCommand.Control(path)];
        QmpClient? control = null;
        try
        {
            var machine = await StartAsync(options, accelerator, extra,
                async starting => control = await QmpClient.ConnectAsync(path, starting.process.Exited, cancellation).ConfigureAwait(false), cancellation).ConfigureAwait(false);
            await using (machine.ConfigureAwait(false))
            {
                await control!.ShareMemoryAsync(cancellation).ConfigureAwait(false);
                await control.SaveAsync(saved.State, cancellation).ConfigureAwait(false);
            }
        }
        finally
        {
            if (control is not null)
                await control.DisposeAsync().ConfigureAwait(false);
            RigCache.Remove(runFolder);
        }
    }
}
