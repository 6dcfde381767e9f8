using DriverLab.DeviceMapper.PersistentData;
using DriverLab.Formats;
using DriverLab.Formats.PersistentData;
using DriverLab.Formats.Thin;
using DriverLab.Linux;

namespace DriverLab.DeviceMapper.Targets;

/// <summary>Thin devices and snapshots: made, opened, deleted; the metadata snapshot.</summary>
internal sealed partial class ThinMetadata
{
    /// <summary>Changes the metadata. What an action refuses it returns: programs ask for such things all the time, and an exception costs more than the rest of the call.</summary>
    private Errno Do(Func<ulong, ulong, Errno> action, ulong a, ulong b)
    {
        try
        {
            Enter(changes: true);
            return action(a, b);
        }
        catch (MetadataException e)
        {
            return e.Error;
        }
        finally
        {
            Leave();
        }
    }

    /// <returns>EEXIST, and what the metadata say.</returns>
    public Errno CreateThin(ulong id) => Do((id, _) =>
    {
        if (IsKnown(id))
            return Errno.EEXIST;
        ulong tree = _mappings.MakeEmpty();
        try
        {
            InsertTree(id, tree);
        }
        catch (MetadataException)
        {
            DropTree(tree);
            throw;
        }
        try
        {
            CloseDevice(MakeDevice(id));
        }
        catch (MetadataException)
        {
            Forget(id);
            DropTree(tree);
            throw;
        }
        return Errno.OK;
    }, id, 0);

    /// <returns>EEXIST, ENODATA (no such origin), and what the metadata say.</returns>
    public Errno CreateSnapshot(ulong id, ulong originId) => Do((id, originId) =>
    {
        if (IsKnown(id))
            return Errno.EEXIST;
        if (!_top.TryFind(_root, originId, out var value))
            return Errno.ENODATA;
        ulong tree = System.Runtime.InteropServices.MemoryMarshal.Read<Le<ulong>>(value).Value;
        _transactions.Inc(tree);
        InsertTree(id, tree);
        _time = unchecked(_time + 1);
        var device = MakeSnapshot(id);
        if (GetDevice(originId) is not { } origin)
            return Errno.ENODATA;
        origin.IsChanged = true;
        origin.SnapshottedTime = _time;
        device.MappedBlocks = origin.MappedBlocks;
        device.SnapshottedTime = _time;
        CloseDevice(origin);
        CloseDevice(device);
        return Errno.OK;
    }, id, originId);

    private ThinDevice MakeSnapshot(ulong id)
    {
        try
        {
            return MakeDevice(id);
        }
        catch (MetadataException)
        {
            Forget(id);
            ForgetDetails(id);
            throw;
        }
    }

    /// <summary>Is there a device? Where the details cannot be read none is known: the new tree takes the place of the old one, until the device cannot be made.</summary>
    private bool IsKnown(ulong id)
    {
        if (_devices.ContainsKey(id))
            return true;
        try
        {
            return _details.TryFind(_detailsRoot, id, out _);
        }
        catch (MetadataException)
        {
            return false;
        }
    }

    /// <summary>Takes the tree of a device out again; that this fails does not matter.</summary>
    private void Forget(ulong id)
    {
        try
        {
            _top.Remove(ref _root, id);
        }
        catch (MetadataException)
        {
        }
    }

    private void ForgetDetails(ulong id)
    {
        try
        {
            _details.Remove(ref _detailsRoot, id);
        }
        catch (MetadataException)
        {
        }
    }

    /// <summary>Gives a tree up; that it cannot be read does not matter.</summary>
    private void DropTree(ulong tree)
    {
        try
        {
            _mappings.Delete(tree);
        }
        catch (MetadataException)
        {
        }
    }

    private void InsertTree(ulong id, ulong tree)
    {
        Le<ulong> value = tree;
        _ = _top.Insert(ref _root, id, System.Runtime.InteropServices.MemoryMarshal.AsBytes(new ReadOnlySpan<Le<ulong>>(in value)));
    }

    private ThinDevice MakeDevice(ulong id)
    {
        _ = _details.TryFind(_detailsRoot, id, out _); // cannot be there, but may not be readable
        var device = new ThinDevice(id) { TransactionId = TransactionId, CreationTime = _time, SnapshottedTime = _time, IsChanged = true };
        _devices.Add(id, device);
        return device;
    }

    /// <summary>The device of an id, with one user more; null when there is none.</summary>
    private ThinDevice? GetDevice(ulong id)
    {
        if (_devices.TryGetValue(id, out var device))
        {
            device.OpenCount++;
            return device;
        }
        if (!_details.TryFind(_detailsRoot, id, out var value))
            return null;
        ref readonly var details = ref DiskView.Read<ThinDeviceDetails>(value);
        device = new ThinDevice(id)
        {
            MappedBlocks = details.MappedBlocks.Value,
            TransactionId = details.TransactionId.Value,
            CreationTime = details.CreationTime.Value,
            SnapshottedTime = details.SnapshottedTime.Value,
        };
        _devices.Add(id, device);
        return device;
    }

    /// <returns>ENODATA, and what the metadata say.</returns>
    public SysResult<ThinDevice> OpenDevice(ulong id)
    {
        try
        {
            Enter(changes: false);
            return GetDevice(id) is { } device ? device : Errno.ENODATA;
        }
        catch (MetadataException e)
        {
            return e.Error;
        }
        finally
        {
            Leave();
        }
    }

    public static void CloseDevice(ThinDevice device) => device.OpenCount--;

    /// <returns>ENODATA, EBUSY (in use), and what the metadata say.</returns>
    public Errno DeleteDevice(ulong id) => Do((id, unused) =>
    {
        if (GetDevice(id) is not { } device)
            return Errno.ENODATA;
        if (device.OpenCount > 1)
        {
            CloseDevice(device);
            return Errno.EBUSY;
        }
        _ = _devices.Remove(id);
        _details.Remove(ref _detailsRoot, id);
        _top.Remove(ref _root, id);
        return Errno.OK;
    }, id, 0);

    /// <returns>EINVAL: the current one is another.</returns>
    public Errno SetTransactionId(ulong current, ulong next) => Do((current, next) =>
    {
        if (TransactionId != current)
        {
            _driver.Log("thin metadata", "mismatched transaction id");
            return Errno.EINVAL;
        }
        TransactionId = next;
        return Errno.OK;
    }, current, next);

    /// <summary>Keeps the committed state for tools to read: a copy of the superblock that refers to the trees.</summary>
    /// <returns>EBUSY: there is one.</returns>
    /// <remarks>Linux drivers/md/dm-thin-metadata.c: __reserve_metadata_snap().</remarks>
    public Errno ReserveSnapshot() => Do((_, _) =>
    {
        CommitTransaction();
        bool isTaken = ReadSuperblock().HeldRoot.Value != 0, isLate = _driver.Quirks.HeldRootIsSeenLate;
        if (isTaken && !isLate)
            return RefuseSecondSnapshot();
        _metadataMap.Inc(SuperblockAt);
        var copy = _transactions.Shadow(SuperblockAt, MetadataBlockKind.Superblock, out _);
        if (isTaken)
        {
            _transactions.Dec(copy.Number);
            return RefuseSecondSnapshot();
        }
        ref var held = ref DiskView.Edit<ThinSuperblock>(copy.Data);
        held.DataSpaceMap = default;
        held.MetadataSpaceMap = default;
        _transactions.Inc(held.MappingRoot.Value);
        _transactions.Inc(held.DetailsRoot.Value);
        DiskView.Edit<ThinSuperblock>(_blocks.Write(SuperblockAt, MetadataBlockKind.Superblock).Data).HeldRoot = copy.Number;
        return Errno.OK;
    }, 0, 0);

    private Errno RefuseSecondSnapshot()
    {
        _driver.Log("thin metadata", "Pool metadata snapshot already exists: release this before taking another.");
        return Errno.EBUSY;
    }

    /// <returns>EINVAL: there is none.</returns>
    public Errno ReleaseSnapshot() => Do((_, _) =>
    {
        ref var sb = ref DiskView.Edit<ThinSuperblock>(_blocks.Write(SuperblockAt, MetadataBlockKind.Superblock).Data);
        ulong held = sb.HeldRoot.Value;
        sb.HeldRoot = 0;
        if (held == 0)
        {
            _driver.Log("thin metadata", "No pool metadata snapshot found: nothing to release.");
            return Errno.EINVAL;
        }
        ref readonly var copy = ref DiskView.Read<ThinSuperblock>(_blocks.Read(held, MetadataBlockKind.Superblock).Data);
        _top.Delete(copy.MappingRoot.Value);
        _details.Delete(copy.DetailsRoot.Value);
        _metadataMap.Dec(held);
        return Errno.OK;
    }, 0, 0);
}
