using DriverLab.Block;

namespace DriverLab.DeviceMapper.Targets;

/// <summary>A range of blocks that one bio works on; others that come for it wait here.</summary>
internal sealed class ThinCell
{
    public ThinDevice? Device;
    public ulong Begin, End;
    public Bio Holder = null!;
    public BioList Waiting;
}

/// <summary>The blocks that are being worked on: virtual ones of a device, or data blocks.</summary>
/// <remarks>Linux drivers/md/dm-bio-prison-v1.c. There are only as many cells as there are bios under way, so a list is searched.</remarks>
internal sealed class ThinPrison
{
    private readonly List<ThinCell> _cells = [];
    private readonly Stack<ThinCell> _free = new();

    /// <summary>True when no block is being worked on.</summary>
    public bool IsEmpty => _cells.Count == 0;

    private ThinCell? Find(ThinDevice? device, ulong begin, ulong end)
    {
        foreach (var cell in _cells)
            if (ReferenceEquals(cell.Device, device) && cell.Begin < end && begin < cell.End)
                return cell;
        return null;
    }

    /// <summary>Makes the bio the holder of a new cell, or lets it wait in the one that is there.</summary>
    /// <param name="device">The device of virtual blocks; null for data blocks.</param>
    /// <param name="begin">First block.</param>
    /// <param name="end">The block after the last one.</param>
    /// <param name="bio">Who comes.</param>
    /// <param name="cell">The new cell.</param>
    /// <returns>False: it waits.</returns>
    public bool TryEnter(ThinDevice? device, ulong begin, ulong end, Bio bio, out ThinCell cell)
    {
        if (Find(device, begin, end) is { } taken)
        {
            taken.Waiting.Add(bio);
            cell = taken;
            return false;
        }
        if (!_free.TryPop(out cell!))
            cell = new();
        (cell.Device, cell.Begin, cell.End, cell.Holder, cell.Waiting) = (device, begin, end, bio, default);
        _cells.Add(cell);
        return true;
    }

    /// <summary>Lets a bio wait if somebody works on its block.</summary>
    public bool Waits(ThinDevice? device, ulong block, Bio bio)
    {
        if (_cells.Count == 0 || Find(device, block, block + 1) is not { } taken)
            return false;
        taken.Waiting.Add(bio);
        return true;
    }

    /// <summary>True when a range is being worked on.</summary>
    public bool IsTaken(ThinDevice? device, ulong begin, ulong end) => Find(device, begin, end) is not null;

    /// <summary>Ends a cell.</summary>
    /// <returns>Who waited.</returns>
    public BioList Release(ThinCell cell)
    {
        var waiting = cell.Waiting;
        _ = _cells.Remove(cell);
        cell.Waiting = default;
        cell.Holder = null!;
        _free.Push(cell);
        return waiting;
    }
}

/// <summary>What a mapping under way becomes when it is prepared.</summary>
internal enum ThinWork
{
    /// <summary>A mapping to insert.</summary>
    Insert,
    /// <summary>A range to unmap.</summary>
    Unmap,
    /// <summary>A range to unmap and to discard on the data device.</summary>
    UnmapAndDiscard,
    /// <summary>Data blocks to give up after their discard.</summary>
    AfterDiscard,
}

/// <summary>A change of mappings on its way: data are copied or zeroed, I/O is waited for, then the worker enters it into the metadata.</summary>
/// <remarks>Linux drivers/md/dm-thin.c: struct dm_thin_new_mapping.</remarks>
internal sealed class ThinJob(ThinPool pool) : BioCompletion, ICopyCompletion
{
    public ThinTarget Target = null!;
    public ThinWork Work;
    public ulong Begin, End, DataBlock;
    public ThinCell Cell = null!;
    /// <summary>The bio that writes the whole block, or the discard.</summary>
    public Bio? Bio;
    public BlkStatus Status;
    /// <summary>What must happen before it is prepared.</summary>
    public int Pending;
    public bool MaybeShared;

    public void CopyDone(BlkStatus status)
    {
        if (status != BlkStatus.OK)
            Status = status;
        Complete();
    }

    /// <summary>One of the things that it waits for has happened.</summary>
    public void Complete()
    {
        if (--Pending == 0)
            pool.Prepared(this);
    }

    /// <summary>A discard of data blocks has ended; how does not matter.</summary>
    public override void EndIo(Bio bio)
    {
        bio.Device.Layer.Free(bio);
        if (--Pending == 0)
            pool.Prepared(this);
    }
}
