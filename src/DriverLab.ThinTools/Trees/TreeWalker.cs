using System.Text;
using DriverLab.Formats;
using DriverLab.Formats.PersistentData;
using DriverLab.ThinTools.Io;

namespace DriverLab.ThinTools.Trees;

/// <summary>What a walk through a btree tells.</summary>
internal interface ITreeVisitor
{
    /// <summary>A block of the tree, before it is read. False: neither it nor what is below is wanted.</summary>
    bool Enter(ulong block);

    /// <summary>A leaf, in key order; the view is good until the method returns.</summary>
    void Leaf(ulong block, BtreeNode node);

    /// <summary>A part of the tree that cannot be walked.</summary>
    void Damaged(Damage damage);
}

/// <summary>Where a walk begins.</summary>
/// <param name="Block">The block.</param>
/// <param name="Path">How it was reached.</param>
/// <param name="IsRoot">A root may hold fewer entries than other nodes.</param>
/// <param name="Low">No key below this is expected.</param>
/// <param name="High">No key from this on is expected; null when there is no bound.</param>
internal readonly record struct TreeStart(ulong Block, string Path, bool IsRoot = true, ulong Low = 0, ulong? High = null);

/// <summary>Walks btrees in key order, checking each node on the way. Siblings that lie side by side are read at once. Not for two threads at a time.</summary>
/// <param name="device">Where the tree is.</param>
/// <param name="leafValueSize">Size of the tree's values in bytes.</param>
internal sealed class TreeWalker(MetadataDevice device, int leafValueSize)
{
    /// <summary>A tree of 2^64 keys, of nodes a third full, is not as deep as this.</summary>
    public const int MaxDepth = 12;
    private const int MostBlocksARead = 64;

    private readonly Level[] _levels = new Level[MaxDepth];
    private string _path = "";

    public void Walk<T>(in TreeStart start, ref T visitor) where T : ITreeVisitor, allows ref struct
    {
        _path = start.Path;
        Visit(start.Block, 0, start.IsRoot, start.Low, start.High, [], ref visitor);
    }

    private void Visit<T>(ulong block, int depth, bool isRoot, ulong low, ulong? high, ReadOnlySpan<Le<ulong>> following, ref T visitor) where T : ITreeVisitor, allows ref struct
    {
        if (block >= device.BlockCount)
        {
            visitor.Damaged(At(DamageReason.OutOfRange, block, depth, low, high, $"there is no such block; the device has {device.BlockCount} blocks"));
            return;
        }
        if (depth == MaxDepth || IsAncestor(block, depth))
        {
            visitor.Damaged(At(DamageReason.Loop, block, depth, low, high, depth == MaxDepth ? $"the tree is deeper than {MaxDepth} levels" : "the node is its own ancestor"));
            return;
        }
        if (!visitor.Enter(block))
            return;
        ref var level = ref _levels[depth];
        if (!level.TryRead(device, block, following, out var bytes))
        {
            visitor.Damaged(At(DamageReason.Unreadable, block, depth, low, high, "the block cannot be read: input/output error"));
            return;
        }
        var fault = BtreeNode.Check(bytes, block, leafValueSize, isRoot);
        if (fault != BtreeNodeFault.None)
        {
            visitor.Damaged(At(Damage.Of(fault), block, depth, low, high, Damage.Explain(fault, bytes, block, leafValueSize)));
            return;
        }
        var node = new BtreeNode(bytes);
        var keys = node.Keys;
        if (keys.Length > 0 && (keys[0].Value < low || keys[^1].Value >= high))
        {
            visitor.Damaged(At(DamageReason.KeyOutsideParentRange, block, depth, low, high, $"keys {keys[0].Value} to {keys[^1].Value} are outside what the parent says: {low} to {(high is { } h ? h - 1 : "the end")}"));
            return;
        }
        if (node.IsLeaf)
        {
            visitor.Leaf(block, node);
            return;
        }
        if (keys.Length == 0)
            visitor.Damaged(At(DamageReason.TooFewEntries, block, depth, low, high, "an internal node has no entry"));
        var children = node.Values<Le<ulong>>();
        level.Block = block;
        for (int i = 0; i < children.Length; i++)
        {
            level.Index = i;
            Visit(children[i].Value, depth + 1, false, keys[i].Value, i + 1 < keys.Length ? keys[i + 1].Value : high, children[(i + 1)..], ref visitor);
        }
    }

    private bool IsAncestor(ulong block, int depth)
    {
        for (int i = 0; i < depth; i++)
        {
            if (_levels[i].Block == block)
                return true;
        }
        return false;
    }

    private Damage At(DamageReason reason, ulong block, int depth, ulong low, ulong? high, string text)
    {
        var path = new StringBuilder(_path);
        for (int i = 0; i < depth; i++)
            _ = path.Append($" > node {_levels[i].Block}[{_levels[i].Index}]");
        return new(reason, Severity.Fatal, block, path.Append($" > block {block}").ToString(), text, low, high);
    }

    /// <summary>The node that is being visited at one depth, and the siblings that were read with it.</summary>
    private struct Level
    {
        public ulong Block;
        public int Index;
        private byte[]? _buffer;
        private ulong _first;
        private int _count;

        public bool TryRead(MetadataDevice device, ulong block, ReadOnlySpan<Le<ulong>> following, out ReadOnlySpan<byte> bytes)
        {
            if (block - _first >= (ulong)_count && !Fill(device, block, following))
            {
                bytes = default;
                return false;
            }
            bytes = _buffer.AsSpan((int)(block - _first) * MetadataBlock.Size, MetadataBlock.Size);
            return true;
        }

        private bool Fill(MetadataDevice device, ulong block, ReadOnlySpan<Le<ulong>> following)
        {
            int run = 1;
            while (run < MostBlocksARead && run <= following.Length && following[run - 1].Value == block + (ulong)run && block + (ulong)run < device.BlockCount)
                run++;
            if (_buffer is null || _buffer.Length < run * MetadataBlock.Size)
                _buffer = new byte[(run == 1 ? 1 : MostBlocksARead) * MetadataBlock.Size];
            _first = block;
            _count = run;
            if (device.TryRead(block, _buffer.AsSpan(0, run * MetadataBlock.Size)))
                return true;
            // One bad block must not hide its neighbours.
            _count = run > 1 && device.TryRead(block, _buffer.AsSpan(0, MetadataBlock.Size)) ? 1 : 0;
            return _count == 1;
        }
    }
}
