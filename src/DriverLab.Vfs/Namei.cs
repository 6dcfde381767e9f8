using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Simulation;

namespace DriverLab.Vfs;

/// <summary>
/// Operations on names, below the system calls: what other parts of the kernel, stacked file systems above all, call. Each one does the kernel's checks in the
/// kernel's order with the credentials of the given caller, then asks the inode, then updates the dentries.
/// </summary>
/// <remarks>
/// None of them looks at mounts' read-only flags: ask <see cref="Mount.WantWrite"/> first. Linux fs/namei.c: lookup_one(), vfs_create(), vfs_mkdir(), …
/// </remarks>
public static partial class Namei
{
    // ---- lookup --------------------------------------------------------------------------------------------------------------------------

    /// <summary>Looks one name up, with search permission; the result may be negative.</summary>
    /// <returns>ENOTDIR, EACCES (empty name, <c>.</c>, <c>..</c>, a slash, no permission), then the file system's lookup.</returns>
    /// <remarks>Linux fs/namei.c: lookup_one(), lookup_one_common().</remarks>
    public static SysResult<Dentry> LookupOne(Caller caller, Dentry parent, ReadOnlySpan<byte> name)
    {
        var error = CheckName(caller, parent, name);
        return error != Errno.OK ? error : LookupHash(caller, parent, name);
    }

    /// <summary>As <see cref="LookupOne"/>, with ENOENT for a name that is not there; allocates nothing for cached or missing names.</summary>
    public static SysResult<Dentry> LookupOnePositive(Caller caller, Dentry parent, ReadOnlySpan<byte> name)
    {
        var error = CheckName(caller, parent, name);
        return error != Errno.OK ? error : LookupPositive(caller, parent, name);
    }

    private static Errno CheckName(Caller caller, Dentry parent, ReadOnlySpan<byte> name)
    {
        if (name.IsEmpty || name.SequenceEqual("."u8) || name.SequenceEqual(".."u8) || name.Contains((byte)'/') || name.Contains((byte)0))
            return Errno.EACCES;
        return Permissions.Check(parent.Inode!, caller, AccessMode.X_OK);
    }

    /// <summary>Cache, then the file system; no permission check. The result may be negative.</summary>
    public static SysResult<Dentry> LookupHash(Caller caller, Dentry parent, ReadOnlySpan<byte> name)
    {
        var cached = FindCached(caller, parent, name, out var error);
        if (error != Errno.OK)
            return error;
        return cached is not null ? cached : LookupSlow(caller, parent, name);
    }

    /// <summary>As <see cref="LookupHash"/>, with ENOENT for a name that is not there.</summary>
    public static SysResult<Dentry> LookupPositive(Caller caller, Dentry parent, ReadOnlySpan<byte> name)
    {
        var dentry = FindCached(caller, parent, name, out var error);
        if (error != Errno.OK)
            return error;
        if (dentry is null)
        {
            if (parent.Sb.CacheIsComplete)
                return name.Length > parent.Sb.NameMax && !parent.Inode!.IsDead ? Errno.ENAMETOOLONG : Errno.ENOENT;
            var found = LookupSlow(caller, parent, name);
            if (!found.IsOk)
                return found;
            dentry = found.Value;
        }
        return dentry.IsNegative ? Errno.ENOENT : dentry;
    }

    private static Dentry? FindCached(Caller caller, Dentry parent, ReadOnlySpan<byte> name, out Errno error)
    {
        error = Errno.OK;
        var dentry = parent.FindChild(name);
        if (dentry is null || !dentry.NeedsRevalidation)
            return dentry;
        var valid = dentry.Revalidate(caller);
        error = valid.Error;
        if (valid.IsOk && valid.Value)
            return dentry;
        if (valid.IsOk)
            dentry.Invalidate();
        return null;
    }

    private static SysResult<Dentry> LookupSlow(Caller caller, Dentry parent, ReadOnlySpan<byte> name)
    {
        var directory = parent.Inode!;
        if (directory.IsDead)
            return Errno.ENOENT;
        var dentry = parent.Sb.NewDentry(parent, name.ToArray());
        var error = directory.Lookup(caller, dentry);
        if (error != Errno.OK)
            return error;
        // A directory that is known by another name has come here with the entry that it has.
        return dentry.IsHashed || parent.Sb.CacheIsComplete ? dentry : parent.FindChild(name) ?? dentry;
    }

    // ---- creating -------------------------------------------------------------------------------------------------------------------------

    /// <summary>Makes a regular file. The mode has the umask taken off already.</summary>
    /// <returns><see cref="Permissions.MayCreate"/>, EACCES (no such operation), then the file system.</returns>
    public static Errno VfsCreate(Caller caller, Inode directory, Dentry dentry, Mode mode, bool exclusive = true)
    {
        var error = Permissions.MayCreate(directory, dentry, caller);
        if (error != Errno.OK)
            return error;
        mode = Permissions.StripSgid(directory, (mode & Mode.S_IALLUGO) | Mode.S_IFREG, caller.Credentials);
        return Told(directory, dentry, directory.Create(caller, dentry, mode, exclusive));
    }

    /// <summary>Watches hear of a name that was made.</summary>
    internal static Errno Told(Inode directory, Dentry dentry, Errno error)
    {
        if (error == Errno.OK)
            Notify.Name(directory, dentry, InotifyMask.IN_CREATE);
        return error;
    }

    /// <summary>Makes a directory.</summary>
    /// <returns><see cref="Permissions.MayCreate"/>, then the file system.</returns>
    public static Errno VfsMkdir(Caller caller, Inode directory, Dentry dentry, Mode mode)
    {
        var error = Permissions.MayCreate(directory, dentry, caller);
        if (error != Errno.OK)
            return error;
        return Told(directory, dentry, directory.Mkdir(caller, dentry, (mode & (Mode.S_IRWXUGO | Mode.S_ISVTX)) | Mode.S_IFDIR));
    }

    /// <summary>Makes a node of any type but a directory or link.</summary>
    /// <returns><see cref="Permissions.MayCreate"/>, EPERM (devices other than 0:0 without CAP_MKNOD), then the file system.</returns>
    public static Errno VfsMknod(Caller caller, Inode directory, Dentry dentry, Mode mode, DevT device)
    {
        var error = Permissions.MayCreate(directory, dentry, caller);
        if (error != Errno.OK)
            return error;
        var type = mode & Mode.S_IFMT;
        bool isWhiteout = type == Mode.S_IFCHR && device == DevT.Zero;
        if (type is Mode.S_IFCHR or Mode.S_IFBLK && !isWhiteout && !caller.Credentials.Capable(Capabilities.CAP_MKNOD))
            return Errno.EPERM;
        return Told(directory, dentry, directory.Mknod(caller, dentry, Permissions.StripSgid(directory, mode, caller.Credentials), device));
    }

    /// <summary>Makes a whiteout: a character device 0:0, mode 0.</summary>
    public static Errno VfsWhiteout(Caller caller, Inode directory, Dentry dentry) => VfsMknod(caller, directory, dentry, Mode.S_IFCHR, DevT.Zero);

    /// <summary>Makes a symbolic link.</summary>
    /// <returns><see cref="Permissions.MayCreate"/>, EPERM, then the file system.</returns>
    public static Errno VfsSymlink(Caller caller, Inode directory, Dentry dentry, ReadOnlySpan<byte> target)
    {
        var error = Permissions.MayCreate(directory, dentry, caller);
        return error != Errno.OK ? error : Told(directory, dentry, directory.Symlink(caller, dentry, target));
    }

    /// <summary>Gives an inode another name.</summary>
    /// <returns>ENOENT (negative), <see cref="Permissions.MayCreate"/>, EXDEV, EPERM (append-only, immutable, directory), ENOENT (no links left), then the file system.</returns>
    public static Errno VfsLink(Caller caller, Dentry old, Inode directory, Dentry dentry)
    {
        if (old.Inode is not { } inode)
            return Errno.ENOENT;
        var error = Permissions.MayCreate(directory, dentry, caller);
        if (error != Errno.OK)
            return error;
        if (!ReferenceEquals(directory.Sb, inode.Sb))
            return Errno.EXDEV;
        if (inode.IsAppend || inode.IsImmutable || caller.Credentials.IsStranger(inode) || inode.IsDirectory)
            return Errno.EPERM;
        if (inode.Nlink == 0 && (inode.Flags & InodeFlags.I_LINKABLE) == 0)
            return Errno.ENOENT;
        error = directory.Link(caller, old, dentry);
        if (error != Errno.OK)
            return error;
        inode.Flags &= ~InodeFlags.I_LINKABLE;
        inode.DropIfUnused();
        Notify.Self(inode, InotifyMask.IN_ATTRIB);
        Notify.Name(directory, dentry, InotifyMask.IN_CREATE);
        return Errno.OK;
    }

    /// <summary>Makes a nameless file in the file system of a directory: an unhashed, positive entry below it.</summary>
    /// <returns>EOVERFLOW (the caller's ids mean nothing there), (permission to write and search the directory), EOPNOTSUPP, then the file system.</returns>
    public static SysResult<Dentry> VfsTmpfile(Caller caller, Dentry parent, Mode mode, bool linkable = true)
    {
        var directory = parent.Inode!;
        if (parent.Sb.Core.Quirks.NamelessFilesNeedOwners && !caller.Credentials.CanOwn(parent.Sb))
            return Errno.EOVERFLOW;
        var error = Permissions.Check(directory, caller, AccessMode.W_OK | AccessMode.X_OK);
        if (error != Errno.OK)
            return error;
        var dentry = parent.Sb.NewDentry(parent, "/"u8.ToArray());
        mode = Permissions.StripSgid(directory, (mode & Mode.S_IALLUGO) | Mode.S_IFREG, caller.Credentials);
        error = directory.Tmpfile(caller, dentry, mode);
        if (error != Errno.OK)
            return error;
        dentry.MarkTmpfile();
        if (linkable)
            dentry.Inode!.Flags |= InodeFlags.I_LINKABLE;
        return dentry;
    }

    // ---- removing ------------------------------------------------------------------------------------------------------------------------

    /// <summary>Removes a name of something that is not a directory; the entry drops out of the cache.</summary>
    /// <returns><see cref="Permissions.MayDelete"/>, EBUSY (a mount point here), then the file system.</returns>
    public static Errno VfsUnlink(Caller caller, Inode directory, Dentry dentry)
    {
        var error = Permissions.MayDelete(directory, dentry, caller, isDirectory: false);
        if (error != Errno.OK)
            return error;
        if (caller.Mounts.IsMountpoint(dentry))
            return Errno.EBUSY;
        error = directory.Unlink(caller, dentry);
        if (error != Errno.OK)
            return error;
        dentry.SetFlag(DentryFlags.CantMount, true);
        MountTree.DetachAt(dentry);
        dentry.Delete();
        Notify.Self(dentry.Inode!, InotifyMask.IN_ATTRIB);
        dentry.Inode!.DropIfUnused();
        Notify.EntryGone(dentry);
        Notify.Name(directory, dentry, InotifyMask.IN_DELETE);
        return Errno.OK;
    }

    /// <summary>Removes a directory; the inode becomes dead and the entry drops out of the cache.</summary>
    /// <returns><see cref="Permissions.MayDelete"/>, EBUSY (a mount point here), then the file system (ENOTEMPTY).</returns>
    public static Errno VfsRmdir(Caller caller, Inode directory, Dentry dentry)
    {
        var error = Permissions.MayDelete(directory, dentry, caller, isDirectory: true);
        if (error != Errno.OK)
            return error;
        if (caller.Mounts.IsMountpoint(dentry))
            return Errno.EBUSY;
        error = directory.Rmdir(caller, dentry);
        if (error != Errno.OK)
            return error;
        Bury(dentry);
        dentry.Delete();
        dentry.Inode!.DropIfUnused();
        Notify.EntryGone(dentry);
        Notify.Name(directory, dentry, InotifyMask.IN_DELETE);
        return Errno.OK;
    }

    private static void Bury(Dentry directory)
    {
        directory.DropChildren();
        directory.Inode!.Flags |= InodeFlags.S_DEAD;
        directory.SetFlag(DentryFlags.CantMount, true);
        MountTree.DetachAt(directory);
    }

    // ---- renaming --------------------------------------------------------------------------------------------------------------------------

    /// <summary>Neither entry may lie above the other's directory.</summary>
    /// <returns>EINVAL, ENOTEMPTY.</returns>
    /// <remarks>Linux fs/namei.c: do_renameat2(), what lock_rename() returns.</remarks>
    public static Errno CheckAncestors(Dentry old, Dentry oldParent, Dentry target, Dentry newParent, bool exchange)
    {
        if (ReferenceEquals(oldParent, newParent))
            return Errno.OK;
        if (old.IsAncestorOf(newParent))
            return Errno.EINVAL;
        return target.IsPositive && target.IsAncestorOf(oldParent) ? exchange ? Errno.EINVAL : Errno.ENOTEMPTY : Errno.OK;
    }

    /// <summary>Renames, replaces or exchanges. The caller has checked with <see cref="CheckAncestors"/>.</summary>
    /// <returns><see cref="Permissions.MayDelete"/> of the old, of the new or <see cref="Permissions.MayCreate"/>, (write permission of a directory that changes its parent), EBUSY (mount point), then the file system.</returns>
    /// <remarks>Linux fs/namei.c: vfs_rename().</remarks>
    public static Errno VfsRename(Caller caller, Inode oldDirectory, Dentry old, Inode newDirectory, Dentry target, RenameFlags flags)
    {
        bool exchange = (flags & RenameFlags.RENAME_EXCHANGE) != 0;
        if (old.Inode is { } same && ReferenceEquals(same, target.Inode) && !old.Sb.Core.IsMutated(Mutation.RenameOntoItselfMoves))
            return Errno.OK;
        var error = CheckRename(caller, oldDirectory, old, newDirectory, target, exchange);
        if (error != Errno.OK)
            return error;
        bool isWatched = old.Sb.Core.Watches > 0;
        byte[] oldName = isWatched ? old.Name.ToArray() : [], newName = isWatched ? target.Name.ToArray() : [];
        error = oldDirectory.Rename(caller, old, newDirectory, target, flags);
        if (error != Errno.OK)
            return error;
        var replaced = exchange ? null : target.Inode;
        if (replaced is not null)
        {
            if (replaced.IsDirectory)
                Bury(target);
            target.SetFlag(DentryFlags.CantMount, true);
            MountTree.DetachAt(target);
        }
        if (!old.Sb.Type.RenameDoesMove)
        {
            if (exchange)
                old.Exchange(target);
            else
                old.Move(target);
        }
        if (isWatched)
        {
            Notify.Move(oldDirectory, oldName, newDirectory, newName, old.Inode!, replaced);
            if (exchange)
                Notify.Move(newDirectory, newName, oldDirectory, oldName, target.Inode!, null);
        }
        replaced?.DropIfUnused();
        if (replaced is not null)
            Notify.EntryGone(target);
        return Errno.OK;
    }

    private static Errno CheckRename(Caller caller, Inode oldDirectory, Dentry old, Inode newDirectory, Dentry target, bool exchange)
    {
        bool isDirectory = old.IsDirectory;
        var error = Permissions.MayDelete(oldDirectory, old, caller, isDirectory);
        if (error != Errno.OK)
            return error;
        error = target.IsNegative ? Permissions.MayCreate(newDirectory, target, caller)
            : Permissions.MayDelete(newDirectory, target, caller, exchange ? target.IsDirectory : isDirectory);
        if (error != Errno.OK)
            return error;
        if (!ReferenceEquals(oldDirectory, newDirectory))
        {
            if (isDirectory)
                error = Permissions.Check(old.Inode!, caller, AccessMode.W_OK);
            if (error == Errno.OK && exchange && target.IsDirectory)
                error = Permissions.Check(target.Inode!, caller, AccessMode.W_OK);
            if (error != Errno.OK)
                return error;
        }
        return caller.Mounts.IsMountpoint(old) || caller.Mounts.IsMountpoint(target) ? Errno.EBUSY : Errno.OK;
    }
}
