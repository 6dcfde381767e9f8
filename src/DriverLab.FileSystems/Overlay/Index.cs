using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Vfs;

namespace DriverLab.FileSystems.Overlay;

/// <summary>
/// The index directory: for each copied-up lower hard link one entry, named by the lower file's handle, that all its upper names are links of. With nfs_export=on for everything
/// that is copied up: a directory's entry is an empty directory that names the upper one, and what is removed leaves a whiteout, so that its handle stays stale.
/// </summary>
/// <remarks>Linux fs/overlayfs/namei.c: ovl_lookup_index(), ovl_get_index_name(); fs/overlayfs/util.c: ovl_need_index(), ovl_nlink_start(), ovl_cleanup_index().</remarks>
internal static class IndexDirectory
{
    /// <summary>True when copying this object up goes through the index.</summary>
    public static bool Needs(OverlaySuperBlock sb, OverlayInode inode)
    {
        if (sb.Work.Index is null || inode.Lowers.Length == 0)
            return false;
        return sb.Options.NfsExport || (!inode.IsDirectory && inode.Lowers[0].Inode.Nlink > 1);
    }

    /// <summary>Name of the entry of a lower file.</summary>
    public static byte[] NameOf(OverlaySuperBlock sb, Dentry lower) => OriginHandle.IndexName(FileHandles.Encode(sb, lower, isUpper: false));

    /// <summary>Finds the entry of a lower object, and checks that it fits.</summary>
    /// <param name="sb">The overlay.</param>
    /// <param name="lower">The lower object.</param>
    /// <param name="upper">The upper object of the name that is looked up; null without one.</param>
    /// <param name="verifies">False when a handle is decoded: the upper object is not known then, and a whiteout is no fault.</param>
    /// <param name="index">The entry; null when there is none, or when it is of another upper file.</param>
    /// <returns>EIO: the entry is of another type, or of another upper directory; ESTALE: a whiteout.</returns>
    public static Errno Lookup(OverlaySuperBlock sb, Dentry lower, Dentry? upper, bool verifies, out Dentry? index)
    {
        index = null;
        var found = Namei.LookupOnePositive(sb.UpperMounter, sb.Work.Index!, NameOf(sb, lower));
        if (!found.IsOk)
            return found.Error == Errno.ENOENT ? Errno.OK : found.Error;
        var entry = found.Value;
        if (entry.Inode!.IsWhiteout && !verifies)
            return Errno.ESTALE;
        if (entry.Inode.IsWhiteout || entry.Inode.Type != lower.Inode!.Type)
        {
            sb.Log($"bad index found (index={PathText.Of(entry)}, ftype={(int)entry.Inode.Type:x}, origin ftype={(int)lower.Inode!.Type:x}).");
            return Errno.EIO;
        }
        if (entry.IsDirectory && verifies && !IsOfDirectory(sb, entry, lower, upper))
            return Errno.EIO;
        if (!entry.IsDirectory && upper is not null && !ReferenceEquals(upper.Inode, entry.Inode))
            return Errno.OK; // a file moved or copied into the upper layer while not mounted: not ours
        index = entry;
        return Errno.OK;
    }

    private static bool IsOfDirectory(OverlaySuperBlock sb, Dentry entry, Dentry lower, Dentry? upper)
    {
        if (upper is null)
        {
            sb.Log($"suspected uncovered redirected dir found (origin={PathText.Of(lower)}, index={PathText.Of(entry)}).");
            return false;
        }
        var error = FileHandles.Verify(sb, entry, sb.Names.Upper, upper, isUpper: true);
        if (error == Errno.ESTALE)
            sb.Log($"suspected multiply redirected dir found (upper={PathText.Of(upper)}, origin={PathText.Of(lower)}, index={PathText.Of(entry)}).");
        return error == Errno.OK;
    }

    /// <summary>Finds the entry of a handle of a lower object.</summary>
    /// <returns>ESTALE: a whiteout, the object was removed.</returns>
    /// <remarks>Linux fs/overlayfs/namei.c: ovl_get_index_fh().</remarks>
    public static Errno Find(OverlaySuperBlock sb, ReadOnlySpan<byte> handle, out Dentry? index)
    {
        index = null;
        var found = Namei.LookupOnePositive(sb.UpperMounter, sb.Work.Index!, OriginHandle.IndexName(handle));
        if (!found.IsOk)
            return found.Error == Errno.ENOENT ? Errno.OK : found.Error;
        if (found.Value.Inode!.IsWhiteout)
            return Errno.ESTALE;
        index = found.Value;
        return Errno.OK;
    }

    /// <summary>The upper directory that a directory's entry names.</summary>
    /// <returns>ESTALE: it is gone; EIO: it is no directory; null without an error when the entry names none.</returns>
    /// <remarks>Linux fs/overlayfs/namei.c: ovl_index_upper().</remarks>
    public static Errno UpperOf(OverlaySuperBlock sb, Dentry index, bool inLayer, out Dentry? upper)
    {
        upper = null;
        Span<byte> stored = stackalloc byte[OriginHandle.MaxSize];
        int length = sb.GetOwnXattr(index, sb.Names.Upper, stored);
        if (length <= 0 || OriginHandle.Check(stored[..length]) != OriginHandle.Fault.None)
            return Errno.OK;
        upper = FileHandles.FindUpper(sb, stored[..length], inLayer);
        if (upper is null)
            return Errno.ESTALE;
        if (upper.IsDirectory)
            return Errno.OK;
        sb.Log($"invalid index upper ({PathText.Of(index)}, upper={PathText.Of(upper)}).");
        return Errno.EIO;
    }

    /// <summary>Makes the entry of a directory that is about to appear in the upper layer.</summary>
    /// <remarks>Linux fs/overlayfs/copy_up.c: ovl_create_index().</remarks>
    public static Errno CreateForDirectory(OverlaySuperBlock sb, Dentry lower, Dentry upper)
    {
        var work = sb.Work;
        var temp = work.CreateTemp(sb.UpperMounter, new(Mode.S_IFDIR));
        if (!temp.IsOk)
            return temp.Error;
        var error = Xattrs.VfsSetXattr(sb.UpperMounter, temp.Value, sb.Names.Upper, FileHandles.Encode(sb, upper, isUpper: true), XattrFlags.None);
        if (error == Errno.OK)
        {
            var entry = Namei.LookupOne(sb.UpperMounter, work.Index!, NameOf(sb, lower));
            error = entry.IsOk ? work.Rename(work.Index!, temp.Value, work.Index!, entry.Value, RenameFlags.None) : entry.Error;
        }
        if (error != Errno.OK)
            work.Cleanup(work.Index!, temp.Value);
        return error;
    }

    /// <summary>Links of a new inode object: what the xattr says, else those of the real inode.</summary>
    public static uint NlinkOf(OverlaySuperBlock sb, Dentry? lower, Dentry? upper, uint otherwise)
    {
        if (lower is null || upper is null || lower.Inode!.Nlink == 1 && !sb.Quirks.StoredLinksAlwaysCount)
            return otherwise;
        Span<byte> text = stackalloc byte[12];
        int length = sb.GetOwnXattr(upper, sb.Names.Nlink, text);
        if (length < 0)
            return otherwise;
        var (nlink, error) = NlinkText.Read(text[..length], (int)upper.Inode!.Nlink, (int)lower.Inode.Nlink);
        if (nlink > 0)
            return (uint)nlink;
        sb.Log($"failed to get index nlink ({PathText.Of(upper)}, err={error})");
        return otherwise;
    }

    /// <summary>Stores the union's link count relative to the upper or the lower inode's.</summary>
    public static Errno StoreNlink(OverlaySuperBlock sb, OverlayInode inode, bool fromUpper)
    {
        var real = fromUpper ? inode.Upper!.Inode! : inode.Lowers[0].Inode;
        Span<byte> text = stackalloc byte[13];
        int length = NlinkText.Write(text, fromUpper, (int)inode.Nlink - (int)real.Nlink);
        return Xattrs.VfsSetXattr(sb.UpperMounter, inode.Upper!, sb.Names.Nlink, text[..length], XattrFlags.None);
    }

    /// <summary>Before a name of an indexed inode comes or goes: makes sure that the count is on disk.</summary>
    /// <remarks>Linux fs/overlayfs/util.c: ovl_nlink_start().</remarks>
    public static Errno NlinkStart(OverlayDentry dentry)
    {
        var inode = dentry.Inode!;
        var sb = dentry.Sb;
        if (Needs(sb, inode) && !dentry.HasUpperAlias)
        {
            var error = CopyUp.Whole(dentry, CopyUpKind.Metadata);
            if (error != Errno.OK)
                return error;
        }
        return inode.IsDirectory || !inode.IsIndexed ? Errno.OK : StoreNlink(sb, inode, fromUpper: true);
    }

    /// <summary>Afterwards: an index entry that nobody links to any more goes, or becomes a whiteout.</summary>
    /// <remarks>Linux fs/overlayfs/util.c: ovl_nlink_end(), ovl_cleanup_index().</remarks>
    public static void NlinkEnd(OverlayInode inode)
    {
        if (!inode.IsIndexed || inode.Nlink != 0 || inode.Lowers.Length == 0)
            return;
        var sb = inode.Overlay;
        if (!inode.IsDirectory && inode.Upper!.Inode!.Nlink != 1)
        {
            KeepLinked(sb, inode);
            return;
        }
        var entry = Namei.LookupOne(sb.UpperMounter, sb.Work.Index!, NameOf(sb, inode.Lowers[0].Dentry));
        if (!entry.IsOk)
            return;
        if (sb.IndexesAll)
            _ = sb.Work.CleanupAndWhiteout(sb.Work.Index!, entry.Value); // the name is gone, whatever becomes of the entry
        else if (entry.Value.IsPositive)
            sb.Work.Cleanup(sb.Work.Index!, entry.Value);
    }

    /// <summary>A lower link made behind the union's back was counted down too: the upper names that are left count.</summary>
    private static void KeepLinked(OverlaySuperBlock sb, OverlayInode inode)
    {
        var upper = inode.Upper!.Inode!;
        sb.Log($"cleanup linked index ({PathText.Of(inode.Upper)}, ino={upper.Ino}, nlink={upper.Nlink})");
        inode.Nlink = upper.Nlink - 1;
        _ = StoreNlink(sb, inode, fromUpper: true);
    }
}
