using System.Formats.Tar;
using System.IO.Compression;
using System.Text;
using DriverLab.StorageDrivers.Store;
using ZstdSharp;

namespace DriverLab.Images.Tests;

/// <summary>An image as its parts, to be broken on purpose.</summary>
internal sealed class Parts
{
    public Dictionary<string, byte[]> Files { get; } = new(StringComparer.Ordinal);

    public Stream? Open(string name) => Files.TryGetValue(name, out byte[]? bytes) ? new MemoryStream(bytes) : null;

    public static byte[] Tar(params (string Name, string Content)[] files)
    {
        using var stream = new MemoryStream();
        using (var tar = new TarWriter(stream, TarEntryFormat.Pax, leaveOpen: true))
            foreach (var (name, content) in files)
                tar.WriteEntry(new PaxTarEntry(TarEntryType.RegularFile, name) { DataStream = new MemoryStream(Encoding.UTF8.GetBytes(content)), ModificationTime = DateTimeOffset.UnixEpoch });
        return stream.ToArray();
    }

    public static byte[] Pack(byte[] data, LayerCompression compression)
    {
        using var stream = new MemoryStream();
        using (Stream? packed = compression switch { LayerCompression.Gzip => new GZipStream(stream, CompressionLevel.Fastest, true), LayerCompression.Zstd => new CompressionStream(stream, 3, leaveOpen: true), _ => null })
            (packed ?? stream).Write(data);
        return stream.ToArray();
    }

    public static readonly byte[] Base = Tar(("etc/name", "one"), ("etc/gone", "x"), ("big", new string('b', 300_000)));
    public static readonly byte[] Next = Tar(("etc/.wh.gone", ""), ("etc/name", "two"));

    public static byte[] Config(params byte[][] layers) => Encoding.UTF8.GetBytes(
        $$"""{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[{{string.Join(',', layers.Select(l => $"\"{Digest.Of(l)}\""))}}]},"history":[{"created_by":"one"},{"created_by":"nothing","empty_layer":true},{"created_by":"two"}]}""");

    /// <summary>An OCI layout of two layers.</summary>
    public static Parts Oci(LayerCompression compression, string name = "local/demo:v1")
    {
        var parts = new Parts();
        byte[] config = Config(Base, Next);
        string suffix = compression switch { LayerCompression.Gzip => "+gzip", LayerCompression.Zstd => "+zstd", _ => "" };
        string layers = string.Join(',', ((byte[][])[Base, Next]).Select(l => parts.Blob("application/vnd.oci.image.layer.v1.tar" + suffix, Pack(l, compression))));
        byte[] manifest = Encoding.UTF8.GetBytes($$"""{"schemaVersion":2,"config":{{parts.Blob("application/vnd.oci.image.config.v1+json", config)}},"layers":[{{layers}}]}""");
        string descriptor = parts.Blob("application/vnd.oci.image.manifest.v1+json", manifest)[..^1];
        parts.Files["oci-layout"] = """{"imageLayoutVersion":"1.0.0"}"""u8.ToArray();
        parts.Files["index.json"] = Encoding.UTF8.GetBytes($$"""{"schemaVersion":2,"manifests":[{{descriptor}},"annotations":{"org.opencontainers.image.ref.name":"{{name}}"} }]}""");
        return parts;
    }

    /// <summary>What docker save writes, of two layers.</summary>
    public static Parts Docker()
    {
        var parts = new Parts();
        (parts.Files["c.json"], parts.Files["a/layer.tar"], parts.Files["b/layer.tar"]) = (Config(Base, Next), Base, Next);
        parts.Files["manifest.json"] = """[{"Config":"c.json","RepoTags":["local/demo:v1"],"Layers":["a/layer.tar","b/layer.tar"]}]"""u8.ToArray();
        return parts;
    }

    public string Blob(string type, byte[] data)
    {
        Files["blobs/sha256/" + Digest.Hex(Digest.Of(data))] = data;
        return $$"""{"mediaType":"{{type}}","digest":"{{Digest.Of(data)}}","size":{{data.Length}}}""";
    }

    public void Replace(string file, string old, string with) => Files[file] = Encoding.UTF8.GetBytes(Encoding.UTF8.GetString(Files[file]).Replace(old, with, StringComparison.Ordinal));
}
