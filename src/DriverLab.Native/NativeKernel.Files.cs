using DriverLab.Linux;
using DriverLab.Linux.Abi;

namespace DriverLab.Native;

public sealed unsafe partial class NativeKernel
{
    /// <inheritdoc/>
    public Errno PivotRoot(ReadOnlySpan<byte> newRoot, ReadOnlySpan<byte> putOld)
    {
        _isElsewhere.Value = true;
        return Error(_task.Call(Nr.PivotRoot, CPath.Of(newRoot, out CPath s1), CPath.Of(putOld, out CPath s2)));
    }

    /// <inheritdoc/>
    public SysResult<Fd> FsOpen(ReadOnlySpan<byte> fileSystem, FsOpenFlags flags) => NewFd(_task.Call(Nr.Fsopen, CPath.Of(fileSystem, out CPath s1), (nint)flags));

    /// <inheritdoc/>
    public SysResult<Fd> FsPick(Fd directory, ReadOnlySpan<byte> path, FsPickFlags flags)
        => NewFd(_task.Call(Nr.Fspick, directory.Value, CPath.Of(path, out CPath s1), (nint)flags));

    /// <inheritdoc/>
    public Errno FsConfig(Fd fd, FsConfigCommand command, ReadOnlySpan<byte> key, ReadOnlySpan<byte> value, int aux)
    {
        bool hasValue = command is FsConfigCommand.FSCONFIG_SET_STRING or FsConfigCommand.FSCONFIG_SET_BINARY or FsConfigCommand.FSCONFIG_SET_PATH or FsConfigCommand.FSCONFIG_SET_PATH_EMPTY;
        nint name = CPath.Of(key, out CPath s1), text = CPath.Of(value, out CPath s2);
        return Error(_task.Call(Nr.Fsconfig, fd.Value, (nint)command, key.IsEmpty ? 0 : name, hasValue || !value.IsEmpty ? text : 0, aux));
    }

    /// <inheritdoc/>
    public SysResult<Fd> FsMount(Fd fd, FsMountFlags flags, MountAttributes attributes) => NewFd(_task.Call(Nr.Fsmount, fd.Value, (nint)flags, (nint)attributes));

    /// <inheritdoc/>
    public Errno MoveMount(Fd fromDirectory, ReadOnlySpan<byte> fromPath, Fd toDirectory, ReadOnlySpan<byte> toPath, MoveMountFlags flags)
        => Error(_task.Call(Nr.MoveMount, fromDirectory.Value, CPath.Of(fromPath, out CPath s1), toDirectory.Value, CPath.Of(toPath, out CPath s2), (nint)flags));

    /// <inheritdoc/>
    public SysResult<Fd> OpenTree(Fd directory, ReadOnlySpan<byte> path, OpenTreeFlags flags)
        => NewFd(_task.Call(Nr.OpenTree, directory.Value, CPath.Of(path, out CPath s1), (nint)flags));

    /// <inheritdoc/>
    public Errno MountSetattr(Fd directory, ReadOnlySpan<byte> path, AtFlags flags, in MountAttr attributes)
    {
        fixed (MountAttr* p = &attributes)
            return Error(_task.Call(Nr.MountSetattr, directory.Value, CPath.Of(path, out CPath s1), (nint)flags, (nint)p, sizeof(MountAttr)));
    }

    /// <inheritdoc/>
    public SysResult<Fd> OpenAt2(Fd directory, ReadOnlySpan<byte> path, in OpenHow how)
    {
        fixed (OpenHow* p = &how)
            return NewFd(_task.Call(Nr.Openat2, directory.Value, CPath.Of(path, out CPath s1), (nint)p, sizeof(OpenHow)));
    }

    /// <inheritdoc/>
    public Errno NameToHandleAt(Fd directory, ReadOnlySpan<byte> path, ref FileHandle handle, out long mountId, AtFlags flags)
    {
        mountId = 0;
        fixed (FileHandle* p = &handle)
        fixed (long* id = &mountId) // 8 bytes with AT_HANDLE_MNT_ID_UNIQUE, else the lower 4
            return Error(_task.Call(Nr.NameToHandleAt, directory.Value, CPath.Of(path, out CPath s1), (nint)p, (nint)id, (nint)flags));
    }

    /// <inheritdoc/>
    public SysResult<Fd> OpenByHandleAt(Fd mount, in FileHandle handle, OpenFlags flags)
    {
        fixed (FileHandle* p = &handle)
            return NewFd(_task.Call(Nr.OpenByHandleAt, mount.Value, (nint)p, (nint)flags));
    }

    /// <inheritdoc/>
    public Errno Flock(Fd fd, FlockOperation operation) => Error(_task.Call(Nr.Flock, fd.Value, (nint)operation));

    /// <inheritdoc/>
    public Errno FcntlLock(Fd fd, LockCommand command, ref FileLock region)
    {
        fixed (FileLock* p = &region)
            return Error(_task.Call(Nr.Fcntl, fd.Value, (nint)command, (nint)p));
    }

    /// <inheritdoc/>
    public SysResult<Fd> InotifyInit(InotifyFlags flags) => NewFd(_task.Call(Nr.InotifyInit1, (nint)flags));

    /// <inheritdoc/>
    public SysResult<int> InotifyAddWatch(Fd fd, ReadOnlySpan<byte> path, InotifyMask mask)
        => Count(_task.Call(Nr.InotifyAddWatch, fd.Value, CPath.Of(path, out CPath s1), (nint)mask));

    /// <inheritdoc/>
    public Errno InotifyRmWatch(Fd fd, int watch) => Error(_task.Call(Nr.InotifyRmWatch, fd.Value, watch));

    // ---- mappings: loads and stores go through process_vm_readv and process_vm_writev, which answer EFAULT where an access of our own would end the process with SIGBUS --------

    /// <inheritdoc/>
    public SysResult<int> Mmap(Fd fd, MapProtection protection, MapFlags flags, long offset, int length)
    {
        nint address = _task.Call(Nr.Mmap, 0, length, (nint)protection, (nint)flags, fd.Value, (nint)offset);
        if (address is < 0 and > -4096)
            return Error(address);
        _mappings.Add((address, length));
        return _mappings.Count - 1;
    }

    /// <inheritdoc/>
    public Errno MapRead(int mapping, long offset, Span<byte> buffer)
    {
        fixed (byte* p = buffer)
            return Transfer(Nr.ProcessVmReadv, mapping, offset, p, buffer.Length);
    }

    /// <inheritdoc/>
    public Errno MapWrite(int mapping, long offset, ReadOnlySpan<byte> data)
    {
        fixed (byte* p = data)
            return Transfer(Nr.ProcessVmWritev, mapping, offset, p, data.Length);
    }

    private Errno Transfer(int number, int mapping, long offset, byte* local, int length)
    {
        if (!IsMapped(mapping, out var area) || offset < 0 || offset + length > area.Length)
            return Errno.EINVAL;
        if (length == 0)
            return Errno.OK;
        nint* vectors = stackalloc nint[4] { (nint)local, length, area.Address + (nint)offset, length };
        nint done = _task.Call(number, Environment.ProcessId, (nint)vectors, 1, (nint)(vectors + 2), 1, 0);
        // A transfer stops at the first page that cannot be touched.
        return done < 0 ? Error(done) : done < length ? Errno.EFAULT : Errno.OK;
    }

    /// <inheritdoc/>
    public Errno Msync(int mapping, MsyncFlags flags) => IsMapped(mapping, out var area) ? Error(_task.Call(Nr.Msync, area.Address, area.Length, (nint)flags)) : Errno.EINVAL;

    /// <inheritdoc/>
    public Errno Munmap(int mapping)
    {
        if (!IsMapped(mapping, out var area))
            return Errno.EINVAL;
        _mappings[mapping] = default;
        return Error(_task.Call(Nr.Munmap, area.Address, area.Length));
    }

    private bool IsMapped(int mapping, out (nint Address, int Length) area)
    {
        area = (uint)mapping < (uint)_mappings.Count ? _mappings[mapping] : default;
        return area.Address != 0;
    }

    private void UnmapAll()
    {
        for (int i = 0; i < _mappings.Count; i++)
            _ = Munmap(i); // what is not mapped any more is no matter
    }

    private readonly List<(nint Address, int Length)> _mappings = [];

    /// <inheritdoc/>
    public Errno Quotactl(QuotaCommand command, QuotaType type, ReadOnlySpan<byte> device, uint id, ref DiskQuota quota)
    {
        fixed (DiskQuota* p = &quota)
            return Error(_task.Call(Nr.Quotactl, (nint)((uint)command << 8 | (uint)type), CPath.Of(device, out CPath s1), (nint)id, (nint)p));
    }
}
