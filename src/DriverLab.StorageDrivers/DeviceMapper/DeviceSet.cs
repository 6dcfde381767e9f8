using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Linux.Ioctl;
using DriverLab.StorageDrivers.Files;

namespace DriverLab.StorageDrivers.DeviceMapper;

/// <summary>The thin devices of one home: a pool, a base device with a file system, and a snapshot for each layer; every change of the pool is a transaction that a restart finishes or undoes.</summary>
/// <remarks>
/// A transaction: the file <c>transaction-metadata</c> names a device and the pool's next transaction number; the pool is changed; the device's own file is written or removed; the pool takes
/// the number. What a crash leaves is known by comparing the two numbers: see <c>DeviceSet.Start.cs</c>.
/// </remarks>
internal sealed partial class DeviceSet : IDisposable
{
    /// <summary>The base device's id.</summary>
    public const string Base = "";

    private const int LastDeviceId = 0xFFFFFF;
    private const long RetryNs = 30_000_000_000;
    private const int SectorShift = 9;
    private readonly IKernel _kernel;
    private readonly DeviceMapperOptions _options;
    private readonly MappedDevices _dm;
    private readonly SortedDictionary<string, DeviceRecord> _devices = new(StringComparer.Ordinal);
    private readonly HashSet<int> _taken = [];
    private SetRecord _set = new(0, "", "");
    private ulong _transaction;
    private long? _lastRetry;
    private bool _ownPool;

    private DeviceSet(IKernel kernel, DeviceMapperOptions options, MappedDevices dm)
    {
        (_kernel, _options, _dm) = (kernel, options, dm);
        DeferredRemoval = options.DeferredRemoval ?? dm.HasDeferredRemoval;
        DeferredDeletion = options.DeferredDeletion ?? DeferredRemoval;
    }

    /// <summary>A device that is still open goes at its last close.</summary>
    public bool DeferredRemoval { get; }

    /// <summary>A device that cannot be deleted yet is marked, and deleted later.</summary>
    public bool DeferredDeletion { get; }

    /// <summary>What names of mapped devices begin with: <c>docker-MAJOR:MINOR-INODE</c> of the home.</summary>
    public string Prefix { get; private set; } = "";

    /// <summary>The pool's name.</summary>
    public string PoolName { get; private set; } = "";

    /// <summary>The base file system's type.</summary>
    public string BaseFileSystem => _set.BaseFileSystem;

    /// <summary>The version of the kernel's interface.</summary>
    public string Version => _dm.Version;

    private string MetadataDirectory => _options.Home + "/metadata";

    /// <summary>The base device's record.</summary>
    public DeviceRecord BaseRecord => _devices[Base];

    /// <summary>Layers, those that wait to be deleted left out.</summary>
    public IReadOnlyList<string> Layers => [.. _devices.Values.Where(static d => d.Id.Length > 0 && !d.Deleted).Select(static d => d.Id)];

    /// <summary>Devices that wait to be deleted.</summary>
    public int WaitingDeletions => _devices.Values.Count(static d => d.Deleted);

    /// <summary>A layer's device, or null.</summary>
    public DeviceRecord? Find(string id) => _devices.GetValueOrDefault(id) is { Deleted: false } device ? device : null;

    /// <summary>The name of a layer's mapped device.</summary>
    public string NameOf(string id) => $"{Prefix}-{(id.Length == 0 ? DeviceRecord.BaseFile : id)}";

    /// <summary>How full the pool is.</summary>
    public DriverResult<PoolStatus> Status() => _dm.StatusOf(PoolName);

    /// <summary>The pool's metadata and data devices and its block in sectors, as its table has them.</summary>
    public (DevT Metadata, DevT Data, long BlockSectors) PoolTable()
    {
        var table = _dm.Table(PoolName);
        string[] words = table is { IsOk: true, Value.Rows: [{ Type: "thin-pool" } row] } ? row.Params.Split(' ') : [];
        return words.Length > 2 && long.TryParse(words[2], out long sectors) ? (Number(words[0]), Number(words[1]), sectors) : (DevT.Zero, DevT.Zero, 0);
    }

    private static DevT Number(string word) => word.Split(':') is [var major, var minor] && uint.TryParse(major, out uint a) && uint.TryParse(minor, out uint b) ? new(a, b) : DevT.Zero;

    // ---- layers ----------------------------------------------------------------------------------------------------------------------

    /// <summary>Makes a layer's device, a snapshot of its parent's.</summary>
    /// <param name="id">The layer.</param>
    /// <param name="parent">Its parent; empty for the base device.</param>
    /// <param name="size">Its size, in bytes; null for the parent's. A larger one makes the file system grow.</param>
    /// <returns>ENOSPC (less free than dm.min_free_space), ENOENT (parent), EBUSY (the parent waits to be deleted), EEXIST (id, also while it waits to be deleted), EINVAL (size smaller than the parent's), then what the kernel says.</returns>
    public DriverError? Add(string id, string parent, long? size)
    {
        RetryDeletions();
        if (CheckRoom(id) is { } full)
            return full;
        if (!_devices.TryGetValue(parent, out var origin))
            return new DriverError("create", parent, Errno.ENOENT, "no such parent");
        if (origin.Deleted)
            return new DriverError("create", parent, Errno.EBUSY, "the parent waits to be deleted");
        if (_devices.TryGetValue(id, out var known))
            return new DriverError("create", id, Errno.EEXIST, known.Deleted ? "the layer of this id waits to be deleted" : null);
        if (size < origin.SizeBytes)
            return new DriverError("create", id, Errno.EINVAL, $"size {size} is smaller than the parent's {origin.SizeBytes}");
        if (Snapshot(id, origin, size ?? origin.SizeBytes) is { } failed)
            return failed;
        if (size is null || size == origin.SizeBytes)
            return null;
        var grown = Grow(_devices[id]);
        if (grown is not null)
            _ = Delete(id); // the first error is the one to tell
        return grown;
    }

    /// <summary>The parent's file system is frozen while its snapshot is taken.</summary>
    private DriverError? Snapshot(string id, DeviceRecord origin, long size)
    {
        string name = NameOf(origin.Id);
        if (CancelRemoval(origin) is { } pending)
            return pending;
        bool isActive = _dm.IsLive(name);
        if (isActive && _dm.Suspend(name, origin.Subject) is { } busy)
            return busy;
        var error = Register(id, $"create_snap {{0}} {origin.DeviceId}", size);
        return (isActive ? _dm.Resume(name, origin.Subject) : null) is { } stuck ? error ?? stuck : error;
    }

    /// <summary>Free data and metadata blocks, against the share that is to stay free.</summary>
    private DriverError? CheckRoom(string id)
    {
        if (_options.MinFreePercent == 0)
            return null;
        var status = Status();
        if (!status.IsOk)
            return status.Error;
        var (_, usedMetadata, totalMetadata, usedData, totalData) = status.Value;
        return CheckRoom(id, "data", usedData, totalData) ?? CheckRoom(id, "metadata", usedMetadata, totalMetadata);
    }

    private DriverError? CheckRoom(string id, string what, long used, long total)
    {
        long least = Math.Max(1, total * _options.MinFreePercent / 100), free = total - used;
        return free >= least ? null : new DriverError("create", id, Errno.ENOSPC, $"the pool has {free} free {what} blocks, {least} are to stay free (dm.min_free_space)");
    }

    /// <summary>Deletes a layer's device.</summary>
    /// <returns>EBUSY (still open after 20 s, where neither removal nor deletion is deferred), then what the kernel says.</returns>
    public DriverError? Delete(string id)
    {
        if (!_devices.TryGetValue(id, out var device))
            return null;
        if (_options.IsDiscarding)
            Discard(device);
        return _dm.Remove(NameOf(id), device.Subject, DeferredRemoval && DeferredDeletion) ?? DeleteTransaction(device, isDeferred: DeferredDeletion);
    }

    /// <summary>Gives a device's blocks back before it is deleted: the pool's own deletion does not reach the sparse file. It is a favour, and its errors are not told.</summary>
    private void Discard(DeviceRecord device)
    {
        if (Activate(device) is not null || _dm.Info(NameOf(device.Id)) is not { IsOk: true, Value.OpenCount: 0 })
            return;
        var opened = _kernel.OpenAt(Fd.Cwd, ByteText.Bytes(MappedDevices.NodeOf(NameOf(device.Id))), OpenFlags.O_RDWR | OpenFlags.O_CLOEXEC, Mode.None);
        if (!opened.IsOk)
            return;
        _ = _kernel.BlkDiscard(opened.Value, 0, (ulong)device.SizeBytes);
        _ = _kernel.Close(opened.Value);
        _kernel.Sync(); // otherwise what is still under way keeps the device busy
    }

    /// <summary>Tries again, 30 s after the last time, to delete what was open then. Unlike Docker, which has a thread for it, at the next operation.</summary>
    private void RetryDeletions()
    {
        long now = _kernel.ClockGetTimeNs(ClockId.CLOCK_MONOTONIC);
        if (WaitingDeletions == 0 || now - _lastRetry < RetryNs)
            return;
        _lastRetry = now;
        foreach (var device in _devices.Values.Where(static d => d.Deleted).ToArray())
            _ = DeleteTransaction(device, isDeferred: true); // it stays marked
    }

    // ---- transactions ----------------------------------------------------------------------------------------------------------------

    /// <summary>Makes a device in the pool and its file. A number that the pool has and no file names is passed over.</summary>
    private DriverError? Register(string id, string message, long size)
    {
        int number = 0;
        for (var error = Errno.EEXIST; error == Errno.EEXIST;)
        {
            if (!TryTakeNumber(out number))
                return new DriverError("create", id, Errno.ENOSPC, $"all {LastDeviceId} device numbers are taken");
            if (OpenTransaction(id, number) is { } unwritten)
            {
                _ = _taken.Remove(number);
                return unwritten;
            }
            string text = string.Format(System.Globalization.CultureInfo.InvariantCulture, message, number);
            error = _dm.Message(PoolName, text);
            if (error is Errno.OK or Errno.EEXIST)
                continue;
            _ = _taken.Remove(number);
            return new DriverError("dm message", "pool", error, text);
        }
        var device = new DeviceRecord(id, number, size, _transaction + 1);
        var failed = Save(device) ?? CloseTransaction();
        if (failed is null)
            return null;
        _ = Forget(device); // the first error is the one to tell
        _ = _dm.Message(PoolName, $"delete {number}");
        return failed;
    }

    private DriverError? DeleteTransaction(DeviceRecord device, bool isDeferred)
    {
        if (OpenTransaction(device.Id, device.DeviceId) is { } unwritten)
            return unwritten;
        var error = _dm.Message(PoolName, $"delete {device.DeviceId}");
        if (error == Errno.EBUSY && isDeferred)
            return device.Deleted ? new DriverError("dm message", "pool", error, $"delete {device.DeviceId}") : Save(device with { Deleted = true }) ?? CloseTransaction();
        // ENODATA: a crash came between the pool and the file.
        return error is Errno.OK or Errno.ENODATA ? Forget(device) ?? CloseTransaction() : new DriverError("dm message", "pool", error, $"delete {device.DeviceId}");
    }

    private DriverError? OpenTransaction(string id, int number) =>
        WriteMetadata(TransactionRecord.File, new TransactionRecord(_transaction + 1, id, number).Write());

    private DriverError? CloseTransaction()
    {
        string message = $"set_transaction_id {_transaction} {_transaction + 1}";
        var error = _dm.Message(PoolName, message);
        if (error != Errno.OK)
            return new DriverError("dm message", "pool", error, message);
        _transaction++;
        return null;
    }

    private bool TryTakeNumber(out int number)
    {
        number = _set.NextDeviceId;
        for (int tries = 0; tries <= LastDeviceId; tries++)
        {
            number = (number + 1) & LastDeviceId;
            if (!_taken.Add(number))
                continue;
            _set = _set with { NextDeviceId = number };
            return true;
        }
        return false;
    }

    // ---- files -----------------------------------------------------------------------------------------------------------------------

    private static string FileOf(string id) => id.Length == 0 ? DeviceRecord.BaseFile : id;

    private DriverError? Save(DeviceRecord device)
    {
        if (WriteMetadata(FileOf(device.Id), device.Write()) is { } error)
            return error;
        _devices[device.Id] = device;
        return null;
    }

    private DriverError? Forget(DeviceRecord device)
    {
        byte[] path = ByteText.Bytes($"{MetadataDirectory}/{FileOf(device.Id)}");
        var error = _kernel.UnlinkAt(Fd.Cwd, path, AtFlags.None);
        if (error is not (Errno.OK or Errno.ENOENT))
            return DriverError.Of(error, "unlink", path);
        _ = _devices.Remove(device.Id);
        _ = _taken.Remove(device.DeviceId);
        return _kernel.SyncDirectory(MetadataDirectory);
    }

    /// <summary>Unlike Docker, the directory is synced too: the pool must not know of a layer whose file a power cut takes away.</summary>
    private DriverError? WriteMetadata(string name, byte[] content) => _kernel.ReplaceFile(MetadataDirectory, name, content, (Mode)0x180, syncDirectory: true);

    /// <summary>Closes the control node; devices stay.</summary>
    public void Dispose() => _dm.Dispose();
}
