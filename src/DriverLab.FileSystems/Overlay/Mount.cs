using DriverLab.FileSystems.Layers;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Vfs;

namespace DriverLab.FileSystems.Overlay;

/// <summary>One mount(2) of an overlay, step by step; the order of the steps decides which error wins.</summary>
/// <remarks>Linux 6.12 fs/overlayfs/params.c: ovl_parse_layer(), ovl_mount_dir_check(); fs/overlayfs/super.c: ovl_fill_super(), ovl_get_upper(), ovl_get_workdir(), ovl_get_layers().</remarks>
internal sealed class MountProcedure : ILayerSink
{
    private const int MaxStackDepth = 2;

    private readonly OverlayFileSystem _type;
    private MountContext _context;
    private readonly OverlayQuirks _quirks;
    private readonly OverlayOptions _options;
    private readonly List<VfsPath> _lowerPaths = [];
    private VfsPath _upperPath;
    private VfsPath _workPath;
    private OverlaySuperBlock _sb = null!;

    public MountProcedure(OverlayFileSystem type, MountContext context)
    {
        _type = type;
        _context = context;
        _quirks = OverlayQuirks.For(context.Core.Profile);
        _options = new OverlayOptions(_quirks);
    }

    /// <summary>mount(2): all options at once.</summary>
    public SysResult<Dentry> Run()
    {
        var error = new OptionParser(_quirks, _options, this, _context.Core.MountLog).Parse(_context.Data);
        return error != Errno.OK ? error : Make(_context);
    }

    /// <summary>fsconfig(2): one parameter; null when its name is not known.</summary>
    public Errno? Parse(in FsParameter parameter)
    {
        _context = new(_context.Core, parameter.Caller, [], 0, []);
        return new OptionParser(_quirks, _options, this, _context.Core.MountLog).Parse(parameter);
    }

    /// <summary>Makes the overlay of the options that were given.</summary>
    public SysResult<Dentry> Make(MountContext context)
    {
        _context = context;
        var error = OptionRules.Verify(_options, _quirks, _context.Core.MountLog, _context.Caller.Credentials.Capable(Capabilities.CAP_SYS_ADMIN));
        if (error != Errno.OK)
            return error;
        var mounter = _context.Caller.With(_context.Caller.Credentials.Without(Capabilities.CAP_SYS_RESOURCE));
        var flags = (_context.Flags | _options.GenericSet) & ~_options.GenericCleared;
        _sb = new OverlaySuperBlock(_context.Core, _type, flags, _options, mounter);
        error = Build();
        _sb.Work.TriedTmpFile?.DropIfUnused();
        _sb.Work.TriedTmpFile = null;
        if (error == Errno.OK)
            return _sb.Root;
        _sb.Put();
        _sb.Abandon();
        return error;
    }

    private void Log(string message) => _context.Core.MountLog("overlayfs: " + message);

    private Errno Fail(string message, Errno error = Errno.EINVAL)
    {
        Log(message);
        return error;
    }

    // ---- paths ---------------------------------------------------------------------------------------------------------------------------

    /// <remarks>Since 6.5 this runs while the string is parsed; the messages of these checks carry the file system's name.</remarks>
    Errno ILayerSink.Add(LayerRole role, byte[] path, ReadOnlySpan<byte> typed)
    {
        var error = Resolve(path, out var found);
        return error != Errno.OK ? error : ((ILayerSink)this).AddPlace(role, found, Text(typed));
    }

    Errno ILayerSink.AddPlace(LayerRole role, in VfsPath found, string name)
    {
        if (!found.Inode.IsDirectory)
            return FailParameter($"{name} is not a directory");
        switch (role)
        {
            case LayerRole.Upper or LayerRole.Work:
                if (IsStacked(found))
                    return FailParameter($"filesystem on {name} not supported as upperdir");
                if (found.Mount.IsReadOnly)
                    return FailParameter($"filesystem on {name} is read-only");
                if (role == LayerRole.Upper)
                    _upperPath = found;
                else
                    _workPath = found;
                break;
            case LayerRole.AppendedLower or LayerRole.AppendedData when _options.LowerText is not null:
                return FailParameter("lowerdir+ and datadir+ cannot follow lowerdir");
            case LayerRole.AppendedLower when _options.Lowers.Exists(static l => l.IsData):
                return FailParameter("regular lower layers cannot follow data layers");
            default:
                _lowerPaths.Add(found);
                break;
        }
        return Errno.OK;
    }

    void ILayerSink.ResetLowers() => _lowerPaths.Clear();

    private Errno FailParameter(string message)
    {
        _context.Core.MountLog("overlay: " + message);
        return Errno.EINVAL;
    }

    private static bool IsStacked(in VfsPath path) => path.Dentry.Sb is OverlaySuperBlock;

    private Errno Resolve(ReadOnlySpan<byte> path, out VfsPath found)
    {
        found = default;
        if (path.IsEmpty)
            return Fail("empty lowerdir");
        var error = PathWalk.Lookup(_context.Caller, path, LookupFlags.LOOKUP_FOLLOW, out found);
        return error == Errno.OK ? Errno.OK : Fail($"failed to resolve '{Text(path)}': -{(int)error}", error);
    }

    /// <summary>Before 6.5 paths are resolved here, when their turn comes.</summary>
    private Errno ResolveLate(byte[] typed, bool isUpper, out VfsPath found)
    {
        var path = OptionText.Unescape(typed);
        var error = Resolve(path, out found);
        if (error != Errno.OK)
            return error;
        if (!found.Inode.IsDirectory)
            return Fail($"'{Text(path)}' not a directory");
        return isUpper && IsStacked(found) ? Fail($"filesystem on '{Text(path)}' not supported as upperdir") : Errno.OK;
    }

    private static string Text(ReadOnlySpan<byte> bytes) => System.Text.Encoding.Latin1.GetString(bytes);

    // ---- the steps -----------------------------------------------------------------------------------------------------------------------

    private Errno Build()
    {
        bool hasLower = _quirks.FsContext ? _lowerPaths.Count > 0 : _options.LowerText is not null;
        if (!hasLower)
            return Fail("missing 'lowerdir'");
        var error = _quirks.FsContext ? Errno.OK : SplitLowers();
        int depth = 0;
        if (error == Errno.OK && _options.UpperText is not null)
            error = TakeUpperAndWork(out depth);
        if (error == Errno.OK)
            error = TakeLowers(ref depth);
        if (error != Errno.OK)
            return error;
        bool readOnly = _sb.Work.Directory is null;
        var uuid = SettleUuid();
        if (!readOnly && _options.Index)
        {
            error = UpperPreparation.TakeIndex(_sb, Log);
            if (error != Errno.OK)
                return error;
        }
        error = CheckOverlaps();
        if (error != Errno.OK)
            return error;
        readOnly = _sb.Work.Directory is null;
        if (_sb.Work.Index is null)
            DropWhatNeedsAnIndex();
        _sb.Finish(MakeRoot(), depth, readOnly, uuid);
        return Errno.OK;
    }

    private void DropWhatNeedsAnIndex()
    {
        _options.Index = false;
        if (!_options.NfsExport || _sb.Upper is null)
            return;
        _options.NfsExport = false;
        Log("NFS export requires an index dir, falling back to nfs_export=off.");
    }

    /// <summary>Before 6.5: every unescaped colon separates, and no name may be empty.</summary>
    private Errno SplitLowers()
    {
        var pieces = OptionText.Split(_options.LowerText, (byte)':');
        if (pieces.Count > 500)
            return Fail("too many lower directories, limit is 500", _quirks.OldMountErrors ? Errno.ENOMEM : Errno.EINVAL);
        foreach (var piece in pieces)
            _options.Lowers.Add(new(piece, LayerRole.Lower));
        return Errno.OK;
    }

    private Errno TakeUpperAndWork(out int depth)
    {
        depth = 0;
        if (_options.WorkText is null)
            return Fail("missing 'workdir'", _quirks.OldMountErrors ? Errno.ENOMEM : Errno.EINVAL);
        var error = _quirks.FsContext ? Errno.OK : ResolveLate(_options.UpperText!, isUpper: true, out _upperPath);
        if (error == Errno.OK)
            error = TakeUpper();
        if (error == Errno.OK && !_quirks.FsContext)
            error = ResolveLate(_options.WorkText, isUpper: true, out _workPath);
        if (error == Errno.OK)
            error = TakeWork();
        if (error == Errno.OK)
            depth = _upperPath.Dentry.Sb.StackDepth;
        return error;
    }

    private Errno TakeUpper()
    {
        // On 5.10 a mount that is read-only by itself is noticed when work/ is to be made there.
        if (!_quirks.FsContext && (_quirks.OldMountErrors ? _upperPath.Dentry.Sb.IsReadOnly : _upperPath.Mount.IsReadOnly))
            return Fail("upper fs is r/o, try multi-lower layers mount");
        NoteNameLength(_upperPath);
        if (!_sb.Work.TryAddTrap(_upperPath.Dentry))
            return Fail("conflicting upperdir path", Errno.ELOOP);
        var mount = Mount.ClonePrivate(_context.Caller, _upperPath);
        if (!mount.IsOk)
            return Fail("failed to clone upperpath", mount.Error);
        mount.Value.Flags &= ~(MountFlags.MS_NOATIME | MountFlags.MS_NODIRATIME | MountFlags.MS_RELATIME);
        var fileSystem = new LayerFileSystem(_upperPath.Dentry.Sb, _context.Core.NewAnonymousDev());
        _sb.FileSystems.Add(fileSystem);
        _sb.Upper = new Layer(0, 0, fileSystem, mount.Value);
        return Claim(_upperPath.Dentry, "upperdir");
    }

    private Errno TakeWork()
    {
        if (!ReferenceEquals(_upperPath.Mount, _workPath.Mount))
            return Fail("workdir and upperdir must reside under the same mount");
        if (_workPath.Dentry.IsAncestorOf(_upperPath.Dentry) || _upperPath.Dentry.IsAncestorOf(_workPath.Dentry))
            return Fail("workdir and upperdir must be separate subtrees");
        _sb.Work.Base = _workPath.Dentry;
        var error = Claim(_workPath.Dentry, "workdir");
        if (error != Errno.OK)
            return error;
        if (!_sb.Work.TryAddTrap(_workPath.Dentry))
            return Fail("conflicting workdir path", Errno.ELOOP);
        return UpperPreparation.MakeWork(_sb, Log);
    }

    /// <summary>Marks a directory as in use; with index=on a second use is refused, else only complained about.</summary>
    private Errno Claim(Dentry directory, string what)
    {
        if (_type.InUse.Add(directory.Inode!))
        {
            _ = _sb.Claimed.Add(directory.Inode!);
            return Errno.OK;
        }
        return ReportInUse(what);
    }

    private Errno ReportInUse(string what)
    {
        if (_options.Index)
            return Fail($"{what} is in-use as upperdir/workdir of another mount, mount with '-o index=off' to override exclusive upperdir protection.", Errno.EBUSY);
        Log($"{what} is in-use as upperdir/workdir of another mount, accessing files from both mounts will result in undefined behavior.");
        return Errno.OK;
    }

    private void NoteNameLength(in VfsPath path) => _sb.NameLimit = Math.Max(_sb.NameLimit, path.Dentry.Sb.NameMax);

    // ---- lower layers --------------------------------------------------------------------------------------------------------------------

    private Errno TakeLowers(ref int depth)
    {
        int dataLayers = _options.Lowers.Count(l => l.IsData);
        if (_sb.Upper is null && _options.Lowers.Count == 1)
            return Fail("at least 2 lowerdir are needed while upperdir nonexistent");
        if (dataLayers > 0 && dataLayers == _options.Lowers.Count)
            return Fail("at least one non-data lowerdir is required");
        if (!_quirks.FsContext)
        {
            foreach (var lower in _options.Lowers)
            {
                var error = ResolveLate(lower.Path, isUpper: false, out var found);
                if (error != Errno.OK)
                    return error;
                _lowerPaths.Add(found);
            }
        }
        for (int i = 0; i < _lowerPaths.Count; i++)
        {
            NoteNameLength(_lowerPaths[i]);
            depth = Math.Max(depth, _lowerPaths[i].Dentry.Sb.StackDepth);
            CheckHandles(_lowerPaths[i], _options.Lowers[i].Path);
        }
        depth++;
        if (depth > MaxStackDepth)
            return Fail("maximum fs stacking depth exceeded");
        return MakeLayers();
    }

    /// <summary>index and nfs_export need file handles on every layer; numbers that outlive the mount need them too.</summary>
    private void CheckHandles(in VfsPath path, byte[] name)
    {
        if (FileHandles.CanDecode(_sb, path.Dentry.Sb))
            return;
        if (_options.NfsExport || (_options.Index && _sb.Upper is not null))
        {
            _options.Index = false;
            _options.NfsExport = false;
            Log($"fs on '{Text(name)}' does not support file handles, falling back to index=off,nfs_export=off.");
        }
        if (_options.Xino == XinoMode.Auto && _sb.Upper is not null && !_quirks.KeepsXinoAuto)
        {
            _options.Xino = XinoMode.Off;
            Log($"fs on '{Text(name)}' does not support file handles, falling back to xino=off.");
        }
    }

    private Errno MakeLayers()
    {
        var layers = new List<Layer>();
        for (int i = 0; i < _lowerPaths.Count; i++)
        {
            var path = _lowerPaths[i];
            int fsId = FileSystemOf(path);
            if (!_sb.Work.TryAddTrap(path.Dentry))
                return Keep(layers, Fail("conflicting lowerdir path", Errno.ELOOP));
            if (_type.InUse.Contains(path.Inode) && !_sb.Claimed.Contains(path.Inode))
            {
                var busy = ReportInUse("lowerdir");
                if (busy != Errno.OK)
                    return Keep(layers, busy);
            }
            var mount = Mount.ClonePrivate(_context.Caller, path);
            if (!mount.IsOk)
                return Keep(layers, Fail("failed to clone lowerpath", mount.Error));
            mount.Value.Flags |= MountFlags.MS_RDONLY | MountFlags.MS_NOATIME;
            layers.Add(new Layer(i + 1, fsId, _sb.FileSystems[fsId], mount.Value) { IsDataOnly = _options.Lowers[i].IsData });
        }
        _ = Keep(layers, Errno.OK);
        SettleXino();
        return Errno.OK;
    }

    private Errno Keep(List<Layer> layers, Errno error)
    {
        _sb.Lowers = [.. layers];
        return error;
    }

    /// <summary>The number of the layer's file system; without an upper layer number 0 stays free.</summary>
    /// <remarks>Linux fs/overlayfs/super.c: ovl_get_fsid(), ovl_lower_uuid_ok().</remarks>
    private int FileSystemOf(in VfsPath path)
    {
        var sb = path.Dentry.Sb;
        if (_sb.FileSystems.Count == 0)
            _sb.FileSystems.Add(new LayerFileSystem(_sb, _context.Core.NewAnonymousDev()));
        for (int i = 0; i < _sb.FileSystems.Count; i++)
        {
            if (!ReferenceEquals(_sb.FileSystems[i].Sb, sb))
                continue;
            _sb.FileSystems[i].IsLower = true;
            return i;
        }
        bool badUuid = !UuidIsUsable(sb);
        if (badUuid)
            DropWhatNeedsUuids(path);
        _sb.FileSystems.Add(new LayerFileSystem(sb, _context.Core.NewAnonymousDev()) { HasBadUuid = badUuid, IsLower = true });
        return _sb.FileSystems.Count - 1;
    }

    /// <summary>Handles name their file system by UUID: it must be there and be the only one of its kind among the lower ones.</summary>
    private bool UuidIsUsable(SuperBlock sb)
    {
        if (!_options.NfsExport && _sb.Upper is null)
            return true;
        if (_sb.AllowsOfflineChanges && sb.Uuid == UInt128.Zero)
            return false;
        if (_sb.FileSystems.Find(f => f.IsLower && f.Sb.Uuid == sb.Uuid) is not { } twin)
            return true;
        twin.HasBadUuid = true;
        return false;
    }

    private void DropWhatNeedsUuids(in VfsPath path)
    {
        bool givesUpXino = _options.Xino == XinoMode.Auto && !_quirks.KeepsXinoAuto;
        bool warns = givesUpXino || _options.Index || _options.NfsExport;
        if (!warns)
            return;
        if (givesUpXino)
            _options.Xino = XinoMode.Off;
        _options.Index = _options.NfsExport = false;
        string which = path.Dentry.Sb.Uuid == UInt128.Zero ? "null" : "conflicting";
        string xino = _quirks.KeepsXinoAuto ? "" : _options.Xino == XinoMode.On ? "xino=on," : "xino=off,";
        Log($"{which} uuid detected in lower fs '{PathText.Of(path.Dentry)}', falling back to {xino}index=off,nfs_export=off.");
    }

    /// <summary>All layers on one file system: numbers are unique as they are. Else high bits tell the file systems apart, if asked for.</summary>
    private void SettleXino()
    {
        int count = _sb.FileSystems.Count;
        bool hasUpper = _sb.Upper is not null;
        if (count == 1 || (!hasUpper && count == 2))
        {
            if (_options.Xino == XinoMode.On)
                Log("\"xino=on\" is useless with all layers on same fs, ignore.");
            _sb.XinoBits = 0;
            return;
        }
        if (_options.Xino == XinoMode.Off)
            return;
        _sb.XinoBits = System.Numerics.BitOperations.Log2((uint)(count - 1)) + 2;
        Log($"\"xino\" feature enabled using {_sb.XinoBits} upper inode bits.");
    }

    // ---- the end -------------------------------------------------------------------------------------------------------------------------

    /// <summary>Finds or makes the UUID of the overlay.</summary>
    /// <remarks>Linux fs/overlayfs/util.c: ovl_init_uuid_xattr(), since 6.6.</remarks>
    private UInt128 SettleUuid()
    {
        if (_options.Uuid == UuidMode.Off && _sb.FileSystems.Count > 1 && !_quirks.KeepsUuidOff)
        {
            _options.Uuid = _quirks.PersistentUuid ? UuidMode.Null : UuidMode.On;
            Log($"The uuid=off requires a single fs for lower and upper, falling back to uuid={(_quirks.PersistentUuid ? "null" : "on")}.");
            return default;
        }
        bool wanted = _quirks.PersistentUuid && _sb.Upper is not null && (_options.Uuid is UuidMode.On or UuidMode.Auto);
        return wanted ? UpperPreparation.TakeUuid(_sb, Log) : default;
    }

    /// <summary>A layer below another layer or below the work directory would show files twice.</summary>
    /// <remarks>Linux fs/overlayfs/super.c: ovl_check_overlapping_layers(), ovl_check_layer().</remarks>
    private Errno CheckOverlaps()
    {
        var error = Errno.OK;
        if (_sb.Upper is not null)
        {
            error = CheckAbove(_upperPath.Dentry, "upperdir", isLower: false);
            if (error == Errno.OK)
                error = CheckAbove(_workPath.Dentry, "workdir", isLower: false);
        }
        foreach (var path in _lowerPaths)
        {
            if (error == Errno.OK)
                error = CheckAbove(path.Dentry, "lowerdir", isLower: true);
        }
        return error;
    }

    private Errno CheckAbove(Dentry layer, string what, bool isLower)
    {
        for (var at = layer; !at.IsRoot;)
        {
            at = at.Parent;
            // The upper layer may lie within a lower one: what it would show twice is refused at lookup.
            if (isLower && _sb.Work.IsTrap(at))
                return Fail($"overlapping {what} path", Errno.ELOOP);
            if (_type.InUse.Contains(at.Inode!) && !_sb.Claimed.Contains(at.Inode!))
            {
                var busy = ReportInUse(what);
                if (busy != Errno.OK)
                    return busy;
            }
        }
        return Errno.OK;
    }

    /// <remarks>Linux fs/overlayfs/super.c: ovl_get_root().</remarks>
    private OverlayDentry MakeRoot()
    {
        var root = new OverlayDentry(_sb, null, "/"u8.ToArray()) { HasUpperAlias = _sb.Upper is not null };
        var lowers = _sb.Lowers.Where(l => !l.IsDataOnly).Select(l => new LayerPath(l, l.Mount.Root)).ToArray();
        var upper = _sb.Upper?.Mount.Root;
        var inode = (OverlayDirectory)OverlayInode.OfMode(_sb, Mode.S_IFDIR);
        var real = upper ?? lowers[0].Dentry;
        inode.Init(upper, lowers, real.Inode!.Ino, upper is null ? lowers[0].Layer.FsId : 0, isRoot: true);
        inode.Nlink = 1;
        inode.MayHoldWhiteouts = true;
        inode.IsImpure = upper is not null && _sb.IsImpure(upper);
        foreach (var lower in lowers.AsSpan(0, lowers.Length - 1))
        {
            if (_sb.Escapes && _sb.OpaqueValue(lower.Dentry) == 'x')
                lower.Layer.HasXattrWhiteouts = true;
        }
        _sb.AddInode(null, inode);
        root.Instantiate(inode);
        return root;
    }
}
