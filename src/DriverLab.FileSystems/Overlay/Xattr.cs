using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Vfs;

namespace DriverLab.FileSystems.Overlay;

/// <summary>The names of overlayfs's own xattrs, in one of the two namespaces.</summary>
/// <remarks>Linux fs/overlayfs/overlayfs.h: enum ovl_xattr. <c>trusted.overlay.</c>, or with <c>userxattr</c> <c>user.overlay.</c></remarks>
internal sealed class OverlayXattrNames
{
    /// <summary>trusted.overlay.*</summary>
    public static readonly OverlayXattrNames Trusted = new("trusted.overlay."u8);
    /// <summary>user.overlay.*</summary>
    public static readonly OverlayXattrNames User = new("user.overlay."u8);

    private OverlayXattrNames(ReadOnlySpan<byte> prefix)
    {
        Prefix = prefix.ToArray();
        Opaque = With("opaque"u8);
        Redirect = With("redirect"u8);
        Origin = With("origin"u8);
        Impure = With("impure"u8);
        Nlink = With("nlink"u8);
        Upper = With("upper"u8);
        Uuid = With("uuid"u8);
        Metacopy = With("metacopy"u8);
        ProtAttr = With("protattr"u8);
        Whiteout = With("whiteout"u8);
        Whiteouts = With("whiteouts"u8);
        EscapePrefix = With("overlay."u8);
    }

    /// <summary>The namespace, with its final dot.</summary>
    public byte[] Prefix { get; }
    /// <summary>Directory: <c>y</c> ends the merge below; <c>x</c> announces xattr whiteouts.</summary>
    public byte[] Opaque { get; }
    /// <summary>Directory or metacopy file: where it is in the layers below.</summary>
    public byte[] Redirect { get; }
    /// <summary>Copied-up object: <see cref="OriginHandle"/> of the lower inode, or nothing.</summary>
    public byte[] Origin { get; }
    /// <summary>Upper directory: <c>y</c> when it holds entries whose inode number is not the upper one.</summary>
    public byte[] Impure { get; }
    /// <summary>Upper inode with an index entry: difference of the union's link count.</summary>
    public byte[] Nlink { get; }
    /// <summary>Index directory: <see cref="OriginHandle"/> of the upper directory.</summary>
    public byte[] Upper { get; }
    /// <summary>Upper root: 16 raw bytes.</summary>
    public byte[] Uuid { get; }
    /// <summary>Upper file without data.</summary>
    public byte[] Metacopy { get; }
    /// <summary>Copied-up append-only or immutable file.</summary>
    public byte[] ProtAttr { get; }
    /// <summary>Regular file of size 0: a whiteout in a directory marked <c>opaque=x</c>.</summary>
    public byte[] Whiteout { get; }
    /// <summary>6.7 only: the mark of a directory with xattr whiteouts.</summary>
    public byte[] Whiteouts { get; }
    /// <summary>The prefix under which a nested overlay's own xattrs are stored.</summary>
    public byte[] EscapePrefix { get; }

    /// <summary>True for a name that belongs to this mount, not to its users. On a line that escapes, an escaped name is the user's.</summary>
    public bool IsOwn(ReadOnlySpan<byte> name, bool escaping) =>
        name.StartsWith(Prefix) && !(escaping && name.StartsWith(EscapePrefix));

    private byte[] With(ReadOnlySpan<byte> name) => [.. Prefix, .. name];
}

/// <summary>What a file-handle xattr holds: which inode on which file system.</summary>
/// <remarks>
/// Linux fs/overlayfs/overlayfs.h: struct ovl_fb. Byte 0 version 0, 1 magic 0xfb, 2 length of the whole, 3 flags (1 big endian, 2 any endian, 4 path is upper),
/// 4 type of the handle, 5 to 20 UUID of the file system, then the handle as the file system encodes it.
/// </remarks>
internal readonly struct OriginHandle
{
    public const int HeaderSize = 21;
    public const int MaxSize = HeaderSize + 128;
    public const byte Version = 0;
    public const byte Magic = 0xfb;
    public const byte FlagBigEndian = 1;
    public const byte FlagAnyEndian = 2;
    public const byte FlagPathUpper = 4;

    /// <summary>Writes a handle; the result is its length.</summary>
    public static int Write(Span<byte> target, byte type, ReadOnlySpan<byte> uuid, ReadOnlySpan<byte> fid, bool isUpper)
    {
        int length = HeaderSize + fid.Length;
        target[0] = Version;
        target[1] = Magic;
        target[2] = (byte)length;
        target[3] = isUpper ? FlagPathUpper : (byte)0;
        target[4] = type;
        target[5..HeaderSize].Clear();
        uuid.CopyTo(target[5..]);
        fid.CopyTo(target[HeaderSize..]);
        return length;
    }

    /// <summary>What reading a handle says before anybody tries to decode it.</summary>
    public enum Fault
    {
        /// <summary>Well formed.</summary>
        None,
        /// <summary>Too short, bad magic or length: the kernel warns ("invalid origin") and goes on without an origin.</summary>
        Invalid,
        /// <summary>A newer version, an unknown flag or another endianness: silently no origin.</summary>
        Unknown,
        /// <summary>Zero length: the lower file system has no handles.</summary>
        Empty,
    }

    /// <summary>Checks the header.</summary>
    /// <remarks>Linux fs/overlayfs/namei.c: ovl_check_fb_len().</remarks>
    public static Fault Check(ReadOnlySpan<byte> value)
    {
        if (value.IsEmpty)
            return Fault.Empty;
        if (value.Length < HeaderSize || value[2] != value.Length || value[1] != Magic)
            return Fault.Invalid;
        bool known = value[0] == Version && (value[3] & ~(FlagBigEndian | FlagAnyEndian | FlagPathUpper)) == 0;
        bool ours = (value[3] & FlagAnyEndian) != 0 || (value[3] & FlagBigEndian) == 0;
        return known && ours ? Fault.None : Fault.Unknown;
    }

    /// <summary>The UUID of the file system that the handle belongs to.</summary>
    public static ReadOnlySpan<byte> Uuid(ReadOnlySpan<byte> value) => value[5..HeaderSize];

    /// <summary>The file system's own part.</summary>
    public static ReadOnlySpan<byte> Fid(ReadOnlySpan<byte> value) => value[HeaderSize..];

    /// <summary>The handle that an index entry is named after; empty when the name is none.</summary>
    public static byte[] FromIndexName(ReadOnlySpan<byte> name)
    {
        var handle = new byte[name.Length / 2];
        return name.Length % 2 == 0 && Convert.FromHexString(name, handle, out _, out _) == System.Buffers.OperationStatus.Done ? handle : [];
    }

    /// <summary>The name of an index entry: the whole handle in lower-case hex.</summary>
    /// <remarks>Linux fs/overlayfs/namei.c: ovl_get_index_name_fh().</remarks>
    public static byte[] IndexName(ReadOnlySpan<byte> handle)
    {
        var name = new byte[handle.Length * 2];
        for (int i = 0; i < handle.Length; i++)
        {
            name[2 * i] = Hex(handle[i] >> 4);
            name[2 * i + 1] = Hex(handle[i] & 15);
        }
        return name;
    }

    private static byte Hex(int digit) => (byte)(digit < 10 ? '0' + digit : 'a' + digit - 10);
}

/// <summary>The text of the nlink xattr: <c>U%+d</c> or <c>L%+d</c>, the difference from the upper or the lower inode's link count.</summary>
/// <remarks>Linux fs/overlayfs/inode.c: ovl_set_nlink_common(), ovl_get_nlink().</remarks>
internal static class NlinkText
{
    public static int Write(Span<byte> target, bool fromUpper, int difference)
    {
        target[0] = (byte)(fromUpper ? 'U' : 'L');
        target[1] = (byte)(difference < 0 ? '-' : '+');
        _ = System.Buffers.Text.Utf8Formatter.TryFormat(Math.Abs(difference), target[2..], out int digits);
        return 2 + digits;
    }

    /// <summary>Reads the text.</summary>
    /// <returns>Links; or none and what the kernel's log tells of it: the text's length when it does not begin as it should, -EINVAL when no number follows, 0 when there would be no links.</returns>
    public static (int Nlink, int Error) Read(ReadOnlySpan<byte> text, int upperNlink, int lowerNlink)
    {
        if (text.Length < 2 || text[0] is not ((byte)'U' or (byte)'L') || text[1] is not ((byte)'+' or (byte)'-'))
            return (0, text.Length);
        if (text.Length < 3 || !char.IsAsciiDigit((char)text[2]) || !System.Buffers.Text.Utf8Parser.TryParse(text[2..], out int difference, out int used) || used != text.Length - 2)
            return (0, -(int)Errno.EINVAL);
        return (Math.Max(0, (text[0] == 'U' ? upperNlink : lowerNlink) + (text[1] == '-' ? -difference : difference)), 0);
    }
}

/// <summary>Translates the names that users of the mount see into those on the layers, and back.</summary>
/// <remarks>Linux fs/overlayfs/xattrs.c: ovl_own_xattr_get(), ovl_other_xattr_get(), ovl_listxattr(); 6.1: fs/overlayfs/super.c, inode.c.</remarks>
internal static class XattrName
{
    /// <summary>Room for the longest name after escaping.</summary>
    public const int BufferSize = Limits.XATTR_NAME_MAX + 1 + 8;

    /// <summary>The name on the layers.</summary>
    /// <returns>EINVAL: nothing behind the prefix. EOPNOTSUPP: an own name, and this line does not escape, or it gets too long.</returns>
    public static Errno ToReal(OverlaySuperBlock sb, ReadOnlySpan<byte> name, Span<byte> buffer, out ReadOnlySpan<byte> real)
    {
        real = name;
        if (!name.StartsWith(sb.Names.Prefix))
            return Errno.OK;
        if (name.Length == sb.Names.Prefix.Length)
            return Errno.EINVAL;
        if (!sb.Escapes)
            return Errno.EOPNOTSUPP;
        int length = name.Length + sb.Names.EscapePrefix.Length - sb.Names.Prefix.Length;
        if (length > Limits.XATTR_NAME_MAX)
            return Errno.EOPNOTSUPP;
        sb.Names.EscapePrefix.CopyTo(buffer);
        name[sb.Names.Prefix.Length..].CopyTo(buffer[sb.Names.EscapePrefix.Length..]);
        real = CopyOf(buffer[..length]);
        return Errno.OK;
    }

    // The caller's buffer outlives the call; the compiler cannot know it.
    private static ReadOnlySpan<byte> CopyOf(ReadOnlySpan<byte> name) => name.ToArray();

    /// <summary>Names on the real object without the mount's own, unescaped; trusted ones only for CAP_SYS_ADMIN.</summary>
    /// <returns>ERANGE when the buffer does not hold the names before they are filtered; an empty buffer is told the size before filtering too.</returns>
    public static SysResult<int> List(OverlaySuperBlock sb, Caller caller, Dentry real, Span<byte> names)
    {
        var size = Xattrs.VfsListXattr(sb.Mounter, real, names);
        if (!size.IsOk || size.Value == 0 || names.IsEmpty)
            return size;
        bool seesTrusted = caller.Credentials.Capable(Capabilities.CAP_SYS_ADMIN);
        int end = size.Value, kept = 0;
        for (int at = 0; at < end;)
        {
            var name = names[at..end];
            name = name[..(name.IndexOf((byte)0) + 1)];
            at += name.Length;
            if (sb.Names.IsOwn(name, sb.Escapes) || (!seesTrusted && name.StartsWith("trusted."u8)))
                continue;
            if (sb.Escapes && name.StartsWith(sb.Names.EscapePrefix))
            {
                // What follows the prefix moves left over the escape; the prefix itself may move left too.
                var rest = name[sb.Names.EscapePrefix.Length..];
                name[..sb.Names.Prefix.Length].CopyTo(names[kept..]);
                rest.CopyTo(names[(kept + sb.Names.Prefix.Length)..]);
                kept += sb.Names.Prefix.Length + rest.Length;
            }
            else
            {
                name.CopyTo(names[kept..]);
                kept += name.Length;
            }
        }
        return kept;
    }
}
