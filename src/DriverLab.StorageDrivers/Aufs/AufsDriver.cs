using System.Text;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.StorageDrivers.Files;
using DriverLab.StorageDrivers.Layers;
using DriverLab.StorageDrivers.Layers.Tar;
using DriverLab.StorageDrivers.Store;

namespace DriverLab.StorageDrivers.Aufs;

/// <summary>How an aufs driver is set up.</summary>
/// <param name="Home">Its directory, absolute.</param>
public sealed record AufsOptions(string Home)
{
    /// <summary>What archives may contain.</summary>
    public TarLimits Limits { get; init; } = TarLimits.Default;

    /// <summary>The driver has no options.</summary>
    /// <returns>EINVAL: any option, and a home that aufs's option syntax cannot express.</returns>
    public static DriverResult<AufsOptions> Parse(string home, IEnumerable<string> words)
    {
        foreach (string word in words)
            return new DriverError("option", word, Errno.EINVAL, "aufs has no options");
        return home.AsSpan().IndexOfAny(":,=") < 0 ? new AufsOptions(home) : new DriverError("option", home, Errno.EINVAL, "aufs has no way to write ':', ',' or '=' in a path");
    }
}

/// <summary>Docker's aufs driver: a layer is a branch, its ancestors are the read-only branches below it.</summary>
/// <remarks>On disk, exactly as moby wrote it until 23.0: <c>layers/ID</c> (the ancestors, one a line, nearest first), <c>diff/ID</c>, <c>mnt/ID</c>; a base layer is not mounted at all.</remarks>
public sealed partial class AufsDriver : IStorageDriver, ILayerMounts, ILayerList
{
    /// <summary>The most branches of a union: the layer and its ancestors.</summary>
    public const int MaxBranches = 127;

    private const string Removing = "-removing";
    private const Mode Closed = (Mode)0x1C8, Tree = (Mode)0x1ED;
    private static readonly string[] s_parts = ["mnt", "diff", "layers"];

    private readonly IKernel _kernel;
    private readonly AufsOptions _options;
    private readonly IReadOnlyList<string> _words;
    private readonly string _backing;
    private readonly MountCounter _mounts;

    private AufsDriver(IKernel kernel, AufsOptions options, IReadOnlyList<string> words, string backing)
    {
        (_kernel, _options, _words, _backing) = (kernel, options, words, backing);
        _mounts = new MountCounter(target => AufsMount.IsMounted(kernel, target));
    }

    /// <inheritdoc/>
    public string Name => "aufs";

    private string Home => _options.Home;

    /// <summary>Opens a home, making it if need be (0710), asks the kernel what it knows, and finishes removals that were begun.</summary>
    /// <returns>ENODEV (no aufs), EOPNOTSUPP (not over aufs, btrfs or ecryptfs), then what the kernel says.</returns>
    public static DriverResult<IStorageDriver> Open(IKernel kernel, AufsOptions options)
    {
        byte[] home = ByteText.Bytes(options.Home);
        var filesystems = kernel.ReadWhole("/proc/filesystems"u8);
        if (!filesystems.IsOk || !Encoding.ASCII.GetString(filesystems.Value).Split('\n').Any(static l => l.EndsWith("\taufs", StringComparison.Ordinal)))
            return new DriverError("probe", options.Home, Errno.ENODEV, "the kernel has no aufs");
        var error = kernel.MakeDirectories(home, Closed);
        foreach (string part in s_parts)
            if (error == Errno.OK)
                error = kernel.MakeDirectories(ByteText.Bytes($"{options.Home}/{part}"), Closed);
        if (error != Errno.OK)
            return DriverError.Of(error, "mkdir", home)!;
        error = kernel.StatFs(home, out var fs);
        if (error != Errno.OK)
            return DriverError.Of(error, "statfs", home)!;
        const long ecryptfs = 0xf15f;
        if (fs.Type is FsMagic.AUFS or FsMagic.BTRFS or ecryptfs)
            return new DriverError("probe", options.Home, Errno.EOPNOTSUPP, "aufs does not work over aufs, btrfs and ecryptfs");
        foreach (string part in (ReadOnlySpan<string>)["mnt", "diff"])
            if (FinishRemovals(kernel, $"{options.Home}/{part}") is { } failed)
                return failed;
        var words = Probe(kernel, options.Home);
        return words.IsOk ? DriverResult.Of<IStorageDriver>(new AufsDriver(kernel, options, words.Value, OverlayBacking(fs.Type))) : words.Error!;
    }

    private static string OverlayBacking(long magic) => magic switch { FsMagic.TMPFS => "tmpfs", FsMagic.RAMFS => "ramfs", FsMagic.EXT4 => "extfs", FsMagic.XFS => "xfs", _ => "<unknown>" };

    private static DriverError? FinishRemovals(IKernel kernel, string directory)
    {
        var listed = kernel.ListPath(directory);
        if (!listed.IsOk)
            return DriverError.Of(listed.Error, "getdents64", ByteText.Bytes(directory));
        foreach (var entry in listed.Value)
            if (ByteText.Show(entry.Name).EndsWith(Removing, StringComparison.Ordinal))
                _ = TreeRemoval.Remove(kernel, Fd.Cwd, ByteText.Join(ByteText.Bytes(directory), entry.Name)); // tried again at the next start
        return null;
    }

    /// <summary>A mount in a scratch directory: does aufs work there, and does it know dirperm1?</summary>
    private static DriverResult<IReadOnlyList<string>> Probe(IKernel kernel, string home)
    {
        var words = new List<string> { "dio" };
        if (kernel.Has("/dev/shm"))
            words.Add("xino=/dev/shm/aufs.xino");
        string scratch = home + "/.probe";
        _ = kernel.Umount(ByteText.Bytes(scratch + "/m"), UmountFlags.MNT_DETACH); // left by a killed run, as is the rest
        _ = TreeRemoval.Remove(kernel, Fd.Cwd, ByteText.Bytes(scratch));
        foreach (string name in (ReadOnlySpan<string>)["", "/b", "/m"])
            if (kernel.MkdirAt(Fd.Cwd, ByteText.Bytes(scratch + name), Mode.S_IRWXU) is not Errno.OK and var failed)
                return DriverError.Of(failed, "mkdir", ByteText.Bytes(scratch + name))!;
        var mounted = AufsMount.Build(scratch + "/b", [], [.. words, "dirperm1"]).Run(kernel, scratch + "/m");
        if (mounted is null)
            words.Add("dirperm1");
        else
            mounted = AufsMount.Build(scratch + "/b", [], words).Run(kernel, scratch + "/m");
        if (mounted is null)
            _ = kernel.Umount(ByteText.Bytes(scratch + "/m"), UmountFlags.None); // what stays mounted keeps the next line from succeeding
        var error = TreeRemoval.Remove(kernel, Fd.Cwd, ByteText.Bytes(scratch));
        return (mounted ?? DriverError.Of(error, "remove", ByteText.Bytes(scratch))) is { } problem ? problem : words;
    }

    /// <inheritdoc/>
    public DriverError? Create(string id, string parent, LayerOptions options) =>
        options.SizeBytes is null ? Make(id, parent) : new DriverError("create", id, Errno.EINVAL, "size is for read-write layers");

    /// <summary>As <see cref="Create"/>. A size is EOPNOTSUPP always.</summary>
    public DriverError? CreateReadWrite(string id, string parent, LayerOptions options) =>
        options.SizeBytes is null ? Make(id, parent) : new DriverError("create", id, Errno.EOPNOTSUPP, "aufs knows no size");

    private DriverError? Make(string id, string parent)
    {
        if ((Check("create", id) ?? (parent.Length == 0 ? null : Check("create", parent))) is { } bad)
            return bad;
        if (Exists(id))
            return new DriverError("create", id, Errno.EEXIST, "there is such a layer");
        if (parent.Length > 0 && !Exists(parent))
            return new DriverError("create", parent, Errno.ENOENT, "no such parent");
        List<string> ancestors = [];
        if (parent.Length > 0)
        {
            var above = AncestorsOf(parent);
            if (!above.IsOk)
                return above.Error;
            ancestors = [parent, .. above.Value];
        }
        if (ancestors.Count >= MaxBranches)
            return new DriverError("create", id, Errno.EINVAL, $"max depth exceeded: {ancestors.Count + 1} branches, at most {MaxBranches}");
        var failed = DriverError.Of(_kernel.MakeDirectoryExactly(At("mnt", id), Tree), "mkdir", At("mnt", id))
            ?? DriverError.Of(_kernel.MakeDirectoryExactly(At("diff", id), Tree), "mkdir", At("diff", id))
            ?? DriverError.Of(_kernel.WriteWhole(At("layers", id), Encoding.UTF8.GetBytes(string.Concat(ancestors.Select(static a => a + "\n"))), (Mode)0x1A4), "write", At("layers", id));
        if (failed is not null)
            foreach (string part in s_parts)
                _ = TreeRemoval.Remove(_kernel, Fd.Cwd, At(part, id)); // the first error is the one to tell
        return failed;
    }

    /// <inheritdoc/>
    public DriverResult<string> Get(string id)
    {
        if (Known("get", id) is { } bad)
            return bad;
        var ancestors = AncestorsOf(id);
        if (!ancestors.IsOk)
            return ancestors.Error!;
        if (ancestors.Value.Count == 0)
            return DiffOf(id);
        string target = MountOf(id);
        if (_mounts.Increment(target) > 1)
            return target;
        var error = AufsMount.Build(DiffOf(id), [.. ancestors.Value.Select(DiffOf)], _words).Run(_kernel, target);
        if (error is null)
            return target;
        _ = _mounts.Decrement(target);
        return error;
    }

    /// <inheritdoc/>
    public DriverError? Put(string id)
    {
        if (Check("put", id) is { } bad)
            return bad;
        string target = MountOf(id);
        if (_mounts.Of(target) == 0 && !AufsMount.IsMounted(_kernel, target))
            return null;
        if (_mounts.Decrement(target) == 0)
            Unmount(id);
        return null;
    }

    private void Unmount(string id)
    {
        AufsMount.Detach(_kernel, MountOf(id), DiffOf(id));
        _mounts.Forget(MountOf(id));
    }

    /// <inheritdoc/>
    public DriverError? Remove(string id)
    {
        if (Check("remove", id) is { } bad)
            return bad;
        string target = MountOf(id);
        if (_mounts.Of(target) > 0)
            return new DriverError("remove", id, Errno.EBUSY, $"mounted {_mounts.Of(target)} times");
        if (AufsMount.IsMounted(_kernel, target))
            Unmount(id); // left by a killed run
        var record = _kernel.ReadWhole(At("layers", id));
        _ = _kernel.UnlinkAt(Fd.Cwd, At("layers", id), AtFlags.None); // a missing one is as good as a removed one
        foreach (string part in (ReadOnlySpan<string>)["mnt", "diff"])
        {
            byte[] from = At(part, id), aside = ByteText.Bytes($"{Home}/{part}/{id}{Removing}");
            var error = _kernel.RenameAt2(Fd.Cwd, from, Fd.Cwd, aside, RenameFlags.None);
            if (error == Errno.ENOENT)
                continue;
            var failed = DriverError.Of(error, "rename", from) ?? TreeRemoval.RemovePatiently(_kernel, aside);
            if (failed is null)
                continue;
            // Something is mounted inside: the layer stays.
            _ = _kernel.RenameAt2(Fd.Cwd, aside, Fd.Cwd, from, RenameFlags.None);
            if (record.IsOk)
                _ = _kernel.WriteWhole(At("layers", id), record.Value, (Mode)0x1A4);
            return failed;
        }
        _mounts.Forget(target);
        return null;
    }

    /// <inheritdoc/>
    public bool Exists(string id) => Check("exists", id) is null && _kernel.Has($"{Home}/layers/{id}");

    /// <inheritdoc/>
    public IReadOnlyList<KeyValuePair<string, string>> Status()
    {
        var layers = Layers();
        return
        [
            new("Root Dir", Home),
            new("Backing Filesystem", _backing),
            new("Dirs", (layers.IsOk ? layers.Value.Count : 0).ToString(System.Globalization.CultureInfo.InvariantCulture)),
            new("Dirperm1 Supported", _words.Contains("dirperm1") ? "true" : "false"),
        ];
    }

    /// <summary>Docker's driver tells nothing of a layer.</summary>
    public DriverResult<IReadOnlyList<KeyValuePair<string, string>>> Metadata(string id) =>
        Known("metadata", id) is { } bad ? bad : DriverResult.Of<IReadOnlyList<KeyValuePair<string, string>>>([]);

    /// <summary>Unmounts what is still counted.</summary>
    public DriverError? Cleanup()
    {
        foreach (string target in _mounts.InUse)
            Unmount(target[(target.LastIndexOf('/') + 1)..]);
        return null;
    }

    /// <inheritdoc/>
    public DriverResult<IReadOnlyList<string>> Layers() => _kernel.LayersIn(Home + "/layers", "");

    /// <summary>The ancestors in a layer's file; none for a base layer.</summary>
    private DriverResult<List<string>> AncestorsOf(string id)
    {
        var read = _kernel.ReadWhole(At("layers", id));
        if (!read.IsOk)
            return DriverError.Of(read.Error, "open", At("layers", id))!;
        return Encoding.UTF8.GetString(read.Value).Split('\n', StringSplitOptions.RemoveEmptyEntries).ToList();
    }

    private static DriverError? Check(string call, string id) => LayerId.Check(call, id, "");

    private DriverError? Known(string call, string id) => Check(call, id) ?? (Exists(id) ? null : new DriverError(call, id, Errno.ENOENT, "no such layer"));

    private string DiffOf(string id) => $"{Home}/diff/{id}";

    private string MountOf(string id) => $"{Home}/mnt/{id}";

    private byte[] At(string part, string id) => ByteText.Bytes($"{Home}/{part}/{id}");

    /// <summary>The kernel belongs to the caller; mounts stay, as after a daemon's restart.</summary>
    public void Dispose()
    {
    }
}
