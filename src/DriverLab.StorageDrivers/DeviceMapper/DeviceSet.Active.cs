using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Linux.Ioctl;
using DriverLab.StorageDrivers.Files;

namespace DriverLab.StorageDrivers.DeviceMapper;

internal sealed partial class DeviceSet
{
    private const string XfsRetries = "error/metadata/ENOSPC/max_retries";

    /// <summary>Makes a device's mapping, where it is not there yet.</summary>
    public DriverError? Activate(DeviceRecord device)
    {
        string name = NameOf(device.Id);
        if (CancelRemoval(device) is { } pending)
            return pending;
        if (_dm.IsLive(name))
            return _dm.EnsureNode(name, device.Subject);
        var pool = _dm.Info(PoolName);
        return pool.IsOk
            ? _dm.Create(name, device.Subject, new DmRow(0, device.SizeBytes >> SectorShift, "thin", $"{pool.Value.DevT} {device.DeviceId}"))
            : new DriverError("dm info", "pool", pool.Error);
    }

    /// <summary>Takes a device's mapping away.</summary>
    public DriverError? Deactivate(DeviceRecord device) => _dm.Remove(NameOf(device.Id), device.Subject, DeferredRemoval);

    /// <summary>A device that was to go at its last close stays after all.</summary>
    private DriverError? CancelRemoval(DeviceRecord device)
    {
        if (!DeferredRemoval)
            return null;
        string name = NameOf(device.Id);
        var info = _dm.Info(name);
        if (!info.IsOk || !info.Value.Has(DmFlags.DM_DEFERRED_REMOVE))
            return null;
        var error = _dm.CancelRemoval(name);
        return error is Errno.OK or Errno.ENXIO ? null : new DriverError("dm message", device.Subject, error, "@cancel_deferred_remove");
    }

    /// <summary>Activates a device and mounts its file system.</summary>
    /// <returns>What device-mapper says; EINVAL (neither ext4 nor xfs); then what mount(2) says.</returns>
    public DriverError? Mount(DeviceRecord device, string directory)
    {
        if (Activate(device) is { } inactive)
            return inactive;
        var error = MountActive(device, directory);
        if (error is not null)
            _ = Deactivate(device); // the first error is the one to tell
        return error;
    }

    private DriverError? MountActive(DeviceRecord device, string directory)
    {
        string node = MappedDevices.NodeOf(NameOf(device.Id));
        var probe = FileSystemProbe.Of(_kernel, node);
        if (!probe.IsOk)
            return probe.Error;
        bool isXfs = probe.Value.Type == "xfs";
        var (flags, data) = MountWords.Split(isXfs ? $"nouuid,{_options.MountOptions}" : _options.MountOptions); // snapshots of one xfs have one identity
        byte[] target = ByteText.Bytes(directory);
        var error = _kernel.Mount(ByteText.Bytes(node), target, ByteText.Bytes(probe.Value.Type), flags, ByteText.Bytes(data));
        if (error != Errno.OK || !isXfs || _options.XfsNoSpaceRetries is not { } retries)
            return DriverError.Of(error, "mount", target);
        return SetXfsRetries(device, retries);
    }

    /// <summary>xfs tries for ever to write metadata to a full pool unless it is told otherwise, and then cannot even be unmounted.</summary>
    private DriverError? SetXfsRetries(DeviceRecord device, int retries)
    {
        var info = _dm.Info(NameOf(device.Id));
        byte[] path = ByteText.Bytes($"/sys/fs/xfs/dm-{info.Value.DevT.Minor}/{XfsRetries}");
        var opened = info.IsOk ? _kernel.OpenAt(Fd.Cwd, path, OpenFlags.O_WRONLY | OpenFlags.O_CLOEXEC, Mode.None) : info.Error;
        if (!opened.IsOk)
            return DriverError.Of(opened.Error, "open", path);
        var error = _kernel.WriteFully(opened.Value, ByteText.Bytes($"{retries}"));
        _ = _kernel.Close(opened.Value); // write has told
        return DriverError.Of(error, "write", path);
    }

    /// <summary>Makes a device's file system as large as the device.</summary>
    /// <returns>What the kernel says.</returns>
    private DriverError? Grow(DeviceRecord device)
    {
        string directory = $"{_options.Home}/mnt/{FileOf(device.Id)}";
        byte[] path = ByteText.Bytes(directory);
        if (_kernel.MakeDirectories(path, (Mode)0x1ED) is not Errno.OK and var unmade)
            return DriverError.Of(unmade, "mkdir", path);
        if (Mount(device, directory) is { } unmounted)
            return unmounted;
        var error = GrowMounted(device, path);
        _ = _kernel.Umount(path, UmountFlags.MNT_DETACH);
        _ = _kernel.UnlinkAt(Fd.Cwd, path, AtFlags.AT_REMOVEDIR); // Get makes it again
        return error ?? Deactivate(device);
    }

    private DriverError? GrowMounted(DeviceRecord device, byte[] path)
    {
        if (_kernel.StatFs(path, out var fs) is not Errno.OK and var unknown)
            return DriverError.Of(unknown, "statfs", path);
        var opened = _kernel.OpenAt(Fd.Cwd, path, KernelFiles.Listing, Mode.None);
        if (!opened.IsOk)
            return DriverError.Of(opened.Error, "open", path);
        var error = fs.Type == FsMagic.XFS ? _kernel.XfsGrow(opened.Value, (ulong)device.SizeBytes) : _kernel.Ext4Resize(opened.Value, (ulong)(device.SizeBytes / fs.BlockSize));
        _ = _kernel.Close(opened.Value); // a directory
        return DriverError.Of(error, "resize", path);
    }

    /// <summary>Ends the driver's work: the number to go on with is written, the base device and the driver's own pool go, where no layer is in use any more.</summary>
    public DriverError? ShutDown()
    {
        foreach (var device in _devices.Values)
            _ = _dm.Remove(NameOf(device.Id), device.Subject, DeferredRemoval, tries: 1); // whoever still uses it keeps it, and the pool
        var error = WriteMetadata(SetRecord.File, _set.Write());
        if (_ownPool)
            _ = _dm.Remove(PoolName, "pool", deferred: false, tries: 1);
        return error;
    }
}
