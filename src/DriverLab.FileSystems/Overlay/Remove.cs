using DriverLab.FileSystems.Layers;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Simulation;
using DriverLab.Vfs;

namespace DriverLab.FileSystems.Overlay;

/// <summary>Removes names: the upper object goes, and a whiteout takes its place when the name exists below.</summary>
/// <remarks>Linux fs/overlayfs/dir.c: ovl_do_remove(), ovl_remove_upper(), ovl_remove_and_whiteout(), ovl_clear_empty().</remarks>
internal static class Removal
{
    /// <summary>unlink and rmdir.</summary>
    /// <returns>ENOTEMPTY, EROFS, ESTALE (the upper object is another one now), then what the upper layer says.</returns>
    public static Errno Remove(OverlayDentry dentry, bool isDirectory)
    {
        var sb = dentry.Sb;
        var inode = dentry.Inode!;
        bool lowerExists = LowerExists(dentry) && !(inode.Upper is not null && sb.Core.IsMutated(Mutation.WhiteoutNotMade));
        List<byte[]>? whiteouts = null;
        if (isDirectory && (lowerExists || !IsPureUpper(inode)))
        {
            var empty = MergedListing.CheckEmpty(dentry, out whiteouts);
            if (empty != Errno.OK)
                return empty;
        }
        var error = dentry.Parent.Upper is null ? CopyUp.Whole(dentry.Parent, CopyUpKind.Metadata) : Errno.OK;
        if (error == Errno.OK)
            error = sb.Upper!.Mount.WantWrite();
        if (error == Errno.OK)
            error = IndexDirectory.NlinkStart(dentry);
        if (error == Errno.OK)
            error = lowerExists ? RemoveAndWhiteout(dentry, whiteouts) : RemoveUpper(dentry, isDirectory, whiteouts);
        if (error != Errno.OK)
            return error;
        if (isDirectory)
            inode.Nlink = 0;
        else
            DropNlink(dentry);
        IndexDirectory.NlinkEnd(inode);
        if (inode.Upper is not null)
            inode.CopyAttributes();
        return Errno.OK;
    }

    /// <summary>One name less. Links made in the layers may not be counted: as long as another name is known there is one at least.</summary>
    /// <remarks>Linux fs/overlayfs/dir.c: ovl_drop_nlink().</remarks>
    public static void DropNlink(OverlayDentry dentry)
    {
        var inode = dentry.Inode!;
        if (inode.Nlink > 1 || inode.Nlink == 1 && !inode.HasOtherEntry(dentry))
            inode.Nlink--;
    }

    /// <summary>Nothing below, and no whiteouts inside.</summary>
    public static bool IsPureUpper(OverlayInode inode) => inode.Lowers.Length == 0 && !inode.MayHoldWhiteouts;

    /// <summary>Would the name show something from a lower layer if the upper one had nothing there?</summary>
    /// <remarks>Linux fs/overlayfs/namei.c: ovl_lower_positive().</remarks>
    public static bool LowerExists(OverlayDentry dentry)
    {
        if (dentry.Inode is not { } inode)
            return dentry.IsOpaque;
        if (inode.Upper is null)
            return true;
        var sb = dentry.Sb;
        foreach (var lower in dentry.Parent.Inode!.Lowers)
        {
            var found = Namei.LookupOnePositive(sb.Mounter.Through(lower.Layer.Mount), lower.Dentry, dentry.Name);
            if (found.IsOk)
                return !sb.IsWhiteout(found.Value);
            // Something that cannot be looked at is assumed to exist.
            if (found.Error is not (Errno.ENOENT or Errno.ENAMETOOLONG))
                return true;
        }
        return false;
    }

    private static Errno RemoveUpper(OverlayDentry dentry, bool isDirectory, List<byte[]>? whiteouts)
    {
        var sb = dentry.Sb;
        var parent = dentry.Parent.Inode!;
        var error = FindUpperForRemoval(dentry, whiteouts, mustExist: true, out var upper);
        if (error != Errno.OK)
            return error;
        error = isDirectory
            ? Namei.VfsRmdir(sb.UpperMounter, parent.Upper!.Inode!, upper)
            : Namei.VfsUnlink(sb.UpperMounter, parent.Upper!.Inode!, upper);
        parent.NoteChange(concernsNumbers: dentry.HasOrigin);
        if (error == Errno.OK)
            dentry.Drop();
        return error;
    }

    private static Errno RemoveAndWhiteout(OverlayDentry dentry, List<byte[]>? whiteouts)
    {
        var sb = dentry.Sb;
        if (sb.Work.Directory is null)
            return Errno.EROFS;
        var parent = dentry.Parent.Inode!;
        var error = FindUpperForRemoval(dentry, whiteouts, mustExist: false, out var upper);
        if (error == Errno.OK)
            error = sb.Work.CleanupAndWhiteout(parent.Upper!, upper);
        if (error != Errno.OK)
            return error;
        parent.NoteChange(concernsNumbers: true);
        dentry.Drop();
        return Errno.OK;
    }

    /// <summary>Finds the upper entry again by name, after emptying a directory of its whiteouts; it must still be the one the union knows.</summary>
    private static Errno FindUpperForRemoval(OverlayDentry dentry, List<byte[]>? whiteouts, bool mustExist, out Dentry upper)
    {
        upper = null!;
        Dentry? opaque = null;
        if (whiteouts is { Count: > 0 })
        {
            var cleared = ClearEmpty(dentry, whiteouts);
            if (!cleared.IsOk)
                return cleared.Error;
            opaque = cleared.Value;
        }
        var found = Namei.LookupOne(dentry.Sb.UpperMounter, dentry.Parent.Upper!, dentry.Name);
        if (!found.IsOk)
            return found.Error;
        upper = found.Value;
        if (mustExist && upper.IsNegative && dentry.Sb.Quirks.MissingUpperIsEnoent)
            return Errno.ENOENT;
        bool isSame = opaque is not null ? ReferenceEquals(upper.Inode, opaque.Inode)
            : (!mustExist && dentry.Upper is null) || MatchesUpper(dentry, upper);
        return isSame ? Errno.OK : Errno.ESTALE;
    }

    /// <summary>The entry is the upper object of this name.</summary>
    public static bool MatchesUpper(OverlayDentry dentry, Dentry entry) =>
        entry.Inode is { } inode && ReferenceEquals(dentry.Upper?.Inode, inode);

    /// <summary>Swaps a directory that holds nothing but whiteouts for an empty opaque one, and removes it with its whiteouts.</summary>
    public static SysResult<Dentry> ClearEmpty(OverlayDentry dentry, List<byte[]> whiteouts)
    {
        var sb = dentry.Sb;
        var work = sb.Work;
        if (work.Directory is null)
            return Errno.EROFS;
        var upperParent = dentry.Parent.Upper!;
        var upper = dentry.Upper!;
        var error = Attributes.VfsGetAttr(sb.Mounter, sb.Upper!.At(upper), StatxMask.STATX_BASIC_STATS, AtFlags.None, out var stat);
        if (error != Errno.OK)
            return error;
        if (!upper.IsDirectory || !ReferenceEquals(upper.Parent, upperParent))
            return Errno.ESTALE;
        var temp = work.CreateTemp(sb.UpperMounter, new(stat.Mode));
        if (!temp.IsOk)
            return temp;
        var opaque = temp.Value;
        error = CopyAttributes.Xattrs(sb.UpperMounter, upper, opaque, name => !sb.Names.IsOwn(name, sb.Escapes));
        if (error == Errno.OK)
            error = Creation.SetOpaque(dentry, opaque, Errno.EIO);
        if (error == Errno.OK)
            error = CopyAttributes.OwnerModeTimes(sb.UpperMounter, opaque, stat);
        if (error == Errno.OK)
            error = work.Rename(work.Directory, opaque, upperParent, upper, RenameFlags.RENAME_EXCHANGE);
        if (error != Errno.OK)
        {
            work.Cleanup(work.Directory, opaque);
            return error;
        }
        foreach (var name in whiteouts)
        {
            var entry = Namei.LookupOne(sb.UpperMounter, upper, name);
            if (entry.IsOk && entry.Value.IsPositive)
                work.Cleanup(upper, entry.Value);
        }
        work.Cleanup(work.Directory, upper);
        dentry.Drop();
        return opaque;
    }
}
