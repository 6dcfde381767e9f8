using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace DriverLab.Formats.PersistentData;

/// <summary>Flags of a btree node.</summary>
[Flags]
public enum BtreeNodeFlags : uint
{
    None = 0,
    INTERNAL_NODE = 1,
    LEAF_NODE = 2,
}

/// <summary>The head of a btree node: 32 bytes.</summary>
[DiskStruct(32, "struct node_header", "drivers/md/persistent-data/dm-btree-internal.h")]
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public struct BtreeNodeHeader
{
    public Le<uint> Checksum;
    public Le<uint> RawFlags;
    /// <summary>The block's own number.</summary>
    public Le<ulong> BlockNr;
    public Le<uint> EntryCount;
    public Le<uint> MaxEntries;
    /// <summary>Size of one value, in bytes; 8 in internal nodes.</summary>
    public Le<uint> ValueSize;
    public Le<uint> Padding;

    public readonly BtreeNodeFlags Flags => (BtreeNodeFlags)RawFlags.Value;
}

/// <summary>What is wrong with a btree node.</summary>
public enum BtreeNodeFault
{
    None,
    Checksum,
    WrongBlockNumber,
    WrongFlags,
    WrongValueSize,
    MaxEntriesTooLarge,
    MaxEntriesNotDivisibleByThree,
    TooManyEntries,
    TooFewEntries,
    KeysOutOfOrder,
}

/// <summary>A btree node seen in place: keys in rising order, values behind the room for all keys.</summary>
/// <remarks>Linux drivers/md/persistent-data/dm-btree-internal.h: struct btree_node.</remarks>
public readonly ref struct BtreeNode(ReadOnlySpan<byte> block)
{
    private const int HeaderSize = 32;
    private readonly ReadOnlySpan<byte> _block = block[..MetadataBlock.Size];

    public ref readonly BtreeNodeHeader Header => ref DiskView.Read<BtreeNodeHeader>(_block);

    public int Count => (int)Header.EntryCount.Value;
    public bool IsLeaf => (Header.Flags & BtreeNodeFlags.LEAF_NODE) != 0;

    /// <summary>The keys in use.</summary>
    public ReadOnlySpan<Le<ulong>> Keys => MemoryMarshal.Cast<byte, Le<ulong>>(_block.Slice(HeaderSize, Count * 8));

    /// <summary>The values in use, as the type of this size.</summary>
    public ReadOnlySpan<T> Values<T>() where T : unmanaged => MemoryMarshal.Cast<byte, T>(_block.Slice(HeaderSize + (int)Header.MaxEntries.Value * 8, Count * Unsafe.SizeOf<T>()));

    /// <summary>The most entries of a node whose values have this size in bytes: a multiple of three.</summary>
    /// <remarks>Linux drivers/md/persistent-data/dm-btree.c: calc_max_entries().</remarks>
    public static int MaxEntriesFor(int valueSize) => (MetadataBlock.Size - HeaderSize) / (8 + valueSize) / 3 * 3;

    /// <summary>The index of the last key that is not above the given one; -1 when all are.</summary>
    public int LowerBound(ulong key) => BtreeKeys.LowerBound(Keys, key);

    /// <summary>Checks a node; the caller adds the path that led to it.</summary>
    /// <param name="block">4096 bytes.</param>
    /// <param name="blockNr">Where they were read.</param>
    /// <param name="leafValueSize">The size of the tree's values in bytes.</param>
    /// <param name="isRoot">A root may hold fewer than a third of its entries.</param>
    public static BtreeNodeFault Check(ReadOnlySpan<byte> block, ulong blockNr, int leafValueSize, bool isRoot)
    {
        ref readonly var header = ref DiskView.Read<BtreeNodeHeader>(block);
        if (!MetadataBlock.HasValidChecksum(block, MetadataBlockKind.BtreeNode))
            return BtreeNodeFault.Checksum;
        if (header.BlockNr.Value != blockNr)
            return BtreeNodeFault.WrongBlockNumber;
        if (header.Flags is not (BtreeNodeFlags.INTERNAL_NODE or BtreeNodeFlags.LEAF_NODE))
            return BtreeNodeFault.WrongFlags;
        ulong valueSize = header.ValueSize.Value, max = header.MaxEntries.Value, count = header.EntryCount.Value;
        if (valueSize != (header.Flags == BtreeNodeFlags.LEAF_NODE ? (ulong)leafValueSize : 8))
            return BtreeNodeFault.WrongValueSize;
        if (HeaderSize + max * (8 + valueSize) > MetadataBlock.Size)
            return BtreeNodeFault.MaxEntriesTooLarge;
        if (max % 3 != 0)
            return BtreeNodeFault.MaxEntriesNotDivisibleByThree;
        if (count > max)
            return BtreeNodeFault.TooManyEntries;
        if (!isRoot && count < max / 3)
            return BtreeNodeFault.TooFewEntries;
        return BtreeKeys.AreInOrder(new BtreeNode(block).Keys) ? BtreeNodeFault.None : BtreeNodeFault.KeysOutOfOrder;
    }
}
