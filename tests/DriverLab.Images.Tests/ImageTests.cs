using System.Text;
using DriverLab.Linux;
using DriverLab.StorageDrivers;
using DriverLab.StorageDrivers.Store;

namespace DriverLab.Images.Tests;

/// <summary>Import, export, names, history, commit; and what broken and hostile images do, which is nothing.</summary>
public sealed class ImageTests
{
    private ImageLab _lab = null!;

    [SetUp]
    public void Begin() => _lab = new ImageLab("overlay2");

    [TearDown]
    public void End() => _lab.Dispose();

    [Test]
    public void What_comes_in_goes_out_in_every_form(
        [Values("vfs", "overlay", "overlay2")] string driver, [Values] ImageFormat format, [Values] LayerCompression compression, [Values] LayerCompression imported)
    {
        using var lab = new ImageLab(driver);
        var image = lab.Import(Parts.Oci(imported).Open);
        Assert.That(image.Id, Is.EqualTo(Digest.Of(Parts.Config(Parts.Base, Parts.Next))));
        Assert.That(image.DiffIds, Is.EqualTo((string[])[Digest.Of(Parts.Base), Digest.Of(Parts.Next)]));
        byte[] archive = lab.Export(format, compression);
        Assert.That(lab.Export(format, compression), Is.EqualTo(archive), "the same images give the same bytes");

        using var other = new ImageLab(driver);
        var again = other.Import(TarParts.Index(new MemoryStream(archive)).Value.Open);
        Assert.That((again.Id, again.Chain, string.Join(' ', again.Names)), Is.EqualTo((image.Id, image.Chain, "local/demo:v1")));
        Assert.That(other.Layer(again.Chain), Is.EqualTo(Parts.Next));
        Assert.That(other.Export(format, compression), Is.EqualTo(archive), "also after a detour through another store");
    }

    [Test]
    public void Formats_and_compressions_give_the_same_image_and_its_layers_once()
    {
        var first = _lab.Import(Parts.Docker().Open);
        foreach (var compression in Enum.GetValues<LayerCompression>())
            Assert.That(_lab.Import(Parts.Oci(compression).Open), Is.EqualTo(first).Using<ImageRecord>((a, b) => a.Id == b.Id && a.Chain == b.Chain));
        Assert.That(((ILayerList)_lab.Driver).Layers().Value, Has.Count.EqualTo(2));
    }

    [Test]
    public void Names_configuration_and_history_outlive_the_process()
    {
        var image = _lab.Import(Parts.Docker().Open);
        Assert.That(_lab.Images.Tag(image.Id, "other"), Is.Null);
        _lab.Reopen();
        Assert.That(_lab.Images.Find("other").Value.Names, Is.EqualTo((string[])["local/demo:v1", "other:latest"]));
        Assert.That(_lab.Images.Find(Digest.Hex(image.Id)[..12]).Value.Id, Is.EqualTo(image.Id));
        var history = _lab.Images.History(image);
        Assert.That(history.Select(s => s.CreatedBy), Is.EqualTo((string[])["one", "nothing", "two"]));
        Assert.That(history.Select(s => s.Layer), Is.EqualTo((string[])[Digest.Of(Parts.Base), "", image.Chain]));
        Assert.That(_lab.Images.Find("nobody").Error?.ToString(), Does.Contain("there are local/demo:v1, other:latest"));
    }

    [Test]
    public void A_container_becomes_an_image_and_all_goes_in_order()
    {
        var image = _lab.Import(Parts.Docker().Open);
        Assert.That(_lab.Layers.CreateMount("box", image.Chain, LayerOptions.None).Error, Is.Null);
        Assert.That(_lab.Layers.Apply("box", new MemoryStream(Parts.Tar(("mine", "m"), ("etc/.wh.name", "")))).Error, Is.Null);
        var made = _lab.Images.Commit("box", "mine:1", "by hand", TimeProvider.System);
        Assert.That(made.Error, Is.Null);
        Assert.That(made.Value.DiffIds, Has.Count.EqualTo(3));
        Assert.That(_lab.Images.History(made.Value)[^1].CreatedBy, Is.EqualTo("by hand"));
        Assert.That(_lab.Images.Remove("local/demo:v1").Value, Is.Empty, "the new image stands on its layers");
        Assert.That(_lab.Images.Remove("mine:1").Value, Has.Count.EqualTo(1), "the container stands on the others");
        Assert.That(_lab.Layers.RemoveMount("box"), Is.Null);
        Assert.That(_lab.Images.CollectGarbage().Value, Has.Count.EqualTo(2));
        _lab.IsEmpty();
    }

    [TestCase("wrong digest", Errno.EBADMSG, "digest")]
    [TestCase("wrong size", Errno.EBADMSG, "its descriptor says")]
    [TestCase("torn", Errno.EBADMSG, "")]
    [TestCase("wrong diff id", Errno.EBADMSG, "the archive's digest is")]
    [TestCase("missing layer", Errno.ENOENT, "no such part")]
    [TestCase("missing manifest", Errno.ENOENT, "no such part")]
    [TestCase("digest that is a path", Errno.EINVAL, "expected sha256:")]
    [TestCase("index and manifest at once", Errno.EINVAL, "index and manifest at once")]
    [TestCase("manifest called an index", Errno.EINVAL, "with this media type")]
    [TestCase("unknown layer type", Errno.EINVAL, "tar+zstd are known")]
    [TestCase("more layers than diff ids", Errno.EINVAL, "diff ids")]
    [TestCase("not JSON", Errno.EINVAL, "not JSON")]
    [TestCase("huge document", Errno.E2BIG, "more than")]
    public void A_broken_image_leaves_nothing_and_says_why(string how, Errno errno, string words)
    {
        var parts = Parts.Oci(LayerCompression.Gzip);
        string layer = "blobs/sha256/" + Digest.Hex(Digest.Of(Parts.Pack(Parts.Base, LayerCompression.Gzip)));
        string manifest = parts.Files.Keys.Single(k => k.StartsWith("blobs", StringComparison.Ordinal) && Encoding.UTF8.GetString(parts.Files[k]).StartsWith("""{"schemaVersion":2,"config""", StringComparison.Ordinal));
        switch (how)
        {
            case "wrong digest": parts.Files[layer] = Parts.Pack([.. Parts.Base, .. new byte[512]], LayerCompression.Gzip)[..parts.Files[layer].Length]; break;
            case "wrong size": Remake(parts, manifest, $"\"size\":{parts.Files[layer].Length}", $"\"size\":{parts.Files[layer].Length + 1}"); break;
            case "torn": parts.Files[layer] = parts.Files[layer][..100]; break;
            case "wrong diff id": Remake(parts, manifest, Digest.Of(Parts.Config(Parts.Base, Parts.Next)), Digest.Of(Parts.Config(Parts.Next, Parts.Base)), Parts.Config(Parts.Next, Parts.Base)); break;
            case "missing layer": _ = parts.Files.Remove(layer); break;
            case "missing manifest": _ = parts.Files.Remove(manifest); break;
            case "digest that is a path": parts.Replace("index.json", "sha256:", "sha256:../../"); break;
            case "index and manifest at once": Remake(parts, manifest, "\"layers\"", "\"manifests\":[],\"layers\""); break;
            case "manifest called an index": parts.Replace("index.json", "image.manifest.v1", "image.index.v1"); break;
            case "unknown layer type": Remake(parts, manifest, "v1.tar+gzip", "v1.tar+brotli"); break;
            case "more layers than diff ids": Remake(parts, manifest, Digest.Of(Parts.Config(Parts.Base, Parts.Next)), Digest.Of(Parts.Config(Parts.Base)), Parts.Config(Parts.Base)); break;
            case "not JSON": parts.Files["index.json"] = "{"u8.ToArray(); break;
            default: parts.Files["index.json"] = Encoding.UTF8.GetBytes("{" + new string(' ', 5 << 20)); break;
        }
        var imported = _lab.Images.Import(parts.Open);
        Assert.That(imported.Error?.Errno, Is.EqualTo(errno), imported.Error?.ToString());
        Assert.That(imported.Error?.ToString(), Does.Contain(words));
        _ = _lab.Images.CollectGarbage();
        _lab.IsEmpty();
    }

    /// <summary>Changes the manifest, and the index so that its digest fits.</summary>
    private static void Remake(Parts parts, string manifest, string old, string with, byte[]? config = null)
    {
        byte[] before = parts.Files[manifest];
        string text = Encoding.UTF8.GetString(before).Replace(old, with, StringComparison.Ordinal);
        if (config is not null)
        {
            text = text.Replace($"\"size\":{Parts.Config(Parts.Base, Parts.Next).Length}", $"\"size\":{config.Length}", StringComparison.Ordinal);
            _ = parts.Blob("", config);
        }
        byte[] after = Encoding.UTF8.GetBytes(text);
        _ = parts.Blob("", after);
        parts.Replace("index.json", Digest.Of(before), Digest.Of(after));
        parts.Replace("index.json", $"\"size\":{before.Length}", $"\"size\":{after.Length}");
    }

    [TestCase(LayerCompression.Zstd)]
    public void A_bomb_is_stopped_while_it_unpacks(LayerCompression compression)
    {
        byte[] zeroes = new byte[1 << 20];
        using var packed = new MemoryStream();
        using (var stream = new ZstdSharp.CompressionStream(packed, 3, leaveOpen: true))
        {
            stream.Write(Header("bomb", 4L << 30));
            for (int i = 0; i < 4096; i++)
                stream.Write(zeroes);
        }
        var parts = new Parts();
        byte[] config = Encoding.UTF8.GetBytes($$"""{"rootfs":{"diff_ids":["{{Digest.Of("x"u8)}}"]} }""");
        string layer = parts.Blob("application/vnd.oci.image.layer.v1.tar+zstd", packed.ToArray());
        byte[] manifest = Encoding.UTF8.GetBytes($$"""{"config":{{parts.Blob("c", config)}},"layers":[{{layer}}]}""");
        parts.Files["oci-layout"] = [];
        parts.Files["index.json"] = Encoding.UTF8.GetBytes($$"""{"manifests":[{{parts.Blob("application/vnd.oci.image.manifest.v1+json", manifest)}}]}""");
        Assert.That(packed.Length, Is.LessThan(1 << 20), $"{compression}: else it is no bomb");
        var imported = _lab.Images.Import(parts.Open);
        Assert.That(imported.Error?.ToString(), Does.Contain("a bomb"));
        _lab.IsEmpty();
    }

    private static byte[] Header(string name, long size)
    {
        var header = new byte[512];
        Encoding.ASCII.GetBytes(name).CopyTo(header, 0);
        Encoding.ASCII.GetBytes("0000644\00000000\00000000\0").CopyTo(header, 100);
        Encoding.ASCII.GetBytes(Convert.ToString(size, 8).PadLeft(11, '0') + "\0" + "00000000000\0" + "        0").CopyTo(header, 124);
        Encoding.ASCII.GetBytes("ustar\000").CopyTo(header, 257);
        Encoding.ASCII.GetBytes(Convert.ToString(header.Sum(b => b), 8).PadLeft(6, '0') + "\0 ").CopyTo(header, 148);
        return header;
    }

    [Test]
    public void An_archive_that_is_none_is_refused_at_once()
    {
        Assert.That(TarParts.Index(new MemoryStream(Encoding.ASCII.GetBytes(new string('x', 700)))).Error?.Errno, Is.EqualTo(Errno.EBADMSG));
        Assert.That(_lab.Images.Import(_ => null).Error?.Errno, Is.EqualTo(Errno.ENOENT));
    }
}
