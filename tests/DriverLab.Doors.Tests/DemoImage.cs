using System.Formats.Tar;
using System.Globalization;
using System.IO.Compression;
using System.Security.Cryptography;
using System.Text;

namespace DriverLab.Doors.Tests;

/// <summary>An image of two layers made from Debian's static busybox: the second changes a file and deletes another.</summary>
internal static class DemoImage
{
    public const string Name = "local/demo:v1";
    private static readonly DateTimeOffset s_time = DateTimeOffset.FromUnixTimeSeconds(1_000_000_000);

    /// <summary>Writes it as an OCI archive for containerd.</summary>
    public static void WriteOci(string path)
    {
        var (first, second, config) = Parts();
        byte[][] layers = [Gzip(first), Gzip(second)];
        string manifest = $$"""
            {"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{{Descriptor("application/vnd.oci.image.config.v1+json", config)}},
            "layers":[{{string.Join(',', layers.Select(l => Descriptor("application/vnd.oci.image.layer.v1.tar+gzip", l)))}}]}
            """;
        byte[] bytes = Encoding.UTF8.GetBytes(manifest);
        string descriptor = Descriptor("application/vnd.oci.image.manifest.v1+json", bytes)[..^1];
        string index = $$"""
            {"schemaVersion":2,"manifests":[{{descriptor}},"annotations":{"io.containerd.image.name":"{{Name}}","org.opencontainers.image.ref.name":"v1"},
            "platform":{"architecture":"amd64","os":"linux"} }]}
            """;
        using var tar = new TarWriter(File.Create(path), TarEntryFormat.Ustar);
        Add(tar, "oci-layout", """{"imageLayoutVersion":"1.0.0"}"""u8.ToArray());
        Add(tar, "index.json", Encoding.UTF8.GetBytes(index));
        foreach (byte[] blob in (byte[][])[config, bytes, .. layers])
            Add(tar, "blobs/sha256/" + Hex(blob), blob);
    }

    /// <summary>Writes it as <c>docker save</c> does.</summary>
    public static void WriteDocker(string path)
    {
        var (first, second, config) = Parts();
        using var tar = new TarWriter(File.Create(path), TarEntryFormat.Ustar);
        Add(tar, Hex(config) + ".json", config);
        Add(tar, "1/layer.tar", first);
        Add(tar, "2/layer.tar", second);
        Add(tar, "manifest.json", Encoding.UTF8.GetBytes($$"""[{"Config":"{{Hex(config)}}.json","RepoTags":["{{Name}}"],"Layers":["1/layer.tar","2/layer.tar"]}]"""));
    }

    private static (byte[] First, byte[] Second, byte[] Config) Parts()
    {
        byte[] first = Layer(tar =>
        {
            foreach (string directory in (string[])["bin/", "dev/", "etc/", "proc/", "sys/", "tmp/"])
                Put(tar, new UstarTarEntry(TarEntryType.Directory, directory), directory == "tmp/" ? "1777" : "755", null);
            Put(tar, new UstarTarEntry(TarEntryType.RegularFile, "bin/busybox"), "755", File.ReadAllBytes("/bin/busybox"));
            foreach (string applet in (string[])["cat", "ls", "mkdir", "rm", "sh", "touch"])
                Put(tar, new UstarTarEntry(TarEntryType.SymbolicLink, "bin/" + applet) { LinkName = "busybox" }, "777", null);
            Put(tar, new UstarTarEntry(TarEntryType.RegularFile, "etc/gone"), "644", "gone"u8.ToArray());
            Put(tar, new UstarTarEntry(TarEntryType.RegularFile, "etc/kept"), "644", "first"u8.ToArray());
        });
        byte[] second = Layer(tar =>
        {
            Put(tar, new UstarTarEntry(TarEntryType.RegularFile, "etc/.wh.gone"), "644", []);
            Put(tar, new UstarTarEntry(TarEntryType.RegularFile, "etc/kept"), "644", "second\n"u8.ToArray());
        });
        string config = $$"""
            {"architecture":"amd64","os":"linux","config":{"Env":["PATH=/bin"],"Cmd":["/bin/sh"]},"rootfs":{"type":"layers","diff_ids":["sha256:{{Hex(first)}}","sha256:{{Hex(second)}}"]},
            "history":[{"created_by":"busybox"},{"created_by":"a change and a deletion"}]}
            """;
        return (first, second, Encoding.UTF8.GetBytes(config));
    }

    private static byte[] Layer(Action<TarWriter> fill)
    {
        using var stream = new MemoryStream();
        using (var tar = new TarWriter(stream, TarEntryFormat.Ustar, leaveOpen: true))
            fill(tar);
        return stream.ToArray();
    }

    private static void Put(TarWriter tar, UstarTarEntry entry, string octal, byte[]? content)
    {
        entry.Mode = (UnixFileMode)Convert.ToInt32(octal, 8);
        entry.ModificationTime = s_time;
        if (content is not null)
            entry.DataStream = new MemoryStream(content);
        tar.WriteEntry(entry);
    }

    private static void Add(TarWriter tar, string name, byte[] content) => Put(tar, new UstarTarEntry(TarEntryType.RegularFile, name), "644", content);

    private static byte[] Gzip(byte[] data)
    {
        using var stream = new MemoryStream();
        using (var gzip = new GZipStream(stream, CompressionLevel.Fastest))
            gzip.Write(data);
        return stream.ToArray();
    }

    private static string Hex(byte[] data) => Convert.ToHexStringLower(SHA256.HashData(data));

    private static string Descriptor(string type, byte[] data) =>
        string.Create(CultureInfo.InvariantCulture, $$"""{"mediaType":"{{type}}","digest":"sha256:{{Hex(data)}}","size":{{data.Length}}}""");
}
