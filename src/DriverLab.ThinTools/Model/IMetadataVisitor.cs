using DriverLab.Formats.Thin;

namespace DriverLab.ThinTools.Model;

/// <summary>The pool as a superblock describes it.</summary>
public sealed record PoolDescription
{
    /// <summary>Up to sixteen characters; the kernel leaves it empty.</summary>
    public string Uuid { get; init; } = "";
    public required uint Time { get; init; }
    public required ulong TransactionId { get; init; }
    public uint Flags { get; init; }
    public uint Version { get; init; } = 1;
    /// <summary>In sectors of 512 bytes.</summary>
    public required uint DataBlockSizeSectors { get; init; }
    public required ulong DataBlockCount { get; init; }
}

/// <summary>A thin device as the details tree describes it.</summary>
/// <param name="Id">24 bits.</param>
/// <param name="MappedBlocks">How many blocks are mapped.</param>
/// <param name="TransactionId">The transaction in which it was made.</param>
/// <param name="CreationTime">The pool's time when it was made.</param>
/// <param name="SnapshotTime">The pool's time when it was last snapshotted, or made.</param>
public readonly record struct DeviceDescription(ulong Id, ulong MappedBlocks, ulong TransactionId, uint CreationTime, uint SnapshotTime)
{
    internal static DeviceDescription Of(ulong id, in ThinDeviceDetails details) =>
        new(id, details.MappedBlocks.Value, details.TransactionId.Value, details.CreationTime.Value, details.SnapshottedTime.Value);
}

/// <summary>Blocks of a thin device that follow each other, mapped to data blocks that follow each other, all made at one time.</summary>
public readonly record struct MappingRun(ulong ThinBegin, ulong DataBegin, ulong Length, uint Time);

/// <summary>Metadata as a sequence: what dump, restore, repair and the text formats say to each other. Devices come with rising ids, the mappings of one with rising blocks.</summary>
public interface IMetadataVisitor
{
    void SuperblockBegin(PoolDescription pool);
    void SuperblockEnd();

    /// <summary>Mappings that several devices share follow, until <see cref="DefEnd"/>.</summary>
    void DefBegin(string name);
    void DefEnd();
    void DeviceBegin(in DeviceDescription device);
    void DeviceEnd();
    void Map(in MappingRun run);

    /// <summary>The mappings of a definition stand here.</summary>
    void Ref(string name);
}
