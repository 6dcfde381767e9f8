using DriverLab.Formats.PersistentData;
using DriverLab.Linux;

namespace DriverLab.DeviceMapper.PersistentData;

/// <summary>What the values of a btree are: their size, and what else they count references of.</summary>
internal abstract class BtreeValues(int size)
{
    /// <summary>Bytes of one value.</summary>
    public int Size { get; } = size;

    /// <summary>True when the values are roots of trees, which deleting this tree will read.</summary>
    public virtual bool AreTrees => false;

    /// <summary>A copy of these values exists now.</summary>
    public virtual void Inc(ReadOnlySpan<byte> values)
    {
    }

    /// <summary>These values are gone.</summary>
    public virtual void Dec(ReadOnlySpan<byte> values)
    {
    }

    /// <summary>True when two values stand for the same thing, so that replacing one by the other counts nothing.</summary>
    public virtual bool Same(ReadOnlySpan<byte> a, ReadOnlySpan<byte> b) => false;
}

/// <summary>Values that count nothing.</summary>
internal sealed class PlainValues(int size) : BtreeValues(size)
{
    public override bool Same(ReadOnlySpan<byte> a, ReadOnlySpan<byte> b) => true;
}

/// <summary>A btree of one level whose nodes are metadata blocks. Roots are the callers'; every change gives a new one.</summary>
/// <remarks>Linux drivers/md/persistent-data/dm-btree.c, dm-btree-remove.c, dm-btree-spine.c.</remarks>
internal sealed partial class Btree(TransactionManager transactions, BtreeValues values)
{
    private const MetadataBlockKind Kind = MetadataBlockKind.BtreeNode;

    /// <summary>A tree without entries.</summary>
    /// <returns>Its root.</returns>
    public ulong MakeEmpty()
    {
        var buffer = transactions.NewBlock(Kind);
        buffer.Node.Initialise(leaf: true, values.Size, BtreeNode.MaxEntriesFor(values.Size));
        return buffer.Number;
    }

    private Node Read(ulong block) => transactions.Blocks.Read(block, Kind).Node;

    private int LowerBound(Node node, ulong key) => transactions.Blocks.AreKeysInOrder ? node.LowerBoundInOrder(key) : node.LowerBound(key);

    /// <summary>Copies a node for changing; when others still use the old one, its children have one user more.</summary>
    private MetadataBuffer Shadow(ulong block)
    {
        var buffer = transactions.Shadow(block, Kind, out bool wasShared);
        if (wasShared)
            IncChildren(buffer.Node);
        return buffer;
    }

    private void IncChildren(Node node)
    {
        if (node.IsLeaf)
        {
            values.Inc(node.Values(0, node.Count));
            return;
        }
        for (int i = 0; i < node.Count; i++)
            transactions.Inc(node.Value64(i));
    }

    /// <summary>Finds a value.</summary>
    public bool TryFind(ulong root, ulong key, out ReadOnlySpan<byte> value)
    {
        var node = Read(root);
        int index = LowerBound(node, key);
        while (index >= 0 && !node.IsLeaf)
        {
            node = Read(node.Value64(index));
            index = LowerBound(node, key);
        }
        bool found = index >= 0 && node.Key(index) == key;
        value = found ? node.Value(index, values.Size) : default;
        return found;
    }

    /// <summary>Finds a value of eight bytes without waiting.</summary>
    /// <returns>OK, ENODATA, EAGAIN (a node is not in memory).</returns>
    public Errno TryFindCached(ulong root, ulong key, out ulong value)
    {
        value = 0;
        for (ulong block = root; ;)
        {
            if (transactions.Blocks.CachedNode(block) is not { } buffer)
                return Errno.EAGAIN;
            buffer.WasUsed = true;
            var node = buffer.Node;
            int index = LowerBound(node, key);
            if (index < 0)
                return Errno.ENODATA;
            if (node.IsLeaf)
            {
                if (node.Key(index) != key)
                    return Errno.ENODATA;
                value = node.Value64(index);
                return Errno.OK;
            }
            block = node.Value64(index);
        }
    }

    /// <summary>Finds the first entry at or after a key.</summary>
    public bool TryFindNext(ulong root, ulong key, out ulong foundKey, out ReadOnlySpan<byte> value)
    {
        var node = Read(root);
        int index = node.LowerBound(key);
        if (node.IsLeaf)
        {
            if (index < 0 || node.Key(index) < key)
                index++;
            bool found = index < node.Count;
            foundKey = found ? node.Key(index) : 0;
            value = found ? node.Value(index, values.Size) : default;
            return found;
        }
        for (index = Math.Max(index, 0); index < node.Count; index++)
            if (TryFindNext(node.Value64(index), key, out foundKey, out value))
                return true;
        foundKey = 0;
        value = default;
        return false;
    }

    /// <summary>The highest key; false when the tree is empty.</summary>
    public bool TryHighestKey(ulong root, out ulong key)
    {
        var node = Read(root);
        while (!node.IsLeaf)
            node = Read(node.Value64(node.Count - 1));
        key = node.Count > 0 ? node.Key(node.Count - 1) : 0;
        return node.Count > 0;
    }

    /// <summary>Gives up a whole tree: nodes that others use lose a reference, all others go with what they hold.</summary>
    /// <remarks>Linux drivers/md/persistent-data/dm-btree.c: dm_btree_del().</remarks>
    public void Delete(ulong root)
    {
        if (!transactions.IsShared(root))
        {
            var node = Read(root);
            if (!node.IsLeaf || values.AreTrees)
                for (int i = 0; i < node.Count; i++)
                    transactions.Blocks.Prefetch(node.Value64(i), Kind);
            if (node.IsLeaf)
                values.Dec(node.Values(0, node.Count));
            else
                for (int i = 0; i < node.Count; i++)
                    Delete(node.Value64(i));
        }
        transactions.Dec(root);
    }
}
