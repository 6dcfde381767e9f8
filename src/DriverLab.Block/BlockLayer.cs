using DriverLab.Linux;
using DriverLab.Simulation;

namespace DriverLab.Block;

/// <summary>The block layer of one kernel: takes bios to devices, holds the pools, waits.</summary>
/// <remarks>
/// A driver that submits further bios from its <see cref="BlockDevice.SubmitBio"/> does not recurse: they are queued and go out when it returns, those for devices below first, as in
/// the kernel. Linux block/blk-core.c: submit_bio_noacct().
/// </remarks>
public sealed class BlockLayer
{
    private readonly Stack<IoBatch> _batches = new();
    private Bio? _freeBios;
    private BioList _submitted;
    private bool _isActive;
    private ulong _diskSequence;

    /// <summary>A block layer for a kernel.</summary>
    public BlockLayer(World world, KernelProfile profile)
    {
        World = world;
        Quirks = BlockQuirks.For(profile);
        Devices = new(this);
    }

    /// <summary>Clock, run queue and log.</summary>
    public World World { get; }

    /// <summary>What differs between kernels.</summary>
    public BlockQuirks Quirks { get; }

    /// <summary>All devices by number.</summary>
    public BlockDeviceRegistry Devices { get; }

    /// <summary>Most bytes of one request whose data goes through a buffer: a span of the caller cannot travel in a bio.</summary>
    internal const int LargestBounce = 1024 * 1024;

    internal ulong NextDiskSequence() => ++_diskSequence;

    /// <summary>An empty bio from the pool.</summary>
    public Bio AllocBio()
    {
        var bio = _freeBios;
        if (bio is null)
            bio = new Bio();
        else
            _freeBios = bio.Next;
        bio.Init();
        return bio;
    }

    /// <summary>Gives a bio back to the pool; nobody may use it any more.</summary>
    public void Free(Bio bio)
    {
        bio.Data = null;
        bio.Private = null;
        bio.Completion = null;
        bio.Context = null;
        bio.MakerData = null;
        bio.Next = _freeBios;
        _freeBios = bio;
    }

    /// <summary>Sends a bio on its way. It may have ended when this returns.</summary>
    public void Submit(Bio bio)
    {
        if (!Check(bio))
            return;
        if (_isActive)
        {
            _submitted.Add(bio);
            return;
        }
        _isActive = true;
        try
        {
            Pump(bio);
        }
        finally
        {
            _isActive = false;
            _submitted = default;
        }
    }

    private void Pump(Bio? bio)
    {
        BioList older = default;
        while (bio is not null)
        {
            var device = bio.Device;
            device.SubmitBio(bio);
            if (!_submitted.IsEmpty)
                SortSubmitted(device, ref older);
            bio = older.Pop();
        }
    }

    /// <summary>Puts what the driver has just submitted in front of what waits: first for other devices, then for the same one.</summary>
    private void SortSubmitted(BlockDevice device, ref BioList older)
    {
        BioList below = default, same = default;
        while (_submitted.Pop() is { } bio)
        {
            if (ReferenceEquals(bio.Device, device))
                same.Add(bio);
            else
                below.Add(bio);
        }
        below.Append(ref same);
        below.Append(ref older);
        older = below;
    }

    /// <summary>Runs a driver's own file I/O as its worker thread would: outside of the submission that is under way.</summary>
    /// <returns>What to give to <see cref="LeaveWorker"/>.</returns>
    public WorkerScope EnterWorker()
    {
        var scope = new WorkerScope(_isActive, _submitted);
        _isActive = false;
        _submitted = default;
        return scope;
    }

    /// <summary>Ends <see cref="EnterWorker"/>.</summary>
    public void LeaveWorker(WorkerScope scope)
    {
        _isActive = scope.WasActive;
        _submitted = scope.Submitted;
    }

    /// <summary>What a submission under way looked like.</summary>
    public readonly record struct WorkerScope(bool WasActive, BioList Submitted);

    /// <remarks>Linux block/blk-core.c: bio_check_eod().</remarks>
    private void TellBeyondEnd(Bio bio)
    {
        // The bits of a request are not the same on all kernels.
        int noUnmap = bio.Has(BioFlags.NoUnmap) ? 1 << Quirks.NoUnmapBit : 0, bits = bio.OpAndFlags & ~(int)BioFlags.NoUnmap | noUnmap;
        var device = bio.Device;
        World.Log.Add(Quirks.EndIsToldAsWanted
            ? $"attempt to access beyond end of device\n{device.Name}: rw={bits}, want={bio.EndSector}, limit={device.CapacitySectors}"
            : $"{IKernel.TaskName}: attempt to access beyond end of device\n{device.Name}: rw={bits}, sector={bio.Sector}, nr_sectors = {bio.Sectors} limit={device.CapacitySectors}");
    }

    /// <summary>The checks that every bio passes.</summary>
    /// <returns>False when the bio has ended here.</returns>
    private bool Check(Bio bio)
    {
        var device = bio.Device;
        if (bio.IsWrite && device.IsReadOnly && !bio.IsEmptyFlush)
            World.Log.Add($"Trying to write to read-only block-device {device.Name}");
        if (bio.Sectors != 0 && bio.EndSector > device.CapacitySectors && (device.CapacitySectors != 0 || Quirks.EmptyDeviceRefuses))
        {
            if (device.CapacitySectors != 0 || !Quirks.EmptyDeviceIsQuiet)
                TellBeyondEnd(bio);
            bio.End(BlkStatus.IoError);
            return false;
        }
        if ((bio.Flags & (BioFlags.PreFlush | BioFlags.Fua)) != 0 && !device.Limits.WriteCache)
        {
            bio.Flags &= ~(BioFlags.PreFlush | BioFlags.Fua);
            if (bio.Sectors == 0)
            {
                bio.End(BlkStatus.OK);
                return false;
            }
        }
        uint largest = bio.Op switch
        {
            BioOp.Discard => device.Limits.MaxDiscardSectors,
            BioOp.SecureErase => device.Limits.MaxSecureEraseSectors,
            BioOp.WriteZeroes => device.Limits.MaxWriteZeroesSectors,
            BioOp.Read or BioOp.Write or BioOp.Flush => 1,
        };
        if (largest != 0)
            return true;
        bio.End(BlkStatus.NotSupported);
        return false;
    }

    /// <summary>Splits a bio that is larger than a driver takes: returns the front part, which the caller handles, and submits the rest again.</summary>
    /// <remarks>Linux block/blk-merge.c: bio_split_to_limits().</remarks>
    public Bio Split(Bio bio, int frontSectors)
    {
        var front = AllocBio();
        front.CloneFrom(bio);
        front.Sectors = frontSectors;
        front.Completion = SplitCompletion.Instance;
        front.Private = bio;
        bio.AddPart();
        bio.Advance(frontSectors);
        Submit(bio);
        return front;
    }

    /// <summary>Cuts a bio to what the device's limits allow; the rest is submitted again.</summary>
    public Bio SplitToLimits(Bio bio)
    {
        ref readonly var limits = ref bio.Device.Limits;
        uint largest = bio.Op switch
        {
            BioOp.Discard => limits.MaxDiscardSectors,
            BioOp.SecureErase => limits.MaxSecureEraseSectors,
            BioOp.WriteZeroes => limits.MaxWriteZeroesSectors,
            BioOp.Read or BioOp.Write => limits.MaxSectors & ~((limits.PhysicalBlockSize >> 9) - 1),
            BioOp.Flush => uint.MaxValue,
        };
        return bio.Sectors > largest ? Split(bio, (int)largest) : bio;
    }

    private sealed class SplitCompletion : BioCompletion
    {
        public static readonly SplitCompletion Instance = new();

        public override void EndIo(Bio bio)
        {
            var parent = (Bio)bio.Private!;
            var status = bio.Status;
            parent.Device.Layer.Free(bio);
            parent.End(status);
        }
    }

    /// <summary>A group of bios to wait for, from the pool.</summary>
    public IoBatch StartBatch() => _batches.TryPop(out var batch) ? batch.Reset() : new IoBatch(this);

    /// <summary>Waits until all bios of a group have ended and gives it back to the pool.</summary>
    /// <returns>The first error.</returns>
    /// <exception cref="WouldHangException">Nothing is left to run that could end them.</exception>
    public BlkStatus Wait(IoBatch batch)
    {
        if (batch.Pending > 0)
            World.Scheduler.Wait(batch, static b => b.Pending == 0, "block I/O");
        var status = batch.Status;
        _batches.Push(batch);
        return status;
    }

    /// <summary>Submits one bio from the pool and waits; the bio goes back to the pool.</summary>
    public BlkStatus SubmitAndWait(Bio bio)
    {
        var batch = StartBatch();
        batch.Submit(bio);
        return Wait(batch);
    }
}

/// <summary>A group of bios that somebody waits for.</summary>
public sealed class IoBatch(BlockLayer layer) : BioCompletion
{
    /// <summary>Number of bios that have not ended.</summary>
    public int Pending { get; private set; }

    /// <summary>The first error so far.</summary>
    public BlkStatus Status { get; private set; }

    internal IoBatch Reset()
    {
        Pending = 0;
        Status = BlkStatus.OK;
        return this;
    }

    /// <summary>Submits a bio as a member of the group; it is freed when it ends.</summary>
    public void Submit(Bio bio)
    {
        Pending++;
        bio.Completion = this;
        layer.Submit(bio);
    }

    /// <inheritdoc/>
    public override void EndIo(Bio bio)
    {
        Pending--;
        if (Status == BlkStatus.OK)
            Status = bio.Status;
        layer.Free(bio);
    }
}
