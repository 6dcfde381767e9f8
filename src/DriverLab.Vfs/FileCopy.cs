using System.Buffers;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Simulation;

namespace DriverLab.Vfs;

/// <summary>fallocate and copy_file_range with the checks that come before the file system.</summary>
/// <remarks>Linux fs/open.c: vfs_fallocate(); fs/read_write.c: vfs_copy_file_range(), generic_copy_file_checks().</remarks>
public static class FileCopy
{
    private const int PipeBytes = 16 * 4096;

    private const FallocFlags Keep = FallocFlags.FALLOC_FL_KEEP_SIZE, Punch = FallocFlags.FALLOC_FL_PUNCH_HOLE, Zero = FallocFlags.FALLOC_FL_ZERO_RANGE;
    private const FallocFlags Collapse = FallocFlags.FALLOC_FL_COLLAPSE_RANGE, Insert = FallocFlags.FALLOC_FL_INSERT_RANGE, Unshare = FallocFlags.FALLOC_FL_UNSHARE_RANGE;

    /// <summary>fallocate of an open file.</summary>
    /// <returns>As <see cref="IKernel.Fallocate"/>, after EBADF.</returns>
    public static Errno Fallocate(Caller caller, OpenFile file, FallocFlags mode, long offset, long length)
    {
        if (offset < 0 || length <= 0)
            return Errno.EINVAL;
        var error = CheckMode(file.Inode.Sb.Core.Quirks, mode);
        if (error != Errno.OK)
            return error;
        var inode = file.Inode;
        if (!file.CanWrite)
            return Errno.EBADF;
        if ((mode & ~Keep) != 0 && inode.IsAppend || inode.IsImmutable)
            return Errno.EPERM;
        switch (inode.Type)
        {
            case Mode.S_IFIFO: return Errno.ESPIPE;
            case Mode.S_IFDIR: return Errno.EISDIR;
            case Mode.S_IFREG or Mode.S_IFBLK: break;
            default: return Errno.ENODEV;
        }
        error = offset > inode.Sb.MaxBytes - length ? Errno.EFBIG : file.Fallocate(caller, mode, offset, length);
        if (error == Errno.OK)
            Notify.File(file.Path.Dentry, InotifyMask.IN_MODIFY);
        return error;
    }

    private static Errno CheckMode(VfsQuirks quirks, FallocFlags mode)
    {
        var known = Keep | Punch | Zero | Collapse | Insert | Unshare | (quirks.FallocateModesAreExclusive ? 0 : FallocFlags.FALLOC_FL_NO_HIDE_STALE);
        if (quirks.HasWriteZeroes)
            known |= FallocFlags.FALLOC_FL_WRITE_ZEROES;
        if (!quirks.FallocateModesAreExclusive)
            known &= ~FallocFlags.FALLOC_FL_NO_HIDE_STALE;
        if ((mode & ~known) != 0)
            return Errno.EOPNOTSUPP;
        if (quirks.FallocateModesAreExclusive)
        {
            bool keeps = (mode & Keep) != 0;
            return (mode & ~Keep) switch
            {
                0 or Unshare or Zero => Errno.OK,
                Punch => keeps ? Errno.OK : Errno.EOPNOTSUPP,
                Collapse or Insert or FallocFlags.FALLOC_FL_WRITE_ZEROES => keeps ? Errno.EOPNOTSUPP : Errno.OK,
                _ => Errno.EOPNOTSUPP,
            };
        }
        if ((mode & (Punch | Zero)) == (Punch | Zero) || (mode & Punch) != 0 && (mode & Keep) == 0)
            return Errno.EOPNOTSUPP;
        if ((mode & Collapse) != 0 && (mode & ~Collapse) != 0 || (mode & Insert) != 0 && (mode & ~Insert) != 0)
            return Errno.EINVAL;
        return (mode & Unshare) != 0 && (mode & ~(Unshare | Keep)) != 0 ? Errno.EINVAL : Errno.OK;
    }

    /// <summary>Types and modes of both ends.</summary>
    /// <returns>EISDIR, EINVAL (not regular), EBADF (not readable or writable, O_APPEND).</returns>
    /// <remarks>Linux fs/read_write.c: generic_file_rw_checks().</remarks>
    public static Errno CheckModes(OpenFile source, OpenFile target)
    {
        if (source.Inode.IsDirectory || target.Inode.IsDirectory)
            return Errno.EISDIR;
        if (!source.Inode.IsRegular || !target.Inode.IsRegular)
            return Errno.EINVAL;
        return !source.CanRead || !target.CanWrite || (target.Flags & OpenFlags.O_APPEND) != 0 ? Errno.EBADF : Errno.OK;
    }

    /// <summary>copy_file_range between open files.</summary>
    public static SysResult<long> Range(Caller caller, OpenFile source, long from, OpenFile target, long to, long length)
    {
        var error = CheckModes(source, target);
        if (error != Errno.OK)
            return error;
        bool isOneInstance = ReferenceEquals(source.Inode.Sb, target.Inode.Sb);
        if (!isOneInstance && !(source.CopiesAcrossInstances && target.CopiesAcrossInstances))
            return Errno.EXDEV;
        if (target.Inode.IsImmutable)
            return Errno.EPERM;
        if (unchecked((ulong)from + (ulong)length < (ulong)from || (ulong)to + (ulong)length < (ulong)to))
            return Errno.EOVERFLOW;
        // Counts and positions are unsigned here: a negative position is complained of after the limit of the file that is written to.
        ulong count = from >= source.Inode.Size ? 0 : Math.Min((ulong)length, unchecked((ulong)source.Inode.Size - (ulong)from));
        long most = target.Inode.Sb.MaxBytes;
        if (to >= most && !(count == 0 && target.Inode.Sb.Core.Quirks.EmptyCopySkipsLimit) && !target.Inode.Sb.Core.IsMutated(Mutation.CopyRangeLimitIgnored))
            return Errno.EFBIG;
        if (from < 0 || to < 0)
            return Errno.EINVAL;
        length = (long)count;
        if (ReferenceEquals(source.Inode, target.Inode) && to + length > from && to < from + length)
            return Errno.EINVAL;
        if (length == 0)
            return 0L;
        var copied = source.CopyFileRange(caller, from, target, to, length);
        bool byReading = !source.CopiesRangesItself && copied.Error == Errno.EOPNOTSUPP;
        if (byReading)
            copied = ByReading(caller, source, from, target, to, length);
        if (copied is { IsOk: true, Value: > 0 })
        {
            if (byReading && source.Inode.Sb.Core.Quirks.CopyTellsWriteTwice)
                Files.Hear(target, InotifyMask.IN_MODIFY);
            Files.Hear(source, InotifyMask.IN_ACCESS);
            Files.Hear(target, InotifyMask.IN_MODIFY);
        }
        return copied;
    }

    /// <summary>Through a pipe of 16 pages, which a read fills and a write empties.</summary>
    /// <remarks>Linux fs/splice.c: splice_direct_to_actor().</remarks>
    private static SysResult<long> ByReading(Caller caller, OpenFile source, long from, OpenFile target, long to, long length)
    {
        byte[] buffer = ArrayPool<byte>.Shared.Rent((int)Math.Min(length, PipeBytes));
        long total = 0;
        var error = Errno.OK;
        while (total < length && error == Errno.OK)
        {
            var read = source.ReadForKernel(caller, buffer.AsSpan(0, (int)Math.Min(PipeBytes, length - total)), ref from);
            error = read.Error;
            if (!read.IsOk || read.Value == 0)
                break;
            var written = target.Write(caller, buffer.AsSpan(0, read.Value), ref to);
            error = written.Error;
            total += written.IsOk ? written.Value : 0;
            if (written.IsOk && written.Value < read.Value)
                break;
        }
        ArrayPool<byte>.Shared.Return(buffer);
        return total > 0 || error == Errno.OK ? total : error;
    }
}
