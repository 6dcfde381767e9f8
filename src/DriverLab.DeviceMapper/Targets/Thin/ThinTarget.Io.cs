using DriverLab.Block;
using DriverLab.Linux;
using DriverLab.Simulation;

namespace DriverLab.DeviceMapper.Targets;

/// <summary>I/O of a thin device: what is mapped and not shared goes straight on, the rest is the worker's.</summary>
/// <remarks>Linux drivers/md/dm-thin.c: thin_bio_map(), process_cell().</remarks>
internal sealed partial class ThinTarget
{
    private static readonly Comparison<Bio> s_bySector = static (a, b) => a.Sector.CompareTo(b.Sector);
    private readonly List<ThinCell> _deferredCells = [], _workCells = [];
    private readonly List<Bio> _sorted = [];
    private BioList _deferred, _retries;

    /// <summary>Entries of the deferred sets that a bio counts in, kept with it: the set of all I/O, and that of shared reads.</summary>
    private const int EntryBits = 8;

    private ulong BlockOf(Bio bio) => (ulong)bio.Sector / _blockSectors;

    public override MapResult Map(Bio bio)
    {
        bio.Sector = Offset(bio.Sector);
        if (_isRequeueing)
            return MapResult.Requeue;
        if (_pool.Mode == PoolMode.Fail)
            return MapResult.Kill;
        if (bio.Op == BioOp.Discard || (bio.Flags & (BioFlags.PreFlush | BioFlags.Fua)) != 0)
        {
            Defer(bio);
            return MapResult.Submitted;
        }
        ulong block = BlockOf(bio);
        if (_pool.Prison.Waits(_device, block, bio))
            return MapResult.Submitted;
        var error = _pool.Metadata.FindCached(_device, block, out var found);
        if (error == Errno.OK && (!found.IsShared || (bio.IsWrite && Mutations.Has(Mutation.ThinSharingIgnored))))
        {
            if (_pool.Prison.Waits(null, found.DataBlock, bio))
                return MapResult.Submitted;
            CountIo(bio);
            Remap(bio, found.DataBlock);
            return MapResult.Remapped;
        }
        if (error is not (Errno.OK or Errno.ENODATA or Errno.EAGAIN))
            return MapResult.Kill;
        _ = _pool.Prison.TryEnter(_device, block, block + 1, bio, out var cell);
        _deferredCells.Add(cell);
        _pool.Wake();
        return MapResult.Submitted;
    }

    private void Defer(Bio bio)
    {
        _deferred.Add(bio);
        _pool.Wake();
    }

    // ---- the worker's part ---------------------------------------------------------------------------------------------------------

    /// <summary>Handles what was left to the worker.</summary>
    public void ProcessDeferred()
    {
        while (_deferredCells.Count > 0)
        {
            _workCells.AddRange(_deferredCells);
            _deferredCells.Clear();
            _workCells.Sort(static (a, b) => a.Begin.CompareTo(b.Begin));
            foreach (var cell in _workCells)
                ProcessCell(cell);
            _workCells.Clear();
        }
        while (_deferred.Pop() is { } bio)
            _sorted.Add(bio);
        if (_sorted.Count > 1)
            SortBios();
        for (int i = 0; i < _sorted.Count; i++)
        {
            if (_sorted[i].Op == BioOp.Discard)
                ProcessDiscard(_sorted[i]);
            else
                ProcessBio(_sorted[i]);
        }
        _sorted.Clear();
    }

    /// <summary>Sorts by sector; equal ones stay in their order.</summary>
    private void SortBios()
    {
        for (int i = 1; i < _sorted.Count; i++)
        {
            var bio = _sorted[i];
            int at = i;
            for (; at > 0 && s_bySector(_sorted[at - 1], bio) > 0; at--)
                _sorted[at] = _sorted[at - 1];
            _sorted[at] = bio;
        }
    }

    private void ProcessBio(Bio bio)
    {
        ulong block = BlockOf(bio);
        if (_pool.Prison.TryEnter(_device, block, block + 1, bio, out var cell))
            ProcessCell(cell);
    }

    private void ProcessCell(ThinCell cell)
    {
        var bio = cell.Holder;
        ulong block = cell.Begin;
        if (_isRequeueing)
        {
            RequeueCell(cell);
            return;
        }
        if (_pool.Mode == PoolMode.Fail)
        {
            FailCell(cell, BlkStatus.IoError);
            return;
        }
        var error = _pool.Metadata.Find(_device, block, out var found);
        bool readOnly = _pool.Mode != PoolMode.Write;
        switch (error)
        {
            case Errno.OK when found.IsShared && readOnly && bio.IsWrite && bio.Sectors != 0:
                Unserviceable(bio);
                LeaveCell(cell);
                break;
            case Errno.OK when found.IsShared && !readOnly:
                ProcessShared(bio, block, found, cell);
                break;
            case Errno.OK:
                Issue(bio, found.DataBlock);
                IssueCell(cell, found.DataBlock);
                break;
            case Errno.ENODATA when !bio.IsWrite:
                LeaveCell(cell);
                ReadUnmapped(bio);
                break;
            case Errno.ENODATA when readOnly:
                LeaveCell(cell);
                Unserviceable(bio);
                break;
            case Errno.ENODATA:
                Provision(bio, block, cell);
                break;
            default:
                LogThin($"process_cell: dm_thin_find_block() failed: error = -{(int)error}");
                LeaveCell(cell);
                bio.End(BlkStatus.IoError);
                break;
        }
    }

    /// <summary>Nothing is mapped: zeros, or what the external origin has. A pool that takes no new blocks does not look where the origin ends: such reads fail.</summary>
    private void ReadUnmapped(Bio bio)
    {
        if (_origin is null || (bio.Sector >= _originSectors && _pool.Mode == PoolMode.Write))
        {
            bio.Span.Clear();
            bio.End();
            return;
        }
        if (bio.EndSector > _originSectors && _pool.Mode == PoolMode.Write)
        {
            bio.Span.Clear();
            bio.Sectors = (int)(_originSectors - bio.Sector);
        }
        CountIo(bio);
        bio.Device = _origin.Device;
        Send(bio);
    }

    private void Provision(Bio bio, ulong block, ThinCell cell)
    {
        if (bio.Sectors == 0)
        {
            LeaveCell(cell);
            Issue(bio, 0);
            return;
        }
        var error = _pool.AllocateBlock(out ulong data);
        switch (error)
        {
            case Errno.OK when _origin is not null:
                CopyFromOrigin(block, data, cell, bio);
                break;
            case Errno.OK:
                Zero(block, data, cell, bio);
                break;
            case Errno.ENOSPC:
                RetryCell(cell);
                break;
            default:
                LogThin($"provision_block: alloc_data_block() failed: error = -{(int)error}");
                FailCell(cell, BlkStatus.IoError);
                break;
        }
    }

    private void ProcessShared(Bio bio, ulong block, ThinLookup found, ThinCell cell)
    {
        if (!_pool.Prison.TryEnter(null, found.DataBlock, found.DataBlock + 1, bio, out var dataCell))
        {
            LeaveCell(cell);
            return;
        }
        if (bio.IsWrite && bio.Sectors != 0)
        {
            BreakSharing(bio, block, found, dataCell);
            LeaveCell(cell);
            return;
        }
        bio.MakerValue |= (uint)(_pool.SharedReads.Inc() + 1);
        Issue(bio, found.DataBlock);
        IssueCell(dataCell, found.DataBlock);
        IssueCell(cell, found.DataBlock);
    }

    private void BreakSharing(Bio bio, ulong block, ThinLookup found, ThinCell cell)
    {
        var error = _pool.AllocateBlock(out ulong data);
        switch (error)
        {
            case Errno.OK:
                Copy(block, _poolDevice.Device, (long)found.DataBlock * _blockSectors, data, cell, bio, _blockSectors);
                break;
            case Errno.ENOSPC:
                RetryCell(cell);
                break;
            default:
                LogThin($"break_sharing: alloc_data_block() failed: error = -{(int)error}");
                FailCell(cell, BlkStatus.IoError);
                break;
        }
    }

    // ---- sending -----------------------------------------------------------------------------------------------------------------

    private void CountIo(Bio bio) => bio.MakerValue |= (long)(uint)(_pool.AllIo.Inc() + 1) << EntryBits;

    private void Remap(Bio bio, ulong dataBlock)
    {
        bio.Device = _poolDevice.Device;
        bio.Sector = (long)dataBlock * _blockSectors + bio.Sector % _blockSectors;
    }

    private void Issue(Bio bio, ulong dataBlock)
    {
        CountIo(bio);
        Remap(bio, dataBlock);
        Send(bio);
    }

    /// <summary>Submits; but what asks for durability waits for a commit when this device has changed.</summary>
    /// <remarks>Linux drivers/md/dm-thin.c: issue().</remarks>
    private void Send(Bio bio)
    {
        if (!NeedsCommit(bio))
            Layer.Submit(bio);
        else if (_device.LostChanges)
            bio.End(BlkStatus.IoError);
        else
            _pool.AddFlush(bio);
    }

    private bool NeedsCommit(Bio bio) => (bio.Flags & (BioFlags.PreFlush | BioFlags.Fua)) != 0 && _device.IsChanged;

    // ---- cells -------------------------------------------------------------------------------------------------------------------

    /// <summary>Ends a cell whose holder goes its own way; the others come again.</summary>
    private void LeaveCell(ThinCell cell)
    {
        var waiting = _pool.Prison.Release(cell);
        if (waiting.IsEmpty)
            return;
        _deferred.Append(ref waiting);
        _pool.Wake();
    }

    /// <summary>Ends a cell; whoever waits goes to the data block, flushes and discards come again.</summary>
    private void IssueCell(ThinCell cell, ulong dataBlock)
    {
        var waiting = _pool.Prison.Release(cell);
        while (waiting.Pop() is { } bio)
        {
            if (bio.Op == BioOp.Discard || (bio.Flags & (BioFlags.PreFlush | BioFlags.Fua)) != 0)
                Defer(bio);
            else
                Issue(bio, dataBlock);
        }
    }

    private void FailCell(ThinCell cell, BlkStatus status)
    {
        var holder = cell.Holder;
        var waiting = _pool.Prison.Release(cell);
        holder.End(status);
        while (waiting.Pop() is { } bio)
            bio.End(status);
    }

    /// <summary>There is no space: the cell's bios fail, or wait for some.</summary>
    private void RetryCell(ThinCell cell)
    {
        if (_pool.Unserviceable is var status and not BlkStatus.OK)
        {
            FailCell(cell, status);
            return;
        }
        _retries.Add(cell.Holder);
        var waiting = _pool.Prison.Release(cell);
        _retries.Append(ref waiting);
    }

    private void Unserviceable(Bio bio)
    {
        if (_pool.Unserviceable is var status and not BlkStatus.OK)
            bio.End(status);
        else
            _retries.Add(bio);
    }

    public void FailRetries(BlkStatus status)
    {
        var retries = _retries;
        _retries = default;
        while (retries.Pop() is { } bio)
            bio.End(status);
    }

    public void RequeueRetries() => _deferred.Append(ref _retries);

    private void RequeueCell(ThinCell cell)
    {
        var waiting = _pool.Prison.Release(cell);
        Table.Device.Requeue(cell.Holder);
        while (waiting.Pop() is { } bio)
            Table.Device.Requeue(bio);
    }

    /// <summary>Gives everything that waits back to the core.</summary>
    /// <remarks>Linux drivers/md/dm-thin.c: requeue_io().</remarks>
    private void Requeue()
    {
        _deferred.Append(ref _retries);
        var bios = _deferred;
        _deferred = default;
        while (bios.Pop() is { } bio)
            Table.Device.Requeue(bio);
        foreach (var cell in _deferredCells)
            RequeueCell(cell);
        _deferredCells.Clear();
    }
}
