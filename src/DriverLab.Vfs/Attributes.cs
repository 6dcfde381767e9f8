using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Simulation;

namespace DriverLab.Vfs;

/// <summary>Reading and changing attributes, with the kernel's checks.</summary>
/// <remarks>Linux fs/attr.c, fs/stat.c, fs/inode.c.</remarks>
public static class Attributes
{
    private const AttrValid SetTimes = AttrValid.ATTR_ATIME_SET | AttrValid.ATTR_MTIME_SET | AttrValid.ATTR_TIMES_SET;

    // ---- reading --------------------------------------------------------------------------------------------------------------------------

    /// <summary>What statx reports of an inode.</summary>
    /// <remarks>Linux fs/stat.c: vfs_getattr().</remarks>
    public static Errno VfsGetAttr(Caller caller, in VfsPath path, StatxMask mask, AtFlags flags, out Statx stat)
    {
        var error = path.Dentry.Inode!.GetAttr(caller.Through(path.Mount), path, mask, flags, out stat);
        if (path.Mount.Mapping is { } mapping)
            (stat.Uid, stat.Gid) = (mapping.ShownUid(stat.Uid), mapping.ShownGid(stat.Gid));
        return error;
    }

    /// <summary>Copies the inode's fields.</summary>
    /// <remarks>Linux fs/stat.c: generic_fillattr().</remarks>
    public static void FillAttr(Inode inode, out Statx stat)
    {
        stat = default;
        var sb = inode.Sb;
        stat.Mask = StatxMask.STATX_BASIC_STATS;
        stat.BlockSize = (uint)sb.BlockSize;
        stat.Nlink = inode.Nlink;
        stat.Uid = inode.Uid;
        stat.Gid = inode.Gid;
        stat.Mode = inode.Mode;
        stat.Ino = inode.Ino;
        stat.Size = (ulong)inode.Size;
        stat.Blocks = (ulong)inode.Blocks;
        stat.Atime = StatxTimestamp.FromNs(inode.AtimeNs);
        stat.Mtime = StatxTimestamp.FromNs(inode.MtimeNs);
        stat.Ctime = StatxTimestamp.FromNs(inode.CtimeNs);
        stat.RdevMajor = inode.Rdev.Major;
        stat.RdevMinor = inode.Rdev.Minor;
        stat.DevMajor = sb.Dev.Major;
        stat.DevMinor = sb.Dev.Minor;
    }

    /// <summary>Reports the immutable and append-only flags, for file systems that have them.</summary>
    /// <remarks>Linux fs/stat.c: generic_fill_statx_attr().</remarks>
    public static void FillFlags(Inode inode, ref Statx stat)
    {
        stat.Attributes |= inode.IsImmutable ? StatxAttributes.STATX_ATTR_IMMUTABLE : 0;
        stat.Attributes |= inode.IsAppend ? StatxAttributes.STATX_ATTR_APPEND : 0;
        stat.AttributesMask |= StatxAttributes.STATX_ATTR_IMMUTABLE | StatxAttributes.STATX_ATTR_APPEND;
    }

    // ---- changing -------------------------------------------------------------------------------------------------------------------------

    /// <summary>Changes attributes: the checks that every file system shares, then <see cref="Inode.SetAttr"/>.</summary>
    /// <returns>EPERM (immutable, append-only), EOVERFLOW (owners that the mount or the file system does not know), then the inode: EFBIG, EPERM (not the owner), …</returns>
    /// <remarks>Linux fs/attr.c: notify_change().</remarks>
    public static Errno NotifyChange(Caller caller, Dentry dentry, ref Iattr attr)
    {
        var inode = dentry.Inode!;
        var error = MaySetAttr(caller, inode, attr.Valid);
        if (error != Errno.OK)
            return error;
        if (attr.Has(AttrValid.ATTR_MODE) && inode.IsSymlink)
            return Errno.EOPNOTSUPP; // reached through /proc; 6.6 and every stable line, "attr: block mode changes of symlinks"
        long now = inode.Sb.Core.NowNs;
        attr.CtimeNs = now;
        if (!attr.Has(AttrValid.ATTR_ATIME_SET))
            attr.AtimeNs = now;
        if (!attr.Has(AttrValid.ATTR_MTIME_SET))
            attr.MtimeNs = now;
        TakeSpecialBits(inode, ref attr);
        if ((attr.Valid & ~(AttrValid.ATTR_KILL_SUID | AttrValid.ATTR_KILL_SGID)) == 0)
            return Errno.OK;
        error = TakeOwners(caller.Credentials, inode, ref attr);
        if (error != Errno.OK)
            return error;
        var valid = attr.Valid;
        error = inode.SetAttr(caller, dentry, ref attr);
        if (error == Errno.OK && inode.Sb.Core.Watches > 0)
            Notify.Entry(dentry, EventOf(valid));
        return error;
    }

    /// <summary>A mode without the bits that are to go. That they are to go stays said: a stacked file system goes by the mode of its real file.</summary>
    private static void TakeSpecialBits(Inode inode, ref Iattr attr)
    {
        if (attr.Has(AttrValid.ATTR_KILL_SUID) && (inode.Mode & Mode.S_ISUID) != 0 && !inode.Sb.Core.IsMutated(Mutation.ChownKeepsSetuid))
        {
            attr.Valid |= AttrValid.ATTR_MODE;
            attr.Mode = inode.Mode & ~Mode.S_ISUID;
        }
        if (!attr.Has(AttrValid.ATTR_KILL_SGID) || (inode.Mode & Mode.S_ISGID) == 0)
            return;
        if (!attr.Has(AttrValid.ATTR_MODE))
            attr.Mode = inode.Mode;
        attr.Valid |= AttrValid.ATTR_MODE;
        attr.Mode &= ~Mode.S_ISGID;
    }

    /// <summary>Turns owners as the mount shows them into those that are stored. What nobody owns that the mount knows can only be given to somebody it knows.</summary>
    /// <returns>EOVERFLOW.</returns>
    private static Errno TakeOwners(Credentials by, Inode inode, ref Iattr attr)
    {
        bool setsUid = attr.Has(AttrValid.ATTR_UID), setsGid = attr.Has(AttrValid.ATTR_GID);
        if (setsUid)
            attr.Uid = by.StoredUid(attr.Uid);
        if (setsGid)
            attr.Gid = by.StoredGid(attr.Gid);
        var space = inode.Sb.UserSpace;
        if (setsUid && !space.Uids.Knows(attr.Uid) || setsGid && !space.Gids.Knows(attr.Gid))
            return Errno.EOVERFLOW;
        bool isLost = !setsUid && by.ShownUid(inode.Uid) == IdMap.Invalid || !setsGid && by.ShownGid(inode.Gid) == IdMap.Invalid;
        return isLost ? Errno.EOVERFLOW : Errno.OK;
    }

    // Linux include/linux/fsnotify.h: fsnotify_change().
    private static InotifyMask EventOf(AttrValid valid)
    {
        var mask = (valid & (AttrValid.ATTR_UID | AttrValid.ATTR_GID | AttrValid.ATTR_MODE)) != 0 ? InotifyMask.IN_ATTRIB : 0;
        if ((valid & AttrValid.ATTR_SIZE) != 0)
            mask |= InotifyMask.IN_MODIFY;
        return (valid & (AttrValid.ATTR_ATIME | AttrValid.ATTR_MTIME)) switch
        {
            AttrValid.ATTR_ATIME | AttrValid.ATTR_MTIME => mask | InotifyMask.IN_ATTRIB,
            AttrValid.ATTR_ATIME => mask | InotifyMask.IN_ACCESS,
            AttrValid.ATTR_MTIME => mask | InotifyMask.IN_MODIFY,
            _ => mask,
        };
    }

    private static Errno MaySetAttr(Caller caller, Inode inode, AttrValid valid)
    {
        const AttrValid guarded = AttrValid.ATTR_MODE | AttrValid.ATTR_UID | AttrValid.ATTR_GID | AttrValid.ATTR_TIMES_SET;
        if ((valid & guarded) != 0 && (inode.IsImmutable || inode.IsAppend))
            return Errno.EPERM;
        if ((valid & AttrValid.ATTR_TOUCH) == 0)
            return Errno.OK;
        if (inode.IsImmutable)
            return Errno.EPERM;
        return Permissions.OwnerOrCapable(inode, caller.Credentials) ? Errno.OK : Permissions.Check(inode, caller, AccessMode.W_OK);
    }

    /// <summary>The checks that a file system's SetAttr begins with: size limit and ownership. May take S_ISGID out of the mode.</summary>
    /// <returns>EFBIG, EPERM.</returns>
    /// <remarks>Linux fs/attr.c: setattr_prepare().</remarks>
    public static Errno SetAttrPrepare(Caller caller, Dentry dentry, ref Iattr attr)
    {
        var inode = dentry.Inode!;
        var by = caller.Credentials;
        if (attr.Has(AttrValid.ATTR_SIZE) && attr.Size > inode.Size && attr.Size > inode.Sb.MaxBytes)
            return Errno.EFBIG;
        if (!attr.Has(AttrValid.ATTR_FORCE))
        {
            bool owner = by.Is(inode.Uid);
            if (attr.Has(AttrValid.ATTR_UID) && !(owner && attr.Uid == inode.Uid) && !MayGive(inode, by, by.ShownUid(inode.Uid)))
                return Errno.EPERM;
            if (attr.Has(AttrValid.ATTR_GID) && !(owner && (attr.Gid == inode.Gid || by.InGroup(attr.Gid))) && !MayGive(inode, by, by.ShownGid(inode.Gid)))
                return Errno.EPERM;
            if (attr.Has(AttrValid.ATTR_MODE))
            {
                if (!Permissions.OwnerOrCapable(inode, by))
                    return Errno.EPERM;
                if (!by.InGroup(attr.Has(AttrValid.ATTR_GID) ? attr.Gid : inode.Gid) && !by.CapableOver(inode, Capabilities.CAP_FSETID))
                    attr.Mode &= ~Mode.S_ISGID;
            }
            if (attr.Has(SetTimes) && !Permissions.OwnerOrCapable(inode, by))
                return Errno.EPERM;
        }
        if (!attr.Has(AttrValid.ATTR_KILL_PRIV) || !HasCapabilities(caller, dentry))
            return Errno.OK;
        var error = inode.RemoveXattr(caller, dentry, Xattrs.SecurityCapability);
        return error is Errno.ENODATA or Errno.EOPNOTSUPP ? Errno.OK : error;
    }

    // Linux fs/attr.c: chown_ok(), chgrp_ok().
    private static bool MayGive(Inode inode, Credentials by, uint from) => by.CapableOver(inode, Capabilities.CAP_CHOWN)
        || from == IdMap.Invalid && by.CapableIn(inode.Sb.UserSpace, Capabilities.CAP_CHOWN);

    /// <summary>Stores owner, mode and times; the size is up to the file system.</summary>
    /// <remarks>Linux fs/attr.c: setattr_copy().</remarks>
    public static void SetAttrCopy(Caller caller, Inode inode, in Iattr attr)
    {
        if (attr.Has(AttrValid.ATTR_UID))
            inode.Uid = attr.Uid;
        if (attr.Has(AttrValid.ATTR_GID))
            inode.Gid = attr.Gid;
        if (attr.Has(AttrValid.ATTR_ATIME))
            inode.AtimeNs = attr.AtimeNs;
        if (attr.Has(AttrValid.ATTR_MTIME))
            inode.MtimeNs = attr.MtimeNs;
        if (attr.Has(AttrValid.ATTR_CTIME))
            inode.CtimeNs = attr.CtimeNs;
        if (!attr.Has(AttrValid.ATTR_MODE))
            return;
        var mode = attr.Mode & Mode.S_IALLUGO;
        if (!caller.Credentials.InGroup(inode.Gid) && !caller.Credentials.CapableOver(inode, Capabilities.CAP_FSETID))
            mode &= ~Mode.S_ISGID;
        inode.Mode = inode.Type | mode;
        SimpleAcl.Chmod(inode);
    }

    // ---- privileges that a change of content or owner takes away --------------------------------------------------------------------------

    /// <summary>ATTR_KILL_SGID when a change by this caller takes S_ISGID away.</summary>
    /// <remarks>Linux fs/attr.c: setattr_should_drop_sgid().</remarks>
    public static AttrValid ShouldDropSgid(Inode inode, Credentials by)
    {
        if ((inode.Mode & Mode.S_ISGID) == 0)
            return AttrValid.None;
        if ((inode.Mode & Mode.S_IXGRP) != 0)
            return AttrValid.ATTR_KILL_SGID;
        bool keeps = !inode.Sb.Core.Quirks.SgidStrippingIsConsistent || by.InGroup(inode.Gid) || by.CapableOver(inode, Capabilities.CAP_FSETID);
        return keeps ? AttrValid.None : AttrValid.ATTR_KILL_SGID;
    }

    /// <summary>What writing to or truncating a file takes away from it, as ATTR_KILL_ bits.</summary>
    /// <remarks>Linux fs/inode.c: dentry_needs_remove_privs(); fs/attr.c: setattr_should_drop_suidgid().</remarks>
    public static AttrValid NeedsRemovePrivs(Caller caller, Dentry dentry)
    {
        var inode = dentry.Inode!;
        var kill = AttrValid.None;
        if ((inode.Mode & (Mode.S_ISUID | Mode.S_ISGID)) != 0 && inode.IsRegular && !caller.Credentials.Capable(Capabilities.CAP_FSETID))
        {
            kill = (inode.Mode & Mode.S_ISUID) != 0 ? AttrValid.ATTR_KILL_SUID : AttrValid.None;
            if (!inode.Sb.Core.IsMutated(Mutation.WriteKeepsSetgid))
                kill |= ShouldDropSgid(inode, caller.Credentials);
        }
        if (HasCapabilities(caller, dentry))
            kill |= AttrValid.ATTR_KILL_PRIV;
        return kill;
    }

    /// <summary>Has the file capabilities that a change takes away? An empty value is none.</summary>
    /// <remarks>Linux security/commoncap.c: cap_inode_need_killpriv().</remarks>
    private static bool HasCapabilities(Caller caller, Dentry dentry) => dentry.Inode!.GetXattr(caller, dentry, Xattrs.SecurityCapability, default) is { IsOk: true, Value: > 0 };

    /// <summary>Takes them away; file systems call it before they write.</summary>
    /// <remarks>Linux fs/inode.c: file_remove_privs().</remarks>
    public static Errno FileRemovePrivs(Caller caller, OpenFile file)
    {
        caller = caller.Through(file.Path.Mount);
        var kill = NeedsRemovePrivs(caller, file.Path.Dentry);
        if (kill == 0)
            return Errno.OK;
        var attr = new Iattr { Valid = AttrValid.ATTR_FORCE | kill };
        return NotifyChange(caller, file.Path.Dentry, ref attr);
    }

    /// <summary>Sets the length of a regular file.</summary>
    /// <param name="caller">Who asks.</param>
    /// <param name="dentry">The file.</param>
    /// <param name="length">New length in bytes.</param>
    /// <param name="times">ATTR_MTIME | ATTR_CTIME for ftruncate and O_TRUNC; truncate(2) leaves them to the file system.</param>
    /// <param name="file">The open file, if any.</param>
    /// <remarks>Linux fs/open.c: do_truncate().</remarks>
    public static Errno Truncate(Caller caller, Dentry dentry, long length, AttrValid times, OpenFile? file)
    {
        if (length < 0)
            return Errno.EINVAL;
        var attr = new Iattr { Size = length, Valid = AttrValid.ATTR_SIZE | times, File = file };
        if (file is not null)
            attr.Valid |= AttrValid.ATTR_FILE;
        var kill = NeedsRemovePrivs(caller, dentry);
        if (kill != 0)
            attr.Valid |= kill | AttrValid.ATTR_FORCE;
        return NotifyChange(caller, dentry, ref attr);
    }
}
