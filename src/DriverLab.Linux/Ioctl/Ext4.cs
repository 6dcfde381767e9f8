using System.Runtime.InteropServices;

namespace DriverLab.Linux.Ioctl;

/// <summary>Request numbers of ext4.</summary>
/// <remarks>Linux include/uapi/linux/ext4.h (before 6.7: fs/ext4/ext4.h).</remarks>
public static class Ext4
{
    /// <summary>Grows a mounted file system; a pointer to its new size in blocks, u64.</summary>
    public const uint EXT4_IOC_RESIZE_FS = 0x40086610;
}

/// <summary>Typed forms of ext4's ioctls, for any kernel.</summary>
public static class Ext4Kernel
{
    extension(IKernel kernel)
    {
        /// <summary>EXT4_IOC_RESIZE_FS on a descriptor of the mounted file system; shrinking is not possible.</summary>
        /// <returns>EBADF, ENOTTY (no ext4), EPERM, EINVAL (smaller, larger than the device), then what reading and writing say.</returns>
        public Errno Ext4Resize(Fd fd, ulong blocks) => kernel.Ioctl(fd, Ext4.EXT4_IOC_RESIZE_FS, MemoryMarshal.AsBytes(new Span<ulong>(ref blocks))).Error;
    }
}
