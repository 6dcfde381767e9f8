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
public sealed class SavedMachines(RigCache cache) : IMachineStarter
{
    /// <inheritdoc/>
    public string Name => "qemu";

    /// <inheritdoc/>
    public async Task<Machine> BootAsync(MachineOptions options, Accelerator accelerator, CancellationToken cancellation) =>
        await QemuMachine.StartAsync(options, accelerator, cancellation).ConfigureAwait(false);

    /// <summary>Change it when saved machines of older programs must not be used.</summary>
    private const int Format = 3;

    /// <summary>Disk space that saved machines may take together, in bytes, unless <c>DRIVERLAB_SAVED_GB</c> says otherwise; the longest unused go first. One of 512 MiB takes about 150 MB.</summary>
    private const long Room = 5L << 30;

    /// <summary>A running machine: restored, or booted, saved and restored the first time. Where saving does not work it is a freshly booted one, and the reason is told.</summary>
    public async Task<Machine> StartAsync(MachineOptions options, Accelerator accelerator, IProgress<string>? progress, CancellationToken cancellation)
    {
        string key = await KeyAsync(options, accelerator, cancellation).ConfigureAwait(false);
        if (await TryRestoreAsync(key, options, accelerator, progress, cancellation).ConfigureAwait(false) is { } ready)
            return ready;
        try
        {
            using (await cache.LockAsync("machine-" + key, progress, cancellation).ConfigureAwait(false))
            {
                if (!IsWhole(key))
                    _ = await SaveAsync(key, options, accelerator, cancellation).ConfigureAwait(false);
            }
        }
        catch (RigException e) when (e is not MachineException)
        {
            progress?.Report($"the machine could not be saved ({e.Message}); it is booted each time");
        }
        return await TryRestoreAsync(key, options, accelerator, progress, cancellation).ConfigureAwait(false) ??
            await QemuMachine.StartAsync(options, accelerator, cancellation).ConfigureAwait(false);
    }

    /// <summary>Makes the saved machine anew, whether or not there is one.</summary>
    /// <returns>How long booting and saving took, and the disk space in bytes.</returns>
    public async Task<(TimeSpan Boot, TimeSpan Save, long Bytes)> MakeAsync(MachineOptions options, Accelerator accelerator, IProgress<string>? progress, CancellationToken cancellation)
    {
        string key = await KeyAsync(options, accelerator, cancellation).ConfigureAwait(false);
        using (await cache.LockAsync("machine-" + key, progress, cancellation).ConfigureAwait(false))
        {
            var (boot, save) = await SaveAsync(key, options, accelerator, cancellation).ConfigureAwait(false);
            return (boot, save, await DiskUse.OfAsync([cache.PathOf("machines", key)], cancellation).ConfigureAwait(false));
        }
    }

    /// <summary>Removes the longest unused saved machines until the rest takes no more than some disk space. Those that are being made are left alone.</summary>
    /// <param name="room">Bytes; 0 removes all.</param>
    /// <param name="cancellation">Stops it.</param>
    public async Task TrimAsync(long room, CancellationToken cancellation)
    {
        string root = cache.PathOf("machines");
        if (!Directory.Exists(root))
            return;
        // A machine that runs from a removed entry keeps its mapping: files live until the last user is gone.
        foreach (string folder in Directory.GetDirectories(root).OrderByDescending(folder => File.GetLastWriteTimeUtc(Path.Combine(folder, "manifest"))))
        {
            if (folder.EndsWith(Unfinished, StringComparison.Ordinal))
            {
                using var held = cache.TryLock("machine-" + Path.GetFileName(folder)[..^Unfinished.Length]);
                if (held is not null)
                    RigCache.Remove(folder);
                continue;
            }
            room -= await DiskUse.OfAsync([folder], cancellation).ConfigureAwait(false);
            if (room < 0)
                RigCache.Remove(folder);
        }
    }

    private const string Unfinished = ".new";

    private static long Allowed() =>
        Environment.GetEnvironmentVariable("DRIVERLAB_SAVED_GB") is not { Length: > 0 } text ? Room
        : double.TryParse(text, CultureInfo.InvariantCulture, out double gb) && gb >= 0 ? (long)(gb * 1e9)
        : throw new RigUsageException($"DRIVERLAB_SAVED_GB is '{text}'; expected the disk space for saved machines in GB, for example 5");

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

    private async Task<(TimeSpan Boot, TimeSpan Save)> SaveAsync(string key, MachineOptions options, Accelerator accelerator, CancellationToken cancellation)
    {
        string staging = cache.Folder("machines", key + Unfinished), target = cache.PathOf("machines", key);
        (TimeSpan, TimeSpan) times;
        // The memory file is sparse: on a full disk QEMU would die of SIGBUS in the middle of the boot.
        long needed = ((long)options.MemoryMiB << 20) + (64 << 20), free = new DriveInfo(staging).AvailableFreeSpace;
        if (free < needed)
        {
            RigCache.Remove(staging);
            throw new RigException(string.Create(CultureInfo.InvariantCulture, $"{cache.Root} has {free / 1e6:0} MB free, and a saved machine may take {needed / 1e6:0} MB; free space there (driverlab kernel prune), or choose another folder with DRIVERLAB_CACHE=DIR"));
        }
        try
        {
            var state = new SavedState(Path.Combine(staging, "memory"), Path.Combine(staging, "state"));
            times = await QemuMachine.BootAndSaveAsync(options, accelerator, state, cancellation).ConfigureAwait(false);
            await File.WriteAllTextAsync(Path.Combine(staging, "manifest"), Manifest(state), cancellation).ConfigureAwait(false);
            RigCache.Remove(target);
            Directory.Move(staging, target);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw RigCache.NotWritable(staging, e);
        }
        finally
        {
            RigCache.Remove(staging);
        }
        await TrimAsync(Allowed(), cancellation).ConfigureAwait(false);
        return times;
    }

    private bool IsWhole(string key)
    {
        string folder = cache.PathOf("machines", key), manifest = Path.Combine(folder, "manifest");
        var state = new SavedState(Path.Combine(folder, "memory"), Path.Combine(folder, "state"));
        try
        {
            return File.Exists(manifest) && File.ReadAllText(manifest) == Manifest(state);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            // It is damaged, or another run makes room at this moment.
            return false;
        }
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
        string text = string.Create(CultureInfo.InvariantCulture, $"{Format}\n{options.Kernel.Digest}\n{options.Image.Digest}\n{options.MemoryMiB}\n{options.Cpus}\n{string.Join(',', options.Disks.Select(disk => $"{disk.Name} {disk.SizeBytes} {disk.ReadOnly}"))}\n{QemuCommand.Processor(accelerator)}\n{QemuCommand.KernelCommandLine(options)}\n{accelerator.Name}\n{qemu}\n{HostCpu(accelerator)}");
        return FileHash.Of(Encoding.UTF8.GetBytes(text))[..32];
    }

    /// <summary>Under KVM the guest has the host's processor: another one cannot go on with its state.</summary>
    private static string HostCpu(Accelerator accelerator) =>
        accelerator.Name == "kvm" ? File.ReadLines("/proc/cpuinfo").FirstOrDefault(line => line.StartsWith("model name", StringComparison.Ordinal)) ?? "" : "";
}
