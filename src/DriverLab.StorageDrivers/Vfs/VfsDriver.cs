using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.StorageDrivers.Files;
using DriverLab.StorageDrivers.Layers;
using DriverLab.StorageDrivers.Layers.Tar;
using DriverLab.StorageDrivers.Store;

namespace DriverLab.StorageDrivers.Vfs;

/// <summary>How a vfs driver is set up.</summary>
/// <param name="Home">Its directory; layers are <c>Home/dir/ID</c>.</param>
public sealed record VfsOptions(string Home)
{
    /// <summary>What a copy of a parent keeps (<c>vfs.xattrs=docker|all</c>).</summary>
    public CopiedXattrs Xattrs { get; init; } = CopiedXattrs.Docker;

    /// <summary>What archives may contain.</summary>
    public TarLimits Limits { get; init; } = TarLimits.Default;

    /// <summary><c>size</c>: the most that a container's layer may hold, with the copy of its parent, that was made without a size of its own, in bytes; null for no limit.</summary>
    public long? SizeBytes { get; init; }

    /// <summary>Reads <c>key=value</c> words.</summary>
    /// <returns>EINVAL: an unknown key or value.</returns>
    public static DriverResult<VfsOptions> Parse(string home, IEnumerable<string> words)
    {
        var options = new VfsOptions(home);
        foreach (string word in words)
            switch (word)
            {
                case "vfs.xattrs=docker":
                    options = options with { Xattrs = CopiedXattrs.Docker };
                    break;
                case "vfs.xattrs=all":
                    options = options with { Xattrs = CopiedXattrs.All };
                    break;
                case ['s' or 'S', 'i' or 'I', 'z' or 'Z', 'e' or 'E', '=', .. var value] when LayerOptions.TryParseSize(value, out long bytes):
                    options = options with { SizeBytes = bytes };
                    break;
                default:
                    return new DriverError("option", word, Errno.EINVAL, "vfs knows size=NUMBER, vfs.xattrs=docker and vfs.xattrs=all");
            }
        return options;
    }
}

/// <summary>The driver without any kernel feature: every layer is a full copy of its parent. No mounts, so Put has nothing to do.</summary>
public sealed class VfsDriver : IStorageDriver, ILayerMounts, ILayerList
{
    private readonly IKernel _kernel;
    private readonly VfsOptions _options;
    private readonly SizeLimits _sizes;

    private VfsDriver(IKernel kernel, VfsOptions options)
    {
        (_kernel, _options) = (kernel, options);
        _sizes = new SizeLimits(kernel, options.Home, LayersDirectory);
    }

    /// <inheritdoc/>
    public string Name => "vfs";

    private string LayersDirectory => _options.Home + "/dir";

    /// <summary>Opens a home, making it if need be.</summary>
    public static DriverResult<IStorageDriver> Open(IKernel kernel, VfsOptions options)
    {
        var driver = new VfsDriver(kernel, options);
        byte[] layers = ByteText.Bytes(driver.LayersDirectory);
        var error = kernel.MakeDirectories(layers, (Mode)0x1C8);
        if (error != Errno.OK)
            return DriverError.Of(error, "mkdir", layers)!;
        return driver._sizes.Check(options.SizeBytes) is { } lacking ? lacking : DriverResult.Of<IStorageDriver>(driver);
    }

    /// <inheritdoc/>
    public DriverError? Create(string id, string parent, LayerOptions options) =>
        options.SizeBytes is null ? Make(id, parent, null) : new DriverError("create", id, Errno.EINVAL, "size is for read-write layers");

    /// <inheritdoc/>
    public DriverError? CreateReadWrite(string id, string parent, LayerOptions options) =>
        _sizes.Check(options.SizeBytes ?? _options.SizeBytes) ?? Make(id, parent, options.SizeBytes ?? _options.SizeBytes);

    private DriverError? Make(string id, string parent, long? bytes)
    {
        if ((LayerId.Check("create", id, "") ?? (parent.Length == 0 ? null : LayerId.Check("create", parent, ""))) is { } bad)
            return bad;
        if (parent.Length > 0 && !Exists(parent))
            return new DriverError("create", parent, Errno.ENOENT, "no such parent");
        byte[] path = ByteText.Bytes(PathOf(id));
        var error = _kernel.MkdirAt(Fd.Cwd, path, (Mode)0x1ED);
        if (error != Errno.OK)
            return DriverError.Of(error, "mkdir", path);
        var failed = DriverError.Of(_kernel.FchmodAt(Fd.Cwd, path, (Mode)0x1ED), "chmod", path)
            ?? _sizes.Limit(PathOf(id), bytes)
            ?? (parent.Length == 0 ? null : TreeCopy.Copy(_kernel, PathOf(parent), PathOf(id), _options.Xattrs));
        if (failed is not null)
            _ = TreeRemoval.Remove(_kernel, Fd.Cwd, path); // the first error is the one to tell
        return failed;
    }

    /// <inheritdoc/>
    public DriverResult<string> Get(string id)
    {
        if (LayerId.Check("get", id, "") is { } bad)
            return bad;
        return Exists(id) ? PathOf(id) : new DriverError("get", id, Errno.ENOENT, "no such layer");
    }

    /// <inheritdoc/>
    public DriverError? Put(string id) => LayerId.Check("put", id, "");

    /// <inheritdoc/>
    public DriverError? Remove(string id)
    {
        if (LayerId.Check("remove", id, "") is { } bad)
            return bad;
        byte[] path = ByteText.Bytes(PathOf(id));
        return DriverError.Of(TreeRemoval.Remove(_kernel, Fd.Cwd, path), "remove", path);
    }

    /// <inheritdoc/>
    public bool Exists(string id) =>
        LayerId.Check("exists", id, "") is null && _kernel.LStatAt(Fd.Cwd, ByteText.Bytes(PathOf(id)), out var stat) == Errno.OK && stat.IsDirectory;

    /// <summary>Nothing, as in Docker.</summary>
    public IReadOnlyList<KeyValuePair<string, string>> Status() => [];

    /// <summary>Nothing, as in Docker.</summary>
    public DriverResult<IReadOnlyList<KeyValuePair<string, string>>> Metadata(string id) =>
        Get(id) is { Error: { } error } ? error : DriverResult.Of<IReadOnlyList<KeyValuePair<string, string>>>([]);

    /// <inheritdoc/>
    public DriverError? Cleanup() => null;

    /// <inheritdoc/>
    public DriverError? Diff(string id, string parent, Stream tar) => NaiveDiff.Diff(this, _kernel, id, parent, tar);

    /// <inheritdoc/>
    public DriverResult<IReadOnlyList<Change>> Changes(string id, string parent) => NaiveDiff.Changes(this, _kernel, id, parent);

    /// <inheritdoc/>
    public DriverResult<ApplyResult> ApplyDiff(string id, string parent, Stream tar)
    {
        var root = Get(id);
        return root.IsOk ? LayerApplier.Apply(_kernel, root.Value, tar, TreeFormat.Plain, _options.Limits) : root.Error!;
    }

    /// <inheritdoc/>
    public DriverResult<long> DiffSize(string id, string parent) => NaiveDiff.Size(this, _kernel, id, parent);

    /// <inheritdoc/>
    public DriverResult<LayerMount> MountOf(string id, bool readOnly)
    {
        var root = Get(id);
        return root.IsOk ? new LayerMount("bind", root.Value, [readOnly ? "ro" : "rw", "rbind"]) : root.Error!;
    }

    /// <inheritdoc/>
    public DriverResult<LayerUsage> UsageOf(string id, string parent) => NaiveDiff.Usage(this, _kernel, id, parent);

    private string PathOf(string id) => $"{LayersDirectory}/{id}";

    /// <inheritdoc/>
    public DriverResult<IReadOnlyList<string>> Layers() => _kernel.LayersIn(LayersDirectory, "");

    /// <summary>The kernel belongs to the caller.</summary>
    public void Dispose()
    {
    }
}
