using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Linux.Ioctl;
using DriverLab.StorageDrivers.Files;

namespace DriverLab.StorageDrivers.DeviceMapper;

internal sealed partial class DeviceSet
{
    private const long LowWaterBlocks = 32768;

    private string FilesDirectory => _options.Home + "/devicemapper";

    /// <summary>Opens a home: its pool, the devices that its files name, what a crash left, and the base device, each made if it is not there yet.</summary>
    public static DriverResult<DeviceSet> Open(IKernel kernel, DeviceMapperOptions options)
    {
        var dm = MappedDevices.Open(kernel);
        if (!dm.IsOk)
            return dm.Error!;
        var set = new DeviceSet(kernel, options, dm.Value);
        if (options.DeferredRemoval == true && !dm.Value.HasDeferredRemoval)
            return set.Closed(new DriverError("option", "dm.use_deferred_removal", Errno.EOPNOTSUPP, $"the kernel's device-mapper is {dm.Value.Version}, it needs 4.27"));
        var error = set.MakeHome() ?? set.OpenPool() ?? set.LoadRecords() ?? set.FinishTransaction() ?? set.ResumeAll() ?? set.SetUpBase();
        return error is null ? set : set.Closed(error);
    }

    private DriverError Closed(DriverError error)
    {
        Dispose();
        return error;
    }

    private DriverError? MakeHome()
    {
        foreach (string directory in (ReadOnlySpan<string>)[_options.Home, MetadataDirectory])
            if (_kernel.MakeDirectories(ByteText.Bytes(directory), Mode.S_IRWXU) is not Errno.OK and var error)
                return DriverError.Of(error, "mkdir", ByteText.Bytes(directory));
        byte[] home = ByteText.Bytes(_options.Home);
        if (_kernel.Statx(Fd.Cwd, home, AtFlags.None, StatxMask.STATX_BASIC_STATS, out var stat) is not Errno.OK and var unknown)
            return DriverError.Of(unknown, "stat", home);
        Prefix = $"docker-{stat.Dev}-{stat.Ino}";
        PoolName = _options.ThinPool.Length > 0 ? _options.ThinPool : $"{Prefix}-pool";
        _ownPool = _options.ThinPool.Length == 0;
        return null;
    }

    // ---- the pool --------------------------------------------------------------------------------------------------------------------

    /// <summary>A pool that is still there is used: whoever ran before may have left layers in use.</summary>
    private DriverError? OpenPool()
    {
        if (!_dm.IsLive(PoolName))
        {
            if (!_ownPool)
                return new DriverError("option", $"dm.thinpooldev={PoolName}", Errno.ENODEV, "there is no such device");
            if (MakePool() is { } error)
                return error;
        }
        var status = Status();
        if (!status.IsOk)
            return status.Error;
        _transaction = status.Value.TransactionId;
        return null;
    }

    private DriverError? MakePool()
    {
        var data = OpenPart("data", _options.DataDevice, _options.LoopDataBytes);
        if (!data.IsOk)
            return data.Error;
        var metadata = OpenPart("metadata", _options.MetadataDevice, _options.LoopMetadataBytes);
        var error = metadata.IsOk ? MakePool(metadata.Value, data.Value) : metadata.Error;
        if (metadata.IsOk)
            _ = _kernel.Close(metadata.Value.Handle); // the pool holds the devices now, or nobody does
        _ = _kernel.Close(data.Value.Handle);
        return error;
    }

    private DriverResult<LoopFile> OpenPart(string name, string device, long bytes)
    {
        if (device.Length > 0)
            return LoopFile.Open(_kernel, device);
        if (_kernel.MakeDirectories(ByteText.Bytes(FilesDirectory), Mode.S_IRWXU) is not Errno.OK and var error)
            return DriverError.Of(error, "mkdir", ByteText.Bytes(FilesDirectory))!;
        return LoopFile.Ensure(_kernel, $"{FilesDirectory}/{name}", bytes) is { } failed ? failed : LoopFile.Attach(_kernel, $"{FilesDirectory}/{name}");
    }

    private DriverError? MakePool(LoopFile metadata, LoopFile data)
    {
        var size = _kernel.BlkGetSize64(data.Handle);
        if (!size.IsOk)
            return new DriverError("blk size", "pool", size.Error);
        string table = $"{metadata.Device} {data.Device} {_options.BlockBytes >> SectorShift} {LowWaterBlocks} 1 skip_block_zeroing";
        return _dm.Create(PoolName, "pool", new DmRow(0, size.Value >> SectorShift, "thin-pool", table));
    }

    // ---- records ---------------------------------------------------------------------------------------------------------------------

    private DriverError? LoadRecords()
    {
        var listed = _kernel.ListPath(MetadataDirectory);
        if (!listed.IsOk)
            return DriverError.Of(listed.Error, "getdents64", ByteText.Bytes(MetadataDirectory));
        foreach (var entry in listed.Value)
        {
            string name = ByteText.Show(entry.Name), path = $"{MetadataDirectory}/{name}";
            if (name is TransactionRecord.File || name.StartsWith('.')) // a file that was being written
                continue;
            var content = _kernel.ReadWhole(ByteText.Bytes(path));
            if (!content.IsOk)
                return DriverError.Of(content.Error, "open", ByteText.Bytes(path));
            if ((name == SetRecord.File ? LoadSet(path, content.Value) : LoadDevice(name, path, content.Value)) is { } error)
                return error;
        }
        return null;
    }

    private DriverError? LoadSet(string path, byte[] content)
    {
        var set = SetRecord.Read(path, content);
        _set = set.IsOk ? set.Value : _set;
        return set.Error;
    }

    private DriverError? LoadDevice(string name, string path, byte[] content)
    {
        var device = DeviceRecord.Read(name == DeviceRecord.BaseFile ? Base : name, path, content);
        if (!device.IsOk)
            return device.Error;
        _devices[device.Value.Id] = device.Value;
        _ = _taken.Add(device.Value.DeviceId);
        return null;
    }

    /// <summary>
    /// The transaction that was open when the driver ended: its number is the pool's where it was finished. Where it is ahead, the device that it names is deleted: a creation is undone, a
    /// deletion finished.
    /// </summary>
    /// <remarks>A number behind the pool's, which no crash leaves, is passed over, as in Docker: the pool is one that others wrote to.</remarks>
    private DriverError? FinishTransaction()
    {
        string path = $"{MetadataDirectory}/{TransactionRecord.File}";
        var content = _kernel.ReadWhole(ByteText.Bytes(path));
        if (content.Error == Errno.ENOENT)
            return null;
        if (!content.IsOk)
            return DriverError.Of(content.Error, "open", ByteText.Bytes(path));
        var open = TransactionRecord.Read(path, content.Value);
        if (!open.IsOk)
            return open.Error;
        if (open.Value.Open <= _transaction)
            return null;
        var (_, id, number) = open.Value;
        // A mark that it is to be deleted is as good as the deletion, and stays.
        if (_devices.TryGetValue(id, out var known) && known.Deleted)
            return null;
        _ = _dm.Remove(NameOf(id), FileOf(id), DeferredRemoval); // a device in use cannot be deleted
        // ENODATA: the crash came before it was made, or after it was deleted. Unlike Docker, which then loses the device, one that is in use keeps its record.
        if (_dm.Message(PoolName, $"delete {number}") == Errno.EBUSY && known is not null)
            return DeferredDeletion ? Save(known with { Deleted = true }) : null;
        return Forget(known ?? new DeviceRecord(id, number, 0, 0));
    }

    /// <summary>A parent whose snapshot was being taken is still suspended.</summary>
    private DriverError? ResumeAll()
    {
        foreach (string name in _dm.Names(Prefix + "-").ToArray())
            if (_dm.Info(name) is { IsOk: true } info && info.Value.Has(DmFlags.DM_SUSPEND_FLAG) && _dm.Resume(name, name[(Prefix.Length + 1)..]) is { } error)
                return error;
        return null;
    }

    // ---- the base device -------------------------------------------------------------------------------------------------------------

    private DriverError? SetUpBase()
    {
        if (_devices.TryGetValue(Base, out var known) && known is { Initialized: true, Deleted: false })
            return CheckBase(known) ?? GrowBase(known);
        if (known is not null && (_dm.Remove(NameOf(Base), known.Subject, deferred: false) ?? DeleteTransaction(known, isDeferred: false)) is { } error)
            return error;
        return (_ownPool || known is not null ? null : CheckTakeOver()) ?? MakeBase();
    }

    /// <summary>A pool with anything in it is somebody's.</summary>
    private DriverError? CheckTakeOver()
    {
        var status = Status();
        if (!status.IsOk)
            return status.Error;
        return status.Value switch
        {
            { UsedData: > 0 } => new DriverError("init", PoolName, Errno.EBUSY, $"{status.Value.UsedData} data blocks of the pool are in use; a new store takes an empty pool only"),
            { TransactionId: > 0 } => new DriverError("init", PoolName, Errno.EBUSY, $"the pool is at transaction {status.Value.TransactionId}; a new store takes an unused pool only"),
            _ => null,
        };
    }

    private DriverError? MakeBase()
    {
        const long usual = 10L << 30;
        if (_options is { FileSystem: "xfs", MakeXfs: null })
            return new DriverError("init", "dm.fs=xfs", Errno.EOPNOTSUPP, "an xfs is made by a program, mkfs.xfs, which nobody lends the driver here; a base device that has one is used as it is: make it there and note its UUID in deviceset-metadata, or take ext4");
        if ((Register(Base, "create_thin {0}", _options.BaseSizeBytes ?? usual) ?? Activate(_devices[Base])) is { } error)
            return error;
        string node = MappedDevices.NodeOf(NameOf(Base));
        byte[] uuid = Convert.FromHexString(_options.Ids.NextHex(32));
        uuid[6] = (byte)((uuid[6] & 0xF) | 0x40); // version 4, variant 1: random
        uuid[8] = (byte)((uuid[8] & 0x3F) | 0x80);
        error = MakeFileSystem(node, uuid) ?? Save(_devices[Base] with { Initialized = true }) ?? NoteBase(node);
        return error ?? Deactivate(_devices[Base]);
    }

    private DriverError? MakeFileSystem(string node, byte[] uuid)
    {
        if (_options.FileSystem == "ext4")
            return Ext4Maker.Make(_kernel, node, uuid, _options.Ext4);
        DriverError? error = null;
        _kernel.Outside(() => error = _options.MakeXfs!(node, new Guid(uuid, bigEndian: true).ToString(), _options.MkfsArguments));
        return error;
    }

    private DriverError? NoteBase(string node)
    {
        var probe = FileSystemProbe.Of(_kernel, node);
        if (!probe.IsOk)
            return probe.Error;
        _set = _set with { BaseUuid = probe.Value.Uuid, BaseFileSystem = probe.Value.Type };
        return WriteMetadata(SetRecord.File, _set.Write());
    }

    /// <summary>The base device must be the one that was made: a pool that was put in its place has the same numbers and other content.</summary>
    private DriverError? CheckBase(DeviceRecord known)
    {
        if (Activate(known) is { } inactive)
            return inactive;
        string node = MappedDevices.NodeOf(NameOf(Base));
        var probe = FileSystemProbe.Of(_kernel, node);
        var error = probe.Error;
        if (error is null && _set.BaseUuid.Length == 0)
            error = NoteBase(node); // stores of before July 2015
        else if (error is null && probe.Value.Uuid != _set.BaseUuid)
            error = new DriverError("init", FileOf(Base), Errno.EINVAL, $"the base device's file system is {probe.Value.Uuid}, it was {_set.BaseUuid} when it was made; the pool is not the one of this store");
        return error ?? Deactivate(known);
    }

    private DriverError? GrowBase(DeviceRecord known)
    {
        if (_options.BaseSizeBytes is not { } size || size == known.SizeBytes)
            return null;
        if (size < known.SizeBytes)
            return new DriverError("option", "dm.basesize", Errno.EINVAL, $"the base device has {known.SizeBytes} bytes already and does not shrink");
        // The record first: a mapping smaller than its file system could not be mounted any more.
        return Save(known with { SizeBytes = size }) ?? Grow(_devices[Base]);
    }
}
