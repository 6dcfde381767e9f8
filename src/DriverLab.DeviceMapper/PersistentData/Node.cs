using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using DriverLab.Formats;
using DriverLab.Formats.PersistentData;

namespace DriverLab.DeviceMapper.PersistentData;

/// <summary>A btree node, changed in place.</summary>
internal readonly struct Node(byte[] data)
{
    private const int HeaderSize = 32;

    private ref BtreeNodeHeader Header => ref DiskView.Edit<BtreeNodeHeader>(data);

    public int Count
    {
        get => (int)Header.EntryCount.Value;
        set => Header.EntryCount = (uint)value;
    }

    public int Max => (int)Header.MaxEntries.Value;

    public int ValueSize => (int)Header.ValueSize.Value;

    public bool IsLeaf => (Header.Flags & BtreeNodeFlags.LEAF_NODE) != 0;

    private Span<Le<ulong>> Keys => MemoryMarshal.Cast<byte, Le<ulong>>(data.AsSpan(HeaderSize, Max * 8));

    public ulong Key(int index) => Keys[index].Value;

    public void SetKey(int index, ulong key) => Keys[index] = key;

    /// <summary>The bytes of values from an index on.</summary>
    public Span<byte> Values(int index, int count = 1) => data.AsSpan(HeaderSize + Max * 8 + index * ValueSize, count * ValueSize);

    /// <summary>A value of a size that the node may not agree with: a block of another tree, in damaged metadata.</summary>
    /// <remarks>Linux drivers/md/persistent-data/dm-btree.c: btree_lookup_raw().</remarks>
    public ReadOnlySpan<byte> Value(int index, int size) => data.AsSpan(HeaderSize + Max * 8 + index * ValueSize, size);

    public ulong Value64(int index) => BinaryPrimitives.ReadUInt64LittleEndian(Values(index));

    public void SetValue64(int index, ulong value) => BinaryPrimitives.WriteUInt64LittleEndian(Values(index), value);

    /// <summary>The last key that is not above the given one; -1 when all are.</summary>
    public int LowerBound(ulong key) => BtreeKeys.LowerBound(Keys[..Count], key);

    /// <summary>The same where the keys rise.</summary>
    public int LowerBoundInOrder(ulong key) => BtreeKeys.LowerBoundInOrder(Keys[..Count], key);

    public bool AreKeysInOrder => BtreeKeys.AreInOrder(Keys[..Count]);

    /// <summary>Makes an empty block a node.</summary>
    public void Initialise(bool leaf, int valueSize, int max)
    {
        ref var header = ref Header;
        header.RawFlags = (uint)(leaf ? BtreeNodeFlags.LEAF_NODE : BtreeNodeFlags.INTERNAL_NODE);
        header.EntryCount = 0;
        header.MaxEntries = (uint)max;
        header.ValueSize = (uint)valueSize;
        header.Padding = 0;
    }

    /// <summary>Makes an empty block a node of the same shape as another.</summary>
    public void InitialiseLike(Node other) => Initialise(other.IsLeaf, other.ValueSize, other.Max);

    public void InsertAt(int index, ulong key, ReadOnlySpan<byte> value)
    {
        int count = Count, tail = count - index;
        Count = count + 1;
        var keys = Keys;
        keys.Slice(index, tail).CopyTo(keys[(index + 1)..]);
        keys[index] = key;
        Values(index, tail).CopyTo(Values(index + 1, tail));
        value.CopyTo(Values(index));
    }

    public void InsertAt(int index, ulong key, ulong value)
    {
        Span<byte> bytes = stackalloc byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, value);
        InsertAt(index, key, bytes);
    }

    public void DeleteAt(int index)
    {
        int tail = Count - index - 1;
        var keys = Keys;
        keys.Slice(index + 1, tail).CopyTo(keys[index..]);
        Values(index + 1, tail).CopyTo(Values(index, tail));
        Count--;
    }

    /// <summary>Moves entries between neighbours: a positive count from the left one's end to the right one's start, a negative count the other way.</summary>
    public static void Shift(Node left, Node right, int count)
    {
        if (count > 0)
        {
            right.MakeRoom(count);
            left.CopyTo(left.Count - count, right, 0, count);
            left.Count -= count;
            right.Count += count;
        }
        else if (count < 0)
        {
            count = -count;
            right.CopyTo(0, left, left.Count, count);
            left.Count += count;
            right.DropFirst(count);
        }
    }

    /// <summary>Copies the whole block.</summary>
    public void CopyWhole(Node target) => data.CopyTo(target.Block, 0);

    private byte[] Block => data;

    private void CopyTo(int from, Node target, int to, int count)
    {
        Keys.Slice(from, count).CopyTo(target.Keys[to..]);
        Values(from, count).CopyTo(target.Values(to, count));
    }

    private void MakeRoom(int count)
    {
        int entries = Count;
        Keys[..entries].CopyTo(Keys[count..]);
        Values(0, entries).CopyTo(Values(count, entries));
    }

    private void DropFirst(int count)
    {
        int rest = Count - count;
        Keys.Slice(count, rest).CopyTo(Keys);
        Values(count, rest).CopyTo(Values(0, rest));
        Count = rest;
    }
}
