using DriverLab.Linux;
using DriverLab.Rig.Cache;
using DriverLab.Rig.Kernels;
using DriverLab.Rig.Machines;

namespace DriverLab.Rig.Tests;

/// <summary>Catalogue, versions, mirrors, configurations: everything about kernels that needs no network.</summary>
public class KernelTests
{
    [Test]
    public void The_built_in_catalogue_has_the_lines()
    {
        var catalogue = KernelCatalogue.BuiltIn();
        Assert.That(catalogue.Lines.Select(line => line.Line), Is.EqualTo(new[] { "5.10", "6.1", "6.12", "6.16", "6.17", "6.18", "6.19", "7.0", "7.1", "7.2", "7.3" }));
        Assert.That(catalogue.Find("6.12").Suites, Is.EqualTo(new[] { "trixie", "trixie-security" }));
    }

    [Test]
    public void An_unknown_line_is_refused_with_the_known_ones() =>
        Assert.That(Assert.Throws<RigUsageException>(() => KernelCatalogue.BuiltIn().Find("6.2"))!.Message,
            Does.StartWith("kernel '6.2' is not in the catalogue; known lines: 5.10, 6.1, 6.12").And.Contain("--kernel-image"));

    [TestCase("6.1", "k:1: '6.1' is no catalogue line")]
    [TestCase("six bookworm", "k:1: 'six bookworm' is no catalogue line")]
    [TestCase("6.1.5 bookworm", "k:1: '6.1.5 bookworm' is no catalogue line")]
    [TestCase("# x\n6.1 a\n6.1 b", "k:3: line 6.1 is listed twice")]
    public void A_bad_catalogue_line_is_named(string text, string message) =>
        Assert.That(Assert.Throws<RigUsageException>(() => KernelCatalogue.Parse(text, "k"))!.Message, Does.StartWith(message));

    [TestCase("6.1.192-2", "6.1.176-1", 1)]
    [TestCase("6.12.117-1", "6.12.95-1~bpo12+1", 1)]
    [TestCase("7.3.4-1~bpo13+1", "7.3.4-1", -1)]
    [TestCase("1:1.0-1", "2.0-1", 1)]
    [TestCase("1.0", "1.0-0", 0)]
    [TestCase("1.0", "1.0-1", -1)]
    [TestCase("1.0a", "1.0", 1)]
    [TestCase("1.0~rc1", "1.0", -1)]
    [TestCase("1.0+b", "1.0a", 1)]
    [TestCase("1.010", "1.10", 0)]
    public void Debian_versions_are_ordered_as_policy_says(string a, string b, int order)
    {
        Assert.That(Math.Sign(DebianVersion.Comparer.Compare(a, b)), Is.EqualTo(order));
        Assert.That(Math.Sign(DebianVersion.Comparer.Compare(b, a)), Is.EqualTo(-order));
    }

    [Test]
    public void A_configuration_is_read_with_what_is_not_set()
    {
        var config = KernelConfig.Parse("# comment\nCONFIG_OVERLAY_FS=m\n# CONFIG_OVERLAY_FS_INDEX is not set\nCONFIG_LSM=\"a,b\"\nCONFIG_HZ=250\n");
        Assert.That(config, Is.EquivalentTo(new Dictionary<string, string> { ["CONFIG_OVERLAY_FS"] = "m", ["CONFIG_OVERLAY_FS_INDEX"] = "n", ["CONFIG_LSM"] = "a,b", ["CONFIG_HZ"] = "250" }));
    }

    [Test]
    public void Mirrors_come_from_the_hosts_sources_of_both_formats()
    {
        var found = Mirrors.Addresses("Types: deb\n# http://old/debian\nURIs: http://m.example/x/debian/\nSuites: bookworm\n\ndeb [signed-by=/k] https://s.example/debian-security bookworm-security main\ndeb-src http://src/debian a b\n").ToList();
        Assert.That(found, Is.EqualTo(new[] { "http://m.example/x/debian", "https://s.example/debian-security" }));
        var mirrors = Mirrors.From(["http://other/apt", "http://snapshot.example/archive/debian", .. found]);
        Assert.That(mirrors.Of("trixie"), Is.EqualTo("http://m.example/x/debian"));
        Assert.That(mirrors.Of("trixie-security"), Is.EqualTo("https://s.example/debian-security"));
        Assert.That(Mirrors.From([]), Is.EqualTo(Mirrors.Default));
    }

    [Test]
    public void A_debian_kernel_knows_its_point_release()
    {
        var (release, version) = KernelImageHeader.Parse("6.1.0-56-cloud-amd64 (debian-kernel@lists.debian.org) #1 SMP PREEMPT_DYNAMIC Debian 6.1.192-2 (2026-10-01)");
        Assert.That((release, version), Is.EqualTo(("6.1.0-56-cloud-amd64", new KernelVersion(6, 1, 192))));
        Assert.That(KernelImageHeader.Parse("6.18.2 (me@here) #1 SMP").Version, Is.EqualTo(new KernelVersion(6, 18, 2)));
    }

    [Test]
    public async Task A_file_that_is_no_kernel_is_refused()
    {
        using var folder = new TemporaryFolder();
        string file = folder.Write("vmlinuz", "hello");
        var refused = await Assert.ThrowsAsync<RigUsageException>(() => KernelStore.FromFilesAsync(file, null, null, default));
        Assert.That(refused!.Message, Does.Contain("is no x86-64 kernel image"));
    }

    [Test]
    public async Task A_cached_kernel_is_used_and_a_damaged_one_is_fetched_again()
    {
        using var folder = new TemporaryFolder();
        var cache = new RigCache(folder.Path);
        int fetches = 0;
        var store = new KernelStore(cache, KernelCatalogue.BuiltIn(), async (line, pin, _, _) =>
        {
            fetches++;
            return await FakeEntryAsync(folder, line.Line, pin ?? "6.1.100-1");
        });

        var first = await store.GetAsync("6.1", null, default);
        Assert.That((first.Line, first.Release, first.Package, first.Profile.Version), Is.EqualTo(("6.1", "6.1.0-9-cloud-amd64", "6.1.100-1", new KernelVersion(6, 1, 100))));
        Assert.That(first.Profile.Has("CONFIG_OVERLAY_FS"));
        _ = await store.GetAsync("6.1", null, default);
        Assert.That(fetches, Is.EqualTo(1), "the second time it comes from the cache");

        File.AppendAllText(first.Image, "x");
        var again = await store.GetAsync("6.1", null, default);
        Assert.That(fetches, Is.EqualTo(2), "a damaged image is noticed when the kernel is opened");
        Assert.That(again.Digest, Is.EqualTo(first.Digest));

        File.WriteAllText(Path.Combine(again.Modules!, "kernel", "a.ko"), "other");
        _ = await store.VerifyAsync(again, null, default);
        Assert.That(fetches, Is.EqualTo(3), "a damaged module is noticed before an image is made from it");

        File.WriteAllText(Path.Combine(Path.GetDirectoryName(again.Image)!, "manifest"), "garbage");
        _ = await store.GetAsync("6.1", null, default);
        Assert.That(fetches, Is.EqualTo(4), "a damaged manifest too");

        var pinned = await store.GetAsync("6.1=6.1.90-1", null, default);
        Assert.That(pinned.Package, Is.EqualTo("6.1.90-1"));
        Assert.That((await store.GetAsync("6.1", null, default)).Package, Is.EqualTo("6.1.100-1"), "a pin does not move the line");
    }

    [Test]
    public async Task Two_runs_that_want_the_same_kernel_fetch_it_once()
    {
        using var folder = new TemporaryFolder();
        int fetches = 0;
        KernelStore Store() => new(new RigCache(folder.Path), KernelCatalogue.BuiltIn(), async (line, _, _, cancellation) =>
        {
            _ = Interlocked.Increment(ref fetches);
            await Task.Delay(300, cancellation);
            return await FakeEntryAsync(folder, line.Line, "6.1.100-1");
        });
        var both = await Task.WhenAll(Store().GetAsync("6.1", null, default), Store().GetAsync("6.1", null, default));
        Assert.That(fetches, Is.EqualTo(1));
        Assert.That(both[0].Digest, Is.EqualTo(both[1].Digest));
    }

    [Test]
    public async Task A_pin_with_a_digest_names_the_very_same_bytes()
    {
        using var folder = new TemporaryFolder();
        var store = new KernelStore(new RigCache(folder.Path), KernelCatalogue.BuiltIn(), (line, pin, _, _) => FakeEntryAsync(folder, line.Line, pin ?? "6.1.100-1"));
        var kernel = await store.GetAsync("6.1", null, default);
        string words = KernelPin.Of(kernel).ToString();
        Assert.That(words, Is.EqualTo($"6.1=6.1.100-1@{kernel.Digest}"));
        Assert.That(KernelPin.Parse(words), Is.EqualTo(KernelPin.Of(kernel)));
        Assert.That((await store.GetAsync(words, null, default)).Digest, Is.EqualTo(kernel.Digest));
        Assert.That((await store.GetAsync(words[..^50], null, default)).Digest, Is.EqualTo(kernel.Digest), "the beginning of a digest is enough");
        var other = await Assert.ThrowsAsync<RigException>(() => store.GetAsync("6.1=6.1.100-1@0123456789ab", null, default));
        Assert.That(other!.Message, Does.StartWith($"kernel 6.1 6.1.100-1 has the digest {kernel.Digest}, but the pin says 0123456789ab"));
    }

    [Test]
    public void The_parts_of_a_split_kernel_are_the_dependencies_of_its_release()
    {
        var image = AptPackage.Parse("Package: linux-image-7.3.4+deb13-cloud-amd64\nVersion: 7.3.4-1~bpo13+1\nSHA256: 00\nSize: 1928\n" +
            "Depends: dracut | initramfs-tools (>= 0.120) | linux-initramfs-tool, kmod, linux-base (>= 4.12~), linux-base-7.3.4+deb13-cloud-amd64 (= 7.3.4-1~bpo13+1), linux-binary-7.3.4+deb13-cloud-amd64 (= 7.3.4-1~bpo13+1), linux-modules-7.3.4+deb13-cloud-amd64 (= 7.3.4-1~bpo13+1)\n")!;
        Assert.That(KernelFetch.Parts(image), Is.EqualTo(new[] { "linux-base-7.3.4+deb13-cloud-amd64", "linux-binary-7.3.4+deb13-cloud-amd64", "linux-modules-7.3.4+deb13-cloud-amd64" }));
        Assert.That(KernelFetch.Parts(image with { Name = "linux-image-5.10.0-46-cloud-amd64", Depends = "kmod, linux-base (>= 4.3~), initramfs-tools (>= 0.120+deb8u2) | linux-initramfs-tool" }), Is.Empty);
    }

    [Test]
    public async Task Pruning_frees_what_is_made_again_and_keeps_what_is_in_use()
    {
        using var folder = new TemporaryFolder();
        var cache = new RigCache(folder.Path);
        var store = new KernelStore(cache, KernelCatalogue.BuiltIn(), (line, pin, _, _) => FakeEntryAsync(folder, line.Line, pin ?? "6.1.100-1"));
        _ = await store.GetAsync("6.1", null, default);
        _ = await store.GetAsync("6.1=6.1.90-1", null, default);
        foreach (string file in (string[])["machines/key/memory", "machines/dead.new/memory", "machines/made.new/memory", "images/x.cpio", "images/y.cpio.999999999.tmp", $"images/z.cpio.{Environment.ProcessId}.tmp", $"runs/{Environment.ProcessId}-a/control", "runs/999999999-b/control", "kernels/6.1/fetch/half.deb", "kernels/6.12/fetch/half.deb", "apt/trixie/lists", "tools/key.work/tree", "tools/key.cpio", "roots/made.work/root.tar"])
            _ = folder.Write(file, new string('x', 5000));
        using (await cache.LockAsync("kernel-6.12", null, default))
        using (await cache.LockAsync("machine-made", null, default))
        using (await cache.LockAsync("root-made", null, default))
        {
            var pruned = await new CachePruner(cache, store).PruneAsync(PruneDepth.Made, default);
            Assert.That(pruned.Select(kind => (kind.What, kind.Entries)), Is.EqualTo(new[] { ("saved machines", 2), ("guest images", 2), ("folders of ended runs", 1), ("interrupted fetches", 1), ("work of ended runs", 1) }));
            Assert.That(pruned.Select(kind => kind.Bytes), Is.All.GreaterThanOrEqualTo(5000));
            Assert.That(Directory.Exists(cache.PathOf("kernels", "6.12", "fetch")), "a fetch that is under way holds its lock");
            Assert.That(Directory.Exists(cache.PathOf("roots", "made.work")), "so does a root file system that is being made");
            Assert.That(File.Exists(cache.PathOf("tools", "key.cpio")), "what is whole is kept");
            Assert.That(Directory.GetDirectories(cache.PathOf("machines")).Select(Path.GetFileName), Is.EqualTo(new[] { "made.new" }), "a machine that is being saved holds its lock");
            Assert.That(Directory.GetFiles(cache.PathOf("images")).Select(Path.GetFileName), Is.EqualTo(new[] { $"z.cpio.{Environment.ProcessId}.tmp" }), "an image that is being written");
            await new SavedMachines(cache).TrimAsync(0, default);
            Assert.That(Directory.Exists(cache.PathOf("machines", "made.new")), "nor does making room take it");
            Assert.That(Directory.Exists(cache.PathOf("runs", $"{Environment.ProcessId}-a")), "this run has not ended");
        }
        Assert.That(store.Cached().Select(kernel => kernel.Version), Is.EqualTo(new[] { "6.1.100-1", "6.1.90-1" }));
        _ = await new CachePruner(cache, store).PruneAsync(PruneDepth.Superseded, default);
        Assert.That(store.Cached().Select(kernel => kernel.Version), Is.EqualTo(new[] { "6.1.100-1" }));
        _ = await new CachePruner(cache, store).PruneAsync(PruneDepth.Everything, default);
        Assert.That(store.Cached(), Is.Empty);
        Assert.That(Directory.GetDirectories(cache.PathOf("apt")), Is.Empty);
    }

    [TestCase("6.1=")]
    [TestCase("6.1=6.1.1-1@short")]
    [TestCase("6.1=6.1.1-1@0123456789xy")]
    [TestCase("6.1=../x")]
    public async Task A_pin_must_be_a_version(string request)
    {
        using var folder = new TemporaryFolder();
        _ = await Assert.ThrowsAsync<RigUsageException>(() => new KernelStore(new RigCache(folder.Path), KernelCatalogue.BuiltIn()).GetAsync(request, null, default));
    }

    private static async Task<string> FakeEntryAsync(TemporaryFolder folder, string line, string version)
    {
        string entry = Path.Combine("kernels", line, version);
        _ = folder.Write(Path.Combine(entry, "vmlinuz"), "kernel");
        _ = folder.Write(Path.Combine(entry, "config"), "CONFIG_OVERLAY_FS=m\n");
        _ = folder.Write(Path.Combine(entry, "modules", "kernel", "a.ko"), "module");
        File.Delete(Path.Combine(folder.Path, entry, "manifest"));
        var manifest = await KernelManifest.OfFolderAsync(Path.Combine(folder.Path, entry), "6.1.0-9-cloud-amd64", version, default);
        _ = folder.Write(Path.Combine(entry, "manifest"), manifest.Write());
        return version;
    }
}
