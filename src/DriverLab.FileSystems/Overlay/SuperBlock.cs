using DriverLab.FileSystems.Layers;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Vfs;

namespace DriverLab.FileSystems.Overlay;

/// <summary>One overlay: its layers, work directory, options as they came out, and the inodes it has made.</summary>
/// <remarks>Linux fs/overlayfs/ovl_entry.h: struct ovl_fs; fs/overlayfs/super.c: ovl_super_operations.</remarks>
internal sealed class OverlaySuperBlock : SuperBlock
{
    private readonly Dictionary<Inode, OverlayInode> _inodes = new(ReferenceEqualityComparer.Instance);
    private readonly HashSet<OverlayInode> _unhashed = [];
    private readonly OverlayFileSystem _type;
    private ulong _lastIno = 1;
    private bool _isReadOnlyByForce;

    public OverlaySuperBlock(VfsCore core, OverlayFileSystem type, MountFlags flags, OverlayOptions options, Caller mounter)
        : base(core, type, core.NewAnonymousDev(), FsMagic.OVERLAYFS, flags)
    {
        _type = type;
        Options = options;
        Quirks = OverlayQuirks.For(core.Profile);
        Names = options.UserXattr ? OverlayXattrNames.User : OverlayXattrNames.Trusted;
        Mounter = mounter;
        Work = new WorkDirectory(this);
    }

    public OverlayOptions Options { get; }
    public OverlayQuirks Quirks { get; }
    public OverlayXattrNames Names { get; }

    /// <summary>Acts on the layers: who mounted, with the rights of then, without CAP_SYS_RESOURCE.</summary>
    public Caller Mounter { get; }

    /// <summary>The mounter as the upper layer sees it.</summary>
    public Caller UpperMounter => Mounter.Through(Upper!.Mount);

    /// <summary>The mounter as the layer of an entry sees it; what is in no layer is in the work directory.</summary>
    private Caller MounterOf(Dentry real)
    {
        if (!_hasMappings)
            return Mounter;
        var layer = Array.Find(Lowers, l => ReferenceEquals(l.FileSystem.Sb, real.Sb) && l.Mount.Root.IsAncestorOf(real)) ?? Upper;
        return layer is null ? Mounter : Mounter.Through(layer.Mount);
    }

    private bool _hasMappings;
    public WorkDirectory Work { get; }

    /// <summary>The writable layer; null without one.</summary>
    public Layer? Upper
    {
        get;
        set
        {
            field = value;
            _hasMappings |= value?.Mount.Mapping is not null;
        }
    }

    /// <summary>Lower layers, top first, data-only ones last.</summary>
    public Layer[] Lowers
    {
        get;
        set
        {
            field = value;
            _hasMappings = Upper?.Mount.Mapping is not null || Array.Exists(value, static l => l.Mount.Mapping is not null);
            HasDataLayers = Array.Exists(value, static l => l.IsDataOnly);
        }
    } = [];

    /// <summary>Upper and work directory, as far as nobody else had them.</summary>
    public HashSet<Inode> Claimed { get; } = new(ReferenceEqualityComparer.Instance);

    /// <summary>File systems under the layers; number 0 is the upper one, or the first lower one without an upper.</summary>
    public List<LayerFileSystem> FileSystems { get; } = [];

    /// <summary>The upper file system stores no xattrs.</summary>
    public bool HasNoXattrs { get; set; }

    /// <summary>Longest name on any layer.</summary>
    public int NameLimit { get; set; }

    /// <summary>High bits of inode numbers that hold the file system's number; 0 when all layers share one, -1 when numbers are not mapped.</summary>
    public int XinoBits { get; set; } = -1;

    public bool IsSameFs => XinoBits == 0;

    /// <summary>All inodes appear on the overlay's own device.</summary>
    public bool IsSameDev => XinoBits >= 0;

    /// <summary>f_fsid comes from the overlay's own UUID.</summary>
    private bool HasOwnFsId => Quirks.PersistentUuid && (Options.Uuid is UuidMode.On or UuidMode.Auto);

    public override int NameMax => NameLimit;

    public override int OwnBlockSize => 0;

    public bool Escapes => Quirks.PrivateXattrs == PrivateXattrs.Escaped;

    /// <summary>Lower layers may be changed while not mounted: no feature in use that remembers them.</summary>
    /// <remarks>Linux fs/overlayfs/util.c: ovl_allow_offline_changes().</remarks>
    public bool AllowsOfflineChanges =>
        !Options.Index && !Options.Metacopy && !Options.RedirectsDirectories && Options.Xino != XinoMode.On;

    /// <summary>Every copied-up object gets an index entry, and what is copied up must fit to what is below.</summary>
    /// <remarks>Linux fs/overlayfs/util.c: ovl_index_all(), ovl_verify_lower().</remarks>
    public bool IndexesAll => Options.NfsExport && Options.Index;

    public void Log(string message) => Core.Log.Add("overlayfs: " + message);

    public override Dentry NewDentry(Dentry? parent, byte[] name) => new OverlayDentry(this, parent, name);

    // ---- life -------------------------------------------------------------------------------------------------------------------------

    /// <summary>Called by the mount procedure when everything is in place.</summary>
    public void Finish(Dentry root, int depth, bool readOnly, UInt128 uuid)
    {
        Root = root;
        StackDepth = depth;
        Uuid = uuid;
        if (!readOnly)
            return;
        _isReadOnlyByForce = true;
        Flags |= MountFlags.MS_RDONLY;
    }

    /// <summary>A mount that failed: the instance was never seen.</summary>
    public void Abandon()
    {
        Core.FreeAnonymousDev(Dev);
        _ = Core.SuperBlocks.Remove(this);
    }

    public override bool HasPosixAcl => true;

    public override bool LeavesAclsToLayers => !Quirks.AsksInodesForLists;

    /// <summary>Some lower layers are reachable through redirects only.</summary>
    public bool HasDataLayers { get; private set; }

    /// <summary>A regular file in the data-only layers, the top one first; neither links nor mounts are followed.</summary>
    /// <returns>A path that is not set when no layer has it.</returns>
    /// <remarks>Linux fs/overlayfs/namei.c: ovl_lookup_data_layers().</remarks>
    public VfsPath FindData(byte[] redirect)
    {
        foreach (var layer in Lowers)
        {
            if (!layer.IsDataOnly)
                continue;
            var at = layer.Mount.Root;
            bool isFound = true;
            foreach (var name in OptionText.Split(redirect.AsSpan(1), (byte)'/'))
            {
                var next = at.IsDirectory ? Namei.LookupOnePositive(Mounter.Through(layer.Mount), at, name) : Errno.ENOTDIR;
                isFound = next.IsOk;
                if (!isFound)
                    break;
                at = next.Value;
            }
            if (isFound && at.Inode!.IsRegular)
                return layer.At(at);
        }
        Log($"lazy lowerdata lookup failed ({System.Text.Encoding.Latin1.GetString(redirect)}, err=-2)");
        return default;
    }

    public override Errno Remount(MountContext context)
    {
        bool readOnly = (context.Flags & MountFlags.MS_RDONLY) != 0;
        if (!readOnly && _isReadOnlyByForce)
            return Errno.EROFS;
        if (readOnly && !IsReadOnly && Options.ShouldSync && Upper is { } upper)
            return upper.FileSystem.Sb.SyncFs(true);
        return Errno.OK;
    }

    public override Errno SyncFs(bool wait) =>
        wait && Options.ShouldSync && Upper is { } upper ? upper.FileSystem.Sb.SyncFs(true) : Errno.OK;

    public override void Put()
    {
        foreach (var inode in _inodes.Values)
            inode.LetGo();
        foreach (var inode in _unhashed)
            inode.LetGo();
        _inodes.Clear();
        _unhashed.Clear();
        Work.Release();
        foreach (var inode in Claimed)
            _ = _type.InUse.Remove(inode);
        Claimed.Clear();
        ReleaseLayers();
    }

    private void ReleaseLayers()
    {
        Upper?.Mount.Kill();
        Upper = null;
        foreach (var layer in Lowers)
            layer.Mount.Kill();
        Lowers = [];
        foreach (var fileSystem in FileSystems)
            Core.FreeAnonymousDev(fileSystem.PseudoDev);
        FileSystems.Clear();
    }

    public override Errno StatFs(Dentry dentry, out StatFs result)
    {
        var path = ((OverlayInode)Root.Inode!).RealPath;
        var error = path.Dentry.Sb.StatFs(path.Dentry, out result);
        if (error != Errno.OK)
            return error;
        result.NameLength = NameLimit;
        result.Type = FsMagic.OVERLAYFS;
        if (HasOwnFsId)
        {
            ulong folded = (ulong)Uuid ^ (ulong)(Uuid >> 64);
            result.FsId0 = (int)folded;
            result.FsId1 = (int)(folded >> 32);
        }
        return Errno.OK;
    }

    public override void ShowOptions(MountOptionWriter writer, Dentry root) => Overlay.ShowOptions.Append(Options, Quirks, IsSameFs, writer);

    // ---- handles ------------------------------------------------------------------------------------------------------------------------

    public override bool HasFileHandles => Options.NfsExport;

    /// <summary>Without nfs_export too, where all layers have handles.</summary>
    public override bool HasHandleIds => Options.NfsExport
        || Quirks.PersistentUuid && (Upper is null || Upper.FileSystem.Sb.HasFileHandles) && Array.TrueForAll(Lowers, static l => l.FileSystem.Sb.HasFileHandles);

    /// <remarks>Linux fs/overlayfs/export.c: ovl_fh_to_parent(), which is there but takes none.</remarks>
    public override bool HasConnectableHandles => Options.NfsExport;

    public override SysResult<int> EncodeHandle(Inode inode, Span<byte> handle, out byte handleType)
    {
        handleType = HandleEncoder.CurrentType;
        return HandleEncoder.Encode((OverlayInode)inode, handle);
    }

    public override SysResult<Dentry> DecodeHandle(ReadOnlySpan<byte> handle, int handleType) =>
        Options.NfsExport ? new HandleDecoder(this).Decode(handle, handleType) : Errno.ESTALE;

    // ---- inodes -------------------------------------------------------------------------------------------------------------------------

    /// <summary>The overlay inode that stands for a real one, or null. One that lost its last entry is let go of here.</summary>
    public OverlayInode? FindInode(Inode key)
    {
        if (!_inodes.TryGetValue(key, out var found) || found.Users > 0 || found.IsWatched || found.FindAlias() is not null)
            return found;
        RemoveInode(found);
        found.LetGo();
        return null;
    }

    public void AddInode(Inode? key, OverlayInode inode)
    {
        inode.Key = key;
        if (key is null)
            _ = _unhashed.Add(inode);
        else
            _inodes[key] = inode;
    }

    public void RemoveInode(OverlayInode inode)
    {
        if (inode.Key is { } key)
            _ = _inodes.Remove(key);
        else
            _ = _unhashed.Remove(inode);
    }

    /// <summary>A number for a directory that cannot keep its real one.</summary>
    /// <remarks>Linux fs/overlayfs/inode.c: ovl_next_ino().</remarks>
    public ulong NextIno() => ++_lastIno;

    /// <summary>Inode number with the file system's number in its high bits; false when it does not fit or is not mapped.</summary>
    public bool TryMapIno(ulong ino, int fsId, out ulong mapped)
    {
        mapped = ino;
        if (XinoBits == 0)
            return true;
        if (XinoBits < 0 || ino >> (64 - XinoBits) != 0)
            return false;
        mapped = fsId == 0 ? ino : ino | ((ulong)fsId << (64 - XinoBits + 1));
        return true;
    }

    // ---- private xattrs on the layers ----------------------------------------------------------------------------------------------------

    /// <summary>Sets an own xattr on an upper entry; the first refusal for lack of xattr support is remembered.</summary>
    /// <returns>The alternative error given when there are no xattrs, then what setting says.</returns>
    /// <remarks>Linux fs/overlayfs/util.c: ovl_check_setxattr().</remarks>
    public Errno CheckSetXattr(Dentry upper, byte[] name, ReadOnlySpan<byte> value, Errno withoutXattrs)
    {
        if (HasNoXattrs)
            return withoutXattrs;
        var error = Xattrs.VfsSetXattr(UpperMounter, upper, name, value, XattrFlags.None);
        if (error != Errno.EOPNOTSUPP)
            return error;
        Log($"cannot set {System.Text.Encoding.Latin1.GetString(name.AsSpan(Names.Prefix.Length))} xattr on upper");
        HasNoXattrs = true;
        return withoutXattrs;
    }

    /// <summary>Reads an own xattr; the length, or -1 when it is absent or cannot be read.</summary>
    public int GetOwnXattr(Dentry real, byte[] name, Span<byte> value)
    {
        var got = Xattrs.VfsGetXattr(MounterOf(real), real, name, value);
        return got.IsOk ? got.Value : -1;
    }

    /// <summary>The one-letter value of the opaque xattr; 0 when there is none or it is longer.</summary>
    public byte OpaqueValue(Dentry real)
    {
        if (!real.IsDirectory)
            return 0;
        Span<byte> value = stackalloc byte[1];
        return GetOwnXattr(real, Names.Opaque, value) == 1 ? value[0] : (byte)0;
    }

    /// <summary>An upper directory is marked as holding objects whose numbers are not their own.</summary>
    /// <remarks>Linux fs/overlayfs/util.c: ovl_path_check_dir_xattr().</remarks>
    public bool IsImpure(Dentry upper)
    {
        Span<byte> value = stackalloc byte[1];
        return GetOwnXattr(upper, Names.Impure, value) == 1 && value[0] == 'y';
    }

    /// <summary>A whiteout of either kind: a character device 0:0, or an empty regular file with the xattr. Listings look for the second kind only in directories that announce
    /// it, lookups everywhere.</summary>
    /// <remarks>Linux fs/overlayfs/util.c: ovl_path_is_whiteout(). Seen on 6.18.</remarks>
    public bool IsWhiteout(Dentry real) => real.Inode!.IsWhiteout || IsMarkedWhiteout(real);

    private bool IsMarkedWhiteout(Dentry real) =>
        Escapes && real.Inode is { IsRegular: true, Size: 0 } && GetOwnXattr(real, Names.Whiteout, default) >= 0;

    // ---- opening on the layers -------------------------------------------------------------------------------------------------------------

    /// <summary>May the mounter open this? Access times stay as they are where it may ask for that.</summary>
    /// <returns>EACCES.</returns>
    /// <remarks>Linux fs/overlayfs/util.c: ovl_path_open().</remarks>
    private Errno MayOpen(in VfsPath path, AccessMode access, ref OpenFlags flags)
    {
        var by = Mounter.Through(path.Mount);
        if (Permissions.OwnerOrCapable(path.Inode, by.Credentials))
            flags |= OpenFlags.O_NOATIME;
        return Permissions.Check(path.Inode, by, access);
    }

    /// <summary>Opens a real object as the mounter.</summary>
    /// <returns>EACCES, then the layer.</returns>
    public SysResult<OpenFile> Open(in VfsPath path, OpenFlags flags)
    {
        var access = (flags & OpenFlags.O_ACCMODE) == OpenFlags.O_RDONLY ? AccessMode.R_OK : AccessMode.W_OK;
        var error = MayOpen(path, access, ref flags);
        return error != Errno.OK ? error : Files.DentryOpen(Mounter, path, flags | OpenFlags.O_LARGEFILE);
    }

    /// <summary>Before the flags of a real object are read or changed it is opened, for security modules to look at: watches hear of that.</summary>
    /// <remarks>Linux fs/overlayfs/inode.c: ovl_security_fileattr().</remarks>
    public void OpenForSecurity(in VfsPath real)
    {
        if (Core.HasWatches && Files.DentryOpen(Mounter, real, OpenFlags.O_RDONLY) is { IsOk: true } opened)
            Core.CloseLate(opened.Value);
    }

    /// <summary>Reads a real directory to its end as the mounter.</summary>
    /// <returns>EACCES, then the layer.</returns>
    public Errno Read(in VfsPath directory, DirContext receiver)
    {
        var flags = OpenFlags.O_RDONLY;
        var error = MayOpen(directory, AccessMode.R_OK, ref flags);
        return error != Errno.OK ? error : DirectoryReader.Read(Mounter, directory, receiver, flags);
    }

    // ---- who creates ----------------------------------------------------------------------------------------------------------------------

    private Caller? _creator;

    /// <summary>The mounter, but owner of what it makes: the caller's file-system ids.</summary>
    /// <remarks>Linux fs/overlayfs/dir.c: ovl_setup_cred_for_create().</remarks>
    public Caller CreatorFor(uint uid, uint gid)
    {
        var by = Mounter.Credentials;
        if (by.Fsuid == uid && by.Fsgid == gid)
            return UpperMounter;
        if (_creator is not { } last || last.Credentials.Fsuid != uid || last.Credentials.Fsgid != gid)
            _creator = Mounter.With(by.WithFsIds(uid, gid));
        return _creator.Through(Upper!.Mount);
    }
}
