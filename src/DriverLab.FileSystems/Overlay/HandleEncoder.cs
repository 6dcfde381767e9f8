using DriverLab.Linux;

namespace DriverLab.FileSystems.Overlay;

/// <summary>
/// Handles of the union's objects, with nfs_export=on: the stored form of the handle of a real object (<see cref="OriginHandle"/>) after three bytes that align it. What is in a lower
/// layer, or was when it was copied up through the index, goes by the lower object, so that the handle outlives the copy-up; all else by the upper one. Without nfs_export the handles only
/// tell objects apart (AT_HANDLE_FID): whatever has a lower object goes by that.
/// </summary>
/// <remarks>Linux fs/overlayfs/export.c: ovl_encode_fh(), ovl_check_encode_origin().</remarks>
internal static class HandleEncoder
{
    /// <summary>Before 5.6 there was nothing in front; such handles are still decoded (OVL_FILEID_V0).</summary>
    public const byte OldType = 0xfb;
    /// <summary>OVL_FILEID_V1</summary>
    public const byte CurrentType = 0xf8;
    /// <summary>OVL_FH_WIRE_OFFSET</summary>
    public const int Padding = 3;

    /// <summary>Writes the handle of an object; a directory above it may be copied up for that.</summary>
    /// <returns>EOVERFLOW: it does not fit, or that copy-up failed.</returns>
    public static SysResult<int> Encode(OverlayInode inode, Span<byte> room)
    {
        bool isUpper = GoesByUpper(inode);
        bool mustConnect = !isUpper && inode.IsDirectory && inode.Overlay.Options.NfsExport && inode.Overlay.Upper is not null;
        if (mustConnect && Connect((OverlayDentry)inode.Alias!) is var error and not Errno.OK)
        {
            inode.Overlay.Log($"failed to encode file handle (ino={inode.Ino}, err=-{(int)error})");
            return Errno.EOVERFLOW;
        }
        byte[] handle = FileHandles.Encode(inode.Overlay, isUpper ? inode.Upper! : inode.Lowers[0].Dentry, isUpper);
        if (handle.Length == 0 || Padding + handle.Length > room.Length)
            return Errno.EOVERFLOW;
        room[..Padding].Clear();
        handle.CopyTo(room[Padding..]);
        return Padding + handle.Length;
    }

    /// <remarks>The root is never in the index. Linux fs/overlayfs/export.c: ovl_check_encode_origin().</remarks>
    private static bool GoesByUpper(OverlayInode inode)
    {
        if (inode.Upper is null)
            return false;
        return inode.Overlay.Options.NfsExport ? !inode.IsIndexed : inode.Lowers.Length == 0 || ReferenceEquals(inode, inode.Overlay.Root.Inode);
    }

    /// <summary>
    /// Makes sure that the way up from the lower directory leads to the union: the directories above must have the same topmost lower layer, up to one that the index knows.
    /// Below one that has not, the next one is copied up.
    /// </summary>
    /// <remarks>Linux fs/overlayfs/export.c: ovl_connect_layer().</remarks>
    private static Errno Connect(OverlayDentry dentry)
    {
        if (dentry.IsConnected)
            return Errno.OK;
        int layer = dentry.Inode!.Lowers[0].Layer.Index;
        var error = Errno.OK;
        for (var next = dentry; ; next = next.Parent)
        {
            var parent = next.Parent;
            if (ConnectableLayer(parent) < layer)
            {
                error = CopyUpForHandle(next);
                break;
            }
            if (parent.IsRoot || parent.IsConnected || parent.Inode!.IsIndexed)
                break;
        }
        dentry.IsConnected = error == Errno.OK;
        return error;
    }

    /// <summary>The lowest layer from which a directory can be found; 0 when it can be found from the upper one only.</summary>
    /// <remarks>Linux fs/overlayfs/export.c: ovl_connectable_layer().</remarks>
    private static int ConnectableLayer(OverlayDentry directory)
    {
        var inode = directory.Inode!;
        if (directory.IsRoot)
            return inode.Lowers.Length;
        return GoesByUpper(inode) ? 0 : inode.Lowers[0].Layer.Index;
    }

    private static Errno CopyUpForHandle(OverlayDentry dentry)
    {
        if (dentry.Upper is not null)
            return Errno.OK;
        var error = CopyUp.Whole(dentry, CopyUpKind.Metadata);
        if (error != Errno.OK)
            dentry.Sb.Log($"failed to copy up on encode ({PathText.Of(dentry)}, err=-{(int)error})");
        return error;
    }
}
