using DriverLab.Block;
using DriverLab.Linux;

namespace DriverLab.DeviceMapper.Targets;

/// <summary>New mappings and discards: data first, then the metadata.</summary>
/// <remarks>Linux drivers/md/dm-thin.c: schedule_copy(), schedule_zero(), process_prepared_mapping(), process_discard_bio().</remarks>
internal sealed partial class ThinTarget
{
    private bool Overwrites(Bio bio) => bio.IsWrite && bio.Sectors == _blockSectors;

    private ThinJob NewInsert(ulong block, ulong data, ThinCell cell)
    {
        var job = _pool.NewJob(this, ThinWork.Insert, cell);
        (job.Begin, job.End, job.DataBlock) = (block, block + 1, data);
        return job;
    }

    private void Zero(ulong block, ulong data, ThinCell cell, Bio bio)
    {
        var job = NewInsert(block, data, cell);
        job.Pending = 1;
        if (!_pool.Features.ZeroNewBlocks)
            Insert(job);
        else if (Overwrites(bio))
            IssueOverwrite(bio, job);
        else
            _pool.Copier.Zero(_poolDevice.Device, (long)data * _blockSectors, _blockSectors, job);
    }

    /// <param name="block">The virtual block.</param>
    /// <param name="from">Where the data come from.</param>
    /// <param name="fromSector">And from which sector on.</param>
    /// <param name="data">The data block.</param>
    /// <param name="cell">Who waits.</param>
    /// <param name="bio">The bio that wants to write.</param>
    /// <param name="sectors">How much there is to copy; the rest of the block becomes zeros.</param>
    private void Copy(ulong block, BlockDevice from, long fromSector, ulong data, ThinCell cell, Bio bio, long sectors)
    {
        var job = NewInsert(block, data, cell);
        job.Pending = 3;
        if (!_pool.SharedReads.TryAdd(job))
            job.Complete();
        if (Overwrites(bio))
        {
            IssueOverwrite(bio, job);
        }
        else
        {
            long toSector = (long)data * _blockSectors;
            if (sectors < _blockSectors && _pool.Features.ZeroNewBlocks)
            {
                job.Pending++;
                _pool.Copier.Zero(_poolDevice.Device, toSector + sectors, _blockSectors - sectors, job);
            }
            _pool.Copier.Copy(from, fromSector, _poolDevice.Device, toSector, sectors, job);
        }
        job.Complete();
    }

    private void CopyFromOrigin(ulong block, ulong data, ThinCell cell, Bio bio)
    {
        long begin = (long)block * _blockSectors;
        if (begin >= _originSectors)
            Zero(block, data, cell, bio);
        else
            Copy(block, _origin!.Device, begin, data, cell, bio, Math.Min(_blockSectors, _originSectors - begin));
    }

    /// <summary>The bio writes the whole block: its data go first, and it ends when the mapping is in.</summary>
    private void IssueOverwrite(Bio bio, ThinJob job)
    {
        job.Bio = bio;
        bio.MakerData = job;
        CountIo(bio);
        Remap(bio, job.DataBlock);
        Layer.Submit(bio);
    }

    /// <summary>A bio of this device has ended below, or here.</summary>
    public override EndIoResult EndIo(Bio bio, ref BlkStatus status)
    {
        if (bio.MakerData is ThinJob job)
        {
            bio.MakerData = null;
            job.CopyDone(status);
            return EndIoResult.Incomplete;
        }
        long entries = bio.MakerValue;
        bio.MakerValue = 0;
        if (entries != 0)
            _pool.IoEnded((int)(entries >> EntryBits) - 1, (int)(entries & ((1 << EntryBits) - 1)) - 1);
        if (bio.MakerData is ThinCell cell)
        {
            bio.MakerData = null;
            LeaveCell(cell);
        }
        return EndIoResult.Done;
    }

    /// <summary>A job that is prepared.</summary>
    public void Process(ThinJob job)
    {
        switch (job.Work)
        {
            case ThinWork.Insert:
                Insert(job);
                break;
            case ThinWork.Unmap:
                Unmap(job);
                break;
            case ThinWork.UnmapAndDiscard:
                UnmapAndDiscard(job);
                break;
            case ThinWork.AfterDiscard:
                GiveUp(job);
                break;
        }
    }

    private void Insert(ThinJob job)
    {
        var (bio, cell, data) = (job.Bio, job.Cell, job.DataBlock);
        if (job.Status != BlkStatus.OK || _pool.Mode >= PoolMode.OutOfMetadataSpace)
        {
            FailCell(cell, BlkStatus.IoError);
        }
        else if (_pool.Metadata.Insert(_device, job.Begin, data) is var error and not Errno.OK)
        {
            _pool.OperationFailed("dm_thin_insert_block", error);
            FailCell(cell, BlkStatus.IoError);
        }
        else if (bio is not null)
        {
            IssueCell(cell, data);
            CompleteOverwrite(bio);
        }
        else
        {
            Issue(cell.Holder, data);
            IssueCell(cell, data);
        }
        _pool.FreeJob(job);
    }

    private void CompleteOverwrite(Bio bio)
    {
        if (!NeedsCommit(bio))
            bio.End();
        else if (_device.LostChanges)
            bio.End(BlkStatus.IoError);
        else
            _pool.AddCompletion(bio);
    }

    // ---- discards ----------------------------------------------------------------------------------------------------------------

    /// <summary>Only blocks that lie in the range as a whole are unmapped.</summary>
    private void ProcessDiscard(Bio bio)
    {
        ulong begin = ((ulong)bio.Sector + _blockSectors - 1) / _blockSectors;
        ulong end = (ulong)bio.EndSector / _blockSectors;
        if (end <= begin)
        {
            bio.End();
            return;
        }
        if (!_pool.Prison.TryEnter(_device, begin, end, bio, out var cell))
            return;
        switch (_pool.Mode)
        {
            case PoolMode.Fail:
                FailCell(cell, BlkStatus.IoError);
                break;
            case PoolMode.OutOfMetadataSpace or PoolMode.ReadOnly:
                LeaveCell(cell);
                bio.End();
                break;
            case PoolMode.Write or PoolMode.OutOfDataSpace:
                if (_isRequeueing)
                    RequeueCell(cell);
                else if (_pool.Features.DiscardPassdown)
                    DiscardWithPassdown(bio, begin, end, cell);
                else
                    DiscardWithoutPassdown(bio, begin, end, cell);
                break;
        }
    }

    private void DiscardWithoutPassdown(Bio bio, ulong begin, ulong end, ThinCell cell)
    {
        var job = _pool.NewJob(this, ThinWork.Unmap, cell);
        (job.Begin, job.End, job.Bio) = (begin, end, bio);
        if (!_pool.AllIo.TryAdd(job))
            Process(job);
    }

    private void Unmap(ThinJob job)
    {
        var bio = job.Bio!;
        var error = _pool.Mode >= PoolMode.OutOfMetadataSpace ? Errno.OK : _pool.Metadata.RemoveRange(_device, job.Begin, job.End);
        if (error != Errno.OK)
            _pool.OperationFailed("dm_thin_remove_range", error);
        LeaveCell(job.Cell);
        _pool.FreeJob(job);
        bio.End(error == Errno.OK ? BlkStatus.OK : BlkStatus.IoError);
    }

    /// <summary>Each run of blocks that are neighbours on the data device too is a job; the discard ends with the last one.</summary>
    /// <remarks>Linux drivers/md/dm-thin.c: break_up_discard_bio().</remarks>
    private void DiscardWithPassdown(Bio bio, ulong begin, ulong end, ThinCell cell)
    {
        bio.MakerData = cell;
        while (begin < end && _pool.Metadata.FindMappedRange(_device, begin, end, out var range) == Errno.OK)
        {
            begin = range.End;
            ulong length = range.End - range.Begin;
            if (_pool.Prison.IsTaken(null, range.DataBegin, range.DataBegin + length))
                continue;
            _ = _pool.Prison.TryEnter(null, range.DataBegin, range.DataBegin + length, bio, out var dataCell);
            var job = _pool.NewJob(this, ThinWork.UnmapAndDiscard, dataCell);
            (job.Begin, job.End, job.DataBlock, job.Bio, job.MaybeShared) = (range.Begin, range.End, range.DataBegin, bio, range.MaybeShared);
            bio.AddPart();
            if (!_pool.AllIo.TryAdd(job))
                Process(job);
        }
        bio.End();
    }

    private void UnmapAndDiscard(ThinJob job)
    {
        ulong begin = job.DataBlock, end = begin + (job.End - job.Begin);
        if (_pool.Mode >= PoolMode.OutOfMetadataSpace)
        {
            EndDiscard(job, BlkStatus.OK);
            return;
        }
        string operation = "dm_thin_remove_range";
        var error = _pool.Metadata.RemoveRange(_device, job.Begin, job.End);
        if (error == Errno.OK)
        {
            operation = "dm_pool_inc_data_range";
            error = _pool.Metadata.ChangeData(begin, end, up: true);
        }
        if (error != Errno.OK)
        {
            _pool.OperationFailed(operation, error);
            EndDiscard(job, BlkStatus.IoError);
            return;
        }
        job.Work = ThinWork.AfterDiscard;
        job.Pending = 1;
        if (job.MaybeShared)
            DiscardUnshared(job, begin, end);
        else
            DiscardData(job, begin, end);
        job.Complete();
    }

    /// <summary>Others may use some of the blocks; only runs that nobody uses are discarded.</summary>
    private void DiscardUnshared(ThinJob job, ulong begin, ulong end)
    {
        while (begin < end)
        {
            ulong next = begin;
            while (next < end && _pool.Metadata.IsDataShared(next, out bool isShared) == Errno.OK && !isShared)
                next++;
            if (next > begin)
                DiscardData(job, begin, next);
            begin = next + 1;
        }
    }

    private void DiscardData(ThinJob job, ulong begin, ulong end)
    {
        long sector = (long)begin * _blockSectors, rest = (long)(end - begin) * _blockSectors;
        while (rest > 0)
        {
            var bio = Layer.AllocBio();
            bio.Device = _poolDevice.Device;
            bio.Op = BioOp.Discard;
            bio.Sector = sector;
            bio.Sectors = (int)Math.Min(rest, QueueLimits.MaxBioSectors / _blockSectors * _blockSectors);
            bio.Completion = job;
            job.Pending++;
            sector += bio.Sectors;
            rest -= bio.Sectors;
            Layer.Submit(bio);
        }
    }

    private void GiveUp(ThinJob job)
    {
        ulong begin = job.DataBlock, end = begin + (job.End - job.Begin);
        var error = _pool.Mode >= PoolMode.OutOfMetadataSpace ? Errno.OK : _pool.Metadata.ChangeData(begin, end, up: false);
        if (error != Errno.OK)
            _pool.OperationFailed("dm_pool_dec_data_range", error);
        EndDiscard(job, error == Errno.OK ? BlkStatus.OK : BlkStatus.IoError);
    }

    private void EndDiscard(ThinJob job, BlkStatus status)
    {
        var (bio, cell) = (job.Bio!, job.Cell);
        _pool.FreeJob(job);
        LeaveCell(cell);
        bio.End(status);
    }
}
