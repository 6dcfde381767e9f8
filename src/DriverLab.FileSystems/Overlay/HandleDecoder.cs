using DriverLab.FileSystems.Layers;
using DriverLab.Linux;
using DriverLab.Vfs;

namespace DriverLab.FileSystems.Overlay;

/// <summary>
/// Finds the entry of a handle. A file comes as it is known, or without a name. A directory comes with its place: from the real directory the way goes up to one that the union
/// knows (by its inodes, by the index, at last the root), and from there down again by name.
/// </summary>
/// <remarks>Linux fs/overlayfs/export.c: ovl_fh_to_dentry(), ovl_lookup_real().</remarks>
internal readonly struct HandleDecoder(OverlaySuperBlock sb)
{
    /// <summary>Finds the entry.</summary>
    /// <returns>ESTALE, whatever the reason; others than that the object is gone are told in the log.</returns>
    public SysResult<Dentry> Decode(ReadOnlySpan<byte> fid, int type)
    {
        byte flags = 0;
        var error = Unwrap(fid, type, out var handle);
        if (error == Errno.OK)
        {
            flags = handle[3];
            var found = (flags & OriginHandle.FlagPathUpper) != 0 ? OfUpper(handle) : OfLower(handle);
            if (found.IsOk)
                return found.Value;
            error = found.Error;
        }
        if (error != Errno.ESTALE)
            sb.Log($"failed to decode file handle (len={fid.Length / 4}, type={type}, flags={flags:x}, err=-{(int)error})");
        return Errno.ESTALE;
    }

    /// <summary>Takes the padding off and checks the header.</summary>
    private static Errno Unwrap(ReadOnlySpan<byte> fid, int type, out ReadOnlySpan<byte> handle)
    {
        handle = default;
        if (type is not (HandleEncoder.CurrentType or HandleEncoder.OldType) || fid.Length <= HandleEncoder.Padding + OriginHandle.HeaderSize)
            return Errno.EINVAL;
        handle = type == HandleEncoder.CurrentType ? fid[HandleEncoder.Padding..] : fid[..^HandleEncoder.Padding];
        handle = handle[..Math.Min(handle[2], handle.Length)];
        return OriginHandle.Check(handle) switch
        {
            OriginHandle.Fault.None => Errno.OK,
            OriginHandle.Fault.Unknown => Errno.ENODATA,
            OriginHandle.Fault.Invalid or OriginHandle.Fault.Empty => Errno.EINVAL,
        };
    }

    /// <remarks>Linux fs/overlayfs/export.c: ovl_upper_fh_to_d().</remarks>
    private SysResult<OverlayDentry> OfUpper(ReadOnlySpan<byte> handle)
    {
        if (sb.Upper is null)
            return Errno.EACCES;
        return FileHandles.FindUpper(sb, handle, inLayer: true) is { } upper ? OfReal(upper, null, null) : Errno.ESTALE;
    }

    /// <remarks>Linux fs/overlayfs/export.c: ovl_lower_fh_to_d().</remarks>
    private SysResult<OverlayDentry> OfLower(ReadOnlySpan<byte> handle)
    {
        if (FileHandles.FindLower(sb, handle, inLayer: false) is not { } origin)
            return Errno.ESTALE;
        var known = Known(origin.Dentry, isUpper: false);
        if (!known.IsOk || known.Value is not null)
            return known!;
        Dentry? index = null;
        var error = sb.Work.Index is null ? Errno.OK : IndexDirectory.Find(sb, handle, out index);
        if (error != Errno.OK)
            return error;
        if (index is { IsDirectory: true })
        {
            error = IndexDirectory.UpperOf(sb, index, inLayer: true, out var upper);
            return error == Errno.OK && upper is not null ? OfReal(upper, null, null) : error == Errno.OK ? Errno.ESTALE : error;
        }
        if (origin.Dentry.IsDirectory)
        {
            if (FileHandles.FindLower(sb, handle, inLayer: true) is not { } within)
                return Errno.ESTALE;
            origin = within;
        }
        if (index is not null)
            error = FileHandles.VerifyOrigin(sb, index, origin.Dentry);
        return error == Errno.OK ? OfReal(null, origin, index) : error;
    }

    /// <summary>The entry of an object that the union has in memory; null when it has not.</summary>
    /// <returns>ESTALE: it stands for other real objects, or the real one is the root of a layer, which must not appear in one.</returns>
    /// <remarks>Linux fs/overlayfs/inode.c: ovl_lookup_inode().</remarks>
    private SysResult<OverlayDentry?> Known(Dentry real, bool isUpper)
    {
        if (sb.Work.IsTrap(real))
            return Errno.ESTALE;
        if (sb.FindInode(real.Inode!) is not { } inode)
            return (OverlayDentry?)null;
        var expected = isUpper ? inode.Upper?.Inode : inode.Lowers.Length > 0 ? inode.Lowers[0].Inode : null;
        return ReferenceEquals(expected, real.Inode) ? inode.FindAlias() : Errno.ESTALE;
    }

    /// <remarks>Linux fs/overlayfs/export.c: ovl_get_dentry().</remarks>
    private SysResult<OverlayDentry> OfReal(Dentry? upper, LayerPath? lower, Dentry? index)
    {
        var real = upper ?? index ?? lower!.Value.Dentry;
        if (!real.IsDirectory)
            return OfFile(upper, lower, index);
        return real.IsUnlinked ? Errno.ENOENT : Connected(real, upper is null ? lower!.Value.Layer : sb.Upper!);
    }

    /// <remarks>Linux fs/overlayfs/export.c: ovl_obtain_alias().</remarks>
    private SysResult<OverlayDentry> OfFile(Dentry? upper, LayerPath? lower, Dentry? index)
    {
        var made = InodeMaking.Get(sb, upper, lower is { } path ? [path] : [], index, null);
        if (!made.IsOk)
            return made.Error;
        if (made.Value.FindAlias() is { } known)
            return known;
        var alias = (OverlayDentry)sb.NewDentry(null, []);
        alias.Instantiate(made.Value);
        made.Value.NoteEntry(alias);
        return alias;
    }

    // ---- directories --------------------------------------------------------------------------------------------------------------------

    /// <summary>The entry of a directory that a layer has, with its place.</summary>
    /// <returns>EXDEV: it was moved out of the layer; ENOENT, ESTALE: the way down does not lead to it.</returns>
    /// <remarks>Linux fs/overlayfs/export.c: ovl_lookup_real().</remarks>
    private SysResult<OverlayDentry> Connected(Dentry real, Layer layer)
    {
        var known = Ancestor(real, layer);
        if (!known.IsOk)
            return known;
        var connected = known.Value;
        while (!IsRealOf(connected, layer, real))
        {
            var next = Nearest(real, layer, ref connected);
            var below = next is null ? Errno.EXDEV : Below(connected, next, layer);
            if (!below.IsOk)
            {
                sb.Log($"failed to lookup by real ({PathText.Of(real)}, layer={layer.Index}, connected={PathText.Of(connected)}, err=-{(int)below.Error})");
                return below;
            }
            connected = below.Value;
        }
        return connected;
    }

    /// <summary>The real directory at or above <paramref name="real"/> that is next below the connected one; from the root of the layer when that one is not met. Null outside of the layer.</summary>
    private Dentry? Nearest(Dentry real, Layer layer, ref OverlayDentry connected)
    {
        for (var next = real; ; next = next.Parent)
        {
            if (IsRealOf(connected, layer, next.Parent))
                return next;
            if (ReferenceEquals(next.Parent, layer.Mount.Root))
            {
                connected = (OverlayDentry)sb.Root;
                return next;
            }
            if (next.IsRoot)
                return null;
        }
    }

    /// <summary>The nearest directory at or above a real one that the union knows.</summary>
    /// <remarks>Linux fs/overlayfs/export.c: ovl_lookup_real_ancestor().</remarks>
    private SysResult<OverlayDentry> Ancestor(Dentry real, Layer layer)
    {
        if (ReferenceEquals(real, layer.Mount.Root))
            return (OverlayDentry)sb.Root;
        for (var next = real; ; next = next.Parent)
        {
            var known = ByInodeOrIndex(next, layer);
            if (!known.IsOk || known.Value is not null)
                return known!;
            if (ReferenceEquals(next.Parent, layer.Mount.Root))
                return (OverlayDentry)sb.Root;
            if (next.IsRoot)
                return Errno.EXDEV;
        }
    }

    /// <remarks>Linux fs/overlayfs/export.c: ovl_lookup_real_inode().</remarks>
    private SysResult<OverlayDentry?> ByInodeOrIndex(Dentry real, Layer layer)
    {
        var found = Known(real, isUpper: layer.Index == 0);
        if (found.IsOk && found.Value is null && layer.Index > 0 && sb.Work.Index is not null)
            found = ByIndex(real);
        if (!found.IsOk || found.Value is null)
            return found;
        return IsRealOf(found.Value, layer, real) ? found : Errno.EIO;
    }

    private SysResult<OverlayDentry?> ByIndex(Dentry real)
    {
        var error = IndexDirectory.Lookup(sb, real, null, verifies: false, out var index);
        if (error != Errno.OK || index is null)
            return error == Errno.OK ? (OverlayDentry?)null : error;
        error = IndexDirectory.UpperOf(sb, index, inLayer: true, out var upper);
        if (error != Errno.OK || upper is null)
            return error == Errno.OK ? (OverlayDentry?)null : error;
        return Connected(upper, sb.Upper!)!;
    }

    /// <summary>Looks up the name that a real directory has, below the union's directory for its parent.</summary>
    /// <remarks>Linux fs/overlayfs/export.c: ovl_lookup_real_one().</remarks>
    private SysResult<OverlayDentry> Below(OverlayDentry directory, Dentry real, Layer layer)
    {
        var error = Errno.ECHILD;
        if (IsRealOf(directory, layer, real.Parent))
        {
            var found = Namei.LookupOne(sb.Mounter, directory, real.Name);
            error = !found.IsOk ? found.Error : found.Value.IsNegative ? Errno.ENOENT : Errno.ESTALE;
            if (error == Errno.ESTALE && found.Value is OverlayDentry below && IsRealOf(below, layer, real))
                return below;
        }
        sb.Log($"failed to lookup one by real ({PathText.Of(real)}, layer={layer.Index}, connected={PathText.Of(directory)}, err=-{(int)error})");
        return error;
    }

    /// <summary>True when the union's directory has this real one in the layer.</summary>
    /// <remarks>Linux fs/overlayfs/export.c: ovl_dentry_real_at().</remarks>
    private static bool IsRealOf(OverlayDentry directory, Layer layer, Dentry real)
    {
        var inode = directory.Inode!;
        if (layer.Index == 0)
            return ReferenceEquals(inode.Upper?.Inode, real.Inode);
        foreach (var lower in inode.Lowers)
        {
            if (lower.Layer.Index == layer.Index)
                return ReferenceEquals(lower.Inode, real.Inode);
        }
        return false;
    }
}
