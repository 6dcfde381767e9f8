using DriverLab.Block.Partitions;
using DriverLab.Linux;

namespace DriverLab.Block;

/// <summary>A block device: a whole disk that takes bios.</summary>
/// <remarks>
/// A driver derives from this class, implements <see cref="SubmitBio"/> and sets <see cref="Limits"/> and <see cref="CapacitySectors"/>. Users never call <see cref="SubmitBio"/>: they
/// call <see cref="BlockLayer.Submit"/>. Linux include/linux/blk_types.h: struct block_device; include/linux/blkdev.h: struct gendisk, struct block_device_operations.
/// </remarks>
public abstract class BlockDevice(BlockLayer layer, DevT number, string name)
{
    private object? _holder;
    private int _claims;
    private PageCache? _cache;

    /// <summary>Limits of the queue.</summary>
    public QueueLimits Limits = QueueLimits.Default;

    /// <summary>The kernel's block layer that this device lives in.</summary>
    public BlockLayer Layer { get; } = layer;

    /// <summary>Major and minor.</summary>
    public DevT Number { get; } = number;

    /// <summary>The kernel's name for it, which is also its node's in /dev: <c>ram0</c>, <c>loop3</c>, <c>dm-7</c>.</summary>
    public string Name { get; } = name;

    /// <summary>Size, in sectors of 512 bytes.</summary>
    public long CapacitySectors { get; private set; }

    /// <summary>Size, in bytes.</summary>
    public long CapacityBytes => CapacitySectors << 9;

    /// <summary>The driver's read-only state.</summary>
    /// <remarks>Linux block/genhd.c: set_disk_ro().</remarks>
    public bool DiskReadOnly { get; set; }

    /// <summary>The user's read-only state (BLKROSET).</summary>
    public bool UserReadOnly { get; set; }

    /// <summary>True when writing is not allowed.</summary>
    public virtual bool IsReadOnly => DiskReadOnly || UserReadOnly;

    /// <summary>Number of users that have the device open: files and other devices.</summary>
    public int Openers { get; private set; }

    /// <summary>Read-ahead, in sectors.</summary>
    public long ReadAheadSectors { get; set; } = UsualReadAhead;

    private const long UsualReadAhead = 256;

    /// <summary>Sets the read-ahead that the limits ask for: twice the best request, in whole pages.</summary>
    /// <remarks>Linux block/blk-settings.c: blk_apply_bdi_limits(), before 6.9 disk_update_readahead().</remarks>
    public void UpdateReadAhead() =>
        ReadAheadSectors = Math.Max(Layer.Quirks.ReadAheadOnlyGrows ? Math.Max(ReadAheadSectors, UsualReadAhead) : UsualReadAhead, Limits.IoOpt * 2L / PageCache.PageBytes * (PageCache.PageBytes / 512));

    /// <summary>Sequence number of the disk.</summary>
    public ulong DiskSequence { get; protected set; } = layer.NextDiskSequence();

    /// <summary>False once the driver has taken the disk away.</summary>
    public bool IsLive { get; set; } = true;

    /// <summary>Buffered pages of the device, for as long as somebody has it open.</summary>
    public PageCache Cache => _cache ??= new(this);

    /// <summary>The driver: takes a bio, whose <see cref="Bio.Device"/> is this device, and ends it now or later.</summary>
    public abstract void SubmitBio(Bio bio);

    /// <summary>The driver's part of an open.</summary>
    /// <returns>ENXIO or what the driver says.</returns>
    protected virtual Errno OnOpen(bool forWriting) => Errno.OK;

    /// <summary>The driver's part of a close; <see cref="Openers"/> has already gone down.</summary>
    protected virtual void OnRelease()
    {
    }

    /// <summary>An ioctl that the block layer does not know, with a structure.</summary>
    /// <param name="request">The request.</param>
    /// <param name="argument">The structure, in place.</param>
    /// <param name="forWriting">The descriptor is open for writing.</param>
    /// <param name="exclusive">The descriptor is open with O_EXCL.</param>
    /// <param name="caller">Who asks.</param>
    public virtual SysResult<int> Ioctl(uint request, Span<byte> argument, bool forWriting, bool exclusive, IBlockCaller caller) => Errno.ENOTTY;

    /// <summary>An ioctl that the block layer does not know, with a number.</summary>
    public virtual SysResult<int> Ioctl(uint request, long value, bool forWriting, bool exclusive, IBlockCaller caller) => Errno.ENOTTY;

    /// <summary>True when HDIO_GETGEO has an answer.</summary>
    public virtual bool HasGeometry => false;

    /// <summary>What a request for a persistent reservation gets.</summary>
    /// <param name="hasArgument">False when the structure cannot be read.</param>
    public virtual Errno Reserve(bool hasArgument) => Errno.EOPNOTSUPP;

    /// <summary>True when the driver takes requests from queues (blk-mq), false when it takes bios as they are.</summary>
    public virtual bool IsRequestBased => false;

    /// <summary>The driver's say in BLKROSET.</summary>
    public virtual Errno OnSetReadOnly(bool readOnly) => Errno.OK;

    /// <summary>True when the disk is looked through for parts.</summary>
    public virtual bool IsScanned => false;

    /// <summary>BLKRRPART past the permission check.</summary>
    /// <returns>EINVAL (a disk without partitions), EBUSY (a part is open), EIO, which older kernels keep to the log.</returns>
    internal Errno RereadPartitions() => !IsScanned ? Errno.EINVAL : ScanPartitions() is var error && error == Errno.EIO && Layer.Quirks.RereadHidesErrors ? Errno.OK : error;

    /// <summary>The disk's parts; null until it is scanned for them.</summary>
    public DiskPartitions? Parts { get; private set; }

    /// <summary>True when users may add partitions (BLKPG).</summary>
    /// <remarks>Linux include/linux/blkdev.h: GENHD_FL_NO_PART, the opposite.</remarks>
    public virtual bool TakesPartitions => false;

    /// <summary>The disk's parts, to change.</summary>
    internal DiskPartitions PartsOfUser => Parts ??= new(this);

    /// <summary>Reads the partition table, and makes the parts that it names.</summary>
    /// <returns>EBUSY (a part is open), EIO.</returns>
    protected Errno ScanPartitions() => (Parts ??= new(this)).Scan();

    /// <summary>True when no one has the whole disk for himself.</summary>
    internal bool MayBeClaimedInPart => _holder is null;

    /// <summary>Changes the size, in sectors, and says so in the log when both sizes mean something to users.</summary>
    /// <remarks>Linux block/genhd.c: set_capacity_and_notify().</remarks>
    public void SetCapacityAndNotify(long sectors)
    {
        long before = CapacitySectors;
        CapacitySectors = sectors;
        if (before == sectors || !IsLive)
            return;
        int shift = Layer.Quirks.CapacityIsToldInBytes ? 9 : 0;
        Layer.World.Log.Add($"{Name}: detected capacity change from {before << shift} to {sectors << shift}");
    }

    /// <summary>Sets the size, in sectors, of a disk that nobody has seen yet.</summary>
    public void SetCapacity(long sectors) => CapacitySectors = sectors;

    /// <summary>Opens the device, for a file or for another device.</summary>
    /// <param name="forWriting">The user means to write.</param>
    /// <param name="holder">Who claims it exclusively, or null. The same holder may claim it several times.</param>
    /// <returns>EBUSY (claimed by another), ENXIO (gone), then what the driver says.</returns>
    /// <remarks>Linux block/bdev.c: blkdev_get_by_dev().</remarks>
    public Errno Open(bool forWriting, object? holder)
    {
        if (holder is not null && !MayClaim(holder))
            return Errno.EBUSY;
        WaitForOpenLock();
        if (!IsLive)
            return Errno.ENXIO;
        var error = OnOpen(forWriting);
        if (error != Errno.OK)
            return error;
        if (Openers++ == 0)
            Cache.SetInitialBlockSize();
        if (holder is not null)
            Claim(holder);
        return Errno.OK;
    }

    /// <summary>Undoes one <see cref="Open"/>. The last one writes back and drops the cached pages.</summary>
    /// <remarks>Linux block/bdev.c: blkdev_put(), blkdev_flush_mapping().</remarks>
    public void Close(object? holder)
    {
        if (Openers == 1)
            _ = Cache.WriteBack(); // others may open it meanwhile
        WaitForOpenLock();
        if (Openers == 1)
        {
            _ = Cache.WriteBack();
            Cache.Drop();
        }
        if (holder is not null)
            Unclaim();
        Openers--;
        OnRelease();
    }

    /// <summary>Waits for the writes of an open device; nobody opens or closes it until they have ended.</summary>
    /// <remarks>Linux block/bdev.c: sync_bdevs(), which holds open_mutex.</remarks>
    public void WaitForWrites()
    {
        if (Openers == 0)
            return;
        WaitForOpenLock();
        _isOpenLocked = true;
        try
        {
            Cache.WaitForWrites();
        }
        finally
        {
            _isOpenLocked = false;
        }
    }

    private bool _isOpenLocked;

    private void WaitForOpenLock()
    {
        if (_isOpenLocked)
            Layer.World.Scheduler.Wait(this, static d => !d._isOpenLocked, "the lock under which a device is opened");
    }

    /// <summary>True when a holder could claim the device now.</summary>
    /// <remarks>Linux block/bdev.c: bd_may_claim(): neither a disk of which a part is claimed, nor a part of a disk that is.</remarks>
    public virtual bool MayClaim(object holder) => (_holder is null || ReferenceEquals(_holder, holder)) && Parts is not { ClaimCount: > 0 };

    /// <summary>Told when a claim is added (1) or given up (-1).</summary>
    protected virtual void OnClaim(int change)
    {
    }

    private void Claim(object holder)
    {
        _holder = holder;
        _claims++;
        OnClaim(1);
    }

    private void Unclaim()
    {
        OnClaim(-1);
        if (--_claims == 0)
            _holder = null;
    }

    /// <inheritdoc/>
    public override string ToString() => $"{Name} ({Number})";
}
