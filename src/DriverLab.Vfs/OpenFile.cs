using DriverLab.Linux;
using DriverLab.Linux.Abi;

namespace DriverLab.Vfs;

/// <summary>Receives the entries of a directory.</summary>
/// <remarks>Linux include/linux/fs.h: struct dir_context. Reuse one object; nothing is allocated per entry.</remarks>
public abstract class DirContext
{
    /// <summary>Position of the entry that is emitted next; the directory moves it on before the following one.</summary>
    public long Position { get; set; }

    /// <summary>Takes one entry, which stands at <see cref="Position"/>; false when the receiver is full, and the directory stops without moving on.</summary>
    public abstract bool Emit(ReadOnlySpan<byte> name, ulong ino, DirentType type);
}

/// <summary>
/// An open file: a position and flags over an inode. File systems derive one class per kind of file; a virtual that is not overridden answers what Linux answers when the
/// operation is missing.
/// </summary>
/// <remarks>Linux include/linux/fs.h: struct file, struct file_operations. The checks of the system calls are in <see cref="Files"/>.</remarks>
public class OpenFile(VfsPath path, OpenFlags flags)
{
    private int _references = 1;

    /// <summary>What was opened.</summary>
    public VfsPath Path { get; } = path;

    /// <summary>The inode. For a device node this is the node's own inode.</summary>
    public Inode Inode { get; } = path.Dentry.Inode!;

    /// <summary>Access mode and status flags.</summary>
    public OpenFlags Flags { get; set; } = flags;

    /// <summary>Who opened it.</summary>
    public Credentials? OpenedBy { get; internal set; }

    /// <summary>The position, moved by read, write, getdents and lseek.</summary>
    public long Position { get; set; }

    /// <summary>Opened for reading (not O_PATH).</summary>
    public bool CanRead => (Flags & OpenFlags.O_PATH) == 0 && ((int)(Flags + 1) & 1) != 0;

    /// <summary>Opened for writing (not O_PATH).</summary>
    public bool CanWrite => (Flags & OpenFlags.O_PATH) == 0 && ((int)(Flags + 1) & 2) != 0;

    /// <summary>An O_PATH descriptor: names a place, allows nothing else.</summary>
    public bool IsPath => (Flags & OpenFlags.O_PATH) != 0;

    /// <summary>False for files without a position (pread gives ESPIPE).</summary>
    public virtual bool IsSeekable => true;

    /// <summary>Can be written at any position, too (pwrite gives ESPIPE otherwise).</summary>
    public virtual bool AllowsPWrite => IsSeekable;

    /// <summary>True when O_DIRECT is accepted.</summary>
    public virtual bool SupportsDirect => false;

    /// <summary>Watches hear of its opening and closing; not of files that stacked file systems open below.</summary>
    /// <remarks>Linux include/linux/fs.h: FMODE_NONOTIFY.</remarks>
    public bool IsHeard { get; internal set; } = true;

    /// <summary>Its mount cannot become read-only while it is open.</summary>
    internal bool IsWriter { get; set; }

    /// <summary>True when the file system has fallocate.</summary>
    public virtual bool SupportsFallocate => false;

    /// <summary>Adds a reference.</summary>
    public void Hold() => _references++;

    /// <summary>Drops a reference; the last one releases the file.</summary>
    public void Put()
    {
        if (--_references > 0)
            return;
        if (!IsPath && IsHeard)
            Notify.File(Path.Dentry, CanWrite ? InotifyMask.IN_CLOSE_WRITE : InotifyMask.IN_CLOSE_NOWRITE);
        Inode.Locks?.RemoveFile(this);
        Release();
        if (IsWriter)
            Path.Mount.PutWriteAccess();
        Path.Release();
    }

    /// <summary>Reads at a position and moves it.</summary>
    public virtual SysResult<int> Read(Caller caller, Span<byte> buffer, ref long position) => Errno.EINVAL;

    /// <summary>Reads for the kernel itself, as a loop device does, not into a caller's memory.</summary>
    public virtual SysResult<int> ReadForKernel(Caller caller, Span<byte> buffer, ref long position) => Read(caller, buffer, ref position);

    /// <summary>Writes at a position (O_APPEND: at the end) and moves it.</summary>
    public virtual SysResult<int> Write(Caller caller, ReadOnlySpan<byte> data, ref long position) => Errno.EINVAL;

    /// <summary>Emits entries from <see cref="DirContext.Position"/> on, <c>.</c> and <c>..</c> first, until the end or until the receiver is full.</summary>
    public virtual Errno Iterate(Caller caller, DirContext context) => Errno.ENOTDIR;

    /// <summary>lseek; sets <see cref="Position"/>.</summary>
    public virtual SysResult<long> LSeek(Caller caller, long offset, SeekWhence whence) => Errno.ESPIPE;

    /// <summary>fsync and fdatasync.</summary>
    public virtual Errno Fsync(Caller caller, bool dataOnly) => Errno.EINVAL;

    /// <summary>fallocate.</summary>
    public virtual Errno Fallocate(Caller caller, FallocFlags mode, long offset, long length) => Errno.EOPNOTSUPP;

    /// <summary>copy_file_range into <paramref name="target"/>; EOPNOTSUPP or EXDEV lets the VFS copy by reading and writing.</summary>
    public virtual SysResult<long> CopyFileRange(Caller caller, long offset, OpenFile target, long targetOffset, long length) => Errno.EOPNOTSUPP;

    /// <summary>What <see cref="CopyFileRange"/> says is final: nothing is copied by reading and writing instead.</summary>
    public virtual bool CopiesRangesItself => false;

    /// <summary>copy_file_range also works between two instances of the file system.</summary>
    public virtual bool CopiesAcrossInstances => false;

    /// <summary>Shares blocks with <paramref name="target"/> (FICLONE, FICLONERANGE).</summary>
    public virtual SysResult<long> RemapFileRange(Caller caller, long offset, OpenFile target, long targetOffset, long length) => Errno.EOPNOTSUPP;

    /// <summary>The requests of chattr come to <see cref="Ioctl(Caller, uint, Span{byte})"/>, before the VFS looks at them.</summary>
    public virtual bool TakesFlagRequests => false;

    /// <summary>ioctl with a structure.</summary>
    public virtual SysResult<int> Ioctl(Caller caller, uint request, Span<byte> argument) => Errno.ENOTTY;

    /// <summary>ioctl with a number.</summary>
    public virtual SysResult<int> Ioctl(Caller caller, uint request, long value) => Errno.ENOTTY;

    /// <summary>mmap: the open file whose pages are mapped, with a reference for the mapping; a stacked file system answers with the real one of this moment.</summary>
    public virtual SysResult<OpenFile> MapTarget(Caller caller, bool isShared) => Errno.ENODEV;

    /// <summary>Reads pages of a mapping: within the last page of the file, what lies beyond its end is zero.</summary>
    public virtual Errno MapRead(long offset, Span<byte> buffer) => NotModelledException.Throw("mappings of this file system");

    /// <summary>Stores into pages of a mapping; the file does not grow.</summary>
    public virtual Errno MapWrite(long offset, ReadOnlySpan<byte> data) => NotModelledException.Throw("mappings of this file system");

    /// <summary>Called at each close of a descriptor; its error is close's.</summary>
    public virtual Errno Flush(Caller caller) => Errno.OK;

    /// <summary>Called once, when the last reference goes.</summary>
    protected virtual void Release() { }
}
