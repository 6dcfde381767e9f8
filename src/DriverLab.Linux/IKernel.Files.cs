using DriverLab.Linux.Abi;

namespace DriverLab.Linux;

/// <content>openat2, file handles, locks, notification, mappings.</content>
public partial interface IKernel
{
    /// <summary>openat2(2): as openat, with limits on the walk; unknown flags are errors.</summary>
    /// <returns>EINVAL (flags, mode, resolve), EAGAIN (RESOLVE_CACHED), (walk), EXDEV (RESOLVE_NO_XDEV, RESOLVE_BENEATH), ELOOP (RESOLVE_NO_SYMLINKS, RESOLVE_NO_MAGICLINKS), then as <see cref="OpenAt"/>.</returns>
    SysResult<Fd> OpenAt2(Fd directory, ReadOnlySpan<byte> path, in OpenHow how);

    /// <summary>name_to_handle_at(2). <see cref="FileHandle.Bytes"/> is the room before and the length after, also with EOVERFLOW.</summary>
    /// <returns>EINVAL (flags), (walk), EOPNOTSUPP (no handles), EINVAL (room over 128), EOVERFLOW (room too small).</returns>
    /// <remarks>The number of the mount is its unique one with AT_HANDLE_MNT_ID_UNIQUE.</remarks>
    Errno NameToHandleAt(Fd directory, ReadOnlySpan<byte> path, ref FileHandle handle, out long mountId, AtFlags flags);

    /// <summary>open_by_handle_at(2).</summary>
    /// <returns>EPERM (CAP_DAC_READ_SEARCH), EINVAL (length 0 or over 128), EBADF (mount), ESTALE, then as open(2) of the file.</returns>
    SysResult<Fd> OpenByHandleAt(Fd mount, in FileHandle handle, OpenFlags flags);

    /// <summary>flock(2).</summary>
    /// <returns>EINVAL (operation), EBADF, EAGAIN (LOCK_NB), EINTR.</returns>
    Errno Flock(Fd fd, FlockOperation operation);

    /// <summary>fcntl(2) with a region: F_GETLK, F_SETLK, F_SETLKW and their OFD forms.</summary>
    /// <returns>EBADF, EINVAL (type, whence, before the start, pid of an OFD lock), EOVERFLOW, EBADF (access mode), EAGAIN, EDEADLK, EINTR.</returns>
    Errno FcntlLock(Fd fd, LockCommand command, ref FileLock region);

    /// <summary>inotify_init1(2). read(2) gives events, EAGAIN with IN_NONBLOCK, EINVAL when the buffer is too small for the next.</summary>
    /// <returns>EINVAL (flags), EMFILE.</returns>
    SysResult<Fd> InotifyInit(InotifyFlags flags);

    /// <summary>inotify_add_watch(2): the number of the watch; the same number for an inode that is watched already.</summary>
    /// <returns>EINVAL (mask without event, IN_MASK_ADD with IN_MASK_CREATE), EBADF, EINVAL (no inotify descriptor), (walk), ENOTDIR (IN_ONLYDIR), EACCES, EEXIST (IN_MASK_CREATE), ENOSPC.</returns>
    SysResult<int> InotifyAddWatch(Fd fd, ReadOnlySpan<byte> path, InotifyMask mask);

    /// <summary>inotify_rm_watch(2).</summary>
    /// <returns>EBADF, EINVAL (no inotify descriptor, no such watch).</returns>
    Errno InotifyRmWatch(Fd fd, int watch);

    /// <summary>mmap(2) of a file. The value names the mapping for the calls below; a task's mappings are its own and end with it.</summary>
    /// <returns>EINVAL (length 0, offset), EBADF, EINVAL (kind), EACCES (not open for reading; shared and writable, not open for writing or append-only), EPERM (execution on noexec), ENODEV.</returns>
    SysResult<int> Mmap(Fd fd, MapProtection protection, MapFlags flags, long offset, int length);

    /// <summary>Loads from a mapping, as a program's memory access does.</summary>
    /// <returns>EINVAL (no such mapping, outside), EFAULT (no permission; beyond the last page of the file, where a program gets SIGBUS).</returns>
    Errno MapRead(int mapping, long offset, Span<byte> buffer);

    /// <summary>Stores into a mapping.</summary>
    /// <returns>As <see cref="MapRead"/>; EFAULT also for want of space.</returns>
    Errno MapWrite(int mapping, long offset, ReadOnlySpan<byte> data);

    /// <summary>msync(2) of a whole mapping.</summary>
    /// <returns>EINVAL (flags, no such mapping), EIO.</returns>
    Errno Msync(int mapping, MsyncFlags flags);

    /// <summary>munmap(2) of a whole mapping.</summary>
    /// <returns>EINVAL (no such mapping).</returns>
    Errno Munmap(int mapping);

    /// <summary>quotactl(2): a limit, and what is used, of the file system on a block device.</summary>
    /// <param name="command">Reads or writes.</param>
    /// <param name="type">Whose.</param>
    /// <param name="device">Path of the device's node.</param>
    /// <param name="id">User, group or project.</param>
    /// <param name="quota">What is written or filled.</param>
    /// <returns>(walk), ENOTBLK, EACCES (nodev), ENODEV (not mounted), EPERM (CAP_SYS_ADMIN), ENOSYS (no quota there), ESRCH (not switched on), EINVAL.</returns>
    Errno Quotactl(QuotaCommand command, QuotaType type, ReadOnlySpan<byte> device, uint id, ref DiskQuota quota);
}
