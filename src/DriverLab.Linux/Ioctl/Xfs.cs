using System.Runtime.InteropServices;
using DriverLab.Linux.Abi;

namespace DriverLab.Linux.Ioctl;

/// <summary>xfs's ioctls.</summary>
/// <remarks>Linux fs/xfs/libxfs/xfs_fs.h.</remarks>
public static class Xfs
{
    /// <summary>Fills an <see cref="XfsGeometry"/>.</summary>
    public const uint XFS_IOC_FSGEOMETRY_V1 = 0x8070_5864;

    /// <summary>Takes an <see cref="XfsGrowData"/>.</summary>
    public const uint XFS_IOC_FSGROWFSDATA = 0x4010_586E;
}

/// <summary>What an xfs is like (struct xfs_fsop_geom_v1, 112 bytes).</summary>
[StructLayout(LayoutKind.Sequential, Size = 112)]
public struct XfsGeometry
{
    /// <summary>Sizes in bytes, but <see cref="ExtentBlocks"/>, <see cref="GroupBlocks"/> and <see cref="LogBlocks"/> in blocks.</summary>
    public uint BlockBytes, ExtentBlocks, GroupBlocks, Groups, LogBlocks, SectorBytes, InodeBytes;

    /// <summary>The share of blocks that inodes may take, in percent.</summary>
    public uint MaxInodePercent;

    /// <summary>Blocks of data.</summary>
    public ulong DataBlocks;
}

/// <summary>The size wanted (struct xfs_growfs_data).</summary>
[StructLayout(LayoutKind.Sequential, Size = 16)]
public struct XfsGrowData
{
    /// <summary>Blocks of data.</summary>
    public ulong Blocks;

    /// <summary>The share of blocks that inodes may take, in percent.</summary>
    public uint MaxInodePercent;
}

/// <summary>xfs's ioctls as calls.</summary>
public static class XfsKernel
{
    extension(IKernel kernel)
    {
        /// <summary>XFS_IOC_FSGROWFSDATA on a descriptor of the mounted file system; its share of inodes stays.</summary>
        /// <returns>EBADF, ENOTTY (no xfs), EPERM, EINVAL (smaller, larger than the device), then what reading and writing say.</returns>
        public Errno XfsGrow(Fd fd, ulong bytes)
        {
            var geometry = default(XfsGeometry);
            var error = kernel.Ioctl(fd, Xfs.XFS_IOC_FSGEOMETRY_V1, MemoryMarshal.AsBytes(new Span<XfsGeometry>(ref geometry))).Error;
            if (error != Errno.OK)
                return error;
            var wanted = new XfsGrowData { Blocks = bytes / geometry.BlockBytes, MaxInodePercent = geometry.MaxInodePercent };
            return kernel.Ioctl(fd, Xfs.XFS_IOC_FSGROWFSDATA, MemoryMarshal.AsBytes(new Span<XfsGrowData>(ref wanted))).Error;
        }
    }
}
