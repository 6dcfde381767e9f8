using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Simulation;

namespace DriverLab.Vfs;

/// <summary>open(2) from flags to open file, with the kernel's order of checks.</summary>
/// <remarks>Linux fs/open.c: build_open_flags(); fs/namei.c: path_openat(), open_last_lookups(), lookup_open(), do_open(), may_open(), do_tmpfile().</remarks>
public static class PathOpen
{
    private const OpenFlags TmpfileBit = (OpenFlags)0x400000;
    private const OpenFlags PathFlags = OpenFlags.O_PATH | OpenFlags.O_DIRECTORY | OpenFlags.O_NOFOLLOW | OpenFlags.O_CLOEXEC;
    private const OpenFlags Valid = (OpenFlags)0x7FFFC3;

    /// <summary>The checks of the flags alone; takes out what has no meaning.</summary>
    /// <returns>EINVAL.</returns>
    public static Errno CheckFlags(VfsQuirks quirks, ref OpenFlags flags)
    {
        flags &= Valid;
        if ((flags & OpenFlags.O_PATH) != 0)
            flags &= PathFlags;
        bool isTmpfile = (flags & TmpfileBit) != 0;
        const OpenFlags creatDirectory = OpenFlags.O_CREAT | OpenFlags.O_DIRECTORY;
        if (isTmpfile)
        {
            if ((flags & creatDirectory) != OpenFlags.O_DIRECTORY || (AccessOf(flags) & AccessMode.W_OK) == 0)
                return Errno.EINVAL;
        }
        else if (quirks.CreatDirectoryIsEinval && (flags & creatDirectory) == creatDirectory)
            return Errno.EINVAL;
        return Errno.OK;
    }

    /// <summary>The checks of openat2's structure: nothing unknown, nothing that has no meaning.</summary>
    /// <returns>EINVAL, EAGAIN (RESOLVE_CACHED with flags that change something).</returns>
    /// <remarks>Linux fs/open.c: do_sys_openat2(), build_open_flags().</remarks>
    public static Errno CheckHow(VfsQuirks quirks, in OpenHow how, out OpenFlags flags)
    {
        flags = (OpenFlags)how.Flags;
        const ResolveFlags scoped = ResolveFlags.RESOLVE_BENEATH | ResolveFlags.RESOLVE_IN_ROOT;
        var known = (ResolveFlags)0x3f; // RESOLVE_CACHED of 5.12 is in stable 5.10 as well
        if ((how.Flags & ~(ulong)(Valid | FASYNC)) != 0 || (how.Resolve & ~known) != 0 || (how.Resolve & scoped) == scoped)
            return Errno.EINVAL;
        bool creates = (flags & (OpenFlags.O_CREAT | TmpfileBit)) != 0;
        if (creates ? (how.Mode & ~(ulong)Mode.S_IALLUGO) != 0 : how.Mode != 0)
            return Errno.EINVAL;
        if ((flags & OpenFlags.O_PATH) != 0 && (flags & ~PathFlags) != 0)
            return Errno.EINVAL;
        var error = CheckFlags(quirks, ref flags);
        const OpenFlags changing = OpenFlags.O_TRUNC | OpenFlags.O_CREAT | TmpfileBit;
        return error == Errno.OK && (how.Resolve & ResolveFlags.RESOLVE_CACHED) != 0 && (flags & changing) != 0 ? Errno.EAGAIN : error;
    }

    private const OpenFlags FASYNC = (OpenFlags)0x2000;

    /// <summary>Opens a place that was found otherwise than by a path.</summary>
    /// <returns>ELOOP (a link), ENOTDIR, then as by a path.</returns>
    /// <remarks>Linux fs/namei.c: do_file_open_root().</remarks>
    public static SysResult<OpenFile> OpenPlace(Caller caller, in VfsPath place, OpenFlags flags)
    {
        bool isPath = (flags & OpenFlags.O_PATH) != 0, isTmpfile = (flags & TmpfileBit) != 0, needsDirectory = (flags & OpenFlags.O_DIRECTORY) != 0;
        if (!isPath && place.Inode.IsSymlink)
            return Errno.ELOOP;
        if (!isPath && !isTmpfile)
            return DoOpen(caller, place, directory: null, flags, needsDirectory ? LookupFlags.LOOKUP_DIRECTORY : LookupFlags.None, created: false);
        if (needsDirectory && !place.Inode.IsDirectory)
            return Errno.ENOTDIR;
        return isPath ? Files.DentryOpen(caller, place, flags) : TmpfileIn(caller, place, flags, Mode.None);
    }

    /// <summary>Opens a path whose flags <see cref="CheckFlags"/> has passed. The umask of the caller is taken off the mode.</summary>
    public static SysResult<OpenFile> Open(Caller caller, in VfsPath start, ReadOnlySpan<byte> path, OpenFlags flags, Mode mode, ResolveFlags resolve = ResolveFlags.None)
    {
        if ((flags & TmpfileBit) != 0)
            return Tmpfile(caller, start, path, flags, mode, resolve);
        var lookup = (flags & OpenFlags.O_DIRECTORY) != 0 ? LookupFlags.LOOKUP_DIRECTORY : LookupFlags.None;
        const OpenFlags exclusive = OpenFlags.O_CREAT | OpenFlags.O_EXCL;
        if ((flags & OpenFlags.O_NOFOLLOW) == 0 && (flags & exclusive) != exclusive)
            lookup |= LookupFlags.LOOKUP_FOLLOW;
        if ((flags & OpenFlags.O_PATH) == 0)
        {
            var walker = new PathWalker(caller, start, resolve);
            var opened = Walk(caller, ref walker, path, flags, mode & Mode.S_IALLUGO, lookup);
            if (opened.Error == Errno.ESTALE)
            {
                walker = new PathWalker(caller, start, resolve);
                opened = Walk(caller, ref walker, path, flags, mode & Mode.S_IALLUGO, lookup);
            }
            if (!opened.IsOk)
                walker.Current.Mount.ExpiryMark = false;
            return opened;
        }
        var error = PathWalk.Lookup(caller, start, path, lookup, keepsExpiry: false, out var place, resolve);
        return error != Errno.OK ? error : Files.DentryOpen(caller, place, flags);
    }

    private static SysResult<OpenFile> Walk(Caller caller, ref PathWalker walker, ReadOnlySpan<byte> path, OpenFlags flags, Mode mode, LookupFlags lookup)
    {
        bool created = false;
        Inode directory;
        while (true)
        {
            var error = walker.LinkPathWalk(path, out var last, out var type, out bool trailingSlash);
            if (error != Errno.OK)
                return error;
            directory = walker.Current.Inode;
            if (type != LastType.Norm)
                error = walker.StepLast(last, type);
            else if ((flags & OpenFlags.O_CREAT) == 0)
            {
                if (trailingSlash)
                    lookup |= LookupFlags.LOOKUP_FOLLOW | LookupFlags.LOOKUP_DIRECTORY;
                error = walker.StepLast(last, type);
            }
            else if (trailingSlash)
                return Errno.EISDIR;
            else
                error = LookupOrCreate(caller, ref walker, last, flags, mode, out created);
            if (error != Errno.OK)
                return error;
            if (created || (lookup & LookupFlags.LOOKUP_FOLLOW) == 0 || !walker.Current.Inode.IsSymlink)
                break;
            error = walker.PickLink(out var text, isLast: true);
            if (error != Errno.OK)
                return error;
            if (text.IsEmpty)
                break;
            path = text.Span;
        }
        return DoOpen(caller, walker.Current, directory, flags, lookup, created);
    }

    private static Errno LookupOrCreate(Caller caller, ref PathWalker walker, ReadOnlySpan<byte> last, OpenFlags flags, Mode mode, out bool created)
    {
        created = false;
        var (mount, parent) = walker.Current;
        caller = caller.Through(mount);
        var found = Namei.LookupHash(caller, parent, last);
        if (!found.IsOk)
            return found.Error;
        var dentry = found.Value;
        if (dentry.IsNegative)
        {
            var directory = parent.Inode!;
            mode = caller.WithoutUmask(directory, Permissions.StripSgid(directory, mode | Mode.S_IFREG, caller.Credentials));
            var error = mount.WantWrite();
            if (error == Errno.OK && !caller.Credentials.CanOwn(directory.Sb))
                error = Errno.EOVERFLOW;
            if (error == Errno.OK)
                error = Permissions.Check(directory, caller, AccessMode.W_OK | AccessMode.X_OK);
            if (error == Errno.OK)
                error = Namei.Told(directory, dentry, directory.Create(caller, dentry, mode, (flags & OpenFlags.O_EXCL) != 0));
            if (error != Errno.OK)
                return error;
            created = true;
        }
        return walker.StepInto(dentry);
    }

    private static SysResult<OpenFile> DoOpen(Caller caller, in VfsPath path, Inode? directory, OpenFlags flags, LookupFlags lookup, bool created)
    {
        caller = caller.Through(path.Mount);
        var inode = path.Inode;
        if ((flags & OpenFlags.O_CREAT) != 0 && !created)
        {
            if ((flags & OpenFlags.O_EXCL) != 0 && !inode.Sb.Core.IsMutated(Mutation.ExclusiveOpenSucceeds))
                return Errno.EEXIST;
            if (inode.IsDirectory)
                return Errno.EISDIR;
            var denied = directory is null ? Errno.OK : Permissions.MayCreateInSticky(directory, inode, caller);
            if (denied != Errno.OK)
                return denied;
        }
        if ((lookup & LookupFlags.LOOKUP_DIRECTORY) != 0 && !inode.IsDirectory)
            return Errno.ENOTDIR;
        var access = created ? AccessMode.F_OK : AccessOf(flags);
        bool truncates = !created && inode.IsRegular && (flags & OpenFlags.O_TRUNC) != 0;
        if (truncates && path.Mount.IsReadOnly)
            return Errno.EROFS;
        var error = MayOpen(caller, path, access, created ? flags & ~OpenFlags.O_TRUNC : flags);
        if (error != Errno.OK)
            return error;
        var opened = Files.DentryOpen(caller, path, flags);
        if (!opened.IsOk || !truncates)
            return opened;
        error = Attributes.Truncate(caller, path.Dentry, 0, AttrValid.ATTR_MTIME | AttrValid.ATTR_CTIME | AttrValid.ATTR_OPEN, opened.Value);
        if (error == Errno.OK)
            return opened;
        opened.Value.Put();
        return error;
    }

    /// <summary>May the caller open this inode so?</summary>
    /// <returns>ELOOP (a link), EISDIR, EACCES (device on a nodev mount, or of a file system that a user name space mounted), (permission), EPERM (append-only, O_NOATIME).</returns>
    public static Errno MayOpen(Caller caller, in VfsPath path, AccessMode access, OpenFlags flags)
    {
        var inode = path.Inode;
        switch (inode.Type)
        {
            case Mode.S_IFLNK:
                return Errno.ELOOP;
            case Mode.S_IFDIR when (access & AccessMode.W_OK) != 0:
                return Errno.EISDIR;
            case Mode.S_IFBLK or Mode.S_IFCHR when (path.Mount.Flags & MountFlags.MS_NODEV) != 0 || !inode.Sb.UserSpace.IsInitial:
                return Errno.EACCES;
            case Mode.S_IFBLK or Mode.S_IFCHR or Mode.S_IFIFO or Mode.S_IFSOCK:
                flags &= ~OpenFlags.O_TRUNC;
                break;
        }
        var error = Permissions.Check(inode, caller, access);
        if (error != Errno.OK)
            return error;
        if (inode.IsAppend)
        {
            if ((flags & OpenFlags.O_ACCMODE) != OpenFlags.O_RDONLY && (flags & OpenFlags.O_APPEND) == 0)
                return Errno.EPERM;
            if ((flags & OpenFlags.O_TRUNC) != 0)
                return Errno.EPERM;
        }
        return (flags & OpenFlags.O_NOATIME) != 0 && !Permissions.OwnerOrCapable(inode, caller.Credentials) ? Errno.EPERM : Errno.OK;
    }

    private static SysResult<OpenFile> Tmpfile(Caller caller, in VfsPath start, ReadOnlySpan<byte> path, OpenFlags flags, Mode mode, ResolveFlags resolve)
    {
        var lookup = LookupFlags.LOOKUP_DIRECTORY | ((flags & OpenFlags.O_NOFOLLOW) == 0 ? LookupFlags.LOOKUP_FOLLOW : 0);
        var error = PathWalk.Lookup(caller, start, path, lookup, keepsExpiry: false, out var parent, resolve);
        return error != Errno.OK ? error : TmpfileIn(caller, parent, flags, mode);
    }

    private static SysResult<OpenFile> TmpfileIn(Caller caller, in VfsPath parent, OpenFlags flags, Mode mode)
    {
        var error = parent.Mount.WantWrite();
        if (error != Errno.OK)
            return error;
        caller = caller.Through(parent.Mount);
        var made = Namei.VfsTmpfile(caller, parent.Dentry, caller.WithoutUmask(parent.Inode, Permissions.StripSgid(parent.Inode, (mode & Mode.S_IALLUGO) | Mode.S_IFREG, caller.Credentials)), (flags & OpenFlags.O_EXCL) == 0);
        if (!made.IsOk)
            return made.Error;
        var place = new VfsPath(parent.Mount, made.Value);
        error = MayOpen(caller, place, AccessMode.F_OK, flags);
        return error != Errno.OK ? error : Files.DentryOpen(caller, place, flags);
    }

    private static AccessMode AccessOf(OpenFlags flags)
    {
        var access = (flags & OpenFlags.O_ACCMODE) switch
        {
            OpenFlags.O_RDONLY => AccessMode.R_OK,
            OpenFlags.O_WRONLY => AccessMode.W_OK,
            _ => AccessMode.R_OK | AccessMode.W_OK,
        };
        return (flags & OpenFlags.O_TRUNC) != 0 ? access | AccessMode.W_OK : access;
    }
}
