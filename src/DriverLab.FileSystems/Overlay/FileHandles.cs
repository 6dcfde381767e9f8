using System.Buffers.Binary;
using DriverLab.FileSystems.Layers;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Vfs;

namespace DriverLab.FileSystems.Overlay;

/// <summary>Names lower inodes in xattrs of upper ones, and finds them again.</summary>
/// <remarks>Linux fs/overlayfs/copy_up.c: ovl_encode_real_fh(); fs/overlayfs/namei.c: ovl_decode_real_fh(), ovl_check_origin_fh().</remarks>
internal static class FileHandles
{
    /// <summary>The handle of a real inode; nothing when its file system has none.</summary>
    public static byte[] Encode(OverlaySuperBlock sb, Dentry real, bool isUpper)
    {
        var realSb = real.Sb;
        if (!realSb.HasFileHandles)
            return [];
        Span<byte> fid = stackalloc byte[128];
        var length = realSb.EncodeHandle(real.Inode!, fid, out byte type);
        if (!length.IsOk)
            return [];
        Span<byte> uuid = stackalloc byte[16];
        uuid.Clear();
        if (sb.Options.Uuid != UuidMode.Off)
            BinaryPrimitives.WriteUInt128BigEndian(uuid, realSb.Uuid);
        var handle = new byte[OriginHandle.HeaderSize + length.Value];
        _ = OriginHandle.Write(handle, type, uuid, fid[..length.Value], isUpper);
        return handle;
    }

    /// <summary>False for links and special files of a mount with <c>userxattr</c>: they can have no <c>user.*</c> attributes.</summary>
    /// <remarks>xattr(7).</remarks>
    public static bool CanStoreOrigin(OverlaySuperBlock sb, Inode inode) => !sb.Options.UserXattr || inode.IsRegular || inode.IsDirectory;

    /// <summary>The mounter may open by handle: a handle that it could not use is not stored either.</summary>
    /// <remarks>Linux fs/overlayfs/util.c: ovl_can_decode_fh().</remarks>
    public static bool CanDecode(OverlaySuperBlock sb, SuperBlock realSb) => realSb.HasFileHandles && sb.Mounter.Credentials.Capable(Capabilities.CAP_DAC_READ_SEARCH);

    /// <summary>Notes on an upper object which lower one it comes from.</summary>
    public static Errno StoreOrigin(OverlaySuperBlock sb, Dentry lower, Dentry upper) =>
        sb.CheckSetXattr(upper, sb.Names.Origin, CanDecode(sb, lower.Sb) ? Encode(sb, lower, isUpper: false) : [], Errno.OK);

    /// <summary>Finds the lower object of a stored handle; none when the handle says nothing that this mount can use.</summary>
    /// <returns>EIO: the object found has another type than the upper one.</returns>
    public static Errno DecodeLower(OverlaySuperBlock sb, ReadOnlySpan<byte> handle, Dentry upper, out LayerPath? origin)
    {
        origin = null;
        switch (OriginHandle.Check(handle))
        {
            case OriginHandle.Fault.Invalid:
                // The kernel shows as many bytes from before the three that align the handle.
                sb.Log($"invalid origin ({("000000" + Convert.ToHexStringLower(handle))[..(2 * handle.Length)]})");
                return Errno.OK;
            case OriginHandle.Fault.Unknown or OriginHandle.Fault.Empty:
                return Errno.OK;
            case OriginHandle.Fault.None:
                break;
        }
        if (FindLower(sb, handle, inLayer: false) is not { } found)
            return Errno.OK;
        if (!upper.Inode!.IsWhiteout && upper.Inode.Type != found.Inode.Type)
        {
            sb.Log($"invalid origin ({PathText.Of(upper)}, ftype={(int)upper.Inode.Type:x}, origin ftype={(int)found.Inode.Type:x}).");
            return Errno.EIO;
        }
        origin = found;
        return Errno.OK;
    }

    /// <summary>The first lower layer on whose file system the handle leads to something; with <paramref name="inLayer"/> a directory must be within the layer.</summary>
    public static LayerPath? FindLower(OverlaySuperBlock sb, ReadOnlySpan<byte> handle, bool inLayer)
    {
        foreach (var layer in sb.Lowers)
        {
            if (layer.FsId != 0 && layer.FileSystem.HasBadUuid)
                continue;
            if (Decode(sb, handle, layer.FileSystem.Sb) is { } found && (!inLayer || IsWithin(layer, found)))
                return new(layer, found);
        }
        return null;
    }

    /// <summary>The object of the upper layer that a handle leads to; a directory must be within the layer with <paramref name="inLayer"/>.</summary>
    public static Dentry? FindUpper(OverlaySuperBlock sb, ReadOnlySpan<byte> handle, bool inLayer) =>
        Decode(sb, handle, sb.Upper!.FileSystem.Sb) is { } found && (!inLayer || IsWithin(sb.Upper, found)) ? found : null;

    /// <summary>Files may be anywhere, directories must not have been removed or moved out of the layer.</summary>
    /// <remarks>Linux fs/overlayfs/namei.c: ovl_acceptable().</remarks>
    private static bool IsWithin(Layer layer, Dentry found) => !found.IsDirectory || !found.IsUnlinked && layer.Mount.Root.IsAncestorOf(found);

    /// <summary>Checks that an upper object says that it was copied from this lower one.</summary>
    /// <returns>ENODATA: it says nothing; ESTALE: it was copied from another one.</returns>
    public static Errno VerifyOrigin(OverlaySuperBlock sb, Dentry upper, Dentry lower) => Verify(sb, upper, sb.Names.Origin, lower, isUpper: false);

    /// <summary>Compares a stored handle with that of a real object.</summary>
    /// <remarks>Linux fs/overlayfs/namei.c: ovl_verify_set_fh(), ovl_verify_fh().</remarks>
    public static Errno Verify(OverlaySuperBlock sb, Dentry holder, byte[] name, Dentry real, bool isUpper)
    {
        var error = Compare(sb, holder, name, Encode(sb, real, isUpper));
        if (error != Errno.OK)
            sb.Log($"failed to verify {(isUpper ? "upper" : "origin")} ({PathText.Of(real)}, ino={real.Inode!.Ino}, err=-{(int)error})");
        return error;
    }

    /// <returns>ENODATA: nothing is stored; ESTALE: another handle is.</returns>
    public static Errno Compare(OverlaySuperBlock sb, Dentry holder, byte[] name, ReadOnlySpan<byte> expected)
    {
        Span<byte> stored = stackalloc byte[OriginHandle.MaxSize];
        int length = sb.GetOwnXattr(holder, name, stored);
        if (length <= 0 || OriginHandle.Check(stored[..length]) != OriginHandle.Fault.None)
            return Errno.ENODATA;
        return stored[..length].SequenceEqual(expected) ? Errno.OK : Errno.ESTALE;
    }

    /// <summary>Finds the entry of a handle on a file system, or null.</summary>
    private static Dentry? Decode(OverlaySuperBlock sb, ReadOnlySpan<byte> handle, SuperBlock realSb)
    {
        if (!CanDecode(sb, realSb))
            return null;
        var stored = BinaryPrimitives.ReadUInt128BigEndian(OriginHandle.Uuid(handle));
        var expected = sb.Options.Uuid == UuidMode.Off ? UInt128.Zero : realSb.Uuid;
        if (stored != expected)
            return null;
        var found = realSb.DecodeHandle(OriginHandle.Fid(handle), handle[4]);
        return found.IsOk && found.Value.IsPositive ? found.Value : null;
    }
}

/// <summary>Entries in kernel messages: the last two names.</summary>
/// <remarks>printk's %pd2.</remarks>
internal static class PathText
{
    public static string Of(Dentry dentry) =>
        dentry.IsRoot ? "/" : (dentry.Parent.IsRoot ? "" : Name(dentry.Parent)) + "/" + Name(dentry);

    /// <summary>The last name alone: printk's %pd.</summary>
    public static string Name(Dentry dentry) => dentry.IsRoot ? "/" : System.Text.Encoding.Latin1.GetString(dentry.Name);
}
