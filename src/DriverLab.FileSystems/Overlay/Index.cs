using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Vfs;

namespace DriverLab.FileSystems.Overlay;

/// <summary>The index directory: for each copied-up lower hard link one entry, named by the lower file's handle, that all its upper names are links of.</summary>
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

    /// <summary>Finds the entry of a lower file, and checks that it fits.</summary>
    /// <returns>EIO: the entry is of another type.</returns>
    public static Errno Lookup(OverlaySuperBlock sb, Dentry lower, Dentry? upper, out Dentry? index)
    {
        index = null;
        var found = Namei.LookupOnePositive(sb.Mounter, sb.Work.Index!, NameOf(sb, lower));
        if (!found.IsOk)
            return found.Error == Errno.ENOENT ? Errno.OK : found.Error;
        var entry = found.Value;
        if (entry.Inode!.IsWhiteout)
        {
            sb.Log($"orphan index entry found ({PathText.Of(entry)}, ftype={(int)entry.Inode.Type:x}, nlink={entry.Inode.Nlink}).");
            return Errno.EIO;
        }
        if (entry.Inode.Type != lower.Inode!.Type)
        {
            sb.Log($"bad index found (index={PathText.Of(entry)}, ftype={(int)entry.Inode.Type:x}, origin ftype={(int)lower.Inode.Type:x}).");
            return Errno.EIO;
        }
        if (upper is not null && !ReferenceEquals(upper.Inode, entry.Inode))
            return Errno.OK; // a file moved or copied into the upper layer while not mounted: not ours
        index = entry;
        return Errno.OK;
    }

    /// <summary>Links of a new inode object: what the xattr says, else those of the real inode.</summary>
    public static uint NlinkOf(OverlaySuperBlock sb, Dentry? lower, Dentry? upper, uint otherwise)
    {
        if (lower is null || upper is null || lower.Inode!.Nlink == 1)
            return otherwise;
        Span<byte> text = stackalloc byte[13];
        int length = sb.GetOwnXattr(upper, sb.Names.Nlink, text);
        if (length < 0)
            return otherwise;
        if (NlinkText.TryRead(text[..length], (int)upper.Inode!.Nlink, (int)lower.Inode.Nlink, out int nlink))
            return (uint)nlink;
        sb.Log($"failed to get index nlink ({PathText.Of(upper)}, err=-22)");
        return otherwise;
    }

    /// <summary>Stores the union's link count relative to the upper or the lower inode's.</summary>
    public static Errno StoreNlink(OverlaySuperBlock sb, OverlayInode inode, bool fromUpper)
    {
        var real = fromUpper ? inode.Upper!.Inode! : inode.Lowers[0].Inode;
        Span<byte> text = stackalloc byte[13];
        int length = NlinkText.Write(text, fromUpper, (int)inode.Nlink - (int)real.Nlink);
        return Xattrs.VfsSetXattr(sb.Mounter, inode.Upper!, sb.Names.Nlink, text[..length], XattrFlags.None);
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

    /// <summary>Afterwards: an index entry that nobody links to any more goes.</summary>
    /// <remarks>Linux fs/overlayfs/util.c: ovl_nlink_end().</remarks>
    public static void NlinkEnd(OverlayInode inode)
    {
        if (!inode.IsIndexed || inode.Nlink != 0 || inode.IsDirectory || inode.Lowers.Length == 0)
            return;
        var sb = inode.Overlay;
        var entry = Namei.LookupOnePositive(sb.Mounter, sb.Work.Index!, NameOf(sb, inode.Lowers[0].Dentry));
        if (entry.IsOk)
            sb.Work.Cleanup(sb.Work.Index!, entry.Value);
    }
}
