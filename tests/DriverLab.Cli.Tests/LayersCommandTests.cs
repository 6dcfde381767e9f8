using System.Formats.Tar;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace DriverLab.Cli.Tests;

/// <summary><c>driverlab layers</c> on a store in a folder: each command opens it anew, so that what one does the next one finds.</summary>
[TestFixture("emulated", "overlay2"), TestFixture("emulated", "vfs"), TestFixture("host", "overlay2")]
public sealed class LayersCommandTests(string kernel, string driver)
{
    private static readonly byte[] s_base = Tar(("etc/", ""), ("etc/name", "one"), ("etc/gone", "x"), ("big", new string('b', 70_000)));
    private static readonly byte[] s_next = Tar(("etc/", ""), ("etc/.wh.gone", ""), ("etc/name", "two"), ("new", "new"));
    private string _folder = "";

    [SetUp]
    public void Begin()
    {
        if (kernel == "host" && !Environment.IsPrivilegedProcess)
            Assert.Ignore("--kernel host needs root");
        _folder = Directory.CreateTempSubdirectory("driverlab-layers-").FullName;
        File.WriteAllBytes(At("image.tar"), Image());
        File.WriteAllBytes(At("mine.tar"), Tar(("mine", "mine!")));
    }

    [TearDown]
    public void End()
    {
        if (_folder.Length > 0)
            Directory.Delete(_folder, recursive: true);
    }

    private string At(string name) => Path.Combine(_folder, name);

    private async Task<(int Code, string Output, string Error)> Run(params string[] arguments)
    {
        var (output, error) = (new StringWriter(), new StringWriter());
        int code = await CommandLine.RunAsync(["layers", "--root", At("store"), "--kernel", kernel, .. arguments], output, error);
        return (code, output.ToString(), error.ToString());
    }

    private async Task<string> Succeeds(params string[] arguments)
    {
        var (code, output, error) = await Run(arguments);
        Assert.That(code, Is.Zero, $"{string.Join(' ', arguments)}: {output}{error}");
        return output;
    }

    private async Task Fails(string sentence, params string[] arguments)
    {
        var (code, output, error) = await Run(arguments);
        Assert.That(code, Is.EqualTo(2), error);
        Assert.That(error, Does.StartWith("driverlab: ").And.Contain(sentence).And.Not.Contain("   at "));
        Assert.That(output, Is.Empty);
    }

    private async Task ImportAsync()
    {
        _ = await Succeeds("init", "--driver", driver);
        _ = await Succeeds("import", At("image.tar"));
    }

    private static byte[] Tar(params (string Path, string Content)[] entries)
    {
        using var stream = new MemoryStream();
        using (var writer = new TarWriter(stream, TarEntryFormat.Ustar, leaveOpen: true))
            foreach (var (path, content) in entries)
            {
                bool isDirectory = path.EndsWith('/');
                var entry = new UstarTarEntry(isDirectory ? TarEntryType.Directory : TarEntryType.RegularFile, path) { ModificationTime = DateTimeOffset.UnixEpoch, Mode = (UnixFileMode)(isDirectory ? 0x1ED : 0x1A4) };
                if (!isDirectory)
                    entry.DataStream = new MemoryStream(Encoding.UTF8.GetBytes(content));
                writer.WriteEntry(entry);
            }
        return stream.ToArray();
    }

    private static string Digest(byte[] bytes) => "sha256:" + Convert.ToHexStringLower(SHA256.HashData(bytes));

    private static string BaseChain => Digest(s_base);

    private static string NextChain => Digest(Encoding.ASCII.GetBytes($"{BaseChain} {Digest(s_next)}"));

    private static string Short(string digest) => digest[7..19];

    /// <summary>What <c>docker save</c> writes.</summary>
    internal static byte[] Image()
    {
        string config = $$$"""
            {"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":["{{{Digest(s_base)}}}","{{{Digest(s_next)}}}"]},
             "history":[{"created":"2026-01-01T00:00:00Z","created_by":"first"},{"created":"2026-01-02T00:00:00Z","created_by":"second"}]}
            """;
        using var stream = new MemoryStream();
        using (var writer = new TarWriter(stream, TarEntryFormat.Ustar, leaveOpen: true))
            foreach (var (name, bytes) in ((string, byte[])[])
                [
                    ("config.json", Encoding.UTF8.GetBytes(config)), ("a.tar", s_base), ("b.tar", s_next),
                    ("manifest.json", Encoding.UTF8.GetBytes("""[{"Config":"config.json","RepoTags":["demo:1"],"Layers":["a.tar","b.tar"]}]""")),
                ])
                writer.WriteEntry(new UstarTarEntry(TarEntryType.RegularFile, name) { DataStream = new MemoryStream(bytes) });
        return stream.ToArray();
    }

    [Test]
    public async Task Tree_shows_what_stands_on_what_and_who_shares_it()
    {
        await ImportAsync();
        _ = await Succeeds("create", "box", "demo:1");
        _ = await Succeeds("apply", "box", At("mine.tar"));
        Assert.That(await Succeeds("tree"), Is.EqualTo($"""
            {Short(BaseChain)}  68.4 KiB, shared by 2
            └─ {Short(NextChain)}  6 B, shared by 2  [demo:1]
               └─ container box  5 B of its own
            2 layers, 1 containers, 68.4 KiB in layers

            """));
        string committed = (await Succeeds("commit", "box", "mine:1", "--json")).Split('\n')[0];
        string top = JsonDocument.Parse(committed).RootElement.GetProperty("chain").GetString()!;
        Assert.That(await Succeeds("tree"), Is.EqualTo($"""
            {Short(BaseChain)}  68.4 KiB, shared by 3
            └─ {Short(NextChain)}  6 B, shared by 3  [demo:1]
               ├─ {Short(top)}  5 B  [mine:1]
               └─ container box  5 B of its own
            3 layers, 1 containers, 68.4 KiB in layers

            """));
        var lines = (await Succeeds("tree", "--json")).Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(static l => JsonDocument.Parse(l).RootElement).ToArray();
        Assert.That(lines, Has.Length.EqualTo(5));
        Assert.That(lines[1].GetProperty("parent").GetString(), Is.EqualTo(BaseChain));
        Assert.That(lines[3].GetProperty("container").GetString(), Is.EqualTo("box"));
        Assert.That(lines[4].GetProperty("summary").GetProperty("lines").GetInt32(), Is.EqualTo(4));
    }

    [Test]
    public async Task A_container_is_made_changed_committed_and_removed_by_separate_commands()
    {
        await ImportAsync();
        Assert.That(await Succeeds("images"), Does.Contain("demo:1  2 layers").And.EndWith("1 images\n"));
        Assert.That(await Succeeds("history", "demo:1"), Does.Match($"{Short(BaseChain)}  2026-01-01T00:00:00Z .*first\n{Short(NextChain)}  2026-01-02T00:00:00Z .*second"));
        Assert.That(await Succeeds("create", "box", "demo:1"), Is.EqualTo($"box on {Short(NextChain)}\n"));
        Assert.That(await Succeeds("apply", "box", At("mine.tar")), Is.EqualTo("1 entries, 5 B\n"));
        Assert.That(await Succeeds("changes", "box"), Does.StartWith("A /mine\n"));
        _ = await Succeeds("diff", "box", At("diff.tar"));
        using (var tar = new TarReader(File.OpenRead(At("diff.tar"))))
            Assert.That(tar.GetNextEntry()?.Name, Is.EqualTo("mine"));
        Assert.That(await Succeeds("du"), Does.Match(@"image +demo:1 +68\.4 KiB +68\.4 KiB shared\ncontainer +box +5 B +68\.4 KiB shared"));
        Assert.That(await Succeeds("check", "--contents"), Is.EqualTo("nothing is wrong\n"));
        Assert.That(await Succeeds("remove", "demo:1"), Is.EqualTo("image demo:1 is gone, and 0 layers\n"), "the container stands on them");
        Assert.That(await Succeeds("remove", "box"), Is.EqualTo("container box is gone\n"));
        Assert.That(await Succeeds("gc"), Is.EqualTo($"layer {Short(NextChain)}\nlayer {Short(BaseChain)}\n2 layers removed\n"));
        Assert.That(await Succeeds("tree"), Is.EqualTo("0 layers, 0 containers, 0 B in layers\n"));
    }

    [Test]
    public async Task What_is_exported_and_imported_again_has_the_same_layers()
    {
        await ImportAsync();
        _ = await Succeeds("export", At("out.tar"), "demo:1", "--format", "docker");
        string before = await Succeeds("images", "--json");
        _ = await Succeeds("remove", "demo:1");
        Assert.That(await Succeeds("import", At("out.tar")), Does.EndWith("1 images, 2 new layers\n"));
        Assert.That(await Succeeds("images", "--json"), Is.EqualTo(before));
    }

    [Test]
    public async Task A_store_goes_over_to_another_driver_with_its_containers()
    {
        await ImportAsync();
        _ = await Succeeds("create", "box", "demo:1");
        _ = await Succeeds("apply", "box", At("mine.tar"));
        string other = driver == "vfs" ? "overlay2" : "vfs";
        Assert.That(await Succeeds("convert", "--to", other), Does.StartWith($"2 layers, 1 images and 1 containers are on {other}"));
        await Fails("say which with --driver", "tree");
        Assert.That(await Succeeds("changes", "box", "--driver", other), Does.StartWith("A /mine\n"));
        Assert.That(await Succeeds("tree", "--driver", other), Is.EqualTo(await Succeeds("tree", "--driver", driver)));
    }

    [Test]
    public async Task Wrong_input_gets_one_sentence_and_changes_nothing()
    {
        await Fails("holds no store; make one with", "tree");
        await Fails("Argument 'nosuch' not recognized", "init", "--driver", "nosuch");
        Assert.That(Directory.Exists(At("store")), Is.False);
        await ImportAsync();
        await Fails("does not exist", "import", At("nowhere.tar"));
        await Fails("nobody", "create", "box", "nobody");
        await Fails("not of aufs", "tree", "--driver", "aufs");
        await Fails("no such container", "changes", "nobody");
        File.WriteAllBytes(At("torn.tar"), Image()[..80_000]);
        var (code, _, error) = await Run("import", At("torn.tar"));
        Assert.That(code, Is.EqualTo(2), error);
        Assert.That(await Succeeds("check", "--contents"), Is.EqualTo("nothing is wrong\n"));
        Assert.That(await Succeeds("images"), Does.EndWith("1 images\n"));
    }

    [Test]
    public async Task Drivers_whose_file_system_or_devices_are_not_there_are_refused_by_name()
    {
        if (kernel == "emulated")
        {
            await Fails("the emulated kernel has no ext4 yet, which devicemapper needs", "init", "--driver", "devicemapper");
            await Fails("the emulated kernel has no btrfs yet", "init", "--driver", "btrfs");
            await ImportAsync();
            await Fails("the emulated kernel has no ext4 yet", "convert", "--to", "devicemapper");
        }
        else if (!File.Exists("/dev/mapper/control"))
            await Fails("devicemapper needs a kernel with device-mapper", "init", "--driver", "devicemapper");
        else
            await Fails("from 0 to 99", "init", "--driver", "devicemapper", "--opt", "dm.min_free_space=100%");
    }

    [Test]
    public async Task Two_commands_at_once_wait_for_each_other()
    {
        await ImportAsync();
        var runs = Enumerable.Range(0, 6).Select(i => Task.Run(() => Run("create", $"box{i}", "demo:1"))).ToArray();
        foreach (var (code, _, error) in await Task.WhenAll(runs))
            Assert.That(code, Is.Zero, error);
        Assert.That(await Succeeds("tree"), Does.Contain("2 layers, 6 containers"));
        Assert.That(await Succeeds("check"), Is.EqualTo("nothing is wrong\n"));
    }

    [Test]
    public async Task A_command_that_waits_in_vain_says_so_and_changes_nothing()
    {
        await ImportAsync();
        using (new FileStream(Path.Combine(At("store"), ".lock"), FileMode.Open, FileAccess.ReadWrite, FileShare.None))
            await Fails("another driverlab has the store", "create", "box", "demo:1", "--wait", "0");
        Assert.That(await Succeeds("tree"), Does.Contain("0 containers"));
    }
}
