using DriverLab.FileSystems.Layers;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Simulation;
using DriverLab.Vfs;

namespace DriverLab.FileSystems.Overlay;

/// <summary>How much of a file's content is copied.</summary>
internal enum CopyUpKind
{
    /// <summary>All of it, because it is going to be written.</summary>
    Complete,
    /// <summary>None: the file is about to be truncated to nothing.</summary>
    WithoutContent,
    /// <summary>As much as the change needs: with metacopy=on none, else all.</summary>
    Metadata,
}

/// <summary>Makes the upper object of something that is only in lower layers: the directories above it first, then itself.</summary>
/// <remarks>
/// Linux fs/overlayfs/copy_up.c: ovl_copy_up_flags(), ovl_copy_up_one(), ovl_do_copy_up(). The order of the steps is visible: content, xattrs, origin, size, mode, owner, times,
/// then the name appears, then the parent gets its old times back.
/// </remarks>
internal ref struct CopyUp
{
    private readonly OverlaySuperBlock _sb;
    private readonly OverlayDentry _dentry;
    private readonly OverlayInode _inode;
    private readonly OverlayInode _parent;
    private readonly CopyUpKind _kind;
    private Statx _stat;
    private Statx _parentStat;
    private byte[]? _target;
    private bool _isIndexed;

    private CopyUp(OverlayDentry dentry, CopyUpKind kind)
    {
        _dentry = dentry;
        _sb = dentry.Sb;
        _inode = dentry.Inode!;
        _parent = dentry.Parent.Inode!;
        _kind = kind;
    }

    private readonly Caller Mounter => _sb.Mounter;

    /// <summary>The mounter as the upper layer sees it.</summary>
    private readonly Caller ByUpper => _sb.UpperMounter;

    /// <summary>True when nothing is left to do.</summary>
    private static bool IsDone(OverlayDentry dentry, CopyUpKind kind) =>
        dentry.Inode!.Upper is not null && (dentry.HasUpperAlias || dentry.IsDisconnected) && !(kind != CopyUpKind.Metadata && dentry.Inode.LacksUpperData);

    /// <summary>Copies up an object and all directories above it.</summary>
    /// <returns>ENOENT (content that is looked up late is missing, even if only attributes are wanted), EROFS (no work directory), EOVERFLOW (an owner without a name where the overlay was mounted), then what the upper layer says; EEXIST when the name of an unlinked file is taken.</returns>
    public static Errno Whole(OverlayDentry dentry, CopyUpKind kind)
    {
        // ovl_copy_up_flags() calls ovl_verify_lowerdata() first.
        if (dentry.Inode!.IsRegular && dentry.Inode.VerifyData() is var wrong and not Errno.OK)
            return wrong;
        while (!IsDone(dentry, kind))
        {
            var next = dentry;
            while (!next.IsRoot && next.Parent.Upper is null)
                next = next.Parent;
            var error = new CopyUp(next, kind).One();
            if (error != Errno.OK)
                return error;
        }
        return Errno.OK;
    }

    private Errno One()
    {
        if (_sb.Upper is not { } upper || _sb.Work.Directory is null)
            return Errno.EROFS;
        var error = upper.Mount.WantWrite();
        if (error != Errno.OK)
            return error;
        if (_inode.Upper is null)
        {
            error = ReadSource();
            if (error == Errno.OK)
                error = Copy();
            if (error != Errno.OK)
                return error;
        }
        else
        {
            error = ReadParent();
        }
        if (error == Errno.OK && !_dentry.HasUpperAlias && !_dentry.IsDisconnected)
            error = LinkUp();
        return error == Errno.OK && _kind != CopyUpKind.Metadata && _inode.LacksUpperData ? CopyDataLater() : error;
    }

    private Errno ReadSource()
    {
        var lower = _inode.Lowers[0];
        var error = Attributes.VfsGetAttr(Mounter, lower.Path, StatxMask.STATX_BASIC_STATS, AtFlags.None, out _stat);
        if (error != Errno.OK)
            return error;
        var space = Mounter.Credentials.Space;
        if (!space.Uids.Knows(_stat.Uid) || !space.Gids.Knows(_stat.Gid))
            return Errno.EOVERFLOW;
        if (_kind == CopyUpKind.WithoutContent)
            _stat.Size = 0;
        if (lower.Inode.IsSymlink)
        {
            var link = lower.Inode.GetLink(Mounter, lower.Dentry);
            if (!link.IsOk)
                return link.Error;
            _target = link.Value.Text.ToArray();
        }
        return ReadParent();
    }

    private Errno ReadParent() =>
        Attributes.VfsGetAttr(Mounter, _parent.RealPath, StatxMask.STATX_ATIME | StatxMask.STATX_MTIME, AtFlags.None, out _parentStat);

    // ---- the copy --------------------------------------------------------------------------------------------------------------------------

    private Errno Copy()
    {
        _isIndexed = IndexDirectory.Needs(_sb, _inode);
        bool toIndex = _isIndexed && !_inode.IsDirectory;
        var destination = toIndex ? _sb.Work.Index! : _parent.Upper!;
        if (!toIndex)
        {
            var impure = _parent.MakeImpure();
            if (impure != Errno.OK)
                return impure;
        }
        var name = toIndex ? IndexDirectory.NameOf(_sb, _inode.Lowers[0].Dentry) : _dentry.Name.ToArray();
        var error = _inode.IsRegular && _sb.Work.HasTmpFile ? CopyThroughTmpFile(destination, name) : CopyThroughWork(destination, name);
        if (error != Errno.OK)
            return error;
        _inode.IsIndexed |= _isIndexed;
        if (toIndex)
            return IndexDirectory.StoreNlink(_sb, _inode, fromUpper: true);
        if (!_parent.Sb.Core.IsMutated(Mutation.CopyUpTouchesParent))
            CopyAttributes.Times(ByUpper, _parent.Upper!, _parentStat);
        _dentry.HasUpperAlias = true;
        return Errno.OK;
    }

    private readonly Errno CopyThroughTmpFile(Dentry destination, byte[] name)
    {
        var temp = Namei.VfsTmpfile(ByUpper, _sb.Work.Directory!, _stat.Mode);
        if (!temp.IsOk)
            return temp.Error;
        var inode = temp.Value.Inode!;
        inode.Hold(); // without a name, closing it would free it
        var file = default(OpenFile);
        var error = _sb.Quirks.TmpFilesEndLate ? OpenNameless(temp.Value, out file) : Errno.OK;
        if (error == Errno.OK)
            error = FillIn(temp.Value, file);
        if (error == Errno.OK)
        {
            var entry = Namei.LookupOne(ByUpper, destination, name);
            error = entry.Error;
            if (entry.IsOk)
                error = entry.Value.IsPositive ? Errno.EEXIST : Namei.VfsLink(ByUpper, temp.Value, destination.Inode!, entry.Value);
            if (error == Errno.OK)
                Appear(_sb.Quirks.KeepsNamelessEntries ? temp.Value : entry.Value);
        }
        if (file is not null)
            _sb.Core.CloseLate(file);
        inode.Release();
        return error;
    }

    /// <summary>A nameless file is open when it is made, whatever its mode allows.</summary>
    private readonly Errno OpenNameless(Dentry temp, out OpenFile? file)
    {
        var opened = Files.DentryOpen(Mounter, _sb.Upper!.At(temp), OpenFlags.O_LARGEFILE | OpenFlags.O_WRONLY);
        file = opened.IsOk ? opened.Value : null;
        return opened.Error;
    }

    private readonly Errno OpenForContent(Dentry temp, out OpenFile? file)
    {
        var opened = _sb.Open(_sb.Upper!.At(temp), OpenFlags.O_WRONLY);
        file = opened.IsOk ? opened.Value : null;
        return opened.Error;
    }

    private readonly Errno CopyThroughWork(Dentry destination, byte[] name)
    {
        // A directory that was replaced by a whiteout ended below the work directory: lock_rename() takes no pair of which one is in the other.
        bool isMisplaced = destination != _sb.Work.Directory && _sb.Work.Directory!.IsAncestorOf(destination);
        if (isMisplaced && !_sb.Quirks.CopiesBeforeLocking)
            return Errno.EIO;
        var wanted = new NewObject(_stat.Mode & Mode.S_IFMT, new DevT(_stat.RdevMajor, _stat.RdevMinor), _target);
        var temp = _sb.Work.CreateTemp(ByUpper, wanted);
        if (!temp.IsOk)
            return temp.Error;
        if (isMisplaced && _sb.Quirks.LeavesMisplacedCopies)
            return Errno.EIO;
        var error = isMisplaced ? Errno.EIO : FillIn(temp.Value, null);
        if (error == Errno.OK && _isIndexed && _inode.IsDirectory)
            error = IndexDirectory.CreateForDirectory(_sb, _inode.Lowers[0].Dentry, temp.Value);
        if (error == Errno.OK)
        {
            var entry = Namei.LookupOne(ByUpper, destination, name);
            error = entry.IsOk && entry.Value.IsPositive && _sb.Quirks.KeepsTakenNames ? Errno.EEXIST
                : entry.IsOk ? _sb.Work.Rename(_sb.Work.Directory!, temp.Value, destination, entry.Value, RenameFlags.None) : entry.Error;
        }
        if (error == Errno.OK)
            Appear(temp.Value);
        else
            _sb.Work.Cleanup(_sb.Work.Directory!, temp.Value);
        return error;
    }

    // A digest is required of files without data, and no lower file has one.
    private readonly bool IsWithoutData => _kind == CopyUpKind.Metadata && _sb.Options.Metacopy && _inode.IsRegular && _sb.Options.Verity != VerityMode.Require;

    /// <summary>Brings the content of a file whose attributes are copied up already. Writing it takes file capabilities away: they come back.</summary>
    /// <remarks>Linux fs/overlayfs/copy_up.c: ovl_copy_up_meta_inode_data().</remarks>
    private readonly Errno CopyDataLater()
    {
        var upper = _inode.Upper!;
        var error = Errno.OK;
        if (_kind != CopyUpKind.WithoutContent && _inode.Size > 0)
        {
            var room = new byte[64];
            var capability = Vfs.Xattrs.VfsGetXattr(ByUpper, upper, Vfs.Xattrs.SecurityCapability, room);
            error = CopyData(upper, _inode.Size, null);
            if (error == Errno.OK && capability.IsOk)
                error = Vfs.Xattrs.VfsSetXattr(ByUpper, upper, Vfs.Xattrs.SecurityCapability, room.AsSpan(0, capability.Value), XattrFlags.None);
        }
        if (error == Errno.OK)
            error = Vfs.Xattrs.VfsRemoveXattr(ByUpper, upper, _sb.Names.Metacopy);
        if (error != Errno.OK)
            return error;
        _inode.LacksUpperData = false;
        _inode.CopyAttributes();
        return Errno.OK;
    }

    private readonly void Appear(Dentry upper)
    {
        _inode.LacksUpperData = IsWithoutData;
        _inode.SetUpper(upper);
        _inode.CopyAttributes();
        if (_inode.IsDirectory)
            _inode.MayHoldWhiteouts = true;
    }

    /// <summary>Gives the new object everything that the lower one has.</summary>
    /// <remarks>Linux fs/overlayfs/copy_up.c: ovl_copy_up_data(), ovl_copy_up_metadata().</remarks>
    private readonly Errno FillIn(Dentry temp, OpenFile? open)
    {
        var lower = _inode.Lowers[0];
        var error = _inode.IsRegular && _stat.Size > 0 && !IsWithoutData ? CopyData(temp, (long)_stat.Size, open) : Errno.OK;
        if (error == Errno.OK && temp.Inode!.ListsXattrs)
        {
            var sb = _sb;
            error = CopyAttributes.Xattrs(Mounter.Through(lower.Layer.Mount), lower.Dentry, ByUpper, temp, name => !sb.Names.IsOwn(name, sb.Escapes) && !sb.Core.IsMutated(Mutation.CopyUpLosesXattrs));
        }
        if (error == Errno.OK && _sb.Quirks.CopiesFlags && (_inode.IsRegular || _inode.IsDirectory))
            error = CopyFlags(lower, temp);
        bool hasOrigin = (_inode.IsDirectory || _isIndexed || _stat.Nlink == 1) && FileHandles.CanStoreOrigin(_sb, _inode);
        if (error == Errno.OK && hasOrigin)
            error = FileHandles.StoreOrigin(_sb, lower.Dentry, temp);
        if (error == Errno.OK && IsWithoutData)
            error = _sb.CheckSetXattr(temp, _sb.Names.Metacopy, default, Errno.EOPNOTSUPP);
        if (error == Errno.OK && _inode.IsRegular)
            error = CopyAttributes.Size(ByUpper, temp, (long)_stat.Size);
        if (error == Errno.OK)
            error = CopyAttributes.OwnerModeTimes(ByUpper, temp, _stat);
        return error == Errno.OK && SyncsMetadata ? Sync(temp) : error;
    }

    private readonly bool SyncsMetadata => _sb.Quirks.MetadataFsync && !_sb.Options.Metacopy && _sb.Options.ShouldSync && (_inode.IsRegular || _inode.IsDirectory);

    /// <remarks>Linux 6.12 fs/overlayfs/copy_up.c: ovl_sync_file().</remarks>
    private readonly Errno Sync(Dentry temp)
    {
        var opened = _sb.Open(_sb.Upper!.At(temp), OpenFlags.O_RDONLY);
        if (!opened.IsOk)
            return opened.Error;
        var error = opened.Value.Fsync(Mounter, dataOnly: false);
        _sb.Core.CloseLate(opened.Value);
        return error;
    }

    /// <remarks>Linux fs/overlayfs/copy_up.c: ovl_copy_fileattr().</remarks>
    private readonly Errno CopyFlags(in LayerPath lower, Dentry temp)
    {
        const InodeFlags copied = InodeFlags.S_SYNC | InodeFlags.S_NOATIME | InodeFlags.S_APPEND | InodeFlags.S_IMMUTABLE;
        if ((_inode.Flags & copied) == 0)
            return Errno.OK;
        _sb.OpenForSecurity(lower.Path);
        if (lower.Inode.GetFileAttr(Mounter, lower.Dentry, out uint flags) != Errno.OK)
            return Errno.OK;
        var error = (flags & (FileAttrs.FS_APPEND_FL | FileAttrs.FS_IMMUTABLE_FL)) != 0 ? _inode.StoreProtection(temp, flags) : Errno.OK;
        if (error is not (Errno.OK or Errno.EPERM))
            return error;
        if ((flags & FileAttrs.FS_NOATIME_FL) == 0)
            return Errno.OK;
        var upper = _sb.Upper!.At(temp);
        _sb.OpenForSecurity(upper);
        if (temp.Inode!.GetFileAttr(Mounter, temp, out uint fresh) != Errno.OK)
            return Errno.OK;
        _sb.OpenForSecurity(upper);
        return temp.Inode.SetFileAttr(Mounter, temp, fresh | FileAttrs.FS_NOATIME_FL, hasMore: false);
    }

    /// <summary>Copies the content into a file that is open already, or is opened for it: after the lower one before 6.1, before it since.</summary>
    private readonly Errno CopyData(Dentry temp, long size, OpenFile? open)
    {
        var error = _inode.GetData(out var data);
        bool sourceFirst = !_sb.Quirks.TmpFilesEndLate;
        var (source, target) = (default(OpenFile), open);
        if (error == Errno.OK && sourceFirst)
            error = OpenSource(data, out source);
        if (error == Errno.OK && target is null)
            error = OpenForContent(temp, out target);
        if (error == Errno.OK && !sourceFirst)
            error = OpenSource(data, out source);
        if (error == Errno.OK)
            error = CopyContent.Copy(Mounter, source!, target!, size, isHeard: _sb.Quirks.CopiesAreHeard);
        if (error == Errno.OK && _sb.Options.ShouldSync && !SyncsMetadata)
            error = target!.Fsync(Mounter, dataOnly: false);
        if (sourceFirst && target is not null)
            _sb.Core.CloseLate(target);
        if (source is not null)
            _sb.Core.CloseLate(source);
        if (!sourceFirst && open is null && target is not null)
            _sb.Core.CloseLate(target);
        return error;
    }

    private readonly Errno OpenSource(in VfsPath data, out OpenFile? file)
    {
        var opened = _sb.Open(data, OpenFlags.O_RDONLY);
        file = opened.IsOk ? opened.Value : null;
        return opened.Error;
    }

    // ---- another name of a copied-up inode -------------------------------------------------------------------------------------------------

    /// <summary>Links the upper inode to this name too.</summary>
    /// <remarks>Linux fs/overlayfs/copy_up.c: ovl_link_up().</remarks>
    private readonly Errno LinkUp()
    {
        var error = _parent.MakeImpure();
        if (error == Errno.OK)
            error = IndexDirectory.StoreNlink(_sb, _inode, fromUpper: false);
        if (error != Errno.OK)
            return error;
        var entry = Namei.LookupOne(ByUpper, _parent.Upper!, _dentry.Name);
        error = entry.IsOk ? Namei.VfsLink(ByUpper, _inode.Upper!, _parent.Upper!.Inode!, entry.Value) : entry.Error;
        if (error != Errno.OK)
            return error;
        if (!_parent.Sb.Core.IsMutated(Mutation.CopyUpTouchesParent))
            CopyAttributes.Times(ByUpper, _parent.Upper!, _parentStat);
        _dentry.HasUpperAlias = true;
        return IndexDirectory.StoreNlink(_sb, _inode, fromUpper: true);
    }
}
