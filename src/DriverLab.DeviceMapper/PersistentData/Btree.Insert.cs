using DriverLab.Formats.PersistentData;

namespace DriverLab.DeviceMapper.PersistentData;

/// <summary>Insertion: room is made on the way down, so that nothing has to be done on the way back.</summary>
/// <remarks>Linux drivers/md/persistent-data/dm-btree.c: btree_insert_raw(), rebalance_or_split().</remarks>
internal sealed partial class Btree
{
    /// <summary>A neighbour takes entries over only when it has at least this much room.</summary>
    private const int RoomWorthMoving = 8;

    /// <summary>Inserts or replaces.</summary>
    /// <returns>True when the key is new.</returns>
    public bool Insert(ref ulong root, ulong key, ReadOnlySpan<byte> value)
    {
        var leaf = MakeRoom(ref root, key, out int index).Node;
        if (index >= leaf.Count || leaf.Key(index) != key)
        {
            leaf.InsertAt(index, key, value);
            return true;
        }
        var old = leaf.Values(index);
        if (!values.Same(old, value))
            values.Dec(old);
        value.CopyTo(old);
        return false;
    }

    /// <summary>Walks to the leaf of a key with room for one entry more; every node on the way is this transaction's own afterwards.</summary>
    /// <param name="root">The root; changed.</param>
    /// <param name="key">The key.</param>
    /// <param name="index">Where the key is or should be.</param>
    public MetadataBuffer MakeRoom(ref ulong root, ulong key, out int index)
    {
        MetadataBuffer? parent = null;
        int at = 0;
        for (ulong block = root; ;)
        {
            var current = Shadow(block);
            if (parent is null)
                root = current.Number;
            else
                parent.Node.SetValue64(at, current.Number);
            if (!HasRoom(current.Node, key))
                current = parent is null ? SplitBeneath(current, key) : RebalanceOrSplit(parent, at, current, key);
            var node = current.Node;
            at = LowerBound(node, key);
            if (node.IsLeaf)
            {
                index = at < 0 || node.Key(at) != key ? at + 1 : at;
                return current;
            }
            if (at < 0)
            {
                node.SetKey(0, key);
                at = 0;
            }
            parent = current;
            block = node.Value64(at);
        }
    }

    private bool HasRoom(Node node, ulong key)
    {
        if (node.Count < node.Max)
            return true;
        return node.IsLeaf && LowerBound(node, key) is >= 0 and var index && node.Key(index) == key;
    }

    /// <summary>A full root keeps its block: its entries move to two new children.</summary>
    private MetadataBuffer SplitBeneath(MetadataBuffer root, ulong key)
    {
        var left = transactions.NewBlock(Kind);
        var right = transactions.NewBlock(Kind);
        var (node, l, r) = (root.Node, left.Node, right.Node);
        l.InitialiseLike(node);
        r.InitialiseLike(node);
        int leftCount = node.Count / 2;
        Node.Shift(node, r, node.Count - leftCount);
        Node.Shift(l, node, -leftCount);
        node.Initialise(leaf: false, 8, BtreeNode.MaxEntriesFor(8));
        node.InsertAt(0, l.Key(0), left.Number);
        node.InsertAt(1, r.Key(0), right.Number);
        return key < r.Key(0) ? left : right;
    }

    private MetadataBuffer RebalanceOrSplit(MetadataBuffer parent, int at, MetadataBuffer current, ulong key)
    {
        var node = parent.Node;
        if (transactions.Blocks.Device.Layer.World.Mutations.Has(Simulation.Mutation.ThinNodesNeverEvenOut))
            return SplitInTwo(parent, at, current, key);
        bool isFirst = at == 0, isLast = at == node.Count - 1, isSiblingShared = false;
        if (!isFirst)
        {
            isSiblingShared = transactions.IsShared(node.Value64(at - 1));
            if (!isSiblingShared && Room(node.Value64(at - 1)) >= RoomWorthMoving)
                return RebalanceLeft(parent, at, current, key);
        }
        if (!isLast)
        {
            bool isShared = transactions.IsShared(node.Value64(at + 1));
            if (!isShared && Room(node.Value64(at + 1)) >= RoomWorthMoving)
                return RebalanceRight(parent, at, current, key);
            isSiblingShared |= isShared;
        }
        return isSiblingShared || node.Count <= 2 || isFirst || isLast ? SplitInTwo(parent, at, current, key) : SplitTwoInThree(parent, at, current, key);
    }

    private int Room(ulong block)
    {
        var node = Read(block);
        return node.Max - node.Count;
    }

    /// <summary>Copies a sibling for changing and tells the parent.</summary>
    private MetadataBuffer ShadowChild(Node parent, int at)
    {
        var child = Shadow(parent.Value64(at));
        parent.SetValue64(at, child.Number);
        return child;
    }

    private static void EvenOut(Node left, Node right) => Node.Shift(left, right, left.Count - (left.Count + right.Count) / 2);

    private MetadataBuffer RebalanceLeft(MetadataBuffer parent, int at, MetadataBuffer current, ulong key)
    {
        var left = ShadowChild(parent.Node, at - 1);
        EvenOut(left.Node, current.Node);
        parent.Node.SetKey(at, current.Node.Key(0));
        return key < current.Node.Key(0) ? left : current;
    }

    private MetadataBuffer RebalanceRight(MetadataBuffer parent, int at, MetadataBuffer current, ulong key)
    {
        var right = ShadowChild(parent.Node, at + 1);
        EvenOut(current.Node, right.Node);
        parent.Node.SetKey(at + 1, right.Node.Key(0));
        return key < right.Node.Key(0) ? current : right;
    }

    private MetadataBuffer SplitInTwo(MetadataBuffer parent, int at, MetadataBuffer current, ulong key)
    {
        var right = transactions.NewBlock(Kind);
        var (l, r) = (current.Node, right.Node);
        r.InitialiseLike(l);
        Node.Shift(l, r, l.Count - l.Count / 2);
        parent.Node.InsertAt(at + 1, r.Key(0), right.Number);
        return key < r.Key(0) ? current : right;
    }

    /// <summary>Two full neighbours become three.</summary>
    private MetadataBuffer SplitTwoInThree(MetadataBuffer parent, int at, MetadataBuffer current, ulong key)
    {
        var left = ShadowChild(parent.Node, at - 1);
        var middle = transactions.NewBlock(Kind);
        var (l, m, r) = (left.Node, middle.Node, current.Node);
        m.InitialiseLike(l);
        int total = l.Count + r.Count, leftTarget = total / 3, rightTarget = total - leftTarget - (total - leftTarget) / 2;
        Node.Shift(l, m, l.Count - leftTarget);
        Node.Shift(m, r, rightTarget - r.Count);
        parent.Node.InsertAt(at, m.Key(0), middle.Number);
        parent.Node.SetKey(at + 1, r.Key(0));
        return key < m.Key(0) ? left : key < r.Key(0) ? middle : current;
    }
}
