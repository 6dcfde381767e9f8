using System.Runtime.InteropServices;
using DriverLab.Linux;
using DriverLab.Linux.Abi;

namespace DriverLab.Vfs;

/// <summary>The ioctl requests that the VFS answers for files of every file system, before the file system or the driver is asked.</summary>
/// <remarks>Linux fs/ioctl.c: do_vfs_ioctl(), file_ioctl(). The flags of chattr are with <see cref="FileAttrs"/>.</remarks>
public static class FileRequests
{
    /// <summary>How much can be read: of a regular file to its end; others are asked themselves.</summary>
    internal const uint FIONREAD = 0x541B;

    private const uint FIBMAP = 1, FIGETBSZ = 2, FIONBIO = 0x5421, FIONCLEX = 0x5450, FIOCLEX = 0x5451, FIOASYNC = 0x5452, FIOQSIZE = 0x5460;
    private const uint FIFREEZE = 0xC0045877, FITHAW = 0xC0045878, FIDEDUPERANGE = 0xC0189436, FS_IOC_FIEMAP = 0xC020660B, FS_IOC_GETFSUUID = 0x80111500;
    private const uint FS_IOC_RESVSP = 0x40305828, FS_IOC_UNRESVSP = 0x40305829, FS_IOC_RESVSP64 = 0x4030582A, FS_IOC_UNRESVSP64 = 0x4030582B, FS_IOC_ZERO_RANGE = 0x40305839;

    /// <summary>Answers a request, or not.</summary>
    /// <param name="caller">Who asks.</param>
    /// <param name="file">The file.</param>
    /// <param name="request">The request.</param>
    /// <param name="argument">The structure; empty where the caller has nothing at the address.</param>
    /// <returns>Null when the file has to be asked. EFAULT; EPERM (CAP_SYS_RAWIO for FIBMAP, CAP_SYS_ADMIN over the file system for FIFREEZE and FITHAW); ENOTTY, EINVAL and EOPNOTSUPP where this file has no such thing.</returns>
    public static SysResult<int>? Run(Caller caller, OpenFile file, uint request, Span<byte> argument)
    {
        var sb = file.Inode.Sb;
        bool isRegular = file.Inode.Type == Mode.S_IFREG;
        switch (request)
        {
            case FIOCLEX or FIONCLEX:
                return 0; // no task here becomes another program
            case FIONBIO:
                return SetNonBlocking(file, argument);
            case FIOASYNC:
                if (!MemoryMarshal.TryRead(argument, out int on))
                    return Errno.EFAULT;
                return on == 0 ? 0 : file.Inode.Type is Mode.S_IFREG or Mode.S_IFDIR or Mode.S_IFBLK ? Errno.ENOTTY : NotModelledException.Throw("signals of a file");
            case FIOQSIZE:
                return isRegular || file.Inode.Type == Mode.S_IFDIR ? Put(argument, file.Inode.Blocks << 9) : Errno.ENOTTY;
            case FIGETBSZ:
                return sb.OwnBlockSize == 0 ? Errno.EINVAL : Put(argument, sb.OwnBlockSize);
            case FIFREEZE or FITHAW:
                return !caller.Credentials.CapableIn(sb.UserSpace, Capabilities.CAP_SYS_ADMIN) ? Errno.EPERM : request == FIFREEZE ? Errno.EOPNOTSUPP : Errno.EINVAL;
            case FS_IOC_FIEMAP:
                return file.Inode.AsksForExtents ? Extents(argument) : Errno.EOPNOTSUPP;
            case FIDEDUPERANGE:
                return argument.IsEmpty ? Errno.EFAULT : NotModelledException.Throw("FIDEDUPERANGE");
            case FS_IOC_GETFSUUID when sb.Core.Quirks.FileSystemsTellUuid:
                return NotModelledException.Throw("the UUID of a file system");
            case FIBMAP when isRegular:
                return !caller.Credentials.Capable(Capabilities.CAP_SYS_RAWIO) ? Errno.EPERM : argument.IsEmpty ? Errno.EFAULT : Errno.EINVAL;
            case FIONREAD when isRegular:
                return Put(argument, unchecked((int)(file.Inode.Size - file.Position)));
            case FS_IOC_RESVSP or FS_IOC_RESVSP64 when isRegular:
                return Reserve(caller, file, FallocFlags.None, argument);
            case FS_IOC_UNRESVSP or FS_IOC_UNRESVSP64 when isRegular:
                return Reserve(caller, file, FallocFlags.FALLOC_FL_PUNCH_HOLE, argument);
            case FS_IOC_ZERO_RANGE when isRegular:
                return Reserve(caller, file, FallocFlags.FALLOC_FL_ZERO_RANGE, argument);
            default:
                return null;
        }
    }

    private static SysResult<int> Put<T>(Span<byte> argument, T value) where T : unmanaged => MemoryMarshal.TryWrite(argument, value) ? 0 : Errno.EFAULT;

    /// <summary>struct fiemap is looked at before the file below is asked, which has no extents to tell in any file system that is modelled.</summary>
    /// <remarks>Linux fs/ioctl.c: ioctl_fiemap().</remarks>
    private static Errno Extents(ReadOnlySpan<byte> argument)
    {
        const uint header = 32, extent = 56, most = uint.MaxValue / extent;
        if (argument.Length < header)
            return Errno.EFAULT;
        return MemoryMarshal.Read<uint>(argument[24..]) > most ? Errno.EINVAL : Errno.EOPNOTSUPP;
    }

    private static SysResult<int> SetNonBlocking(OpenFile file, ReadOnlySpan<byte> argument)
    {
        if (!MemoryMarshal.TryRead(argument, out int on))
            return Errno.EFAULT;
        file.Flags = on != 0 ? file.Flags | OpenFlags.O_NONBLOCK : file.Flags & ~OpenFlags.O_NONBLOCK;
        return 0;
    }

    /// <summary>fallocate in the words of XFS: struct space_resv, whose start may count from the position or from the end.</summary>
    /// <remarks>Linux fs/ioctl.c: ioctl_preallocate().</remarks>
    private static SysResult<int> Reserve(Caller caller, OpenFile file, FallocFlags mode, ReadOnlySpan<byte> argument)
    {
        if (argument.Length < 48)
            return Errno.EFAULT;
        long start = MemoryMarshal.Read<long>(argument[8..]), length = MemoryMarshal.Read<long>(argument[16..]);
        switch ((SeekWhence)MemoryMarshal.Read<short>(argument[2..]))
        {
            case SeekWhence.SEEK_SET: break;
            case SeekWhence.SEEK_CUR: start = unchecked(start + file.Position); break;
            case SeekWhence.SEEK_END: start = unchecked(start + file.Inode.Size); break;
            default: return Errno.EINVAL;
        }
        var error = FileCopy.Fallocate(caller, file, mode | FallocFlags.FALLOC_FL_KEEP_SIZE, start, length);
        return error == Errno.OK ? 0 : error;
    }
}
