using System.Security.Cryptography;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.StorageDrivers.Files;

namespace DriverLab.StorageDrivers.Store;

public sealed partial class LayerStore
{
    /// <summary>Compares entries, driver and, when asked, contents.</summary>
    /// <param name="contents">True puts each layer's archive together again and compares its digest: reads everything.</param>
    /// <param name="repair">True does what the faults' <see cref="StoreFault.Repair"/> says.</param>
    /// <returns>The faults found, before repair; none for a good store, which is left as it is. Or what the kernel or the driver says.</returns>
    public DriverResult<IReadOnlyList<StoreFault>> Check(bool contents = false, bool repair = false)
    {
        lock (_gate)
        {
            var faults = new List<StoreFault>();
            var repairs = new List<Func<DriverError?>>();
            void Found(StoreFault fault, Func<DriverError?>? mend)
            {
                faults.Add(fault);
                if (mend is not null)
                    repairs.Add(mend);
            }
            var named = new Dictionary<string, string>(StringComparer.Ordinal);
            var error = CheckLayers(Found, named) ?? CheckMounts(Found, named) ?? CheckWork(Found, named) ?? CheckDriver(Found, named);
            if (error is null && contents)
                CheckContents(Found);
            if (error is null && repair)
            {
                foreach (var mend in repairs)
                    error ??= mend();
                error ??= FinishWork() ?? Load();
            }
            return error is null ? DriverResult.Of<IReadOnlyList<StoreFault>>(faults) : error;
        }
    }

    private DriverError? CheckLayers(Action<StoreFault, Func<DriverError?>?> found, Dictionary<string, string> named)
    {
        var listed = _kernel.ListPath(LayersDirectory);
        if (!listed.IsOk)
            return DriverError.Of(listed.Error, "getdents64", ByteText.Bytes(LayersDirectory));
        foreach (var entry in listed.Value)
        {
            string name = ByteText.Show(entry.Name), at = $"{LayersDirectory}/{name}";
            if (name.EndsWith(Removing, StringComparison.Ordinal))
            {
                found(new("half-removed layer", at, "its removal was not finished", "finishes it"), null);
                _ = Claim(named, ReadText(at + "/cache-id"), at);
                continue;
            }
            var (layer, fault) = ReadLayer(name);
            if (layer is not null && fault is null && layer.Parent.Length > 0 && !_layers.ContainsKey(layer.Parent))
                fault = new("lost parent", at, $"there is no layer {layer.Parent}", "drops the entry");
            if (layer is not null && fault is null && !Claim(named, layer.CacheId, at))
                fault = new("shared layer", at, $"{named[layer.CacheId]} has the same cache-id", "");
            if (fault is not null)
                found(fault, fault.Repair.Length == 0 ? null : () => DropFaulty(LayersDirectory, name));
            else if (!_kernel.Has($"{at}/{NotesFile}"))
                found(new("lost notes", at, $"there is no {NotesFile}, so the layer cannot be exported as it came", ""), null);
        }
        return null;
    }

    private DriverError? CheckMounts(Action<StoreFault, Func<DriverError?>?> found, Dictionary<string, string> named)
    {
        var listed = _kernel.ListPath(MountsDirectory);
        if (!listed.IsOk)
            return DriverError.Of(listed.Error, "getdents64", ByteText.Bytes(MountsDirectory));
        foreach (var entry in listed.Value)
        {
            string name = ByteText.Show(entry.Name), at = $"{MountsDirectory}/{name}";
            if (name.EndsWith(Removing, StringComparison.Ordinal))
            {
                found(new("half-removed container", at, "its removal was not finished", "finishes it"), null);
                _ = Claim(named, ReadText(at + "/mount-id"), at);
                continue;
            }
            var (mount, fault) = ReadMount(name);
            if (mount is not null && fault is null && mount.Parent.Length > 0 && !_layers.ContainsKey(mount.Parent))
                fault = new("lost parent", at, $"there is no layer {mount.Parent}", "drops the entry");
            if (mount is not null && fault is null && !Claim(named, mount.MountId, at))
                fault = new("shared layer", at, $"{named[mount.MountId]} has the same layer of the driver", "");
            if (fault is not null)
                found(fault, fault.Repair.Length == 0 ? null : () => DropFaulty(MountsDirectory, name));
        }
        return null;
    }

    private DriverError? CheckWork(Action<StoreFault, Func<DriverError?>?> found, Dictionary<string, string> named)
    {
        var listed = _kernel.ListPath(WorkDirectory);
        if (!listed.IsOk)
            return DriverError.Of(listed.Error, "getdents64", ByteText.Bytes(WorkDirectory));
        foreach (var entry in listed.Value)
        {
            string at = $"{WorkDirectory}/{ByteText.Show(entry.Name)}";
            found(new("half-made layer", at, "the process that made it has ended", "removes it"), null);
            _ = Claim(named, ReadText(at + "/cache-id"), at);
            _ = Claim(named, ReadText(at + "/mount-id"), at);
        }
        return null;
    }

    /// <summary>Layers of the driver that no entry names: what killed builds leave behind (moby#45939).</summary>
    private DriverError? CheckDriver(Action<StoreFault, Func<DriverError?>?> found, Dictionary<string, string> named)
    {
        if (Driver is not ILayerList list)
            return null;
        var layers = list.Layers();
        if (!layers.IsOk)
            return layers.Error;
        foreach (string id in layers.Value)
            if (!named.ContainsKey(id))
                found(new("orphan layer", id, "no entry of the store names it", "removes it"), () => Driver.Remove(id));
        return null;
    }

    private void CheckContents(Action<StoreFault, Func<DriverError?>?> found)
    {
        foreach (var layer in _layers.Values.OrderBy(static l => l.ChainId, StringComparer.Ordinal))
        {
            using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            using var sink = new HashStream(hash);
            var error = Export(layer.ChainId, sink);
            string digest = Digest.FromHash(hash.GetHashAndReset());
            if (error is not null)
                found(new("changed layer", layer.ChainId, error.ToString(), ""), null);
            else if (digest != layer.DiffId)
                found(new("changed layer", layer.ChainId, $"its archive now has the digest {digest}, not {layer.DiffId}", ""), null);
        }
    }

    /// <summary>Renames the entry away and lets the driver's layer go with it, unless a good entry names that too.</summary>
    private DriverError? DropFaulty(string directory, string name)
    {
        string gone = $"{name}-{_options.Ids.Next(8)}{Removing}", at = $"{directory}/{name}";
        foreach (string file in (ReadOnlySpan<string>)["cache-id", "mount-id"])
        {
            string id = ReadText($"{at}/{file}");
            bool isUsed = _layers.Values.Any(l => l.CacheId == id && $"{LayersDirectory}/{Digest.Hex(l.ChainId)}" != at) || _mounts.Values.Any(m => m.MountId == id && $"{MountsDirectory}/{m.Name}" != at);
            if (id.Length > 0 && isUsed)
                _ = _kernel.UnlinkAt(Fd.Cwd, ByteText.Bytes($"{at}/{file}"), AtFlags.None); // the entry goes, the layer stays
        }
        return DriverError.Of(_kernel.RenameAt2(Fd.Cwd, ByteText.Bytes(at), Fd.Cwd, ByteText.Bytes($"{directory}/{gone}"), RenameFlags.None), "rename", ByteText.Bytes(at))
            ?? _kernel.SyncDirectory(directory);
    }

    private static bool Claim(Dictionary<string, string> named, string id, string entry) => id.Length == 0 || named.TryAdd(id, entry);

    /// <summary>Hashes what is written.</summary>
    private sealed class HashStream(IncrementalHash hash) : ForwardStream
    {
        public override bool CanRead => false;

        public override bool CanWrite => true;

        public override void Write(ReadOnlySpan<byte> buffer) => hash.AppendData(buffer);
    }
}
