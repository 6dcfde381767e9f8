using DriverLab.Block;
using DriverLab.Linux;
using DriverLab.Simulation;

namespace DriverLab.DeviceMapper.Targets;

/// <summary>I/O of a snapshot.</summary>
/// <remarks>Linux drivers/md/dm-snap.c: snapshot_map(), pending_complete().</remarks>
internal sealed partial class SnapshotTarget
{
    private readonly Dictionary<ulong, Pending> _pending = [];
    private readonly Queue<Pending> _copied = new();
    private bool _isWorking;

    /// <summary>A chunk that is being copied.</summary>
    public sealed class Pending(SnapshotTarget snapshot, ulong oldChunk, ulong newChunk) : ICopyCompletion, IExceptionCommitted
    {
        public readonly ulong OldChunk = oldChunk, NewChunk = newChunk;
        public bool IsStarted;
        /// <summary>Bios of the snapshot that wait, and bios of the origin.</summary>
        public BioList SnapshotBios, OriginBios;
        /// <summary>The bio that writes the whole chunk.</summary>
        public Bio? FullBio;
        public bool HasFailed;

        public void StartCopy()
        {
            long chunk = snapshot._store.ChunkSectors, from = (long)OldChunk * chunk;
            long sectors = Math.Min(chunk, snapshot.OriginDevice.CapacitySectors - from);
            snapshot._copier.Copy(snapshot.OriginDevice, from, snapshot.CowDevice, (long)NewChunk * chunk, sectors, this);
        }

        public void CopyDone(BlkStatus status)
        {
            HasFailed = status != BlkStatus.OK;
            snapshot._copied.Enqueue(this);
            snapshot.Wake();
        }

        public void Committed(bool isOk) => snapshot.Complete(this, isOk);
    }

    private void Wake() => Layer.World.Queue.Add(_worker, Layer.World.Clock.NowNs);

    private void Work()
    {
        if (_isWorking)
            return;
        _isWorking = true;
        while (_copied.TryDequeue(out var pending))
            _store.Commit(pending.OldChunk, pending.NewChunk, !pending.HasFailed, pending);
        _isWorking = false;
        if (_isMerging)
            MergeNext();
    }

    /// <summary>The copy of a chunk is entered in the store, or has failed.</summary>
    private void Complete(Pending pending, bool isOk)
    {
        if (!isOk)
            Invalidate("Error reading/writing.");
        bool fails = !isOk || !_isValid;
        if (!fails)
            _complete[pending.OldChunk] = pending.NewChunk;
        _ = _pending.Remove(pending.OldChunk);
        pending.FullBio?.End(fails ? BlkStatus.IoError : BlkStatus.OK);
        while (pending.SnapshotBios.Pop() is { } bio)
        {
            if (fails)
                bio.End(BlkStatus.IoError);
            else
                Layer.Submit(bio);
        }
        while (pending.OriginBios.Pop() is { } bio)
            if (!_snapshots.OriginWrite(OriginDevice, bio.Sector, bio))
                Layer.Submit(bio);
    }

    public override MapResult Map(Bio bio)
    {
        bio.Sector = Offset(bio.Sector);
        if (IsMerge)
            return MapMerging(bio);
        if (bio.Has(BioFlags.PreFlush))
        {
            bio.Device = CowDevice;
            return MapResult.Remapped;
        }
        if (!_isValid || (_isOverflowed && bio.IsWrite))
            return MapResult.Kill;
        ulong chunk = (ulong)bio.Sector >> _store.ChunkShift;
        if (bio.Op == BioOp.Discard)
            return MapDiscard(bio, chunk);
        if (_complete.TryGetValue(chunk, out ulong copy))
        {
            Remap(bio, copy);
            return MapResult.Remapped;
        }
        if (bio.IsWrite && !Layer.World.Mutations.Has(Mutation.SnapshotWritesOrigin))
            return MapWrite(bio, chunk);
        bio.Device = OriginDevice;
        return MapResult.Remapped;
    }

    private MapResult MapDiscard(Bio bio, ulong chunk)
    {
        if (_passdown && bio.CloneNumber > 0)
        {
            bio.Device = OriginDevice;
            return MapResult.Remapped;
        }
        if (!_complete.TryGetValue(chunk, out ulong copy))
        {
            bio.End();
            return MapResult.Submitted;
        }
        Remap(bio, copy);
        if (bio.Sectors != _store.ChunkSectors)
            return MapResult.Remapped;
        _copier.Zero(CowDevice, bio.Sector, bio.Sectors, new ZeroedChunk(bio));
        return MapResult.Submitted;
    }

    private sealed class ZeroedChunk(Bio bio) : ICopyCompletion
    {
        public void CopyDone(BlkStatus status) => bio.End(status);
    }

    private void Remap(Bio bio, ulong copy)
    {
        bio.Device = CowDevice;
        bio.Sector = (long)copy * _store.ChunkSectors + (bio.Sector & (_store.ChunkSectors - 1));
    }

    private MapResult MapWrite(Bio bio, ulong chunk)
    {
        if (!_pending.TryGetValue(chunk, out var pending) && !TryStart(chunk, out pending))
        {
            if (_store.KeepsOverflow)
            {
                _isOverflowed = true;
                LogSnapshot("Snapshot overflowed: Unable to allocate exception.");
            }
            else
            {
                Invalidate("Unable to allocate exception.");
            }
            return MapResult.Kill;
        }
        Remap(bio, pending.NewChunk);
        if (!pending.IsStarted && bio.Sectors == _store.ChunkSectors)
        {
            pending.IsStarted = true;
            pending.FullBio = bio;
            bio.MakerData = pending;
            Layer.Submit(bio);
            return MapResult.Submitted;
        }
        pending.SnapshotBios.Add(bio);
        if (pending.IsStarted)
            return MapResult.Submitted;
        pending.IsStarted = true;
        pending.StartCopy();
        return MapResult.Submitted;
    }

    private bool TryStart(ulong chunk, out Pending pending)
    {
        pending = null!;
        if (_store.ChunkSectors == 0)
            throw new NotModelledException("a write to a snapshot that waits for the exceptions of another"); // the store has no room to write to yet
        if (!_store.TryPrepare(out ulong copy))
            return false;
        pending = new(this, chunk, copy);
        _pending.Add(chunk, pending);
        return true;
    }

    public override EndIoResult EndIo(Bio bio, ref BlkStatus status)
    {
        if (bio.MakerData is not Pending pending)
            return EndIoResult.Done;
        bio.MakerData = null;
        pending.CopyDone(status);
        return EndIoResult.Incomplete;
    }

    /// <summary>True when the origin's sector must be copied before it is written.</summary>
    public bool NeedsCopy(long sector, out Pending pending)
    {
        pending = null!;
        if (IsMerge || sector >= Table.SizeSectors || !_isValid || !IsActive)
            return false;
        ulong chunk = (ulong)sector >> _store.ChunkShift;
        if (_pending.TryGetValue(chunk, out pending!))
            return true;
        if (_complete.ContainsKey(chunk))
            return false;
        if (TryStart(chunk, out pending))
            return true;
        Invalidate("Unable to allocate exception.");
        return false;
    }
}
