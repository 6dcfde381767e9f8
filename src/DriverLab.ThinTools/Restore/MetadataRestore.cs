using DriverLab.ThinTools.Io;
using DriverLab.ThinTools.Model;
using DriverLab.ThinTools.Text;

namespace DriverLab.ThinTools.Restore;

/// <summary>Values that stand in for what the input says.</summary>
public sealed record PoolOverrides
{
    public ulong? TransactionId { get; init; }
    /// <summary>In sectors of 512 bytes.</summary>
    public uint? DataBlockSizeSectors { get; init; }
    public ulong? DataBlockCount { get; init; }

    internal PoolDescription Apply(PoolDescription pool) => pool with
    {
        TransactionId = TransactionId ?? pool.TransactionId,
        DataBlockSizeSectors = DataBlockSizeSectors ?? pool.DataBlockSizeSectors,
        DataBlockCount = DataBlockCount ?? pool.DataBlockCount,
    };
}

/// <summary>Writes metadata from XML.</summary>
public static class MetadataRestore
{
    /// <summary>Restores.</summary>
    /// <param name="xml">The text; seekable, because mappings that do not rise need a second reading.</param>
    /// <param name="name">What the text is called in complaints.</param>
    /// <param name="device">Is overwritten.</param>
    /// <param name="overrides">Stand in for what the text says.</param>
    /// <returns>Warnings.</returns>
    /// <exception cref="ThinToolException">The text is wrong, or the device too small. The device then holds no metadata.</exception>
    public static IReadOnlyList<string> Run(Stream xml, string name, MetadataDevice device, PoolOverrides overrides)
    {
        var builder = new MetadataBuilder(device);
        try
        {
            XmlParser.Parse(xml, name, new OverridingVisitor(builder, overrides));
        }
        catch (UnorderedMappingsException e)
        {
            if (!xml.CanSeek)
                throw new ThinToolException($"{name}: {e.Message}, or come from a file that can be read twice");
            xml.Position = 0;
            builder = new(device);
            XmlParser.Parse(xml, name, new SortingVisitor(new OverridingVisitor(builder, overrides)));
        }
        return builder.Warnings;
    }
}

/// <summary>Passes on all but the superblock as it is.</summary>
internal sealed class OverridingVisitor(IMetadataVisitor next, PoolOverrides overrides) : IMetadataVisitor
{
    public void SuperblockBegin(PoolDescription pool) => next.SuperblockBegin(overrides.Apply(pool));
    public void SuperblockEnd() => next.SuperblockEnd();
    public void DefBegin(string name) => next.DefBegin(name);
    public void DefEnd() => next.DefEnd();
    public void DeviceBegin(in DeviceDescription device) => next.DeviceBegin(device);
    public void DeviceEnd() => next.DeviceEnd();
    public void Map(in MappingRun run) => next.Map(run);
    public void Ref(string name) => next.Ref(name);
}

/// <summary>Passes on the mappings of each device in rising order; where a block is mapped twice the later mapping wins. Definitions are written into their users.</summary>
internal sealed class SortingVisitor(IMetadataVisitor next) : IMetadataVisitor
{
    private readonly Dictionary<string, List<MappingRun>> _defs = [];
    private SortedDictionary<ulong, (ulong Data, uint Time)> _mappings = [];
    private List<MappingRun>? _def;

    public void SuperblockBegin(PoolDescription pool) => next.SuperblockBegin(pool);
    public void SuperblockEnd() => next.SuperblockEnd();
    public void DefBegin(string name) => _defs[name] = _def = [];
    public void DefEnd() => _def = null;

    public void DeviceBegin(in DeviceDescription device)
    {
        _mappings = [];
        next.DeviceBegin(device);
    }

    public void DeviceEnd()
    {
        foreach (var (thin, (data, time)) in _mappings)
            next.Map(new(thin, data, 1, time));
        next.DeviceEnd();
    }

    public void Map(in MappingRun run)
    {
        _def?.Add(run);
        for (ulong i = 0; _def is null && i < run.Length; i++)
            _mappings[run.ThinBegin + i] = (run.DataBegin + i, run.Time);
    }

    public void Ref(string name)
    {
        if (!_defs.TryGetValue(name, out var runs) || runs == _def)
            throw new ThinToolException($"the definition '{name}' is referred to but not there before");
        foreach (var run in runs.ToArray())
            Map(run);
    }
}
