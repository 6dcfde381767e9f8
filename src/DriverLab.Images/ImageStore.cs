using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.StorageDrivers;
using DriverLab.StorageDrivers.Store;

namespace DriverLab.Images;

/// <summary>An image of the store.</summary>
/// <param name="Id">The digest of its configuration.</param>
/// <param name="Names">Its names.</param>
/// <param name="Chain">The chain id of its topmost layer; empty for an image without layers.</param>
/// <param name="DiffIds">Its layers, the base first.</param>
public sealed record ImageRecord(string Id, IReadOnlyList<string> Names, string Chain, IReadOnlyList<string> DiffIds);

/// <summary>One step of an image's history.</summary>
/// <param name="Created">When, as the configuration says it; empty where it does not.</param>
/// <param name="CreatedBy">What made it.</param>
/// <param name="Layer">The chain id that it made; empty for a step without a layer.</param>
/// <param name="SizeBytes">Bytes of files that the layer brought.</param>
public sealed record HistoryStep(string Created, string CreatedBy, string Layer, long SizeBytes);

/// <summary>Images over a layer store: configurations by digest, names, import, export, commit; on disk as Docker keeps them. See the README.</summary>
public sealed class ImageStore
{
    private const Mode Closed = (Mode)0x1C0, Plain = (Mode)0x180;
    private readonly IKernel _kernel;
    private readonly string _content, _base;
    private readonly Dictionary<string, byte[]> _configs = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, string> _names = new(StringComparer.Ordinal);

    private ImageStore(IKernel kernel, LayerStore layers, string root)
    {
        (_kernel, Layers) = (kernel, layers);
        _base = $"{root}/image/{layers.Driver.Name}";
        _content = _base + "/imagedb/content/sha256";
    }

    /// <summary>The layers below.</summary>
    public LayerStore Layers { get; }

    /// <summary>Opens the images of a root, making what is missing.</summary>
    /// <returns>EBADMSG (a configuration or the list of names is broken), then what the kernel says.</returns>
    public static DriverResult<ImageStore> Open(IKernel kernel, LayerStore layers, string root)
    {
        var store = new ImageStore(kernel, layers, root);
        return StoreFiles.MakeDirectories(kernel, store._content, Closed) is { } error ? error : store.Load() is { } broken ? broken : store;
    }

    private DriverError? Load()
    {
        foreach (string hex in StoreFiles.Names(_kernel, _content))
        {
            if (Digest.Check("image", Digest.FromHex(hex)) is not null)
                continue; // written aside when the process died
            var config = StoreFiles.Read(_kernel, $"{_content}/{hex}");
            if (!config.IsOk)
                return config.Error;
            if (Digest.Of(config.Value) != Digest.FromHex(hex))
                return new DriverError("image", hex, Errno.EBADMSG, "the configuration is not what its name says");
            _configs.Add(Digest.FromHex(hex), config.Value);
        }
        var list = StoreFiles.Read(_kernel, _base + "/repositories.json");
        if (list.Error?.Errno == Errno.ENOENT)
            return null;
        if (!list.IsOk)
            return list.Error;
        try
        {
            using var document = JsonDocument.Parse(list.Value);
            foreach (var repository in document.RootElement.GetProperty("Repositories").EnumerateObject())
                foreach (var name in repository.Value.EnumerateObject())
                    if (_configs.ContainsKey(name.Value.GetString()!))
                        _names[name.Name] = name.Value.GetString()!;
            return null;
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            return new DriverError("image", _base + "/repositories.json", Errno.EBADMSG, e.Message);
        }
    }

    /// <summary>All images, by id.</summary>
    public IReadOnlyList<ImageRecord> Images => [.. _configs.Keys.Order(StringComparer.Ordinal).Select(Record)];

    private ImageRecord Record(string id)
    {
        string[] diffs = ImageReader.DiffIds(_configs[id]);
        string chain = "";
        foreach (string diff in diffs)
            chain = Digest.Chain(chain, diff);
        return new(id, [.. _names.Where(n => n.Value == id).Select(static n => n.Key)], chain, diffs);
    }

    /// <summary>An image by its name, its id, or the beginning of its id's digits.</summary>
    /// <returns>ENOENT, EINVAL (several).</returns>
    public DriverResult<ImageRecord> Find(string reference)
    {
        if (_names.TryGetValue(reference, out string? named) || _names.TryGetValue(reference + ":latest", out named))
            return Record(named);
        string hex = reference.StartsWith("sha256:", StringComparison.Ordinal) ? reference[7..] : reference;
        var found = hex.Length < 4 ? [] : _configs.Keys.Where(id => Digest.Hex(id).StartsWith(hex, StringComparison.Ordinal)).ToList();
        return found.Count switch
        {
            1 => Record(found[0]),
            0 => new DriverError("image", reference, Errno.ENOENT, _names.Count == 0 ? "there are no images; import one" : $"no such image; there are {string.Join(", ", _names.Keys.Take(5))}"),
            _ => new DriverError("image", reference, Errno.EINVAL, $"{found.Count} images begin so"),
        };
    }

    /// <summary>Imports every image of an archive; layers that are there already are not unpacked again.</summary>
    /// <param name="open">Opens the archive's parts.</param>
    /// <param name="progress">Told of each layer: number, of how many, and whether it was new.</param>
    /// <returns>The images. What a part or a layer says is wrong; images before the wrong one stay, of the wrong one nothing but layers below the wrong one, which <see cref="CollectGarbage"/> takes.</returns>
    public DriverResult<IReadOnlyList<ImageRecord>> Import(OpenPart open, Action<int, int, LayerRecord, bool>? progress = null)
    {
        var sources = ImageReader.Read(open);
        if (!sources.IsOk)
            return sources.Error!;
        var images = new List<ImageRecord>();
        foreach (var source in sources.Value)
        {
            string chain = "";
            for (int i = 0; i < source.Layers.Count; i++)
            {
                var layer = source.Layers[i];
                string next = Digest.Chain(chain, layer.DiffId);
                bool isNew = Layers.Find(next) is null;
                if (isNew && Register(open, chain, layer) is { } error)
                    return error;
                chain = next;
                progress?.Invoke(i + 1, source.Layers.Count, Layers.Find(chain)!, isNew);
            }
            if (Add(source.Config, source.Names) is { } failed)
                return failed;
            images.Add(Record(Digest.Of(source.Config)));
        }
        return images;
    }

    private DriverError? Register(OpenPart open, string parent, LayerSource layer)
    {
        if (open(layer.Part) is not { } part)
            return new DriverError("image", layer.Part, Errno.ENOENT, "no such part in the image");
        using var blob = new LayerBlob(part, layer.BlobDigest, layer.BlobSize);
        return Layers.Register(parent, blob, layer.DiffId).Error;
    }

    private DriverError? Add(byte[] config, IReadOnlyList<string> names)
    {
        string id = Digest.Of(config);
        if (!_configs.ContainsKey(id) && StoreFiles.Write(_kernel, _content, Digest.Hex(id), config, Plain) is { } error)
            return error;
        _configs[id] = config;
        foreach (string name in names)
            _names[WithTag(name)] = id;
        return SaveNames();
    }

    /// <summary>Takes an image of another store whose layers are here already.</summary>
    public DriverError? Adopt(ImageStore other, ImageRecord image) => Add(other._configs[image.Id], image.Names);

    /// <summary>Gives an image a name more; a name that another image had moves.</summary>
    public DriverError? Tag(string id, string name)
    {
        _names[WithTag(name)] = id;
        return SaveNames();
    }

    private static string WithTag(string name) => name.IndexOf(':', Math.Max(0, name.LastIndexOf('/'))) < 0 ? name + ":latest" : name;

    private DriverError? SaveNames()
    {
        var repositories = new JsonObject();
        foreach (var group in _names.GroupBy(static n => n.Key[..n.Key.LastIndexOf(':')]))
            repositories[group.Key] = new JsonObject(group.Select(static n => KeyValuePair.Create(n.Key, (JsonNode?)n.Value)));
        return StoreFiles.Write(_kernel, _base, "repositories.json", Encoding.UTF8.GetBytes(new JsonObject { ["Repositories"] = repositories }.ToJsonString()), Plain);
    }

    /// <summary>Takes a name from an image; with the last name the image goes, and layers that nothing stands on.</summary>
    /// <returns>The chain ids that were removed, or ENOENT, then what the layers say.</returns>
    public DriverResult<IReadOnlyList<string>> Remove(string reference)
    {
        var found = Find(reference);
        if (!found.IsOk)
            return found.Error!;
        var image = found.Value;
        bool byName = _names.Remove(WithTag(reference));
        if (byName && _names.ContainsValue(image.Id))
            return SaveNames() is { } unsaved ? unsaved : DriverResult.Of<IReadOnlyList<string>>([]);
        foreach (string name in image.Names)
            _ = _names.Remove(name);
        _ = _configs.Remove(image.Id);
        if ((SaveNames() ?? StoreFiles.Remove(_kernel, _content, Digest.Hex(image.Id))) is { } error)
            return error;
        return image.Chain.Length == 0 ? DriverResult.Of<IReadOnlyList<string>>([]) : Layers.Release(image.Chain, IsKept);
    }

    /// <summary>Removes layers that neither images nor containers need.</summary>
    public DriverResult<IReadOnlyList<string>> CollectGarbage()
    {
        var removed = new List<string>();
        foreach (var layer in Layers.Layers)
        {
            var released = Layers.Release(layer.ChainId, IsKept);
            if (!released.IsOk)
                return released;
            removed.AddRange(released.Value);
        }
        return DriverResult.Of<IReadOnlyList<string>>(removed);
    }

    private bool IsKept(string chain) => Images.Any(i => i.Chain == chain);

    /// <summary>What an image's configuration tells of its making, the first step first.</summary>
    public IReadOnlyList<HistoryStep> History(ImageRecord image)
    {
        using var document = JsonDocument.Parse(_configs[image.Id]);
        var steps = new List<HistoryStep>();
        string chain = "";
        int next = 0;
        foreach (var step in document.RootElement.TryGetProperty("history", out var history) ? history.EnumerateArray().ToArray() : [])
        {
            bool empty = step.TryGetProperty("empty_layer", out var flag) && flag.ValueKind == JsonValueKind.True;
            if (!empty && next < image.DiffIds.Count)
                chain = Digest.Chain(chain, image.DiffIds[next++]);
            steps.Add(new(Text(step, "created"), Text(step, "created_by"), empty ? "" : chain, empty ? 0 : Layers.Find(chain)?.SizeBytes ?? 0));
        }
        for (; next < image.DiffIds.Count; next++)
        {
            chain = Digest.Chain(chain, image.DiffIds[next]);
            steps.Add(new("", "", chain, Layers.Find(chain)?.SizeBytes ?? 0));
        }
        return steps;
    }

    private static string Text(JsonElement element, string name) => element.TryGetProperty(name, out var value) ? value.GetString() ?? "" : "";

    /// <summary>Makes an image of a container: its changes become a layer, its image's configuration gets a step more.</summary>
    /// <param name="container">The container's name.</param>
    /// <param name="name">The new image's name.</param>
    /// <param name="createdBy">What the history says.</param>
    /// <param name="clock">Tells the time of creation.</param>
    /// <returns>ENOENT, then what the layers say.</returns>
    public DriverResult<ImageRecord> Commit(string container, string name, string createdBy, TimeProvider clock)
    {
        if (Layers.FindMount(container) is not { } mount)
            return new DriverError("commit", container, Errno.ENOENT, "no such container");
        using var spool = ImageWriter.Spool();
        if (Layers.Diff(container, spool) is { } error)
            return error;
        spool.Position = 0;
        var layer = Layers.Register(mount.Parent, spool);
        if (!layer.IsOk)
            return layer.Error!;
        var parent = Images.FirstOrDefault(i => i.Chain == mount.Parent);
        var config = parent is null ? Blank(mount.Parent) : JsonNode.Parse(_configs[parent.Id])!.AsObject();
        string now = clock.GetUtcNow().ToString("yyyy-MM-ddTHH:mm:ssZ", CultureInfo.InvariantCulture);
        config["created"] = now;
        config["rootfs"]!["diff_ids"]!.AsArray().Add((JsonNode)layer.Value.DiffId);
        var history = config["history"] as JsonArray ?? [];
        if (config["history"] is null)
            config["history"] = history;
        history.Add((JsonNode)new JsonObject { ["created"] = now, ["created_by"] = createdBy });
        byte[] bytes = Encoding.UTF8.GetBytes(config.ToJsonString());
        return Add(bytes, [name]) is { } failed ? failed : Record(Digest.Of(bytes));
    }

    private JsonObject Blank(string chain) => new()
    {
        ["architecture"] = "amd64",
        ["os"] = "linux",
        ["config"] = new JsonObject(),
        ["rootfs"] = new JsonObject { ["type"] = "layers", ["diff_ids"] = new JsonArray([.. Layers.Chain(chain).Reverse().Select(static l => (JsonNode?)l.DiffId)]) },
    };

    /// <summary>Writes images as an archive.</summary>
    /// <param name="images">The images.</param>
    /// <param name="format">An OCI layout in a tar, or what <c>docker save</c> writes.</param>
    /// <param name="compression">How layers are compressed in an OCI layout; docker archives hold plain tars.</param>
    /// <param name="output">Takes the archive.</param>
    /// <returns>EBADMSG (a file of a layer is not what was imported), then what the driver and the kernel say.</returns>
    public DriverError? Export(IReadOnlyList<ImageRecord> images, ImageFormat format, LayerCompression compression, Stream output) =>
        new ImageWriter(Layers, id => _configs[id], output).Write(images, format, compression);
}
