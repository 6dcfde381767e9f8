using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Vfs;

namespace DriverLab.FileSystems.Layers;

/// <summary>Copies what a file has besides its content from one layer to another.</summary>
/// <remarks>Linux fs/overlayfs/copy_up.c: ovl_copy_xattr(), ovl_set_attr(), ovl_set_timestamps().</remarks>
public static class CopyAttributes
{
    /// <summary>Decides about an attribute before it is copied.</summary>
    /// <returns>False: it stays behind.</returns>
    public delegate bool XattrFilter(ReadOnlySpan<byte> name);

    /// <summary>Decides what becomes of a copy when the target refuses an attribute.</summary>
    /// <returns>True: the attribute stays behind and the copy goes on.</returns>
    public delegate bool XattrRefusal(ReadOnlySpan<byte> name, Errno refusal);

    /// <summary>Copies extended attributes. Those that the target does not support are left out, unless they carry rights.</summary>
    /// <returns>EOPNOTSUPP for ACLs and <c>security.*</c>, then what reading or writing says.</returns>
    public static Errno Xattrs(Caller caller, Dentry source, Dentry target, XattrFilter filter) => Xattrs(caller, source, caller, target, filter, IsDispensable);

    /// <summary>Copies extended attributes between mounts that see the caller as different users.</summary>
    public static Errno Xattrs(Caller reader, Dentry source, Caller writer, Dentry target, XattrFilter filter) => Xattrs(reader, source, writer, target, filter, IsDispensable);

    private static bool IsDispensable(ReadOnlySpan<byte> name, Errno refusal) =>
        refusal == Errno.EOPNOTSUPP && !name.StartsWith("security."u8) && !name.StartsWith("system.posix_acl_"u8);

    /// <summary>Copies extended attributes, with other rules for those that the target refuses.</summary>
    public static Errno Xattrs(Caller caller, Dentry source, Dentry target, XattrFilter filter, XattrRefusal ignores) => Xattrs(caller, source, caller, target, filter, ignores);

    private static Errno Xattrs(Caller reader, Dentry source, Caller writer, Dentry target, XattrFilter filter, XattrRefusal ignores)
    {
        var size = Vfs.Xattrs.VfsListXattr(reader, source, default);
        if (!size.IsOk)
            return size.Error == Errno.EOPNOTSUPP ? Errno.OK : size.Error;
        if (size.Value == 0)
            return Errno.OK;
        var names = new byte[size.Value];
        size = Vfs.Xattrs.VfsListXattr(reader, source, names);
        if (!size.IsOk)
            return size.Error;
        for (var rest = names.AsSpan(0, size.Value); !rest.IsEmpty;)
        {
            var name = rest[..rest.IndexOf((byte)0)];
            rest = rest[(name.Length + 1)..];
            if (!filter(name))
                continue;
            var error = OneXattr(reader, source, writer, target, name);
            if (error != Errno.OK && !ignores(name, error))
                return error;
        }
        return Errno.OK;
    }

    private static Errno OneXattr(Caller reader, Dentry source, Caller writer, Dentry target, ReadOnlySpan<byte> name)
    {
        var size = Vfs.Xattrs.VfsGetXattr(reader, source, name, default);
        if (!size.IsOk)
            return size.Error;
        var value = new byte[size.Value];
        if (value.Length > 0)
        {
            size = Vfs.Xattrs.VfsGetXattr(reader, source, name, value);
            if (!size.IsOk)
                return size.Error;
        }
        return Vfs.Xattrs.VfsSetXattr(writer, target, name, value, XattrFlags.None);
    }

    /// <summary>Sets mode (not of a link), owner and times.</summary>
    public static Errno OwnerModeTimes(Caller caller, Dentry target, in Statx from)
    {
        var error = Errno.OK;
        if ((from.Mode & Mode.S_IFMT) != Mode.S_IFLNK)
        {
            var mode = new Iattr { Valid = AttrValid.ATTR_MODE, Mode = from.Mode };
            error = Attributes.NotifyChange(caller, target, ref mode);
        }
        if (error == Errno.OK)
        {
            var owner = new Iattr { Valid = AttrValid.ATTR_UID | AttrValid.ATTR_GID, Uid = from.Uid, Gid = from.Gid };
            error = Attributes.NotifyChange(caller, target, ref owner);
        }
        if (error == Errno.OK)
            Times(caller, target, from);
        return error;
    }

    /// <summary>Sets access and modification time; the change time becomes now.</summary>
    public static void Times(Caller caller, Dentry target, in Statx from)
    {
        var times = new Iattr
        {
            Valid = AttrValid.ATTR_ATIME | AttrValid.ATTR_MTIME | AttrValid.ATTR_ATIME_SET | AttrValid.ATTR_MTIME_SET | AttrValid.ATTR_CTIME,
            AtimeNs = from.Atime.TotalNs,
            MtimeNs = from.Mtime.TotalNs,
        };
        _ = Attributes.NotifyChange(caller, target, ref times); // best effort, as in the kernel
    }

    /// <summary>Sets the length of a new regular file.</summary>
    public static Errno Size(Caller caller, Dentry target, long size)
    {
        var attr = new Iattr { Valid = AttrValid.ATTR_SIZE, Size = size };
        return Attributes.NotifyChange(caller, target, ref attr);
    }
}
