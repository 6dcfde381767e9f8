using DriverLab.Formats;
using DriverLab.Formats.PersistentData;
using DriverLab.ThinTools.Model;
using DriverLab.ThinTools.Trees;

namespace DriverLab.ThinTools.Dump;

/// <summary>What a dump leaves out.</summary>
public sealed record DumpOptions
{
    /// <summary>Devices without their mappings.</summary>
    public bool SkipMappings { get; init; }

    /// <summary>Only these devices; all when empty.</summary>
    public IReadOnlyList<ulong> Devices { get; init; } = [];
}

/// <summary>Tells a visitor what metadata holds, in order. Damaged parts are left out, and each is returned.</summary>
public static class MetadataDump
{
    /// <summary>Dumps metadata.</summary>
    /// <returns>What could not be dumped; empty when all was.</returns>
    public static IReadOnlyList<Damage> Run(ThinMetadata metadata, DumpOptions options, IMetadataVisitor visitor) =>
        Run(metadata, metadata.Pool, DeviceTable.Load(metadata), options, visitor);

    internal static IReadOnlyList<Damage> Run(ThinMetadata metadata, PoolDescription pool, DeviceTable table, DumpOptions options, IMetadataVisitor visitor)
    {
        List<Damage> skipped = [.. table.DetailsDamages, .. table.TopDamages, .. table.Mismatches()];
        visitor.SuperblockBegin(pool);
        var walker = new TreeWalker(metadata.Device, 8);
        foreach (var device in table.Devices())
        {
            if (options.Devices.Count > 0 && !options.Devices.Contains(device.Description.Id))
                continue;
            visitor.DeviceBegin(device.Description);
            if (!options.SkipMappings)
            {
                var runs = new RunVisitor(visitor, skipped);
                walker.Walk(new(device.Root, PathOf(device.Description.Id)), ref runs);
                runs.Finish();
            }
            visitor.DeviceEnd();
        }
        visitor.SuperblockEnd();
        return skipped;
    }

    internal static string PathOf(ulong device) => $"{ThinMetadata.TopPath} > device {device}";
}

/// <summary>Joins mappings to runs.</summary>
internal struct RunVisitor(IMetadataVisitor visitor, List<Damage> damages) : ITreeVisitor
{
    private ulong _thin, _data, _length, _nextPacked;

    public readonly bool Enter(ulong block) => true;

    public void Leaf(ulong block, BtreeNode node)
    {
        var keys = node.Keys;
        var values = node.Values<Le<ulong>>();
        for (int i = 0; i < keys.Length; i++)
        {
            // Data block and time are one number: the next data block of the same time is 1 << 24 more.
            ulong key = keys[i].Value, packed = values[i].Value;
            if (packed == _nextPacked && key == _thin + _length && _length > 0)
            {
                _length++;
                _nextPacked += 1UL << 24;
                continue;
            }
            Finish();
            _thin = key;
            _data = packed;
            _length = 1;
            _nextPacked = packed + (1UL << 24);
        }
    }

    /// <summary>Tells the last run.</summary>
    public void Finish()
    {
        if (_length > 0)
            visitor.Map(new(_thin, _data >> 24, _length, (uint)(_data & 0xff_ffff)));
        _length = 0;
    }

    public void Damaged(Damage damage)
    {
        Finish();
        damages.Add(damage);
    }
}
