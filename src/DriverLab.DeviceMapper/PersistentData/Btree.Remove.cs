using DriverLab.Linux;

namespace DriverLab.DeviceMapper.PersistentData;

/// <summary>Removal: nodes are merged or evened out on the way down.</summary>
/// <remarks>Linux drivers/md/persistent-data/dm-btree-remove.c: remove_raw(), rebalance_children().</remarks>
internal sealed partial class Btree
{
    /// <summary>Removes a key.</summary>
    /// <exception cref="MetadataException">ENODATA: there is no such key; nodes on the way may have been merged all the same.</exception>
    public void Remove(ref ulong root, ulong key)
    {
        var leaf = WalkForRemoval(ref root, key).Node;
        int index = leaf.LowerBound(key);
        if (index < 0 || leaf.Key(index) != key)
            throw new MetadataException(Errno.ENODATA);
        values.Dec(leaf.Values(index));
        leaf.DeleteAt(index);
    }

    /// <summary>Removes all keys of a run without holes, from the first one at or after <paramref name="first"/> to the last before <paramref name="end"/> in reach of one leaf after another.</summary>
    /// <returns>The number of keys removed.</returns>
    /// <remarks>Linux drivers/md/persistent-data/dm-btree-remove.c: dm_btree_remove_leaves().</remarks>
    public ulong RemoveLeaves(ref ulong root, ref ulong first, ulong end)
    {
        for (ulong removed = 0; ; removed++)
        {
            var leaf = WalkForRemoval(ref root, first).Node;
            int index = Math.Max(leaf.LowerBound(first), 0);
            if (index >= leaf.Count)
                return removed;
            ulong key = leaf.Key(index);
            if (key < first || key >= end)
                return removed;
            values.Dec(leaf.Values(index));
            leaf.DeleteAt(index);
            first = key + 1;
        }
    }

    private MetadataBuffer WalkForRemoval(ref ulong root, ulong key)
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
            if (!current.Node.IsLeaf)
                RebalanceChildren(current, key);
            var node = current.Node;
            if (node.IsLeaf)
                return current;
            at = node.LowerBound(key);
            if (at < 0)
                throw new MetadataException(Errno.ENODATA);
            parent = current;
            block = node.Value64(at);
        }
    }

    private void RebalanceChildren(MetadataBuffer parent, ulong key)
    {
        var node = parent.Node;
        if (node.Count == 1)
        {
            ulong only = node.Value64(0);
            bool wasShared = transactions.IsShared(only);
            Read(only).CopyWhole(node);
            if (wasShared)
                IncChildren(node);
            transactions.Dec(only);
            return;
        }
        int at = node.LowerBound(key);
        if (at < 0)
            throw new MetadataException(Errno.ENODATA);
        if (at == 0)
            RebalanceTwo(node, ShadowChild(node, 0), ShadowChild(node, 1), 1);
        else if (at == node.Count - 1)
            RebalanceTwo(node, ShadowChild(node, at - 1), ShadowChild(node, at), at);
        else
            RebalanceThree(node, ShadowChild(node, at - 1), ShadowChild(node, at), ShadowChild(node, at + 1), at);
    }

    /// <param name="parent">The node above.</param>
    /// <param name="left">The left one of two neighbours.</param>
    /// <param name="right">The right one.</param>
    /// <param name="rightAt">Where the parent has the right one.</param>
    private void RebalanceTwo(Node parent, MetadataBuffer left, MetadataBuffer right, int rightAt)
    {
        var (l, r) = (left.Node, right.Node);
        int total = l.Count + r.Count, threshold = 2 * (l.Max / 3 + 1);
        if (total < threshold)
        {
            Node.Shift(l, r, -r.Count);
            parent.DeleteAt(rightAt);
            transactions.Dec(right.Number);
            return;
        }
        Node.Shift(l, r, l.Count - total / 2);
        parent.SetKey(rightAt, r.Key(0));
    }

    private void RebalanceThree(Node parent, MetadataBuffer left, MetadataBuffer centre, MetadataBuffer right, int centreAt)
    {
        var (l, c, r) = (left.Node, centre.Node, right.Node);
        int total = l.Count + c.Count + r.Count;
        if (total < 4 * (l.Max / 3) + 1)
        {
            Node.Shift(l, c, -Math.Min(l.Max - l.Count, c.Count));
            Node.Shift(c, r, c.Count);
            parent.SetKey(centreAt + 1, r.Key(0));
            parent.DeleteAt(centreAt);
            transactions.Dec(centre.Number);
            RebalanceTwo(parent, left, right, centreAt);
            return;
        }
        ShareOut(l, c, r, total);
        parent.SetKey(centreAt, c.Key(0));
        parent.SetKey(centreAt + 1, r.Key(0));
    }

    /// <summary>A third each; what does not divide goes to the left, then to the centre.</summary>
    private static void ShareOut(Node l, Node c, Node r, int total)
    {
        int rightTarget = total / 3, leftTarget = rightTarget + (total % 3 == 0 ? 0 : 1);
        if (l.Count < r.Count)
        {
            int move = l.Count - leftTarget;
            if (move < 0 && c.Count < -move)
            {
                move += c.Count;
                Node.Shift(l, c, -c.Count);
                Node.Shift(l, r, move);
            }
            else
            {
                Node.Shift(l, c, move);
            }
            Node.Shift(c, r, rightTarget - r.Count);
            return;
        }
        int give = rightTarget - r.Count;
        if (give > 0 && c.Count < give)
        {
            give -= c.Count;
            Node.Shift(c, r, c.Count);
            Node.Shift(l, r, give);
        }
        else
        {
            Node.Shift(c, r, give);
        }
        Node.Shift(l, c, l.Count - leftTarget);
    }
}
