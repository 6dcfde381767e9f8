using DriverLab.Linux;
using DriverLab.StorageDrivers.Layers;

namespace DriverLab.StorageDrivers.Store;

public sealed partial class LayerStore
{
    /// <summary>Makes a container's writable layer.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="parent">The chain id that it stands on; empty for an empty tree.</param>
    /// <param name="options">Options for the driver.</param>
    /// <returns>EINVAL (name, digest, options), EEXIST, ENOENT (parent), then what the driver and the kernel say. A failure leaves nothing.</returns>
    public DriverResult<MountRecord> CreateMount(string name, string parent, LayerOptions options)
    {
        lock (_gate)
        {
            if ((LayerId.Check("create", name, "") ?? (parent.Length == 0 ? null : Digest.Check("create", parent))) is { } bad)
                return bad;
            if (_mounts.ContainsKey(name))
                return new DriverError("create", name, Errno.EEXIST, "a container has this name");
            if (parent.Length > 0 && !_layers.ContainsKey(parent))
                return new DriverError("create", parent, Errno.ENOENT, "no such layer");
            string id = NewId(), below = parent.Length == 0 ? "" : _layers[parent].CacheId;
            var error = Begin(id, "mount-id", parent)
                ?? Driver.CreateReadWrite(id, below, options)
                ?? Publish(id, $"{MountsDirectory}/{name}", MountsDirectory);
            if (error is not null)
            {
                _ = Undo(WorkDirectory, id); // the first error is the one to tell
                return error;
            }
            var record = new MountRecord(name, id, parent);
            _mounts.Add(name, record);
            return record;
        }
    }

    /// <summary>Deletes a container's writable layer.</summary>
    /// <returns>EINVAL (name), ENOENT, EBUSY (mounted), then what the driver and the kernel say.</returns>
    public DriverError? RemoveMount(string name)
    {
        lock (_gate)
        {
            if (LayerId.Check("remove", name, "") is { } bad)
                return bad;
            if (!_mounts.TryGetValue(name, out var mount))
                return new DriverError("remove", name, Errno.ENOENT, "no such container");
            if (_used.Contains(name))
                return new DriverError("remove", name, Errno.EBUSY, "the container is mounted; unmount it first");
            return RemoveEntry(MountsDirectory, name, mount.MountId, () => _mounts.Remove(name));
        }
    }

    private readonly HashSet<string> _used = new(StringComparer.Ordinal);

    /// <summary>The directory with a container's tree; a second call gives the same.</summary>
    /// <returns>ENOENT, then what the driver says.</returns>
    public DriverResult<string> Mount(string name)
    {
        lock (_gate)
        {
            if (!_mounts.TryGetValue(name, out var mount))
                return new DriverError("mount", name, Errno.ENOENT, "no such container");
            var got = Driver.Get(mount.MountId);
            if (got.IsOk && !_used.Add(name))
                _ = Driver.Put(mount.MountId); // one Get for each container is enough
            return got;
        }
    }

    /// <summary>Takes a mount back, also one that another process made.</summary>
    /// <returns>ENOENT, then what the driver says.</returns>
    public DriverError? Unmount(string name)
    {
        lock (_gate)
        {
            if (!_mounts.TryGetValue(name, out var mount))
                return new DriverError("unmount", name, Errno.ENOENT, "no such container");
            _ = _used.Remove(name);
            return Driver.Put(mount.MountId);
        }
    }

    /// <summary>What a container changed, as <c>docker diff</c> tells it.</summary>
    /// <returns>ENOENT, then what the driver says.</returns>
    public DriverResult<IReadOnlyList<Change>> Changes(string name)
    {
        lock (_gate)
            return _mounts.TryGetValue(name, out var mount)
                ? Driver.Changes(mount.MountId, CacheOf(mount.Parent))
                : new DriverError("changes", name, Errno.ENOENT, "no such container");
    }

    /// <summary>Unpacks an archive over a container, as a layer is applied.</summary>
    /// <returns>ENOENT, EBADMSG (a torn or broken archive), then what the driver says. What went wrong half-way stays half-way: a container is no layer.</returns>
    public DriverResult<ApplyResult> Apply(string name, Stream archive)
    {
        lock (_gate)
        {
            if (!_mounts.TryGetValue(name, out var mount))
                return new DriverError("apply", name, Errno.ENOENT, "no such container");
            try
            {
                return Driver.ApplyDiff(mount.MountId, CacheOf(mount.Parent), archive);
            }
            catch (Exception e) when (e is InvalidDataException or IOException)
            {
                return new DriverError("apply", name, Errno.EBADMSG, e.Message);
            }
        }
    }

    /// <summary>A container's changes as an archive.</summary>
    /// <returns>ENOENT, then what the driver says.</returns>
    public DriverError? Diff(string name, Stream tar)
    {
        lock (_gate)
            return _mounts.TryGetValue(name, out var mount)
                ? Driver.Diff(mount.MountId, CacheOf(mount.Parent), tar)
                : new DriverError("diff", name, Errno.ENOENT, "no such container");
    }

    /// <summary>Bytes that a container's changed files have.</summary>
    /// <returns>ENOENT, then what the driver says.</returns>
    public DriverResult<long> SizeOfMount(string name)
    {
        lock (_gate)
            return _mounts.TryGetValue(name, out var mount)
                ? Driver.DiffSize(mount.MountId, CacheOf(mount.Parent))
                : new DriverError("size", name, Errno.ENOENT, "no such container");
    }

    private string CacheOf(string chainId) => chainId.Length == 0 ? "" : _layers[chainId].CacheId;
}
