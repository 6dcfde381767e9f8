using DriverLab.Formats;
using DriverLab.Formats.PersistentData;
using DriverLab.Formats.Thin;
using DriverLab.ThinTools.Dump;
using DriverLab.ThinTools.Io;
using DriverLab.ThinTools.Model;
using DriverLab.ThinTools.Trees;

namespace DriverLab.ThinTools.Check;

/// <summary>Checks metadata from the superblock to the last reference count. Reads only; each block once.</summary>
public sealed class MetadataCheck
{
    private readonly MetadataDevice _device;
    private readonly CheckOptions _options;
    private readonly List<Damage> _damages = [];
    private MetadataReferences _references = null!;
    private BlockCounts? _data;
    private ThinMetadata _metadata = null!;

    private MetadataCheck(MetadataDevice device, CheckOptions options)
    {
        _device = device;
        _options = options;
    }

    /// <summary>Runs a check.</summary>
    /// <exception cref="ThinToolException">There is no superblock to begin with, or no metadata snapshot.</exception>
    public static CheckReport Run(MetadataDevice device, CheckOptions options)
    {
        var report = new MetadataCheck(device, options).Run();
        // Two walkers meet at shared nodes; which of them tells of a damage there is chance. A second run with one tells the same each time.
        return report.Worst is Severity.Fatal && options.Threads > 1 ? new MetadataCheck(device, options with { Threads = 1 }).Run() : report;
    }

    internal MetadataReferences References => _references;

    internal BlockCounts DataCounts => _data!;

    /// <summary>The space maps as they were read; null before, and when they are damaged.</summary>
    internal SpaceMapImage? DataMap { get; private set; }

    internal SpaceMapImage? MetadataMap { get; private set; }

    /// <summary>A check whose counts are wanted after it.</summary>
    internal static (CheckReport Report, MetadataCheck Check) RunForCounts(MetadataDevice device)
    {
        var check = new MetadataCheck(device, new() { Threads = 1 });
        return (check.Run(), check);
    }

    private CheckReport Run()
    {
        _metadata = _options.MetadataSnapshot ? ThinMetadata.OpenSnapshot(_device) : ThinMetadata.Open(_device);
        _references = new(_device);
        ref readonly var sb = ref _metadata.Superblock;
        _damages.AddRange(SuperblockCheck.Run(_metadata));
        var report = new CheckReport
        {
            Damages = _damages,
            TransactionId = sb.TransactionId.Value,
            MetadataFreeBlocks = sb.MetadataSpaceMap.Root.BlockCount.Value - Math.Min(sb.MetadataSpaceMap.Root.AllocatedCount.Value, sb.MetadataSpaceMap.Root.BlockCount.Value),
            NeedsCheck = (sb.Flags.Value & ThinSuperblock.NEEDS_CHECK) != 0,
        };
        if (_options.SuperblockOnly)
            return report;

        var table = DeviceTable.Load(_metadata, _options.MappingRoot ?? sb.MappingRoot.Value, _options.DetailsRoot ?? sb.DetailsRoot.Value, block => _references.Add(block));
        _damages.AddRange(table.DetailsDamages);
        _damages.AddRange(table.TopDamages);
        if (table.DetailsDamages.Count == 0 && table.TopDamages.Count == 0)
            _damages.AddRange(table.Mismatches());
        report = report with { DeviceCount = table.Roots.Count };
        if (_options.SkipMappings)
            return report;

        ulong mappings = Mappings(table);
        bool isComplete = !_damages.Exists(damage => damage.Severity == Severity.Fatal && damage.LostFrom is not null);
        if (isComplete && !_options.HasOverride && !_options.MetadataSnapshot)
            Counts();
        return report with { Mappings = mappings, MetadataBlocksInUse = _references.InUse };
    }

    /// <summary>Walks the mapping trees and compares what they hold with the details.</summary>
    private ulong Mappings(DeviceTable table)
    {
        ulong dataBlocks = _options.MetadataSnapshot ? ThinMetadata.Open(_device).Superblock.DataSpaceMap.Root.BlockCount.Value : _metadata.Superblock.DataSpaceMap.Root.BlockCount.Value;
        if (dataBlocks > SuperblockCheck.MostDataBlocks)
            return 0;
        var walk = new MappingWalk(_device, _references, dataBlocks, _options.Threads);
        _data = walk.Run(table);
        _damages.AddRange(walk.Damages);
        ulong total = 0;
        foreach (var device in table.Devices())
        {
            if (walk.Damages.Exists(damage => damage.LostFrom is not null))
                break;
            ulong counted = walk.MappingsUnder(device.Root);
            total += counted;
            if (counted != device.Description.MappedBlocks)
                _damages.Add(new(DamageReason.WrongMappedCount, Severity.Fatal, device.Root, $"{MetadataDump.PathOf(device.Description.Id)}",
                    $"{counted} blocks are mapped, the details say {device.Description.MappedBlocks}"));
        }
        return total;
    }

    /// <summary>The metadata snapshot's trees, then both space maps against what was counted.</summary>
    private void Counts()
    {
        ref readonly var sb = ref _metadata.Superblock;
        _ = _references.Add(0);
        if (sb.HeldRoot.Value != 0 && !Snapshot(sb.HeldRoot.Value))
            return;
        var maps = new SpaceMapCheck(_device, _references, _damages);
        DataMap = maps.ReadData(sb.DataSpaceMap.Root);
        MetadataMap = maps.ReadMetadata(sb.MetadataSpaceMap.Root);
        if (DataMap is not null && _data is not null)
            maps.Compare(DataMap, _data.Page, block => _data[block], "data");
        if (MetadataMap is not null)
            maps.Compare(MetadataMap, _references.Page, block => _references[block], "metadata");
    }

    /// <summary>Adds the references of the metadata snapshot. False when it is damaged.</summary>
    private bool Snapshot(ulong held)
    {
        ThinMetadata snapshot;
        try
        {
            snapshot = ThinMetadata.OpenSnapshot(_device);
        }
        catch (ThinToolException e)
        {
            _damages.Add(new(DamageReason.MetadataSnapshot, Severity.Fatal, held, $"superblock > metadata snapshot > block {held}", e.Message));
            return false;
        }
        _ = _references.Add(held);
        int before = _damages.Count;
        var table = DeviceTable.Load(snapshot, block => _references.Add(block));
        _damages.AddRange(table.DetailsDamages.Concat(table.TopDamages).Select(InSnapshot));
        var walk = new MappingWalk(_device, _references, _data!.BlockCount, _options.Threads);
        _data.Add(walk.Run(table));
        _damages.AddRange(walk.Damages.Select(InSnapshot));
        return _damages.Count == before;
    }

    private static Damage InSnapshot(Damage damage) => damage with { Path = damage.Path.Replace("superblock >", "superblock > metadata snapshot >", StringComparison.Ordinal) };
}
