using System.Text;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.StorageDrivers.Files;

namespace DriverLab.StorageDrivers.Store;

/// <summary>How a store is set up.</summary>
/// <param name="Root">Its directory, absolute: <c>image/DRIVER</c> is made below it.</param>
/// <param name="Ids">Where names of driver layers come from.</param>
public sealed record LayerStoreOptions(string Root, IdSource Ids)
{
    /// <summary>The most layers of one chain, as in Docker.</summary>
    public int MaxDepth { get; init; } = 125;
}

/// <summary>The read-only layers and containers over a driver, on disk as Docker's layerdb; every step atomic and durable. See the README beside this file.</summary>
/// <remarks>Safe for several threads of one process; one process at a time has a store open.</remarks>
public sealed partial class LayerStore
{
    private const Mode Closed = Mode.S_IRWXU, Plain = (Mode)0x1A4;
    private const string Removing = "-removing";
    private readonly Lock _gate = new();
    private readonly IKernel _kernel;
    private readonly LayerStoreOptions _options;
    private readonly Dictionary<string, LayerRecord> _layers = new(StringComparer.Ordinal);
    private readonly Dictionary<string, MountRecord> _mounts = new(StringComparer.Ordinal);

    private LayerStore(IKernel kernel, IStorageDriver driver, LayerStoreOptions options) => (_kernel, Driver, _options) = (kernel, driver, options);

    /// <summary>The driver below; the store's own layers in it are the store's to change.</summary>
    public IStorageDriver Driver { get; }

    private string Base => $"{_options.Root}/image/{Driver.Name}/layerdb";

    private string LayersDirectory => Base + "/sha256";

    private string MountsDirectory => Base + "/mounts";

    private string WorkDirectory => Base + "/tmp";

    /// <summary>Opens a store, making it if need be (0700), and finishes or undoes what a killed process left half-done.</summary>
    /// <param name="kernel">The task that the store works with.</param>
    /// <param name="driver">The driver, open; it belongs to the caller.</param>
    /// <param name="options">Where, and how.</param>
    /// <returns>What the kernel or the driver says. Broken entries are no error: they are not listed, and <see cref="Check"/> names them.</returns>
    public static DriverResult<LayerStore> Open(IKernel kernel, IStorageDriver driver, LayerStoreOptions options)
    {
        var store = new LayerStore(kernel, driver, options);
        foreach (string directory in (ReadOnlySpan<string>)[store.LayersDirectory, store.MountsDirectory, store.WorkDirectory])
            if (kernel.MakeDirectories(ByteText.Bytes(directory), Closed) is not Errno.OK and var error)
                return DriverError.Of(error, "mkdir", ByteText.Bytes(directory))!;
        return (kernel.SyncDirectory(store.Base) ?? store.FinishWork() ?? store.Load()) is { } failed ? failed : store;
    }

    /// <summary>All layers, by chain id.</summary>
    public IReadOnlyList<LayerRecord> Layers
    {
        get
        {
            lock (_gate)
                return [.. _layers.Values.OrderBy(static l => l.ChainId, StringComparer.Ordinal)];
        }
    }

    /// <summary>All containers, by name.</summary>
    public IReadOnlyList<MountRecord> Mounts
    {
        get
        {
            lock (_gate)
                return [.. _mounts.Values.OrderBy(static m => m.Name, StringComparer.Ordinal)];
        }
    }

    /// <summary>A layer by its chain id, or null.</summary>
    public LayerRecord? Find(string chainId)
    {
        lock (_gate)
            return _layers.GetValueOrDefault(chainId);
    }

    /// <summary>A container by its name, or null.</summary>
    public MountRecord? FindMount(string name)
    {
        lock (_gate)
            return _mounts.GetValueOrDefault(name);
    }

    /// <summary>How many layers and containers stand directly on a layer.</summary>
    public int References(string chainId)
    {
        lock (_gate)
            return CountReferences(chainId);
    }

    private int CountReferences(string chainId) => _layers.Values.Count(l => l.Parent == chainId) + _mounts.Values.Count(m => m.Parent == chainId);

    /// <summary>The chain from a layer down to its base, nearest first.</summary>
    public IReadOnlyList<LayerRecord> Chain(string chainId)
    {
        lock (_gate)
        {
            var chain = new List<LayerRecord>();
            for (var layer = _layers.GetValueOrDefault(chainId); layer is not null && chain.Count <= _layers.Count; layer = _layers.GetValueOrDefault(layer.Parent))
                chain.Add(layer);
            return chain;
        }
    }

    /// <summary>Deletes a layer that nothing stands on.</summary>
    /// <returns>EINVAL (no digest), ENOENT, EBUSY (layers or containers stand on it), then what the driver and the kernel say. Once the entry is renamed the layer is gone for
    /// good; what then fails is finished at the next Open.</returns>
    public DriverError? Remove(string chainId)
    {
        lock (_gate)
        {
            if (Digest.Check("remove", chainId) is { } bad)
                return bad;
            if (!_layers.TryGetValue(chainId, out var layer))
                return new DriverError("remove", chainId, Errno.ENOENT, "no such layer");
            if (CountReferences(chainId) is > 0 and var count)
                return new DriverError("remove", chainId, Errno.EBUSY, $"{count} layers or containers stand on it");
            return RemoveEntry(LayersDirectory, Digest.Hex(chainId), layer.CacheId, () => _layers.Remove(chainId));
        }
    }

    /// <summary>Deletes a layer, and then each layer below it on which nothing stands any more and that the caller does not keep.</summary>
    /// <param name="chainId">The topmost layer.</param>
    /// <param name="isKept">True for layers that images name.</param>
    /// <returns>The chain ids that were removed, or as <see cref="Remove"/>.</returns>
    public DriverResult<IReadOnlyList<string>> Release(string chainId, Func<string, bool> isKept)
    {
        var removed = new List<string>();
        string next = chainId;
        while (Find(next) is { } layer && !isKept(next) && References(next) == 0)
        {
            if (Remove(next) is { } error)
                return error;
            removed.Add(next);
            next = layer.Parent;
        }
        return DriverResult.Of<IReadOnlyList<string>>(removed);
    }

    /// <summary>Renames an entry so that it is listed no more, deletes the driver's layer, then the entry.</summary>
    private DriverError? RemoveEntry(string directory, string name, string driverId, Action forget)
    {
        string gone = $"{name}-{_options.Ids.Next(8)}{Removing}";
        byte[] from = ByteText.Bytes($"{directory}/{name}"), to = ByteText.Bytes($"{directory}/{gone}");
        var error = DriverError.Of(_kernel.RenameAt2(Fd.Cwd, from, Fd.Cwd, to, RenameFlags.RENAME_NOREPLACE), "rename", from) ?? _kernel.SyncDirectory(directory);
        if (error is not null)
            return error;
        forget();
        return Driver.Remove(driverId) ?? DropEntry(directory, gone);
    }

    private DriverError? DropEntry(string directory, string name)
    {
        byte[] path = ByteText.Bytes($"{directory}/{name}");
        return DriverError.Of(TreeRemoval.Remove(_kernel, Fd.Cwd, path), "remove", path) ?? _kernel.SyncDirectory(directory);
    }

    /// <summary>Undoes work in progress and finishes removals: the first thing after a crash.</summary>
    private DriverError? FinishWork()
    {
        var work = _kernel.ListPath(WorkDirectory);
        if (!work.IsOk)
            return DriverError.Of(work.Error, "getdents64", ByteText.Bytes(WorkDirectory));
        foreach (var entry in work.Value)
            if (Undo(WorkDirectory, ByteText.Show(entry.Name)) is { } error)
                return error;
        foreach (string directory in (ReadOnlySpan<string>)[LayersDirectory, MountsDirectory])
        {
            var listed = _kernel.ListPath(directory);
            if (!listed.IsOk)
                return DriverError.Of(listed.Error, "getdents64", ByteText.Bytes(directory));
            foreach (var entry in listed.Value)
                if (entry.Name.AsSpan().EndsWith("-removing"u8) && Undo(directory, ByteText.Show(entry.Name)) is { } error)
                    return error;
        }
        return null;
    }

    private DriverError? Undo(string directory, string name)
    {
        foreach (string file in (ReadOnlySpan<string>)["cache-id", "mount-id"])
        {
            string id = ReadText($"{directory}/{name}/{file}");
            if (id.Length > 0 && LayerId.Check("undo", id, "") is null && Driver.Remove(id) is { } error)
                return error;
        }
        return DropEntry(directory, name);
    }

    private DriverError? Load()
    {
        _layers.Clear();
        _mounts.Clear();
        var layers = _kernel.ListPath(LayersDirectory);
        var mounts = _kernel.ListPath(MountsDirectory);
        if (!layers.IsOk || !mounts.IsOk)
            return DriverError.Of(layers.IsOk ? mounts.Error : layers.Error, "getdents64", ByteText.Bytes(Base));
        foreach (var entry in layers.Value)
            if (ReadLayer(ByteText.Show(entry.Name)) is { Fault: null, Layer: { } layer })
                _layers.Add(layer.ChainId, layer);
        // A layer without its parent cannot be used; those above it follow.
        while (_layers.Values.FirstOrDefault(l => l.Parent.Length > 0 && !_layers.ContainsKey(l.Parent)) is { } lost)
            _ = _layers.Remove(lost.ChainId);
        foreach (var entry in mounts.Value)
            if (ReadMount(ByteText.Show(entry.Name)) is { Fault: null, Mount: { } mount } && (mount.Parent.Length == 0 || _layers.ContainsKey(mount.Parent)))
                _mounts.Add(mount.Name, mount);
        return null;
    }

    private (LayerRecord? Layer, StoreFault? Fault) ReadLayer(string hex)
    {
        string at = $"{LayersDirectory}/{hex}", chain = Digest.FromHex(hex);
        const string drop = "drops the entry";
        string diff = ReadText(at + "/diff"), cache = ReadText(at + "/cache-id"), parent = ReadText(at + "/parent"), size = ReadText(at + "/size");
        if (Digest.Check("load", chain) is not null)
            return (null, new("foreign entry", at, "the name is no chain id", ""));
        var record = new LayerRecord(chain, diff, parent, cache, long.TryParse(size, out long bytes) && bytes >= 0 ? bytes : -1);
        if (cache.Length == 0 || LayerId.Check("load", cache, "") is not null)
            return (record, new("broken entry", at, "cache-id names no layer of the driver", drop));
        if (Digest.Check("load", diff) is not null || (parent.Length > 0 && Digest.Check("load", parent) is not null))
            return (record, new("broken entry", at, "diff or parent holds no digest", drop));
        if (record.SizeBytes < 0)
            return (record, new("broken entry", at, "size holds no number", drop));
        if (Digest.Chain(parent, diff) != chain)
            return (record, new("wrong chain id", at, $"parent and diff make {Digest.Chain(parent, diff)}", drop));
        return Driver.Exists(cache) ? (record, null) : (record, new("lost layer", at, $"the driver has no layer {cache}", drop));
    }

    private (MountRecord? Mount, StoreFault? Fault) ReadMount(string name)
    {
        string at = $"{MountsDirectory}/{name}";
        string id = ReadText(at + "/mount-id"), parent = ReadText(at + "/parent");
        if (LayerId.Check("load", name, "") is not null)
            return (null, new("foreign entry", at, "the name is no container's", ""));
        var record = new MountRecord(name, id, parent);
        if (id.Length == 0 || LayerId.Check("load", id, "") is not null || (parent.Length > 0 && Digest.Check("load", parent) is not null))
            return (record, new("broken container", at, "mount-id or parent is not what it should be", "drops the entry"));
        return Driver.Exists(id) ? (record, null) : (record, new("lost container", at, $"the driver has no layer {id}", "drops the entry"));
    }

    private string ReadText(string path)
    {
        var content = _kernel.ReadWhole(ByteText.Bytes(path));
        return content.IsOk ? Encoding.UTF8.GetString(content.Value) : "";
    }

    private string NewId() => _options.Ids.NextHex(64);
}
