using System.Text;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.StorageDrivers.Files;
using DriverLab.StorageDrivers.Layers;
using DriverLab.StorageDrivers.Layers.Tar;
using DriverLab.StorageDrivers.Store;
using DriverLab.StorageDrivers.Overlay2;
using DriverLab.StorageDrivers.Vfs;

namespace DriverLab.StorageDrivers.Overlay;

/// <summary>How an overlay driver is set up.</summary>
/// <param name="Home">Its directory, absolute.</param>
public sealed record OverlayV1Options(string Home)
{
    /// <summary>What archives may contain.</summary>
    public TarLimits Limits { get; init; } = TarLimits.Default;

    /// <summary>The driver has no options.</summary>
    /// <returns>EINVAL: any option.</returns>
    public static DriverResult<OverlayV1Options> Parse(string home, IEnumerable<string> words)
    {
        foreach (string word in words)
            return new DriverError("option", word, Errno.EINVAL, "overlay has no options");
        return new OverlayV1Options(home);
    }
}

/// <summary>Docker's first overlay driver: an image layer is a full tree whose files are hard links into its parent's, a container is one upper directory over one such tree.</summary>
/// <remarks>
/// On disk, as moby wrote it until 23.0: <c>ID/root</c> for an image layer; <c>ID/upper</c>, <c>ID/work</c>, <c>ID/lower-id</c> (the id of one image layer) and, while mounted, <c>ID/merged</c> for a
/// container. A child of a container copies its upper directory and its lower-id. Applying an archive to a layer turns it into an image layer. Files are shared by link, so a
/// tree is only ever changed by unlinking and making anew.
/// </remarks>
public sealed class OverlayDriver : IStorageDriver, ILayerMounts, ILayerList
{
    private const Mode Closed = (Mode)0x1C0, Tree = (Mode)0x1ED;
    private readonly IKernel _kernel;
    private readonly OverlayV1Options _options;
    private readonly OverlayFeatures _features;
    private readonly MountCounter _mounts;

    private OverlayDriver(IKernel kernel, OverlayV1Options options, OverlayFeatures features)
    {
        (_kernel, _options, _features) = (kernel, options, features);
        _mounts = new MountCounter(merged => OverlayMount.IsMounted(kernel, merged));
    }

    /// <inheritdoc/>
    public string Name => "overlay";

    private string Home => _options.Home;

    /// <summary>Opens a home, making it if need be (0710), and probes the kernel.</summary>
    /// <returns>ENODEV or EINVAL (the kernel has no overlay, or not on this file system), EOPNOTSUPP (no d_type), then what the kernel says.</returns>
    public static DriverResult<IStorageDriver> Open(IKernel kernel, OverlayV1Options options)
    {
        byte[] home = ByteText.Bytes(options.Home);
        var error = kernel.MakeDirectories(home, (Mode)0x1C8);
        if (error != Errno.OK)
            return DriverError.Of(error, "mkdir", home)!;
        var features = OverlayProbe.Run(kernel, options.Home);
        return features.IsOk ? DriverResult.Of<IStorageDriver>(new OverlayDriver(kernel, options, features.Value)) : features.Error!;
    }

    /// <inheritdoc/>
    public DriverError? Create(string id, string parent, LayerOptions options) =>
        options.SizeBytes is null ? Make(id, parent) : new DriverError("create", id, Errno.EINVAL, "size is for read-write layers");

    /// <summary>As <see cref="Create"/>. A size is EOPNOTSUPP always: files are linked across layers, and a link cannot leave its quota project.</summary>
    public DriverError? CreateReadWrite(string id, string parent, LayerOptions options) =>
        options.SizeBytes is null ? Make(id, parent) : new DriverError("create", id, Errno.EOPNOTSUPP, "overlay knows no size");

    private DriverError? Make(string id, string parent)
    {
        if ((LayerId.Check("create", id, "") ?? (parent.Length == 0 ? null : LayerId.Check("create", parent, ""))) is { } bad)
            return bad;
        if (parent.Length > 0 && !Exists(parent))
            return new DriverError("create", parent, Errno.ENOENT, "no such parent");
        var error = _kernel.MkdirAt(Fd.Cwd, At(id), Closed);
        if (error != Errno.OK)
            return DriverError.Of(error, "mkdir", At(id));
        var failed = DriverError.Of(_kernel.FchmodAt(Fd.Cwd, At(id), Closed), "chmod", At(id)) ?? Fill(id, parent);
        if (failed is not null)
            _ = TreeRemoval.Remove(_kernel, Fd.Cwd, At(id)); // the first error is the one to tell
        return failed;
    }

    private DriverError? Fill(string id, string parent)
    {
        if (parent.Length == 0)
            return DriverError.Of(_kernel.MakeDirectoryExactly(At(id, "root"), Tree), "mkdir", At(id, "root"));
        bool image = HasRoot(parent);
        var lower = image ? parent : LowerOf(parent);
        if (!lower.IsOk)
            return lower.Error;
        byte[] model = At(parent, image ? "root" : "upper");
        if (_kernel.LStatAt(Fd.Cwd, model, out var stat) is not Errno.OK and var error)
            return DriverError.Of(error, "statx", model);
        return DriverError.Of(_kernel.MakeDirectoryExactly(At(id, "upper"), stat.Mode & Mode.S_IALLUGO), "mkdir", At(id, "upper"))
            ?? DriverError.Of(_kernel.MakeDirectoryExactly(At(id, "work"), Closed), "mkdir", At(id, "work"))
            ?? _kernel.ReplaceFile($"{Home}/{id}", "lower-id", lower.Value, (Mode)0x1B6)
            ?? (image ? null : TreeCopy.Copy(_kernel, $"{Home}/{parent}/upper", $"{Home}/{id}/upper", CopiedXattrs.Upper));
    }

    /// <inheritdoc/>
    public DriverResult<string> Get(string id)
    {
        if (Known("get", id) is { } bad)
            return bad;
        if (HasRoot(id))
            return $"{Home}/{id}/root";
        var lower = LowerOf(id);
        if (!lower.IsOk)
            return lower.Error!;
        string merged = MergedOf(id);
        if (_mounts.Increment(merged) > 1)
            return merged;
        var error = Mount(id, lower.Value);
        if (error is null)
            return merged;
        _ = _mounts.Decrement(merged);
        _ = _kernel.UnlinkAt(Fd.Cwd, ByteText.Bytes(merged), AtFlags.AT_REMOVEDIR); // the mount's error is the one to tell
        return error;
    }

    private DriverError? Mount(string id, string lower)
    {
        var made = _kernel.MkdirAt(Fd.Cwd, At(id, "merged"), Closed);
        if (made is not (Errno.OK or Errno.EEXIST))
            return DriverError.Of(made, "mkdir", At(id, "merged"));
        string data = _features.Prefix + string.Join(',', Directories(id, lower));
        byte[] target = At(id, "merged");
        return DriverError.Of(_kernel.Mount("overlay"u8, target, "overlay"u8, MountFlags.None, ByteText.Bytes(data)), "mount", target);
    }

    private string[] Directories(string id, string lower) => [$"lowerdir={Home}/{lower}/root", $"upperdir={Home}/{id}/upper", $"workdir={Home}/{id}/work"];

    /// <inheritdoc/>
    public DriverError? Put(string id)
    {
        if (LayerId.Check("put", id, "") is { } bad)
            return bad;
        string merged = MergedOf(id);
        if (_kernel.LStatAt(Fd.Cwd, ByteText.Bytes(merged), out _) != Errno.OK)
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
    public DriverError? Remove(string id)
    {
        if (LayerId.Check("remove", id, "") is { } bad)
            return bad;
        string merged = MergedOf(id);
        if (_mounts.Of(merged) > 0)
            return new DriverError("remove", id, Errno.EBUSY, $"mounted {_mounts.Of(merged)} times");
        if (OverlayMount.IsMounted(_kernel, merged))
            Unmount(merged); // left by a killed run
        var error = TreeRemoval.RemovePatiently(_kernel, At(id));
        if (error is null)
            _mounts.Forget(merged);
        return error;
    }

    /// <inheritdoc/>
    public bool Exists(string id) => LayerId.Check("exists", id, "") is null && _kernel.LStatAt(Fd.Cwd, At(id), out var stat) == Errno.OK && stat.IsDirectory;

    /// <inheritdoc/>
    public IReadOnlyList<KeyValuePair<string, string>> Status() => [new("Backing Filesystem", _features.BackingFs), new("Supports d_type", "true")];

    /// <inheritdoc/>
    public DriverResult<IReadOnlyList<KeyValuePair<string, string>>> Metadata(string id)
    {
        if (Known("metadata", id) is { } bad)
            return bad;
        if (HasRoot(id))
            return DriverResult.Of<IReadOnlyList<KeyValuePair<string, string>>>([new("RootDir", $"{Home}/{id}/root")]);
        var lower = LowerOf(id);
        return !lower.IsOk ? lower.Error! : DriverResult.Of<IReadOnlyList<KeyValuePair<string, string>>>(
        [
            new("LowerDir", $"{Home}/{lower.Value}/root"),
            new("UpperDir", $"{Home}/{id}/upper"),
            new("WorkDir", $"{Home}/{id}/work"),
            new("MergedDir", MergedOf(id)),
        ]);
    }

    /// <summary>Unmounts what is still counted.</summary>
    public DriverError? Cleanup()
    {
        foreach (string merged in _mounts.InUse)
            Unmount(merged);
        return null;
    }

    /// <inheritdoc/>
    public DriverError? Diff(string id, string parent, Stream tar) => NaiveDiff.Diff(this, _kernel, id, parent, tar);

    /// <inheritdoc/>
    public DriverResult<IReadOnlyList<Change>> Changes(string id, string parent) => NaiveDiff.Changes(this, _kernel, id, parent);

    /// <inheritdoc/>
    public DriverResult<long> DiffSize(string id, string parent) => NaiveDiff.Size(this, _kernel, id, parent);

    /// <summary>Over an image layer: its files are linked into a new tree, the archive goes over that, and the layer becomes an image layer by one rename. Otherwise into the merged tree.</summary>
    public DriverResult<ApplyResult> ApplyDiff(string id, string parent, Stream tar)
    {
        if (Known("apply", id) is { } bad)
            return bad;
        var lower = parent.Length > 0 && !HasRoot(id) ? LowerOf(id) : "";
        return lower.IsOk && lower.Value.Length > 0 && lower.Value == parent && HasRoot(parent) ? ApplyLinked(id, parent, tar) : LayeredApply.Merged(this, _kernel, id, tar, _options.Limits);
    }

    private DriverResult<ApplyResult> ApplyLinked(string id, string parent, Stream tar)
    {
        byte[] aside = At(id, "tmproot");
        _ = TreeRemoval.Remove(_kernel, Fd.Cwd, aside); // left by a killed run
        var error = DriverError.Of(_kernel.MkdirAt(Fd.Cwd, aside, Closed), "mkdir", aside)
            ?? TreeCopy.Link(_kernel, $"{Home}/{parent}/root", $"{Home}/{id}/tmproot");
        if (error is not null)
            return Abandon(aside, error);
        var applied = LayerApplier.Apply(_kernel, $"{Home}/{id}/tmproot", tar, TreeFormat.Plain, _options.Limits);
        if (!applied.IsOk)
            return Abandon(aside, applied.Error!);
        error = DriverError.Of(_kernel.RenameAt2(Fd.Cwd, aside, Fd.Cwd, At(id, "root"), RenameFlags.None), "rename", aside);
        foreach (string part in (ReadOnlySpan<string>)["upper", "work", "merged", "lower-id"])
            error ??= DriverError.Of(TreeRemoval.Remove(_kernel, Fd.Cwd, At(id, part)), "remove", At(id, part));
        return error is null ? applied : error;
    }

    private DriverError Abandon(byte[] aside, DriverError error)
    {
        _ = TreeRemoval.Remove(_kernel, Fd.Cwd, aside); // the first error is the one to tell
        return error;
    }

    /// <inheritdoc/>
    public DriverResult<LayerMount> MountOf(string id, bool readOnly)
    {
        if (Known("mounts", id) is { } bad)
            return bad;
        if (HasRoot(id))
            return new LayerMount("bind", $"{Home}/{id}/root", [readOnly ? "ro" : "rw", "rbind"]);
        var lower = LowerOf(id);
        if (!lower.IsOk)
            return lower.Error!;
        string[] words = readOnly ? [$"lowerdir={Home}/{id}/upper:{Home}/{lower.Value}/root"] : Directories(id, lower.Value);
        return new LayerMount("overlay", "overlay", [.. _features.Prefix.Split(',', StringSplitOptions.RemoveEmptyEntries), .. words]);
    }

    /// <inheritdoc/>
    public DriverResult<LayerUsage> UsageOf(string id, string parent) => Known("usage", id) is { } bad
        ? bad
        : HasRoot(id) ? NaiveDiff.Usage(this, _kernel, id, parent) : TreeSize.UsageOfTree(_kernel, $"{Home}/{id}/upper");

    private bool HasRoot(string id) => _kernel.LStatAt(Fd.Cwd, At(id, "root"), out var stat) == Errno.OK && stat.IsDirectory;

    private DriverResult<string> LowerOf(string id)
    {
        var lower = _kernel.ReadWhole(At(id, "lower-id"));
        if (!lower.IsOk)
            return DriverError.Of(lower.Error, "open", At(id, "lower-id"))!;
        string text = Encoding.UTF8.GetString(lower.Value);
        return LayerId.Check("lower-id", text, "") is { } bad ? bad : text;
    }

    private DriverError? Known(string call, string id) =>
        LayerId.Check(call, id, "") ?? (Exists(id) ? null : new DriverError(call, id, Errno.ENOENT, "no such layer"));

    private string MergedOf(string id) => $"{Home}/{id}/merged";

    private byte[] At(string id) => ByteText.Bytes($"{Home}/{id}");

    private byte[] At(string id, string name) => ByteText.Bytes($"{Home}/{id}/{name}");

    /// <inheritdoc/>
    public DriverResult<IReadOnlyList<string>> Layers() => _kernel.LayersIn(Home, "");

    /// <summary>The kernel belongs to the caller; mounts stay, as after a daemon's restart.</summary>
    public void Dispose()
    {
    }
}
