using System.Text;
using DriverLab.Block;
using DriverLab.Linux;
using DriverLab.Simulation;

namespace DriverLab.DeviceMapper.Targets;

/// <summary>A snapshot: chunks that it or its origin writes are copied to the copy-on-write device first, all others are the origin's.</summary>
/// <remarks>Linux drivers/md/dm-snap.c: struct dm_snapshot.</remarks>
internal sealed partial class SnapshotTarget : DmTarget
{
    private readonly Snapshots _snapshots;
    private readonly DmDevice _origin, _cow;
    private readonly bool _zeroes, _passdown;
    private readonly Kcopyd _copier;
    private readonly Worker _worker;
    private ExceptionStore _store;
    private Dictionary<ulong, ulong> _complete = [];
    private bool _isValid = true, _isOverflowed;

    public SnapshotTarget(DmRowContext row, Snapshots snapshots, DmDevice origin, DmDevice cow, ExceptionStore store, bool zeroes, bool passdown) : base(row)
    {
        _snapshots = snapshots;
        _origin = origin;
        _cow = cow;
        _store = store;
        _zeroes = zeroes;
        _passdown = passdown;
        _copier = new(Layer);
        _worker = new(this);
        IsMerge = ((SnapshotType)row.Type).IsMerge;
        FlushBios = IsMerge ? 2 : 1;
        if (zeroes)
            DiscardBios = passdown ? 2 : 1;
    }

    public bool IsMerge { get; }

    /// <summary>At work: its table has been resumed.</summary>
    public bool IsActive { get; private set; }

    public BlockDevice OriginDevice => _origin.Device;

    public BlockDevice CowDevice => _cow.Device;

    public long ChunkSectors => _store.ChunkSectors;

    private BlockLayer Layer => Table.Device.Layer;

    private void LogSnapshot(string line) => Table.Device.Driver.Log("snapshots", line);

    public override bool HasDevices => true;

    public override bool HasEndIo => true;

    // ---- birth and hand-over -----------------------------------------------------------------------------------------------------

    /// <summary>Joins the origin's snapshots.</summary>
    /// <param name="takesOver">An active snapshot uses the same store: it is taken over at the resume.</param>
    /// <returns>The sentence of a refusal, or null.</returns>
    /// <remarks>Linux drivers/md/dm-snap.c: register_snapshot(), __validate_exception_handover().</remarks>
    public string? Register(out bool takesOver)
    {
        takesOver = false;
        var (source, destination, merging) = _snapshots.Sharing(this);
        if (destination is not null)
            return "Snapshot cow pairing for exception table handover failed";
        if (source is not null)
        {
            if (IsMerge && merging is not null)
                return "A snapshot is already merging.";
            if (IsMerge && !source._store.CanMerge)
                return "Snapshot exception store does not support snapshot-merge.";
            takesOver = true;
        }
        _snapshots.Add(this);
        return null;
    }

    /// <summary>Reads the store.</summary>
    public Errno Load()
    {
        var error = _store.Read((old, copy) => _complete[old] = copy, out _isValid);
        if (error != Errno.OK)
            return error;
        if (!_isValid)
            LogSnapshot("Snapshot is marked invalid.");
        MaxIoSectors = _store.ChunkSectors;
        return Errno.OK;
    }

    public override Errno Preresume()
    {
        var (source, destination, _) = _snapshots.Sharing(this);
        if (source is null || destination is null)
            return Errno.OK;
        if (source == this)
        {
            LogSnapshot("Unable to resume snapshot source until handover completes.");
            return Errno.EINVAL;
        }
        if (source.Table.Device.IsSuspended)
            return Errno.OK;
        LogSnapshot("Unable to perform snapshot handover until source is suspended.");
        return Errno.EINVAL;
    }

    public override void Resume()
    {
        var (source, destination, _) = _snapshots.Sharing(this);
        if (source is not null && destination == this)
            TakeOver(source);
        _snapshots.Remove(this);
        _snapshots.Add(this);
        IsActive = true;
        if (!IsMerge)
            return;
        MaxIoSectors = _snapshots.SmallestChunk(OriginDevice);
        StartMerge();
    }

    /// <summary>Takes the exceptions of the snapshot that had the store until now; whether it is given up when it is full is what the new table says.</summary>
    /// <remarks>Linux drivers/md/dm-snap.c: __handover_exceptions().</remarks>
    private void TakeOver(SnapshotTarget source)
    {
        source._store.KeepsOverflow = _store.KeepsOverflow;
        (_complete, source._complete) = (source._complete, _complete);
        (_store, source._store) = (source._store, _store);
        MaxIoSectors = _store.ChunkSectors;
        (_isValid, _isOverflowed) = (source._isValid, source._isOverflowed);
        source._isValid = false;
    }

    public override void Destroy()
    {
        StopMerge();
        _snapshots.Remove(this);
        _store.Release();
    }

    public override void Presuspend() => StopMerge();

    // ---- failing -----------------------------------------------------------------------------------------------------------------

    /// <summary>Gives the snapshot up.</summary>
    /// <remarks>Linux drivers/md/dm-snap.c: __invalidate_snapshot().</remarks>
    private void Invalidate(string why)
    {
        if (!_isValid)
            return;
        LogSnapshot($"Invalidating snapshot: {why}");
        _store.Drop();
        _isValid = false;
        RaiseEvent();
    }

    // ---- status ------------------------------------------------------------------------------------------------------------------

    public override void Status(StatusKind kind, bool noFlush, StringBuilder text)
    {
        if (kind == StatusKind.Info)
        {
            var (allocated, total, metadata) = _store.Usage;
            _ = text.Append(!_isValid ? "Invalid" : _mergeFailed ? "Merge failed" : _isOverflowed ? "Overflow" : $"{allocated}/{total} {metadata}");
            return;
        }
        _ = text.Append($"{_origin.Name} {_cow.Name} {_store.Name} {_store.ChunkSectors}");
        if (_zeroes)
            _ = text.Append($" {(_passdown ? 2 : 1)} discard_zeroes_cow").Append(_passdown ? " discard_passdown_origin" : "");
    }

    public override void AddDevices(List<DmArea> areas)
    {
        areas.Add(new(OriginDevice, 0, Length));
        areas.Add(new(CowDevice, 0, CowDevice.CapacitySectors));
    }

    /// <remarks>A snapshot that takes a store over has no chunks of its own yet. Linux drivers/md/dm-snap.c: snapshot_io_hints().</remarks>
    public override void IoHints(ref QueueLimits limits)
    {
        if (!_zeroes)
            return;
        var (source, destination, _) = _snapshots.Sharing(this);
        long chunk = source is not null && destination is not null ? source.ChunkSectors : ChunkSectors;
        limits.DiscardGranularity = limits.MaxDiscardSectors = (uint)chunk;
        if (CowDevice.Layer.Quirks.RequestCap > 0)
            limits.MaxHwDiscardSectors = limits.MaxDiscardSectors;
    }

    /// <summary>Commits copies that have ended, in the kernel a thread's work.</summary>
    private sealed class Worker(SnapshotTarget snapshot) : WorkItem
    {
        public override void Run() => snapshot.Work();
    }
}
