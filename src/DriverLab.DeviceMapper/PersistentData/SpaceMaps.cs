using DriverLab.Formats.PersistentData;
using DriverLab.Linux;

namespace DriverLab.DeviceMapper.PersistentData;

/// <summary>The map of the metadata device itself. Changing it takes blocks from it: what is asked for meanwhile is done right after.</summary>
/// <remarks>Linux drivers/md/persistent-data/dm-space-map-metadata.c.</remarks>
internal sealed class MetadataSpaceMap
{
    private readonly MetadataLowLevelMap _map;
    private readonly Queue<(ulong Block, bool Up)> _waiting = new();
    private readonly DeviceMapper _driver;
    private ulong _next, _allocatedSinceCommit, _threshold, _lastFree = ulong.MaxValue;
    private bool _isBusy, _isGrowing;
    private Action? _onLow;

    public MetadataSpaceMap(TransactionManager transactions, DeviceMapper driver)
    {
        _map = new(transactions);
        _driver = driver;
        transactions.Map = this;
    }

    public ulong BlockCount => _map.BlockCount;

    public SpaceMapRoot Root => _map.Root;

    /// <summary>Blocks that can still be taken in this transaction.</summary>
    public ulong FreeCount => _isGrowing ? _map.BlockCount - _next : _map.CommittedFree - Math.Min(_allocatedSinceCommit, _map.CommittedFree);

    /// <summary>Makes the map of an empty device whose first block is the superblock's. The blocks that it is made of are handed out in order.</summary>
    /// <remarks>Linux drivers/md/persistent-data/dm-space-map-metadata.c: dm_sm_metadata_create().</remarks>
    public void Make(ulong blocks)
    {
        _isGrowing = true;
        _next = 1;
        _map.Make();
        _map.Extend(Math.Min(blocks, SpaceMapIndexBlock.MaxBitmaps * (ulong)SpaceMapBitmap.EntriesPerBlock));
        _isGrowing = false;
        try
        {
            for (ulong i = 0; i < _next; i++)
                Inc(i);
        }
        catch (MetadataException)
        {
            _driver.Log("space map metadata", "dm_sm_metadata_create: apply_bops failed");
            throw;
        }
        Commit();
    }

    public void Open(in SpaceMapRoot root) => _map.Open(root);

    /// <summary>Adds blocks; what the larger map needs is taken from them.</summary>
    /// <remarks>Linux drivers/md/persistent-data/dm-space-map-metadata.c: sm_metadata_extend().</remarks>
    public void Extend(ulong more)
    {
        ulong counted = _map.BlockCount;
        _next = counted;
        _isGrowing = true;
        try
        {
            _map.Extend(more);
            do
            {
                for (; counted < _next; counted++)
                    _waiting.Enqueue((counted, true));
                ApplyWaiting();
                _map.WriteIndex();
            }
            while (counted != _next);
            ApplyWaiting();
        }
        finally
        {
            _isGrowing = false;
        }
    }

    public uint Count(ulong block)
    {
        if (_isGrowing && block >= _map.BlockCount)
            return 1;
        uint count = _map.Count(block);
        foreach (var (waiting, up) in _waiting)
            if (waiting == block)
                count = up ? count + 1 : count - 1;
        return _isGrowing && count == 0 && block < _next ? 1 : count;
    }

    public void Inc(ulong block) => Change(block, up: true);

    public void Dec(ulong block) => Change(block, up: false);

    private void Change(ulong block, bool up)
    {
        if (_isBusy || _isGrowing)
        {
            _waiting.Enqueue((block, up));
            return;
        }
        _isBusy = true;
        try
        {
            _ = _map.Change(block, up);
            ApplyWaiting();
        }
        finally
        {
            _isBusy = false;
        }
    }

    private void ApplyWaiting()
    {
        while (_waiting.TryDequeue(out var change))
            _ = _map.Change(change.Block, change.Up);
    }

    /// <summary>Takes a block that is free and was free at the last commit: the committed state must stay readable.</summary>
    /// <exception cref="MetadataException">ENOSPC.</exception>
    public ulong NewBlock()
    {
        if (_isGrowing)
            return _next != _map.BlockCount ? _next++ : throw new MetadataException(Errno.ENOSPC);
        if (!_map.TryFindFree(_next, _map.BlockCount, out ulong block) && !_map.TryFindFree(0, _next, out block))
        {
            _driver.Log("space map metadata", "unable to allocate new metadata block");
            throw new MetadataException(Errno.ENOSPC);
        }
        _next = block + 1;
        Inc(block);
        _allocatedSinceCommit++;
        CheckThreshold();
        return block;
    }

    /// <summary>Calls back once when the number of free blocks falls to a threshold.</summary>
    public void SetThreshold(ulong threshold, Action onLow)
    {
        _threshold = threshold;
        _onLow = onLow;
    }

    /// <summary>The free blocks of the last look count against a threshold that was set since; after opening, the first look counts whatever it finds.</summary>
    /// <remarks>Linux drivers/md/persistent-data/dm-space-map-metadata.c: check_threshold().</remarks>
    private void CheckThreshold()
    {
        ulong free = FreeCount;
        if (_onLow is not null && free <= _threshold && _lastFree > _threshold)
            _onLow();
        _lastFree = free;
    }

    public void Commit()
    {
        _map.WriteIndex();
        _map.NoteCommitted();
        _allocatedSinceCommit = 0;
    }
}

/// <summary>The map of the data blocks.</summary>
/// <remarks>Linux drivers/md/persistent-data/dm-space-map-disk.c.</remarks>
/// <param name="transactions">Where its blocks are.</param>
/// <param name="quirks">What differs between kernels.</param>
internal sealed class DataSpaceMap(TransactionManager transactions, DmQuirks quirks)
{
    private readonly DataLowLevelMap _map = new(transactions, quirks.BitmapIndexIsWrittenThrough);
    private ulong _next;
    private long _allocatedSinceCommit;

    /// <summary>Blocks as of the last commit: what was added since does not show, and is added again when somebody compares.</summary>
    /// <remarks>Linux drivers/md/persistent-data/dm-space-map-disk.c: sm_disk_get_nr_blocks().</remarks>
    public ulong BlockCount => _map.CommittedCount;

    public SpaceMapRoot Root => _map.Root;

    public ulong FreeCount => (ulong)Math.Max(0, (long)_map.CommittedFree - _allocatedSinceCommit);

    public void Make()
    {
        _map.Make();
        _map.NoteCommitted();
    }

    public void Open(in SpaceMapRoot root) => _map.Open(root);

    public void Extend(ulong more) => _map.Extend(more);

    public uint Count(ulong block) => _map.Count(block);

    public void Inc(ulong block) => _allocatedSinceCommit += _map.Change(block, up: true);

    /// <remarks>What became free and was in use at the last commit cannot be given out before the next; only kernels that look leave it out of the free blocks.</remarks>
    public void Dec(ulong block)
    {
        int change = _map.Change(block, up: false);
        if (change == 0 || !quirks.FreedBlocksAreLookedUp || _map.WasFreeAtCommit(block))
            _allocatedSinceCommit += change;
    }

    /// <summary>Takes the next block that is free and was free at the last commit.</summary>
    /// <returns>False: there is none.</returns>
    public bool TryNewBlock(out ulong block)
    {
        if (!_map.TryFindFree(_next, _map.BlockCount, out block) && !_map.TryFindFree(0, _next, out block))
            return false;
        _next = block + 1;
        Inc(block);
        return true;
    }

    public void Commit()
    {
        _map.WriteIndex();
        _map.NoteCommitted();
        _allocatedSinceCommit = 0;
    }
}
