using DriverLab.Linux.Abi;

namespace DriverLab.Linux;

/// <summary>
/// A Linux kernel as one task sees it: system calls by their section 2 names, byte paths, spans, errnos as values.
/// </summary>
/// <remarks>
/// <para>Implementations: the emulator, the machine's own kernel through libc, and decorators. Storage drivers and scenarios see nothing else.</para>
/// <para>A task has credentials, a root and a working directory, a umask, a descriptor table and a mount namespace. <see cref="Fork"/> makes another one.
/// A task is used by one thread at a time, and makes one call at a time; <see cref="Begin"/> lets others go on while it sleeps in one.</para>
/// <para>Each member lists its errors <em>in order of precedence</em>: of several that apply, the first listed is returned. The path walk's own errors come at the
/// place where <c>(walk)</c> stands: EBADF (descriptor of a relative path), ENOENT (empty path), ENAMETOOLONG (path of 4096 bytes or more), then component by component
/// ENOTDIR (not a directory), EACCES (no search permission), ENAMETOOLONG (component over NAME_MAX), ENOENT (missing), ELOOP (over 40 links), EIO.</para>
/// <para>The emulator has more outcomes, as exceptions: <see cref="NotModelledException"/> (a gap) and <see cref="WouldHangException"/>; where the real kernel crashes, <see cref="KernelOopsException"/>.</para>
/// </remarks>
public partial interface IKernel : IDisposable
{
    /// <summary>The name (comm) of tasks that make calls: a kernel's log tells it.</summary>
    const string TaskName = "DriverLab task";

    /// <summary>Version and configuration of this kernel.</summary>
    KernelProfile Profile { get; }

    // ---- tasks ------------------------------------------------------------------------------------------------------------------

    /// <summary>A new task: a copy of the descriptor table (the open files themselves are shared), of root, working directory, umask and credentials; the mount
    /// namespace is shared. Disposing it closes its descriptors.</summary>
    IKernel Fork();

    /// <summary>Runs code as this task and waits for it. Calls that it makes on this object are direct where a task is a thread of its own, which other threads reach by a
    /// hand-over; elsewhere this is a plain call. For loops of many calls. An exception reaches the caller.</summary>
    /// <remarks>The thread's descriptors and root are the task's: what belongs to the caller (its streams, its other tasks, its callbacks) is used through <see cref="Outside"/>.</remarks>
    void Run(Action program) => program();

    /// <summary>Begins to run code as this task, which may sleep in its calls, and comes back when it has ended or sleeps until something else happens.</summary>
    /// <remarks>Until it has ended nothing else is asked of the task. An exception of the code reaches whoever settles it.</remarks>
    /// <exception cref="NotSupportedException">The calls of this task are made elsewhere, one at a time.</exception>
    IBackgroundCall Begin(Action program) => throw new NotSupportedException($"{GetType().Name} makes no calls in the background.");

    /// <summary>For code inside <see cref="Run"/>: runs other code on the thread that called <see cref="Run"/>, and waits for it. Elsewhere a plain call.</summary>
    void Outside(Action code) => code();

    /// <summary>Takes on other ids (setgroups, setresgid, setresuid, in this order). Leaving user 0 drops all capabilities; a task without them cannot come back.</summary>
    /// <returns>EPERM.</returns>
    Errno SetIds(in UserIds ids);

    /// <summary>umask(2).</summary>
    /// <returns>The mask before.</returns>
    Mode Umask(Mode mask);

    /// <summary>unshare(2) for <see cref="CloneFlags.CLONE_NEWNS"/>: this task gets a copy of its mount namespace.</summary>
    /// <returns>EINVAL (other flags), EPERM.</returns>
    Errno Unshare(CloneFlags flags);

    /// <summary>chdir(2).</summary>
    /// <returns>(walk), ENOTDIR, EACCES.</returns>
    Errno Chdir(ReadOnlySpan<byte> path);

    /// <summary>fchdir(2).</summary>
    /// <returns>EBADF, ENOTDIR, EACCES.</returns>
    Errno Fchdir(Fd fd);

    /// <summary>chroot(2). The working directory stays.</summary>
    /// <returns>(walk), ENOTDIR, EACCES, EPERM.</returns>
    Errno Chroot(ReadOnlySpan<byte> path);

    /// <summary>getcwd(2): the path of the working directory, without a NUL. A directory that cannot be reached from the root begins with <c>(unreachable)</c>.</summary>
    /// <returns>ENOENT (unlinked), ERANGE. The value is the length in bytes.</returns>
    SysResult<int> GetCwd(Span<byte> buffer);

    // ---- descriptors -------------------------------------------------------------------------------------------------------------

    /// <summary>openat(2).</summary>
    /// <returns>EINVAL (flags), (walk), EEXIST (O_CREAT|O_EXCL), ENOTDIR (O_DIRECTORY), ELOOP (O_NOFOLLOW), EISDIR, EACCES, EROFS, ENXIO, EPERM (O_NOATIME, append-only), ETXTBSY, EMFILE.</returns>
    SysResult<Fd> OpenAt(Fd directory, ReadOnlySpan<byte> path, OpenFlags flags, Mode mode);

    /// <summary>close(2).</summary>
    /// <returns>EBADF, then what the file system's flush says.</returns>
    Errno Close(Fd fd);

    /// <summary>dup(2): the lowest free number.</summary>
    /// <returns>EBADF, EMFILE.</returns>
    SysResult<Fd> Dup(Fd fd);

    /// <summary>read(2) at the file position.</summary>
    /// <returns>EBADF (closed, not open for reading, O_PATH), EISDIR, EINVAL (alignment of O_DIRECT), EIO. The value is a count of bytes; 0 at the end.</returns>
    SysResult<int> Read(Fd fd, Span<byte> buffer);

    /// <summary>write(2) at the file position, or at the end with O_APPEND.</summary>
    /// <returns>EBADF, EINVAL, EPERM, EFBIG, ENOSPC, EIO. The value is a count of bytes and may be short.</returns>
    SysResult<int> Write(Fd fd, ReadOnlySpan<byte> data);

    /// <summary>pread64(2).</summary>
    /// <returns>EINVAL (negative offset), EBADF, ESPIPE, then as <see cref="Read"/>.</returns>
    SysResult<int> PRead(Fd fd, Span<byte> buffer, long offset);

    /// <summary>pwrite64(2); with O_APPEND Linux appends whatever the offset says.</summary>
    /// <returns>EINVAL (negative offset), EBADF, ESPIPE, then as <see cref="Write"/>.</returns>
    SysResult<int> PWrite(Fd fd, ReadOnlySpan<byte> data, long offset);

    /// <summary>lseek(2).</summary>
    /// <returns>EBADF, EINVAL (whence), ESPIPE, EINVAL (before the start), ENXIO (SEEK_DATA, SEEK_HOLE beyond the end), EOVERFLOW. The value is the new offset.</returns>
    SysResult<long> LSeek(Fd fd, long offset, SeekWhence whence);

    /// <summary>ftruncate(2).</summary>
    /// <returns>EINVAL (negative), EBADF, EINVAL (not a regular file or not writable), EPERM (append-only), EFBIG, ETXTBSY.</returns>
    Errno FTruncate(Fd fd, long length);

    /// <summary>truncate(2).</summary>
    /// <returns>EINVAL (negative), (walk), EISDIR, EINVAL (not regular), EACCES, EROFS, EPERM, ETXTBSY, EFBIG.</returns>
    Errno Truncate(ReadOnlySpan<byte> path, long length);

    /// <summary>fallocate(2).</summary>
    /// <returns>EBADF, EINVAL (offset below 0, length not above 0), EOPNOTSUPP (mode), EBADF (not writable), EPERM (immutable, append-only), ETXTBSY, ESPIPE, EISDIR, ENODEV, EFBIG, EOPNOTSUPP (file system), ENOSPC.</returns>
    Errno Fallocate(Fd fd, FallocFlags mode, long offset, long length);

    /// <summary>fsync(2).</summary>
    /// <returns>EBADF, EINVAL (no such operation), EIO, EROFS.</returns>
    Errno Fsync(Fd fd);

    /// <summary>fdatasync(2); errors as <see cref="Fsync"/>.</summary>
    Errno Fdatasync(Fd fd);

    /// <summary>syncfs(2).</summary>
    /// <returns>EBADF, EIO.</returns>
    Errno Syncfs(Fd fd);

    /// <summary>sync(2).</summary>
    void Sync();

    /// <summary>copy_file_range(2); a null offset uses and moves the file position.</summary>
    /// <returns>EINVAL (flags), EBADF, EISDIR, EINVAL (not regular), EBADF (not readable or writable, O_APPEND target), EPERM (immutable), ETXTBSY, EOVERFLOW, EINVAL (overlap in one file), EFBIG, EXDEV, ENOSPC. The value is a count of bytes.</returns>
    SysResult<long> CopyFileRange(Fd source, long? sourceOffset, Fd target, long? targetOffset, long length);

    /// <summary>getdents64(2): fills the buffer with entries for <see cref="DirentReader"/>.</summary>
    /// <returns>EBADF, ENOTDIR, ENOENT (removed directory), EINVAL (buffer too small for the next entry). The value is a count of bytes; 0 at the end.</returns>
    SysResult<int> GetDents(Fd fd, Span<byte> buffer);

    /// <summary>ioctl(2) whose argument points at a structure, read and written in place.</summary>
    /// <returns>EBADF, ENOTTY (unknown request), then as the request says. The value is the call's own return value.</returns>
    SysResult<int> Ioctl(Fd fd, uint request, Span<byte> argument);

    /// <summary>ioctl(2) whose argument is a number.</summary>
    /// <returns>EBADF, ENOTTY (unknown request), then as the request says.</returns>
    SysResult<int> Ioctl(Fd fd, uint request, long value);

    /// <summary>fcntl(2) F_GETFL: access mode and status flags.</summary>
    /// <returns>EBADF.</returns>
    SysResult<OpenFlags> GetStatusFlags(Fd fd);

    /// <summary>fcntl(2) F_SETFL: O_APPEND, O_NONBLOCK, O_DIRECT, O_NOATIME.</summary>
    /// <returns>EBADF, EPERM (append-only file, O_NOATIME of another's file), EINVAL (O_DIRECT not supported).</returns>
    Errno SetStatusFlags(Fd fd, OpenFlags flags);

    // ---- names -------------------------------------------------------------------------------------------------------------------

    /// <summary>mkdirat(2).</summary>
    /// <returns>(walk), EEXIST, EROFS, ENOENT (trailing, in a removed directory), EACCES, EPERM, EMLINK, ENOSPC.</returns>
    Errno MkdirAt(Fd directory, ReadOnlySpan<byte> path, Mode mode);

    /// <summary>mknodat(2): regular files, FIFOs, sockets, character and block devices.</summary>
    /// <returns>EPERM (a directory), EINVAL (another type), (walk), EEXIST, EROFS, EACCES, EPERM (devices without CAP_MKNOD), EPERM (file system).</returns>
    Errno MknodAt(Fd directory, ReadOnlySpan<byte> path, Mode mode, DevT device);

    /// <summary>unlinkat(2), with <see cref="AtFlags.AT_REMOVEDIR"/> as rmdir.</summary>
    /// <returns>EINVAL (flags), (walk), for rmdir of <c>.</c> EINVAL, of <c>..</c> ENOTEMPTY, of <c>/</c> EBUSY; for unlink of these EISDIR; EROFS, ENOENT, ENOTDIR or EISDIR (trailing slash),
    /// EACCES, EPERM (sticky, append-only, immutable), ENOTDIR or EISDIR (type), EBUSY (mount point), ENOTEMPTY.</returns>
    Errno UnlinkAt(Fd directory, ReadOnlySpan<byte> path, AtFlags flags);

    /// <summary>linkat(2).</summary>
    /// <returns>EINVAL (flags), (walk of the old), (walk of the new), EEXIST, EROFS, EXDEV, EPERM (protected_hardlinks), EACCES, EPERM (append-only, immutable, directory), ENOENT (no links left), EMLINK.</returns>
    Errno LinkAt(Fd oldDirectory, ReadOnlySpan<byte> oldPath, Fd newDirectory, ReadOnlySpan<byte> newPath, AtFlags flags);

    /// <summary>symlinkat(2).</summary>
    /// <returns>ENOENT (empty target), ENAMETOOLONG (target), (walk), EEXIST, EROFS, EACCES, EPERM.</returns>
    Errno SymlinkAt(ReadOnlySpan<byte> target, Fd directory, ReadOnlySpan<byte> path);

    /// <summary>readlinkat(2); a target longer than the buffer is cut.</summary>
    /// <returns>EINVAL (empty buffer), (walk), EINVAL (not a link), ENOENT (empty path on something that is no link). The value is a count of bytes.</returns>
    SysResult<int> ReadLinkAt(Fd directory, ReadOnlySpan<byte> path, Span<byte> buffer);

    /// <summary>renameat2(2).</summary>
    /// <returns>EINVAL (flags), (walk of the old parent), (walk of the new parent), EXDEV (mounts), EBUSY (<c>.</c>, <c>..</c>, <c>/</c>), EEXIST (new name special, NOREPLACE), EROFS,
    /// ENOENT (old), EEXIST (NOREPLACE), ENOENT (EXCHANGE), ENOTDIR (slashes), EINVAL (into itself), ENOTEMPTY (onto an ancestor), EACCES, EPERM (sticky, append-only), ENOTDIR, EISDIR (types), EBUSY (mount point), EINVAL (file system), EXDEV, ENOTEMPTY.</returns>
    Errno RenameAt2(Fd oldDirectory, ReadOnlySpan<byte> oldPath, Fd newDirectory, ReadOnlySpan<byte> newPath, RenameFlags flags);

    // ---- attributes --------------------------------------------------------------------------------------------------------------

    /// <summary>statx(2); with an empty path and <see cref="AtFlags.AT_EMPTY_PATH"/> it is fstat.</summary>
    /// <returns>EINVAL (flags, reserved mask bit), (walk).</returns>
    Errno Statx(Fd directory, ReadOnlySpan<byte> path, AtFlags flags, StatxMask mask, out Statx result);

    /// <summary>faccessat2(2): with the real ids unless <see cref="AtFlags.AT_EACCESS"/>.</summary>
    /// <returns>EINVAL (mode, flags), (walk), EACCES, EROFS.</returns>
    Errno FaccessAt(Fd directory, ReadOnlySpan<byte> path, AccessMode mode, AtFlags flags);

    /// <summary>fchmodat(2); follows links.</summary>
    /// <returns>(walk), EROFS, EPERM.</returns>
    Errno FchmodAt(Fd directory, ReadOnlySpan<byte> path, Mode mode);

    /// <summary>fchmod(2).</summary>
    /// <returns>EBADF, EROFS, EPERM.</returns>
    Errno Fchmod(Fd fd, Mode mode);

    /// <summary>fchownat(2); <see cref="uint.MaxValue"/> leaves an id as it is.</summary>
    /// <returns>EINVAL (flags), (walk), EROFS, EPERM.</returns>
    Errno FchownAt(Fd directory, ReadOnlySpan<byte> path, uint uid, uint gid, AtFlags flags);

    /// <summary>utimensat(2); an empty path with <see cref="AtFlags.AT_EMPTY_PATH"/> works on the descriptor.</summary>
    /// <returns>EINVAL (nanoseconds, flags), (walk), EROFS, EPERM (explicit times, not the owner), EACCES (both now, neither owner nor writable).</returns>
    Errno UtimensAt(Fd directory, ReadOnlySpan<byte> path, Timespec atime, Timespec mtime, AtFlags flags);

    /// <summary>statfs(2).</summary>
    /// <returns>(walk), ENOSYS.</returns>
    Errno StatFs(ReadOnlySpan<byte> path, out StatFs result);

    /// <summary>fstatfs(2).</summary>
    /// <returns>EBADF, ENOSYS.</returns>
    Errno FStatFs(Fd fd, out StatFs result);

    // ---- extended attributes -----------------------------------------------------------------------------------------------------

    /// <summary>getxattr(2), or lgetxattr(2) with <see cref="AtFlags.AT_SYMLINK_NOFOLLOW"/>. An empty buffer asks for the size.</summary>
    /// <returns>ERANGE (name empty or over 255), (walk), EPERM or ENODATA (namespace), EACCES, EOPNOTSUPP, ENODATA, ERANGE (buffer), E2BIG. The value is a count of bytes.</returns>
    SysResult<int> GetXattr(ReadOnlySpan<byte> path, ReadOnlySpan<byte> name, Span<byte> value, AtFlags flags);

    /// <summary>fgetxattr(2).</summary>
    SysResult<int> FGetXattr(Fd fd, ReadOnlySpan<byte> name, Span<byte> value);

    /// <summary>setxattr(2) or lsetxattr(2).</summary>
    /// <returns>EINVAL (flags), ERANGE (name), E2BIG (value), (walk), EROFS, EPERM (namespace, immutable), EACCES, EOPNOTSUPP, EEXIST (XATTR_CREATE), ENODATA (XATTR_REPLACE), ENOSPC.</returns>
    Errno SetXattr(ReadOnlySpan<byte> path, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, XattrFlags xattrFlags, AtFlags flags);

    /// <summary>fsetxattr(2).</summary>
    Errno FSetXattr(Fd fd, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, XattrFlags xattrFlags);

    /// <summary>listxattr(2) or llistxattr(2): names, each ended by a NUL. An empty buffer asks for the size.</summary>
    /// <returns>(walk), EOPNOTSUPP, ERANGE (buffer), E2BIG. The value is a count of bytes.</returns>
    SysResult<int> ListXattr(ReadOnlySpan<byte> path, Span<byte> names, AtFlags flags);

    /// <summary>flistxattr(2).</summary>
    SysResult<int> FListXattr(Fd fd, Span<byte> names);

    /// <summary>removexattr(2) or lremovexattr(2).</summary>
    /// <returns>ERANGE (name), (walk), EROFS, EPERM, EACCES, EOPNOTSUPP, ENODATA.</returns>
    Errno RemoveXattr(ReadOnlySpan<byte> path, ReadOnlySpan<byte> name, AtFlags flags);

    /// <summary>fremovexattr(2).</summary>
    Errno FRemoveXattr(Fd fd, ReadOnlySpan<byte> name);

    // ---- mounts ------------------------------------------------------------------------------------------------------------------

    /// <summary>mount(2): new mount, bind, move, remount and propagation by flags, as the kernel dispatches them.</summary>
    /// <returns>EINVAL (data over a page, flags), (walk of the target), EPERM, ENODEV (unknown type), ENOTBLK, (walk of the source), EBUSY, EINVAL, then what the file system says.</returns>
    Errno Mount(ReadOnlySpan<byte> source, ReadOnlySpan<byte> target, ReadOnlySpan<byte> fileSystem, MountFlags flags, ReadOnlySpan<byte> data);

    /// <summary>umount2(2).</summary>
    /// <returns>EINVAL (flags), (walk), EINVAL (not a mount point, locked), EPERM, EAGAIN (MNT_EXPIRE), EBUSY.</returns>
    Errno Umount(ReadOnlySpan<byte> target, UmountFlags flags);

    // ---- time --------------------------------------------------------------------------------------------------------------------

    /// <summary>clock_gettime(2), in nanoseconds.</summary>
    long ClockGetTimeNs(ClockId clock);

    /// <summary>nanosleep(2). The emulator moves its own clock and runs what falls due.</summary>
    void Sleep(long nanoseconds);
}

/// <summary>Convenience forms of <see cref="IKernel"/>.</summary>
public static class KernelExtensions
{
    extension(IKernel kernel)
    {
        /// <summary>As <see cref="IKernel.Run"/>, for code with a result.</summary>
        public T RunFor<T>(Func<T> program)
        {
            T result = default!;
            kernel.Run(() => { result = program(); });
            return result;
        }
    }
}
