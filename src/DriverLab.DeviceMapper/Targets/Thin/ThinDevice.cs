namespace DriverLab.DeviceMapper.Targets;

/// <summary>A thin device as the metadata know it, while somebody uses it or its details have changed.</summary>
internal sealed class ThinDevice(ulong id)
{
    public readonly ulong Id = id;
    public ulong MappedBlocks, TransactionId;
    public uint CreationTime, SnapshottedTime;
    public int OpenCount = 1;

    /// <summary>Changed in the transaction under way.</summary>
    public bool IsChanged;

    /// <summary>Changes of it were lost with an aborted transaction.</summary>
    public bool LostChanges;

    /// <summary>The device's mapping tree, and the tree of trees for which that holds.</summary>
    public ulong MappingRoot, MappingRootOf;
}

/// <summary>Where a block of a thin device is.</summary>
/// <param name="DataBlock">The block of the data device.</param>
/// <param name="IsShared">A snapshot may use it too.</param>
internal readonly record struct ThinLookup(ulong DataBlock, bool IsShared);

/// <summary>A run of blocks of a thin device that lie in a row on the data device.</summary>
internal readonly record struct ThinRange(ulong Begin, ulong End, ulong DataBegin, bool MaybeShared);
