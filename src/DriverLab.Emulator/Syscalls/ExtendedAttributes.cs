using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Simulation;
using DriverLab.Vfs;

namespace DriverLab.Emulator;

/// <summary>getxattr, setxattr, listxattr, removexattr.</summary>
/// <remarks>Linux fs/xattr.c: path_getxattrat(), path_setxattrat(), …; which of path and name is looked at first is a quirk.</remarks>
public partial class EmulatedTask
{
    private static Errno CheckXattrName(ReadOnlySpan<byte> name) => name.IsEmpty || name.Length > Limits.XATTR_NAME_MAX ? Errno.ERANGE : Errno.OK;

    private static Errno CheckSetXattr(ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, XattrFlags flags)
    {
        if ((flags & ~(XattrFlags.XATTR_CREATE | XattrFlags.XATTR_REPLACE)) != 0)
            return Errno.EINVAL;
        var error = CheckXattrName(name);
        return error != Errno.OK ? error : value.Length > Limits.XATTR_SIZE_MAX ? Errno.E2BIG : Errno.OK;
    }

    private Errno XattrPath(ReadOnlySpan<byte> path, AtFlags flags, Errno nameError, bool writes, out VfsPath place)
    {
        place = default;
        if ((writes ? Quirks.XattrChangesCheckNameFirst : Quirks.XattrReadsCheckNameFirst) && nameError != Errno.OK)
            return nameError;
        var error = Lookup(Fd.Cwd, path, FollowUnless(flags & AtFlags.AT_SYMLINK_NOFOLLOW), out place);
        if (error == Errno.OK && writes)
            error = place.Mount.WantWrite();
        return error != Errno.OK ? error : nameError;
    }

    private Errno XattrFile(Fd fd, Errno nameError, bool writes, out VfsPath place)
    {
        place = default;
        if ((Quirks.XattrReadsCheckNameFirst || State.Core.IsMutated(Mutation.XattrNameBeforeDescriptor)) && nameError != Errno.OK)
            return nameError;
        if (FileOf(fd) is not { } file)
            return Errno.EBADF;
        place = file.Path;
        if (Quirks.XattrChangesCheckNameFirst && nameError != Errno.OK)
            return nameError;
        var error = writes ? place.Mount.WantWrite() : Errno.OK;
        return error != Errno.OK ? error : nameError;
    }

    /// <inheritdoc/>
    public SysResult<int> GetXattr(ReadOnlySpan<byte> path, ReadOnlySpan<byte> name, Span<byte> value, AtFlags flags)
    {
        var error = XattrPath(path, flags, CheckXattrName(name), writes: false, out var place);
        return error != Errno.OK ? error : Get(place, name, value);
    }

    /// <inheritdoc/>
    public SysResult<int> FGetXattr(Fd fd, ReadOnlySpan<byte> name, Span<byte> value)
    {
        var error = XattrFile(fd, CheckXattrName(name), writes: false, out var place);
        return error != Errno.OK ? error : Get(place, name, value);
    }

    private SysResult<int> Get(in VfsPath place, ReadOnlySpan<byte> name, Span<byte> value)
    {
        if (value.Length > Limits.XATTR_SIZE_MAX)
            value = value[..Limits.XATTR_SIZE_MAX];
        var result = Xattrs.VfsGetXattr(Caller.Through(place.Mount), place.Dentry, name, value);
        if (result.IsOk && !value.IsEmpty && !Caller.Credentials.Space.IsInitial && PosixAcl.IsName(name))
            PosixAcl.Rename(value[..result.Value], Caller.Credentials.Space.Uids.Up, Caller.Credentials.Space.Gids.Up);
        return result.Error == Errno.ERANGE && value.Length >= Limits.XATTR_SIZE_MAX ? Errno.E2BIG : result;
    }

    /// <inheritdoc/>
    public Errno SetXattr(ReadOnlySpan<byte> path, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, XattrFlags xattrFlags, AtFlags flags)
    {
        var error = XattrPath(path, flags, CheckSetXattr(name, value, xattrFlags), writes: true, out var place);
        return error != Errno.OK ? error : Set(place, name, value, xattrFlags);
    }

    /// <inheritdoc/>
    public Errno FSetXattr(Fd fd, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, XattrFlags xattrFlags)
    {
        var error = XattrFile(fd, CheckSetXattr(name, value, xattrFlags), writes: true, out var place);
        return error != Errno.OK ? error : Set(place, name, value, xattrFlags);
    }

    /// <remarks>Linux fs/posix_acl.c: posix_acl_fix_xattr_from_user(), do_set_acl(): lists are told in the caller's own ids.</remarks>
    private Errno Set(in VfsPath place, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, XattrFlags flags)
    {
        var space = Caller.Credentials.Space;
        if (!space.IsInitial && PosixAcl.IsName(name))
        {
            byte[] renamed = value.ToArray();
            PosixAcl.Rename(renamed, space.Uids.Down, space.Gids.Down);
            value = renamed;
        }
        return Xattrs.VfsSetXattr(Caller.Through(place.Mount), place.Dentry, name, value, flags);
    }

    /// <inheritdoc/>
    public SysResult<int> ListXattr(ReadOnlySpan<byte> path, Span<byte> names, AtFlags flags)
    {
        var error = XattrPath(path, flags, Errno.OK, writes: false, out var place);
        return error != Errno.OK ? error : List(place, names);
    }

    /// <inheritdoc/>
    public SysResult<int> FListXattr(Fd fd, Span<byte> names)
    {
        var error = XattrFile(fd, Errno.OK, writes: false, out var place);
        return error != Errno.OK ? error : List(place, names);
    }

    private SysResult<int> List(in VfsPath place, Span<byte> names)
    {
        if (names.Length > Limits.XATTR_LIST_MAX)
            names = names[..Limits.XATTR_LIST_MAX];
        var result = Xattrs.VfsListXattr(Caller.Through(place.Mount), place.Dentry, names);
        return result.Error == Errno.ERANGE && names.Length >= Limits.XATTR_LIST_MAX ? Errno.E2BIG : result;
    }

    /// <inheritdoc/>
    public Errno RemoveXattr(ReadOnlySpan<byte> path, ReadOnlySpan<byte> name, AtFlags flags)
    {
        var error = XattrPath(path, flags, CheckXattrName(name), writes: true, out var place);
        return error != Errno.OK ? error : Xattrs.VfsRemoveXattr(Caller.Through(place.Mount), place.Dentry, name);
    }

    /// <inheritdoc/>
    public Errno FRemoveXattr(Fd fd, ReadOnlySpan<byte> name)
    {
        var error = XattrFile(fd, CheckXattrName(name), writes: true, out var place);
        return error != Errno.OK ? error : Xattrs.VfsRemoveXattr(Caller.Through(place.Mount), place.Dentry, name);
    }
}
