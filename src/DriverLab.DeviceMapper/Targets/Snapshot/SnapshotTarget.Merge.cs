using DriverLab.Block;
using DriverLab.Linux;

namespace DriverLab.DeviceMapper.Targets;

/// <summary>Merging: the snapshot's chunks go back to the origin, the latest first, and the target stands in for the origin meanwhile.</summary>
/// <remarks>Linux drivers/md/dm-snap.c: snapshot_merge_map(), snapshot_merge_next_chunks().</remarks>
internal sealed partial class SnapshotTarget : ICopyCompletion
{
    private BioList _waitForMerge;
    private ulong _firstMerging;
    private int _mergingCount;
    private bool _isMerging, _isCopying, _mergeFailed;

    private MapResult MapMerging(Bio bio)
    {
        if (bio.Has(BioFlags.PreFlush))
        {
            bio.Device = bio.CloneNumber == 0 ? OriginDevice : CowDevice;
            return MapResult.Remapped;
        }
        if (bio.Op == BioOp.Discard)
        {
            bio.End();
            return MapResult.Submitted;
        }
        ulong chunk = (ulong)bio.Sector >> _store.ChunkShift;
        if (_isValid && _complete.TryGetValue(chunk, out ulong copy))
        {
            if (bio.IsWrite && chunk >= _firstMerging && chunk < _firstMerging + (ulong)_mergingCount)
            {
                bio.Device = OriginDevice;
                _waitForMerge.Add(bio);
                return MapResult.Submitted;
            }
            Remap(bio, copy);
            return MapResult.Remapped;
        }
        bio.Device = OriginDevice;
        return bio.IsWrite && _snapshots.OriginWrite(OriginDevice, bio.Sector, bio) ? MapResult.Submitted : MapResult.Remapped;
    }

    private void StartMerge()
    {
        _isMerging = true;
        Wake();
    }

    /// <summary>Ends merging when the run of chunks under way is done.</summary>
    private void StopMerge()
    {
        Layer.World.Scheduler.Wait(this, static s => !s._isCopying, "chunks to be merged");
        _isMerging = false;
    }

    private void MergeNext()
    {
        if (_isCopying)
            return;
        if (!_isValid)
        {
            LogSnapshot("Snapshot is invalid: can't merge");
            _isMerging = false;
            return;
        }
        int run = _store.PrepareMerge(out ulong lastOld, out ulong lastNew);
        if (run <= 0)
        {
            if (run < 0)
            {
                LogSnapshot("Read error in exception store: shutting down merge");
                _mergeFailed = true;
            }
            _isMerging = false;
            return;
        }
        _isCopying = true;
        long chunk = _store.ChunkSectors;
        ulong old = lastOld + 1 - (ulong)run, copy = lastNew + 1 - (ulong)run;
        long to = (long)old * chunk, sectors = Math.Min(run * chunk, OriginDevice.CapacitySectors - to);
        CopyForOthers(to, sectors);
        (_firstMerging, _mergingCount) = (old, run);
        _copier.Copy(CowDevice, (long)copy * chunk, OriginDevice, to, sectors, this);
    }

    /// <summary>Other snapshots of the origin get what is about to be overwritten.</summary>
    private void CopyForOthers(long sector, long sectors)
    {
        long step = _snapshots.SmallestChunk(OriginDevice);
        for (long at = sector; at < sector + sectors; at += step)
            Layer.World.Scheduler.Wait((this, at), static s => !s.Item1._snapshots.OriginWrite(s.Item1.OriginDevice, s.at, null), "chunks to be copied to another snapshot");
    }

    /// <summary>A run of chunks is back on the origin.</summary>
    public void CopyDone(BlkStatus status) => Layer.World.Queue.Add(new Merged(this, status == BlkStatus.OK ? null : _copier.HasFailedReading ? "Read error: shutting down merge." : "Write error: shutting down merge."), Layer.World.Clock.NowNs);

    private sealed class Merged(SnapshotTarget snapshot, string? complaint) : Simulation.WorkItem
    {
        public override void Run() => snapshot.FinishRun(complaint);
    }

    private void FinishRun(string? complaint)
    {
        complaint ??= OriginDevice.IssueFlush() != Errno.OK ? "Flush after merge failed: shutting down merge"
            : !_store.CommitMerge(_mergingCount) ? "Write error in exception store: shutting down merge" : null;
        if (complaint is null)
        {
            for (ulong chunk = _firstMerging; chunk < _firstMerging + (ulong)_mergingCount; chunk++)
                _ = _complete.Remove(chunk);
        }
        else
        {
            LogSnapshot(complaint);
            _mergeFailed = true;
            _isMerging = false;
        }
        _mergingCount = 0;
        _isCopying = false;
        while (_waitForMerge.Pop() is { } bio)
            Layer.Submit(bio);
        if (_isMerging)
            Wake();
    }
}
