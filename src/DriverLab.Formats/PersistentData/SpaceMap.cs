using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace DriverLab.Formats.PersistentData;

/// <summary>The root of a space map: 32 bytes in use of the 128 that a superblock keeps for it.</summary>
[DiskStruct(32, "struct disk_sm_root", "drivers/md/persistent-data/dm-space-map-common.h")]
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public struct SpaceMapRoot
{
    public Le<ulong> BlockCount;
    public Le<ulong> AllocatedCount;
    /// <summary>Metadata map: the index block. Data map: the root of a btree from bitmap number to <see cref="SpaceMapIndexEntry"/>.</summary>
    public Le<ulong> BitmapRoot;
    /// <summary>The btree of exact reference counts of three and more: block to 32-bit count.</summary>
    public Le<ulong> RefCountRoot;
}

/// <summary>Where one bitmap is, and what is free in it: 16 bytes.</summary>
[DiskStruct(16, "struct disk_index_entry", "drivers/md/persistent-data/dm-space-map-common.h")]
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public struct SpaceMapIndexEntry
{
    public Le<ulong> BitmapBlock;
    public Le<uint> FreeCount;
    /// <summary>No block before this one, counted from the bitmap's first, is free.</summary>
    public Le<uint> NoneFreeBefore;
}

/// <summary>The index block of the metadata space map.</summary>
[DiskStruct(4096, "struct disk_metadata_index", "drivers/md/persistent-data/dm-space-map-common.h")]
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public struct SpaceMapIndexBlock
{
    public Le<uint> Checksum;
    public Le<uint> Padding;
    public Le<ulong> BlockNr;
    public Entries Index;

    /// <summary>The most bitmaps a metadata device can have, which bounds its size.</summary>
    public const int MaxBitmaps = 255;

    [InlineArray(MaxBitmaps)]
    public struct Entries
    {
        private SpaceMapIndexEntry _first;
    }
}

/// <summary>The head of a bitmap block: 16 bytes; two bits a block follow.</summary>
[DiskStruct(16, "struct disk_bitmap_header", "drivers/md/persistent-data/dm-space-map-common.h")]
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public struct BitmapHeader
{
    public Le<uint> Checksum;
    public Le<uint> Unused;
    public Le<ulong> BlockNr;
}

/// <summary>Two-bit reference counts of a bitmap block, seen in place. Of each pair the lower bit position holds the high bit.</summary>
/// <remarks>Linux drivers/md/persistent-data/dm-space-map-common.c: sm_lookup_bitmap().</remarks>
public static class SpaceMapBitmap
{
    /// <summary>Blocks that one bitmap block describes.</summary>
    public const int EntriesPerBlock = (MetadataBlock.Size - 16) * 4;

    /// <summary>A count of three means: look in the reference count tree.</summary>
    public const int Overflow = 3;

    /// <summary>The count of one block: 0, 1, 2, or 3 for three and more.</summary>
    public static int Get(ReadOnlySpan<byte> block, int entry)
    {
        int pair = block[16 + (entry >> 2)] >> ((entry & 3) * 2);
        return ((pair & 1) << 1) | ((pair >> 1) & 1);
    }

    /// <summary>Sets the count of one block to 0, 1, 2 or 3.</summary>
    public static void Set(Span<byte> block, int entry, int count)
    {
        ref byte b = ref block[16 + (entry >> 2)];
        int shift = (entry & 3) * 2;
        int pair = ((count >> 1) & 1) | ((count & 1) << 1);
        b = (byte)((b & ~(3 << shift)) | (pair << shift));
    }
}
