using DriverLab.Block;
using DriverLab.Linux;
using DriverLab.Simulation;

namespace DriverLab.DeviceMapper;

/// <summary>The way of a bio through a mapped device: cut at rows and target limits, cloned, mapped, collected.</summary>
/// <remarks>Linux drivers/md/dm.c: dm_submit_bio(), dm_split_and_process_bio(), clone_endio().</remarks>
public sealed partial class MappedDevice
{
    private readonly CloneCompletion _cloneEnd;
    private readonly GroupCompletion _groupEnd;
    private readonly Stack<Group> _groups = new();
    private BioList _held;
    private bool _holdsIo, _isNoFlushSuspending;
    private int _inFlight;

    /// <summary>Several clones for one bio: an empty flush, or an operation that a target wants more than once.</summary>
    private sealed class Group
    {
        public Bio Original = null!;
        public int Pending;
        public BlkStatus Status;
        public bool IsPushedBack;
    }

    /// <inheritdoc/>
    public override void SubmitBio(Bio bio)
    {
        if (_holdsIo)
        {
            if (bio.Has(BioFlags.NoWait))
                bio.End(BlkStatus.Again);
            else if (bio.Has(BioFlags.ReadAhead))
                bio.End(BlkStatus.IoError);
            else
                _held.Add(bio);
            return;
        }
        if (LiveTable is not { } table)
        {
            Driver.Log("core", $"{Number}: mapping table unavailable, erroring io");
            bio.End(BlkStatus.IoError);
            return;
        }
        if (bio.Has(BioFlags.PreFlush))
        {
            SendFlush(table, bio);
            return;
        }
        if (bio.Op is not (BioOp.Read or BioOp.Write))
            bio = Layer.SplitToLimits(bio);
        Process(table, bio);
    }

    /// <summary>Handles the part of a bio that lies in one row; the rest comes back as a bio of its own.</summary>
    private void Process(DmTable table, Bio bio)
    {
        if (table.Find(bio.Sector) is not { } row)
        {
            bio.End(BlkStatus.IoError);
            return;
        }
        if (bio.Has(BioFlags.NoWait) && !row.Type.Has(DmTargetFeatures.NoWait))
        {
            bio.End(BlkStatus.NotSupported);
            return;
        }
        int clones = bio.Op switch
        {
            BioOp.Read or BioOp.Write or BioOp.Flush => 1,
            BioOp.Discard => row.DiscardBios,
            BioOp.SecureErase => row.SecureEraseBios,
            BioOp.WriteZeroes => row.WriteZeroesBios,
        };
        if (clones == 0)
        {
            bio.End(BlkStatus.NotSupported);
            return;
        }
        int sectors = (int)Math.Min(bio.Sectors, MaxSectors(row, bio));
        var clone = CloneOf(bio, sectors, row);
        bool isSplit = sectors < bio.Sectors;
        if (clones == 1)
        {
            clone.Completion = _cloneEnd;
            clone.Private = bio;
            if (isSplit)
                bio.AddPart();
            _inFlight++;
            Map(row, clone);
        }
        else
        {
            if (isSplit)
                bio.AddPart();
            SendGroup(row, bio, clone, clones);
        }
        if (!isSplit)
            return;
        bio.Advance(sectors);
        if (Driver.Quirks.WorkersRunBetweenPieces)
            Layer.World.Queue.Add(new Rest(Layer, bio), Layer.World.Clock.NowNs);
        else
            Layer.Submit(bio);
    }

    /// <summary>What is left of a bio, for after the work that its first piece has queued.</summary>
    private sealed class Rest(BlockLayer layer, Bio bio) : WorkItem
    {
        public override void Run() => layer.Submit(bio);
    }

    /// <summary>Most sectors from here to the row's end, or to the target's own boundary.</summary>
    /// <remarks>Linux drivers/md/dm.c: max_io_len().</remarks>
    private long MaxSectors(DmTarget row, Bio bio)
    {
        long offset = bio.Sector - row.Begin;
        long toEnd = row.Length - offset;
        long boundary = row.MaxIoSectorsOf(bio);
        if (boundary == 0 || bio.Op is not (BioOp.Read or BioOp.Write))
            return toEnd;
        long toBoundary = boundary - offset % boundary;
        return Math.Min(toEnd, Math.Min(Limits.MaxSectors, toBoundary));
    }

    private Bio CloneOf(Bio bio, int sectors, DmTarget row)
    {
        var clone = Layer.AllocBio();
        clone.CloneFrom(bio);
        clone.Sectors = sectors;
        clone.Context = row;
        clone.PrivateValue = bio.Sector;
        return clone;
    }

    private void SendGroup(DmTarget row, Bio bio, Bio first, int clones)
    {
        var group = StartGroup(bio);
        int sectors = first.Sectors;
        for (int i = 0; i < clones; i++)
        {
            var clone = i == 0 ? first : CloneOf(bio, sectors, row);
            clone.CloneNumber = i;
            clone.Completion = _groupEnd;
            clone.Private = group;
            group.Pending++;
            Map(row, clone);
        }
        EndOne(group, BlkStatus.OK);
    }

    /// <summary>An empty flush to every row, as often as its target wants; then the data, if there are any, as a bio without the flush.</summary>
    /// <remarks>Linux drivers/md/dm.c: __send_empty_flush().</remarks>
    private void SendFlush(DmTable table, Bio bio)
    {
        var group = StartGroup(bio);
        var rows = table.Rows;
        for (int r = 0; r < rows.Count; r++)
        {
            for (int i = 0; i < rows[r].FlushBios; i++)
            {
                var clone = Layer.AllocBio();
                clone.Device = this;
                clone.Op = BioOp.Write;
                clone.Flags = BioFlags.PreFlush | BioFlags.Sync;
                clone.Context = rows[r];
                clone.CloneNumber = i;
                clone.Completion = _groupEnd;
                clone.Private = group;
                group.Pending++;
                Map(rows[r], clone);
            }
        }
        EndOne(group, BlkStatus.OK);
    }

    private Group StartGroup(Bio bio)
    {
        if (!_groups.TryPop(out var group))
            group = new Group();
        group.Original = bio;
        group.Pending = 1;
        group.Status = BlkStatus.OK;
        group.IsPushedBack = false;
        _inFlight++;
        return group;
    }

    private void EndOne(Group group, BlkStatus status)
    {
        if (status != BlkStatus.OK)
            group.Status = status;
        if (--group.Pending > 0)
            return;
        var original = group.Original;
        var result = group.Status;
        bool isPushedBack = group.IsPushedBack;
        _groups.Push(group);
        _inFlight--;
        if (isPushedBack)
        {
            _held.Add(original);
            return;
        }
        if (original.Has(BioFlags.PreFlush) && original.Sectors != 0)
        {
            original.Flags &= ~BioFlags.PreFlush;
            Layer.Submit(original);
            return;
        }
        original.End(result);
    }

    private void Map(DmTarget row, Bio clone)
    {
        switch (row.Map(clone))
        {
            case MapResult.Remapped:
                Layer.Submit(clone);
                break;
            case MapResult.Kill:
                clone.End(BlkStatus.IoError);
                break;
            case MapResult.Requeue:
                PushBack(clone);
                break;
            case MapResult.Submitted:
                break;
        }
    }

    /// <summary>A target gives a bio back: kept until resume while suspending without flush, else an error.</summary>
    /// <remarks>Linux drivers/md/dm.c: dm_handle_requeue().</remarks>
    private void PushBack(Bio clone)
    {
        if (!_isNoFlushSuspending)
        {
            clone.Context = null;
            clone.End(BlkStatus.IoError);
            return;
        }
        if (clone.Private is Group group)
        {
            group.IsPushedBack = true;
            Layer.Free(clone);
            EndOne(group, BlkStatus.OK);
            return;
        }
        var part = Layer.AllocBio();
        part.CloneFrom(clone);
        part.Device = this;
        part.Sector = clone.PrivateValue;
        part.Completion = PartCompletion.Instance;
        part.Private = clone.Private;
        Layer.Free(clone);
        _inFlight--;
        _held.Add(part);
    }

    /// <summary>A target gives back a bio that it kept.</summary>
    internal void Requeue(Bio clone) => PushBack(clone);

    /// <summary>The end of a part that had been pushed back is the end of that part of the original.</summary>
    private sealed class PartCompletion : BioCompletion
    {
        public static readonly PartCompletion Instance = new();

        public override void EndIo(Bio bio)
        {
            var original = (Bio)bio.Private!;
            var status = bio.Status;
            original.Device.Layer.Free(bio);
            original.End(status);
        }
    }

    /// <summary>True when the clone's target keeps it.</summary>
    private bool IsKept(Bio clone, ref BlkStatus status)
    {
        if (clone.Context is not DmTarget { HasEndIo: true } row)
            return false;
        switch (row.EndIo(clone, ref status))
        {
            case EndIoResult.Incomplete:
                clone.Reopen();
                return true;
            case EndIoResult.Requeue:
                clone.Reopen();
                PushBack(clone);
                return true;
            case EndIoResult.Done:
            default:
                return false;
        }
    }

    private sealed class CloneCompletion(MappedDevice device) : BioCompletion
    {
        public override void EndIo(Bio bio)
        {
            var status = bio.Status;
            if (device.IsKept(bio, ref status))
                return;
            var original = (Bio)bio.Private!;
            device.Layer.Free(bio);
            device._inFlight--;
            original.End(status);
        }
    }

    private sealed class GroupCompletion(MappedDevice device) : BioCompletion
    {
        public override void EndIo(Bio bio)
        {
            var status = bio.Status;
            if (device.IsKept(bio, ref status))
                return;
            var group = (Group)bio.Private!;
            device.Layer.Free(bio);
            device.EndOne(group, status);
        }
    }

    private void WaitForInFlight() => Layer.World.Scheduler.Wait(this, static d => d._inFlight == 0, "I/O in flight on a device that is being suspended");

    private void ReleaseDeferred()
    {
        _holdsIo = false;
        var held = _held;
        _held = default;
        while (held.Pop() is { } bio)
            Layer.Submit(bio);
    }

    private void FailDeferred()
    {
        _holdsIo = false;
        while (_held.Pop() is { } bio)
            bio.End(BlkStatus.IoError);
    }

    // ---- ioctls that pass through ------------------------------------------------------------------------------------------------

    /// <summary>The device that takes the ioctls that this one does not know: of a table with one row, what the target says.</summary>
    /// <returns>ENOTTY, EAGAIN (suspended).</returns>
    /// <remarks>Linux drivers/md/dm.c: dm_prepare_ioctl(), dm_blk_ioctl().</remarks>
    private SysResult<BlockDevice> PassThrough(IBlockCaller caller)
    {
        if (LiveTable is not { Rows: [var row] } || row.IoctlDevice(out bool whole) is not { } device)
            return Errno.ENOTTY;
        if (IsSuspended)
            return Errno.EAGAIN;
        return whole || caller.IsSysRawio ? device : Errno.ENOTTY;
    }

    /// <inheritdoc/>
    public override bool HasGeometry => true;

    /// <inheritdoc/>
    /// <remarks>Linux drivers/md/dm.c: dm_call_pr().</remarks>
    public override Errno Reserve(bool hasArgument)
    {
        if (!hasArgument)
            return Errno.EFAULT;
        if (LiveTable is not { Rows: [var row] })
            return Errno.ENOTTY;
        if (IsSuspended)
            return Errno.EAGAIN;
        return row.IoctlDevice(out _) is null ? NotModelledException.Throw("reservations through a target without a device") : Errno.EOPNOTSUPP;
    }

    /// <inheritdoc/>
    public override SysResult<int> Ioctl(uint request, Span<byte> argument, bool forWriting, bool exclusive, IBlockCaller caller)
    {
        var device = PassThrough(caller);
        return device.IsOk ? device.Value.Ioctl(request, argument, forWriting, exclusive, caller) : device.Error;
    }

    /// <inheritdoc/>
    public override SysResult<int> Ioctl(uint request, long value, bool forWriting, bool exclusive, IBlockCaller caller)
    {
        var device = PassThrough(caller);
        return device.IsOk ? device.Value.Ioctl(request, value, forWriting, exclusive, caller) : device.Error;
    }
}
