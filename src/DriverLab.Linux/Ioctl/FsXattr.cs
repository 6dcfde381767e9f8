using System.Runtime.InteropServices;

namespace DriverLab.Linux.Ioctl;

/// <summary>Flags and numbers of an inode that file systems share (struct fsxattr, 28 bytes).</summary>
/// <remarks>Linux include/uapi/linux/fs.h.</remarks>
[StructLayout(LayoutKind.Sequential, Size = 28)]
public struct FsXattr
{
    /// <summary>Fills one.</summary>
    public const uint FS_IOC_FSGETXATTR = 0x801C_581F;

    /// <summary>Takes one.</summary>
    public const uint FS_IOC_FSSETXATTR = 0x401C_5820;

    /// <summary>What is made in a directory gets its project.</summary>
    public const uint FS_XFLAG_PROJINHERIT = 0x200;

    /// <summary>FS_XFLAG_*.</summary>
    public uint Flags;

    /// <summary>In bytes; what is allocated at once.</summary>
    public uint ExtentBytes;

    /// <summary>Extents of the data; only read.</summary>
    public uint Extents;

    /// <summary>The project whose quota counts.</summary>
    public uint Project;

    /// <summary>In bytes; what is copied at once.</summary>
    public uint CowExtentBytes;
}

/// <summary>The two ioctls as calls.</summary>
public static class FsXattrKernel
{
    extension(IKernel kernel)
    {
        /// <summary>FS_IOC_FSGETXATTR.</summary>
        /// <returns>EBADF, ENOTTY (the file system has none).</returns>
        public Errno FsGetXattr(Fd fd, out FsXattr value)
        {
            value = default;
            return kernel.Ioctl(fd, FsXattr.FS_IOC_FSGETXATTR, MemoryMarshal.AsBytes(new Span<FsXattr>(ref value))).Error;
        }

        /// <summary>FS_IOC_FSSETXATTR.</summary>
        /// <returns>EBADF, ENOTTY (the file system has none), EROFS, EPERM (not the owner), EINVAL, EOPNOTSUPP (something of it that the file system has not).</returns>
        public Errno FsSetXattr(Fd fd, FsXattr value) => kernel.Ioctl(fd, FsXattr.FS_IOC_FSSETXATTR, MemoryMarshal.AsBytes(new Span<FsXattr>(ref value))).Error;
    }
}
