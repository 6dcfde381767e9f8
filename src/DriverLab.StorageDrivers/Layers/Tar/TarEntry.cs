using DriverLab.Linux;
using DriverLab.Linux.Abi;

namespace DriverLab.StorageDrivers.Layers.Tar;

/// <summary>The kinds of entries that a layer may hold, by their typeflag.</summary>
public enum TarType : byte
{
    File = (byte)'0',
    HardLink = (byte)'1',
    Symlink = (byte)'2',
    Char = (byte)'3',
    Block = (byte)'4',
    Directory = (byte)'5',
    Fifo = (byte)'6',
}

/// <summary>An extended attribute: its full name with the namespace, and its value, both as bytes.</summary>
public readonly record struct Xattr(byte[] Name, byte[] Value);

/// <summary>One entry's header with pax records and long names folded in.</summary>
public sealed class TarEntry
{
    /// <summary>The path as it stands in the archive: may be absolute, begin with <c>./</c>, end with a slash.</summary>
    public required byte[] Name { get; init; }

    /// <summary>What the entry is.</summary>
    public required TarType Type { get; init; }

    /// <summary>Permission bits with setuid, setgid and sticky; no type bits.</summary>
    public Mode Permissions { get; init; }

    public uint Uid { get; init; }

    public uint Gid { get; init; }

    /// <summary>Bytes of content that follow; 0 for all but files.</summary>
    public long Size { get; init; }

    public Timespec Mtime { get; init; }

    /// <summary>Target of a symbolic link, or path of the other name of a hard link; empty otherwise.</summary>
    public byte[] LinkName { get; init; } = [];

    /// <summary>Number of a device node.</summary>
    public DevT Device { get; init; }

    /// <summary>Extended attributes from <c>SCHILY.xattr.</c> records, in their order.</summary>
    public IReadOnlyList<Xattr> Xattrs { get; init; } = [];
}

/// <summary>What a reader accepts before it calls an archive hostile.</summary>
/// <param name="HeaderBytes">Bytes of pax records or of a long name before one entry.</param>
/// <param name="Entries">Entries in one archive.</param>
/// <param name="ContentBytes">Bytes of file content in one archive.</param>
public sealed record TarLimits(int HeaderBytes = 1 << 20, long Entries = 10_000_000, long ContentBytes = long.MaxValue)
{
    /// <summary>Room for any real image.</summary>
    public static readonly TarLimits Default = new();
}
