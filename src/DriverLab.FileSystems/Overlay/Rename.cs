using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Simulation;
using DriverLab.Vfs;

namespace DriverLab.FileSystems.Overlay;

/// <summary>
/// One rename. Both ends are copied up; in the upper layer the old name becomes a whiteout when something is below it. Directories that exist below move only with
/// redirects; others say EXDEV and user space copies.
/// </summary>
/// <remarks>Linux fs/overlayfs/dir.c: ovl_rename().</remarks>
internal ref struct Renaming
{
    private readonly OverlaySuperBlock _sb;
    private readonly OverlayDentry _old;
    private readonly OverlayDentry _new;
    private readonly OverlayInode _oldParent;
    private readonly OverlayInode _newParent;
    private readonly bool _exchanges;
    private readonly bool _isSameDirectory;
    private readonly bool _isDirectory;
    private readonly bool _newIsDirectory;
    private RenameFlags _flags;
    private bool _removesWhiteout;
    private Dentry? _opaque;

    public Renaming(OverlayDentry old, OverlayDentry target, RenameFlags flags)
    {
        _sb = old.Sb;
        _old = old;
        _new = target;
        _oldParent = old.Parent.Inode!;
        _newParent = target.Parent.Inode!;
        _flags = flags;
        _exchanges = (flags & RenameFlags.RENAME_EXCHANGE) != 0;
        _isSameDirectory = ReferenceEquals(_oldParent, _newParent);
        _isDirectory = old.IsDirectory;
        _newIsDirectory = target.IsDirectory;
    }

    /// <summary>Does it.</summary>
    /// <returns>EINVAL (flags), EXDEV (directory without redirects, redirect too long), ENOTEMPTY, then copy-up's errors, (ENOENT, EINVAL, ENOTEMPTY,) ESTALE, then what the upper layer says.</returns>
    public Errno Run()
    {
        if ((_flags & ~(RenameFlags.RENAME_EXCHANGE | RenameFlags.RENAME_NOREPLACE)) != 0)
            return Errno.EINVAL;
        _flags &= ~RenameFlags.RENAME_NOREPLACE;
        if ((!CanMove(_old) || (_exchanges && !CanMove(_new))) && !_sb.Core.IsMutated(Mutation.LowerDirectoryRenamed))
            return Errno.EXDEV;
        List<byte[]>? whiteouts = null;
        var error = Errno.OK;
        if (!_exchanges && _newIsDirectory && !Removal.IsPureUpper(_new.Inode!))
            error = MergedListing.CheckEmpty(_new, out whiteouts);
        if (error != Errno.OK)
            return error;
        ChooseWhiteouts();
        error = CopyUpEnds();
        if (error == Errno.OK && whiteouts is { Count: > 0 })
            error = ClearTarget(whiteouts);
        if (error == Errno.OK)
            error = MarkParentsImpure();
        if (error == Errno.OK)
            error = RenameUpper();
        return error;
    }

    private readonly bool CanMove(OverlayDentry dentry) => _sb.Options.RedirectsDirectories || !dentry.IsDirectory || !dentry.IsMergedOrLower;

    /// <summary>What stays at the old name: a new whiteout, the one that stood at the new name, or nothing.</summary>
    private void ChooseWhiteouts()
    {
        if (_exchanges)
            return;
        if (Removal.LowerExists(_old))
        {
            _flags |= _new.IsWhiteout ? RenameFlags.RENAME_EXCHANGE : RenameFlags.RENAME_WHITEOUT;
        }
        else if (_isDirectory && _new.IsWhiteout)
        {
            _flags |= RenameFlags.RENAME_EXCHANGE;
            _removesWhiteout = true;
        }
    }

    private readonly Errno CopyUpEnds()
    {
        var error = CopyUp.Whole(_old, CopyUpKind.Metadata);
        if (error == Errno.OK && _newParent.Upper is null)
            error = CopyUp.Whole(_new.Parent, CopyUpKind.Metadata);
        if (error == Errno.OK && _exchanges)
            error = CopyUp.Whole(_new, CopyUpKind.Metadata);
        else if (error == Errno.OK && _new.IsPositive)
            error = IndexDirectory.NlinkStart(_new);
        return error == Errno.OK ? _sb.Upper!.Mount.WantWrite() : error;
    }

    private Errno ClearTarget(List<byte[]> whiteouts)
    {
        var cleared = Removal.ClearEmpty(_new, whiteouts);
        _opaque = cleared.Value;
        return cleared.Error;
    }

    private readonly Errno MarkParentsImpure()
    {
        if (_isSameDirectory)
            return Errno.OK;
        var error = _old.HasOrigin ? _newParent.MakeImpure() : Errno.OK;
        return error == Errno.OK && _exchanges && _new.HasOrigin ? _oldParent.MakeImpure() : error;
    }

    /// <remarks>Linux fs/overlayfs/dir.c: ovl_rename_upper(), fs/namei.c: __start_renaming().</remarks>
    private readonly Errno RenameUpper()
    {
        var oldUpper = Namei.LookupOne(_sb.UpperMounter, _oldParent.Upper!, _old.Name);
        if (!oldUpper.IsOk)
            return oldUpper.Error;
        bool startsTogether = _sb.Quirks.StartsRenamesTogether;
        if (startsTogether ? oldUpper.Value.IsNegative : !Removal.MatchesUpper(_old, oldUpper.Value))
            return startsTogether ? Errno.ENOENT : Errno.ESTALE;
        var newUpper = Namei.LookupOne(_sb.UpperMounter, _newParent.Upper!, _new.Name);
        if (!newUpper.IsOk)
            return newUpper.Error;
        bool exchangesUpper = (_flags & RenameFlags.RENAME_EXCHANGE) != 0;
        if (startsTogether && exchangesUpper && newUpper.Value.IsNegative)
            return Errno.ENOENT;
        // Directories may have been moved behind the union's back: what is beside another here may be above it there.
        var error = Namei.CheckAncestors(oldUpper.Value, _oldParent.Upper!, newUpper.Value, _newParent.Upper!, exchangesUpper);
        if (error != Errno.OK)
            return startsTogether ? error : Errno.ESTALE;
        if (!Removal.MatchesUpper(_old, oldUpper.Value))
            return Errno.ESTALE;
        // Two names of one object below that are two objects of the union: nothing could be renamed.
        if (!TargetIsAsKnown(newUpper.Value) || (newUpper.Value.IsPositive && ReferenceEquals(newUpper.Value.Inode, oldUpper.Value.Inode)))
            return Errno.ESTALE;
        error = MarkMoved(_old, oldUpper.Value, _isDirectory, _newParent);
        if (error == Errno.OK && _exchanges)
            error = MarkMoved(_new, newUpper.Value, _newIsDirectory, _oldParent);
        if (error == Errno.OK)
            error = _sb.Work.Rename(_oldParent.Upper!, oldUpper.Value, _newParent.Upper!, newUpper.Value, _flags);
        if (error != Errno.OK)
            return error;
        if (_removesWhiteout)
            _sb.Work.Cleanup(_oldParent.Upper!, newUpper.Value);
        Finish();
        return Errno.OK;
    }

    private readonly bool TargetIsAsKnown(Dentry newUpper)
    {
        if (_new.Upper is not null)
            return _opaque is not null ? ReferenceEquals(newUpper.Inode, _opaque.Inode) : Removal.MatchesUpper(_new, newUpper);
        if (newUpper.IsPositive)
            return _new.IsOpaque && _sb.IsWhiteout(newUpper);
        return (_flags & RenameFlags.RENAME_EXCHANGE) == 0;
    }

    /// <summary>A directory that has parts below remembers where; one that has not must not merge with what is below its new name.</summary>
    private readonly Errno MarkMoved(OverlayDentry dentry, Dentry upper, bool isDirectory, OverlayInode newParent)
    {
        if (dentry.IsMergedOrLower)
            return Redirects.Set(_sb, dentry, _isSameDirectory);
        return isDirectory && !dentry.IsOpaque && newParent.IsMerged ? Creation.SetOpaque(dentry, upper, Errno.EXDEV) : Errno.OK;
    }

    private readonly void Finish()
    {
        bool newHasOrigin = _new.HasOrigin;
        if (!_exchanges && _new.Inode is { } replaced)
        {
            if (_newIsDirectory)
                replaced.Nlink = 0;
            else
                Removal.DropNlink(_new);
            IndexDirectory.NlinkEnd(replaced);
        }
        _oldParent.NoteChange(_old.HasOrigin || (_exchanges && newHasOrigin));
        _newParent.NoteChange(_old.HasOrigin || newHasOrigin);
        _old.Inode!.CopyAttributes();
        if (_new.Inode is { Upper: not null } target)
            target.CopyAttributes();
        // What is said of a name stays with the name: the dentries move, their flags with the objects.
        if (!_exchanges)
            _old.HasUpperAlias = true;
    }
}

/// <summary>Where moved directories, and files without data, say that they were.</summary>
/// <remarks>Linux fs/overlayfs/dir.c: ovl_set_redirect(), ovl_need_absolute_redirect(), ovl_get_redirect().</remarks>
internal static class Redirects
{
    /// <summary>Stores the old name, or the path from the root of the overlay: with another parent, and for a file that has several names below.</summary>
    /// <returns>EXDEV (too long, or it could not be stored).</returns>
    public static Errno Set(OverlaySuperBlock sb, OverlayDentry dentry, bool isSameDirectory)
    {
        var inode = dentry.Inode!;
        bool isAbsolute = !isSameDirectory || !inode.IsDirectory && inode.Lowers.Length > 0 && inode.Lowers[0].Inode.Nlink > 1;
        if (inode.Redirect is { } known && (!isAbsolute || known[0] == '/'))
            return Errno.OK;
        var redirect = isAbsolute ? AbsolutePath(sb, dentry) : dentry.Name.ToArray();
        if (redirect is null)
            return Errno.EXDEV;
        var error = sb.CheckSetXattr(inode.Upper!, sb.Names.Redirect, redirect, Errno.EXDEV);
        if (error == Errno.OK)
        {
            inode.Redirect = redirect;
            return Errno.OK;
        }
        sb.Log($"failed to set redirect (-{(int)error})");
        return Errno.EXDEV;
    }

    /// <summary>The path that finds the object in the layers below, through the redirects of its ancestors; null when it is too long.</summary>
    private static byte[]? AbsolutePath(OverlaySuperBlock sb, OverlayDentry dentry)
    {
        var path = new List<byte>();
        for (var at = dentry; !at.IsRoot; at = at.Parent)
        {
            ReadOnlySpan<byte> part = at.Inode!.Redirect ?? at.Name;
            path.InsertRange(0, part.ToArray());
            if (part[0] == '/')
                break;
            path.Insert(0, (byte)'/');
        }
        return path.Count > sb.Quirks.RedirectMax ? null : [.. path];
    }
}
