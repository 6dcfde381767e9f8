using DriverLab.Formats;
using DriverLab.Formats.PersistentData;
using DriverLab.Formats.Thin;
using DriverLab.ThinTools.Dump;
using DriverLab.ThinTools.Io;
using DriverLab.ThinTools.Model;
using DriverLab.ThinTools.Restore;
using DriverLab.ThinTools.Trees;

namespace DriverLab.ThinTools.Repair;

/// <summary>What a repair saved and what it could not.</summary>
public sealed record RepairReport(IReadOnlyList<Damage> Lost, IReadOnlyList<string> Notes);

/// <summary>Reads what can be read of damaged metadata. The damaged device is only read.</summary>
public static class MetadataRepair
{
    /// <summary>Writes what can be saved into another device; blocks that devices share stay shared.</summary>
    /// <param name="damaged">Is only read.</param>
    /// <param name="target">Is overwritten.</param>
    /// <param name="overrides">For what a lost superblock said.</param>
    public static RepairReport Run(MetadataDevice damaged, MetadataDevice target, PoolOverrides overrides)
    {
        var notes = new List<string>();
        var (metadata, pool, table) = Find(damaged, overrides, notes);
        var lost = new List<Damage>();
        var builder = new MetadataBuilder(target);
        lost.AddRange(SharedDump.Run(metadata, pool, table, new RangeFilter(builder, pool.DataBlockCount, lost)));
        notes.AddRange(builder.Warnings);
        return new(lost, notes);
    }

    /// <summary>Dumps what can be saved.</summary>
    public static RepairReport Dump(MetadataDevice damaged, PoolOverrides overrides, DumpOptions options, IMetadataVisitor visitor)
    {
        var notes = new List<string>();
        var (metadata, pool, table) = Find(damaged, overrides, notes);
        return new(MetadataDump.Run(metadata, pool, table, options, visitor), notes);
    }

    private static (ThinMetadata Metadata, PoolDescription Pool, DeviceTable Table) Find(MetadataDevice device, PoolOverrides overrides, List<string> notes)
    {
        var metadata = ThinMetadata.OpenUnchecked(device, out bool isSound);
        var trusted = isSound ? (metadata.Superblock.MappingRoot.Value, metadata.Superblock.DetailsRoot.Value) : (0UL, 0UL);
        if (isSound)
        {
            var table = DeviceTable.Load(metadata);
            if (table.DetailsDamages.Count == 0 && table.TopDamages.Count == 0)
                return (metadata, overrides.Apply(metadata.Pool), table);
        }
        else if (overrides is { TransactionId: null } or { DataBlockSizeSectors: null } or { DataBlockCount: null })
            throw new ThinToolException($"{device.Name}: the superblock is lost; say what it said with --transaction-id, --data-block-size and --nr-data-blocks (lvm keeps them in its own metadata)");
        var best = RootScan.Best(metadata, trusted);
        if (best is null)
        {
            notes.Add("no roots of mapping and details trees that fit each other were found; nothing can be saved");
            return (metadata, PoolOf(metadata, isSound, overrides, null), DeviceTable.Load(metadata, trusted.Item1, trusted.Item2));
        }
        notes.Add($"the roots were found by looking at every block: mapping root {best.MappingRoot}, details root {best.DetailsRoot}, {best.Table.Roots.Count} devices");
        return (metadata, PoolOf(metadata, isSound, overrides, best), best.Table);
    }

    private static PoolDescription PoolOf(ThinMetadata metadata, bool isSound, PoolOverrides overrides, RootPair? pair) => overrides.Apply(isSound ? metadata.Pool : new()
    {
        Time = pair?.NewestTime ?? 0,
        TransactionId = 0,
        Version = 2,
        DataBlockSizeSectors = 0,
        DataBlockCount = 0,
    });

    /// <summary>Leaves out mappings to data blocks that the pool does not have.</summary>
    private sealed class RangeFilter(IMetadataVisitor next, ulong dataBlockCount, List<Damage> lost) : IMetadataVisitor
    {
        private string _path = "";

        public void SuperblockBegin(PoolDescription pool) => next.SuperblockBegin(pool);
        public void SuperblockEnd() => next.SuperblockEnd();
        public void DefEnd() => next.DefEnd();
        public void DeviceEnd() => next.DeviceEnd();
        public void Ref(string name) => next.Ref(name);

        public void DefBegin(string name)
        {
            _path = $"{ThinMetadata.TopPath} > leaf {name}";
            next.DefBegin(name);
        }

        public void DeviceBegin(in DeviceDescription device)
        {
            _path = MetadataDump.PathOf(device.Id);
            next.DeviceBegin(device);
        }

        public void Map(in MappingRun run)
        {
            ulong inside = run.DataBegin >= dataBlockCount ? 0 : Math.Min(run.Length, dataBlockCount - run.DataBegin);
            if (inside > 0)
                next.Map(run with { Length = inside });
            if (inside < run.Length)
            {
                lost.Add(new(DamageReason.DataBlockOutOfRange, Severity.Fatal, 0, _path,
                    $"mapped to data blocks {run.DataBegin + inside} to {run.DataBegin + run.Length - 1}; the pool has {dataBlockCount}", run.ThinBegin + inside, run.ThinBegin + run.Length));
            }
        }
    }
}
