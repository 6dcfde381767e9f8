using System.Runtime.InteropServices;

namespace DriverLab.Formats.LogWrites;

/// <summary>The first sector of a log of the log-writes target.</summary>
[DiskStruct(28, "struct log_write_super", "drivers/md/dm-log-writes.c")]
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public struct LogWritesSuper
{
    /// <summary>The letters "jsfwshr".</summary>
    public const ulong ExpectedMagic = 0x6a736677736872;

    public const ulong ExpectedVersion = 1;

    public Le<ulong> Magic;
    public Le<ulong> Version;
    /// <summary>Entries in the log.</summary>
    public Le<ulong> Entries;
    /// <summary>In bytes: the unit of everything in the log, the logical block of the logged device.</summary>
    public Le<uint> SectorSize;
}

/// <summary>What an entry was.</summary>
[Flags]
public enum LogWritesFlags : ulong
{
    None = 0,
    Flush = 1 << 0,
    Fua = 1 << 1,
    Discard = 1 << 2,
    /// <summary>A word of the user: its text is the data.</summary>
    Mark = 1 << 3,
    Metadata = 1 << 4,
}

/// <summary>The head of an entry; it fills a sector of the log, with a mark's text behind it, and its data follow in whole sectors.</summary>
[DiskStruct(32, "struct log_write_entry", "drivers/md/dm-log-writes.c")]
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public struct LogWritesEntry
{
    /// <summary>First sector, in the log's sectors.</summary>
    public Le<ulong> Sector;
    /// <summary>Number of sectors; 0 for an empty flush.</summary>
    public Le<ulong> Sectors;
    /// <summary>Bits of <see cref="LogWritesFlags"/>.</summary>
    public Le<ulong> Flags;
    /// <summary>Bytes of a mark's text.</summary>
    public Le<ulong> DataLength;
}
