using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace DriverLab.Linux.Abi;

/// <summary>struct open_how of openat2(2): 24 bytes.</summary>
/// <param name="Flags">As of open(2); unknown bits are refused.</param>
/// <param name="Mode">Permission bits; must be 0 unless a file may be made.</param>
/// <param name="Resolve">How the path may be walked.</param>
[StructLayout(LayoutKind.Sequential)]
public record struct OpenHow(ulong Flags, ulong Mode, ResolveFlags Resolve);

/// <summary>Limits on the walk of openat2(2).</summary>
[Flags]
public enum ResolveFlags : ulong
{
    None = 0,
    RESOLVE_NO_XDEV = 1,
    RESOLVE_NO_MAGICLINKS = 2,
    RESOLVE_NO_SYMLINKS = 4,
    RESOLVE_BENEATH = 8,
    RESOLVE_IN_ROOT = 0x10,
    /// <summary>5.12.</summary>
    RESOLVE_CACHED = 0x20,
}

/// <summary>struct file_handle with room for the longest handle.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct FileHandle
{
    /// <summary>Longest handle, in bytes (MAX_HANDLE_SZ).</summary>
    public const int MaxSize = 128;

    /// <summary>Before name_to_handle_at(2) the room, after it the length needed, in bytes.</summary>
    public uint Bytes;

    /// <summary>What the file system calls the format.</summary>
    public int Type;

    /// <summary>The handle's bytes.</summary>
    public HandleData Data;

    /// <summary>The bytes in use.</summary>
    [UnscopedRef]
    public Span<byte> Value => ((Span<byte>)Data)[..(int)Math.Min(Bytes, MaxSize)];

    /// <summary>128 bytes.</summary>
    [InlineArray(MaxSize)]
    public struct HandleData
    {
        private byte _first;
    }
}

/// <summary>Protection of a mapping.</summary>
[Flags]
public enum MapProtection
{
    PROT_NONE = 0,
    PROT_READ = 1,
    PROT_WRITE = 2,
    PROT_EXEC = 4,
}

/// <summary>Kind of a mapping.</summary>
[Flags]
public enum MapFlags
{
    None = 0,
    MAP_SHARED = 1,
    MAP_PRIVATE = 2,
    MAP_SHARED_VALIDATE = 3,
    MAP_POPULATE = 0x8000,
}

/// <summary>Flags of msync(2).</summary>
[Flags]
public enum MsyncFlags
{
    None = 0,
    MS_ASYNC = 1,
    MS_INVALIDATE = 2,
    MS_SYNC = 4,
}
