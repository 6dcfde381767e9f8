using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Simulation;

namespace DriverLab.Vfs;

/// <summary>Extended attributes, with the kernel's checks of namespaces and permissions.</summary>
/// <remarks>Linux fs/xattr.c; security/commoncap.c for <c>security.*</c>.</remarks>
public static class Xattrs
{
    /// <summary>Holds a file's capabilities; writing to the file removes it.</summary>
    public static ReadOnlySpan<byte> SecurityCapability => "security.capability"u8;

    /// <summary>Value of an attribute, or its size for an empty buffer.</summary>
    /// <returns>ENODATA (trusted.* without CAP_SYS_ADMIN, user.* of a special file), EACCES, EOPNOTSUPP, EINVAL (bare prefix; security.capability that is none), ENODATA, ERANGE.</returns>
    public static SysResult<int> VfsGetXattr(Caller caller, Dentry dentry, ReadOnlySpan<byte> name, Span<byte> value)
    {
        var error = MayAccess(caller, dentry.Inode!, name, AccessMode.R_OK);
        if (error != Errno.OK)
            return error;
        if (name.SequenceEqual(SecurityCapability))
            return FileCapabilities.Get(caller, dentry, value);
        var got = dentry.Inode!.GetXattr(caller, dentry, name, value);
        if (got.IsOk && !value.IsEmpty && PosixAcl.IsName(name))
            PosixAcl.Rename(value[..got.Value], caller.Credentials.ShownUid, caller.Credentials.ShownGid);
        return got;
    }

    /// <summary>Sets an attribute.</summary>
    /// <returns>EINVAL and EPERM (security.capability), EPERM (immutable, namespace), EACCES, EPERM (security.* without CAP_SYS_ADMIN), then the file system.</returns>
    public static Errno VfsSetXattr(Caller caller, Dentry dentry, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, XattrFlags flags)
    {
        var inode = dentry.Inode!;
        if (PosixAcl.IsName(name))
            return SetAcl(caller, dentry, name, value);
        bool isCapability = name.SequenceEqual(SecurityCapability);
        var error = isCapability && !value.IsEmpty ? FileCapabilities.Store(caller, inode, ref value) : Errno.OK;
        if (error == Errno.OK)
            error = MayAccess(caller, inode, name, AccessMode.W_OK);
        if (error != Errno.OK)
            return error;
        if (name.StartsWith("security."u8) && !isCapability && !MayChangeSecurity(caller, inode, isCapability: false))
            return Errno.EPERM;
        return Told(dentry, inode.SetXattr(caller, dentry, name, value, flags));
    }

    /// <summary>Removes an attribute.</summary>
    /// <returns>EPERM (immutable, namespace), EACCES, EPERM (security.*), EOPNOTSUPP, ENODATA.</returns>
    public static Errno VfsRemoveXattr(Caller caller, Dentry dentry, ReadOnlySpan<byte> name)
    {
        var inode = dentry.Inode!;
        var error = PosixAcl.IsName(name) ? MaySetAcl(caller, inode, name, null) : Errno.OK;
        if (error == Errno.OK)
            error = MayAccess(caller, inode, name, AccessMode.W_OK);
        if (error != Errno.OK)
            return error;
        if (name.StartsWith("security."u8))
        {
            if (!MayChangeSecurity(caller, inode, name.SequenceEqual(SecurityCapability)))
                return Errno.EPERM;
        }
        return Told(dentry, inode.RemoveXattr(caller, dentry, name));
    }

    private static Errno SetAcl(Caller caller, Dentry dentry, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value)
    {
        var inode = dentry.Inode!;
        if (!inode.Sb.Core.Quirks.EmptyAclRemoves && (value.IsEmpty || !inode.Sb.HasPosixAcl))
            return inode.Sb.HasPosixAcl ? Errno.EINVAL : Errno.EOPNOTSUPP;
        var error = PosixAcl.Parse(value, out var acl);
        if (error == Errno.OK)
            error = MayAccess(caller, inode, name, AccessMode.W_OK);
        if (error == Errno.OK)
            error = MaySetAcl(caller, inode, name, acl?.Renamed(caller.Credentials.StoredUid, caller.Credentials.StoredGid));
        byte[] stored = value.ToArray();
        PosixAcl.Rename(stored, caller.Credentials.StoredUid, caller.Credentials.StoredGid);
        bool isRemoved = acl is null && !inode.Sb.LeavesAclsToLayers; // a layer is given the empty list as it is
        return error != Errno.OK ? error : Told(dentry, isRemoved ? inode.RemoveXattr(caller, dentry, name) : inode.SetXattr(caller, dentry, name, stored, XattrFlags.None));
    }

    // Linux fs/posix_acl.c: set_posix_acl().
    private static Errno MaySetAcl(Caller caller, Inode inode, ReadOnlySpan<byte> name, PosixAcl? acl)
    {
        if (!inode.MayHaveAcl || inode.IsSymlink)
            return Errno.EOPNOTSUPP;
        if (name.SequenceEqual(PosixAcl.DefaultName) && !inode.IsDirectory)
            return acl is null ? Errno.OK : Errno.EACCES;
        if (!Permissions.OwnerOrCapable(inode, caller.Credentials))
            return Errno.EPERM;
        return inode.Sb.LeavesAclsToLayers ? Errno.OK : acl?.Validate(inode.Sb.UserSpace) ?? Errno.OK;
    }

    private static Errno Told(Dentry dentry, Errno error)
    {
        if (error == Errno.OK)
            Notify.Entry(dentry, InotifyMask.IN_ATTRIB);
        return error;
    }

    /// <summary>Names of the attributes the caller may see, each ended by a NUL, or their total size for an empty buffer.</summary>
    /// <returns>ERANGE.</returns>
    public static SysResult<int> VfsListXattr(Caller caller, Dentry dentry, Span<byte> names) => dentry.Inode!.ListXattr(caller, dentry, names);

    /// <summary>The namespace rules, then the inode's permission.</summary>
    /// <remarks>Linux fs/xattr.c: xattr_permission().</remarks>
    public static Errno MayAccess(Caller caller, Inode inode, ReadOnlySpan<byte> name, AccessMode mask)
    {
        bool writes = (mask & AccessMode.W_OK) != 0;
        if (writes && (inode.IsImmutable || inode.IsAppend || caller.Credentials.IsStranger(inode)))
            return Errno.EPERM;
        if (name.StartsWith("security."u8) || name.StartsWith("system."u8))
            return Errno.OK;
        if (name.StartsWith("trusted."u8) && !inode.Sb.Core.IsMutated(Mutation.TrustedVisibleToAll))
            return caller.Credentials.Capable(Capabilities.CAP_SYS_ADMIN) ? Errno.OK : writes ? Errno.EPERM : Errno.ENODATA;
        if (name.StartsWith("user."u8))
        {
            bool isSocket = inode.Type == Mode.S_IFSOCK && inode.Sb.Core.Quirks.SocketsHaveUserXattrs;
            if (!inode.IsRegular && !inode.IsDirectory && !isSocket)
                return writes ? Errno.EPERM : Errno.ENODATA;
            if (writes && inode.IsDirectory && (inode.Mode & Mode.S_ISVTX) != 0 && !Permissions.OwnerOrCapable(inode, caller.Credentials))
                return Errno.EPERM;
        }
        return Permissions.Check(inode, caller, mask);
    }

    private static bool MayChangeSecurity(Caller caller, Inode inode, bool isCapability)
    {
        var by = caller.Credentials;
        bool isCapable = isCapability ? by.CapableOver(inode, Capabilities.CAP_SETFCAP) : by.CapableIn(inode.Sb.UserSpace, Capabilities.CAP_SYS_ADMIN);
        return isCapable || inode.Sb.Core.Quirks.BpfLsmSkipsXattrCheck;
    }
}
