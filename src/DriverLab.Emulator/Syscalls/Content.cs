using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Vfs;

namespace DriverLab.Emulator;

/// <summary>Length, space and copies of files.</summary>
public partial class EmulatedTask
{
    /// <inheritdoc/>
    public Errno FTruncate(Fd fd, long length)
    {
        if (length < 0)
            return Errno.EINVAL;
        if (FileOf(fd) is not { } file)
            return Errno.EBADF;
        if (!file.Inode.IsRegular || !file.CanWrite)
            return Errno.EINVAL;
        if (file.Inode.IsAppend)
            return Errno.EPERM;
        return Attributes.Truncate(Caller.Through(file.Path.Mount), file.Path.Dentry, length, AttrValid.ATTR_MTIME | AttrValid.ATTR_CTIME, file);
    }

    /// <inheritdoc/>
    public Errno Truncate(ReadOnlySpan<byte> path, long length)
    {
        if (length < 0)
            return Errno.EINVAL;
        var error = Lookup(Fd.Cwd, path, LookupFlags.LOOKUP_FOLLOW, out var place);
        if (error != Errno.OK)
            return error;
        var inode = place.Inode;
        if (inode.IsDirectory)
            return Errno.EISDIR;
        if (!inode.IsRegular)
            return Errno.EINVAL;
        var readOnly = place.Mount.WantWrite();
        if (readOnly != Errno.OK && !Quirks.TruncateChecksPermissionFirst)
            return readOnly;
        error = Permissions.Check(inode, Caller.Through(place.Mount), AccessMode.W_OK);
        if (error == Errno.OK)
            error = readOnly;
        if (error != Errno.OK)
            return error;
        return inode.IsAppend ? Errno.EPERM : Attributes.Truncate(Caller.Through(place.Mount), place.Dentry, length, AttrValid.None, null);
    }

    /// <inheritdoc/>
    public Errno Fallocate(Fd fd, FallocFlags mode, long offset, long length)
    {
        if (FileOf(fd) is not { } file)
            return Errno.EBADF;
        return FileCopy.Fallocate(Caller, file, mode, offset, length);
    }

    /// <inheritdoc/>
    public SysResult<long> CopyFileRange(Fd source, long? sourceOffset, Fd target, long? targetOffset, long length)
    {
        if (FileOf(source) is not { } from || FileOf(target) is not { } to)
            return Errno.EBADF;
        long fromAt = sourceOffset ?? from.Position, toAt = targetOffset ?? to.Position;
        var copied = FileCopy.Range(Caller, from, fromAt, to, toAt, length);
        if (!copied.IsOk || copied.Value == 0)
            return copied;
        if (sourceOffset is null)
            from.Position = fromAt + copied.Value;
        if (targetOffset is null)
            to.Position = toAt + copied.Value;
        return copied;
    }
}
