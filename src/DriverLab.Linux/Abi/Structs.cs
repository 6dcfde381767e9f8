using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace DriverLab.Linux.Abi;

/// <summary>Seconds and nanoseconds; the two special nanosecond values are those of utimensat(2).</summary>
[StructLayout(LayoutKind.Sequential)]
public record struct Timespec(long Seconds, long Nanoseconds)
{
    /// <summary>utimensat: set to the current time.</summary>
    public const long UTIME_NOW = (1L << 30) - 1;
    /// <summary>utimensat: leave as it is.</summary>
    public const long UTIME_OMIT = (1L << 30) - 2;

    /// <summary>Leaves the time as it is.</summary>
    public static readonly Timespec Omit = new(0, UTIME_OMIT);
    /// <summary>The time of the call.</summary>
    public static readonly Timespec Now = new(0, UTIME_NOW);

    /// <summary>Nanoseconds since the epoch.</summary>
    public readonly long TotalNs => Seconds * 1_000_000_000 + Nanoseconds;

    /// <summary>Splits nanoseconds since the epoch (floor, so that the nanoseconds are never negative).</summary>
    public static Timespec FromNs(long ns)
    {
        long seconds = Math.DivRem(ns, 1_000_000_000, out long rest);
        return rest < 0 ? new(seconds - 1, rest + 1_000_000_000) : new(seconds, rest);
    }
}

/// <summary>struct statx_timestamp: 16 bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
public record struct StatxTimestamp(long Seconds, uint Nanoseconds, int Reserved)
{
    /// <summary>Nanoseconds since the epoch.</summary>
    public readonly long TotalNs => Seconds * 1_000_000_000 + Nanoseconds;

    /// <summary>Splits nanoseconds since the epoch.</summary>
    public static StatxTimestamp FromNs(long ns)
    {
        var t = Timespec.FromNs(ns);
        return new(t.Seconds, (uint)t.Nanoseconds, 0);
    }
}

/// <summary>What statx(2) is asked for and has filled in.</summary>
[Flags]
public enum StatxMask : uint
{
    STATX_TYPE = 1,
    STATX_MODE = 2,
    STATX_NLINK = 4,
    STATX_UID = 8,
    STATX_GID = 0x10,
    STATX_ATIME = 0x20,
    STATX_MTIME = 0x40,
    STATX_CTIME = 0x80,
    STATX_INO = 0x100,
    STATX_SIZE = 0x200,
    STATX_BLOCKS = 0x400,
    STATX_BASIC_STATS = 0x7ff,
    STATX_BTIME = 0x800,
    STATX_MNT_ID = 0x1000,
    STATX_DIOALIGN = 0x2000,
    STATX_MNT_ID_UNIQUE = 0x4000,
    STATX_SUBVOL = 0x8000,
    STATX__RESERVED = 0x80000000,
}

/// <summary>Attributes that statx(2) reports.</summary>
[Flags]
public enum StatxAttributes : ulong
{
    None = 0,
    STATX_ATTR_COMPRESSED = 4,
    STATX_ATTR_IMMUTABLE = 0x10,
    STATX_ATTR_APPEND = 0x20,
    STATX_ATTR_NODUMP = 0x40,
    STATX_ATTR_ENCRYPTED = 0x800,
    STATX_ATTR_AUTOMOUNT = 0x1000,
    STATX_ATTR_MOUNT_ROOT = 0x2000,
    STATX_ATTR_VERITY = 0x100000,
    STATX_ATTR_DAX = 0x200000,
}

/// <summary>struct statx: 256 bytes, field by field as the kernel lays it out.</summary>
/// <remarks>Linux include/uapi/linux/stat.h.</remarks>
[StructLayout(LayoutKind.Sequential)]
public struct Statx
{
    public StatxMask Mask;
    public uint BlockSize;
    public StatxAttributes Attributes;
    public uint Nlink;
    public uint Uid;
    public uint Gid;
    public Mode Mode;
    public ushort Spare0;
    public ulong Ino;
    public ulong Size;
    /// <summary>Allocated space in units of 512 bytes.</summary>
    public ulong Blocks;
    public StatxAttributes AttributesMask;
    public StatxTimestamp Atime;
    public StatxTimestamp Btime;
    public StatxTimestamp Ctime;
    public StatxTimestamp Mtime;
    public uint RdevMajor;
    public uint RdevMinor;
    public uint DevMajor;
    public uint DevMinor;
    public ulong MntId;
    public uint DioMemAlign;
    public uint DioOffsetAlign;
    public Spare12 Spare3;

    /// <summary>The device the inode lives on.</summary>
    public readonly DevT Dev => new(DevMajor, DevMinor);

    /// <summary>The device that a device node names.</summary>
    public readonly DevT Rdev => new(RdevMajor, RdevMinor);

    /// <summary>Twelve reserved 64-bit words.</summary>
    [InlineArray(12)]
    public struct Spare12
    {
        private ulong _first;
    }
}

/// <summary>struct statfs on x86-64: 120 bytes.</summary>
/// <remarks>Linux include/uapi/asm-generic/statfs.h.</remarks>
[StructLayout(LayoutKind.Sequential)]
public struct StatFs
{
    public long Type;
    public long BlockSize;
    public ulong Blocks;
    public ulong BlocksFree;
    public ulong BlocksAvailable;
    public ulong Files;
    public ulong FilesFree;
    public int FsId0;
    public int FsId1;
    public long NameLength;
    public long FragmentSize;
    public long Flags;
    public long Spare0;
    public long Spare1;
    public long Spare2;
    public long Spare3;
}

/// <summary>Walks the entries that getdents64(2) left in a buffer.</summary>
/// <remarks>struct linux_dirent64: ino u64, off s64, reclen u16, type u8, name with NUL, padded to 8 bytes.</remarks>
public ref struct DirentReader(ReadOnlySpan<byte> buffer)
{
    private ReadOnlySpan<byte> _rest = buffer;

    public ulong Ino { get; private set; }
    /// <summary>The position after this entry, for lseek(2).</summary>
    public long Offset { get; private set; }
    public DirentType Type { get; private set; }
    public ReadOnlySpan<byte> Name { get; private set; }

    /// <summary>Moves to the next entry; false at the end of the buffer.</summary>
    public bool MoveNext()
    {
        if (_rest.Length < 19)
            return false;
        Ino = MemoryMarshal.Read<ulong>(_rest);
        Offset = MemoryMarshal.Read<long>(_rest[8..]);
        int length = MemoryMarshal.Read<ushort>(_rest[16..]);
        Type = (DirentType)_rest[18];
        var name = _rest[19..length];
        Name = name[..name.IndexOf((byte)0)];
        _rest = _rest[length..];
        return true;
    }
}

/// <summary>Appends entries to a getdents64(2) buffer.</summary>
public ref struct DirentWriter(Span<byte> buffer)
{
    private readonly Span<byte> _buffer = buffer;

    /// <summary>Bytes written so far.</summary>
    public int Written { get; private set; }

    /// <summary>The bytes that an entry with a name of this length takes.</summary>
    public static int SizeOf(int nameLength) => (19 + nameLength + 1 + 7) & ~7;

    /// <summary>Appends one entry; false, with nothing written, when it does not fit.</summary>
    public bool TryAppend(ReadOnlySpan<byte> name, ulong ino, long nextOffset, DirentType type)
    {
        int size = SizeOf(name.Length);
        if (size > _buffer.Length - Written)
            return false;
        var entry = _buffer.Slice(Written, size);
        MemoryMarshal.Write(entry, ino);
        MemoryMarshal.Write(entry[8..], nextOffset);
        MemoryMarshal.Write(entry[16..], (ushort)size);
        entry[18] = (byte)type;
        name.CopyTo(entry[19..]);
        entry[(19 + name.Length)..].Clear();
        Written += size;
        return true;
    }
}
