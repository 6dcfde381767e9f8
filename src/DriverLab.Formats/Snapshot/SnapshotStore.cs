using System.Runtime.InteropServices;

namespace DriverLab.Formats.Snapshot;

/// <summary>The head of a persistent exception store, in chunk 0 of the copy-on-write device.</summary>
[DiskStruct(16, "struct disk_header", "drivers/md/dm-snap-persistent.c")]
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public struct SnapshotHeader
{
    /// <summary>"SnAp" in the store's byte order.</summary>
    public const uint ExpectedMagic = 0x70416e53;

    public Le<uint> Magic;
    /// <summary>1 while the snapshot can be used, 0 once it has overflowed.</summary>
    public Le<uint> Valid;
    public Le<uint> Version;
    /// <summary>In sectors of 512 bytes; overrides the table's.</summary>
    public Le<uint> ChunkSizeSectors;
}

/// <summary>One exception: a chunk of the origin and where its copy is. <see cref="NewChunk"/> 0 ends the list.</summary>
[DiskStruct(16, "struct disk_exception", "drivers/md/dm-snap-persistent.c")]
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public struct SnapshotException
{
    public Le<ulong> OldChunk;
    public Le<ulong> NewChunk;
}

/// <summary>Where things lie in an exception store.</summary>
/// <remarks>Linux drivers/md/dm-snap-persistent.c: area_location(), skip_metadata().</remarks>
public static class SnapshotLayout
{
    /// <summary>Exceptions that one metadata chunk holds.</summary>
    public static long ExceptionsPerArea(int chunkSizeSectors) => chunkSizeSectors * 512L / 16;

    /// <summary>The chunk that holds the metadata of an area.</summary>
    public static long AreaChunk(long area, int chunkSizeSectors) => 1 + area * (ExceptionsPerArea(chunkSizeSectors) + 1);

    /// <summary>True for a chunk that holds metadata, which data skips.</summary>
    public static bool IsMetadata(long chunk, int chunkSizeSectors) => chunk % (ExceptionsPerArea(chunkSizeSectors) + 1) == 1;
}
