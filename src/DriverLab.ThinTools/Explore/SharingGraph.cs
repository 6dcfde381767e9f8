using DriverLab.Formats;
using DriverLab.Formats.PersistentData;
using DriverLab.ThinTools.Dump;
using DriverLab.ThinTools.Model;
using DriverLab.ThinTools.Trees;

namespace DriverLab.ThinTools.Explore;

/// <summary>A node of a mapping tree, once however many devices share it.</summary>
internal sealed class GraphNode
{
    public required ulong Block { get; init; }
    public required int Level { get; init; }
    public required bool IsLeaf { get; init; }
    public int Entries { get; init; }
    public ulong FirstKey { get; init; }
    public ulong LastKey { get; init; }
    public List<GraphNode> Children { get; } = [];
    /// <summary>Indexes of the devices that reach it.</summary>
    public SortedSet<int> Users { get; } = [];
    /// <summary>Where it is drawn.</summary>
    public double X { get; set; }
}

/// <summary>Metadata as a picture needs it: devices, nodes and who shares them, data blocks and how many map them.</summary>
internal sealed class SharingGraph
{
    /// <summary>More than this cannot be told apart on a page.</summary>
    public const int MostNodes = 3000;
    private const int MostPairs = 64;

    private readonly Dictionary<ulong, GraphNode> _nodes = [];

    private SharingGraph(ThinMetadata metadata, BlockCounts data)
    {
        Metadata = metadata;
        Data = data;
    }

    public ThinMetadata Metadata { get; }
    public List<ThinDevice> Devices { get; } = [];
    public List<Damage> Damages { get; } = [];
    /// <summary>How many devices map each data block.</summary>
    public BlockCounts Data { get; }
    public IReadOnlyCollection<GraphNode> Nodes => _nodes.Values;
    public List<GraphNode?> Roots { get; } = [];
    /// <summary>Data blocks that two devices both map; null when there are too many devices.</summary>
    public ulong[,]? Common { get; private set; }
    /// <summary>Nodes that were not drawn, because there are too many.</summary>
    public int Omitted { get; private set; }

    public static SharingGraph Load(ThinMetadata metadata)
    {
        var table = DeviceTable.Load(metadata);
        var graph = new SharingGraph(metadata, new(Math.Min(metadata.Superblock.DataSpaceMap.Root.BlockCount.Value, 1UL << 40)));
        graph.Damages.AddRange([.. table.DetailsDamages, .. table.TopDamages, .. table.Mismatches()]);
        graph.Devices.AddRange(table.Devices());
        var masks = graph.Devices.Count <= MostPairs ? new Dictionary<ulong, ulong>() : null;
        for (int i = 0; i < graph.Devices.Count; i++)
        {
            graph.Roots.Add(graph.Node(graph.Devices[i].Root, 0, isRoot: true, i, MetadataDump.PathOf(graph.Devices[i].Description.Id), []));
            var visitor = new DataVisitor(graph, masks, i);
            new TreeWalker(metadata.Device, 8).Walk(new(graph.Devices[i].Root, MetadataDump.PathOf(graph.Devices[i].Description.Id)), ref visitor);
        }
        if (masks is not null)
            graph.Pairs(masks);
        return graph;
    }

    private GraphNode? Node(ulong block, int level, bool isRoot, int user, string path, HashSet<ulong> ancestors)
    {
        if (_nodes.TryGetValue(block, out var known))
        {
            Mark(known, user);
            return known;
        }
        if (_nodes.Count >= MostNodes)
        {
            Omitted++;
            return null;
        }
        var bytes = new byte[MetadataBlock.Size];
        // What is damaged is told by the walk over the mappings; the picture leaves it out.
        if (block >= Metadata.Device.BlockCount || !ancestors.Add(block) || !Metadata.Device.TryRead(block, bytes) || BtreeNode.Check(bytes, block, 8, isRoot) != BtreeNodeFault.None)
            return null;
        var node = new BtreeNode(bytes);
        var graphNode = new GraphNode
        {
            Block = block,
            Level = level,
            IsLeaf = node.IsLeaf,
            Entries = node.Count,
            FirstKey = node.Count > 0 ? node.Keys[0].Value : 0,
            LastKey = node.Count > 0 ? node.Keys[^1].Value : 0,
        };
        _nodes[block] = graphNode;
        _ = graphNode.Users.Add(user);
        if (!node.IsLeaf)
        {
            foreach (var child in node.Values<Le<ulong>>().ToArray())
            {
                if (Node(child.Value, level + 1, isRoot: false, user, path, ancestors) is { } below)
                    graphNode.Children.Add(below);
            }
        }
        _ = ancestors.Remove(block);
        return graphNode;
    }

    private static void Mark(GraphNode node, int user)
    {
        if (!node.Users.Add(user))
            return;
        foreach (var child in node.Children)
            Mark(child, user);
    }

    private void Pairs(Dictionary<ulong, ulong> masks)
    {
        Common = new ulong[Devices.Count, Devices.Count];
        foreach (var (mask, count) in masks.Values.GroupBy(mask => mask).Select(group => (group.Key, (ulong)group.Count())))
        {
            for (int i = 0; i < Devices.Count; i++)
            {
                for (int j = 0; j < Devices.Count && (mask >> i & 1) != 0; j++)
                    Common[i, j] += (mask >> j & 1) != 0 ? count : 0;
            }
        }
    }

    private readonly struct DataVisitor(SharingGraph graph, Dictionary<ulong, ulong>? masks, int device) : ITreeVisitor
    {
        public bool Enter(ulong block) => true;

        public void Leaf(ulong block, BtreeNode node)
        {
            foreach (var value in node.Values<Le<ulong>>())
            {
                ulong data = value.Value >> 24;
                if (data < graph.Data.BlockCount)
                    graph.Data.Increment(data);
                if (masks is not null)
                    System.Runtime.InteropServices.CollectionsMarshal.GetValueRefOrAddDefault(masks, data, out _) |= 1UL << device;
            }
        }

        public void Damaged(Damage damage) => graph.Damages.Add(damage);
    }
}
