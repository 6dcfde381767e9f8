using DriverLab.Linux;

namespace DriverLab.Block.Partitions;

/// <summary>A part of a disk, with a node, a page cache and a read-only state of its own.</summary>
/// <remarks>Linux block/partitions/core.c: add_partition(); block/blk-core.c: blk_partition_remap(); block/bdev.c: blkdev_get_part().</remarks>
public sealed class Partition : BlockDevice
{
    /// <summary>Major of the parts of disks that have no numbers for them.</summary>
    public const uint ExtendedMajor = 259;

    /// <summary>A part that nobody has seen yet.</summary>
    internal Partition(BlockDevice whole, DevT number, string name, PartitionEntry entry) : base(whole.Layer, number, name)
    {
        (Whole, Entry, DiskSequence) = (whole, entry, whole.DiskSequence);
        SetCapacity(entry.Sectors);
        DiskReadOnly = Layer.Quirks.OneReadOnlyState && whole.IsReadOnly;
        TakeLimits();
    }

    /// <summary>The disk.</summary>
    public BlockDevice Whole { get; }

    /// <summary>Which part of it.</summary>
    public PartitionEntry Entry { get; private set; }

    /// <summary>Gives it another length.</summary>
    internal void Resize(long sectors)
    {
        Entry = Entry with { Sectors = sectors };
        SetCapacity(sectors);
    }

    /// <inheritdoc/>
    public override bool IsReadOnly => base.IsReadOnly || (!Layer.Quirks.OneReadOnlyState && Whole.IsReadOnly);

    /// <inheritdoc/>
    public override bool IsRequestBased => Whole.IsRequestBased;

    /// <summary>The disk's limits; alignment counts from the part's start.</summary>
    private void TakeLimits()
    {
        Limits = Whole.Limits;
        uint granularity = Math.Max(Limits.PhysicalBlockSize, Limits.IoMin);
        long into = (Entry.Start << 9) % granularity;
        Limits.AlignmentOffset = (uint)((granularity + Limits.AlignmentOffset - into) % granularity);
    }

    /// <inheritdoc/>
    public override void SubmitBio(Bio bio)
    {
        bio.Device = Whole;
        bio.Sector += Entry.Start;
        Whole.SubmitBio(bio);
    }

    /// <inheritdoc/>
    protected override Errno OnOpen(bool forWriting)
    {
        var error = Whole.Open(forWriting, null);
        if (error == Errno.OK)
        {
            TakeLimits();
            Whole.Parts!.OpenCount++;
        }
        return error;
    }

    /// <inheritdoc/>
    protected override void OnRelease()
    {
        Whole.Parts!.OpenCount--;
        Whole.Close(null);
    }

    /// <inheritdoc/>
    public override bool MayClaim(object holder) => base.MayClaim(holder) && Whole.MayBeClaimedInPart;

    /// <inheritdoc/>
    protected override void OnClaim(int change) => Whole.Parts!.ClaimCount += change;

    /// <inheritdoc/>
    public override SysResult<int> Ioctl(uint request, Span<byte> argument, bool forWriting, bool exclusive, IBlockCaller caller)
        => Whole.Ioctl(request, argument, forWriting, exclusive, caller);

    /// <inheritdoc/>
    public override SysResult<int> Ioctl(uint request, long value, bool forWriting, bool exclusive, IBlockCaller caller)
        => Whole.Ioctl(request, value, forWriting, exclusive, caller);

    /// <inheritdoc/>
    public override Errno OnSetReadOnly(bool readOnly) => Whole.OnSetReadOnly(readOnly);
}

/// <summary>The parts of one disk.</summary>
/// <param name="whole">The disk.</param>
public sealed class DiskPartitions(BlockDevice whole)
{
    private readonly List<Partition> _parts = [];

    /// <summary>The parts, by number.</summary>
    public IReadOnlyList<Partition> All => _parts;

    /// <summary>How often parts are open.</summary>
    internal int OpenCount { get; set; }

    /// <summary>How often parts are claimed.</summary>
    internal int ClaimCount { get; set; }

    /// <summary>Takes the parts away and makes those that the disk's table names now.</summary>
    /// <returns>EBUSY (a part is open), EIO (the table cannot be read).</returns>
    /// <remarks>Linux block/partitions/core.c: bdev_disk_changed().</remarks>
    public Errno Scan()
    {
        if (OpenCount > 0)
            return Errno.EBUSY;
        RemoveAll();
        if (whole.CapacitySectors == 0)
            return Errno.OK;
        _ = whole.Cache.WriteBack();
        whole.Cache.DropClean();
        var table = PartitionTable.Read(new(whole));
        if (!table.IsOk)
        {
            whole.Layer.World.Log.Add($" {whole.Name}: unable to read partition table");
            return Errno.EIO;
        }
        if (table.Value is not { } found)
            return Errno.OK;
        whole.Layer.World.Log.Add($" {whole.Name}:{(found.Summary.Length > 0 ? " " : "")}{found.Summary}");
        foreach (var entry in found.Entries.OrderBy(e => e.Number))
            Add(entry);
        return Errno.OK;
    }

    /// <summary>Takes all parts away. None may be open.</summary>
    public void RemoveAll()
    {
        foreach (var part in _parts)
            whole.Layer.Devices.Remove(part);
        _parts.Clear();
    }

    /// <remarks>Linux block/partitions/core.c: blk_add_partition().</remarks>
    private void Add(PartitionEntry entry)
    {
        if (entry.Sectors == 0)
            return;
        if (entry.Start >= whole.CapacitySectors)
        {
            whole.Layer.World.Log.Add($"{whole.Name}: p{entry.Number} start {entry.Start} is beyond EOD, truncated");
            return;
        }
        // The sum wraps: a part that ends before it begins is taken as it is, with a negative size (seen on 6.1.192 and 7.3.4).
        if (unchecked((ulong)entry.Start + (ulong)entry.Sectors) > (ulong)whole.CapacitySectors)
        {
            whole.Layer.World.Log.Add($"{whole.Name}: p{entry.Number} size {unchecked((ulong)entry.Sectors)} extends beyond EOD, truncated");
            entry = entry with { Sectors = whole.CapacitySectors - entry.Start };
        }
        Insert(entry);
    }

    // ---- what users do -----------------------------------------------------------------------------------------------------------

    /// <summary>Adds one part.</summary>
    /// <returns>EBUSY (another lies there, or has the number), EINVAL (the number is too large).</returns>
    /// <remarks>Linux block/partitions/core.c: bdev_add_partition(), add_partition().</remarks>
    internal Errno AddOne(PartitionEntry entry)
    {
        if (Overlaps(entry))
            return Errno.EBUSY;
        if (entry.Number >= PartitionTable.Limit)
            return Errno.EINVAL;
        if (Find(entry.Number) is not null)
            return Errno.EBUSY;
        Insert(entry);
        return Errno.OK;
    }

    /// <summary>Takes one part away.</summary>
    /// <returns>ENXIO, EBUSY (open).</returns>
    /// <remarks>Linux block/partitions/core.c: bdev_del_partition().</remarks>
    internal Errno Delete(int number)
    {
        if (Find(number) is not { } part)
            return Errno.ENXIO;
        if (part.Openers > 0)
            return Errno.EBUSY;
        whole.Layer.Devices.Remove(part);
        _ = _parts.Remove(part);
        return Errno.OK;
    }

    /// <summary>Gives one part another length.</summary>
    /// <returns>ENXIO, EINVAL (it begins elsewhere), EBUSY (another lies there).</returns>
    /// <remarks>Linux block/partitions/core.c: bdev_resize_partition().</remarks>
    internal Errno Resize(PartitionEntry entry)
    {
        if (Find(entry.Number) is not { } part)
            return Errno.ENXIO;
        if (part.Entry.Start != entry.Start)
            return Errno.EINVAL;
        if (Overlaps(entry))
            return Errno.EBUSY;
        part.Resize(entry.Sectors);
        return Errno.OK;
    }

    private Partition? Find(int number) => _parts.Find(part => part.Entry.Number == number);

    private bool Overlaps(PartitionEntry entry)
        => _parts.Exists(part => part.Entry.Number != entry.Number && entry.Start < part.Entry.Start + part.Entry.Sectors && part.Entry.Start < entry.Start + entry.Sectors);

    private void Insert(PartitionEntry entry)
    {
        string name = $"{whole.Name}{(char.IsAsciiDigit(whole.Name[^1]) ? "p" : "")}{entry.Number}";
        var part = new Partition(whole, whole.Layer.Devices.FreeExtendedNumber(), name, entry);
        int after = _parts.FindIndex(other => other.Entry.Number > entry.Number);
        _parts.Insert(after < 0 ? _parts.Count : after, part);
        whole.Layer.Devices.Add(part);
    }
}
