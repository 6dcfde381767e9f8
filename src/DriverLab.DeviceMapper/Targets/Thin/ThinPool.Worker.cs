using DriverLab.Block;
using DriverLab.Linux;
using DriverLab.Simulation;

namespace DriverLab.DeviceMapper.Targets;

/// <summary>The pool's worker: enters prepared mappings, handles what could not be handled at once, commits.</summary>
/// <remarks>Linux drivers/md/dm-thin.c: do_worker().</remarks>
internal sealed partial class ThinPool
{
    private readonly Worker _worker;
    private readonly Waker _waker, _retryWaker;
    private readonly Queue<ThinJob> _preparedMappings = new(), _preparedDiscards = new(), _doneDiscards = new();
    private readonly Stack<ThinJob> _freeJobs = new();
    private readonly List<ThinJob> _ready = [];
    private BioList _deferredFlushes, _deferredCompletions;
    private bool _isWorking, _hasMore;
    private long _resumedNs;

    public ThinPrison Prison { get; } = new();

    /// <summary>All I/O to data blocks.</summary>
    public DeferredSet AllIo { get; } = new();

    /// <summary>Reads of blocks that are shared.</summary>
    public DeferredSet SharedReads { get; } = new();

    private sealed class Worker(ThinPool pool) : WorkItem
    {
        public override void Run() => pool.Work();
    }

    /// <summary>Wakes the worker each second, as long as there is something to commit.</summary>
    private sealed class Waker(ThinPool pool) : WorkItem
    {
        public override void Run() => pool.Work();
    }

    /// <summary>Makes the worker run soon.</summary>
    public void Wake()
    {
        if (_isWorking || Metadata.IsBusy)
            _hasMore = true;
        else
            Device.Layer.World.Queue.Add(_worker, Clock.NowNs);
    }

    private void GoOn()
    {
        if (!_hasMore || _isWorking)
            return;
        _hasMore = false;
        Wake();
    }

    private void Work()
    {
        if (_isWorking || Metadata.IsBusy)
        {
            _hasMore = true;
            return;
        }
        _isWorking = true;
        do
        {
            _hasMore = false;
            Process(_preparedMappings);
            Process(_preparedDiscards);
            Process(_doneDiscards);
            foreach (var thin in ActiveThins)
                thin.ProcessDeferred();
            CommitIfNeeded();
        }
        while (_hasMore);
        _isWorking = false;
        ScheduleCommit();
    }

    private void DrainWork() => Device.Layer.World.Scheduler.Wait(this, static p => !p.HasWork, "a thin pool's worker");

    private bool HasWork => _hasMore || _worker.IsQueued || _preparedMappings.Count + _preparedDiscards.Count + _doneDiscards.Count > 0;

    private static void Process(Queue<ThinJob> jobs)
    {
        while (jobs.TryDequeue(out var job))
            job.Target.Process(job);
    }

    /// <summary>Flushes wait for a commit when their device has changed; and changes are committed when the last commit is more than a second ago.</summary>
    private void CommitIfNeeded()
    {
        var flushes = _deferredFlushes;
        var completions = _deferredCompletions;
        _deferredFlushes = _deferredCompletions = default;
        bool isDue = Clock.NowNs > LastCommitNs + SecondNs && Metadata.HasChanges;
        if (flushes.IsEmpty && completions.IsEmpty && !isDue)
            return;
        if (Commit() != Errno.OK)
        {
            while ((flushes.Pop() ?? completions.Pop()) is { } bio)
                bio.End(BlkStatus.IoError);
            return;
        }
        LastCommitNs = Clock.NowNs;
        while (completions.Pop() is { } bio)
            bio.End();
        while (flushes.Pop() is { } bio)
        {
            if (bio.Has(BioFlags.PreFlush))
                bio.End();
            else
                Device.Layer.Submit(bio);
        }
    }

    /// <summary>The kernel looks each second, counted from the resume, whether a commit is due; here only when one will be.</summary>
    private void ScheduleCommit()
    {
        if (!IsSuspended && Mode < PoolMode.OutOfMetadataSpace && Metadata.HasChanges)
            WakeAtTick(_waker, Math.Max(LastCommitNs + SecondNs, Clock.NowNs));
    }

    /// <summary>Queues an item for the first of the kernel's looks after a time.</summary>
    private void WakeAtTick(Waker waker, long timeNs)
    {
        long ticks = (timeNs - _resumedNs) / SecondNs + 1;
        Device.Layer.World.Queue.Add(waker, _resumedNs + ticks * SecondNs);
    }

    // ---- jobs --------------------------------------------------------------------------------------------------------------------

    public ThinJob NewJob(ThinTarget target, ThinWork work, ThinCell cell)
    {
        if (!_freeJobs.TryPop(out var job))
            job = new(this);
        (job.Target, job.Work, job.Cell, job.Bio, job.Status, job.Pending, job.MaybeShared) = (target, work, cell, null, BlkStatus.OK, 0, false);
        return job;
    }

    public void FreeJob(ThinJob job) => _freeJobs.Push(job);

    /// <summary>A job has nothing to wait for any more.</summary>
    public void Prepared(ThinJob job)
    {
        var queue = job.Work switch { ThinWork.Insert => _preparedMappings, ThinWork.AfterDiscard => _doneDiscards, _ => _preparedDiscards };
        queue.Enqueue(job);
        Wake();
    }

    /// <summary>I/O that counted in the sets has ended.</summary>
    public void IoEnded(int allIoEntry, int sharedEntry)
    {
        if (sharedEntry >= 0)
        {
            SharedReads.Dec(sharedEntry, _ready);
            foreach (var job in _ready)
                job.Complete();
            _ready.Clear();
        }
        if (allIoEntry < 0)
            return;
        AllIo.Dec(allIoEntry, _ready);
        foreach (var job in _ready)
            Prepared(job);
        _ready.Clear();
    }

    // ---- bios that wait ----------------------------------------------------------------------------------------------------------

    public void AddFlush(Bio bio) => _deferredFlushes.Add(bio);

    public void AddCompletion(Bio bio) => _deferredCompletions.Add(bio);

    private void FailRetries(BlkStatus status)
    {
        foreach (var thin in ActiveThins)
            thin.FailRetries(status);
    }

    private void RequeueRetries()
    {
        foreach (var thin in ActiveThins)
            thin.RequeueRetries();
    }

    // ---- data blocks -------------------------------------------------------------------------------------------------------------

    /// <summary>Takes a data block for a mapping.</summary>
    /// <returns>ENOSPC (none is free: the pool's mode has changed), and what the metadata say.</returns>
    /// <remarks>Linux drivers/md/dm-thin.c: alloc_data_block().</remarks>
    public Errno AllocateBlock(out ulong block)
    {
        block = 0;
        if (Mode != PoolMode.Write)
            return Errno.EINVAL;
        ulong free = Metadata.FreeDataBlocks;
        CheckLowWater(free);
        if (free == 0)
        {
            if (Commit() is var error and not Errno.OK)
                return error;
            if (Metadata.FreeDataBlocks == 0)
            {
                SetMode(PoolMode.OutOfDataSpace);
                return Errno.ENOSPC;
            }
        }
        var result = Metadata.AllocateData(out block);
        if (result != Errno.OK)
        {
            if (result == Errno.ENOSPC)
                SetMode(PoolMode.OutOfDataSpace);
            else
                OperationFailed("dm_pool_alloc_data_block", result);
            return result;
        }
        return Metadata.FreeMetadataBlocks == 0 ? Commit() : Errno.OK;
    }

    private void CheckLowWater(ulong free)
    {
        if (free > LowWaterBlocks || LowWaterTriggered)
            return;
        Log($"{Name}: reached low water mark for data device: sending event.");
        LowWaterTriggered = true;
        RaiseEvent();
    }

    /// <summary>How a bio that cannot be served ends; OK: it waits.</summary>
    /// <remarks>Linux drivers/md/dm-thin.c: should_error_unserviceable_bio().</remarks>
    public BlkStatus Unserviceable => Mode != PoolMode.OutOfDataSpace ? BlkStatus.IoError
        : Features.ErrorIfNoSpace && !Mutations.Has(Mutation.ThinFullPoolQueues) ? BlkStatus.NoSpace : BlkStatus.OK;
}
