using DriverLab.Formats;
using DriverLab.Formats.PersistentData;
using DriverLab.ThinTools.Dump;
using DriverLab.ThinTools.Io;
using DriverLab.ThinTools.Model;
using DriverLab.ThinTools.Trees;

namespace DriverLab.ThinTools.Check;

/// <summary>Walks the mapping trees of all devices, each node once however many trees share it, by several threads, and counts the references to data blocks.</summary>
internal sealed class MappingWalk(MetadataDevice device, MetadataReferences references, ulong dataBlockCount, int threads)
{
    /// <summary>With fewer devices than this, trees are split below their roots.</summary>
    private const int FewDevices = 64;

    private readonly uint[] _mappings = new uint[Math.Min(device.BlockCount, MetadataDevice.MaxPoolBlocks)];
    private readonly byte[] _node = new byte[MetadataBlock.Size];
    private readonly Lock _lock = new();
    private List<TreeStart> _work = [];
    private int _next;

    public List<Damage> Damages { get; } = [];

    /// <summary>Walks.</summary>
    /// <returns>Counts of data blocks.</returns>
    public BlockCounts Run(DeviceTable table)
    {
        var whole = table.Roots.Select(pair => new TreeStart(pair.Value, MetadataDump.PathOf(pair.Key)));
        _work = threads > 1 && table.Roots.Count < FewDevices ? [.. whole.SelectMany(Split)] : [.. whole];
        var counts = new BlockCounts(dataBlockCount);
        var helpers = new Thread[Math.Min(threads, _work.Count) - 1 is > 0 and var n ? n : 0];
        var theirs = new BlockCounts[helpers.Length];
        for (int i = 0; i < helpers.Length; i++)
        {
            var own = theirs[i] = new BlockCounts(dataBlockCount);
            helpers[i] = new Thread(() => Work(own));
            helpers[i].Start();
        }
        Work(counts);
        for (int i = 0; i < helpers.Length; i++)
        {
            helpers[i].Join();
            counts.Add(theirs[i]);
        }
        return counts;
    }

    /// <summary>Mappings below a node that was walked, shared ones included.</summary>
    public ulong MappingsUnder(ulong block)
    {
        if (_mappings[block] != 0)
            return _mappings[block];
        var bytes = new byte[MetadataBlock.Size];
        device.Read(block, bytes);
        var node = new BtreeNode(bytes);
        if (node.IsLeaf)
            return 0;
        ulong sum = 0;
        foreach (var child in node.Values<Le<ulong>>())
            sum += MappingsUnder(child.Value);
        _mappings[block] = (uint)sum;
        return sum;
    }

    /// <summary>The children of a root as work of their own; the root itself when it has none, or anything is wrong with it.</summary>
    private List<TreeStart> Split(TreeStart root)
    {
        if (root.Block >= device.BlockCount || !device.TryRead(root.Block, _node) || BtreeNode.Check(_node, root.Block, 8, isRoot: true) != BtreeNodeFault.None)
            return [root];
        var node = new BtreeNode(_node);
        if (node.IsLeaf || node.Count == 0 || references[root.Block] > 0 || node.Values<Le<ulong>>().Contains(root.Block))
            return [root];
        _ = references.Add(root.Block);
        var children = new List<TreeStart>(node.Count);
        for (int i = 0; i < node.Count; i++)
            children.Add(new(node.Values<Le<ulong>>()[i].Value, $"{root.Path} > node {root.Block}[{i}]", false, node.Keys[i].Value, i + 1 < node.Count ? node.Keys[i + 1].Value : null));
        return children;
    }

    private void Work(BlockCounts counts)
    {
        var walker = new TreeWalker(device, 8);
        var damages = new List<Damage>();
        for (int i; (i = Interlocked.Increment(ref _next) - 1) < _work.Count;)
        {
            var visitor = new Visitor(this, counts, damages, _work[i].Path);
            walker.Walk(_work[i], ref visitor);
        }
        lock (_lock)
            Damages.AddRange(damages);
    }

    private readonly struct Visitor(MappingWalk walk, BlockCounts counts, List<Damage> damages, string path) : ITreeVisitor
    {
        /// <summary>How far ahead memory is asked for, in mappings.</summary>
        private const int Ahead = 24;
        private readonly MetadataReferences _references = walk.References;

        public bool Enter(ulong block) => _references.Add(block);

        public void Leaf(ulong block, BtreeNode node)
        {
            var values = node.Values<Le<ulong>>();
            walk._mappings[block] = (uint)values.Length;
            ulong end = counts.BlockCount;
            for (int i = 0; i < values.Length; i++)
            {
                if (i + Ahead < values.Length)
                    counts.Prefetch(values[i + Ahead].Value >> 24);
                ulong data = values[i].Value >> 24;
                if (data < end)
                    counts.Increment(data);
                else
                    damages.Add(new(DamageReason.DataBlockOutOfRange, Severity.Fatal, block, $"{path} > block {block}[{i}]",
                        $"thin block {node.Keys[i].Value} is mapped to data block {data}; the pool has {end}"));
            }
        }

        public void Damaged(Damage damage) => damages.Add(damage);
    }

    private MetadataReferences References => references;
}
