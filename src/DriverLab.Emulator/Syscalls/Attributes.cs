using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Vfs;

namespace DriverLab.Emulator;

/// <summary>stat, access, chmod, chown, utimens, statfs.</summary>
/// <remarks>Linux fs/stat.c: do_statx(); fs/open.c: do_faccessat(), chmod_common(), chown_common(); fs/utimes.c: do_utimes(); fs/statfs.c.</remarks>
public partial class EmulatedTask
{
    /// <inheritdoc/>
    public Errno Statx(Fd directory, ReadOnlySpan<byte> path, AtFlags flags, StatxMask mask, out Statx result)
    {
        result = default;
        const AtFlags sync = AtFlags.AT_STATX_FORCE_SYNC | AtFlags.AT_STATX_DONT_SYNC;
        if ((mask & StatxMask.STATX__RESERVED) != 0 || (flags & sync) == sync)
            return Errno.EINVAL;
        if ((flags & ~(AtFlags.AT_SYMLINK_NOFOLLOW | AtFlags.AT_NO_AUTOMOUNT | AtFlags.AT_EMPTY_PATH | sync)) != 0)
            return Errno.EINVAL;
        var error = Lookup(directory, path, FollowUnless(flags), out var place);
        if (error != Errno.OK)
            return error;
        error = Attributes.VfsGetAttr(Caller, place, mask, flags, out result);
        if (error != Errno.OK)
            return error;
        (result.Uid, result.Gid) = (Caller.Credentials.Space.ShownUid(result.Uid), Caller.Credentials.Space.ShownGid(result.Gid));
        if (place.Inode.Type == Mode.S_IFBLK && Quirks.BlockNodesReportIoSize && State.Block.Devices.Find(place.Inode.Rdev) is { } device)
            result.BlockSize = Math.Max(device.Limits.IoMin, device.Limits.LogicalBlockSize);
        bool unique = Quirks.HasUniqueMountId && (mask & StatxMask.STATX_MNT_ID_UNIQUE) != 0;
        result.MntId = unique ? place.Mount.Unique : (ulong)place.Mount.Id;
        result.Mask |= unique ? StatxMask.STATX_MNT_ID_UNIQUE : StatxMask.STATX_MNT_ID;
        result.AttributesMask |= StatxAttributes.STATX_ATTR_MOUNT_ROOT | StatxAttributes.STATX_ATTR_AUTOMOUNT | StatxAttributes.STATX_ATTR_DAX;
        if (Quirks.StatxKnowsVerity)
            result.AttributesMask |= StatxAttributes.STATX_ATTR_VERITY;
        if (place.IsMountRoot)
            result.Attributes |= StatxAttributes.STATX_ATTR_MOUNT_ROOT;
        return Errno.OK;
    }

    /// <inheritdoc/>
    public Errno FaccessAt(Fd directory, ReadOnlySpan<byte> path, AccessMode mode, AtFlags flags)
    {
        if ((mode & ~(AccessMode.R_OK | AccessMode.W_OK | AccessMode.X_OK)) != 0)
            return Errno.EINVAL;
        if ((flags & ~(AtFlags.AT_EACCESS | AtFlags.AT_SYMLINK_NOFOLLOW | AtFlags.AT_EMPTY_PATH)) != 0)
            return Errno.EINVAL;
        // Real and effective ids are always the same here, so AT_EACCESS changes nothing.
        var error = Lookup(directory, path, FollowUnless(flags), out var place);
        if (error != Errno.OK)
            return error;
        var inode = place.Inode;
        if ((mode & AccessMode.X_OK) != 0 && inode.IsRegular && (place.Mount.Flags & MountFlags.MS_NOEXEC) != 0)
            return Errno.EACCES;
        error = Permissions.Check(inode, Caller.Through(place.Mount), mode);
        bool isSpecial = inode.Type is Mode.S_IFCHR or Mode.S_IFBLK or Mode.S_IFIFO or Mode.S_IFSOCK;
        return error == Errno.OK && (mode & AccessMode.W_OK) != 0 && !isSpecial ? place.Mount.WantWrite() : error;
    }

    /// <inheritdoc/>
    public Errno FchmodAt(Fd directory, ReadOnlySpan<byte> path, Mode mode)
    {
        var error = Lookup(directory, path, LookupFlags.LOOKUP_FOLLOW, out var place);
        return error != Errno.OK ? error : Chmod(place, mode);
    }

    /// <inheritdoc/>
    public Errno Fchmod(Fd fd, Mode mode) => FileOf(fd) is { } file ? Chmod(file.Path, mode) : Errno.EBADF;

    private Errno Chmod(in VfsPath place, Mode mode)
    {
        var error = place.Mount.WantWrite();
        if (error != Errno.OK)
            return error;
        var attr = new Iattr { Valid = AttrValid.ATTR_MODE | AttrValid.ATTR_CTIME, Mode = mode & Mode.S_IALLUGO | place.Inode.Type };
        return Attributes.NotifyChange(Caller.Through(place.Mount), place.Dentry, ref attr);
    }

    /// <inheritdoc/>
    public Errno FchownAt(Fd directory, ReadOnlySpan<byte> path, uint uid, uint gid, AtFlags flags)
    {
        if ((flags & ~(AtFlags.AT_SYMLINK_NOFOLLOW | AtFlags.AT_EMPTY_PATH)) != 0)
            return Errno.EINVAL;
        if (path.IsEmpty && (flags & AtFlags.AT_EMPTY_PATH) != 0 && directory != Fd.Cwd && Caller.Files.Get(directory.Value) is null)
            return Errno.EBADF;
        var error = Lookup(directory, path, FollowUnless(flags), out var place);
        if (error == Errno.OK)
            error = place.Mount.WantWrite();
        if (error != Errno.OK)
            return error;
        var (space, by) = (Caller.Credentials.Space, Caller.Through(place.Mount));
        var attr = new Iattr { Valid = AttrValid.ATTR_CTIME, Uid = space.Uids.Down(uid), Gid = space.Gids.Down(gid) };
        if (uid != uint.MaxValue && attr.Uid == IdMap.Invalid || gid != uint.MaxValue && attr.Gid == IdMap.Invalid)
            return Errno.EINVAL;
        if (uid != uint.MaxValue)
            attr.Valid |= AttrValid.ATTR_UID;
        if (gid != uint.MaxValue)
            attr.Valid |= AttrValid.ATTR_GID;
        if (!place.Inode.IsDirectory)
            attr.Valid |= AttrValid.ATTR_KILL_SUID | AttrValid.ATTR_KILL_PRIV | Attributes.ShouldDropSgid(place.Inode, by.Credentials);
        return Attributes.NotifyChange(by, place.Dentry, ref attr);
    }

    /// <inheritdoc/>
    public Errno UtimensAt(Fd directory, ReadOnlySpan<byte> path, Timespec atime, Timespec mtime, AtFlags flags)
    {
        if (atime.Nanoseconds == Timespec.UTIME_OMIT && mtime.Nanoseconds == Timespec.UTIME_OMIT)
            return Errno.OK;
        if ((flags & ~(AtFlags.AT_SYMLINK_NOFOLLOW | AtFlags.AT_EMPTY_PATH)) != 0)
            return Errno.EINVAL;
        var error = Lookup(directory, path, FollowUnless(flags), out var place);
        if (error != Errno.OK)
            return error;
        if (!IsValid(atime) || !IsValid(mtime))
            return Errno.EINVAL;
        error = place.Mount.WantWrite();
        if (error != Errno.OK)
            return error;
        var attr = new Iattr { Valid = AttrValid.ATTR_CTIME | AttrValid.ATTR_ATIME | AttrValid.ATTR_MTIME };
        if (atime.Nanoseconds == Timespec.UTIME_NOW && mtime.Nanoseconds == Timespec.UTIME_NOW)
            attr.Valid |= AttrValid.ATTR_TOUCH;
        else
        {
            attr.Valid |= AttrValid.ATTR_TIMES_SET;
            attr.AtimeNs = SetTime(ref attr.Valid, atime, AttrValid.ATTR_ATIME, AttrValid.ATTR_ATIME_SET);
            attr.MtimeNs = SetTime(ref attr.Valid, mtime, AttrValid.ATTR_MTIME, AttrValid.ATTR_MTIME_SET);
        }
        return Attributes.NotifyChange(Caller.Through(place.Mount), place.Dentry, ref attr);
    }

    private static bool IsValid(Timespec time) => time.Nanoseconds is Timespec.UTIME_NOW or Timespec.UTIME_OMIT or >= 0 and <= 999_999_999;

    private static long SetTime(ref AttrValid valid, Timespec time, AttrValid changes, AttrValid isSet)
    {
        if (time.Nanoseconds == Timespec.UTIME_OMIT)
            valid &= ~changes;
        else if (time.Nanoseconds != Timespec.UTIME_NOW)
            valid |= isSet;
        return time.TotalNs;
    }

    /// <inheritdoc/>
    public Errno StatFs(ReadOnlySpan<byte> path, out StatFs result)
    {
        result = default;
        var error = Lookup(Fd.Cwd, path, LookupFlags.LOOKUP_FOLLOW, out var place);
        return error != Errno.OK ? error : StatFs(place, out result);
    }

    /// <inheritdoc/>
    public Errno FStatFs(Fd fd, out StatFs result)
    {
        result = default;
        return Caller.Files.Get(fd.Value) is { } file ? StatFs(file.Path, out result) : Errno.EBADF;
    }

    private static Errno StatFs(in VfsPath place, out StatFs result)
    {
        var error = place.Dentry.Sb.StatFs(place.Dentry, out result);
        if (error != Errno.OK)
            return error;
        if (result.FragmentSize == 0)
            result.FragmentSize = result.BlockSize;
        result.Flags |= StatFlags(place.Mount);
        return Errno.OK;
    }

    // ST_* of statfs: MS_* with the same value, but ST_RELATIME and ST_NOSYMFOLLOW; ST_VALID says that they are filled in.
    private static long StatFlags(Mount mount)
    {
        const MountFlags ofMount = MountFlags.MS_RDONLY | MountFlags.MS_NOSUID | MountFlags.MS_NODEV | MountFlags.MS_NOEXEC | MountFlags.MS_NOATIME | MountFlags.MS_NODIRATIME;
        const MountFlags ofSuper = MountFlags.MS_RDONLY | MountFlags.MS_SYNCHRONOUS | MountFlags.MS_MANDLOCK;
        const long ST_VALID = 0x20, ST_RELATIME = 0x1000, ST_NOSYMFOLLOW = 0x2000;
        long flags = ST_VALID | (uint)(mount.Flags & ofMount) | (uint)(mount.Sb.Flags & ofSuper);
        if ((mount.Flags & MountFlags.MS_RELATIME) != 0)
            flags |= ST_RELATIME;
        return (mount.Flags & MountFlags.MS_NOSYMFOLLOW) != 0 ? flags | ST_NOSYMFOLLOW : flags;
    }
}
