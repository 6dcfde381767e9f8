using System.Globalization;
using System.IO.Compression;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.StorageDrivers;
using DriverLab.StorageDrivers.Layers.Tar;
using DriverLab.StorageDrivers.Store;
using ZstdSharp;

namespace DriverLab.Images;

/// <summary>Kinds of image archives.</summary>
public enum ImageFormat
{
    /// <summary>An OCI layout in a tar.</summary>
    Oci,
    /// <summary>What <c>docker save</c> writes.</summary>
    Docker,
}

/// <summary>Writes images as archives; the same images give the same bytes. Layers go through a temporary file, since a tar wants sizes first.</summary>
internal sealed class ImageWriter(LayerStore layers, Func<string, byte[]> config, Stream output)
{
    private readonly TarWriter _tar = new(output);
    private readonly HashSet<string> _written = new(StringComparer.Ordinal);

    /// <summary>A temporary file that goes when it is closed.</summary>
    public static FileStream Spool() => new(Path.Combine(Path.GetTempPath(), Path.GetRandomFileName()), FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None, 1 << 16, FileOptions.DeleteOnClose);

    public DriverError? Write(IReadOnlyList<ImageRecord> images, ImageFormat format, LayerCompression compression)
    {
        var error = format == ImageFormat.Oci ? WriteOci(images, compression) : WriteDocker(images);
        if (error is null)
            _tar.Finish();
        return error;
    }

    private DriverError? WriteDocker(IReadOnlyList<ImageRecord> images)
    {
        var list = new JsonArray();
        foreach (var image in images)
        {
            var parts = new JsonArray();
            foreach (var layer in layers.Chain(image.Chain).Reverse())
            {
                string part = $"{Digest.Hex(layer.ChainId)}/layer.tar";
                parts.Add((JsonNode)part);
                if (_written.Add(part) && WriteLayer(layer, LayerCompression.None, (_, _) => part).Error is { } error)
                    return error;
            }
            Put($"{Digest.Hex(image.Id)}.json", config(image.Id));
            list.Add((JsonNode)new JsonObject { ["Config"] = $"{Digest.Hex(image.Id)}.json", ["RepoTags"] = new JsonArray([.. image.Names.Select(static n => (JsonNode?)n)]), ["Layers"] = parts });
        }
        Put("manifest.json", Encoding.UTF8.GetBytes(list.ToJsonString()));
        return null;
    }

    private DriverError? WriteOci(IReadOnlyList<ImageRecord> images, LayerCompression compression)
    {
        string suffix = compression switch { LayerCompression.Gzip => "+gzip", LayerCompression.Zstd => "+zstd", LayerCompression.None => "" };
        var manifests = new JsonArray();
        Put("oci-layout", """{"imageLayoutVersion":"1.0.0"}"""u8.ToArray());
        foreach (var image in images)
        {
            var descriptors = new JsonArray();
            foreach (var layer in layers.Chain(image.Chain).Reverse())
            {
                var written = WriteLayer(layer, compression, static (digest, _) => "blobs/sha256/" + Digest.Hex(digest));
                if (!written.IsOk)
                    return written.Error;
                descriptors.Add((JsonNode)Descriptor("application/vnd.oci.image.layer.v1.tar" + suffix, written.Value.Digest, written.Value.Size));
            }
            byte[] bytes = config(image.Id);
            PutBlob(bytes);
            byte[] manifest = Encoding.UTF8.GetBytes(new JsonObject
            {
                ["schemaVersion"] = 2,
                ["mediaType"] = "application/vnd.oci.image.manifest.v1+json",
                ["config"] = Descriptor("application/vnd.oci.image.config.v1+json", image.Id, bytes.Length),
                ["layers"] = descriptors,
            }.ToJsonString());
            PutBlob(manifest);
            foreach (string name in image.Names.Count == 0 ? [""] : image.Names)
                manifests.Add((JsonNode)Named(Descriptor("application/vnd.oci.image.manifest.v1+json", Digest.Of(manifest), manifest.Length), name));
        }
        Put("index.json", Encoding.UTF8.GetBytes(new JsonObject { ["schemaVersion"] = 2, ["manifests"] = manifests }.ToJsonString()));
        return null;
    }

    private static JsonObject Named(JsonObject descriptor, string name)
    {
        descriptor["platform"] = new JsonObject { ["architecture"] = "amd64", ["os"] = "linux" };
        if (name.Length > 0)
            descriptor["annotations"] = new JsonObject { ["io.containerd.image.name"] = name, ["org.opencontainers.image.ref.name"] = name[(name.LastIndexOf(':') + 1)..] };
        return descriptor;
    }

    private static JsonObject Descriptor(string type, string digest, long size) => new() { ["mediaType"] = type, ["digest"] = digest, ["size"] = size };

    private DriverResult<(string Digest, long Size)> WriteLayer(LayerRecord layer, LayerCompression compression, Func<string, long, string> name)
    {
        using var spool = Spool();
        DriverError? error;
        using (var packed = Compress(spool, compression))
            error = layers.Export(layer.ChainId, packed ?? spool);
        if (error is not null)
            return error;
        spool.Position = 0;
        string digest = Digest.FromHash(SHA256.HashData(spool));
        string part = name(digest, spool.Length);
        if (compression != LayerCompression.None && !_written.Add(part))
            return (digest, spool.Length);
        spool.Position = 0;
        _tar.WriteEntry(Header(part, spool.Length));
        var buffer = new byte[1 << 16];
        int got;
        while ((got = spool.Read(buffer)) > 0)
            _tar.WriteContent(buffer.AsSpan(0, got));
        return (digest, spool.Length);
    }

    private static Stream? Compress(Stream target, LayerCompression compression) => compression switch
    {
        LayerCompression.Gzip => new GZipStream(target, CompressionLevel.Optimal, leaveOpen: true),
        LayerCompression.Zstd => new CompressionStream(target, 3, leaveOpen: true),
        LayerCompression.None => null,
    };

    private void PutBlob(byte[] content)
    {
        string part = "blobs/sha256/" + Digest.Hex(Digest.Of(content));
        if (_written.Add(part))
            Put(part, content);
    }

    private void Put(string name, byte[] content)
    {
        _tar.WriteEntry(Header(name, content.Length));
        _tar.WriteContent(content);
    }

    private static TarEntry Header(string name, long size) => new() { Name = ByteText.Bytes(name), Type = TarType.File, Permissions = (Mode)0x1A4, Size = size };
}
