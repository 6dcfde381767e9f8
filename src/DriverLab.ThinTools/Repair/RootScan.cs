using DriverLab.Formats;
using DriverLab.Formats.PersistentData;
using DriverLab.Formats.Thin;
using DriverLab.ThinTools.Check;
using DriverLab.ThinTools.Io;
using DriverLab.ThinTools.Model;
using DriverLab.ThinTools.Trees;

namespace DriverLab.ThinTools.Repair;

/// <summary>A pair of roots that fit each other.</summary>
internal sealed record RootPair(ulong MappingRoot, ulong DetailsRoot, DeviceTable Table)
{
    public ulong NewestTransaction => Table.Details.Values.Select(device => device.TransactionId).DefaultIfEmpty().Max();

    public uint NewestTime => Table.Details.Values.Select(device => Math.Max(device.CreationTime, device.SnapshotTime)).DefaultIfEmpty().Max();
}

/// <summary>Looks at every block for roots of mapping and details trees, for when the superblock's are gone. Copy-on-write leaves old ones behind; the newest that fit win.</summary>
internal static class RootScan
{
    private const int BlocksARead = 256;

    /// <summary>The best pair; null when there is none.</summary>
    /// <param name="metadata">Metadata whose superblock need not be right.</param>
    /// <param name="trusted">Roots that the superblock names, preferred when they are sound.</param>
    public static RootPair? Best(ThinMetadata metadata, (ulong Mapping, ulong Details) trusted)
    {
        var (tops, details) = Candidates(metadata.Device);
        var tables = details.Append(trusted.Details).Distinct().Select(root => (Root: root, Table: DeviceTable.Load(metadata, 0, root)))
            .Where(each => each.Table.DetailsDamages.Count == 0).ToList();
        var pairs = new List<(RootPair Pair, int Sound, int Matching)>();
        foreach (ulong top in tops.Append(trusted.Mapping).Distinct())
        {
            var roots = DeviceTable.Load(metadata, top, 0);
            if (roots.TopDamages.Count > 0)
                continue;
            foreach (var (root, _) in tables.Where(each => each.Table.Details.Keys.SequenceEqual(roots.Roots.Keys)))
            {
                var pair = new RootPair(top, root, DeviceTable.Load(metadata, top, root));
                var (sound, matching) = Judge(metadata.Device, pair);
                pairs.Add((pair, sound, matching));
            }
        }
        // Newest first; among equals the one whose devices hold as many mappings as the details say, for both are written at each commit.
        return pairs.OrderByDescending(each => each.Pair.MappingRoot == trusted.Mapping && each.Pair.DetailsRoot == trusted.Details)
            .ThenByDescending(each => each.Pair.NewestTransaction).ThenByDescending(each => each.Pair.NewestTime)
            .ThenByDescending(each => each.Matching).ThenByDescending(each => each.Sound).ThenByDescending(each => each.Pair.Table.Roots.Count)
            .Select(each => each.Pair).FirstOrDefault();
    }

    /// <summary>Nodes that no other node points to, by what their leaves hold.</summary>
    private static (List<ulong> Tops, List<ulong> Details) Candidates(MetadataDevice device)
    {
        var nodes = new Dictionary<ulong, (int ValueSize, bool IsLeaf, ulong FirstChild, bool MayBeTop)>();
        var children = new HashSet<ulong>();
        var buffer = new byte[BlocksARead * MetadataBlock.Size];
        ulong end = Math.Min(device.BlockCount, MetadataDevice.MaxPoolBlocks);
        for (ulong first = 0; first < end; first += BlocksARead)
        {
            int count = (int)Math.Min(BlocksARead, end - first);
            bool isWhole = device.TryRead(first, buffer.AsSpan(0, count * MetadataBlock.Size));
            for (int i = 0; i < count; i++)
            {
                var block = buffer.AsSpan(i * MetadataBlock.Size, MetadataBlock.Size);
                if (isWhole || device.TryRead(first + (ulong)i, block))
                    Look(first + (ulong)i, block, end, nodes, children);
            }
        }
        var tops = new List<ulong>();
        var details = new List<ulong>();
        foreach (var (block, node) in nodes.Where(pair => !children.Contains(pair.Key)))
        {
            var leaf = node;
            for (int depth = 0; !leaf.IsLeaf && depth < TreeWalker.MaxDepth && nodes.TryGetValue(leaf.FirstChild, out var below); depth++)
                leaf = below;
            if (leaf.IsLeaf && leaf.ValueSize == 24)
                details.Add(block);
            else if (leaf.IsLeaf && leaf.MayBeTop)
                tops.Add(block);
        }
        return (tops, details);
    }

    private static void Look(ulong number, ReadOnlySpan<byte> block, ulong end, Dictionary<ulong, (int, bool, ulong, bool)> nodes, HashSet<ulong> children)
    {
        if (!MetadataBlock.HasValidChecksum(block, MetadataBlockKind.BtreeNode))
            return;
        int valueSize = (int)Math.Min(DiskView.Read<BtreeNodeHeader>(block).ValueSize.Value, 4096);
        if (valueSize is not (8 or 24) || BtreeNode.Check(block, number, valueSize, isRoot: true) != BtreeNodeFault.None)
            return;
        var node = new BtreeNode(block);
        var values = valueSize == 8 ? node.Values<Le<ulong>>() : [];
        bool mayBeTop = node.IsLeaf && valueSize == 8;
        foreach (var value in values)
        {
            if (!node.IsLeaf)
                _ = children.Add(value.Value);
            mayBeTop &= value.Value > 0 && value.Value < end;
        }
        if (mayBeTop && node.Count > 0)
            mayBeTop = node.Keys[^1].Value <= 0xff_ffff;
        nodes[number] = (valueSize, node.IsLeaf, node.IsLeaf || values.Length == 0 ? 0 : values[0].Value, mayBeTop);
    }

    /// <summary>How many devices can be walked whole, and how many of them hold what their details say.</summary>
    private static (int Sound, int Matching) Judge(MetadataDevice device, RootPair pair)
    {
        int sound = 0, matching = 0;
        foreach (var thin in pair.Table.Devices())
        {
            var visitor = new Counter();
            new TreeWalker(device, 8).Walk(new(thin.Root, ""), ref visitor);
            if (visitor.IsDamaged)
                continue;
            sound++;
            matching += visitor.Mappings == thin.Description.MappedBlocks ? 1 : 0;
        }
        return (sound, matching);
    }

    private struct Counter : ITreeVisitor
    {
        public ulong Mappings { get; private set; }

        public bool IsDamaged { get; private set; }

        public readonly bool Enter(ulong block) => !IsDamaged;

        public void Leaf(ulong block, BtreeNode node) => Mappings += (ulong)node.Count;

        public void Damaged(Damage damage) => IsDamaged = true;
    }
}
