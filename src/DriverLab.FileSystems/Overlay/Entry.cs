using DriverLab.Vfs;

namespace DriverLab.FileSystems.Overlay;

/// <summary>A name in the union. What it leads to is in the inode; here is what is true of the name alone.</summary>
/// <remarks>Linux fs/overlayfs/overlayfs.h: enum ovl_entry_flag.</remarks>
internal sealed class OverlayDentry(OverlaySuperBlock sb, Dentry? parent, byte[] name) : Dentry(sb, parent, name)
{
    /// <summary>The upper layer hides what is below this name: a whiteout for a negative entry, an opaque directory for a positive one.</summary>
    public bool IsOpaque { get; set; }

    /// <summary>The upper layer has an object at this very name (an inode copied up through another name may lack it).</summary>
    public bool HasUpperAlias { get; set; }

    /// <summary>A directory that was checked, when it got a handle of a lower layer: its way up can be found from that layer.</summary>
    public bool IsConnected { get; set; }

    /// <summary>An entry without a name, of a file that was opened by its handle.</summary>
    /// <remarks>Linux fs/dcache.c: d_obtain_alias().</remarks>
    public bool IsDisconnected => IsRoot && !ReferenceEquals(this, Sb.Root);

    public new OverlaySuperBlock Sb => (OverlaySuperBlock)base.Sb;
    public new OverlayDentry Parent => (OverlayDentry)base.Parent;
    public new OverlayInode? Inode => (OverlayInode?)base.Inode;

    /// <summary>The upper object, or null.</summary>
    public Dentry? Upper => Inode?.Upper;

    /// <summary>A whiteout in the upper layer.</summary>
    public bool IsWhiteout => IsNegative && IsOpaque;

    /// <summary>A directory (or file without data) of several layers; not asked of a name that is free.</summary>
    public bool IsMerged => Inode!.IsMerged;

    /// <summary>Not upper only; not asked of a name that is free.</summary>
    public bool IsMergedOrLower => Upper is null || IsMerged;

    /// <summary>Copied up, with the identity of the lower object.</summary>
    public bool HasOrigin => Inode is { HasOrigin: true };
}
