using System.Numerics;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Linux.Ioctl;
using DriverLab.Simulation;

namespace DriverLab.Block.Devices;

/// <summary>A loop device: a disk over a file or another disk, major 7.</summary>
/// <remarks>Linux drivers/block/loop.c. Buffered and direct I/O on the file differ only in what they demand, not in how the file is read here.</remarks>
public sealed partial class LoopDevice : BlockDevice
{
    private enum State
    {
        Unbound,
        Bound,
        /// <summary>Told to detach; the last close does it, and nobody opens the device until then.</summary>
        Rundown,
    }

    private const int PageBytes = PageCache.PageBytes;
    private readonly LoopControl _control;
    private State _state;
    private IBackingFile? _file;
    private LoopInfo64 _info;
    private bool _direct;
    private bool _isNewMedium;

    /// <summary>An unbound loop device.</summary>
    internal LoopDevice(LoopControl control, uint number) : base(control.Layer, new(Linux.Ioctl.Loop.Major, number), $"loop{number}")
    {
        _control = control;
        ResetLimits(512);
    }

    /// <summary>True when a file is attached.</summary>
    public bool IsBound => _state == State.Bound;

    /// <summary>True when it can be attached to.</summary>
    public bool IsUnbound => _state == State.Unbound;

    /// <summary>True when requests of neighbouring sectors become one (the queue's flag NOMERGES is off). A change of direct I/O sets it, and it stays as it is when the file goes.</summary>
    public bool Merges { get; private set; }

    /// <summary>The file; null while there is none.</summary>
    public IBackingFile? Backing => _file;

    /// <summary>Window and flags, as LOOP_GET_STATUS64 tells them.</summary>
    public LoopInfo64 Info => _info;

    private void ResetLimits(uint blockBytes)
    {
        Limits = QueueLimits.Default with
        {
            MaxSectors = 2560,
            MaxHwSectors = 2560,
            LogicalBlockSize = blockBytes,
            PhysicalBlockSize = blockBytes,
            IoMin = blockBytes,
            NonRotational = Layer.Quirks.UnboundLoopIsNonRotational,
        };
        LimitsWereSet();
    }

    /// <summary>Setting limits sets the read-ahead too, whatever a user had said.</summary>
    private void LimitsWereSet()
    {
        if (Layer.Quirks.LoopLearnsLimits)
            UpdateReadAhead();
    }

    /// <inheritdoc/>
    /// <remarks>Linux drivers/block/loop.c: lo_open().</remarks>
    protected override Errno OnOpen(bool forWriting)
    {
        if (_control.IsRemoving(this) || _state == State.Rundown)
            return Errno.ENXIO;
        if (_isNewMedium)
        {
            _isNewMedium = false;
            _ = Cache.WriteBack(); // who opens it is not told
            Cache.DropClean();
        }
        return Errno.OK;
    }

    /// <summary>The next open looks at the disk anew, as at one whose medium was changed.</summary>
    /// <remarks>Linux block/disk-events.c: disk_force_media_change(); block/partitions/core.c: bdev_disk_changed().</remarks>
    private void ForceMediaChange() => _isNewMedium = Layer.Quirks.LoopOpenLooksAnew;

    /// <inheritdoc/>
    protected override void OnRelease()
    {
        if (Openers > 0)
            return;
        if (_state == State.Rundown || (_state == State.Bound && (_info.Flags & LoopFlags.LO_FLAGS_AUTOCLEAR) != 0))
            Detach();
    }

    // ---- I/O ---------------------------------------------------------------------------------------------------------------------

    /// <inheritdoc/>
    public override void SubmitBio(Bio bio)
    {
        if (Layer.Quirks.RequestsAreWholeBlocks && ((bio.Sector | (uint)bio.Sectors) & ((Limits.LogicalBlockSize >> 9) - 1)) != 0)
        {
            bio.End(BlkStatus.IoError);
            return;
        }
        bio = Layer.SplitToLimits(bio);
        if (_state != State.Bound || (bio.IsWrite && (_info.Flags & LoopFlags.LO_FLAGS_READ_ONLY) != 0))
        {
            bio.End(BlkStatus.IoError);
            return;
        }
        var scope = Layer.EnterWorker();
        Errno error;
        try
        {
            error = Handle(bio);
        }
        finally
        {
            Layer.LeaveWorker(scope);
        }
        bio.End(error switch { Errno.OK => BlkStatus.OK, Errno.EOPNOTSUPP => BlkStatus.NotSupported, _ => BlkStatus.IoError });
    }

    /// <summary>The driver knows no FUA: the block layer makes a flush after the write of it.</summary>
    private Errno Handle(Bio bio)
    {
        if (bio.Has(BioFlags.PreFlush) && Flush() is var before and not Errno.OK)
            return before;
        if (bio.Sectors == 0)
            return Errno.OK;
        long position = (Layer.World.Mutations.Has(Mutation.LoopOffsetIgnored) ? 0 : (long)_info.Offset) + (bio.Sector << 9);
        var error = bio.Op switch
        {
            BioOp.Read => Read(bio, position),
            BioOp.Write => Write(bio, position),
            BioOp.Discard when Layer.World.Mutations.Has(Mutation.DiscardKeepsData) => Errno.OK,
            BioOp.Discard => Punch(FallocFlags.FALLOC_FL_PUNCH_HOLE, position, (long)bio.Sectors << 9),
            BioOp.WriteZeroes => Punch(bio.Has(BioFlags.NoUnmap) ? FallocFlags.FALLOC_FL_ZERO_RANGE : FallocFlags.FALLOC_FL_PUNCH_HOLE, position, (long)bio.Sectors << 9),
            BioOp.Flush => Flush(),
            BioOp.SecureErase => Errno.EIO,
        };
        return error == Errno.OK && bio.Has(BioFlags.Fua) ? Flush() : error;
    }

    /// <summary>
    /// A short read, beyond the end of a file that has shrunk, makes the whole request zeros. In newer kernels the rest is asked for again, and what yields nothing fails; the place in the file moves by
    /// whole sectors meanwhile, so behind a part of a sector the same bytes come again and again.
    /// </summary>
    /// <remarks>Linux drivers/block/loop.c: lo_complete_rq(), with blk_update_request().</remarks>
    private Errno Read(Bio bio, long position)
    {
        var span = bio.Span;
        for (int done = 0; done < span.Length;)
        {
            var result = _file!.Read(position, span[done..]);
            if (!result.IsOk)
                return result.Error;
            if (Layer.Quirks.LoopShortReadFails && result.Value == 0)
                return Errno.EIO;
            if (!Layer.Quirks.LoopShortReadFails && result.Value < span.Length - done)
            {
                span.Clear();
                return Errno.OK;
            }
            done += result.Value;
            position += result.Value & ~511;
        }
        return Errno.OK;
    }

    private Errno Write(Bio bio, long position)
    {
        ReadOnlySpan<byte> span = bio.Span;
        while (span.Length > 0)
        {
            int chunk = Math.Min(span.Length, PageBytes - (int)(position & (PageBytes - 1)));
            var result = _file!.Write(position, span[..chunk]);
            if (!result.IsOk || result.Value != chunk)
            {
                Layer.World.Log.Add($"loop: Write error at byte offset {position}, length {chunk}.");
                return Errno.EIO;
            }
            span = span[chunk..];
            position += chunk;
        }
        return Errno.OK;
    }

    private Errno Flush()
    {
        var error = _file!.Fsync();
        return error is Errno.OK or Errno.EINVAL ? Errno.OK : Errno.EIO;
    }

    private Errno Punch(FallocFlags mode, long position, long length)
    {
        if (Limits.MaxDiscardSectors == 0)
            return Errno.EOPNOTSUPP;
        var error = _file!.Fallocate(mode | FallocFlags.FALLOC_FL_KEEP_SIZE, position, length);
        if (error == Errno.EOPNOTSUPP && Layer.Quirks.LoopLearnsLimits)
            ForgetLimit(mode);
        return error is Errno.OK or Errno.EINVAL or Errno.EOPNOTSUPP ? error : Errno.EIO;
    }

    /// <summary>The file cannot do it: it is not asked again.</summary>
    private void ForgetLimit(FallocFlags mode)
    {
        if ((mode & FallocFlags.FALLOC_FL_ZERO_RANGE) != 0)
            Limits.MaxWriteZeroesSectors = 0;
        else
            Limits.MaxDiscardSectors = Limits.MaxHwDiscardSectors = Limits.DiscardGranularity = 0;
    }

    // ---- attaching ---------------------------------------------------------------------------------------------------------------

    /// <summary>Size in sectors that a file gives with this offset and limit.</summary>
    private static long SizeOf(IBackingFile file, ulong offset, ulong limit)
    {
        // Both are signed here, as they are in the kernel.
        long size = file.Size, from = unchecked((long)offset), most = unchecked((long)limit);
        if (from > 0)
            size -= from;
        if (size < 0)
            return 0;
        if (most > 0 && most < size)
            size = most;
        return size >> 9;
    }

    /// <summary>A file that may be attached here: no chain that leads back, a regular file or a block device.</summary>
    /// <remarks>Linux drivers/block/loop.c: loop_validate_file().</remarks>
    private Errno Validate(IBackingFile file)
    {
        var below = file;
        while (below.Device is LoopDevice loop)
        {
            if (ReferenceEquals(loop, this))
                return Errno.EBADF;
            if (loop._state != State.Bound)
                return Errno.EINVAL;
            below = loop._file!;
        }
        return below.IsRegular || below.Device is not null ? Errno.OK : Errno.EINVAL;
    }

    private Errno Configure(uint fd, uint blockSize, LoopInfo64 info, bool forWriting, bool exclusive, IBlockCaller caller)
    {
        var got = caller.GetFile(unchecked((int)fd));
        if (!got.IsOk)
            return got.Error;
        var file = got.Value;
        var error = CheckConfigure(file, blockSize, info, exclusive);
        if (error == Errno.OK)
            error = TakeInfo(info);
        if (error == Errno.OK && blockSize != 0 && Layer.Quirks.LoopChecksBlockSizeLast)
        {
            TakeReadOnly(file, forWriting);
            error = CheckBlockSize(blockSize);
        }
        if (error != Errno.OK)
        {
            file.Release();
            return error;
        }
        FlushAtStart(file);
        Attach(file, blockSize, forWriting);
        return Errno.OK;
    }

    /// <summary>What others wrote to a file goes to its disk before the device uses it; that it may fail is of no interest.</summary>
    private void FlushAtStart(IBackingFile file)
    {
        if (Layer.Quirks.LoopFlushesAtStart)
            _ = file.Fsync();
    }

    private Errno CheckConfigure(IBackingFile file, uint blockSize, LoopInfo64 info, bool exclusive)
    {
        const LoopFlags known = LoopFlags.LO_FLAGS_READ_ONLY | LoopFlags.LO_FLAGS_AUTOCLEAR | LoopFlags.LO_FLAGS_PARTSCAN | LoopFlags.LO_FLAGS_DIRECT_IO;
        if (!exclusive && !MayClaim(this))
            return Errno.EBUSY;
        if (_state != State.Unbound)
            return Errno.EBUSY;
        if (Validate(file) is var error and not Errno.OK)
            return error;
        if ((info.Flags & ~known) != 0)
            return Errno.EINVAL;
        return blockSize == 0 || Layer.Quirks.LoopChecksBlockSizeLast ? Errno.OK : CheckBlockSize(blockSize);
    }

    private Errno CheckBlockSize(long bytes) => bytes < 512 || bytes > Layer.Quirks.LargestBlockSize || !BitOperations.IsPow2(bytes) ? Errno.EINVAL : Errno.OK;

    /// <summary>The size of logical blocks when none is asked for, in bytes.</summary>
    private uint DefaultBlockSize(IBackingFile file)
    {
        bool isNew = Layer.Quirks.LoopBlockSizeZeroIsDefault, isDirect = isNew ? (_info.Flags & LoopFlags.LO_FLAGS_DIRECT_IO) != 0 : file.IsDirect;
        return isDirect && (isNew ? DirectDevice(file) : file.FileSystemDevice) is { } below ? below.Limits.LogicalBlockSize : 512;
    }

    /// <summary>The device whose blocks direct I/O on a file has to keep to; null when nothing says so.</summary>
    private BlockDevice? DirectDevice(IBackingFile file) => file.FileSystemDevice ?? (Layer.Quirks.LoopDirectFitsDevice ? file.Device : null);

    private void TakeReadOnly(IBackingFile file, bool forWriting)
    {
        if (!file.IsWritable || !forWriting)
            _info.Flags |= LoopFlags.LO_FLAGS_READ_ONLY;
        DiskReadOnly = (_info.Flags & LoopFlags.LO_FLAGS_READ_ONLY) != 0;
    }

    private void Attach(IBackingFile file, uint blockSize, bool forWriting)
    {
        TakeReadOnly(file, forWriting);
        ForceMediaChange();
        _file = file;
        if (file.IsDirect && Layer.Quirks.LoopDirectNeedsSectors)
            _info.Flags |= LoopFlags.LO_FLAGS_DIRECT_IO;
        if (blockSize == 0)
            blockSize = DefaultBlockSize(file);
        ResetLimits(blockSize);
        Limits.WriteCache = !DiskReadOnly && file.SupportsFsync;
        ConfigureDiscard();
        Limits.NonRotational = file.FileSystemDevice?.Limits.NonRotational ?? true;
        _direct = (_info.Flags & LoopFlags.LO_FLAGS_DIRECT_IO) != 0;
        UpdateDirect(file.IsDirect || (_info.Flags & LoopFlags.LO_FLAGS_DIRECT_IO) != 0);
        SetCapacityAndNotify(SizeOf(file, _info.Offset, Layer.World.Mutations.Has(Mutation.LoopSizeLimitIgnored) ? 0 : _info.SizeLimit));
        _state = State.Bound;
        if ((_info.Flags & LoopFlags.LO_FLAGS_PARTSCAN) != 0)
            Rescan();
    }

    /// <remarks>Linux drivers/block/loop.c: loop_config_discard().</remarks>
    private void ConfigureDiscard()
    {
        uint granularity = 0, sectors = 0;
        if (_file!.Device is { } device)
        {
            sectors = device.Limits.MaxWriteZeroesSectors;
            granularity = device.Limits.DiscardGranularity != 0 ? device.Limits.DiscardGranularity : device.Limits.PhysicalBlockSize;
        }
        else if (_file.SupportsFallocate)
        {
            sectors = QueueLimits.MaxBioSectors;
            granularity = _file.FileSystemBlockSize;
        }
        Limits.MaxDiscardSectors = Limits.MaxHwDiscardSectors = Limits.MaxWriteZeroesSectors = sectors;
        Limits.DiscardGranularity = sectors == 0 ? 0 : granularity;
    }

    /// <remarks>Linux drivers/block/loop.c: __loop_update_dio().</remarks>
    private void UpdateDirect(bool wanted)
    {
        uint align = DirectDevice(_file!)?.Limits.LogicalBlockSize ?? (Layer.Quirks.LoopDirectNeedsSectors ? 512u : 1u);
        bool direct = wanted && Limits.LogicalBlockSize >= align && (_info.Offset & (align - 1)) == 0 && _file!.SupportsDirectIo;
        if (direct != _direct)
        {
            if (!Layer.Quirks.LoopFlushesAtStart)
                _ = _file!.Fsync();
            Merges = direct;
        }
        _direct = direct;
        if (_direct)
            _info.Flags |= LoopFlags.LO_FLAGS_DIRECT_IO;
        else
            _info.Flags &= ~LoopFlags.LO_FLAGS_DIRECT_IO;
    }

    private void Detach()
    {
        var file = _file!;
        _file = null;
        _info = default;
        _direct = false;
        var before = Limits;
        ResetLimits(512);
        // What the file could do is not forgotten: BLKDISCARD of an unbound device is EINVAL, for its range, and no EOPNOTSUPP.
        (Limits.MaxDiscardSectors, Limits.MaxHwDiscardSectors, Limits.MaxWriteZeroesSectors, Limits.DiscardGranularity) =
            (before.MaxDiscardSectors, before.MaxHwDiscardSectors, before.MaxWriteZeroesSectors, before.DiscardGranularity);
        Limits.NonRotational = before.NonRotational;
        if (Layer.Quirks.LoopKeepsWriteCache)
            Limits.WriteCache = before.WriteCache;
        Parts?.RemoveAll();
        ForceMediaChange();
        SetCapacity(0); // the log says nothing of it; read-only it stays until it is bound again
        _state = State.Unbound;
        file.Release();
    }

    /// <inheritdoc/>
    public override bool IsRequestBased => true;

    /// <summary>Scans for parts where nobody waits for the answer.</summary>
    /// <remarks>Linux drivers/block/loop.c: loop_reread_partitions().</remarks>
    private void Rescan()
    {
        if (ScanPartitions() is var error and not Errno.OK)
            Layer.World.Log.Add($"loop_reread_partitions: partition scan of {Name} () failed (rc=-{(int)error})");
    }

    /// <summary>Also one that is never scanned for them.</summary>
    public override bool TakesPartitions => true;

    /// <inheritdoc/>
    public override bool IsScanned => (_info.Flags & LoopFlags.LO_FLAGS_PARTSCAN) != 0;
}
