using DriverLab.Linux;

namespace DriverLab.Block.Devices;

/// <summary>A disk in memory, as the brd driver makes it: <c>ram0</c> and so on, major 1.</summary>
/// <remarks>
/// Pages exist once they are written; the rest reads as zeros. No write cache; no discard before 6.10. Linux drivers/block/brd.c.
/// </remarks>
public sealed class RamDisk : BlockDevice, IReportsAllocation
{
    /// <summary>Major number of RAM disks.</summary>
    public const uint Major = 1;

    private const int PageBytes = 4096, PagesPerLeaf = 512;
    private Dictionary<long, byte[]?[]>? _leaves;
    private long _lastIndex = -1;
    private byte[]?[] _lastLeaf = [];

    /// <summary>A RAM disk of a size in sectors.</summary>
    public RamDisk(BlockLayer layer, uint minor, long sectors) : base(layer, new(Major, minor), $"ram{minor}")
    {
        SetCapacity(sectors);
        Limits.PhysicalBlockSize = PageBytes;
        Limits.IoMin = PageBytes;
        Limits.NonRotational = true;
        Limits.NoWait = true;
        if (!layer.Quirks.RamDiskDiscards)
            return;
        Limits.MaxDiscardSectors = Limits.MaxHwDiscardSectors = QueueLimits.MaxSectorsUnlimited;
        Limits.DiscardGranularity = PageBytes;
    }

    /// <summary>Makes the disks that the module makes when it is loaded, and more when a missing one is opened.</summary>
    /// <param name="layer">The block layer.</param>
    /// <param name="count">Number of disks: the module's <c>rd_nr</c>.</param>
    /// <param name="kibibytes">Size of each, in KiB: the module's <c>rd_size</c>.</param>
    public static void Register(BlockLayer layer, int count = 16, long kibibytes = 16384)
    {
        layer.Devices.RegisterMajor(Major, number => Add(number.Minor));
        for (uint minor = 0; minor < count; minor++)
            _ = Add(minor);
        RamDisk Add(uint minor)
        {
            var disk = new RamDisk(layer, minor, kibibytes * 2);
            layer.Devices.Add(disk);
            return disk;
        }
    }

    /// <inheritdoc/>
    public override bool TakesPartitions => true;

    /// <inheritdoc/>
    public override bool IsScanned => true;

    /// <inheritdoc/>
    public override void SubmitBio(Bio bio)
    {
        switch (bio.Op)
        {
            case BioOp.Read when bio.Sectors != 0:
                Read(bio.Sector, bio.Span);
                break;
            case BioOp.Write when bio.Sectors != 0:
                Write(bio.Sector, bio.Span);
                break;
            case BioOp.Discard:
                Discard(bio.Sector, bio.Sectors);
                break;
            case BioOp.Read or BioOp.Write or BioOp.Flush:
                break;
            case BioOp.SecureErase or BioOp.WriteZeroes:
                bio.End(BlkStatus.NotSupported);
                return;
        }
        bio.End(BlkStatus.OK);
    }

    /// <inheritdoc/>
    public bool IsAllocated(long sector, long mostSectors, out long sectors)
    {
        const int perPage = PageBytes >> 9;
        long page = sector / perPage, end = sector + mostSectors;
        bool allocated = IsPresent(page);
        do
            page++;
        while (page * perPage < end && IsPresent(page) == allocated);
        sectors = Math.Min(page * perPage, end) - sector;
        return allocated;
    }

    private bool IsPresent(long page) => _leaves is not null && _leaves.TryGetValue(page / PagesPerLeaf, out var leaf) && leaf[page % PagesPerLeaf] is not null;

    private byte[]?[] Leaf(long page)
    {
        long index = page / PagesPerLeaf;
        if (index == _lastIndex)
            return _lastLeaf;
        _leaves ??= [];
        if (!_leaves.TryGetValue(index, out var leaf))
            _leaves.Add(index, leaf = new byte[]?[PagesPerLeaf]);
        _lastIndex = index;
        return _lastLeaf = leaf;
    }

    private void Read(long sector, Span<byte> buffer)
    {
        for (long at = sector << 9; buffer.Length > 0;)
        {
            long page = at / PageBytes;
            int offset = (int)(at & (PageBytes - 1));
            int count = Math.Min(PageBytes - offset, buffer.Length);
            if (Leaf(page)[page % PagesPerLeaf] is { } data)
                data.AsSpan(offset, count).CopyTo(buffer);
            else
                buffer[..count].Clear();
            buffer = buffer[count..];
            at += count;
        }
    }

    private void Write(long sector, ReadOnlySpan<byte> data)
    {
        for (long at = sector << 9; data.Length > 0;)
        {
            long page = at / PageBytes;
            int offset = (int)(at & (PageBytes - 1));
            int count = Math.Min(PageBytes - offset, data.Length);
            ref byte[]? slot = ref Leaf(page)[page % PagesPerLeaf];
            slot ??= new byte[PageBytes];
            data[..count].CopyTo(slot.AsSpan(offset));
            data = data[count..];
            at += count;
        }
    }

    /// <summary>Frees the pages that lie in the range as a whole; the rest keeps its bytes.</summary>
    private void Discard(long sector, long sectors)
    {
        long first = ((sector << 9) + PageBytes - 1) / PageBytes;
        long end = ((sector + sectors) << 9) / PageBytes;
        for (long page = first; page < end; page++)
            Leaf(page)[page % PagesPerLeaf] = null;
    }
}
