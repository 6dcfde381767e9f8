using DriverLab.Formats;
using DriverLab.Formats.PersistentData;
using DriverLab.ThinTools.Dump;
using DriverLab.ThinTools.Model;
using DriverLab.ThinTools.Trees;

namespace DriverLab.ThinTools.Report;

/// <summary>A thin device with how many of its blocks are its own.</summary>
/// <param name="Description">As the details tree has it.</param>
/// <param name="ExclusiveBlocks">Data blocks that no other device maps: what deleting the device gives back.</param>
public readonly record struct DeviceUsage(DeviceDescription Description, ulong ExclusiveBlocks)
{
    public ulong SharedBlocks => Description.MappedBlocks - Math.Min(ExclusiveBlocks, Description.MappedBlocks);

    /// <summary>The devices as the details tree has them, without reading a mapping; nothing is said to be exclusive.</summary>
    /// <exception cref="ThinToolException">The details tree is damaged.</exception>
    public static IReadOnlyList<DeviceUsage> FromDetails(ThinMetadata metadata)
    {
        var table = DeviceTable.Load(metadata);
        Strict.Require(metadata, table.DetailsDamages);
        return [.. table.Details.Values.Select(details => new DeviceUsage(details, 0))];
    }

    /// <summary>Counts. A node that devices share is read twice at most, however many they are.</summary>
    /// <exception cref="ThinToolException">The metadata is damaged: the counts would be wrong.</exception>
    public static IReadOnlyList<DeviceUsage> Count(ThinMetadata metadata, ulong dataBlockCount)
    {
        var table = DeviceTable.Load(metadata);
        Strict.Require(metadata, [.. table.DetailsDamages, .. table.TopDamages, .. table.Mismatches()]);
        var walker = new TreeWalker(metadata.Device, 8);
        var paths = new byte[metadata.Device.BlockCount];
        var counts = new BlockCounts(dataBlockCount);
        foreach (var device in table.Devices())
        {
            var visitor = new CountVisitor(metadata, paths, counts);
            walker.Walk(new(device.Root, MetadataDump.PathOf(device.Description.Id)), ref visitor);
        }
        var usage = new List<DeviceUsage>();
        foreach (var device in table.Devices())
        {
            var visitor = new ExclusiveVisitor(metadata, paths, counts);
            walker.Walk(new(device.Root, MetadataDump.PathOf(device.Description.Id)), ref visitor);
            usage.Add(new(device.Description, visitor.Exclusive));
        }
        return usage;
    }

    /// <summary>Counts each mapping once or, where more than one path leads to it, twice.</summary>
    private readonly struct CountVisitor(ThinMetadata metadata, byte[] paths, BlockCounts counts) : ITreeVisitor
    {
        public bool Enter(ulong block) => paths[block] < 2 && ++paths[block] > 0;

        public void Leaf(ulong block, BtreeNode node)
        {
            foreach (var value in node.Values<Le<ulong>>())
            {
                ulong data = value.Value >> 24;
                if (data >= counts.BlockCount)
                    throw new ThinToolException($"{metadata.Device.Name}: block {block} maps data block {data}, the pool has {counts.BlockCount}; run driverlab thin check");
                counts.Increment(data);
            }
        }

        public void Damaged(Damage damage) => Strict.Refuse(metadata, damage);
    }

    /// <summary>Counts what only one path leads to and only one mapping names.</summary>
    private struct ExclusiveVisitor(ThinMetadata metadata, byte[] paths, BlockCounts counts) : ITreeVisitor
    {
        public ulong Exclusive { get; private set; }

        public readonly bool Enter(ulong block) => paths[block] < 2;

        public void Leaf(ulong block, BtreeNode node)
        {
            foreach (var value in node.Values<Le<ulong>>())
                Exclusive += counts[value.Value >> 24] == 1 ? 1UL : 0;
        }

        public readonly void Damaged(Damage damage) => Strict.Refuse(metadata, damage);
    }
}

/// <summary>For what makes no sense on damaged metadata.</summary>
internal static class Strict
{
    public static void Require(ThinMetadata metadata, IReadOnlyList<Damage> damages)
    {
        if (damages.FirstOrDefault(damage => damage.Reason != DamageReason.DeviceWithoutMappings) is { } damage)
            Refuse(metadata, damage);
    }

    public static void Refuse(ThinMetadata metadata, Damage damage) =>
        throw new ThinToolException($"{metadata.Device.Name} is damaged: {damage}; run driverlab thin check, then driverlab thin repair");
}
