using System.Text;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.StorageDrivers.Files;
using DriverLab.StorageDrivers.Layers;
using DriverLab.StorageDrivers.Store;

namespace DriverLab.StorageDrivers.Overlay2;

/// <summary>Docker's overlay2: a layer is an upper directory, its parents are the lower ones, named through short links so that many fit into one page of mount options.</summary>
/// <remarks>
/// On disk, exactly as moby writes it: <c>ID/diff</c>, <c>ID/link</c> (26 characters), <c>l/LINK -> ../ID/diff</c>; with a parent also <c>ID/work</c>, <c>ID/lower</c> (<c>l/LINK:l/LINK…</c>, nearest
/// first) and <c>committed</c>, empty, in the parent; <c>ID/merged</c> while mounted. Small files are written aside, synced and renamed, as moby does since 20.10.27.
/// </remarks>
public sealed partial class Overlay2Driver : IStorageDriver, ILayerMounts, ILayerList
{
    /// <summary>The most lower directories of a layer.</summary>
    public const int MaxDepth = 128;

    private const int LinkLength = 26;
    private const string LinkDir = "l";
    private readonly IKernel _kernel;
    private readonly OverlayOptions _options;
    private readonly MountCounter _mounts;
    private readonly SizeLimits _sizes;

    private Overlay2Driver(IKernel kernel, OverlayOptions options, OverlayFeatures features)
    {
        (_kernel, _options, Features) = (kernel, options, features);
        _sizes = new SizeLimits(kernel, Home, Home);
        _mounts = new MountCounter(merged => OverlayMount.IsMounted(kernel, merged));
    }

    /// <inheritdoc/>
    public string Name => "overlay2";

    /// <summary>What the kernel and the home's file system can do.</summary>
    public OverlayFeatures Features { get; }

    private string Home => _options.Home;

    private TreeFormat Format => Features.UserXattr ? TreeFormat.OverlayUser : TreeFormat.Overlay;

    /// <summary>Opens a home, making it if need be (0710, and 0700 for the links), and probes the kernel.</summary>
    /// <returns>ENODEV or EINVAL (the kernel has no overlay, or not on this file system), EOPNOTSUPP (no d_type; <c>overlay2.size</c> without project quota), then what the kernel says.</returns>
    public static DriverResult<IStorageDriver> Open(IKernel kernel, OverlayOptions options)
    {
        byte[] home = ByteText.Bytes(options.Home);
        byte[] links = ByteText.Join(home, "l"u8);
        var error = kernel.MakeDirectories(home, (Mode)0x1C8);
        if (error == Errno.OK)
            error = kernel.MakeDirectories(links, Mode.S_IRWXU);
        if (error != Errno.OK)
            return DriverError.Of(error, "mkdir", home)!;
        var features = OverlayProbe.Run(kernel, options.Home);
        if (!features.IsOk)
            return features.Error!;
        var driver = new Overlay2Driver(kernel, options, features.Value);
        return driver._sizes.Check(options.SizeBytes) is { } lacking ? lacking : DriverResult.Of<IStorageDriver>(driver);
    }

    /// <inheritdoc/>
    public DriverError? Create(string id, string parent, LayerOptions options) =>
        options.SizeBytes is null ? Make(id, parent, null) : new DriverError("create", id, Errno.EINVAL, "size is for read-write layers");

    /// <inheritdoc/>
    public DriverError? CreateReadWrite(string id, string parent, LayerOptions options) =>
        _sizes.Check(options.SizeBytes ?? _options.SizeBytes) ?? Make(id, parent, options.SizeBytes ?? _options.SizeBytes);

    private DriverError? Make(string id, string parent, long? bytes) => _kernel.RunFor(() => MakeOnTask(id, parent, bytes));

    private DriverError? MakeOnTask(string id, string parent, long? bytes)
    {
        if ((Check("create", id) ?? (parent.Length == 0 ? null : Check("create", parent))) is { } bad)
            return bad;
        List<string> lowers = [];
        if (parent.Length > 0)
        {
            if (!Exists(parent))
                return new DriverError("create", parent, Errno.ENOENT, "no such parent");
            var known = LowersOfChild(parent);
            if (!known.IsOk)
                return known.Error;
            lowers = known.Value;
            if (lowers.Count > MaxDepth)
                return new DriverError("create", id, Errno.EINVAL, $"max depth exceeded: {lowers.Count} lower layers, at most {MaxDepth}");
        }
        byte[] layer = At(id);
        if (_kernel.MkdirAt(Fd.Cwd, layer, (Mode)0x1C8) is not Errno.OK and var error)
            return DriverError.Of(error, "mkdir", layer);
        string link = _options.Ids.Next(LinkLength);
        var failed = _sizes.Limit($"{Home}/{id}", bytes) ?? Fill(id, parent, link, lowers);
        if (failed is not null)
        {
            // Unlike Docker, which leaves the link dangling.
            _ = _kernel.UnlinkAt(Fd.Cwd, At(LinkDir, link), AtFlags.None); // the first error is the one to tell
            _ = TreeRemoval.Remove(_kernel, Fd.Cwd, layer);
        }
        return failed;
    }

    /// <summary>The rest of a new layer, in Docker's order: diff, the link's target, link, and with a parent work, the parent's committed, lower.</summary>
    private DriverError? Fill(string id, string parent, string link, List<string> lowers)
    {
        var error = DriverError.Of(_kernel.FchmodAt(Fd.Cwd, At(id), (Mode)0x1C8), "chmod", At(id))
            ?? DriverError.Of(_kernel.MakeDirectoryExactly(At(id, "diff"), (Mode)0x1ED), "mkdir", At(id, "diff"))
            ?? DriverError.Of(_kernel.SymlinkAt(ByteText.Bytes($"../{id}/diff"), Fd.Cwd, At(LinkDir, link)), "symlink", At(LinkDir, link))
            ?? WriteSmall(id, "link", link, (Mode)0x1A4);
        if (error is not null || parent.Length == 0)
            return error;
        return DriverError.Of(_kernel.MakeDirectoryExactly(At(id, "work"), Mode.S_IRWXU), "mkdir", At(id, "work"))
            ?? (_kernel.Has($"{Home}/{parent}/committed") ? null : WriteSmall(parent, "committed", "", (Mode)0x180))
            ?? WriteSmall(id, "lower", string.Join(':', lowers), (Mode)0x1B6);
    }

    /// <inheritdoc/>
    public DriverResult<string> Get(string id) => _kernel.RunFor(() => GetOnTask(id));

    private DriverResult<string> GetOnTask(string id)
    {
        if (Check("get", id) is { } bad)
            return bad;
        if (!Exists(id))
            return new DriverError("get", id, Errno.ENOENT, "no such layer");
        var lowers = LowersOf(id);
        if (!lowers.IsOk)
            return lowers.Error!;
        if (lowers.Value.Count == 0)
            return $"{Home}/{id}/diff";
        string merged = MergedOf(id);
        if (_mounts.Increment(merged) > 1)
            return merged;
        var error = MountLayer(id, lowers.Value);
        if (error is null)
            return merged;
        _ = _mounts.Decrement(merged);
        _ = _kernel.UnlinkAt(Fd.Cwd, ByteText.Bytes(merged), AtFlags.AT_REMOVEDIR); // the mount's error is the one to tell
        return error;
    }

    private DriverError? MountLayer(string id, List<string> lowers)
    {
        bool committed = _kernel.LStatAt(Fd.Cwd, At(id, "committed"), out _) == Errno.OK;
        var mount = OverlayMount.Build(Features, Home, id, lowers, committed);
        if (!mount.IsOk)
            return mount.Error;
        var made = _kernel.MkdirAt(Fd.Cwd, At(id, "merged"), Mode.S_IRWXU);
        if (made is not (Errno.OK or Errno.EEXIST))
            return DriverError.Of(made, "mkdir", At(id, "merged"));
        if (mount.Value.From is not { } from)
            return Mount(_kernel, mount.Value);
        using var helper = _kernel.Fork();
        return helper.Chdir(ByteText.Bytes(from)) is not Errno.OK and var error ? DriverError.Of(error, "chdir", ByteText.Bytes(from)) : Mount(helper, mount.Value);
    }

    private static DriverError? Mount(IKernel task, OverlayMount mount)
    {
        byte[] target = ByteText.Bytes(mount.Target);
        return DriverError.Of(task.Mount("overlay"u8, target, "overlay"u8, MountFlags.None, ByteText.Bytes(mount.Data)), "mount", target);
    }

    /// <inheritdoc/>
    public DriverError? Put(string id) => _kernel.RunFor(() => PutOnTask(id));

    private DriverError? PutOnTask(string id)
    {
        if (Check("put", id) is { } bad)
            return bad;
        var lowers = LowersOf(id);
        string merged = MergedOf(id);
        if (!lowers.IsOk || lowers.Value.Count == 0 || (_mounts.Of(merged) == 0 && !OverlayMount.IsMounted(_kernel, merged)))
            return null;
        if (_mounts.Decrement(merged) == 0)
            Unmount(merged);
        return null;
    }

    private void Unmount(string merged)
    {
        OverlayMount.Detach(_kernel, merged);
        _mounts.Forget(merged);
    }

    /// <inheritdoc/>
    public DriverError? Remove(string id) => _kernel.RunFor(() => RemoveOnTask(id));

    private DriverError? RemoveOnTask(string id)
    {
        if (Check("remove", id) is { } bad)
            return bad;
        string merged = MergedOf(id);
        if (_mounts.Of(merged) > 0)
            return new DriverError("remove", id, Errno.EBUSY, $"mounted {_mounts.Of(merged)} times");
        if (OverlayMount.IsMounted(_kernel, merged))
            Unmount(merged); // left by a killed run
        var link = _kernel.ReadWhole(At(id, "link"));
        // An empty link would name the directory of all links.
        if (link.IsOk && IsLink(link.Value))
            _ = _kernel.UnlinkAt(Fd.Cwd, At(LinkDir, Encoding.ASCII.GetString(link.Value)), AtFlags.None); // a missing link is as good as a removed one
        var error = TreeRemoval.RemovePatiently(_kernel, At(id));
        if (error is null)
            _mounts.Forget(merged);
        return error;
    }

    /// <inheritdoc/>
    public bool Exists(string id) => Check("exists", id) is null && _kernel.LStatAt(Fd.Cwd, At(id), out var stat) == Errno.OK && stat.IsDirectory;

    /// <inheritdoc/>
    public IReadOnlyList<KeyValuePair<string, string>> Status() =>
    [
        new("Backing Filesystem", Features.BackingFs),
        new("Supports d_type", "true"),
        new("Using metacopy", Text(Features.Metacopy)),
        new("Native Overlay Diff", Text(Features.NativeDiff)),
        new("userxattr", Text(Features.UserXattr)),
    ];

    /// <inheritdoc/>
    public DriverResult<IReadOnlyList<KeyValuePair<string, string>>> Metadata(string id)
    {
        if (Check("metadata", id) is { } bad)
            return bad;
        if (!Exists(id))
            return new DriverError("metadata", id, Errno.ENOENT, "no such layer");
        List<KeyValuePair<string, string>> roles =
        [
            new("WorkDir", $"{Home}/{id}/work"),
            new("MergedDir", MergedOf(id)),
            new("UpperDir", $"{Home}/{id}/diff"),
        ];
        var lowers = LowerDirectories(id);
        if (!lowers.IsOk)
            return lowers.Error!;
        if (lowers.Value.Count > 0)
            roles.Add(new("LowerDir", string.Join(':', lowers.Value)));
        return DriverResult.Of<IReadOnlyList<KeyValuePair<string, string>>>(roles);
    }

    /// <summary>Unmounts what is still counted.</summary>
    public DriverError? Cleanup()
    {
        foreach (string merged in _mounts.InUse)
            Unmount(merged);
        return null;
    }

    private static string Text(bool value) => value ? "true" : "false";

    private static DriverError? Check(string call, string id) => LayerId.Check(call, id, LinkDir);

    /// <inheritdoc/>
    public DriverResult<IReadOnlyList<string>> Layers() => _kernel.LayersIn(Home, LinkDir);

    /// <summary>The kernel belongs to the caller; mounts stay, as after a daemon's restart.</summary>
    public void Dispose()
    {
    }
}
