using DriverLab.Formats.PersistentData;
using DriverLab.ThinTools.Dump;
using DriverLab.ThinTools.Model;
using DriverLab.ThinTools.Trees;

namespace DriverLab.ThinTools.Repair;

/// <summary>Dumps metadata so that leaves which devices share are told once, as definitions: what is written from it is about as small as what it was read from.</summary>
internal sealed class SharedDump
{
    private const uint None = 0;
    private const uint Broken = uint.MaxValue;

    private readonly ThinMetadata _metadata;
    private readonly IMetadataVisitor _visitor;
    private readonly List<Damage> _skipped;
    private readonly TreeWalker _walker;
    private readonly byte[] _users;
    /// <summary>The leaf that follows a leaf in every device; <see cref="Broken"/> when devices disagree.</summary>
    private readonly uint[] _next;
    private readonly uint[] _previous;

    private SharedDump(ThinMetadata metadata, IMetadataVisitor visitor, List<Damage> skipped)
    {
        _metadata = metadata;
        _visitor = visitor;
        _skipped = skipped;
        _walker = new(metadata.Device, 8);
        _users = new byte[metadata.Device.BlockCount];
        _next = new uint[metadata.Device.BlockCount];
        _previous = new uint[metadata.Device.BlockCount];
    }

    /// <summary>Dumps.</summary>
    /// <returns>What could not be dumped.</returns>
    public static List<Damage> Run(ThinMetadata metadata, PoolDescription pool, DeviceTable table, IMetadataVisitor visitor)
    {
        List<Damage> skipped = [.. table.DetailsDamages, .. table.TopDamages, .. table.Mismatches()];
        var dump = new SharedDump(metadata, visitor, skipped);
        foreach (var device in table.Devices())
            dump.Note(dump.Leaves(device, skipped));
        visitor.SuperblockBegin(pool);
        var told = new HashSet<ulong>();
        foreach (var device in table.Devices())
            dump.Tell(device, dump.Leaves(device, []), told);
        visitor.SuperblockEnd();
        return skipped;
    }

    private List<ulong> Leaves(in ThinDevice device, List<Damage> damages)
    {
        var visitor = new LeafVisitor([], damages);
        _walker.Walk(new(device.Root, MetadataDump.PathOf(device.Description.Id)), ref visitor);
        return visitor.Leaves;
    }

    private void Note(List<ulong> leaves)
    {
        for (int i = 0; i < leaves.Count; i++)
        {
            uint next = i + 1 < leaves.Count ? (uint)leaves[i + 1] : Broken, previous = i > 0 ? (uint)leaves[i - 1] : Broken;
            ref byte users = ref _users[leaves[i]];
            if (users < byte.MaxValue)
                users++;
            _next[leaves[i]] = _next[leaves[i]] is None || _next[leaves[i]] == next ? next : Broken;
            _previous[leaves[i]] = _previous[leaves[i]] is None || _previous[leaves[i]] == previous ? previous : Broken;
        }
    }

    private void Tell(in ThinDevice device, List<ulong> leaves, HashSet<ulong> told)
    {
        var segments = Segments(leaves);
        foreach (var (first, count) in segments)
        {
            if (_users[leaves[first]] < 2 || !told.Add(leaves[first]))
                continue;
            _visitor.DefBegin(leaves[first].ToString());
            Runs(leaves[first..(first + count)]);
            _visitor.DefEnd();
        }
        _visitor.DeviceBegin(device.Description);
        var own = new List<ulong>();
        foreach (var (first, count) in segments)
        {
            if (_users[leaves[first]] < 2)
            {
                own.AddRange(leaves[first..(first + count)]);
                continue;
            }
            Runs(own);
            own.Clear();
            _visitor.Ref(leaves[first].ToString());
        }
        Runs(own);
        _visitor.DeviceEnd();
    }

    /// <summary>Runs of leaves that stand together in every device that has one of them.</summary>
    private List<(int First, int Count)> Segments(List<ulong> leaves)
    {
        var segments = new List<(int First, int Count)>();
        for (int i = 0; i < leaves.Count; i++)
        {
            if (i > 0 && _users[leaves[i]] == _users[leaves[i - 1]] && _next[leaves[i - 1]] == leaves[i] && _previous[leaves[i]] == leaves[i - 1])
                segments[^1] = (segments[^1].First, segments[^1].Count + 1);
            else
                segments.Add((i, 1));
        }
        return segments;
    }

    private void Runs(List<ulong> leaves)
    {
        var runs = new RunVisitor(_visitor, _skipped);
        var block = new byte[MetadataBlock.Size];
        foreach (ulong leaf in leaves)
        {
            _metadata.Device.Read(leaf, block);
            runs.Leaf(leaf, new BtreeNode(block));
        }
        runs.Finish();
    }

    private readonly struct LeafVisitor(List<ulong> leaves, List<Damage> damages) : ITreeVisitor
    {
        public List<ulong> Leaves => leaves;

        public bool Enter(ulong block) => true;

        public void Leaf(ulong block, BtreeNode node)
        {
            if (node.Count > 0)
                leaves.Add(block);
        }

        public void Damaged(Damage damage) => damages.Add(damage);
    }
}
