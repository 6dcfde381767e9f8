using DriverLab.Formats.PersistentData;

namespace DriverLab.ThinTools.Trees;

/// <summary>What is wrong, one reason a fault.</summary>
public enum DamageReason
{
    // A block that cannot be had.
    Unreadable,
    OutOfRange,
    // A node by itself, in the order of BtreeNodeFault.
    Checksum,
    WrongBlockNumber,
    WrongFlags,
    WrongValueSize,
    MaxEntriesTooLarge,
    MaxEntriesNotDivisibleByThree,
    TooManyEntries,
    TooFewEntries,
    KeysOutOfOrder,
    // A node in its tree.
    KeyOutsideParentRange,
    Loop,
    // The superblock.
    SuperblockChecksum,
    WrongMagic,
    UnknownIncompatibleFeatures,
    WrongMetadataBlockSize,
    MetadataSnapshot,
    // Devices.
    DeviceWithoutDetails,
    DeviceWithoutMappings,
    WrongMappedCount,
    DataBlockOutOfRange,
    // Space maps.
    BitmapMissing,
    BitmapUnexpected,
    SpaceMapTooLarge,
    CountTooLow,
    CountTooHigh,
    CountMissingInTree,
    WrongFreeCount,
    WrongAllocatedCount,
    NoneFreeBeforeTooHigh,
    // Notes.
    UnknownVersion,
    TimeInFuture,
}

/// <summary>How much a damage matters.</summary>
public enum Severity
{
    /// <summary>Worth knowing; nothing is lost and the kernel goes on.</summary>
    Note,

    /// <summary>Space is lost, data is not.</summary>
    Leak,

    /// <summary>Data is lost or will be.</summary>
    Fatal,
}

/// <summary>One damage.</summary>
/// <param name="Reason">Distinct for each fault.</param>
/// <param name="Severity">How much it matters.</param>
/// <param name="Block">The metadata block where it was seen; for reference counts, the block that is counted.</param>
/// <param name="Path">How the block was reached, from the superblock on.</param>
/// <param name="Text">What was found and what was expected.</param>
/// <param name="LostFrom">For a part of a tree: the first key that may be lost.</param>
/// <param name="LostTo">The first key after that is not; null when there is no bound.</param>
public sealed record Damage(DamageReason Reason, Severity Severity, ulong Block, string Path, string Text, ulong? LostFrom = null, ulong? LostTo = null)
{
    public override string ToString() => $"{Path}: {Text}{Lost}";

    private string Lost => LostFrom is not { } from || Severity != Severity.Fatal ? "" : LostTo is { } to ? $"; keys {from} to {to - 1} are lost" : $"; keys from {from} on are lost";

    internal static DamageReason Of(BtreeNodeFault fault) => fault switch
    {
        BtreeNodeFault.Checksum => DamageReason.Checksum,
        BtreeNodeFault.WrongBlockNumber => DamageReason.WrongBlockNumber,
        BtreeNodeFault.WrongFlags => DamageReason.WrongFlags,
        BtreeNodeFault.WrongValueSize => DamageReason.WrongValueSize,
        BtreeNodeFault.MaxEntriesTooLarge => DamageReason.MaxEntriesTooLarge,
        BtreeNodeFault.MaxEntriesNotDivisibleByThree => DamageReason.MaxEntriesNotDivisibleByThree,
        BtreeNodeFault.TooManyEntries => DamageReason.TooManyEntries,
        BtreeNodeFault.TooFewEntries => DamageReason.TooFewEntries,
        BtreeNodeFault.KeysOutOfOrder => DamageReason.KeysOutOfOrder,
        BtreeNodeFault.None => throw new ArgumentOutOfRangeException(nameof(fault), "no fault"),
    };

    /// <summary>A node's fault in words, with the value found.</summary>
    internal static string Explain(BtreeNodeFault fault, ReadOnlySpan<byte> block, ulong blockNr, int leafValueSize)
    {
        var header = new BtreeNode(block).Header;
        return fault switch
        {
            BtreeNodeFault.Checksum => MetadataBlock.Recognise(block) is { } kind
                ? $"expected a btree node, found a block of kind {kind}"
                : $"the checksum is {header.Checksum.Value:x8}, the block's is {MetadataBlock.Checksum(block, MetadataBlockKind.BtreeNode):x8}",
            BtreeNodeFault.WrongBlockNumber => $"the node says that it is block {header.BlockNr.Value}, it was read from block {blockNr}",
            BtreeNodeFault.WrongFlags => $"the flags are {header.RawFlags.Value}, expected 1 (internal) or 2 (leaf)",
            BtreeNodeFault.WrongValueSize => $"the value size is {header.ValueSize.Value}, expected {((header.RawFlags.Value & 2) != 0 ? leafValueSize : 8)}",
            BtreeNodeFault.MaxEntriesTooLarge => $"max_entries {header.MaxEntries.Value} does not fit into a block",
            BtreeNodeFault.MaxEntriesNotDivisibleByThree => $"max_entries {header.MaxEntries.Value} is not a multiple of three",
            BtreeNodeFault.TooManyEntries => $"there are {header.EntryCount.Value} entries, max_entries is {header.MaxEntries.Value}",
            BtreeNodeFault.TooFewEntries => $"there are {header.EntryCount.Value} entries, expected at least a third of {header.MaxEntries.Value}",
            BtreeNodeFault.KeysOutOfOrder => "the keys do not rise",
            BtreeNodeFault.None => "",
        };
    }
}
