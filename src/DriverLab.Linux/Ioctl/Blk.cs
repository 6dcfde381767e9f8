using System.Runtime.InteropServices;
using DriverLab.Linux.Abi;

namespace DriverLab.Linux.Ioctl;

/// <summary>Request numbers of the ioctls that every block device answers.</summary>
/// <remarks>Linux include/uapi/linux/fs.h; numbers are those of x86-64.</remarks>
public static class Blk
{
    /// <summary>Sets the read-only state; int.</summary>
    public const uint BLKROSET = 0x125D;
    /// <summary>Gets the read-only state; int.</summary>
    public const uint BLKROGET = 0x125E;
    /// <summary>Reads the partition table again; no argument.</summary>
    public const uint BLKRRPART = 0x125F;
    /// <summary>Adds, deletes or resizes a partition; struct blkpg_ioctl_arg, which points to a struct blkpg_partition.</summary>
    public const uint BLKPG = 0x1269;
    /// <summary>Bytes of struct blkpg_ioctl_arg: op at 0, the pointer at 16. Include/uapi/linux/blkpg.h.</summary>
    public const int BlkpgArgumentBytes = 24;
    /// <summary>Bytes of struct blkpg_partition: start at 0 and length at 8 in bytes, number at 16.</summary>
    public const int BlkpgPartitionBytes = 152;
    /// <summary>Size in sectors; unsigned long.</summary>
    public const uint BLKGETSIZE = 0x1260;
    /// <summary>Writes back and drops the cached pages; no argument.</summary>
    public const uint BLKFLSBUF = 0x1261;
    /// <summary>Sets read-ahead, in sectors; a number.</summary>
    public const uint BLKRASET = 0x1262;
    /// <summary>Gets read-ahead, in sectors; long.</summary>
    public const uint BLKRAGET = 0x1263;
    /// <summary>Same as <see cref="BLKRASET"/>.</summary>
    public const uint BLKFRASET = 0x1264;
    /// <summary>Same as <see cref="BLKRAGET"/>.</summary>
    public const uint BLKFRAGET = 0x1265;
    /// <summary>Largest request, in sectors; unsigned short.</summary>
    public const uint BLKSECTGET = 0x1267;
    /// <summary>Logical block size, in bytes; int.</summary>
    public const uint BLKSSZGET = 0x1268;
    /// <summary>Block size of the page cache, in bytes; int, although the number says size_t.</summary>
    public const uint BLKBSZGET = 0x80081270;
    /// <summary>Sets the block size of the page cache, in bytes; int.</summary>
    public const uint BLKBSZSET = 0x40081271;
    /// <summary>Size in bytes; u64.</summary>
    public const uint BLKGETSIZE64 = 0x80081272;
    /// <summary>Discards a range; u64[2], start and length in bytes.</summary>
    public const uint BLKDISCARD = 0x1277;
    /// <summary>Smallest efficient request, in bytes; unsigned int.</summary>
    public const uint BLKIOMIN = 0x1278;
    /// <summary>Best request size, in bytes, 0 unknown; unsigned int.</summary>
    public const uint BLKIOOPT = 0x1279;
    /// <summary>Offset of the first aligned block, in bytes, -1 misaligned; int.</summary>
    public const uint BLKALIGNOFF = 0x127A;
    /// <summary>Physical block size, in bytes; unsigned int.</summary>
    public const uint BLKPBSZGET = 0x127B;
    /// <summary>Always 0; unsigned int.</summary>
    public const uint BLKDISCARDZEROES = 0x127C;
    /// <summary>Discards a range so that it cannot be read back; u64[2].</summary>
    public const uint BLKSECDISCARD = 0x127D;
    /// <summary>1 for a rotating disk; unsigned short.</summary>
    public const uint BLKROTATIONAL = 0x127E;
    /// <summary>Makes a range read as zeros; u64[2].</summary>
    public const uint BLKZEROOUT = 0x127F;
    /// <summary>Heads, sectors and cylinders, of disks that have them.</summary>
    public const uint HDIO_GETGEO = 0x301;
    /// <summary>Sequence number of the disk, never the same twice; u64.</summary>
    public const uint BLKGETDISKSEQ = 0x80081280;
    /// <summary>Requests of zoned devices.</summary>
    public const uint BLKREPORTZONE = 0xC0101282, BLKRESETZONE = 0x40101283, BLKGETZONESZ = 0x80041284, BLKGETNRZONES = 0x80041285, BLKOPENZONE = 0x40101286, BLKCLOSEZONE = 0x40101287, BLKFINISHZONE = 0x40101288;
    /// <summary>Persistent reservations.</summary>
    public const uint IOC_PR_REGISTER = 0x401870C8, IOC_PR_RESERVE = 0x401070C9, IOC_PR_RELEASE = 0x401070CA, IOC_PR_PREEMPT = 0x401870CB, IOC_PR_PREEMPT_ABORT = 0x401870CC, IOC_PR_CLEAR = 0x401070CD;
}

/// <summary>What BLKPG does.</summary>
public enum BlkpgOperation
{
    BLKPG_ADD_PARTITION = 1,
    BLKPG_DEL_PARTITION = 2,
    BLKPG_RESIZE_PARTITION = 3,
}

/// <summary>Typed forms of the block ioctls, for any kernel.</summary>
/// <remarks>Errors of all: EBADF, ENOTTY (not a block device); those that set something need CAP_SYS_ADMIN, else EACCES.</remarks>
public static class BlkKernel
{
    extension(IKernel kernel)
    {
        /// <summary>BLKGETSIZE64: size of the device, in bytes.</summary>
        public SysResult<long> BlkGetSize64(Fd fd) => Get<long>(kernel, fd, Blk.BLKGETSIZE64);

        /// <summary>BLKGETSIZE: size of the device, in sectors of 512 bytes.</summary>
        public SysResult<long> BlkGetSize(Fd fd) => Get<long>(kernel, fd, Blk.BLKGETSIZE);

        /// <summary>BLKSSZGET: logical block size, in bytes.</summary>
        public SysResult<int> BlkSszGet(Fd fd) => Get<int>(kernel, fd, Blk.BLKSSZGET);

        /// <summary>BLKPBSZGET: physical block size, in bytes.</summary>
        public SysResult<uint> BlkPbszGet(Fd fd) => Get<uint>(kernel, fd, Blk.BLKPBSZGET);

        /// <summary>BLKIOMIN: smallest efficient request, in bytes.</summary>
        public SysResult<uint> BlkIoMin(Fd fd) => Get<uint>(kernel, fd, Blk.BLKIOMIN);

        /// <summary>BLKIOOPT: best request size, in bytes; 0 when the device says nothing.</summary>
        public SysResult<uint> BlkIoOpt(Fd fd) => Get<uint>(kernel, fd, Blk.BLKIOOPT);

        /// <summary>BLKALIGNOFF: offset of the first aligned block, in bytes; -1 when misaligned.</summary>
        public SysResult<int> BlkAlignOff(Fd fd) => Get<int>(kernel, fd, Blk.BLKALIGNOFF);

        /// <summary>BLKSECTGET: largest request, in sectors, 65535 at the most.</summary>
        public SysResult<ushort> BlkSectGet(Fd fd) => Get<ushort>(kernel, fd, Blk.BLKSECTGET);

        /// <summary>BLKROTATIONAL: 1 for a rotating disk.</summary>
        public SysResult<ushort> BlkRotational(Fd fd) => Get<ushort>(kernel, fd, Blk.BLKROTATIONAL);

        /// <summary>BLKDISCARDZEROES: always 0.</summary>
        public SysResult<uint> BlkDiscardZeroes(Fd fd) => Get<uint>(kernel, fd, Blk.BLKDISCARDZEROES);

        /// <summary>BLKBSZGET: block size of the page cache, in bytes.</summary>
        public SysResult<int> BlkBszGet(Fd fd) => Get<int>(kernel, fd, Blk.BLKBSZGET);

        /// <summary>BLKBSZSET: sets the block size of the page cache, in bytes.</summary>
        /// <returns>EACCES, EINVAL (no power of two from the logical block size to a page), EBUSY (claimed by another).</returns>
        public Errno BlkBszSet(Fd fd, int bytes) => Set(kernel, fd, Blk.BLKBSZSET, bytes);

        /// <summary>BLKRAGET: read-ahead, in sectors.</summary>
        public SysResult<long> BlkRaGet(Fd fd) => Get<long>(kernel, fd, Blk.BLKRAGET);

        /// <summary>BLKRASET: sets read-ahead, in sectors.</summary>
        /// <returns>EACCES.</returns>
        public Errno BlkRaSet(Fd fd, long sectors) => kernel.Ioctl(fd, Blk.BLKRASET, sectors).Error;

        /// <summary>BLKROGET: is the device read-only?</summary>
        public SysResult<bool> BlkRoGet(Fd fd)
        {
            var result = Get<int>(kernel, fd, Blk.BLKROGET);
            return result.IsOk ? result.Value != 0 : result.Error;
        }

        /// <summary>BLKROSET: makes the device read-only or writable. A driver may refuse, or keep its own state above this one.</summary>
        /// <returns>EACCES.</returns>
        public Errno BlkRoSet(Fd fd, bool readOnly) => Set(kernel, fd, Blk.BLKROSET, readOnly ? 1 : 0);

        /// <summary>BLKFLSBUF: writes back and drops the cached pages.</summary>
        /// <returns>EACCES.</returns>
        public Errno BlkFlsBuf(Fd fd) => kernel.Ioctl(fd, Blk.BLKFLSBUF, 0).Error;

        /// <summary>BLKRRPART: reads the partition table again.</summary>
        /// <returns>EACCES, EINVAL (no partitions here), EBUSY.</returns>
        public Errno BlkRrPart(Fd fd) => kernel.Ioctl(fd, Blk.BLKRRPART, 0).Error;

        /// <summary>BLKPG: adds, deletes or resizes a partition. The structure that is pointed to lies directly behind the other one, which is where the emulator looks.</summary>
        /// <param name="fd">The whole disk.</param>
        /// <param name="operation">What to do.</param>
        /// <param name="number">The partition, from 1.</param>
        /// <param name="start">First byte; not looked at when deleting.</param>
        /// <param name="length">Size in bytes; not looked at when deleting.</param>
        /// <returns>
        /// EINVAL (a disk that takes no partitions), EACCES, EINVAL (a partition, a number below 1), when deleting ENXIO and EBUSY (open), else EINVAL (negative or empty, no multiple of the logical
        /// block, beyond the end), EBUSY (another lies there), EINVAL (a number above 255), ENXIO (none to resize), EINVAL (resizing may not move the start).
        /// </returns>
        public unsafe Errno BlkPg(Fd fd, BlkpgOperation operation, int number, long start, long length)
        {
            Span<byte> buffer = stackalloc byte[Blk.BlkpgArgumentBytes + Blk.BlkpgPartitionBytes];
            buffer.Clear();
            var partition = buffer[Blk.BlkpgArgumentBytes..];
            MemoryMarshal.Write(buffer, (int)operation);
            MemoryMarshal.Write(buffer[8..], Blk.BlkpgPartitionBytes);
            fixed (byte* there = partition)
                MemoryMarshal.Write(buffer[16..], (ulong)there);
            MemoryMarshal.Write(partition, start);
            MemoryMarshal.Write(partition[8..], length);
            MemoryMarshal.Write(partition[16..], number);
            return kernel.Ioctl(fd, Blk.BLKPG, buffer).Error;
        }

        /// <summary>BLKDISCARD: tells the device that a range, in bytes, is no longer needed.</summary>
        /// <returns>EBADF (not open for writing), EOPNOTSUPP, EINVAL (not a multiple of 512, beyond the end, length 0), EPERM (read-only), EINVAL (not a multiple of the logical block), EIO.</returns>
        public Errno BlkDiscard(Fd fd, ulong start, ulong length) => Range(kernel, fd, Blk.BLKDISCARD, start, length);

        /// <summary>BLKSECDISCARD: errors as <see cref="BlkDiscard"/>.</summary>
        public Errno BlkSecDiscard(Fd fd, ulong start, ulong length) => Range(kernel, fd, Blk.BLKSECDISCARD, start, length);

        /// <summary>BLKZEROOUT: makes a range, in bytes, read as zeros.</summary>
        /// <returns>EBADF (not open for writing), EINVAL (not a multiple of 512, beyond the end, length 0), EPERM (read-only), EINVAL (not a multiple of the logical block), EIO.</returns>
        public Errno BlkZeroOut(Fd fd, ulong start, ulong length) => Range(kernel, fd, Blk.BLKZEROOUT, start, length);

        /// <summary>BLKGETDISKSEQ: the disk's sequence number.</summary>
        public SysResult<ulong> BlkGetDiskSeq(Fd fd) => Get<ulong>(kernel, fd, Blk.BLKGETDISKSEQ);
    }

    /// <summary>An ioctl that fills in one number.</summary>
    internal static SysResult<T> Get<T>(IKernel kernel, Fd fd, uint request) where T : unmanaged
    {
        Span<byte> buffer = stackalloc byte[8];
        buffer.Clear();
        var result = kernel.Ioctl(fd, request, buffer);
        return result.IsOk ? MemoryMarshal.Read<T>(buffer) : result.Error;
    }

    private static Errno Set(IKernel kernel, Fd fd, uint request, int value)
    {
        Span<byte> buffer = stackalloc byte[8];
        buffer.Clear();
        MemoryMarshal.Write(buffer, value);
        return kernel.Ioctl(fd, request, buffer).Error;
    }

    private static Errno Range(IKernel kernel, Fd fd, uint request, ulong start, ulong length)
    {
        Span<ulong> range = [start, length];
        return kernel.Ioctl(fd, request, MemoryMarshal.AsBytes(range)).Error;
    }
}
