using System.Text;
using DriverLab.Formats;
using DriverLab.Formats.PersistentData;
using DriverLab.Formats.Thin;
using DriverLab.ThinTools.Io;
using DriverLab.ThinTools.Model;

namespace DriverLab.ThinTools.Restore;

/// <summary>Writes metadata as it is told. The superblock comes last, after everything else is safe on the device: an interrupted build is never taken for metadata.</summary>
/// <param name="target">Is overwritten.</param>
public sealed class MetadataBuilder(MetadataDevice target) : IMetadataVisitor
{
    private readonly BlockAppender _blocks = new(target, 1);
    private readonly SortedDictionary<ulong, (ThinDeviceDetails Details, ulong Root)> _devices = [];
    private readonly Dictionary<string, SharedMappings> _defs = [];
    private readonly SortedDictionary<ulong, uint> _shared = [];
    private PoolDescription _pool = null!;
    private BlockCounts _data = null!;
    private BtreeBuilder<Le<ulong>> _tree = null!;
    private SharedMappings? _def;
    private DeviceDescription _device;
    private ulong _mapped, _nextThin;

    /// <summary>Devices whose mapped_blocks were not what was counted; the count was written.</summary>
    public List<string> Warnings { get; } = [];

    public void SuperblockBegin(PoolDescription pool)
    {
        if (pool.DataBlockCount > 1UL << 40)
            throw new ThinToolException($"nr_data_blocks {pool.DataBlockCount}: at most {1UL << 40} can be mapped");
        _pool = pool;
        _data = new(pool.DataBlockCount);
        target.Write(0, new byte[MetadataBlock.Size]);
    }

    public void SuperblockEnd()
    {
        var top = new BtreeBuilder<Le<ulong>>(_blocks);
        var details = new BtreeBuilder<ThinDeviceDetails>(_blocks);
        foreach (var (id, entry) in _devices)
        {
            top.Add(id, entry.Root);
            details.Add(id, entry.Details);
        }
        ulong mappingRoot = top.Finish(), detailsRoot = details.Finish();
        var maps = new SpaceMapWriter(_blocks);
        _data.Settle();
        var dataMap = maps.WriteData(_data);
        ulong blockCount = Math.Min(target.BlockCount, MetadataDevice.MaxPoolBlocks);
        var metadataMap = maps.WriteMetadata(blockCount, _shared);
        _blocks.Flush();
        target.Flush();
        WriteSuperblock(mappingRoot, detailsRoot, dataMap, metadataMap);
        target.Flush();
    }

    public void DefBegin(string name)
    {
        if (!_defs.TryAdd(name, _def = new()))
            throw new ThinToolException($"the definition '{name}' is there twice");
        _nextThin = 0;
    }

    public void DefEnd() => _def = null;

    public void DeviceBegin(in DeviceDescription device)
    {
        if (_devices.ContainsKey(device.Id))
            throw new ThinToolException($"device {device.Id} is there twice");
        _device = device;
        _tree = new(_blocks);
        _mapped = 0;
        _nextThin = 0;
    }

    public void DeviceEnd()
    {
        if (_mapped != _device.MappedBlocks)
            Warnings.Add($"device {_device.Id}: {_mapped} blocks are mapped, mapped_blocks says {_device.MappedBlocks}; {_mapped} is written");
        _devices[_device.Id] = (new()
        {
            MappedBlocks = _mapped,
            TransactionId = _device.TransactionId,
            CreationTime = _device.CreationTime,
            SnapshottedTime = _device.SnapshotTime,
        }, _tree.Finish());
    }

    public void Map(in MappingRun run)
    {
        if (run.ThinBegin < _nextThin)
            throw new UnorderedMappingsException(_device.Id, run.ThinBegin, _nextThin);
        if (run.DataBegin + run.Length > _pool.DataBlockCount || run.DataBegin + run.Length < run.DataBegin)
            throw new ThinToolException($"device {_device.Id}: thin block {run.ThinBegin} is mapped to data blocks {run.DataBegin} to {run.DataBegin + run.Length - 1}; the pool has {_pool.DataBlockCount}");
        _nextThin = run.ThinBegin + run.Length;
        if (_def is not null)
        {
            _def.Runs.Add(run);
            return;
        }
        ulong packed = new ThinMapping(run.DataBegin, run.Time).Packed;
        for (ulong i = 0; i < run.Length; i++)
        {
            _tree.Add(run.ThinBegin + i, packed);
            packed += 1UL << 24;
            _data.IncrementLater(run.DataBegin + i);
        }
        _mapped += run.Length;
    }

    public void Ref(string name)
    {
        if (!_defs.TryGetValue(name, out var def) || def == _def)
            throw new ThinToolException($"the definition '{name}' is referred to but not there before");
        if (def.Runs.Count == 0)
            return;
        if (def.Runs[0].ThinBegin < _nextThin)
            throw new UnorderedMappingsException(_device.Id, def.Runs[0].ThinBegin, _nextThin);
        if (_def is not null || !_tree.CanClose)
        {
            foreach (var run in def.Runs)
                Map(run);
            return;
        }
        def.Leaves ??= WriteLeaves(def);
        foreach (var leaf in def.Leaves)
        {
            _tree.AddLeaf(leaf);
            _shared[leaf.Block] = _shared.GetValueOrDefault(leaf.Block) + 1;
            _mapped += (ulong)leaf.Count;
        }
        foreach (var run in def.Tail)
            Map(run);
    }

    /// <summary>Writes the leaves of a definition, but for the last, which each user writes for itself: a leaf at the end of one may be too empty for where it comes to stand.</summary>
    private List<WrittenNode> WriteLeaves(SharedMappings def)
    {
        var leaves = new List<WrittenNode>();
        var level = new NodeLevel<Le<ulong>>(_blocks, BtreeNodeFlags.LEAF_NODE);
        foreach (var run in def.Runs)
        {
            for (ulong i = 0; i < run.Length; i++)
            {
                if (level.IsFull)
                    leaves.Add(level.WriteFull());
                level.Add(run.ThinBegin + i, new ThinMapping(run.DataBegin + i, run.Time).Packed);
            }
        }
        ulong written = (ulong)leaves.Sum(leaf => (long)leaf.Count);
        foreach (var run in def.Runs)
        {
            ulong here = Math.Min(run.Length, written);
            // A leaf is counted once, however many devices refer to it: that is what the kernel does.
            for (ulong i = 0; i < here; i++)
                _data.Increment(run.DataBegin + i);
            written -= here;
            if (here < run.Length)
                def.Tail.Add(new(run.ThinBegin + here, run.DataBegin + here, run.Length - here, run.Time));
        }
        return leaves;
    }

    private void WriteSuperblock(ulong mappingRoot, ulong detailsRoot, in SpaceMapRoot dataMap, in SpaceMapRoot metadataMap)
    {
        Span<byte> block = stackalloc byte[MetadataBlock.Size];
        block.Clear();
        ref var sb = ref DiskView.Edit<ThinSuperblock>(block);
        sb.Flags = _pool.Flags;
        var uuid = Encoding.UTF8.GetBytes(_pool.Uuid);
        uuid.AsSpan(0, Math.Min(uuid.Length, 16)).CopyTo(sb.Uuid);
        sb.Magic = ThinSuperblock.ExpectedMagic;
        sb.Version = _pool.Version;
        sb.Time = _pool.Time;
        sb.TransactionId = _pool.TransactionId;
        sb.DataSpaceMap.Root = dataMap;
        sb.MetadataSpaceMap.Root = metadataMap;
        sb.MappingRoot = mappingRoot;
        sb.DetailsRoot = detailsRoot;
        sb.DataBlockSizeSectors = _pool.DataBlockSizeSectors;
        sb.MetadataBlockSizeSectors = MetadataBlock.Size / 512;
        sb.MetadataBlockCount = metadataMap.BlockCount;
        MetadataBlock.Seal(block, MetadataBlockKind.Superblock);
        target.Write(0, block);
    }

    /// <summary>Mappings that several devices share.</summary>
    private sealed class SharedMappings
    {
        public List<MappingRun> Runs { get; } = [];

        /// <summary>Once they are written.</summary>
        public List<WrittenNode>? Leaves { get; set; }

        /// <summary>What comes after the leaves.</summary>
        public List<MappingRun> Tail { get; } = [];
    }
}

/// <summary>The mappings of a device do not rise; they must be sorted first.</summary>
internal sealed class UnorderedMappingsException(ulong device, ulong thin, ulong expected)
    : Exception($"device {device}: thin block {thin} comes after {expected - 1}; mappings must rise");
