using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Simulation;

namespace DriverLab.Vfs;

/// <summary>Permission checks.</summary>
/// <remarks>Linux fs/namei.c: inode_permission(), generic_permission(), may_create(), may_delete(), __check_sticky(); fs/inode.c: inode_owner_or_capable().</remarks>
public static class Permissions
{
    private const AccessMode Rwx = AccessMode.R_OK | AccessMode.W_OK | AccessMode.X_OK;

    /// <summary>Mode bits, then capabilities.</summary>
    /// <returns>EACCES.</returns>
    public static Errno Generic(Inode inode, Credentials by, AccessMode mask)
    {
        mask &= Rwx;
        if (ByMode(inode, by, mask))
            return Errno.OK;
        if (inode.IsDirectory)
        {
            if ((mask & AccessMode.W_OK) == 0 && by.CapableOver(inode, Capabilities.CAP_DAC_READ_SEARCH))
                return Errno.OK;
            return by.CapableOver(inode, Capabilities.CAP_DAC_OVERRIDE) ? Errno.OK : Errno.EACCES;
        }
        if (mask == AccessMode.R_OK && by.CapableOver(inode, Capabilities.CAP_DAC_READ_SEARCH))
            return Errno.OK;
        bool mayExecute = (mask & AccessMode.X_OK) == 0 || (inode.Mode & (Mode.S_IXUSR | Mode.S_IXGRP | Mode.S_IXOTH)) != 0;
        return mayExecute && by.CapableOver(inode, Capabilities.CAP_DAC_OVERRIDE) ? Errno.OK : Errno.EACCES;
    }

    /// <summary>Read-only file system, immutable file, then the inode's own check.</summary>
    /// <returns>EROFS, EPERM (immutable), EACCES (an owner that the mount does not know), then <see cref="Inode.Permission"/>.</returns>
    public static Errno Check(Inode inode, Caller caller, AccessMode mask)
    {
        if ((mask & AccessMode.W_OK) != 0)
        {
            if (inode.Sb.IsReadOnly && inode.Type is Mode.S_IFREG or Mode.S_IFDIR or Mode.S_IFLNK)
                return Errno.EROFS;
            if (inode.IsImmutable)
                return Errno.EPERM;
            if (caller.Credentials.IsStranger(inode))
                return Errno.EACCES;
        }
        return inode.Permission(caller, mask);
    }

    /// <summary>May a name be created in this directory?</summary>
    /// <returns>EEXIST, ENOENT (removed directory), EOVERFLOW (the caller's ids mean nothing there), then <see cref="Check"/>.</returns>
    public static Errno MayCreate(Inode directory, Dentry child, Caller caller)
    {
        if (child.IsPositive)
            return Errno.EEXIST;
        if (directory.IsDead)
            return Errno.ENOENT;
        return caller.Credentials.CanOwn(directory.Sb) ? Check(directory, caller, AccessMode.W_OK | AccessMode.X_OK) : Errno.EOVERFLOW;
    }

    /// <summary>May this entry be removed from its directory?</summary>
    /// <returns>ENOENT, EOVERFLOW (an owner that the mount does not know), (<see cref="Check"/> of the directory), EPERM (append-only, sticky, immutable), ENOTDIR, EBUSY (a root), EISDIR, ENOENT (removed directory).</returns>
    public static Errno MayDelete(Inode directory, Dentry victim, Caller caller, bool isDirectory)
    {
        if (victim.Inode is not { } inode)
            return Errno.ENOENT;
        if (caller.Credentials.IsStranger(inode))
            return Errno.EOVERFLOW;
        var error = Check(directory, caller, AccessMode.W_OK | AccessMode.X_OK);
        if (error != Errno.OK)
            return error;
        if (directory.IsAppend || StickyForbids(directory, inode, caller.Credentials) || inode.IsAppend || inode.IsImmutable)
            return Errno.EPERM;
        if (isDirectory)
        {
            if (!inode.IsDirectory)
                return Errno.ENOTDIR;
            if (victim.IsRoot)
                return Errno.EBUSY;
        }
        else if (inode.IsDirectory)
            return Errno.EISDIR;
        return directory.IsDead ? Errno.ENOENT : Errno.OK;
    }

    /// <summary>A sticky directory lets only the owners of file or directory, or CAP_FOWNER, remove a name.</summary>
    public static bool StickyForbids(Inode directory, Inode inode, Credentials by) =>
        (directory.Mode & Mode.S_ISVTX) != 0 && !directory.Sb.Core.IsMutated(Mutation.StickyIgnored) && !by.Is(inode.Uid) && !by.Is(directory.Uid) && !by.CapableOver(inode, Capabilities.CAP_FOWNER);

    /// <summary>Owner, or CAP_FOWNER.</summary>
    public static bool OwnerOrCapable(Inode inode, Credentials by) => by.Is(inode.Uid) || (by.Effective & Capabilities.CAP_FOWNER) != 0 && by.KnowsUid(inode.Uid);

    /// <summary>The mode of a new inode under a set-group-ID parent: a caller outside the group loses S_ISGID of an executable file.</summary>
    /// <remarks>Linux fs/inode.c: mode_strip_sgid().</remarks>
    public static Mode StripSgid(Inode directory, Mode mode, Credentials by)
    {
        const Mode executable = Mode.S_ISGID | Mode.S_IXGRP;
        if ((mode & executable) != executable || (mode & Mode.S_IFMT) == Mode.S_IFDIR || (directory.Mode & Mode.S_ISGID) == 0)
            return mode;
        return by.InGroup(directory.Gid) || by.CapableOver(directory, Capabilities.CAP_FSETID) ? mode : mode & ~Mode.S_ISGID;
    }

    /// <summary>May the caller give this inode another name? Without fs.protected_hardlinks anyone may.</summary>
    /// <returns>EOVERFLOW (an owner that the mount does not know), EPERM.</returns>
    /// <remarks>Linux fs/namei.c: may_linkat(), safe_hardlink_source().</remarks>
    public static Errno MayLink(Inode inode, Caller caller)
    {
        if (caller.Credentials.IsStranger(inode))
            return Errno.EOVERFLOW;
        if (!inode.Sb.Core.Quirks.ProtectedHardlinks || OwnerOrCapable(inode, caller.Credentials))
            return Errno.OK;
        const Mode groupExecutable = Mode.S_ISGID | Mode.S_IXGRP;
        bool isSafe = inode.IsRegular && (inode.Mode & Mode.S_ISUID) == 0 && (inode.Mode & groupExecutable) != groupExecutable
            && Check(inode, caller, AccessMode.R_OK | AccessMode.W_OK) == Errno.OK;
        return isSafe ? Errno.OK : Errno.EPERM;
    }

    /// <summary>May the caller follow this link as the last component? Without fs.protected_symlinks anyone may.</summary>
    /// <returns>EACCES.</returns>
    /// <remarks>Linux fs/namei.c: may_follow_link().</remarks>
    public static Errno MayFollow(Inode directory, Inode link, Caller caller)
    {
        const Mode open = Mode.S_ISVTX | Mode.S_IWOTH;
        if (!link.Sb.Core.Quirks.ProtectedSymlinks || caller.Credentials.Is(link.Uid))
            return Errno.OK;
        return (directory.Mode & open) != open || caller.Credentials.AreOfOneOwner(directory, link) ? Errno.OK : Errno.EACCES;
    }

    /// <summary>May the caller open with O_CREAT what is there already? In a sticky directory that others may write, only what is its own or the directory's owner's.</summary>
    /// <returns>EACCES.</returns>
    /// <remarks>Linux fs/namei.c: may_create_in_sticky(). Devices and sockets are denied whatever the settings say.</remarks>
    public static Errno MayCreateInSticky(Inode directory, Inode inode, Caller caller)
    {
        var quirks = inode.Sb.Core.Quirks;
        int setting = inode.Type switch { Mode.S_IFREG => quirks.ProtectedRegular, Mode.S_IFIFO => quirks.ProtectedFifos, _ => 1 };
        if (setting == 0 || inode.Sb.Core.IsMutated(Mutation.StickyCreateAllowed) || (directory.Mode & Mode.S_ISVTX) == 0 || caller.Credentials.AreOfOneOwner(inode, directory) || caller.Credentials.Is(inode.Uid))
            return Errno.OK;
        bool denied = (directory.Mode & Mode.S_IWOTH) != 0 || (setting >= 2 && (directory.Mode & Mode.S_IWGRP) != 0);
        return denied ? Errno.EACCES : Errno.OK;
    }

    private static bool ByMode(Inode inode, Credentials by, AccessMode mask)
    {
        int mode = (int)inode.Mode;
        if (by.Is(inode.Uid))
            mode >>= 6;
        else if ((mode & (int)Mode.S_IRWXG) != 0 && inode.Acls is { Access: { } acl })
            return acl.Permits(inode, by, mask) == Errno.OK;
        else if ((((mode >> 3) ^ mode) & (int)mask) != 0 && by.InGroup(inode.Gid) && !inode.Sb.Core.IsMutated(Mutation.GroupClassIgnored))
            mode >>= 3;
        return ((int)mask & ~mode) == 0;
    }
}
