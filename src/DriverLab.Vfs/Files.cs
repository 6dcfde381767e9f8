using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Simulation;

namespace DriverLab.Vfs;

/// <summary>Opening and using files below the system calls.</summary>
/// <remarks>Linux fs/open.c: do_dentry_open(); fs/read_write.c; fs/readdir.c; fs/inode.c: touch_atime().</remarks>
public static class Files
{
    /// <summary>Opens a positive entry without looking at its permissions, as stacked file systems do. Close with <see cref="OpenFile.Put"/>.</summary>
    /// <returns>EROFS (mount), ENXIO (no driver), what the inode's open says, EINVAL (O_DIRECT not supported).</returns>
    /// <remarks>With <paramref name="isWriter"/> false, a file opened for writing does not keep its mount from becoming read-only.</remarks>
    public static SysResult<OpenFile> DentryOpen(Caller caller, in VfsPath path, OpenFlags flags, bool isHeard = true, bool isWriter = true)
    {
        var inode = path.Inode;
        caller = caller.Through(path.Mount);
        if ((flags & OpenFlags.O_PATH) != 0)
            return Opened(new OpenFile(path, flags & (OpenFlags.O_PATH | OpenFlags.O_DIRECTORY | OpenFlags.O_NOFOLLOW)));
        bool writes = ((int)(flags + 1) & 2) != 0;
        if (writes && !inode.IsSpecial && path.Mount.IsReadOnly)
            return Errno.EROFS;
        var opened = inode.Type switch
        {
            Mode.S_IFCHR => inode.Sb.Core.FindCharDevice(inode.Rdev)?.Open(caller, path, flags) ?? Errno.ENXIO,
            Mode.S_IFBLK => inode.Sb.Core.BlockDevices?.Open(caller, path, flags) ?? Errno.ENXIO,
            Mode.S_IFIFO => Pipe.Open(inode.Sb.Core, path, flags),
            Mode.S_IFSOCK => Errno.ENXIO,
            _ => inode.Open(caller, path, flags),
        };
        if (!opened.IsOk)
            return opened;
        var file = opened.Value;
        file.OpenedBy = caller.Credentials.Unmapped;
        file.IsHeard = isHeard;
        file.Flags &= ~(OpenFlags.O_CREAT | OpenFlags.O_EXCL | OpenFlags.O_NOCTTY | OpenFlags.O_TRUNC | OpenFlags.O_CLOEXEC);
        file.Flags |= OpenFlags.O_LARGEFILE;
        if (writes && !inode.IsSpecial && isWriter)
        {
            file.IsWriter = true;
            path.Mount.GetWriteAccess();
        }
        _ = Opened(file);
        if ((flags & OpenFlags.O_DIRECT) == 0 || file.SupportsDirect)
        {
            if (isHeard && inode.Sb.Core.Quirks.EveryOpenIsTold)
                Notify.File(path.Dentry, InotifyMask.IN_OPEN);
            return file;
        }
        file.Put();
        return Errno.EINVAL;
    }

    /// <summary>Watches hear of a file that was opened by a system call, where they do not hear of every open.</summary>
    public static void NotifyOpen(OpenFile file)
    {
        if (!file.IsPath && !file.Inode.Sb.Core.Quirks.EveryOpenIsTold)
            Notify.File(file.Path.Dentry, InotifyMask.IN_OPEN);
    }

    private static OpenFile Opened(OpenFile file)
    {
        file.Path.Hold();
        file.Path.Mount.ExpiryMark = false;
        return file;
    }

    /// <summary>Reads at a position.</summary>
    /// <returns>EBADF (not open for reading), EINVAL (negative position, overflowing end), then the file.</returns>
    public static SysResult<int> VfsRead(Caller caller, OpenFile file, Span<byte> buffer, ref long position)
    {
        if (!file.CanRead)
            return Errno.EBADF;
        var read = position < 0 || position > long.MaxValue - buffer.Length ? Errno.EINVAL : file.Read(caller, buffer, ref position);
        if (read is { IsOk: true, Value: > 0 })
            Notify.File(file.Path.Dentry, InotifyMask.IN_ACCESS);
        return read;
    }

    /// <summary>Writes at a position; with O_APPEND at the end.</summary>
    /// <returns>EBADF (not open for writing), EINVAL (negative position, overflowing end), then the file.</returns>
    public static SysResult<int> VfsWrite(Caller caller, OpenFile file, ReadOnlySpan<byte> data, ref long position)
    {
        if (!file.CanWrite)
            return Errno.EBADF;
        var written = position < 0 || position > long.MaxValue - data.Length ? Errno.EINVAL : file.Write(caller, data, ref position);
        if (written is { IsOk: true, Value: > 0 })
            Notify.File(file.Path.Dentry, InotifyMask.IN_MODIFY);
        return written;
    }

    /// <summary>Reads below, for a stacked file system: the file's watches hear of it, even of a read that finds nothing.</summary>
    /// <remarks>Linux fs/read_write.c: vfs_iter_read().</remarks>
    public static SysResult<int> IterRead(Caller caller, OpenFile file, Span<byte> buffer, ref long position)
    {
        var read = file.Read(caller, buffer, ref position);
        if (read.IsOk)
            Hear(file, InotifyMask.IN_ACCESS);
        return read;
    }

    /// <summary>Writes below, for a stacked file system.</summary>
    /// <remarks>Linux fs/read_write.c: vfs_iter_write().</remarks>
    public static SysResult<int> IterWrite(Caller caller, OpenFile file, ReadOnlySpan<byte> data, ref long position)
    {
        var written = file.Write(caller, data, ref position);
        if (written is { IsOk: true, Value: > 0 })
            Hear(file, InotifyMask.IN_MODIFY);
        return written;
    }

    /// <summary>Watches hear of what was done through an open file, if they hear of that file at all.</summary>
    public static void Hear(OpenFile file, InotifyMask mask)
    {
        if (file.IsHeard)
            Notify.File(file.Path.Dentry, mask);
    }

    /// <summary>The largest file size: cuts the data short, or refuses.</summary>
    /// <returns>EFBIG.</returns>
    /// <remarks>Linux fs/read_write.c: generic_write_checks_count().</remarks>
    public static Errno WriteChecks(OpenFile file, long position, ref ReadOnlySpan<byte> data)
    {
        long room = file.Inode.Sb.MaxBytes - position;
        if (room <= 0)
            return Errno.EFBIG;
        if (data.Length > room)
            data = data[..(int)room];
        return Errno.OK;
    }

    /// <summary>Emits a directory's entries from the file's position on, and stores where it stopped.</summary>
    /// <returns>ENOTDIR, ENOENT (removed directory), then the file.</returns>
    /// <remarks>Linux fs/readdir.c: iterate_dir().</remarks>
    public static Errno IterateDir(Caller caller, OpenFile file, DirContext context)
    {
        if (!file.Inode.IsDirectory)
            return Errno.ENOTDIR;
        if (file.Inode.IsDead)
            return Errno.ENOENT;
        context.Position = file.Position;
        var error = file.Iterate(caller, context);
        file.Position = context.Position;
        Notify.File(file.Path.Dentry, InotifyMask.IN_ACCESS);
        TouchAtime(file);
        return error;
    }

    /// <summary>Notes an access, if mount, file system, inode and open flags want it noted: noatime, nodiratime, relatime.</summary>
    /// <remarks>Linux fs/inode.c: touch_atime(), atime_needs_update(), relatime_need_update().</remarks>
    public static void TouchAtime(OpenFile file)
    {
        if ((file.Flags & OpenFlags.O_NOATIME) == 0)
            TouchAtime(file.Path);
    }

    /// <summary>Notes an access through a path.</summary>
    public static void TouchAtime(in VfsPath path)
    {
        var inode = path.Inode;
        var mount = path.Mount;
        if ((inode.Flags & InodeFlags.S_NOATIME) != 0 || (inode.Sb.Flags & MountFlags.MS_NOATIME) != 0 || (mount.Flags & MountFlags.MS_NOATIME) != 0)
            return;
        if (inode.IsDirectory && ((inode.Sb.Flags | mount.Flags) & MountFlags.MS_NODIRATIME) != 0)
            return;
        long now = inode.Sb.Core.NowNs;
        const long day = 86_400_000_000_000;
        bool isRelative = (mount.Flags & MountFlags.MS_RELATIME) != 0;
        bool isStale = inode.MtimeNs >= inode.AtimeNs || inode.CtimeNs >= inode.AtimeNs || now - inode.AtimeNs >= day;
        if (isRelative && !isStale && !inode.Sb.Core.IsMutated(Mutation.RelatimeAlwaysUpdates) || inode.AtimeNs == now || mount.IsReadOnly)
            return;
        inode.UpdateAtime(now);
    }

    /// <summary>Stamps a write: content and attributes changed now.</summary>
    /// <remarks>Linux fs/inode.c: file_update_time().</remarks>
    public static void FileUpdateTime(OpenFile file)
    {
        if ((file.Inode.Flags & InodeFlags.S_NOCMTIME) == 0)
            file.Inode.MtimeNs = file.Inode.CtimeNs = file.Inode.Sb.Core.NowNs;
    }
}
