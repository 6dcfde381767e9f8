using System.IO.Compression;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.StorageDrivers.Files;

namespace DriverLab.StorageDrivers.Store;

public sealed partial class LayerStore
{
    private const string NotesFile = "tar-split.json.gz";

    /// <summary>Unpacks an archive as a new layer over another one.</summary>
    /// <param name="parent">The chain id below; empty for a base layer.</param>
    /// <param name="archive">The tar, uncompressed, read to its end.</param>
    /// <param name="expectedDiffId">The digest that the archive must have; null to take what comes.</param>
    /// <returns>The layer; the one that was there already when chain ids are equal. EINVAL (digests, depth), ENOENT (parent), EBADMSG (torn, broken, or another digest), E2BIG
    /// (limits), then what the driver and the kernel say. A failure leaves nothing.</returns>
    public DriverResult<LayerRecord> Register(string parent, Stream archive, string? expectedDiffId = null)
    {
        lock (_gate)
        {
            if (CheckParent("register", parent) is { } bad)
                return bad;
            if (expectedDiffId is not null && Digest.Check("register", expectedDiffId) is { } noDigest)
                return noDigest;
            string id = NewId();
            var made = Begin(id, "cache-id", parent) is { } unbegun ? unbegun : Fill(id, parent, archive, expectedDiffId);
            if (made.IsOk && made.Value.CacheId == id)
                return made;
            var undone = Undo(WorkDirectory, id);
            return made.IsOk && undone is not null ? undone : made;
        }
    }

    private DriverError? CheckParent(string call, string parent)
    {
        if (parent.Length == 0)
            return null;
        if (Digest.Check(call, parent) is { } bad)
            return bad;
        if (!_layers.ContainsKey(parent))
            return new DriverError(call, parent, Errno.ENOENT, "no such parent");
        int depth = Chain(parent).Count;
        return depth < _options.MaxDepth ? null : new DriverError(call, parent, Errno.EINVAL, $"max depth exceeded: {depth} layers below, at most {_options.MaxDepth} in all");
    }

    /// <summary>Names a driver layer on disk before it is made, so that a crash leaves nothing without an owner.</summary>
    private DriverError? Begin(string id, string role, string parent)
    {
        string at = $"{WorkDirectory}/{id}";
        return DriverError.Of(_kernel.MkdirAt(Fd.Cwd, ByteText.Bytes(at), Closed), "mkdir", ByteText.Bytes(at))
            ?? _kernel.ReplaceFile(at, role, id, Plain)
            ?? (parent.Length == 0 ? null : _kernel.ReplaceFile(at, "parent", parent, Plain))
            ?? _kernel.SyncDirectory(at)
            ?? _kernel.SyncDirectory(WorkDirectory);
    }

    private DriverResult<LayerRecord> Fill(string id, string parent, Stream archive, string? expected)
    {
        string below = parent.Length == 0 ? "" : _layers[parent].CacheId, at = $"{WorkDirectory}/{id}";
        if (Driver.Create(id, below, LayerOptions.None) is { } error)
            return error;
        long size;
        string diff;
        try
        {
            var unpacked = Unpack(id, below, archive, at);
            if (!unpacked.IsOk)
                return unpacked.Error!;
            (size, diff) = unpacked.Value;
        }
        catch (KernelIOException e)
        {
            return new DriverError("write", $"{at}/{NotesFile}", e.Errno);
        }
        catch (Exception e) when (e is InvalidDataException or IOException)
        {
            return new DriverError("register", "archive", Errno.EBADMSG, e.Message);
        }
        if (expected is not null && diff != expected)
            return new DriverError("register", expected, Errno.EBADMSG, $"the archive's digest is {diff}");
        var record = new LayerRecord(Digest.Chain(parent, diff), diff, parent, id, size);
        if (_layers.TryGetValue(record.ChainId, out var present))
            return present;
        var failed = SyncContents(id)
            ?? _kernel.ReplaceFile(at, "diff", diff, Plain)
            ?? _kernel.ReplaceFile(at, "size", $"{size}", Plain)
            ?? Publish(id, $"{LayersDirectory}/{Digest.Hex(record.ChainId)}", LayersDirectory);
        if (failed is not null)
            return failed;
        _layers.Add(record.ChainId, record);
        return record;
    }

    private DriverResult<(long Size, string Diff)> Unpack(string id, string below, Stream archive, string at)
    {
        byte[] path = ByteText.Bytes($"{at}/{NotesFile}");
        var opened = _kernel.OpenAt(Fd.Cwd, path, OpenFlags.O_WRONLY | OpenFlags.O_CREAT | OpenFlags.O_EXCL | OpenFlags.O_CLOEXEC, Plain);
        if (!opened.IsOk)
            return DriverError.Of(opened.Error, "open", path)!;
        using var file = new DescriptorStream(_kernel, opened.Value);
        string diff;
        long bytes;
        using (var gzip = new GZipStream(file, CompressionLevel.Fastest, leaveOpen: true))
        {
            using var recorder = new TarSplitRecorder(archive, gzip);
            var applied = Driver.ApplyDiff(id, below, recorder);
            if (!applied.IsOk)
                return applied.Error!;
            if (!recorder.ReadTail())
                return new DriverError("register", "archive", Errno.E2BIG, "more than 16 MiB behind the archive's end");
            bytes = applied.Value.Bytes;
            diff = recorder.Finish();
        }
        return DriverError.Of(_kernel.Fsync(opened.Value), "fsync", path) is { } error ? error : (bytes, diff);
    }

    /// <summary>Makes what the driver wrote durable, before the entry that names it is.</summary>
    private DriverError? SyncContents(string id)
    {
        var root = Driver.Get(id);
        if (!root.IsOk)
            return root.Error;
        byte[] path = ByteText.Bytes(root.Value);
        var opened = _kernel.OpenAt(Fd.Cwd, path, OpenFlags.O_RDONLY | OpenFlags.O_DIRECTORY | OpenFlags.O_CLOEXEC, Mode.None);
        var error = opened.Error;
        if (opened.IsOk)
        {
            error = _kernel.Syncfs(opened.Value);
            _ = _kernel.Close(opened.Value); // nothing was written through it
        }
        return Driver.Put(id) ?? DriverError.Of(error, "syncfs", path);
    }

    private DriverError? Publish(string id, string target, string directory)
    {
        byte[] from = ByteText.Bytes($"{WorkDirectory}/{id}");
        return _kernel.SyncDirectory($"{WorkDirectory}/{id}")
            ?? DriverError.Of(_kernel.RenameAt2(Fd.Cwd, from, Fd.Cwd, ByteText.Bytes(target), RenameFlags.RENAME_NOREPLACE), "rename", ByteText.Bytes(target))
            ?? _kernel.SyncDirectory(directory)
            ?? _kernel.SyncDirectory(WorkDirectory);
    }

    /// <summary>Writes a layer's archive as it came in, byte for byte.</summary>
    /// <returns>EINVAL (no digest), ENOENT, EBADMSG (a file that is not what was imported, by name; broken notes), then what the driver and the kernel say.</returns>
    public DriverError? Export(string chainId, Stream tar)
    {
        lock (_gate)
        {
            if (Digest.Check("export", chainId) is { } bad)
                return bad;
            if (!_layers.TryGetValue(chainId, out var layer))
                return new DriverError("export", chainId, Errno.ENOENT, "no such layer");
            byte[] path = ByteText.Bytes($"{LayersDirectory}/{Digest.Hex(chainId)}/{NotesFile}");
            var opened = _kernel.OpenAt(Fd.Cwd, path, OpenFlags.O_RDONLY | OpenFlags.O_NOFOLLOW | OpenFlags.O_CLOEXEC, Mode.None);
            if (!opened.IsOk)
                return DriverError.Of(opened.Error, "open", path);
            using var notes = new DescriptorStream(_kernel, opened.Value);
            var root = Driver.Get(layer.CacheId);
            if (!root.IsOk)
                return root.Error;
            var error = TarSplitAssembler.Write(_kernel, root.Value, notes, tar);
            return Driver.Put(layer.CacheId) ?? error;
        }
    }
}
