using System.Runtime.InteropServices;
using DriverLab.Linux;
using DriverLab.Linux.Abi;

namespace DriverLab.Vfs;

/// <summary>The flags that chattr(1) sets, by the four ioctls that read and write them.</summary>
/// <remarks>Linux fs/ioctl.c (fs/file_attr.c since 6.17): ioctl_getflags(), ioctl_setflags(), ioctl_fsgetxattr(), ioctl_fssetxattr(), vfs_fileattr_set().</remarks>
public static class FileAttrs
{
    public const uint FS_IMMUTABLE_FL = 0x10, FS_APPEND_FL = 0x20, FS_NODUMP_FL = 0x40, FS_NOATIME_FL = 0x80, FS_CASEFOLD_FL = 0x40000000;
    private const uint FS_SYNC_FL = 8;
    private const uint FS_IOC_GETFLAGS = 0x80086601, FS_IOC_SETFLAGS = 0x40086602, FS_IOC_FSGETXATTR = 0x801C581F, FS_IOC_FSSETXATTR = 0x401C5820;
    private const uint FS_XFLAG_EXTSIZE = 0x800, FS_XFLAG_EXTSZINHERIT = 0x1000, FS_XFLAG_COWEXTSIZE = 0x10000;

    private static readonly (uint Flag, uint Extended)[] s_common = [(FS_SYNC_FL, 0x20), (FS_IMMUTABLE_FL, 8), (FS_APPEND_FL, 0x10), (FS_NODUMP_FL, 0x80), (FS_NOATIME_FL, 0x40)];

    /// <summary>True for one of the four requests.</summary>
    public static bool Handles(uint request) => request is FS_IOC_GETFLAGS or FS_IOC_SETFLAGS or FS_IOC_FSGETXATTR or FS_IOC_FSSETXATTR;

    /// <summary>True for the two that set flags.</summary>
    public static bool Changes(uint request) => request is FS_IOC_SETFLAGS or FS_IOC_FSSETXATTR;

    /// <summary>Makes the call.</summary>
    /// <returns>EFAULT, EOPNOTSUPP (unknown flags), EROFS, ENOTTY (the file system has none), EPERM (not the owner; immutable and append-only without CAP_LINUX_IMMUTABLE), EINVAL (extent size of a wrong type), EOPNOTSUPP.</returns>
    public static SysResult<int> Run(Caller caller, OpenFile file, uint request, Span<byte> argument)
    {
        var (inode, dentry) = (file.Inode, file.Path.Dentry);
        caller = caller.Through(file.Path.Mount);
        bool isExtended = request is FS_IOC_FSGETXATTR or FS_IOC_FSSETXATTR;
        if (argument.Length < (isExtended ? 28 : 4))
            return Errno.EFAULT;
        var words = MemoryMarshal.Cast<byte, uint>(argument);
        if (request is FS_IOC_GETFLAGS or FS_IOC_FSGETXATTR)
            return Get(caller, inode, dentry, isExtended, words);
        if (inode.Sb.Core.Quirks.FileSystemsTakeFlagCalls && inode.GetFileAttr(caller, dentry, out _) == Errno.ENOTTY)
            return Errno.ENOTTY;
        var quirks = inode.Sb.Core.Quirks;
        if (isExtended && (words[0] & ~quirks.KnownFileFlags) != 0)
            return Errno.EOPNOTSUPP;
        var error = file.Path.Mount.WantWrite();
        uint flags = isExtended ? FromExtended(words[0]) : words[0];
        bool hasMore = isExtended && ((words[0] & ~quirks.ToldFileFlags & ~HintsOf(words) & ~AllCommon) != 0 || words[1] != 0 || words[3] != 0 || words[4] != 0);
        if (error == Errno.OK)
            error = Set(caller, inode, dentry, flags, isExtended ? words[0] : 0, hasMore);
        return error == Errno.OK ? 0 : error;
    }

    private static SysResult<int> Get(Caller caller, Inode inode, Dentry dentry, bool isExtended, Span<uint> words)
    {
        var error = inode.GetFileAttr(caller, dentry, out uint flags);
        if (error != Errno.OK)
            return error;
        if (isExtended)
        {
            words[..7].Clear();
            foreach (var (flag, extended) in s_common)
                words[0] |= (flags & flag) != 0 ? extended : 0;
        }
        else
        {
            words[0] = flags;
        }
        return 0;
    }

    // Hints of a size without the size are none.
    private static uint HintsOf(ReadOnlySpan<uint> words) => (words[1] == 0 ? FS_XFLAG_EXTSIZE | FS_XFLAG_EXTSZINHERIT : 0) | (words[4] == 0 ? FS_XFLAG_COWEXTSIZE : 0);

    private static uint AllCommon => 0x20 | 8 | 0x10 | 0x80 | 0x40;

    private static uint FromExtended(uint extended)
    {
        uint flags = 0;
        foreach (var (flag, bit) in s_common)
            flags |= (extended & bit) != 0 ? flag : 0;
        return flags;
    }

    private static Errno Set(Caller caller, Inode inode, Dentry dentry, uint flags, uint extended, bool hasMore)
    {
        var error = inode.GetFileAttr(caller, dentry, out uint before);
        if (error == Errno.ENOTTY && !inode.AsksForFileAttr)
            return error;
        if (!Permissions.OwnerOrCapable(inode, caller.Credentials))
            return Errno.EPERM;
        if (error != Errno.OK)
            return error;
        if (((flags ^ before) & (FS_IMMUTABLE_FL | FS_APPEND_FL)) != 0 && !caller.Credentials.Capable(Capabilities.CAP_LINUX_IMMUTABLE))
            return Errno.EPERM;
        bool isRegular = inode.IsRegular, isDirectory = inode.IsDirectory;
        if ((extended & FS_XFLAG_EXTSIZE) != 0 && !isRegular || (extended & FS_XFLAG_EXTSZINHERIT) != 0 && !isDirectory || (extended & FS_XFLAG_COWEXTSIZE) != 0 && !isRegular && !isDirectory)
            return Errno.EINVAL;
        error = inode.SetFileAttr(caller, dentry, flags, hasMore);
        if (error == Errno.OK)
            TellChange(dentry);
        return error;
    }

    /// <summary>Watches hear that flags have changed, on kernels where they do.</summary>
    public static void TellChange(Dentry dentry)
    {
        if (dentry.Sb.Core.Quirks.FlagsAreTold)
            Notify.Entry(dentry, InotifyMask.IN_ATTRIB);
    }

    /// <summary>The flags of an inode that keeps them as <see cref="InodeFlags"/>.</summary>
    public static uint Of(InodeFlags flags) =>
        ((flags & InodeFlags.S_SYNC) != 0 ? FS_SYNC_FL : 0) | ((flags & InodeFlags.S_IMMUTABLE) != 0 ? FS_IMMUTABLE_FL : 0) | ((flags & InodeFlags.S_APPEND) != 0 ? FS_APPEND_FL : 0)
        | ((flags & InodeFlags.I_NODUMP) != 0 ? FS_NODUMP_FL : 0) | ((flags & InodeFlags.S_NOATIME) != 0 ? FS_NOATIME_FL : 0);

    /// <summary>The other way round; bits that are no such flags stay as they are.</summary>
    public static InodeFlags With(InodeFlags flags, uint wanted)
    {
        const InodeFlags all = InodeFlags.S_IMMUTABLE | InodeFlags.S_APPEND | InodeFlags.I_NODUMP | InodeFlags.S_NOATIME;
        return flags & ~all | ((wanted & FS_IMMUTABLE_FL) != 0 ? InodeFlags.S_IMMUTABLE : 0) | ((wanted & FS_APPEND_FL) != 0 ? InodeFlags.S_APPEND : 0)
            | ((wanted & FS_NODUMP_FL) != 0 ? InodeFlags.I_NODUMP : 0) | ((wanted & FS_NOATIME_FL) != 0 ? InodeFlags.S_NOATIME : 0);
    }
}
