using System.Buffers.Binary;
using DriverLab.Linux;

namespace DriverLab.Vfs;

/// <summary>The value of <c>security.capability</c>: revision 2 counts everywhere, revision 3 in user name spaces whose root is the user that it names.</summary>
/// <remarks>Linux security/commoncap.c: struct vfs_ns_cap_data, cap_convert_nscap(), cap_inode_getsecurity().</remarks>
internal static class FileCapabilities
{
    internal const int Size2 = 20, Size3 = 24;

    /// <summary>What the attribute says to the caller: of its own root or one above it, revision 2; of another root that has a name here, revision 3.</summary>
    /// <returns>EINVAL (no such value), EOVERFLOW (of a root that has no name here), ERANGE, then the file system.</returns>
    public static SysResult<int> Get(Caller caller, Dentry dentry, Span<byte> value)
    {
        Span<byte> stored = stackalloc byte[Size3];
        var result = dentry.Inode!.GetXattr(caller, dentry, Xattrs.SecurityCapability, stored);
        if (!result.IsOk)
            return result.Error == Errno.ERANGE ? Errno.EINVAL : result.Error;
        if (!IsValue(stored[..result.Value]))
            return Errno.EINVAL;
        var by = caller.Credentials;
        uint root = result.Value == Size3 ? BinaryPrimitives.ReadUInt32LittleEndian(stored[Size2..]) : 0;
        uint shown = by.ShownUid(dentry.Sb.UserSpace.Uids.Down(root));
        uint here = by.Space.Uids.Up(shown);
        bool isForeign = here is not (0 or IdMap.Invalid);
        if (!isForeign && !by.Space.IsBelowRoot(shown))
            return Errno.EOVERFLOW;
        stored = stored[..(isForeign ? Size3 : Size2)];
        stored[3] = (byte)(isForeign ? 3 : 2);
        if (isForeign)
            BinaryPrimitives.WriteUInt32LittleEndian(stored[Size2..], here);
        if (value.IsEmpty)
            return stored.Length;
        return stored.TryCopyTo(value) ? stored.Length : Errno.ERANGE;
    }

    /// <summary>Turns a value that is to be set into what is stored: who has the right in the file system's own user name space stores revision 2, everybody else names the root.</summary>
    /// <returns>EINVAL, EPERM.</returns>
    public static Errno Store(Caller caller, Inode inode, ref ReadOnlySpan<byte> value)
    {
        if (!IsValue(value))
            return Errno.EINVAL;
        var by = caller.Credentials;
        if (!by.CapableOver(inode, Capabilities.CAP_SETFCAP))
            return Errno.EPERM;
        if (value.Length == Size2 && ReferenceEquals(by, by.Unmapped) && by.CapableIn(inode.Sb.UserSpace, Capabilities.CAP_SETFCAP))
            return Errno.OK;
        uint given = value.Length == Size3 ? BinaryPrimitives.ReadUInt32LittleEndian(value[Size2..]) : 0;
        uint kernel = by.Space.Uids.Down(given);
        uint root = kernel == IdMap.Invalid ? kernel : inode.Sb.UserSpace.Uids.Up(by.StoredUid(kernel));
        if (root == IdMap.Invalid)
            return Errno.EINVAL;
        var room = new byte[Size3];
        value[..Size2].CopyTo(room);
        room[3] = 3;
        BinaryPrimitives.WriteUInt32LittleEndian(room.AsSpan(Size2), root);
        value = room;
        return Errno.OK;
    }

    private static bool IsValue(ReadOnlySpan<byte> value)
    {
        if (value.Length < 4)
            return false;
        uint revision = BinaryPrimitives.ReadUInt32LittleEndian(value) & 0xFF000000;
        return revision == 0x02000000 && value.Length == Size2 || revision == 0x03000000 && value.Length == Size3;
    }
}
