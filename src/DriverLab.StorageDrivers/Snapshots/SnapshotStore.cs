using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.StorageDrivers.Files;
using DriverLab.StorageDrivers.Store;

namespace DriverLab.StorageDrivers.Snapshots;

/// <summary>containerd's snapshots over a storage driver: names, kinds, labels and times on disk, layers in the driver. Nothing is mounted here: containerd is told what to mount.</summary>
/// <remarks>
/// <para>On disk: <c>ROOT/meta/N</c>, one JSON file a snapshot, replaced atomically and durably; the driver's layer has the id <c>N</c>. A view with a parent has no layer of its own: it shows the
/// parent's. A layer that no file names was being made or removed when the process died, and goes when the store is opened: there is one record, so records cannot disagree.</para>
/// <para>Safe for several threads; one process at a time.</para>
/// </remarks>
public sealed partial class SnapshotStore
{
    private const int LongestLabel = 4096;
    private readonly Lock _gate = new();
    private readonly IKernel _kernel;
    private readonly IStorageDriver _driver;
    private readonly ILayerMounts _layers;
    private readonly string _meta;
    private readonly TimeProvider _clock;
    private readonly Dictionary<string, Entry> _entries = new(StringComparer.Ordinal);
    private long _last;

    /// <summary>A removal failed: the driver may hold a layer that no record names.</summary>
    private bool _leftUnnamed;

    private SnapshotStore(IKernel kernel, IStorageDriver driver, ILayerMounts layers, string root, TimeProvider clock) =>
        (_kernel, _driver, _layers, _meta, _clock) = (kernel, driver, layers, root + "/meta", clock);

    /// <summary>What is on disk of one snapshot.</summary>
    /// <param name="Number">The layer's id in the driver, and the file's name.</param>
    /// <param name="Info">What containerd sees.</param>
    private sealed record Entry(long Number, SnapshotInfo Info)
    {
        public LayerUsage? Usage { get; set; }
    }

    /// <summary>Opens a store, making it if need be, and removes layers that nothing names.</summary>
    /// <param name="kernel">The task to work with.</param>
    /// <param name="driver">A driver whose home belongs to this store alone; it belongs to the caller.</param>
    /// <param name="root">The store's directory.</param>
    /// <param name="clock">Tells creation times.</param>
    /// <returns>EOPNOTSUPP (a driver that cannot say how its layers are mounted), EBADMSG (a broken record), then what the kernel and the driver say.</returns>
    public static DriverResult<SnapshotStore> Open(IKernel kernel, IStorageDriver driver, string root, TimeProvider clock)
    {
        if (driver is not (ILayerMounts layers and ILayerList list))
            return new DriverError("snapshots", driver.Name, Errno.EOPNOTSUPP, "this driver cannot say how its layers are mounted");
        var store = new SnapshotStore(kernel, driver, layers, root, clock);
        byte[] meta = ByteText.Bytes(store._meta);
        var error = kernel.MakeDirectories(meta, Mode.S_IRWXU);
        if (error != Errno.OK)
            return DriverError.Of(error, "mkdir", meta)!;
        return (store.Load() ?? store.RemoveUnnamed(list)) is { } failed ? failed : store;
    }

    /// <summary>Makes a writable snapshot and says how it is mounted.</summary>
    /// <returns>AlreadyExists (key), NotFound (parent), InvalidArgument (parent not committed, key, labels), then what the driver says.</returns>
    public SnapshotResult<LayerMount> Prepare(string key, string parent, IReadOnlyDictionary<string, string> labels) => Make(SnapshotKind.Active, key, parent, labels);

    /// <summary>Makes a read-only view and says how it is mounted; as <see cref="Prepare"/>.</summary>
    public SnapshotResult<LayerMount> View(string key, string parent, IReadOnlyDictionary<string, string> labels) => Make(SnapshotKind.View, key, parent, labels);

    private SnapshotResult<LayerMount> Make(SnapshotKind kind, string key, string parent, IReadOnlyDictionary<string, string> labels)
    {
        return OnTask<SnapshotResult<LayerMount>>(() =>
        {
            if ((CheckNew(key) ?? CheckLabels(labels)) is { } bad)
                return bad;
            Entry? below = null;
            if (parent.Length > 0)
            {
                if (!_entries.TryGetValue(parent, out below))
                    return new SnapshotFault(SnapshotCode.NotFound, $"parent snapshot {parent} does not exist: not found");
                if (below.Info.Kind != SnapshotKind.Committed)
                    return new SnapshotFault(SnapshotCode.InvalidArgument, $"parent snapshot {parent} is not committed: invalid argument");
            }
            var now = _clock.GetUtcNow();
            var entry = new Entry(++_last, new SnapshotInfo(key, parent, kind, now, now, new Dictionary<string, string>(labels)));
            string id = $"{entry.Number}";
            if (HasLayer(entry) && SnapshotFault.Of(_driver.CreateReadWrite(id, below is null ? "" : $"{below.Number}", LayerOptions.None)) is { } failed)
                return failed;
            if (SnapshotFault.Of(Save(entry)) is { } unsaved)
            {
                _ = HasLayer(entry) ? Discard(id) : null; // the first error is the one to tell
                return unsaved;
            }
            _entries.Add(key, entry);
            return MountOf(entry);
        });
    }

    /// <summary>How a snapshot is mounted.</summary>
    /// <returns>NotFound, FailedPrecondition (committed), then what the driver says.</returns>
    public SnapshotResult<LayerMount> Mounts(string key)
    {
        return OnTask<SnapshotResult<LayerMount>>(() =>
        {
            if (!_entries.TryGetValue(key, out var entry))
                return Missing(key);
            return entry.Info.Kind == SnapshotKind.Committed
                ? new SnapshotFault(SnapshotCode.FailedPrecondition, $"snapshot {key} is committed and has no mounts of its own: failed precondition")
                : MountOf(entry);
        });
    }

    /// <summary>Turns a writable snapshot into a committed one with another name; its labels are replaced.</summary>
    /// <returns>AlreadyExists (name), NotFound (key), FailedPrecondition (not active), InvalidArgument (labels).</returns>
    public SnapshotFault? Commit(string name, string key, IReadOnlyDictionary<string, string> labels)
    {
        return OnTask<SnapshotFault?>(() =>
        {
            if (!_entries.TryGetValue(key, out var entry))
                return CheckNew(name) ?? Missing(key);
            if ((CheckNew(name) ?? CheckLabels(labels)) is { } bad)
                return bad;
            if (entry.Info.Kind != SnapshotKind.Active)
                return new(SnapshotCode.FailedPrecondition, $"snapshot {key} is not active: failed precondition");
            var now = _clock.GetUtcNow();
            var committed = new Entry(entry.Number, entry.Info with { Name = name, Kind = SnapshotKind.Committed, Created = now, Updated = now, Labels = new Dictionary<string, string>(labels) });
            if (SnapshotFault.Of(Save(committed)) is { } failed)
                return failed;
            _ = _entries.Remove(key);
            _entries.Add(name, committed);
            return null;
        });
    }

    /// <summary>Deletes a snapshot that nothing stands on.</summary>
    /// <returns>NotFound, FailedPrecondition (children), then what the driver says. Once the record is gone the snapshot is; a layer that could not be deleted goes at the next Open.</returns>
    public SnapshotFault? Remove(string key)
    {
        return OnTask<SnapshotFault?>(() =>
        {
            if (!_entries.TryGetValue(key, out var entry))
                return Missing(key);
            if (_entries.Values.FirstOrDefault(e => e.Info.Parent == key) is { } child)
                return new(SnapshotCode.FailedPrecondition, $"cannot remove snapshot {key} with child {child.Info.Name}: failed precondition");
            byte[] path = ByteText.Bytes($"{_meta}/{entry.Number}");
            var error = DriverError.Of(_kernel.UnlinkAt(Fd.Cwd, path, AtFlags.None), "unlink", path) ?? _kernel.SyncDirectory(_meta);
            if (error is not null)
                return SnapshotFault.Of(error);
            _ = _entries.Remove(key);
            return HasLayer(entry) ? SnapshotFault.Of(Discard($"{entry.Number}")) : null;
        });
    }

    /// <summary>One snapshot.</summary>
    /// <returns>NotFound.</returns>
    public SnapshotResult<SnapshotInfo> Stat(string key)
    {
        lock (_gate)
            return _entries.TryGetValue(key, out var entry) ? entry.Info : Missing(key);
    }

    /// <summary>Changes labels.</summary>
    /// <param name="info">The name, and the labels to take values from.</param>
    /// <param name="mask"><c>labels</c> for all, <c>labels.KEY</c> for one (deleted where there is no value); empty for all that can change.</param>
    /// <returns>NotFound, InvalidArgument (another path, labels).</returns>
    public SnapshotResult<SnapshotInfo> Update(SnapshotInfo info, IReadOnlyList<string> mask)
    {
        return OnTask<SnapshotResult<SnapshotInfo>>(() =>
        {
            if (!_entries.TryGetValue(info.Name, out var entry))
                return Missing(info.Name);
            var labels = new Dictionary<string, string>(entry.Info.Labels);
            foreach (string path in mask.Count == 0 ? ["labels"] : mask)
            {
                const string one = "labels.";
                if (path == "labels")
                    labels = new Dictionary<string, string>(info.Labels);
                else if (!path.StartsWith(one, StringComparison.Ordinal))
                    return new SnapshotFault(SnapshotCode.InvalidArgument, $"cannot update {path} of snapshot {info.Name}: only labels can change: invalid argument");
                else if (info.Labels.TryGetValue(path[one.Length..], out string? value))
                    labels[path[one.Length..]] = value;
                else
                    _ = labels.Remove(path[one.Length..]);
            }
            if (CheckLabels(labels) is { } bad)
                return bad;
            var changed = new Entry(entry.Number, entry.Info with { Labels = labels, Updated = _clock.GetUtcNow() }) { Usage = entry.Usage };
            if (SnapshotFault.Of(Save(changed)) is { } failed)
                return failed;
            _entries[info.Name] = changed;
            return changed.Info;
        });
    }

    /// <summary>What a snapshot takes beyond its parent.</summary>
    /// <returns>NotFound, then what the driver says.</returns>
    public SnapshotResult<LayerUsage> Usage(string key)
    {
        return OnTask<SnapshotResult<LayerUsage>>(() =>
        {
            if (!_entries.TryGetValue(key, out var entry))
                return Missing(key);
            if (!HasLayer(entry))
                return default(LayerUsage);
            if (entry.Usage is { } known)
                return known;
            string parent = entry.Info.Parent.Length == 0 ? "" : $"{_entries[entry.Info.Parent].Number}";
            var usage = _layers.UsageOf($"{entry.Number}", parent);
            if (!usage.IsOk)
                return SnapshotFault.Of(usage.Error)!;
            if (entry.Info.Kind == SnapshotKind.Committed)
                entry.Usage = usage.Value;
            return usage.Value;
        });
    }

    /// <summary>All snapshots that a filter takes, by name. The list is a copy: the store may change while it is read.</summary>
    public IReadOnlyList<SnapshotInfo> List(SnapshotFilter filter)
    {
        lock (_gate)
            return [.. _entries.Values.Select(static e => e.Info).Where(filter.Matches).OrderBy(static i => i.Name, StringComparer.Ordinal)];
    }

    /// <summary>Removes layers that nothing names: those whose removal failed. Where none did, since the store was opened, the driver is not asked: containerd calls this after each collection.</summary>
    /// <returns>What the driver says.</returns>
    public SnapshotFault? Cleanup() => OnTask(() =>
    {
        if (!_leftUnnamed)
            return null;
        var error = RemoveUnnamed((ILayerList)_driver);
        _leftUnnamed = error is not null;
        return SnapshotFault.Of(error);
    });

    private DriverError? Discard(string id)
    {
        var error = _driver.Remove(id);
        _leftUnnamed |= error is not null;
        return error;
    }

    /// <summary>One operation at a time, as the kernel's task, for that each of its dozens of calls costs no hand-over.</summary>
    private T OnTask<T>(Func<T> operation)
    {
        lock (_gate)
            return _kernel.RunFor(operation);
    }

    private SnapshotResult<LayerMount> MountOf(Entry entry)
    {
        long number = HasLayer(entry) ? entry.Number : _entries[entry.Info.Parent].Number;
        var mount = _layers.MountOf($"{number}", readOnly: entry.Info.Kind == SnapshotKind.View);
        return mount.IsOk ? mount.Value : SnapshotFault.Of(mount.Error)!;
    }

    private static bool HasLayer(Entry entry) => entry.Info is not { Kind: SnapshotKind.View, Parent.Length: > 0 };

    private SnapshotFault? CheckNew(string key) => key.Length == 0
        ? new(SnapshotCode.InvalidArgument, "a snapshot's key is empty: invalid argument")
        : _entries.ContainsKey(key) ? new(SnapshotCode.AlreadyExists, $"snapshot {key}: already exists") : null;

    private static SnapshotFault? CheckLabels(IReadOnlyDictionary<string, string> labels)
    {
        foreach (var (key, value) in labels)
            if (key.Length + value.Length > LongestLabel)
                return new(SnapshotCode.InvalidArgument, $"label {key[..Math.Min(key.Length, 64)]}: key and value have {key.Length + value.Length} bytes, at most {LongestLabel}: invalid argument");
        return null;
    }

    private static SnapshotFault Missing(string key) => new(SnapshotCode.NotFound, $"snapshot {key} does not exist: not found");
}
