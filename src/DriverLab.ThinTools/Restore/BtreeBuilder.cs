using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using DriverLab.Formats;
using DriverLab.Formats.PersistentData;

namespace DriverLab.ThinTools.Restore;

/// <summary>A node that was written.</summary>
internal readonly record struct WrittenNode(ulong FirstKey, ulong Block, int Count);

/// <summary>Builds a btree from the bottom: leaves are written full as entries come in rising order, and each level above is built the same way from the one below.</summary>
/// <typeparam name="T">The values.</typeparam>
internal sealed class BtreeBuilder<T>(BlockAppender blocks) where T : unmanaged
{
    private readonly NodeLevel<T> _leaves = new(blocks, BtreeNodeFlags.LEAF_NODE);
    private readonly List<NodeLevel<Le<ulong>>> _internals = [];

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Add(ulong key, in T value)
    {
        if (_leaves.IsFull)
            Parent(0, _leaves.WriteFull());
        _leaves.Add(key, value);
    }

    /// <summary>Adds a leaf that stands on disk already, between what was added before and what comes after; only when <see cref="CanClose"/>.</summary>
    public void AddLeaf(in WrittenNode leaf)
    {
        WriteRest();
        Parent(0, leaf);
    }

    /// <summary>True when the entries so far can be closed into leaves that are full enough to stand inside a tree.</summary>
    public bool CanClose => _leaves.Count == 0 || _leaves.Count >= NodeLevel<T>.Least;

    /// <summary>Writes what is left.</summary>
    /// <returns>The root's block.</returns>
    public ulong Finish()
    {
        if (_leaves.Count > 0 || _internals.Count == 0)
            WriteRest(mayBeEmpty: true);
        for (int i = 0; ; i++)
        {
            var level = _internals[i];
            if (i == _internals.Count - 1 && level.Count == 1)
                return level.OnlyChild;
            foreach (var node in level.WriteRest())
                Parent(i + 1, node);
        }
    }

    private void WriteRest(bool mayBeEmpty = false)
    {
        if (_leaves.Count == 0 && !mayBeEmpty)
            return;
        foreach (var node in _leaves.WriteRest())
            Parent(0, node);
    }

    private void Parent(int level, in WrittenNode node)
    {
        if (_internals.Count == level)
            _internals.Add(new(blocks, BtreeNodeFlags.INTERNAL_NODE));
        var parent = _internals[level];
        if (parent.IsFull)
            Parent(level + 1, parent.WriteFull());
        parent.Add(node.FirstKey, node.Block);
    }
}

/// <summary>The entries of one level that are not written yet: a node's worth, and a third of one more so that the last two nodes can share.</summary>
internal sealed class NodeLevel<T>(BlockAppender blocks, BtreeNodeFlags flags) where T : unmanaged
{
    private static readonly int s_max = BtreeNode.MaxEntriesFor(Unsafe.SizeOf<T>());
    private readonly Le<ulong>[] _keys = new Le<ulong>[s_max + s_max / 3];
    private readonly T[] _values = new T[s_max + s_max / 3];

    public int Count { get; private set; }

    /// <summary>The fewest entries of a node that is no root.</summary>
    public static int Least => s_max / 3;

    public bool IsFull => Count == _keys.Length;

    public ulong OnlyChild => Unsafe.BitCast<T, Le<ulong>>(_values[0]).Value;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Add(ulong key, in T value)
    {
        _keys[Count] = key;
        _values[Count++] = value;
    }

    /// <summary>Writes one full node and keeps the rest.</summary>
    public WrittenNode WriteFull()
    {
        var node = Write(0, s_max);
        int left = Count - s_max;
        Array.Copy(_keys, s_max, _keys, 0, left);
        Array.Copy(_values, s_max, _values, 0, left);
        Count = left;
        return node;
    }

    /// <summary>Writes all: one node, or two halves.</summary>
    public WrittenNode[] WriteRest()
    {
        int first = Count > s_max ? Count / 2 : Count;
        WrittenNode[] nodes = first < Count ? [Write(0, first), Write(first, Count - first)] : [Write(0, first)];
        Count = 0;
        return nodes;
    }

    private WrittenNode Write(int from, int count)
    {
        var block = blocks.Append();
        ref var header = ref DiskView.Edit<BtreeNodeHeader>(block);
        header.RawFlags = (uint)flags;
        header.BlockNr = blocks.Next - 1;
        header.EntryCount = (uint)count;
        header.MaxEntries = (uint)s_max;
        header.ValueSize = (uint)Unsafe.SizeOf<T>();
        MemoryMarshal.AsBytes(_keys.AsSpan(from, count)).CopyTo(block[32..]);
        MemoryMarshal.AsBytes(_values.AsSpan(from, count)).CopyTo(block[(32 + s_max * 8)..]);
        return new(count > 0 ? _keys[from].Value : 0, blocks.Seal(MetadataBlockKind.BtreeNode), count);
    }
}
