using System.Globalization;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.StorageDrivers.Files;
using DriverLab.StorageDrivers.Layers;
using DriverLab.StorageDrivers.Store;

namespace DriverLab.StorageDrivers.DeviceMapper;

/// <summary>Docker's devicemapper: a layer is a thin device, a child a snapshot of its parent's device; each has a file system of its own, and the layer's tree is <c>rootfs</c> in it.</summary>
/// <remarks>
/// On disk, as moby writes it: <c>devicemapper/data</c> and <c>devicemapper/metadata</c> (sparse files for the pool, where no devices were given), <c>metadata/ID</c>, <c>metadata/base</c>,
/// <c>metadata/deviceset-metadata</c> and <c>metadata/transaction-metadata</c> (JSON), <c>mnt/ID</c> (mount points; in the file system <c>id</c> and <c>rootfs</c>). Names of mapped devices begin with
/// the home's device and inode number: a home that is copied is another store.
/// </remarks>
public sealed class DeviceMapperDriver : IStorageDriver, ILayerMounts, ILayerList
{
    private const Mode Open755 = (Mode)0x1ED;
    private readonly IKernel _kernel;
    private readonly DeviceMapperOptions _options;
    private readonly DeviceSet _set;
    private readonly MountCounter _mounts;
    private readonly HashSet<string> _held = new(StringComparer.Ordinal);

    private DeviceMapperDriver(IKernel kernel, DeviceMapperOptions options, DeviceSet set)
    {
        (_kernel, _options, _set) = (kernel, options, set);
        _mounts = new MountCounter(IsMounted);
    }

    /// <inheritdoc/>
    public string Name => "devicemapper";

    /// <summary>Opens a home, making it if need be (0700): the pool, what a crash left in it, the base device.</summary>
    /// <returns>
    /// ENOENT or ENODEV (the kernel has no device-mapper, or no loop devices), ENODEV (dm.thinpooldev), EBUSY (a given pool is somebody's), EOPNOTSUPP (dm.fs=xfs for a new store, and nobody to make it), EINVAL (a file of
    /// the home is broken, the base device is not the store's, dm.basesize smaller than it), then what the kernel says.
    /// </returns>
    public static DriverResult<IStorageDriver> Open(IKernel kernel, DeviceMapperOptions options)
    {
        var set = DeviceSet.Open(kernel, options);
        return set.IsOk ? DriverResult.Of<IStorageDriver>(new DeviceMapperDriver(kernel, options, set.Value)) : set.Error!;
    }

    /// <inheritdoc/>
    public DriverError? Create(string id, string parent, LayerOptions options) =>
        options.SizeBytes is null ? Make(id, parent, null) : new DriverError("create", id, Errno.EINVAL, "size is for read-write layers");

    /// <summary>As <see cref="Create"/>. A size counts the parent's data too; a larger one than the parent's makes the file system grow, a smaller one is EINVAL.</summary>
    public DriverError? CreateReadWrite(string id, string parent, LayerOptions options) => Make(id, parent, options.SizeBytes);

    private DriverError? Make(string id, string parent, long? size)
    {
        if ((Check("create", id) ?? (parent.Length == 0 ? null : Check("create", parent))) is { } bad)
            return bad;
        const int longest = 127;
        if (_set.NameOf(id).Length > longest)
            return new DriverError("create", id, Errno.EINVAL, $"the mapped device's name {_set.NameOf(id)} has more than {longest} characters");
        const int sector = 512;
        if (size % sector > 0)
            return new DriverError("create", id, Errno.EINVAL, "a device has whole sectors of 512 bytes");
        Release(parent);
        return _set.Add(id, parent, size);
    }

    /// <summary>The directory <c>rootfs</c> of the layer's file system, mounted and made if need be.</summary>
    public DriverResult<string> Get(string id)
    {
        if (Known("get", id) is { } bad)
            return bad;
        string target = MountOf(id);
        if (_mounts.Increment(target) > 1)
            return target + "/rootfs";
        var error = MountLayer(_set.Find(id)!, target);
        if (error is null)
            return target + "/rootfs";
        _ = _mounts.Decrement(target);
        _ = _kernel.UnlinkAt(Fd.Cwd, ByteText.Bytes(target), AtFlags.AT_REMOVEDIR); // the mount's error is the one to tell
        return error;
    }

    private DriverError? MountLayer(DeviceRecord device, string target)
    {
        byte[] path = ByteText.Bytes(target);
        if (_kernel.MakeDirectories(path, Open755) is not Errno.OK and var error)
            return DriverError.Of(error, "mkdir", path);
        if (_set.Mount(device, target) is { } failed)
            return failed;
        var incomplete = FillMount(device.Id, target);
        if (incomplete is not null)
            _ = Unmount(device, target); // the first error is the one to tell
        return incomplete;
    }

    /// <summary>The tree's directory, and the file that says whose device this was first: snapshots inherit it.</summary>
    private DriverError? FillMount(string id, string target)
    {
        byte[] root = ByteText.Bytes(target + "/rootfs"), note = ByteText.Bytes(target + "/id");
        var error = _kernel.Has(target + "/rootfs") ? Errno.OK : _kernel.MakeDirectoryExactly(root, Open755);
        if (error != Errno.OK)
            return DriverError.Of(error, "mkdir", root);
        return _kernel.Has(target + "/id") ? null : DriverError.Of(_kernel.WriteWhole(note, ByteText.Bytes(id), (Mode)0x180), "write", note);
    }

    /// <summary>As the contract says; unlike there, a device that cannot be deactivated is told (EBUSY, where removal is not deferred).</summary>
    public DriverError? Put(string id)
    {
        if (Check("put", id) is { } bad)
            return bad;
        string target = MountOf(id);
        if (_set.Find(id) is not { } device || (_mounts.Of(target) == 0 && !IsMounted(target)))
            return null;
        return _mounts.Decrement(target) == 0 ? Unmount(device, target) : null;
    }

    private DriverError? Unmount(DeviceRecord device, string target)
    {
        byte[] path = ByteText.Bytes(target);
        _ = _kernel.Umount(path, UmountFlags.MNT_DETACH);
        _ = _kernel.UnlinkAt(Fd.Cwd, path, AtFlags.AT_REMOVEDIR); // also drops the mount from other namespaces, from 3.18 on
        _mounts.Forget(target);
        return _set.Deactivate(device);
    }

    private bool IsMounted(string target) =>
        _kernel.LStatAt(Fd.Cwd, ByteText.Bytes(target), out var stat) == Errno.OK && (stat.Attributes & StatxAttributes.STATX_ATTR_MOUNT_ROOT) != 0;

    /// <summary>As the contract says. A device that others hold open is tried for 20 s, or, with dm.use_deferred_deletion, marked and deleted by a later operation; its id stays taken until then.</summary>
    public DriverError? Remove(string id)
    {
        if (Check("remove", id) is { } bad)
            return bad;
        Release(id);
        string target = MountOf(id);
        if (_mounts.Of(target) > 0)
            return new DriverError("remove", id, Errno.EBUSY, $"mounted {_mounts.Of(target)} times");
        if (_set.Find(id) is { } device && IsMounted(target))
            _ = Unmount(device, target); // left by a killed run
        return _set.Delete(id) ?? TreeRemoval.RemovePatiently(_kernel, ByteText.Bytes(target));
    }

    /// <summary>True when the id names a layer; unlike Docker, not for one that waits to be deleted.</summary>
    public bool Exists(string id) => Check("exists", id) is null && _set.Find(id) is not null;

    /// <inheritdoc/>
    public IReadOnlyList<KeyValuePair<string, string>> Status()
    {
        var (metadata, data, block) = _set.PoolTable();
        var pairs = new List<KeyValuePair<string, string>>
        {
            new("Pool Name", _set.PoolName),
            new("Pool Blocksize", Human(block * 512)),
            new("Base Device Size", Human(_set.BaseRecord.SizeBytes)),
            new("Backing Filesystem", _set.BaseFileSystem),
            new("Udev Sync Supported", "false"),
        };
        foreach (var (what, device) in ((string, DevT)[])[("Data", data), ("Metadata", metadata)])
            if (LoopFile.PathOf(_kernel, device) is { Length: > 0 } path)
                pairs.Add(new($"{what} loop file", path));
        if (_set.Status() is { IsOk: true, Value: var status })
        {
            const int metadataBlock = 4096;
            AddSpace(pairs, "Data", status.UsedData, status.TotalData, block * 512);
            AddSpace(pairs, "Metadata", status.UsedMetadata, status.TotalMetadata, metadataBlock);
            pairs.Add(new("Thin Pool Minimum Free Space", Human(status.TotalData * _options.MinFreePercent / 100 * block * 512)));
        }
        pairs.Add(new("Deferred Removal Enabled", Text(_set.DeferredRemoval)));
        pairs.Add(new("Deferred Deletion Enabled", Text(_set.DeferredDeletion)));
        pairs.Add(new("Deferred Deleted Device Count", Text(_set.WaitingDeletions)));
        pairs.Add(new("Driver Version", _set.Version));
        return pairs;
    }

    private static void AddSpace(List<KeyValuePair<string, string>> pairs, string what, long used, long total, long block)
    {
        pairs.Add(new($"{what} Space Used", Human(used * block)));
        pairs.Add(new($"{what} Space Total", Human(total * block)));
        pairs.Add(new($"{what} Space Available", Human((total - used) * block)));
    }

    /// <summary>Four digits and a decimal unit, as Docker prints sizes: <c>10.74GB</c>.</summary>
    private static string Human(long bytes)
    {
        string[] units = ["B", "kB", "MB", "GB", "TB", "PB"];
        double size = bytes;
        int unit = 0;
        for (; size >= 1000 && unit < units.Length - 1; unit++)
            size /= 1000;
        return size.ToString("G4", CultureInfo.InvariantCulture) + units[unit];
    }

    private static string Text(bool value) => value ? "true" : "false";

    private static string Text(int value) => value.ToString(CultureInfo.InvariantCulture);

    /// <inheritdoc/>
    public DriverResult<IReadOnlyList<KeyValuePair<string, string>>> Metadata(string id)
    {
        if (Known("metadata", id) is { } bad)
            return bad;
        var device = _set.Find(id)!;
        return DriverResult.Of<IReadOnlyList<KeyValuePair<string, string>>>(
        [
            new("DeviceId", Text(device.DeviceId)),
            new("DeviceSize", device.SizeBytes.ToString(CultureInfo.InvariantCulture)),
            new("DeviceName", _set.NameOf(id)),
        ]);
    }

    /// <summary>Unmounts layers, also those that a killed run left mounted, and takes devices and the driver's own pool away; afterwards the home must be opened anew.</summary>
    public DriverError? Cleanup()
    {
        foreach (string id in _set.Layers)
            if (IsMounted(MountOf(id)))
                _ = Unmount(_set.Find(id)!, MountOf(id)); // a device in use stays, and so does the pool
        _held.Clear();
        return _set.ShutDown();
    }

    /// <summary>Takes away the devices that nobody uses, and the driver's own pool when none is left; mounts stay. For commands that end while what they mounted goes on.</summary>
    /// <returns>What writing <c>deviceset-metadata</c> says. Afterwards the home must be opened anew.</returns>
    public DriverError? ReleaseDevices() => _set.ShutDown();

    /// <inheritdoc/>
    public DriverError? Diff(string id, string parent, Stream tar) => NaiveDiff.Diff(this, _kernel, id, parent, tar);

    /// <inheritdoc/>
    public DriverResult<IReadOnlyList<Change>> Changes(string id, string parent) => NaiveDiff.Changes(this, _kernel, id, parent);

    /// <inheritdoc/>
    public DriverResult<ApplyResult> ApplyDiff(string id, string parent, Stream tar) => LayeredApply.Merged(this, _kernel, id, tar, _options.Limits);

    /// <inheritdoc/>
    public DriverResult<long> DiffSize(string id, string parent) => NaiveDiff.Size(this, _kernel, id, parent);

    /// <summary>A bind of the layer's tree. The driver mounts its device once for it, until the layer gets a child, is removed, or <see cref="Cleanup"/>.</summary>
    public DriverResult<LayerMount> MountOf(string id, bool readOnly)
    {
        if (Known("mounts", id) is { } bad)
            return bad;
        string root = MountOf(id) + "/rootfs";
        if (!_held.Contains(id))
        {
            var got = Get(id);
            if (!got.IsOk)
                return got.Error!;
            root = got.Value;
            _ = _held.Add(id);
        }
        return new LayerMount("bind", root, [readOnly ? "ro" : "rw", "rbind"]);
    }

    /// <summary>Takes the driver's own Get for <see cref="MountOf(string, bool)"/> back.</summary>
    private void Release(string id)
    {
        if (_held.Remove(id))
            _ = Put(id); // a device in use stays until it is not
    }

    /// <inheritdoc/>
    public DriverResult<LayerUsage> UsageOf(string id, string parent) => NaiveDiff.Usage(this, _kernel, id, parent);

    private DriverError? Known(string call, string id) => Check(call, id) ?? (_set.Find(id) is null ? new DriverError(call, id, Errno.ENOENT, "no such layer") : null);

    private static DriverError? Check(string call, string id) => id is SetRecord.File or TransactionRecord.File or "pool"
        ? new DriverError(call, id, Errno.EINVAL, "the driver keeps this name for itself")
        : LayerId.Check(call, id, DeviceRecord.BaseFile);

    private string MountOf(string id) => $"{_options.Home}/mnt/{id}";

    /// <inheritdoc/>
    public DriverResult<IReadOnlyList<string>> Layers() => DriverResult.Of(_set.Layers);

    /// <summary>Closes the driver's descriptor; mounts and devices stay, as after a daemon's restart.</summary>
    public void Dispose() => _set.Dispose();
}
