using DriverLab.ThinTools.Trees;

namespace DriverLab.ThinTools.Check;

/// <summary>What is checked.</summary>
public sealed record CheckOptions
{
    /// <summary>Only the superblock.</summary>
    public bool SuperblockOnly { get; init; }

    /// <summary>The devices, but neither their mappings nor the reference counts.</summary>
    public bool SkipMappings { get; init; }

    /// <summary>The metadata snapshot instead of the superblock's trees; reference counts are not checked.</summary>
    public bool MetadataSnapshot { get; init; }

    /// <summary>Another root for the tree of mapping trees; reference counts are not checked.</summary>
    public ulong? MappingRoot { get; init; }

    /// <summary>Another root for the tree of details; reference counts are not checked.</summary>
    public ulong? DetailsRoot { get; init; }

    /// <summary>Threads that walk mapping trees.</summary>
    public int Threads { get; init; } = Math.Clamp(Environment.ProcessorCount, 1, 4);

    internal bool HasOverride => MappingRoot is not null || DetailsRoot is not null;
}

/// <summary>What a check found.</summary>
public sealed record CheckReport
{
    public required IReadOnlyList<Damage> Damages { get; init; }
    public required ulong TransactionId { get; init; }
    public required ulong MetadataFreeBlocks { get; init; }
    public required bool NeedsCheck { get; init; }

    /// <summary>Counted; null when they were not.</summary>
    public ulong? Mappings { get; init; }

    public int DeviceCount { get; init; }

    /// <summary>Blocks of 4096 bytes that belong to the trees and space maps; null when they were not counted.</summary>
    public ulong? MetadataBlocksInUse { get; init; }

    /// <summary>The worst; null when there is nothing to say.</summary>
    public Severity? Worst => Damages.Count == 0 ? null : Damages.Max(damage => damage.Severity);
}
