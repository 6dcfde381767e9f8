using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Vfs;

namespace DriverLab.FileSystems.Overlay;

/// <content>Flags of chattr, and extended attributes.</content>
internal abstract partial class OverlayInode
{
    // ---- flags of chattr -----------------------------------------------------------------------------------------------------------------------

    private const InodeFlags Protecting = InodeFlags.S_APPEND | InodeFlags.S_IMMUTABLE;
    private const uint ProtectingFlags = FileAttrs.FS_APPEND_FL | FileAttrs.FS_IMMUTABLE_FL;

    /// <summary>Reads the mark of an upper object that is protected by the union alone.</summary>
    /// <remarks>Linux fs/overlayfs/util.c: ovl_check_protattr().</remarks>
    private InodeFlags StoredProtection()
    {
        if (Upper is not { } upper || !Overlay.Quirks.CopiesFlags)
            return InodeFlags.None;
        Span<byte> letters = stackalloc byte[32];
        int length = Overlay.GetOwnXattr(upper, Overlay.Names.ProtAttr, letters), known = 0;
        var flags = InodeFlags.None;
        for (; known < length && letters[known] is (byte)'a' or (byte)'i'; known++)
            flags |= letters[known] == 'a' ? InodeFlags.S_APPEND : InodeFlags.S_IMMUTABLE;
        if (length != 0 && known >= length)
            return flags;
        Overlay.Log($"incompatible overlay.protattr format ({PathText.Of(upper)}, len={length})");
        return InodeFlags.None;
    }

    /// <summary>Stores what the upper object itself must not be: it could be neither linked nor marked any more.</summary>
    /// <remarks>Linux fs/overlayfs/util.c: ovl_set_protattr().</remarks>
    public Errno StoreProtection(Dentry upper, uint flags)
    {
        byte[] letters = [.. (flags & FileAttrs.FS_APPEND_FL) != 0 ? "a"u8 : default, .. (flags & FileAttrs.FS_IMMUTABLE_FL) != 0 ? "i"u8 : default];
        var error = letters.Length > 0 ? Overlay.CheckSetXattr(upper, Overlay.Names.ProtAttr, letters, Errno.EPERM)
            : (Flags & Protecting) == 0 ? Errno.OK
            : Xattrs.VfsRemoveXattr(Overlay.UpperMounter, upper, Overlay.Names.ProtAttr);
        if (letters.Length == 0 && error is Errno.ENODATA or Errno.EOPNOTSUPP)
            error = Errno.OK;
        if (error == Errno.OK)
            Flags = Flags & ~Protecting | FileAttrs.With(0, flags) & Protecting;
        return error;
    }

    public override bool AsksForFileAttr => Overlay.Quirks.CopiesFlags && (IsRegular || IsDirectory);

    /// <remarks>Linux fs/overlayfs/inode.c: ovl_fileattr_get().</remarks>
    public override Errno GetFileAttr(Caller caller, Dentry dentry, out uint flags)
    {
        flags = 0;
        if (!IsRegular && !IsDirectory)
            return Errno.ENOTTY;
        if (Overlay.Quirks.CopiesFlags)
            Overlay.OpenForSecurity(RealPath);
        var error = RealInode.GetFileAttr(Overlay.Mounter, Real, out flags);
        if (error == Errno.OK && Overlay.Quirks.CopiesFlags)
            flags |= FileAttrs.Of(Flags & Protecting);
        return error;
    }

    /// <remarks>Linux fs/overlayfs/inode.c: ovl_fileattr_set().</remarks>
    public override Errno SetFileAttr(Caller caller, Dentry dentry, uint flags, bool hasMore)
    {
        if (!IsRegular && !IsDirectory)
            return Errno.ENOTTY;
        var error = CopyUp.Whole((OverlayDentry)dentry, CopyUpKind.Metadata);
        if (error != Errno.OK)
            return error;
        error = StoreProtection(Upper!, flags);
        if (error == Errno.OK)
        {
            Overlay.OpenForSecurity(RealPath);
            error = Upper!.Inode!.GetFileAttr(Overlay.Mounter, Upper, out _);
        }
        if (error == Errno.OK)
            error = Upper!.Inode!.SetFileAttr(Overlay.Mounter, Upper, flags & ~ProtectingFlags, hasMore);
        if (error == Errno.OK)
            FileAttrs.TellChange(Upper!);
        CopyAttributes();
        return error;
    }

    // ---- extended attributes --------------------------------------------------------------------------------------------------------------

    public override SysResult<int> GetXattr(Caller caller, Dentry dentry, ReadOnlySpan<byte> name, Span<byte> value)
    {
        Span<byte> buffer = stackalloc byte[XattrName.BufferSize];
        var error = XattrName.ToReal(Overlay, name, buffer, out var realName);
        if (error == Errno.OK && Overlay.Quirks.AsksInodesForLists && PosixAcl.IsName(name) && !IsSymlink && !RealInode.Sb.HasPosixAcl)
            return Errno.ENODATA;
        return error != Errno.OK ? error : Xattrs.VfsGetXattr(RealMounter, Real, realName, value);
    }

    public override Errno SetXattr(Caller caller, Dentry dentry, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, XattrFlags flags)
    {
        Span<byte> buffer = stackalloc byte[XattrName.BufferSize];
        var error = XattrName.ToReal(Overlay, name, buffer, out var realName);
        if (error == Errno.OK && IsNoDefaultList(name))
            return Errno.OK;
        if (error == Errno.OK)
            error = MayHoldList(name);
        if (error == Errno.OK)
            error = PrepareXattrChange((OverlayDentry)dentry);
        if (error != Errno.OK)
            return error;
        error = Xattrs.VfsSetXattr(Overlay.UpperMounter, Upper!, realName, value, flags);
        if (error == Errno.OK)
            error = DropSetgid(caller, name);
        CopyAttributes();
        return error;
    }

    /// <summary>A change of the access list takes the setgid bit along: the mounter may keep it where the caller may not.</summary>
    /// <remarks>Linux fs/overlayfs/inode.c: ovl_set_acl(); before 6.2 super.c: ovl_posix_acl_xattr_set().</remarks>
    private Errno DropSetgid(Caller caller, ReadOnlySpan<byte> name)
    {
        if (!name.SequenceEqual(PosixAcl.AccessName) || (Mode & Mode.S_ISGID) == 0 || caller.Credentials.InGroup(Gid) || caller.Credentials.CapableOver(this, Capabilities.CAP_FSETID))
            return Errno.OK;
        var attr = new Iattr { Valid = AttrValid.ATTR_KILL_SGID };
        return Attributes.NotifyChange(Overlay.UpperMounter, Upper!, ref attr);
    }

    /// <summary>Removing what is not there copies nothing up.</summary>
    /// <remarks>Linux fs/overlayfs/xattrs.c: ovl_xattr_set().</remarks>
    public override Errno RemoveXattr(Caller caller, Dentry dentry, ReadOnlySpan<byte> name)
    {
        Span<byte> buffer = stackalloc byte[XattrName.BufferSize];
        var error = XattrName.ToReal(Overlay, name, buffer, out var realName);
        if (error == Errno.OK && IsNoDefaultList(name))
            return Errno.OK;
        if (error == Errno.OK)
            error = MayHoldList(name);
        if (error == Errno.OK && Upper is null)
            error = Xattrs.VfsGetXattr(RealMounter, Real, realName, default).Error;
        if (error == Errno.OK)
            error = PrepareXattrChange((OverlayDentry)dentry);
        if (error != Errno.OK)
            return error;
        error = DropSetgid(caller, name);
        if (error == Errno.OK)
            error = Xattrs.VfsRemoveXattr(Overlay.UpperMounter, Upper!, realName);
        CopyAttributes();
        return error;
    }

    /// <summary>A default list of something that is no directory: the VFS has denied to set one, to remove it does nothing, not even a copy-up.</summary>
    /// <remarks>Linux fs/overlayfs/inode.c: ovl_set_acl().</remarks>
    private bool IsNoDefaultList(ReadOnlySpan<byte> name) => !IsDirectory && name.SequenceEqual(PosixAcl.DefaultName);

    /// <summary>Neither the upper layer nor what is there now may be on a file system without lists, as a union is before 6.2 for one above it.</summary>
    /// <remarks>Linux fs/overlayfs/inode.c: ovl_set_acl().</remarks>
    private Errno MayHoldList(ReadOnlySpan<byte> name) => PosixAcl.IsName(name) && !LayersHaveLists ? Errno.EOPNOTSUPP : Errno.OK;

    private bool LayersHaveLists =>
        RealInode.Sb.HasPosixAcl && (Overlay.Upper is not { } upper || upper.Mount.Sb.HasPosixAcl) && (Overlay.Quirks.AsksInodesForLists || RealInode is not OverlayInode);

    /// <remarks>Linux before 6.2 fs/overlayfs/super.c: ovl_posix_acl_xattr_set() asks the layers first; later the VFS asks for the owner first.</remarks>
    public override bool MayHaveAcl => Overlay.Quirks.AsksInodesForLists || LayersHaveLists;

    private Errno PrepareXattrChange(OverlayDentry dentry)
    {
        var error = Upper is null ? CopyUp.Whole(dentry, CopyUpKind.Metadata) : Errno.OK;
        return error == Errno.OK ? Overlay.Upper!.Mount.WantWrite() : error;
    }

    public override SysResult<int> ListXattr(Caller caller, Dentry dentry, Span<byte> names) =>
        XattrName.List(Overlay, caller, Real, names);
}
