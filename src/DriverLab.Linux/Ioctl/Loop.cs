using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using DriverLab.Linux.Abi;

namespace DriverLab.Linux.Ioctl;

/// <summary>Request numbers of loop devices and of <c>/dev/loop-control</c>.</summary>
/// <remarks>Linux include/uapi/linux/loop.h.</remarks>
public static class Loop
{
    /// <summary>Attaches the file of a descriptor; a number.</summary>
    public const uint LOOP_SET_FD = 0x4C00;
    /// <summary>Detaches; no argument.</summary>
    public const uint LOOP_CLR_FD = 0x4C01;
    /// <summary>struct loop_info.</summary>
    public const uint LOOP_SET_STATUS = 0x4C02;
    /// <summary>struct loop_info.</summary>
    public const uint LOOP_GET_STATUS = 0x4C03;
    /// <summary><see cref="LoopInfo64"/>.</summary>
    public const uint LOOP_SET_STATUS64 = 0x4C04;
    /// <summary><see cref="LoopInfo64"/>.</summary>
    public const uint LOOP_GET_STATUS64 = 0x4C05;
    /// <summary>Exchanges the file of a read-only device; a number.</summary>
    public const uint LOOP_CHANGE_FD = 0x4C06;
    /// <summary>Looks at the file's size again; no argument.</summary>
    public const uint LOOP_SET_CAPACITY = 0x4C07;
    /// <summary>1 or 0; a number.</summary>
    public const uint LOOP_SET_DIRECT_IO = 0x4C08;
    /// <summary>Logical block size, in bytes; a number.</summary>
    public const uint LOOP_SET_BLOCK_SIZE = 0x4C09;
    /// <summary><see cref="LoopConfig"/>.</summary>
    public const uint LOOP_CONFIGURE = 0x4C0A;
    /// <summary>Makes a device with this number; a number, -1 any.</summary>
    public const uint LOOP_CTL_ADD = 0x4C80;
    /// <summary>Removes a device; a number.</summary>
    public const uint LOOP_CTL_REMOVE = 0x4C81;
    /// <summary>Finds or makes an unbound device; no argument; the result is its number.</summary>
    public const uint LOOP_CTL_GET_FREE = 0x4C82;

    /// <summary>Major number of loop devices.</summary>
    public const uint Major = 7;
}

/// <summary>Flags of a loop device.</summary>
[Flags]
public enum LoopFlags : uint
{
    None = 0,
    LO_FLAGS_READ_ONLY = 1,
    LO_FLAGS_AUTOCLEAR = 4,
    LO_FLAGS_PARTSCAN = 8,
    LO_FLAGS_DIRECT_IO = 16,
}

/// <summary>struct loop_info64: 232 bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct LoopInfo64
{
    /// <summary>Device of the backing file's inode (out), as <see cref="DevT.Encoded"/>.</summary>
    public ulong Device;
    /// <summary>Inode number of the backing file (out).</summary>
    public ulong Inode;
    /// <summary>Device number, when the backing file is a device (out).</summary>
    public ulong RDevice;
    /// <summary>Where the device starts in the file, in bytes.</summary>
    public ulong Offset;
    /// <summary>Greatest size, in bytes; 0 for the whole file.</summary>
    public ulong SizeLimit;
    /// <summary>Number of the loop device (out).</summary>
    public uint Number;
    public uint EncryptType;
    public uint EncryptKeySize;
    public LoopFlags Flags;
    public Bytes64 FileName;
    public Bytes64 CryptName;
    public Bytes32 EncryptKey;
    public Init2 Init;

    /// <summary>64 bytes; a string ends at its NUL.</summary>
    [InlineArray(64)]
    public struct Bytes64
    {
        private byte _first;
    }

    /// <summary>32 bytes.</summary>
    [InlineArray(32)]
    public struct Bytes32
    {
        private byte _first;
    }

    /// <summary>Two 64-bit words.</summary>
    [InlineArray(2)]
    public struct Init2
    {
        private ulong _first;
    }
}

/// <summary>struct loop_config: 304 bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct LoopConfig
{
    public uint Fd;
    /// <summary>Logical block size, in bytes; 0 for the kernel's choice.</summary>
    public uint BlockSize;
    public LoopInfo64 Info;
    public Reserved8 Reserved;

    /// <summary>Eight reserved 64-bit words.</summary>
    [InlineArray(8)]
    public struct Reserved8
    {
        private ulong _first;
    }
}

/// <summary>struct loop_info on x86-64, the old form: 168 bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct LoopInfo
{
    public int Number;
    public ulong Device;
    public ulong Inode;
    public ulong RDevice;
    public int Offset;
    public int EncryptType;
    public int EncryptKeySize;
    public LoopFlags Flags;
    public LoopInfo64.Bytes64 Name;
    public LoopInfo64.Bytes32 EncryptKey;
    public LoopInfo64.Init2 Init;
    public uint Reserved;
}

/// <summary>Typed forms of the loop ioctls, for any kernel.</summary>
/// <remarks>On an unbound device all but the attaching ones give ENXIO.</remarks>
public static class LoopKernel
{
    extension(IKernel kernel)
    {
        /// <summary>LOOP_CTL_GET_FREE on <c>/dev/loop-control</c>: the number of an unbound device, made if there is none.</summary>
        public SysResult<int> LoopGetFree(Fd control) => kernel.Ioctl(control, Loop.LOOP_CTL_GET_FREE, 0);

        /// <summary>LOOP_CTL_ADD: makes the device with this number.</summary>
        /// <returns>EEXIST. The value is the number.</returns>
        public SysResult<int> LoopAdd(Fd control, int number) => kernel.Ioctl(control, Loop.LOOP_CTL_ADD, number);

        /// <summary>LOOP_CTL_REMOVE.</summary>
        /// <returns>EINVAL (negative), ENODEV (missing), EBUSY (bound or open).</returns>
        public SysResult<int> LoopRemove(Fd control, int number) => kernel.Ioctl(control, Loop.LOOP_CTL_REMOVE, number);

        /// <summary>LOOP_CONFIGURE: attaches a file with all settings at once.</summary>
        /// <returns>EBADF (descriptor), EINVAL (neither file nor block device, block size, unknown flags), EBADF (recursion), EBUSY (bound).</returns>
        public Errno LoopConfigure(Fd loop, ref LoopConfig config) => kernel.Ioctl(loop, Loop.LOOP_CONFIGURE, Bytes(ref config)).Error;

        /// <summary>LOOP_CONFIGURE with the common settings.</summary>
        public Errno LoopConfigure(Fd loop, Fd file, LoopFlags flags = LoopFlags.None, ulong offset = 0, ulong sizeLimit = 0, uint blockSize = 0)
        {
            var config = new LoopConfig { Fd = (uint)file.Value, BlockSize = blockSize };
            config.Info.Flags = flags;
            config.Info.Offset = offset;
            config.Info.SizeLimit = sizeLimit;
            return kernel.Ioctl(loop, Loop.LOOP_CONFIGURE, Bytes(ref config)).Error;
        }

        /// <summary>LOOP_SET_FD: attaches a file.</summary>
        /// <returns>As <see cref="LoopConfigure(IKernel, Fd, ref LoopConfig)"/>.</returns>
        public Errno LoopSetFd(Fd loop, Fd file) => kernel.Ioctl(loop, Loop.LOOP_SET_FD, file.Value).Error;

        /// <summary>LOOP_CLR_FD: detaches, or, while others have the device open, sets autoclear.</summary>
        public Errno LoopClrFd(Fd loop) => kernel.Ioctl(loop, Loop.LOOP_CLR_FD, 0).Error;

        /// <summary>LOOP_GET_STATUS64.</summary>
        public Errno LoopGetStatus64(Fd loop, out LoopInfo64 info)
        {
            info = default;
            return kernel.Ioctl(loop, Loop.LOOP_GET_STATUS64, Bytes(ref info)).Error;
        }

        /// <summary>LOOP_SET_STATUS64: offset, size limit, names and flags.</summary>
        public Errno LoopSetStatus64(Fd loop, ref LoopInfo64 info) => kernel.Ioctl(loop, Loop.LOOP_SET_STATUS64, Bytes(ref info)).Error;

        /// <summary>LOOP_SET_CAPACITY: looks at the file's size again.</summary>
        public Errno LoopSetCapacity(Fd loop) => kernel.Ioctl(loop, Loop.LOOP_SET_CAPACITY, 0).Error;

        /// <summary>LOOP_SET_DIRECT_IO.</summary>
        /// <returns>ENXIO, EINVAL (the file cannot).</returns>
        public Errno LoopSetDirectIo(Fd loop, bool direct) => kernel.Ioctl(loop, Loop.LOOP_SET_DIRECT_IO, direct ? 1 : 0).Error;

        /// <summary>LOOP_SET_BLOCK_SIZE.</summary>
        /// <returns>ENXIO, EINVAL (no power of two, below 512, above a page).</returns>
        public Errno LoopSetBlockSize(Fd loop, long bytes) => kernel.Ioctl(loop, Loop.LOOP_SET_BLOCK_SIZE, bytes).Error;

        /// <summary>LOOP_CHANGE_FD: another file of equal size below a read-only device.</summary>
        /// <returns>ENXIO, EINVAL (not read-only, size), EBADF.</returns>
        public Errno LoopChangeFd(Fd loop, Fd file) => kernel.Ioctl(loop, Loop.LOOP_CHANGE_FD, file.Value).Error;
    }

    private static Span<byte> Bytes<T>(ref T value) where T : unmanaged => MemoryMarshal.AsBytes(new Span<T>(ref value));
}
