using DriverLab.Linux;

namespace DriverLab.Block;

/// <summary>The task on whose behalf a device is opened or asked: what ioctls need to know of it.</summary>
public interface IBlockCaller
{
    /// <summary>CAP_SYS_ADMIN in the initial user namespace.</summary>
    bool IsSysAdmin { get; }

    /// <summary>CAP_SYS_RAWIO.</summary>
    bool IsSysRawio { get; }

    /// <summary>The open file behind a descriptor of the task, for a loop device; a new reference that the loop device releases.</summary>
    /// <returns>EBADF.</returns>
    SysResult<IBackingFile> GetFile(int fd);

    /// <summary>The number of the block device that a path names, for device-mapper tables.</summary>
    /// <returns>What the walk says; ENOTBLK when it is no block device; EACCES on a nodev mount.</returns>
    SysResult<DevT> LookupBlockDevice(ReadOnlySpan<byte> path);
}

/// <summary>The initial task: may everything, has no files and no paths.</summary>
public sealed class KernelCaller : IBlockCaller
{
    /// <summary>The only one.</summary>
    public static readonly KernelCaller Instance = new();

    public bool IsSysAdmin => true;

    public bool IsSysRawio => true;

    public SysResult<IBackingFile> GetFile(int fd) => Errno.EBADF;

    public SysResult<DevT> LookupBlockDevice(ReadOnlySpan<byte> path) => Errno.ENOENT;
}

/// <summary>An open file below a loop device, as the loop driver needs it. All positions and lengths are in bytes.</summary>
public interface IBackingFile
{
    /// <summary>True for a regular file; false and no <see cref="Device"/> means that a loop device cannot use it.</summary>
    bool IsRegular { get; }

    /// <summary>The device, when the file is a block device's node.</summary>
    BlockDevice? Device { get; }

    /// <summary>Opened for writing, on a file that can be written.</summary>
    bool IsWritable { get; }

    /// <summary>The descriptor has O_DIRECT set.</summary>
    bool IsDirect { get; }

    /// <summary>The file system can do direct I/O on it (FMODE_CAN_ODIRECT).</summary>
    bool SupportsDirectIo { get; }

    /// <summary>The file system has fallocate.</summary>
    bool SupportsFallocate { get; }

    /// <summary>The file system has fsync.</summary>
    bool SupportsFsync { get; }

    /// <summary>The device below the file's file system; null for one in memory.</summary>
    BlockDevice? FileSystemDevice { get; }

    /// <summary>Size of the file or device.</summary>
    long Size { get; }

    /// <summary>Block size that statfs reports.</summary>
    uint FileSystemBlockSize { get; }

    /// <summary>st_dev of the file.</summary>
    DevT Dev { get; }

    /// <summary>st_ino of the file.</summary>
    ulong Ino { get; }

    /// <summary>st_rdev of the file.</summary>
    DevT Rdev { get; }

    /// <summary>Reads; short at the end of the file.</summary>
    SysResult<int> Read(long position, Span<byte> buffer);

    /// <summary>Writes; may be short.</summary>
    SysResult<int> Write(long position, ReadOnlySpan<byte> data);

    /// <summary>fsync(2).</summary>
    Errno Fsync();

    /// <summary>fallocate(2), past its generic checks.</summary>
    Errno Fallocate(Linux.Abi.FallocFlags mode, long position, long length);

    /// <summary>Gives the reference back.</summary>
    void Release();
}
