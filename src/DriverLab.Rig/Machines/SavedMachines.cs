using System.Globalization;
using System.Text;
using DriverLab.Rig.Cache;

namespace DriverLab.Rig.Machines;

/// <summary>Files of a saved machine.</summary>
/// <param name="Memory">The guest's memory, as large as it and sparse.</param>
/// <param name="State">Everything else.</param>
internal sealed record SavedState(string Memory, string State);

/// <summary>A machine per image that was booted once, with its modules loaded, and saved; starting one maps its memory privately and takes a fraction of a second.</summary>
/// <remarks>
/// Cache layout: <c>machines/KEY/{memory,state,manifest}</c>; the key covers image, memory size, command line, accelerator and QEMU. The memory file is mapped copy-on-write by every
/// restored machine: parallel runs share its pages and none can change it. After a restore a new nonce must come back, and clock and random pool are set anew.
/// </remarks>
public sealed class SavedMachines(RigCache cache)
{
    /// <summary>Change it when saved machines of older programs must not be used.</summary>
    private const int Format = 2;

    /// <summary>Saved machines that are kept; the longest unused go first.</summary>
    private const int Kept = 6;

    /// <summary>A running machine: restored, or booted, saved and restored the first time. Where saving does not work it is a freshly booted one, and the reason is told.</summary>
    public async Task<QemuMachine> StartAsync(MachineOptions options, Accelerator accelerator, IProgress<string>? progress, CancellationToken cancellation)
    {
        string key = await KeyAsync(options, accelerator, cancellation).ConfigureAwait(false);
        if (await TryRestoreAsync(key, options, accelerator, progress, cancellation).ConfigureAwait(false) is { } ready)
            return ready;
        try
        {
            using (await cache.LockAsync("machine-" + key, progress, cancellation).ConfigureAwait(false))
            {
                if (!IsWhole(key))
                    await SaveAsync(key, options, accelerator, cancellation).ConfigureAwait(false);
            }
        }
        catch (RigException e) when (e is not MachineException)
        {
            progress?.Report($"the machine could not be saved ({e.Message}); it is booted each time");
        }
        return await TryRestoreAsync(key, options, accelerator, progress, cancellation).ConfigureAwait(false) ??
            await QemuMachine.StartAsync(options, accelerator, cancellation).ConfigureAwait(false);
    }

    /// <summary>Removes saved machines, all of them or all but the most recently used.</summary>
    public void Prune(int keep)
    {
        string root = cache.PathOf("machines");
        if (!Directory.Exists(root))
            return;
        // A machine that runs from a removed entry keeps its mapping: files live until the last user is gone.
        foreach (string folder in Directory.GetDirectories(root).OrderByDescending(folder => File.GetLastWriteTimeUtc(Path.Combine(folder, "manifest"))).Skip(keep))
            RigCache.Remove(folder);
    }

    private async Task<QemuMachine?> TryRestoreAsync(string key, MachineOptions options, Accelerator accelerator, IProgress<string>? progress, CancellationToken cancellation)
    {
        if (!IsWhole(key))
            return null;
        string folder = cache.PathOf("machines", key);
        try
        {
            var machine = await QemuMachine.RestoreAsync(options, accelerator, new(Path.Combine(folder, "memory"), Path.Combine(folder, "state")), cancellation).ConfigureAwait(false);
            Touch(Path.Combine(folder, "manifest"));
            return machine;
        }
        catch (RigException e)
        {
            progress?.Report($"the saved machine is of no use ({e.Message.Split('\n')[0]}); booting");
            RigCache.Remove(folder);
            return null;
        }
    }

    private async Task SaveAsync(string key, MachineOptions options, Accelerator accelerator, CancellationToken cancellation)
    {
        string staging = cache.Folder("machines", key + ".new"), target = cache.PathOf("machines", key);
        try
        {
            var state = new SavedState(Path.Combine(staging, "memory"), Path.Combine(staging, "state"));
            await QemuMachine.BootAndSaveAsync(options, accelerator, state, cancellation).ConfigureAwait(false);
            await File.WriteAllTextAsync(Path.Combine(staging, "manifest"), Manifest(state), cancellation).ConfigureAwait(false);
            RigCache.Remove(target);
            Directory.Move(staging, target);
            Prune(Kept);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw RigCache.NotWritable(staging, e);
        }
        finally
        {
            RigCache.Remove(staging);
        }
    }

    private bool IsWhole(string key)
    {
        string folder = cache.PathOf("machines", key), manifest = Path.Combine(folder, "manifest");
        var state = new SavedState(Path.Combine(folder, "memory"), Path.Combine(folder, "state"));
        return File.Exists(manifest) && File.Exists(state.Memory) && File.Exists(state.State) && File.ReadAllText(manifest) == Manifest(state);
    }

    private static string Manifest(SavedState state) =>
        string.Create(CultureInfo.InvariantCulture, $"memory={new FileInfo(state.Memory).Length}\nstate={FileHash.Of(state.State)}\n");

    private static void Touch(string file)
    {
        try
        {
            File.SetLastWriteTimeUtc(file, DateTime.UtcNow);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // A cache that cannot be written forgets which machine was used last.
        }
    }

    private static async Task<string> KeyAsync(MachineOptions options, Accelerator accelerator, CancellationToken cancellation)
    {
        string qemu = await QemuVersion.GetAsync(cancellation).ConfigureAwait(false);
        string text = string.Create(CultureInfo.InvariantCulture, $"{Format}\n{options.Kernel.Digest}\n{options.Image.Digest}\n{options.MemoryMiB}\n{options.Cpus}\n{string.Join(',', options.Disks.Select(disk => $"{disk.Name} {disk.SizeBytes} {disk.ReadOnly}"))}\n{options.CommandLine}\n{accelerator.Name}\n{qemu}\n{HostCpu(accelerator)}");
        return FileHash.Of(Encoding.UTF8.GetBytes(text))[..32];
    }

    /// <summary>Under KVM the guest has the host's processor: another one cannot go on with its state.</summary>
    private static string HostCpu(Accelerator accelerator) =>
        accelerator.Name == "kvm" ? File.ReadLines("/proc/cpuinfo").FirstOrDefault(line => line.StartsWith("model name", StringComparison.Ordinal)) ?? "" : "";
}
