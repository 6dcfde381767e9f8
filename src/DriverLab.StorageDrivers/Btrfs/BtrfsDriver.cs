using System.Globalization;
using System.Text;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.StorageDrivers.Files;
using DriverLab.StorageDrivers.Layers;
using DriverLab.StorageDrivers.Layers.Tar;
using DriverLab.StorageDrivers.Store;
using Requests = DriverLab.Linux.Ioctl.Btrfs;

namespace DriverLab.StorageDrivers.Btrfs;

/// <summary>How a btrfs driver is set up.</summary>
/// <param name="Home">Its directory, absolute, on btrfs.</param>
public sealed record BtrfsOptions(string Home)
{
    /// <summary>The smallest size that a layer may ask for, in bytes; 0 for any.</summary>
    public long MinSpaceBytes { get; init; }

    /// <summary>What archives may contain.</summary>
    public TarLimits Limits { get; init; } = TarLimits.Default;

    /// <summary>Reads <c>btrfs.min_space=SIZE</c>.</summary>
    /// <returns>EINVAL: an unknown key, a value that is no size.</returns>
    public static DriverResult<BtrfsOptions> Parse(string home, IEnumerable<string> words)
    {
        if (home is not ['/', ..])
            return new DriverError("init", home, Errno.EINVAL, "the home must be an absolute path");
        var options = new BtrfsOptions(home);
        foreach (string word in words)
        {
            int equals = word.IndexOf('=');
            if (equals < 0 || !word[..equals].Equals("btrfs.min_space", StringComparison.OrdinalIgnoreCase))
                return new DriverError("option", word, Errno.EINVAL, "btrfs knows btrfs.min_space");
            if (!LayerOptions.TryParseSize(word.AsSpan(equals + 1), out long bytes))
                return new DriverError("option", word, Errno.EINVAL, "expected btrfs.min_space=NUMBER with an optional k, m, g or t");
            options = options with { MinSpaceBytes = bytes };
        }
        return options;
    }
}

/// <summary>Docker's btrfs driver: a layer is a subvolume, a child a writable snapshot of its parent. Nothing is mounted.</summary>
/// <remarks>
/// On disk, as moby writes it: <c>subvolumes/ID</c>, and <c>quotas/ID</c> with the limit in bytes as text. The limit counts what the subvolume refers to, the parent's data included, and
/// is set again at each Get. Removing a layer first removes the subvolumes inside it.
/// </remarks>
public sealed class BtrfsDriver : IStorageDriver, ILayerMounts, ILayerList
{
    private const Mode Closed = (Mode)0x1C8;
    private readonly IKernel _kernel;
    private readonly BtrfsOptions _options;
    private bool _quota;

    private BtrfsDriver(IKernel kernel, BtrfsOptions options) => (_kernel, _options) = (kernel, options);

    /// <inheritdoc/>
    public string Name => "btrfs";

    private string LayersDirectory => _options.Home + "/subvolumes";

    private string Quotas => _options.Home + "/quotas";

    /// <summary>Opens a home, making it if need be, and looks whether quota is on.</summary>
    /// <returns>EOPNOTSUPP (the home is not on btrfs), then what the kernel says.</returns>
    public static DriverResult<IStorageDriver> Open(IKernel kernel, BtrfsOptions options)
    {
        var driver = new BtrfsDriver(kernel, options);
        byte[] home = ByteText.Bytes(options.Home);
        var error = kernel.MakeDirectories(home, Closed);
        if (error != Errno.OK)
            return DriverError.Of(error, "mkdir", home)!;
        error = kernel.StatFs(home, out var fs);
        if (error != Errno.OK)
            return DriverError.Of(error, "statfs", home)!;
        if (fs.Type != FsMagic.BTRFS)
            return new DriverError("init", options.Home, Errno.EOPNOTSUPP, $"the home must be on btrfs, and is on a file system with magic 0x{fs.Type:x}");
        error = kernel.MakeDirectories(ByteText.Bytes(driver.LayersDirectory), Closed);
        if (error != Errno.OK)
            return DriverError.Of(error, "mkdir", ByteText.Bytes(driver.LayersDirectory))!;
        driver._quota = kernel.HasBtrfsQuota(options.Home);
        return DriverResult.Of<IStorageDriver>(driver);
    }

    /// <inheritdoc/>
    public DriverError? Create(string id, string parent, LayerOptions options) =>
        options.SizeBytes is null ? Make(id, parent, null) : new DriverError("create", id, Errno.EINVAL, "size is for read-write layers");

    /// <summary>As <see cref="Create"/>. A size turns the file system's quota on; it counts the parent's data too. EINVAL below <c>btrfs.min_space</c>.</summary>
    public DriverError? CreateReadWrite(string id, string parent, LayerOptions options) => Make(id, parent, options.SizeBytes);

    private DriverError? Make(string id, string parent, long? size)
    {
        if ((LayerId.Check("create", id, "") ?? (parent.Length == 0 ? null : LayerId.Check("create", parent, ""))) is { } bad)
            return bad;
        if (size < _options.MinSpaceBytes)
            return new DriverError("create", id, Errno.EINVAL, $"size {size} is below btrfs.min_space {_options.MinSpaceBytes}");
        if (parent.Length > 0 && !Exists(parent))
            return new DriverError("create", parent, Errno.ENOENT, "no such parent");
        if (_kernel.Has(PathOf(id)))
            return new DriverError("create", id, Errno.EEXIST);
        if ((parent.Length == 0 ? _kernel.CreateSubvolume(LayersDirectory, id) : _kernel.SnapshotSubvolume(PathOf(parent), LayersDirectory, id)) is { } error)
            return error;
        var failed = parent.Length == 0 ? DriverError.Of(_kernel.FchmodAt(Fd.Cwd, ByteText.Bytes(PathOf(id)), (Mode)0x1ED), "chmod", ByteText.Bytes(PathOf(id))) : null;
        failed ??= size is { } bytes ? Limit(id, bytes) : null;
        if (failed is not null)
            _ = Remove(id); // the first error is the one to tell
        return failed;
    }

    private DriverError? Limit(string id, long bytes)
    {
        var error = EnableQuota() ?? _kernel.LimitSubvolume(PathOf(id), (ulong)bytes);
        if (error is not null)
            return error;
        var made = _kernel.MakeDirectories(ByteText.Bytes(Quotas), Mode.S_IRWXU);
        return DriverError.Of(made, "mkdir", ByteText.Bytes(Quotas))
            ?? _kernel.ReplaceFile(Quotas, id, bytes.ToString(CultureInfo.InvariantCulture), (Mode)0x1A4);
    }

    private DriverError? EnableQuota()
    {
        if (_quota)
            return null;
        var error = _kernel.EnableBtrfsQuota(_options.Home);
        _quota = error is null;
        return error;
    }

    /// <inheritdoc/>
    public DriverResult<string> Get(string id)
    {
        if (Known("get", id) is { } bad)
            return bad;
        var quota = _kernel.ReadWhole(ByteText.Bytes($"{Quotas}/{id}"));
        if (quota.Error == Errno.ENOENT)
            return PathOf(id);
        if (!quota.IsOk)
            return DriverError.Of(quota.Error, "open", ByteText.Bytes($"{Quotas}/{id}"))!;
        if (!ulong.TryParse(Encoding.ASCII.GetString(quota.Value), NumberStyles.None, CultureInfo.InvariantCulture, out ulong bytes))
            return new DriverError("open", $"{Quotas}/{id}", Errno.EINVAL, "the file holds no number of bytes");
        return (EnableQuota() ?? _kernel.LimitSubvolume(PathOf(id), bytes)) is { } error ? error : PathOf(id);
    }

    /// <inheritdoc/>
    public DriverError? Put(string id) => LayerId.Check("put", id, "");

    /// <summary>As the contract says; unlike Docker's, an unknown id is no error here either.</summary>
    public DriverError? Remove(string id)
    {
        if (LayerId.Check("remove", id, "") is { } bad)
            return bad;
        if (Exists(id) && _kernel.DestroySubvolume(LayersDirectory, id, _quota) is { } error)
            return error;
        var unlinked = _kernel.UnlinkAt(Fd.Cwd, ByteText.Bytes($"{Quotas}/{id}"), AtFlags.None);
        if (unlinked is not (Errno.OK or Errno.ENOENT))
            return DriverError.Of(unlinked, "unlink", ByteText.Bytes($"{Quotas}/{id}"));
        return _quota ? _kernel.WaitForBtrfsRescan(_options.Home) : null;
    }

    /// <inheritdoc/>
    public bool Exists(string id) => LayerId.Check("exists", id, "") is null
        && _kernel.LStatAt(Fd.Cwd, ByteText.Bytes(PathOf(id)), out var stat) == Errno.OK && stat.IsDirectory && stat.Ino == Requests.FirstFreeObjectId;

    /// <summary>Quota alone; Docker's first pair is the version of the library that it is linked with, and there is none here.</summary>
    public IReadOnlyList<KeyValuePair<string, string>> Status() => [new("Quota", _quota ? "on" : "off")];

    /// <summary>The subvolume's id; Docker says nothing.</summary>
    public DriverResult<IReadOnlyList<KeyValuePair<string, string>>> Metadata(string id)
    {
        if (Known("metadata", id) is { } bad)
            return bad;
        var subvolume = _kernel.SubvolumeId(PathOf(id));
        return subvolume.IsOk
            ? DriverResult.Of<IReadOnlyList<KeyValuePair<string, string>>>([new("Subvolume", $"{subvolume.Value}")])
            : subvolume.Error!;
    }

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

    private DriverError? Known(string call, string id) =>
        LayerId.Check(call, id, "") ?? (Exists(id) ? null : new DriverError(call, id, Errno.ENOENT, "no such layer"));

    private string PathOf(string id) => $"{LayersDirectory}/{id}";

    /// <inheritdoc/>
    public DriverResult<IReadOnlyList<string>> Layers() => _kernel.LayersIn(LayersDirectory, "");

    /// <summary>The kernel belongs to the caller.</summary>
    public void Dispose()
    {
    }
}
