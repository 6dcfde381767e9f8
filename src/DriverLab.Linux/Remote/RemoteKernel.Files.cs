using System.Runtime.InteropServices;
using DriverLab.Linux.Abi;

namespace DriverLab.Linux.Remote;

public sealed partial class RemoteKernel
{
    /// <inheritdoc/>
    public Errno PivotRoot(ReadOnlySpan<byte> newRoot, ReadOnlySpan<byte> putOld) => Error(KernelOp.PivotRoot, 0, newRoot, putOld);

    /// <inheritdoc/>
    public SysResult<Fd> FsOpen(ReadOnlySpan<byte> fileSystem, FsOpenFlags flags) => NewFd(KernelOp.FsOpen, (long)flags, fileSystem);

    /// <inheritdoc/>
    public SysResult<Fd> FsPick(Fd directory, ReadOnlySpan<byte> path, FsPickFlags flags) => NewFd(KernelOp.FsPick, (directory.Value, (long)flags), path);

    /// <inheritdoc/>
    public Errno FsConfig(Fd fd, FsConfigCommand command, ReadOnlySpan<byte> key, ReadOnlySpan<byte> value, int aux)
        => Error(KernelOp.FsConfig, (fd.Value, (long)command, aux), key, value);

    /// <inheritdoc/>
    public SysResult<Fd> FsMount(Fd fd, FsMountFlags flags, MountAttributes attributes) => NewFd(KernelOp.FsMount, (fd.Value, (long)flags, (long)attributes));

    /// <inheritdoc/>
    public Errno MoveMount(Fd fromDirectory, ReadOnlySpan<byte> fromPath, Fd toDirectory, ReadOnlySpan<byte> toPath, MoveMountFlags flags)
        => Error(KernelOp.MoveMount, (fromDirectory.Value, toDirectory.Value, (long)flags), fromPath, toPath);

    /// <inheritdoc/>
    public SysResult<Fd> OpenTree(Fd directory, ReadOnlySpan<byte> path, OpenTreeFlags flags) => NewFd(KernelOp.OpenTree, (directory.Value, (long)flags), path);

    /// <inheritdoc/>
    public Errno MountSetattr(Fd directory, ReadOnlySpan<byte> path, AtFlags flags, in MountAttr attributes)
        => Error(KernelOp.MountSetattr, (directory.Value, (long)flags, (long)attributes.Set, (long)attributes.Clear, (long)attributes.Propagation, (long)attributes.UserNamespace), path);

    /// <inheritdoc/>
    public SysResult<Fd> OpenAt2(Fd directory, ReadOnlySpan<byte> path, in OpenHow how)
        => NewFd(KernelOp.OpenAt2, (directory.Value, (long)how.Flags, (long)how.Mode, (long)how.Resolve), path);

    /// <inheritdoc/>
    public Errno NameToHandleAt(Fd directory, ReadOnlySpan<byte> path, ref FileHandle handle, out long mountId, AtFlags flags)
    {
        var before = handle;
        var reply = Call(KernelOp.NameToHandleAt, (directory.Value, (long)flags), path, MemoryMarshal.AsBytes(new ReadOnlySpan<FileHandle>(in before)),
            output: MemoryMarshal.AsBytes(new Span<FileHandle>(ref handle)));
        mountId = reply.Value;
        return reply.Error;
    }

    /// <inheritdoc/>
    public SysResult<Fd> OpenByHandleAt(Fd mount, in FileHandle handle, OpenFlags flags)
        => NewFd(KernelOp.OpenByHandleAt, (mount.Value, (long)flags), MemoryMarshal.AsBytes(new ReadOnlySpan<FileHandle>(in handle)));

    /// <inheritdoc/>
    public Errno Flock(Fd fd, FlockOperation operation) => Error(KernelOp.Flock, (fd.Value, (long)operation));

    /// <inheritdoc/>
    public Errno FcntlLock(Fd fd, LockCommand command, ref FileLock region)
    {
        var before = region;
        return Call(KernelOp.FcntlLock, (fd.Value, (long)command), MemoryMarshal.AsBytes(new ReadOnlySpan<FileLock>(in before)),
            output: MemoryMarshal.AsBytes(new Span<FileLock>(ref region))).Error;
    }

    /// <inheritdoc/>
    public SysResult<Fd> InotifyInit(InotifyFlags flags) => NewFd(KernelOp.InotifyInit, (long)flags);

    /// <inheritdoc/>
    public SysResult<int> InotifyAddWatch(Fd fd, ReadOnlySpan<byte> path, InotifyMask mask) => Count(KernelOp.InotifyAddWatch, (fd.Value, (long)mask), path);

    /// <inheritdoc/>
    public Errno InotifyRmWatch(Fd fd, int watch) => Error(KernelOp.InotifyRmWatch, (fd.Value, watch));

    /// <inheritdoc/>
    public SysResult<int> Mmap(Fd fd, MapProtection protection, MapFlags flags, long offset, int length)
        => Count(KernelOp.Mmap, (fd.Value, (long)protection, (long)flags, offset, length, 0));

    /// <inheritdoc/>
    public Errno MapRead(int mapping, long offset, Span<byte> buffer) => Call(KernelOp.MapRead, (mapping, offset), output: buffer).Error;

    /// <inheritdoc/>
    public Errno MapWrite(int mapping, long offset, ReadOnlySpan<byte> data) => Error(KernelOp.MapWrite, (mapping, offset), data);

    /// <inheritdoc/>
    public Errno Msync(int mapping, MsyncFlags flags) => Error(KernelOp.Msync, (mapping, (long)flags));

    /// <inheritdoc/>
    public Errno Munmap(int mapping) => Error(KernelOp.Munmap, mapping);

    /// <inheritdoc/>
    public Errno Quotactl(QuotaCommand command, QuotaType type, ReadOnlySpan<byte> device, uint id, ref DiskQuota quota)
    {
        var before = quota;
        return Call(KernelOp.Quotactl, ((long)command, (long)type, id), device, MemoryMarshal.AsBytes(new ReadOnlySpan<DiskQuota>(in before)),
            output: MemoryMarshal.AsBytes(new Span<DiskQuota>(ref quota))).Error;
    }
}
