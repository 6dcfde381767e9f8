using DriverLab.Linux.Abi;

namespace DriverLab.Linux.Tracing;

public sealed partial class TracingKernel
{
    /// <inheritdoc/>
    public SysResult<Fd> OpenAt2(Fd directory, ReadOnlySpan<byte> path, in OpenHow how)
    {
        Enter(_line.Begin("openat2"u8).Fd(directory).Path(path).Open((OpenFlags)how.Flags).Mode((Mode)how.Mode).Flags(how.Resolve));
        return Leave(_inner.OpenAt2(directory, path, in how));
    }

    /// <inheritdoc/>
    public Errno NameToHandleAt(Fd directory, ReadOnlySpan<byte> path, ref FileHandle handle, out long mountId, AtFlags flags)
    {
        Enter(_line.Begin("name_to_handle_at"u8).Fd(directory).Path(path).Number(handle.Bytes).At(flags, false, false));
        return Leave(_inner.NameToHandleAt(directory, path, ref handle, out mountId, flags));
    }

    /// <inheritdoc/>
    public SysResult<Fd> OpenByHandleAt(Fd mount, in FileHandle handle, OpenFlags flags)
    {
        Enter(_line.Begin("open_by_handle_at"u8).Fd(mount).Number(handle.Bytes).Number(handle.Type).Open(flags));
        return Leave(_inner.OpenByHandleAt(mount, in handle, flags));
    }

    /// <inheritdoc/>
    public Errno Flock(Fd fd, FlockOperation operation)
    {
        Enter(_line.Begin("flock"u8).Fd(fd).Flags(operation));
        return Leave(_inner.Flock(fd, operation));
    }

    /// <inheritdoc/>
    public Errno FcntlLock(Fd fd, LockCommand command, ref FileLock region)
    {
        Enter(_line.Begin("fcntl"u8).Fd(fd).Flags(command).Flags(region.Type).Number(region.Whence).Number(region.Start).Number(region.Length));
        return Leave(_inner.FcntlLock(fd, command, ref region));
    }

    /// <inheritdoc/>
    public SysResult<Fd> InotifyInit(InotifyFlags flags)
    {
        Enter(_line.Begin("inotify_init1"u8).Flags(flags));
        return Leave(_inner.InotifyInit(flags));
    }

    /// <inheritdoc/>
    public SysResult<int> InotifyAddWatch(Fd fd, ReadOnlySpan<byte> path, InotifyMask mask)
    {
        Enter(_line.Begin("inotify_add_watch"u8).Fd(fd).Path(path).Flags(mask));
        return Leave(_inner.InotifyAddWatch(fd, path, mask));
    }

    /// <inheritdoc/>
    public Errno InotifyRmWatch(Fd fd, int watch)
    {
        Enter(_line.Begin("inotify_rm_watch"u8).Fd(fd).Number(watch));
        return Leave(_inner.InotifyRmWatch(fd, watch));
    }

    /// <inheritdoc/>
    public SysResult<int> Mmap(Fd fd, MapProtection protection, MapFlags flags, long offset, int length)
    {
        Enter(_line.Begin("mmap"u8).Fd(fd).Flags(protection).Flags(flags).Number(offset).Number(length));
        return Leave(_inner.Mmap(fd, protection, flags, offset, length));
    }

    /// <inheritdoc/>
    public Errno MapRead(int mapping, long offset, Span<byte> buffer)
    {
        Enter(_line.Begin("load"u8).Number(mapping).Number(offset).Number(buffer.Length));
        return Leave(_inner.MapRead(mapping, offset, buffer));
    }

    /// <inheritdoc/>
    public Errno MapWrite(int mapping, long offset, ReadOnlySpan<byte> data)
    {
        Enter(_line.Begin("store"u8).Number(mapping).Number(offset).Data(data));
        return Leave(_inner.MapWrite(mapping, offset, data));
    }

    /// <inheritdoc/>
    public Errno Msync(int mapping, MsyncFlags flags)
    {
        Enter(_line.Begin("msync"u8).Number(mapping).Flags(flags));
        return Leave(_inner.Msync(mapping, flags));
    }

    /// <inheritdoc/>
    public Errno Munmap(int mapping)
    {
        Enter(_line.Begin("munmap"u8).Number(mapping));
        return Leave(_inner.Munmap(mapping));
    }

    /// <inheritdoc/>
    public Errno Quotactl(QuotaCommand command, QuotaType type, ReadOnlySpan<byte> device, uint id, ref DiskQuota quota)
    {
        Enter(_line.Begin("quotactl"u8).Flags(command).Flags(type).Path(device).Number(id).Number((long)quota.BlocksHard));
        return Leave(_inner.Quotactl(command, type, device, id, ref quota));
    }
}
