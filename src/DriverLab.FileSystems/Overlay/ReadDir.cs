using DriverLab.FileSystems.Layers;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Simulation;
using DriverLab.Vfs;

namespace DriverLab.FileSystems.Overlay;

/// <summary>The merged list of a directory at one version; opens of the directory share it.</summary>
/// <remarks>Linux fs/overlayfs/readdir.c: struct ovl_dir_cache, ovl_cache_get(), ovl_dir_read_merged().</remarks>
internal sealed class MergedListing
{
    private readonly OverlayDirectory _directory;
    private int _users;

    private MergedListing(OverlayDirectory directory, MergeList entries)
    {
        _directory = directory;
        Entries = entries;
        Version = directory.Version;
    }

    public MergeList Entries { get; }
    public long Version { get; }

    /// <summary>The directory's current list, made when there is none.</summary>
    public static SysResult<MergedListing> Get(OverlayDentry dentry)
    {
        var directory = (OverlayDirectory)dentry.Inode!;
        if (directory.Listing is not { } listing || listing.Version != directory.Version)
        {
            directory.Listing = null;
            var error = Read(dentry, forEmptiness: false, out var entries);
            if (error != Errno.OK)
                return error;
            directory.Listing = listing = new(directory, entries);
        }
        listing._users++;
        return listing;
    }

    /// <summary>An open file lets go; the last one forgets the list.</summary>
    public void Put()
    {
        if (--_users == 0 && ReferenceEquals(_directory.Listing, this))
            _directory.Listing = null;
    }

    /// <summary>Is there nothing visible? The upper layer's whiteouts are given back for removal.</summary>
    /// <returns>ENOTEMPTY, or what reading a layer says.</returns>
    /// <remarks>Linux fs/overlayfs/readdir.c: ovl_check_empty_dir().</remarks>
    public static Errno CheckEmpty(OverlayDentry dentry, out List<byte[]>? whiteouts)
    {
        whiteouts = null;
        var error = Read(dentry, forEmptiness: true, out var entries);
        if (error != Errno.OK)
            return error;
        for (int i = 0; i < entries.Count; i++)
        {
            ref var entry = ref entries[i];
            var name = entries.NameOf(entry);
            if (entry.IsHidden)
            {
                if (entry.Layer == 0)
                    (whiteouts ??= []).Add(name.ToArray());
            }
            else if (!name.SequenceEqual("."u8) && !name.SequenceEqual(".."u8))
            {
                return Errno.ENOTEMPTY;
            }
        }
        return Errno.OK;
    }

    private static Errno Read(OverlayDentry dentry, bool forEmptiness, out MergeList entries)
    {
        var inode = dentry.Inode!;
        entries = new MergeList();
        var receiver = new MergeReceiver(dentry, entries, forEmptiness);
        var error = Errno.OK;
        if (inode.Upper is not null)
            error = receiver.ReadLayer(inode.Overlay.Upper!, inode.Upper, isLowest: inode.Lowers.Length == 0);
        for (int i = 0; i < inode.Lowers.Length && error == Errno.OK; i++)
            error = receiver.ReadLayer(inode.Lowers[i].Layer, inode.Lowers[i].Dentry, isLowest: i == inode.Lowers.Length - 1);
        entries.Seal();
        return error;
    }
}

/// <summary>Takes the entries of one layer after the other.</summary>
internal sealed class MergeReceiver(OverlayDentry dentry, MergeList entries, bool forEmptiness) : DirContext
{
    private readonly OverlaySuperBlock _sb = dentry.Sb;
    private readonly List<int> _maybeWhiteouts = [];
    private Layer _layer = null!;
    private bool _isLowest;
    private bool _holdsMarked;

    /// <summary>Reads a layer's directory to its end, then finds out which of its device nodes are whiteouts.</summary>
    public Errno ReadLayer(Layer layer, Dentry real, bool isLowest)
    {
        _layer = layer;
        _isLowest = isLowest;
        _holdsMarked = _sb.Escapes && layer.HasXattrWhiteouts && _sb.OpaqueValue(real) == 'x';
        _maybeWhiteouts.Clear();
        var error = _sb.Read(layer.At(real), this);
        foreach (int index in _maybeWhiteouts)
        {
            ref var entry = ref entries.Discovered(index);
            var found = Namei.LookupOnePositive(_sb.Mounter.Through(layer.Mount), real, entries.NameOf(entry));
            entry.IsHidden = found.IsOk && found.Value.Inode!.IsWhiteout && !_sb.Core.IsMutated(Mutation.WhiteoutsListed);
        }
        return error;
    }

    public override bool Emit(ReadOnlySpan<byte> name, ulong ino, DirentType type)
    {
        int index = entries.Add(name, ino, type, _layer.Index, _isLowest);
        if (index < 0)
            return true;
        ref var entry = ref entries.Discovered(index);
        entry.IsDoubtful = _holdsMarked && type == DirentType.DT_REG;
        if (!forEmptiness && MustFindIno(name))
            entry.Ino = 0;
        if (type == DirentType.DT_CHR)
            _maybeWhiteouts.Add(index);
        return true;
    }

    /// <summary>Will the number have to be asked for, because the layer's own is not what stat shows?</summary>
    /// <remarks>Linux fs/overlayfs/readdir.c: ovl_calc_d_ino().</remarks>
    private bool MustFindIno(ReadOnlySpan<byte> name)
    {
        if (_sb.XinoBits > 0 || name.SequenceEqual(".."u8))
            return true;
        return _layer.Index == 0 && (name.SequenceEqual("."u8) || dentry.Inode!.IsImpure);
    }
}

/// <summary>An open directory. With a single layer that holds no whiteouts it is the real one; else the merged list with its own offsets.</summary>
/// <remarks>Linux fs/overlayfs/readdir.c: ovl_iterate(), ovl_dir_llseek(), ovl_dir_fsync().</remarks>
internal sealed class OverlayDirectoryFile(VfsPath path, OpenFlags flags, OpenFile real) : OpenFile(path, flags)
{
    // What it was opened on goes on being read; a directory that was copied up since is synced through a file of its own. fs/overlayfs/readdir.c: struct ovl_dir_file.
    private readonly OpenFile _real = real;
    private OpenFile? _upperReal;
    private bool _isReal = !((OverlayDirectory)path.Inode).MayHoldWhiteouts;
    private MergedListing? _listing;

    public override SysResult<int> Read(Caller caller, Span<byte> buffer, ref long position) =>
        Inode.Sb.Core.IsMutated(Mutation.OverlayDirectoryReadIsEinval) ? Errno.EINVAL : Errno.EISDIR;
    private RealDirectoryFilter? _filter;

    private OverlayDirectory Directory => (OverlayDirectory)Inode;

    public override bool TakesFlagRequests => !Directory.Overlay.Quirks.CopiesFlags;

    public override SysResult<int> Ioctl(Caller caller, uint request, Span<byte> argument) => Ioctl(caller, request, 0);

    public override SysResult<int> Ioctl(Caller caller, uint request, long value) => TakesFlagRequests ? OldFlagRequests.Run(caller, this, request) : Errno.ENOTTY;
    private OverlayDentry Dentry => (OverlayDentry)Path.Dentry;
    private OverlaySuperBlock Sb => Directory.Overlay;

    public override Errno Iterate(Caller caller, DirContext context)
    {
        if (context.Position == 0)
            Reset();
        if (_isReal)
            return IterateReal(context);
        if (_listing is null)
        {
            var listing = MergedListing.Get(Dentry);
            if (!listing.IsOk)
                return listing.Error;
            _listing = listing.Value;
        }
        var entries = _listing.Entries;
        while (context.Position < entries.Count)
        {
            ref var entry = ref entries[(int)context.Position];
            if (!entry.IsHidden && (entry.Ino == 0 || entry.IsDoubtful))
            {
                var error = EntryNumbers.Find(Dentry, entries, ref entry);
                if (error != Errno.OK)
                    return error;
            }
            if (!entry.IsHidden && !context.Emit(entries.NameOf(entry), entry.Ino, entry.Type))
                break;
            context.Position++;
        }
        return Errno.OK;
    }

    /// <summary>At position 0 a list that the directory has outgrown is dropped.</summary>
    private void Reset()
    {
        if (_listing is { } listing && listing.Version != Directory.Version)
        {
            _listing = null;
            listing.Put();
        }
        _isReal = !Directory.MayHoldWhiteouts;
    }

    private Errno IterateReal(DirContext context)
    {
        var parent = Dentry.Parent;
        bool mustFilter = Sb.XinoBits > 0 || (Sb.IsSameFs && (IsImpureUpper || parent.IsMerged));
        _real.Position = context.Position;
        if (!mustFilter)
        {
            var error = Files.IterateDir(Sb.Mounter, _real, context);
            return error;
        }
        _filter ??= new RealDirectoryFilter(this);
        return _filter.Run(_real, context);
    }

    /// <summary>The directory was upper when it was opened, and holds copied-up objects.</summary>
    /// <remarks>Linux fs/overlayfs/readdir.c: ovl_is_impure_dir().</remarks>
    internal bool IsImpureUpper => Directory.Upper is { } upper && ReferenceEquals(_real.Inode, upper.Inode) && Directory.IsImpure;

    internal OverlayDentry Entry => Dentry;

    /// <remarks>Only SEEK_SET and SEEK_CUR, on merged directories; the real directory knows more only for real ones.</remarks>
    public override SysResult<long> LSeek(Caller caller, long offset, SeekWhence whence)
    {
        if (Position == 0)
            Reset();
        if (_isReal)
        {
            _real.Position = Position;
            var moved = _real.LSeek(Sb.Mounter, offset, whence);
            Position = _real.Position;
            return moved;
        }
        if (whence is not (SeekWhence.SEEK_SET or SeekWhence.SEEK_CUR))
            return Errno.EINVAL;
        if (whence == SeekWhence.SEEK_CUR)
            offset += Position;
        if (offset < 0)
            return Errno.EINVAL;
        Position = offset;
        return offset;
    }

    /// <summary>Lower directories need no syncing.</summary>
    public override Errno Fsync(Caller caller, bool dataOnly)
    {
        if (!Sb.Options.ShouldSync || Directory.Upper is not { } upper)
            return Errno.OK;
        if (ReferenceEquals(_real.Inode, upper.Inode))
            return _real.Fsync(Sb.Mounter, dataOnly);
        if (_upperReal is not null)
            return _upperReal.Fsync(Sb.Mounter, dataOnly);
        var opened = Sb.Open(Sb.Upper!.At(upper), OpenFlags.O_RDONLY | OpenFlags.O_DIRECTORY);
        if (!opened.IsOk)
            return opened.Error;
        _upperReal = opened.Value;
        return _upperReal.Fsync(Sb.Mounter, dataOnly);
    }

    protected override void Release()
    {
        _listing?.Put();
        // What is closed last ends first.
        Inode.Sb.Core.CloseLate(_real);
        if (_upperReal is not null)
            Inode.Sb.Core.CloseLate(_upperReal);
    }
}
