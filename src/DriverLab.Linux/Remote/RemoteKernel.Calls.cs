using System.Runtime.InteropServices;
using DriverLab.Linux.Abi;

namespace DriverLab.Linux.Remote;

public sealed partial class RemoteKernel
{
    /// <inheritdoc/>
    public Errno SetIds(in UserIds ids) => Error(KernelOp.SetIds, (ids.Uid, ids.Gid), MemoryMarshal.AsBytes(ids.Groups.Span));

    /// <inheritdoc/>
    public Mode Umask(Mode mask) => (Mode)Call(KernelOp.Umask, (long)mask).Value;

    /// <inheritdoc/>
    public Errno Unshare(CloneFlags flags) => Error(KernelOp.Unshare, (long)flags);

    /// <inheritdoc/>
    public Errno Chdir(ReadOnlySpan<byte> path) => Error(KernelOp.Chdir, 0, path);

    /// <inheritdoc/>
    public Errno Fchdir(Fd fd) => Error(KernelOp.Fchdir, fd);

    /// <inheritdoc/>
    public Errno Chroot(ReadOnlySpan<byte> path) => Error(KernelOp.Chroot, 0, path);

    /// <inheritdoc/>
    public SysResult<int> GetCwd(Span<byte> buffer) => Count(KernelOp.GetCwd, 0, output: buffer);

    /// <inheritdoc/>
    public SysResult<Fd> OpenAt(Fd directory, ReadOnlySpan<byte> path, OpenFlags flags, Mode mode)
        => NewFd(KernelOp.OpenAt, (directory.Value, (long)flags, (long)mode), path);

    /// <inheritdoc/>
    public Errno Close(Fd fd) => Error(KernelOp.Close, fd);

    /// <inheritdoc/>
    public SysResult<Fd> Dup(Fd fd) => NewFd(KernelOp.Dup, fd);

    /// <inheritdoc/>
    public SysResult<int> Read(Fd fd, Span<byte> buffer) => Count(KernelOp.Read, fd, output: buffer);

    /// <inheritdoc/>
    public SysResult<int> Write(Fd fd, ReadOnlySpan<byte> data) => Count(KernelOp.Write, fd, data);

    /// <inheritdoc/>
    public SysResult<int> PRead(Fd fd, Span<byte> buffer, long offset) => Count(KernelOp.PRead, (fd.Value, offset), output: buffer);

    /// <inheritdoc/>
    public SysResult<int> PWrite(Fd fd, ReadOnlySpan<byte> data, long offset) => Count(KernelOp.PWrite, (fd.Value, offset), data);

    /// <inheritdoc/>
    public SysResult<long> LSeek(Fd fd, long offset, SeekWhence whence) => Long(Call(KernelOp.LSeek, (fd.Value, offset, (long)whence)));

    /// <inheritdoc/>
    public Errno FTruncate(Fd fd, long length) => Error(KernelOp.FTruncate, (fd.Value, length));

    /// <inheritdoc/>
    public Errno Truncate(ReadOnlySpan<byte> path, long length) => Error(KernelOp.Truncate, length, path);

    /// <inheritdoc/>
    public Errno Fallocate(Fd fd, FallocFlags mode, long offset, long length) => Error(KernelOp.Fallocate, (fd.Value, (long)mode, offset, length));

    /// <inheritdoc/>
    public Errno Fsync(Fd fd) => Error(KernelOp.Fsync, fd);

    /// <inheritdoc/>
    public Errno Fdatasync(Fd fd) => Error(KernelOp.Fdatasync, fd);

    /// <inheritdoc/>
    public Errno Syncfs(Fd fd) => Error(KernelOp.Syncfs, fd);

    /// <inheritdoc/>
    public void Sync() => _ = Call(KernelOp.Sync, 0);

    /// <inheritdoc/>
    public SysResult<long> CopyFileRange(Fd source, long? sourceOffset, Fd target, long? targetOffset, long length)
    {
        long given = (sourceOffset.HasValue ? 1 : 0) | (targetOffset.HasValue ? 2 : 0);
        return Long(Call(KernelOp.CopyFileRange, (source.Value, sourceOffset.GetValueOrDefault(), target.Value, targetOffset.GetValueOrDefault(), length, given)));
    }

    /// <inheritdoc/>
    public SysResult<int> GetDents(Fd fd, Span<byte> buffer) => Count(KernelOp.GetDents, fd, output: buffer);

    /// <inheritdoc/>
    public SysResult<int> Ioctl(Fd fd, uint request, Span<byte> argument) => Count(KernelOp.Ioctl, (fd.Value, request), argument, output: argument);

    /// <inheritdoc/>
    public SysResult<int> Ioctl(Fd fd, uint request, long value) => Count(KernelOp.IoctlValue, (fd.Value, request, value));

    /// <inheritdoc/>
    public SysResult<OpenFlags> GetStatusFlags(Fd fd)
    {
        var reply = Call(KernelOp.GetStatusFlags, fd);
        return reply.Error != Errno.OK ? reply.Error : (OpenFlags)reply.Value;
    }

    /// <inheritdoc/>
    public Errno SetStatusFlags(Fd fd, OpenFlags flags) => Error(KernelOp.SetStatusFlags, (fd.Value, (long)flags));

    /// <inheritdoc/>
    public Errno MkdirAt(Fd directory, ReadOnlySpan<byte> path, Mode mode) => Error(KernelOp.MkdirAt, (directory.Value, (long)mode), path);

    /// <inheritdoc/>
    public Errno MknodAt(Fd directory, ReadOnlySpan<byte> path, Mode mode, DevT device)
        => Error(KernelOp.MknodAt, (directory.Value, (long)mode, device.Major, device.Minor), path);

    /// <inheritdoc/>
    public Errno UnlinkAt(Fd directory, ReadOnlySpan<byte> path, AtFlags flags) => Error(KernelOp.UnlinkAt, (directory.Value, (long)flags), path);

    /// <inheritdoc/>
    public Errno LinkAt(Fd oldDirectory, ReadOnlySpan<byte> oldPath, Fd newDirectory, ReadOnlySpan<byte> newPath, AtFlags flags)
        => Error(KernelOp.LinkAt, (oldDirectory.Value, newDirectory.Value, (long)flags), oldPath, newPath);

    /// <inheritdoc/>
    public Errno SymlinkAt(ReadOnlySpan<byte> target, Fd directory, ReadOnlySpan<byte> path) => Error(KernelOp.SymlinkAt, directory, target, path);

    /// <inheritdoc/>
    public SysResult<int> ReadLinkAt(Fd directory, ReadOnlySpan<byte> path, Span<byte> buffer) => Count(KernelOp.ReadLinkAt, directory, path, output: buffer);

    /// <inheritdoc/>
    public Errno RenameAt2(Fd oldDirectory, ReadOnlySpan<byte> oldPath, Fd newDirectory, ReadOnlySpan<byte> newPath, RenameFlags flags)
        => Error(KernelOp.RenameAt2, (oldDirectory.Value, newDirectory.Value, (long)flags), oldPath, newPath);

    /// <inheritdoc/>
    public Errno Statx(Fd directory, ReadOnlySpan<byte> path, AtFlags flags, StatxMask mask, out Statx result)
        => Structure(KernelOp.Statx, (directory.Value, (long)flags, (long)mask), path, out result);

    /// <inheritdoc/>
    public Errno FaccessAt(Fd directory, ReadOnlySpan<byte> path, AccessMode mode, AtFlags flags)
        => Error(KernelOp.FaccessAt, (directory.Value, (long)mode, (long)flags), path);

    /// <inheritdoc/>
    public Errno FchmodAt(Fd directory, ReadOnlySpan<byte> path, Mode mode) => Error(KernelOp.FchmodAt, (directory.Value, (long)mode), path);

    /// <inheritdoc/>
    public Errno Fchmod(Fd fd, Mode mode) => Error(KernelOp.Fchmod, (fd.Value, (long)mode));

    /// <inheritdoc/>
    public Errno FchownAt(Fd directory, ReadOnlySpan<byte> path, uint uid, uint gid, AtFlags flags)
        => Error(KernelOp.FchownAt, (directory.Value, uid, gid, (long)flags), path);

    /// <inheritdoc/>
    public Errno UtimensAt(Fd directory, ReadOnlySpan<byte> path, Timespec atime, Timespec mtime, AtFlags flags)
        => Error(KernelOp.UtimensAt, (directory.Value, atime.Seconds, atime.Nanoseconds, mtime.Seconds, mtime.Nanoseconds, (long)flags), path);

    /// <inheritdoc/>
    public Errno StatFs(ReadOnlySpan<byte> path, out StatFs result) => Structure(KernelOp.StatFs, 0, path, out result);

    /// <inheritdoc/>
    public Errno FStatFs(Fd fd, out StatFs result) => Structure(KernelOp.FStatFs, fd, default, out result);

    /// <inheritdoc/>
    public SysResult<int> GetXattr(ReadOnlySpan<byte> path, ReadOnlySpan<byte> name, Span<byte> value, AtFlags flags)
        => Count(KernelOp.GetXattr, (long)flags, path, name, value);

    /// <inheritdoc/>
    public SysResult<int> FGetXattr(Fd fd, ReadOnlySpan<byte> name, Span<byte> value) => Count(KernelOp.FGetXattr, fd, name, output: value);

    /// <inheritdoc/>
    public Errno SetXattr(ReadOnlySpan<byte> path, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, XattrFlags xattrFlags, AtFlags flags)
        => Error(KernelOp.SetXattr, ((long)xattrFlags, (long)flags), path, name, value);

    /// <inheritdoc/>
    public Errno FSetXattr(Fd fd, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, XattrFlags xattrFlags)
        => Error(KernelOp.FSetXattr, (fd.Value, (long)xattrFlags), name, value);

    /// <inheritdoc/>
    public SysResult<int> ListXattr(ReadOnlySpan<byte> path, Span<byte> names, AtFlags flags) => Count(KernelOp.ListXattr, (long)flags, path, output: names);

    /// <inheritdoc/>
    public SysResult<int> FListXattr(Fd fd, Span<byte> names) => Count(KernelOp.FListXattr, fd, output: names);

    /// <inheritdoc/>
    public Errno RemoveXattr(ReadOnlySpan<byte> path, ReadOnlySpan<byte> name, AtFlags flags) => Error(KernelOp.RemoveXattr, (long)flags, path, name);

    /// <inheritdoc/>
    public Errno FRemoveXattr(Fd fd, ReadOnlySpan<byte> name) => Error(KernelOp.FRemoveXattr, fd, name);

    /// <inheritdoc/>
    public Errno Mount(ReadOnlySpan<byte> source, ReadOnlySpan<byte> target, ReadOnlySpan<byte> fileSystem, MountFlags flags, ReadOnlySpan<byte> data)
        => Error(KernelOp.Mount, (long)flags, source, target, fileSystem, data);

    /// <inheritdoc/>
    public Errno Umount(ReadOnlySpan<byte> target, UmountFlags flags) => Error(KernelOp.Umount, (long)flags, target);

    /// <inheritdoc/>
    public long ClockGetTimeNs(ClockId clock) => Call(KernelOp.ClockGetTime, (long)clock).Value;

    /// <inheritdoc/>
    public void Sleep(long nanoseconds) => _ = Call(KernelOp.Sleep, nanoseconds);

    private static SysResult<long> Long(ReplyHeader reply) => reply.Error != Errno.OK ? reply.Error : reply.Value;
}
