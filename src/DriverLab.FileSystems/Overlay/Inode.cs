using System.Runtime.CompilerServices;
using DriverLab.FileSystems.Layers;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Simulation;
using DriverLab.Vfs;
using DriverLab.Vfs.Helpers;

namespace DriverLab.FileSystems.Overlay;

/// <summary>An object of the union: where it is in the layers, and a copy of the attributes of the one that counts (the real inode).</summary>
/// <remarks>Linux fs/overlayfs/ovl_entry.h: struct ovl_inode; fs/overlayfs/inode.c.</remarks>
internal abstract partial class OverlayInode : Inode
{
    private protected OverlayInode(OverlaySuperBlock sb, Mode mode) : base(sb, mode) => Overlay = sb;

    public readonly OverlaySuperBlock Overlay;

    /// <summary>The object in the upper layer; null before copy-up.</summary>
    public Dentry? Upper { get; private set; }

    /// <summary>The objects in lower layers, top first. A file copied up keeps its origin here.</summary>
    public LayerPath[] Lowers { get; private set; } = [];

    /// <summary>The redirect xattr of the upper object.</summary>
    public byte[]? Redirect { get; set; }

    /// <summary>The upper file has attributes only; its content is still that of the lowest file (metacopy).</summary>
    public bool LacksUpperData { get; set; }

    /// <summary>Where the content is in the data-only layers; null when it is in a layer of the stack.</summary>
    public byte[]? DataRedirect { get; set; }

    private VfsPath _lowerData;

    /// <summary>The file whose content counts.</summary>
    /// <returns>ENOENT (no data-only layer has it).</returns>
    /// <remarks>Linux fs/overlayfs/util.c: ovl_path_realdata(); fs/overlayfs/namei.c: ovl_lookup_data_layers().</remarks>
    public Errno GetData(out VfsPath path)
    {
        path = RealPath;
        if (Upper is not null && !LacksUpperData)
            return Errno.OK;
        if (DataRedirect is null)
        {
            path = Lowers[^1].Path;
            return Errno.OK;
        }
        if (!_lowerData.IsValid)
            _lowerData = Overlay.FindData(DataRedirect);
        path = _lowerData;
        return path.IsValid ? Errno.OK : Errno.ENOENT;
    }

    private bool _isVerified;

    /// <summary>Looks for the content where that is put off, and checks it when it is that of another file.</summary>
    /// <returns>ENOENT (no data-only layer has it), EIO, ERANGE (what <see cref="Verity"/> finds).</returns>
    /// <remarks>Linux fs/overlayfs/util.c: ovl_verify_lowerdata().</remarks>
    public Errno VerifyData()
    {
        var error = GetData(out var data);
        if (error != Errno.OK || !IsMetacopy || _isVerified)
            return error;
        error = Verity.Validate(Overlay, Real, data.Dentry);
        _isVerified = error == Errno.OK && Overlay.Options.Verity != VerityMode.Off;
        return error;
    }

    /// <summary>The content is elsewhere than the attributes.</summary>
    private bool IsMetacopy => IsRegular && (Upper is not null ? LacksUpperData : Lowers.Length > 1 || DataRedirect is not null);

    /// <summary>The upper directory holds objects whose numbers are not their own.</summary>
    public bool IsImpure { get; set; }

    /// <summary>Copied up through the index directory: its links are counted over all layers.</summary>
    public bool IsIndexed { get; set; }

    /// <summary>The number stays the lower one after copy-up.</summary>
    public bool KeepsIno { get; set; }

    /// <summary>Merged, or was pure lower with whiteouts: listing needs a merge.</summary>
    public bool MayHoldWhiteouts { get; set; }

    /// <summary>Counts changes that a cached listing must notice.</summary>
    public long Version { get; set; }

    /// <summary>The real inode under which the super block finds this one; null when it cannot be found again.</summary>
    public Inode? Key { get; set; }

    /// <summary>The entry that counts: upper, or the topmost lower one.</summary>
    public Dentry Real
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => Upper ?? Lowers[0].Dentry;
    }

    public Inode RealInode => Real.Inode!;

    /// <summary>The mounter, as the layer of the real object sees it.</summary>
    private Caller RealMounter => Overlay.Mounter.Through(RealPath.Mount);

    public VfsPath RealPath => Upper is { } upper ? Overlay.Upper!.At(upper) : Lowers[0].Path;

    public bool IsMerged => Upper is not null ? Lowers.Length > 0 && (IsDirectory || LacksUpperData) : Lowers.Length > 1;

    public bool HasOrigin => Upper is not null && Lowers.Length > 0 && KeepsIno;

    // ---- the entries of a file ----------------------------------------------------------------------------------------------------------

    private FileEntries _entries;

    /// <summary>Remembers an entry of a file.</summary>
    public void NoteEntry(OverlayDentry dentry)
    {
        if (!IsDirectory)
            _entries.Note(dentry);
    }

    /// <summary>The newest entry that is still there.</summary>
    /// <remarks>Linux fs/dcache.c: d_find_any_alias().</remarks>
    public OverlayDentry? FindAlias()
    {
        if (IsDirectory)
            return Alias is OverlayDentry own && (!own.IsUnlinked || own.IsInUse) ? own : null;
        return (OverlayDentry?)_entries.Newest;
    }

    /// <summary>True when the file can be looked up by another name that is known.</summary>
    public bool HasOtherEntry(OverlayDentry than) => _entries.HasOther(than);

    // ---- making -------------------------------------------------------------------------------------------------------------------------

    /// <summary>Makes an inode object of the right kind, without a place in the layers.</summary>
    /// <remarks>Linux fs/overlayfs/inode.c: ovl_fill_inode().</remarks>
    public static OverlayInode OfMode(OverlaySuperBlock sb, Mode mode) => (mode & Mode.S_IFMT) switch
    {
        Mode.S_IFDIR => new OverlayDirectory(sb, mode),
        Mode.S_IFREG => new OverlayFile(sb, mode),
        Mode.S_IFLNK => new OverlaySymlink(sb, mode),
        _ => new OverlaySpecial(sb, mode),
    };

    /// <summary>Gives the inode its place in the layers, its number and its attributes.</summary>
    /// <remarks>Linux fs/overlayfs/util.c: ovl_inode_init(). The root's mark is not read: its protection ends with the mount.</remarks>
    public void Init(Dentry? upper, LayerPath[] lowers, ulong realIno, int fsId, bool isRoot = false)
    {
        Upper = upper;
        Lowers = lowers;
        upper?.Hold();
        foreach (var lower in lowers)
            lower.Dentry.Hold();
        CopyAttributes();
        if (!isRoot)
            Flags |= StoredProtection();
        Rdev = RealInode.Rdev;
        Ino = realIno;
        if (Overlay.TryMapIno(realIno, fsId, out ulong mapped))
            Ino = mapped;
        else if (IsDirectory)
            Ino = Overlay.NextIno() | (Overlay.XinoBits > 0 ? 1UL << (64 - Overlay.XinoBits) : 0);
    }

    /// <summary>Copy-up has made an upper object.</summary>
    /// <remarks>Linux fs/overlayfs/util.c: ovl_inode_update().</remarks>
    public void SetUpper(Dentry upper)
    {
        Upper = upper;
        upper.Hold();
        if (Key is null)
        {
            // A broken hard link was not findable; its new upper inode is.
            Overlay.RemoveInode(this);
            Overlay.AddInode(upper.Inode, this);
        }
    }

    /// <summary>Gives the real inodes back when the overlay goes.</summary>
    public void LetGo()
    {
        Upper?.Release();
        foreach (var lower in Lowers)
            lower.Dentry.Release();
        Upper = null;
        Lowers = [];
    }

    protected override void Evict()
    {
        Overlay.RemoveInode(this);
        LetGo();
    }

    /// <summary>Takes owner, mode, times and size over from the real inode.</summary>
    /// <remarks>Linux fs/overlayfs/util.c: ovl_copyattr().</remarks>
    public void CopyAttributes()
    {
        const InodeFlags copied = InodeFlags.S_SYNC | InodeFlags.S_NOATIME | InodeFlags.S_APPEND | InodeFlags.S_IMMUTABLE;
        var real = RealInode;
        TakeAttributes(real);
        if (RealPath.Mount.Mapping is { } mapping)
            (Uid, Gid) = (mapping.ShownUid(Uid), mapping.ShownGid(Gid));
        // What the union alone protects stays protected.
        var kept = Upper is null ? InodeFlags.None : Flags & (InodeFlags.S_APPEND | InodeFlags.S_IMMUTABLE);
        Flags = (Flags & ~copied) | (real.Flags & copied) | kept;
    }

    /// <summary>Marks the upper directory as holding objects whose numbers are not their own.</summary>
    /// <remarks>Linux fs/overlayfs/util.c: ovl_set_impure(). Lack of xattr support is no error: then no numbers are kept either.</remarks>
    public Errno MakeImpure()
    {
        if (IsImpure)
            return Errno.OK;
        var error = Overlay.CheckSetXattr(Upper!, Overlay.Names.Impure, "y"u8, Errno.OK);
        IsImpure = error == Errno.OK;
        return error;
    }

    /// <summary>Something changed in this directory.</summary>
    /// <remarks>Linux fs/overlayfs/util.c: ovl_dir_modified().</remarks>
    public void NoteChange(bool concernsNumbers)
    {
        CopyAttributes();
        if (MayHoldWhiteouts || concernsNumbers)
            Version++;
    }

    // ---- attributes ---------------------------------------------------------------------------------------------------------------------

    /// <summary>What the real object reports, with device and inode number as the union shows them.</summary>
    /// <remarks>Linux fs/overlayfs/inode.c: ovl_getattr(), ovl_map_dev_ino().</remarks>
    public override Errno GetAttr(Caller caller, in VfsPath path, StatxMask mask, AtFlags flags, out Statx stat)
    {
        var real = RealPath;
        var error = Attributes.VfsGetAttr(Overlay.Mounter, real, mask, flags, out stat);
        if (error == Errno.OK && Overlay.Quirks.CopiesFlags)
            Attributes.FillFlags(this, ref stat);
        if (error != Errno.OK)
            return error;
        int fsId = 0;
        bool isDirectory = IsDirectory;
        if (!isDirectory || Overlay.IsSameDev)
        {
            if (Upper is null)
                fsId = Lowers[0].Layer.FsId;
            else if (HasOrigin)
                fsId = TakeOriginIno(ref stat, isDirectory);
        }
        if (IsMetacopy)
            stat.Blocks = DataBlocks(stat.Size);
        MapDevAndIno(ref stat, fsId, isDirectory);
        if (isDirectory && IsMerged)
            stat.Nlink = Overlay.Core.IsMutated(Mutation.MergedLinksCounted) ? stat.Nlink : 1;
        else if (!isDirectory && IsIndexed)
            stat.Nlink = Nlink;
        return Errno.OK;
    }

    // Blocks of data that was not looked up yet are guessed from the size.
    private ulong DataBlocks(ulong size)
    {
        if (DataRedirect is not null && !_lowerData.IsValid)
            return (size + Limits.PAGE_SIZE - 1) / Limits.PAGE_SIZE * (Limits.PAGE_SIZE / Limits.SECTOR_SIZE);
        return GetData(out var data) == Errno.OK && data.Inode.GetAttr(Overlay.Mounter, data, StatxMask.STATX_BLOCKS, AtFlags.None, out var stat) == Errno.OK ? stat.Blocks : 0;
    }

    /// <summary>The number of the object that this one was copied from, unless several copies share it.</summary>
    private int TakeOriginIno(ref Statx stat, bool isDirectory)
    {
        var (ino, links) = Told(Lowers[0]);
        bool mayShare = !IsIndexed && (Overlay.Options.NfsExport || (!isDirectory && links != 1));
        if (mayShare)
            return 0;
        stat.Ino = ino;
        return Lowers[0].Layer.FsId;
    }

    // A layer that is an overlay itself reports another number than its inode has, and other links.
    private (ulong Ino, uint Links) Told(in LayerPath origin)
    {
        const StatxMask asked = StatxMask.STATX_INO | StatxMask.STATX_NLINK;
        if (origin.Dentry.Sb.StackDepth > 0 && origin.Inode.GetAttr(Overlay.Mounter, origin.Path, asked, AtFlags.None, out var lower) == Errno.OK)
            return (lower.Ino, lower.Nlink);
        return (origin.Inode.Ino, origin.Inode.Nlink);
    }

    private void MapDevAndIno(ref Statx stat, int fsId, bool isDirectory)
    {
        var dev = Overlay.Dev;
        if (Overlay.TryMapIno(stat.Ino, fsId, out ulong mapped))
            stat.Ino = mapped;
        else if (isDirectory)
            stat.Ino = Ino;
        else
            dev = Overlay.FileSystems[fsId].PseudoDev;
        stat.DevMajor = dev.Major;
        stat.DevMinor = dev.Minor;
    }

    /// <summary>Checks against the union's inode, copies up, and changes the upper object as the mounter.</summary>
    /// <remarks>Linux fs/overlayfs/inode.c: ovl_setattr().</remarks>
    public override Errno SetAttr(Caller caller, Dentry dentry, ref Iattr attr)
    {
        var error = Attributes.SetAttrPrepare(caller, dentry, ref attr);
        if (error == Errno.OK)
            error = CopyUp.Whole((OverlayDentry)dentry, attr.Has(AttrValid.ATTR_SIZE) ? CopyUpKind.Complete : CopyUpKind.Metadata);
        if (error != Errno.OK)
            return error;
        error = Overlay.Upper!.Mount.WantWrite();
        if (error != Errno.OK)
            return error;
        if (attr.Has(AttrValid.ATTR_KILL_SUID | AttrValid.ATTR_KILL_SGID))
            attr.Valid &= ~AttrValid.ATTR_MODE;
        attr.Valid &= ~(AttrValid.ATTR_FILE | AttrValid.ATTR_OPEN);
        attr.File = null;
        error = Attributes.NotifyChange(Overlay.UpperMounter, Upper!, ref attr);
        if (error == Errno.OK)
            CopyAttributes();
        return error;
    }

    /// <summary>The lists of the real inode count.</summary>
    /// <remarks>Linux fs/overlayfs/inode.c: ovl_get_acl().</remarks>
    public override PosixAcls? Acls
    {
        get => RealInode.Acls is { } acls ? RealPath.Mount.Mapping is { } mapping ? acls.Through(mapping) : acls : null;
        set => throw new InvalidOperationException("lists are set on the real inode");
    }

    /// <summary>The caller must be allowed by the union's inode, the mounter by the real one. A lower file that would be written will be read.</summary>
    /// <remarks>Linux fs/overlayfs/inode.c: ovl_permission().</remarks>
    public override Errno Permission(Caller caller, AccessMode mask)
    {
        var error = Permissions.Generic(this, caller.Credentials, mask);
        if (error != Errno.OK)
            return error;
        var real = RealInode;
        if (Upper is null && (mask & AccessMode.W_OK) != 0 && (Type is Mode.S_IFREG or Mode.S_IFDIR or Mode.S_IFLNK))
            mask = (mask & ~AccessMode.W_OK) | AccessMode.R_OK;
        return Permissions.Check(real, RealMounter, mask);
    }

    /// <summary>Only the upper layer's access times move.</summary>
    /// <remarks>Linux fs/overlayfs/inode.c: ovl_update_time().</remarks>
    public override void UpdateAtime(long nowNs)
    {
        if (Upper is not { } upper)
            return;
        Files.TouchAtime(Overlay.Upper!.At(upper));
        AtimeNs = upper.Inode!.AtimeNs;
    }
}

/// <summary>A symbolic link of the union.</summary>
internal sealed class OverlaySymlink(OverlaySuperBlock sb, Mode mode) : OverlayInode(sb, mode)
{
    /// <remarks>Linux fs/overlayfs/inode.c: ovl_get_link().</remarks>
    public override SysResult<LinkTarget> GetLink(Caller caller, Dentry dentry) => RealInode.GetLink(Overlay.Mounter, Real);
}

/// <summary>A FIFO, socket or device node: opening it does not copy it up.</summary>
internal sealed class OverlaySpecial(OverlaySuperBlock sb, Mode mode) : OverlayInode(sb, mode);
