using System.Text.Json;
using DriverLab.Linux;
using DriverLab.StorageDrivers;
using DriverLab.StorageDrivers.Store;

namespace DriverLab.Images;

/// <summary>A layer as an image names it.</summary>
/// <param name="Part">The part's name.</param>
/// <param name="BlobDigest">The digest of the part, where the image says it.</param>
/// <param name="BlobSize">Its size in bytes, where the image says it.</param>
/// <param name="DiffId">The digest of the archive inside, which the configuration says.</param>
internal sealed record LayerSource(string Part, string? BlobDigest, long? BlobSize, string DiffId);

/// <summary>An image as an archive describes it.</summary>
/// <param name="Config">The configuration, byte for byte.</param>
/// <param name="Names">Its names, such as <c>debian:12</c>.</param>
/// <param name="Layers">Its layers, the base first.</param>
internal sealed record ImageSource(byte[] Config, IReadOnlyList<string> Names, IReadOnlyList<LayerSource> Layers);

/// <summary>Finds the images in an OCI layout or a <c>docker save</c> archive.</summary>
internal static class ImageReader
{
    private const int LargestDocument = 4 << 20, MostLayers = 127;
    private static readonly string[] s_indexes = ["application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json"];

    private static readonly string[] s_manifests = ["application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json"];

    private static readonly string[] s_layers =
    [
        "application/vnd.oci.image.layer.v1.tar", "application/vnd.oci.image.layer.v1.tar+gzip", "application/vnd.oci.image.layer.v1.tar+zstd",
        "application/vnd.docker.image.rootfs.diff.tar", "application/vnd.docker.image.rootfs.diff.tar.gzip",
    ];

    /// <summary>Reads the descriptions; layers are only named.</summary>
    /// <returns>EINVAL (neither layout nor archive; a document that is not what it should be, with the reason), ENOENT (a missing part), EBADMSG (a wrong digest), E2BIG.</returns>
    public static DriverResult<IReadOnlyList<ImageSource>> Read(OpenPart open)
    {
        try
        {
            if (open("oci-layout") is { } layout)
            {
                layout.Dispose();
                var images = new List<ImageSource>();
                using var index = Document(open, "index.json");
                foreach (var manifest in index.RootElement.GetProperty("manifests").EnumerateArray())
                    AddOci(open, manifest, Annotation(manifest), images, 0);
                return images;
            }
            using var list = Document(open, "manifest.json");
            return list.RootElement.EnumerateArray().Select(image => Docker(open, image)).ToList();
        }
        catch (PartException e)
        {
            return e.Error;
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            return new DriverError("image", "manifest", Errno.EINVAL, "not an image's description: " + e.Message);
        }
    }

    private static void AddOci(OpenPart open, JsonElement descriptor, string? name, List<ImageSource> images, int depth)
    {
        if (depth > 3)
            throw new PartException("index", Errno.EINVAL, "indexes inside indexes inside indexes");
        string type = descriptor.TryGetProperty("mediaType", out var media) ? media.GetString() ?? "" : "";
        using var document = Parse(Blob(open, descriptor), "manifest");
        var root = document.RootElement;
        bool isIndex = root.TryGetProperty("manifests", out var manifests), isManifest = root.TryGetProperty("layers", out _);
        if (isIndex == isManifest)
            throw new PartException(type, Errno.EINVAL, isIndex ? "a document that is index and manifest at once" : "a document that is neither index nor manifest");
        if (!(isIndex ? s_indexes : s_manifests).Contains(type))
            throw new PartException(type, Errno.EINVAL, $"a {(isIndex ? "index" : "manifest")} with this media type");
        if (isManifest)
            images.Add(Oci(open, root, name));
        else
            foreach (var inner in manifests.EnumerateArray().Where(static m => IsOurs(m)))
                AddOci(open, inner, Annotation(inner) ?? name, images, depth + 1);
    }

    private static bool IsOurs(JsonElement descriptor) => !descriptor.TryGetProperty("platform", out var platform)
        || (platform.GetProperty("os").GetString() == "linux" && platform.GetProperty("architecture").GetString() == "amd64");

    private static string? Annotation(JsonElement descriptor)
    {
        if (!descriptor.TryGetProperty("annotations", out var annotations))
            return null;
        foreach (string key in (string[])["io.containerd.image.name", "org.opencontainers.image.ref.name"])
            if (annotations.TryGetProperty(key, out var name))
                return name.GetString();
        return null;
    }

    private static ImageSource Oci(OpenPart open, JsonElement manifest, string? name)
    {
        byte[] config = Blob(open, manifest.GetProperty("config"));
        var layers = new List<LayerSource>();
        string[] diffs = DiffIds(config);
        foreach (var layer in manifest.GetProperty("layers").EnumerateArray())
        {
            string type = layer.GetProperty("mediaType").GetString() ?? "", digest = layer.GetProperty("digest").GetString() ?? "";
            if (!s_layers.Contains(type))
                throw new PartException(type, Errno.EINVAL, "a layer of this media type; tar, tar+gzip and tar+zstd are known");
            if (Digest.Check("image", digest) is { } bad)
                throw new PartException(bad);
            if (layers.Count == diffs.Length)
                throw new PartException("manifest", Errno.EINVAL, $"more layers than the {diffs.Length} diff ids of the configuration");
            layers.Add(new("blobs/sha256/" + Digest.Hex(digest), digest, layer.GetProperty("size").GetInt64(), diffs[layers.Count]));
        }
        return Checked(new(config, name is null ? [] : [name], layers), diffs);
    }

    private static ImageSource Docker(OpenPart open, JsonElement image)
    {
        byte[] config = Part(open, image.GetProperty("Config").GetString() ?? "");
        string[] diffs = DiffIds(config), parts = Texts(image, "Layers");
        return Checked(new(config, Texts(image, "RepoTags"), [.. parts.Zip(diffs, static (part, diff) => new LayerSource(part, null, null, diff))]), diffs);
    }

    private static ImageSource Checked(ImageSource image, string[] diffs)
    {
        if (image.Layers.Count != diffs.Length)
            throw new PartException("manifest", Errno.EINVAL, $"{image.Layers.Count} layers, and {diffs.Length} diff ids in the configuration");
        return diffs.Length <= MostLayers ? image : throw new PartException("manifest", Errno.E2BIG, $"{diffs.Length} layers, at most {MostLayers}");
    }

    private static string[] Texts(JsonElement parent, string name) =>
        parent.TryGetProperty(name, out var list) && list.ValueKind == JsonValueKind.Array ? [.. list.EnumerateArray().Select(static e => e.GetString() ?? "")] : [];

    /// <summary>The diff ids of a configuration, each a good digest.</summary>
    internal static string[] DiffIds(byte[] config)
    {
        using var document = Parse(config, "configuration");
        string[] diffs = Texts(document.RootElement.GetProperty("rootfs"), "diff_ids");
        foreach (string diff in diffs)
            if (Digest.Check("image", diff) is { } bad)
                throw new PartException(bad);
        return diffs;
    }

    private static byte[] Blob(OpenPart open, JsonElement descriptor)
    {
        string digest = descriptor.GetProperty("digest").GetString() ?? "";
        if (Digest.Check("image", digest) is { } bad)
            throw new PartException(bad);
        byte[] bytes = Part(open, "blobs/sha256/" + Digest.Hex(digest));
        return Digest.Of(bytes) == digest ? bytes : throw new PartException(digest, Errno.EBADMSG, $"the part's digest is {Digest.Of(bytes)}");
    }

    private static JsonDocument Document(OpenPart open, string name) => Parse(Part(open, name), name);

    private static JsonDocument Parse(byte[] bytes, string name)
    {
        try
        {
            return JsonDocument.Parse(bytes);
        }
        catch (JsonException e)
        {
            throw new PartException(name, Errno.EINVAL, "not JSON: " + e.Message);
        }
    }

    private static byte[] Part(OpenPart open, string name)
    {
        using var part = open(name) ?? throw new PartException(name, Errno.ENOENT, "no such part in the image");
        var bytes = new byte[1 << 12];
        int length = 0, got;
        while ((got = part.Read(bytes, length, bytes.Length - length)) > 0)
        {
            length += got;
            if (length > LargestDocument)
                throw new PartException(name, Errno.E2BIG, $"a document of more than {LargestDocument} bytes");
            if (length == bytes.Length)
                Array.Resize(ref bytes, length * 2);
        }
        return bytes[..length];
    }

    /// <summary>Ends a reading with an error.</summary>
    internal sealed class PartException(DriverError error) : Exception(error.ToString())
    {
        public PartException(string subject, Errno errno, string detail) : this(new DriverError("image", subject, errno, detail))
        {
        }

        public DriverError Error => error;
    }
}
