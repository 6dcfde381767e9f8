using DriverLab.FileSystems.Layers;
using DriverLab.Linux;
using DriverLab.Simulation;
using DriverLab.Vfs;

namespace DriverLab.FileSystems.Overlay;

/// <summary>
/// Finds what a name of the union is made of: the upper object, then the lower ones from the top down, until something hides the rest.
/// One object serves one lookup; the super block keeps it for the next.
/// </summary>
/// <remarks>Linux fs/overlayfs/namei.c: ovl_lookup(), ovl_lookup_layer(), ovl_lookup_single().</remarks>
internal sealed class LayerLookup(OverlaySuperBlock sb)
{
    private LayerPath[] _stack = new LayerPath[4];
    private int _count;

    // State that one layer hands to the next below.
    private byte[] _name = [];
    private byte[]? _redirect;
    private Layer _layer = null!;
    private bool _isDirectory;
    private bool _stop;
    private bool _isOpaque;
    private bool _isLast;
    private bool _isMetacopy;

    /// <summary>Looks a name up in all layers and ends with <see cref="Dentry.Add"/>.</summary>
    /// <returns>ENAMETOOLONG, EPERM (redirect that must not be followed), EINVAL (bad redirect), ELOOP (layers overlap), EREMOTE, EIO, ESTALE.</returns>
    public Errno Run(OverlayDentry dentry)
    {
        if (dentry.Name.Length > sb.NameLimit)
            return Errno.ENAMETOOLONG;
        var parent = dentry.Parent.Inode!;
        var lowers = parent.Lowers;
        Reset(dentry);
        _isLast = !ReadsRedirects && lowers.Length == 0; // in an upper directory nothing can be merged then, and no mark is read
        var result = Found.Empty;
        var error = Errno.OK;
        if (parent.Upper is { } upperDirectory)
        {
            error = FindUpper(upperDirectory, ref result);
            if (error == Errno.OK && _redirect is [(byte)'/', ..])
                lowers = RootLowers;
        }
        if (error == Errno.OK && !_stop)
            error = FindLowers(dentry, lowers, ref result);
        if (error == Errno.OK && _count > 0 && sb.Work.Index is not null && (!_isDirectory || sb.IndexesAll))
            error = FindIndex(dentry, ref result);
        return error == Errno.OK ? Attach(dentry, result) : error;
    }

    /// <summary>Redirects are read though they may not be followed where they may lead to data only.</summary>
    private bool ReadsRedirects => sb.Options.FollowsRedirects || (sb.HasDataLayers && !sb.Quirks.DataLayersNeedMetacopy);

    private LayerPath[] RootLowers => ((OverlayInode)sb.Root.Inode!).Lowers;

    /// <summary>What the upper layer contributed.</summary>
    private struct Found
    {
        public static Found Empty => default;
        public Dentry? Upper;
        public Dentry? Index;
        public byte[]? Redirect;
        public bool IsOpaque;
        public bool IsMetacopy;
        public LayerPath? Origin;
        public byte[]? DataRedirect;
    }

    private void Reset(OverlayDentry dentry)
    {
        _count = 0;
        _name = dentry.Name.ToArray();
        _redirect = null;
        _isDirectory = _stop = _isOpaque = _isLast = _isMetacopy = false;
    }

    // ---- the upper layer ----------------------------------------------------------------------------------------------------------------

    private Errno FindUpper(Dentry upperDirectory, ref Found found)
    {
        _layer = sb.Upper!;
        var error = FindInLayer(upperDirectory, out found.Upper);
        if (error != Errno.OK)
            return error;
        if (found.Upper is { } upper && !_isDirectory)
        {
            // A file without data is found below by its path; its origin only says which inode it was.
            found.IsMetacopy = _isMetacopy;
            error = OriginOf(upper, out found.Origin);
            if (found.Origin is { } lower && !_isMetacopy)
                Push(lower);
        }
        found.Redirect = _redirect;
        found.IsOpaque = _isOpaque;
        return error;
    }

    /// <summary>The lower object that an upper one was copied from, if its handle can be decoded.</summary>
    /// <remarks>Linux fs/overlayfs/namei.c: ovl_check_origin(), ovl_check_origin_fh().</remarks>
    private Errno OriginOf(Dentry upper, out LayerPath? origin)
    {
        origin = null;
        Span<byte> handle = stackalloc byte[OriginHandle.MaxSize];
        int length = sb.GetOwnXattr(upper, sb.Names.Origin, handle);
        return length <= 0 ? Errno.OK : FileHandles.DecodeLower(sb, handle[..length], upper, out origin);
    }

    // ---- the lower layers ---------------------------------------------------------------------------------------------------------------

    private Errno FindLowers(OverlayDentry dentry, LayerPath[] lowers, ref Found found)
    {
        bool follows = sb.Options.FollowsRedirects;
        for (int i = 0; i < lowers.Length && !_stop; i++)
        {
            var lower = lowers[i];
            _layer = lower.Layer;
            if (!sb.Quirks.DataLayersNeedMetacopy && MayNotFollow(dentry) is var refused and not Errno.OK)
                return refused;
            if (!ReadsRedirects)
                _isLast = i == lowers.Length - 1;
            else if (_isDirectory || !sb.HasDataLayers)
                _isLast = lower.Layer.Index == RootLowers.Length;
            var error = FindInLayer(lower.Dentry, out var at);
            if (error != Errno.OK)
                return error;
            if (at is null)
                continue;
            if ((found.IsMetacopy || _isMetacopy) && !sb.Options.Metacopy && sb.Quirks.DataLayersNeedMetacopy)
                return Refuse(dentry, "metacopy origin");
            if (found.Upper is { } upper && _count == 0 && _isDirectory && !sb.HasNoXattrs)
            {
                error = FixOrigin(dentry, upper, at);
                if (error != Errno.OK)
                    return error;
            }
            // A directory is not merged with one that it was not copied from.
            if (found.Upper is not null && _count == 0 && _isDirectory && sb.IndexesAll && FileHandles.VerifyOrigin(sb, found.Upper, at) != Errno.OK)
                break;
            // Of several files without data only the top one counts, and the one with the data.
            if (!_isMetacopy || _count == 0)
                Push(new(lower.Layer, at));
            if (_redirect is not null && !follows && sb.Quirks.DataLayersNeedMetacopy)
                return Refuse(dentry, "redirect");
            if (!_stop && _redirect is [(byte)'/', ..] && !ReferenceEquals(lowers, RootLowers))
            {
                // From an absolute redirect on, the names are those of the root; go on below the layer just seen.
                lowers = RootLowers;
                i = lower.Layer.Index - 1;
            }
        }
        if (_isMetacopy && _count > 0 && sb.HasDataLayers && _redirect is [(byte)'/', ..])
        {
            // Data-only layers are looked at when the data is wanted; what is in the last layer with names may lead there whatever may be followed.
            found.DataRedirect = _redirect;
            return Errno.OK;
        }
        if (!sb.Quirks.DataLayersNeedMetacopy && MayNotFollow(dentry) is var mayNot and not Errno.OK)
            return mayNot;
        if (!_isMetacopy && (!found.IsMetacopy || _count > 0))
            return Errno.OK;
        if (sb.Quirks.TellsOfMissingData)
            sb.Log($"metacopy with no lower data found - abort lookup ({PathText.Of(dentry)})");
        return Errno.EIO;
    }

    /// <summary>What was found so far leads on to where the mount does not go.</summary>
    /// <remarks>Linux 6.16 fs/overlayfs/namei.c: ovl_check_follow_redirect().</remarks>
    private Errno MayNotFollow(OverlayDentry dentry)
    {
        if (_isMetacopy && !sb.Options.Metacopy)
            return Refuse(dentry, "metacopy origin");
        return _redirect is not null && !sb.Options.FollowsRedirects ? Refuse(dentry, "redirect") : Errno.OK;
    }

    private Errno Refuse(OverlayDentry dentry, string what)
    {
        sb.Log($"refusing to follow {what} for ({PathText.Of(dentry)})");
        return Errno.EPERM;
    }

    /// <summary>Merged directories from before origins were stored get theirs now, and their parent becomes impure.</summary>
    /// <remarks>Linux fs/overlayfs/namei.c: ovl_fix_origin().</remarks>
    private Errno FixOrigin(OverlayDentry dentry, Dentry upper, Dentry lower)
    {
        if (sb.GetOwnXattr(upper, sb.Names.Origin, default) >= 0)
            return Errno.OK;
        if (sb.Upper!.Mount.WantWrite() != Errno.OK)
            return Errno.EROFS;
        var error = FileHandles.StoreOrigin(sb, lower, upper);
        return error == Errno.OK ? dentry.Parent.Inode!.MakeImpure() : error;
    }

    private void Push(LayerPath path)
    {
        if (_count == _stack.Length)
            Array.Resize(ref _stack, _count * 2);
        _stack[_count++] = path;
    }

    // ---- one layer ------------------------------------------------------------------------------------------------------------------------

    /// <summary>Looks the current name up below a directory of the current layer; an absolute name component by component.</summary>
    private Errno FindInLayer(Dentry directory, out Dentry? found)
    {
        if (_name is not [(byte)'/', ..])
            return FindOne(directory, _name, 0, _name.Length, out found);
        found = null;
        var at = directory;
        // The name may be replaced by a redirect on the way: positions count from its end.
        for (int rest = _name.Length - 1; rest > 0;)
        {
            int start = _name.Length - rest;
            int length = _name.AsSpan(start).IndexOf((byte)'/');
            if (length < 0)
                length = rest;
            var error = FindOne(at, _name.AsSpan(start, length), start, start + length, out var next);
            if (error != Errno.OK || next is null)
                return error;
            rest -= length + 1;
            if (rest <= 0)
                found = next;
            else if (!next.IsDirectory)
                return Errno.OK;
            at = next;
        }
        return Errno.OK;
    }

    /// <summary>Looks one component up and decides what it means for the layers below.</summary>
    private Errno FindOne(Dentry directory, ReadOnlySpan<byte> component, int start, int end, out Dentry? found)
    {
        found = null;
        bool isLastElement = end == _name.Length;
        var looked = Namei.LookupOnePositive(sb.Mounter.Through(_layer.Mount), directory, component);
        if (!looked.IsOk)
            return looked.Error is Errno.ENOENT or Errno.ENAMETOOLONG ? Errno.OK : looked.Error;
        var dentry = looked.Value;
        if (sb.IsWhiteout(dentry))
        {
            _stop = _isOpaque = !sb.Core.IsMutated(Mutation.WhiteoutNotSeen);
            return Errno.OK;
        }
        if (isLastElement && _isMetacopy && !dentry.Inode!.IsRegular)
        {
            _stop = true; // no data of a file
            return Errno.OK;
        }
        if (!dentry.IsDirectory)
            return FindFile(dentry, start, end, out found);
        if (sb.Work.IsTrap(dentry))
        {
            if (sb.Quirks.SaysWhereLookupsFail)
                sb.Log($"failed lookup in {(_layer.Index == 0 ? "upper" : "lower")} ({PathText.Of(directory)}, name='{PathText.Name(dentry)}', err=-40): overlapping layers");
            return Errno.ELOOP;
        }
        if (isLastElement)
            _isDirectory = true;
        found = dentry;
        if (_isLast)
            return Errno.OK;
        byte opaque = sb.OpaqueValue(dentry);
        if (opaque == 'x' && isLastElement && _layer.Index > 0 && sb.Escapes)
        {
            _layer.HasXattrWhiteouts = true;
        }
        else if (opaque == 'y' && !sb.Core.IsMutated(Mutation.OpaqueNotSeen))
        {
            _stop = true;
            _isOpaque |= isLastElement;
            return Errno.OK;
        }
        return TakeRedirect(dentry, start, end);
    }

    /// <summary>A file below a directory contributes nothing, and hides what is below it; one without data goes on to where its data is.</summary>
    private Errno FindFile(Dentry dentry, int start, int end, out Dentry? found)
    {
        bool isLastElement = end == _name.Length;
        _stop = true;
        found = _isDirectory || !isLastElement ? null : dentry;
        if (found is null)
            return Errno.OK;
        _isMetacopy = false;
        if (dentry.Inode!.IsRegular && Verity.FindMark(sb, dentry, out _isMetacopy) is var error and not Errno.OK)
            return error;
        _stop = !_isMetacopy;
        return _isMetacopy && !_isLast ? TakeRedirect(dentry, start, end) : Errno.OK;
    }

    // ---- redirects ------------------------------------------------------------------------------------------------------------------------

    /// <summary>Replaces the component just found by its redirect, for the layers below.</summary>
    /// <returns>EACCES (attributes of user.* that the mounter may not read), EINVAL.</returns>
    /// <remarks>Linux fs/overlayfs/namei.c: ovl_check_redirect().</remarks>
    private Errno TakeRedirect(Dentry dentry, int start, int end)
    {
        var error = ReadRedirect(sb.Mounter.Through(_layer.Mount), dentry, out var redirect);
        if (error != Errno.OK || redirect is null)
            return error;
        var post = _name.AsSpan(end);
        if (redirect[0] == '/')
        {
            // An opaque ancestor stops the descent, an absolute redirect below it starts it again.
            _stop = false;
            _name = [.. redirect, .. post];
        }
        else
        {
            _name = [.. _name.AsSpan(0, start), .. redirect, .. post];
        }
        _redirect = _name;
        return Errno.OK;
    }

    /// <summary>The redirect that something has; null when it has none.</summary>
    /// <returns>As <see cref="TakeRedirect"/>.</returns>
    /// <remarks>Linux fs/overlayfs/namei.c: ovl_get_redirect_xattr().</remarks>
    private Errno ReadRedirect(Caller reader, Dentry dentry, out byte[]? redirect)
    {
        redirect = null;
        Span<byte> buffer = stackalloc byte[1024];
        var got = Xattrs.VfsGetXattr(reader, dentry, sb.Names.Redirect, buffer);
        if (got.Error == Errno.ERANGE)
            got = Xattrs.VfsGetXattr(reader, dentry, sb.Names.Redirect, buffer = new byte[DriverLab.Linux.Abi.Limits.XATTR_SIZE_MAX]);
        if (got.Error is Errno.ENODATA or Errno.EOPNOTSUPP)
            return Errno.OK;
        if (!got.IsOk)
        {
            sb.Log($"failed to get redirect (-{(int)got.Error})");
            return got.Error;
        }
        var found = buffer[..got.Value];
        if (!IsValidRedirect(found))
        {
            sb.Log($"invalid redirect ({(found.IsEmpty ? "(null)" : System.Text.Encoding.Latin1.GetString(found))})");
            return Errno.EINVAL;
        }
        redirect = found.ToArray();
        return Errno.OK;
    }

    private static bool IsValidRedirect(ReadOnlySpan<byte> redirect)
    {
        if (redirect.IsEmpty)
            return false;
        if (redirect[0] != '/')
            return !redirect.Contains((byte)'/');
        while (!redirect.IsEmpty)
        {
            redirect = redirect[1..];
            int next = redirect.IndexOf((byte)'/');
            int length = next < 0 ? redirect.Length : next;
            if (length == 0)
                return false;
            redirect = redirect[length..];
        }
        return true;
    }

    // ---- the result -----------------------------------------------------------------------------------------------------------------------

    private Errno FindIndex(OverlayDentry dentry, ref Found found)
    {
        var error = IndexDirectory.Lookup(sb, _stack[0].Dentry, found.Upper, verifies: true, out found.Index);
        if (error != Errno.OK || found.Upper is not null || found.Index is not { } index)
            return error;
        _isMetacopy = found.IsMetacopy = index.Inode!.IsRegular && sb.GetOwnXattr(index, sb.Names.Metacopy, default) >= 0;
        error = ReadRedirect(sb.UpperMounter, index, out found.Redirect); // where the first of the names led stays, whichever name is copied up next
        if (error != Errno.OK)
            return error;
        return sb.Quirks.DataLayersNeedMetacopy ? Errno.OK : MayNotFollow(dentry);
    }

    private Errno Attach(OverlayDentry dentry, in Found found)
    {
        dentry.IsOpaque = found.IsOpaque;
        dentry.HasUpperAlias = found.Upper is not null;
        if (found.Upper is null && _count == 0)
        {
            dentry.Add(null);
            return Errno.OK;
        }
        var made = InodeMaking.Get(sb, found.Upper, _stack.AsSpan(0, _count), found.Index, null);
        if (!made.IsOk)
            return made.Error;
        var inode = made.Value;
        if ((found.Upper ?? found.Index) is not null)
            inode.Redirect ??= found.Redirect;
        inode.LacksUpperData = found.IsMetacopy && (found.Upper ?? found.Index) is not null;
        inode.DataRedirect ??= found.DataRedirect;
        if (inode is { IsDirectory: true, Alias: { IsHashed: true } alias })
            return Splice(alias, dentry);
        dentry.Add(inode);
        inode.NoteEntry(dentry);
        return Errno.OK;
    }

    /// <summary>A directory whose layers moved behind the union's back is found under a second name: its one entry moves there.</summary>
    /// <returns>ELOOP: the new name lies below the old one.</returns>
    /// <remarks>Linux fs/dcache.c: d_splice_alias(), __d_unalias().</remarks>
    private static Errno Splice(Dentry alias, OverlayDentry dentry)
    {
        if (alias.IsAncestorOf(dentry))
            return Errno.ELOOP;
        alias.Move(dentry);
        return Errno.OK;
    }
}

/// <summary>The inode of the union for real objects: found again when it is known, else made.</summary>
/// <remarks>Linux fs/overlayfs/inode.c: ovl_get_inode(), ovl_hash_bylower().</remarks>
internal static class InodeMaking
{
    /// <summary>Finds or makes the inode; <paramref name="fresh"/>, if given, is used for a new one.</summary>
    /// <returns>ESTALE when the known inode does not have the same real objects.</returns>
    public static SysResult<OverlayInode> Get(OverlaySuperBlock sb, Dentry? upper, ReadOnlySpan<LayerPath> lowers, Dentry? index, OverlayInode? fresh)
    {
        // A file that was copied up through another name is found by its index entry.
        var effectiveUpper = upper ?? index;
        var lower = lowers.IsEmpty ? null : lowers[0].Dentry;
        var real = (effectiveUpper ?? lower!).Inode!;
        bool byLower = HashesByLower(sb, effectiveUpper, lower, index);
        bool isFindable = effectiveUpper is not null || byLower;
        var key = isFindable ? byLower ? lower!.Inode! : effectiveUpper!.Inode! : null;
        if (key is not null && fresh is null && sb.FindInode(key) is { } known)
        {
            if (Matches(known, effectiveUpper, lower))
                return known;
            sb.Log($"failed to get inode (-{(int)Errno.ESTALE})");
            return Errno.ESTALE;
        }

        var inode = fresh ?? OverlayInode.OfMode(sb, real.Mode);
        int fsId = byLower || effectiveUpper is null ? lowers[0].Layer.FsId : 0;
        inode.Init(effectiveUpper, lowers.ToArray(), (key ?? real).Ino, fsId);
        // A lower file whose copy will not be it any more has no links of its own to count.
        inode.Nlink = inode.IsDirectory || key is null ? 1 : IndexDirectory.NlinkOf(sb, lower, effectiveUpper, real.Nlink);
        inode.IsIndexed = index is not null;
        inode.KeepsIno = byLower;
        if (inode.IsDirectory)
        {
            inode.IsImpure = upper is not null && sb.IsImpure(upper);
            inode.MayHoldWhiteouts = (upper is not null && lower is not null) || lowers.Length > 1
                || sb.GetOwnXattr(upper ?? lower!, sb.Names.Origin, default) >= 0;
        }
        sb.AddInode(key, inode);
        return inode;
    }

    private static bool HashesByLower(OverlaySuperBlock sb, Dentry? upper, Dentry? lower, Dentry? index)
    {
        if (lower is null)
            return false;
        if (index is not null || sb.Upper is null)
            return true;
        bool breaksLink = (upper is not null || sb.Work.Index is null) && !lower.IsDirectory && lower.Inode!.Nlink > 1;
        return !breaksLink && !(sb.Options.NfsExport && upper is not null);
    }

    /// <summary>A name that lost a layer behind the mount's back is stale; a name that has fewer layers than the inode may be another link of it.</summary>
    /// <remarks>Linux fs/overlayfs/inode.c: ovl_verify_inode(), for the strict case.</remarks>
    private static bool Matches(OverlayInode known, Dentry? upper, Dentry? lower)
    {
        var knownLower = known.Lowers.Length > 0 ? known.Lowers[0].Inode : null;
        if (known.IsDirectory && ((lower is null && knownLower is not null) || (upper is null && known.Upper is not null)))
            return false;
        if (lower is not null && !ReferenceEquals(knownLower, lower.Inode))
            return false;
        return upper is null || ReferenceEquals(known.Upper?.Inode, upper.Inode);
    }
}
