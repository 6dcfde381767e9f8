using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.StorageDrivers.Files;
using DriverLab.StorageDrivers.Layers;
using DriverLab.StorageDrivers.Layers.Tar;

namespace DriverLab.StorageDrivers.Tests;

/// <summary>What every storage driver keeps, on every kernel.</summary>
[TestFixtureSource(nameof(Cases))]
[System.Diagnostics.CodeAnalysis.SuppressMessage("Design", "CA1001", Justification = "TearDown disposes what SetUp made.")]
public sealed class DriverContract(KernelKind kernel, string name)
{
    /// <summary>What the machine's own kernel and the emulator may lack is tried in one machine in each run, and in all machines in the long one.</summary>
    public static IEnumerable<TestFixtureData> Cases => All(static (kernel, name) => (kernel, name) is (KernelKind.Guest61, "btrfs") or (KernelKind.Guest612, "devicemapper") ? "rig" : "long");

    /// <summary>For fixtures above the contract: what the contract holds in a machine, they are expected to hold too, and are tried less often.</summary>
    public static IEnumerable<TestFixtureData> CasesAbove => All(static (_, _) => "long");

    private static IEnumerable<TestFixtureData> All(Func<KernelKind, string, string> categoryOf) =>
        from kernel in Enum.GetValues<KernelKind>()
        from name in DriverCatalog.Names
        where Runs(kernel, name)
        select Of(kernel, name, categoryOf(kernel, name));

    /// <summary>What a kernel lacks by its make is left out here: a skip of it would say nothing.</summary>
    private static bool Runs(KernelKind kernel, string name) => (kernel, name) switch
    {
        (KernelKind.Host, "aufs") => s_hostHasAufs,
        (KernelKind.Host, "devicemapper") => s_hostHasDm,
        (KernelKind.EmulatedAufs, _) => name == "aufs",
        (KernelKind.Emulated, "btrfs" or "devicemapper") => false, // a gap: The_emulator_names_the_file_system_that_it_lacks
        (not KernelKind.Host, "aufs") => false,
        _ => true,
    };

    private static TestFixtureData Of(KernelKind kernel, string name, string category)
    {
        var data = new TestFixtureData(kernel, name).SetArgDisplayNames(kernel.ToString(), name);
        if (Guests.Has(kernel))
            data.Properties.Add("Category", category);
        return data;
    }

    private static readonly bool s_hostHasAufs = File.ReadAllText("/proc/filesystems").Contains("\taufs\n", StringComparison.Ordinal);

    private static readonly bool s_hostHasDm = CanOpen("/dev/mapper/control");

    /// <summary>A node alone says nothing: dmsetup makes it on a kernel without the driver too.</summary>
    private static bool CanOpen(string node)
    {
        try
        {
            using var opened = File.OpenHandle(node, FileMode.Open, FileAccess.ReadWrite);
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    private Sandbox _box = null!;
    private IStorageDriver _driver = null!;

    [SetUp]
    public void Open()
    {
        TestContext.Out.WriteLine($"{name} on {kernel}"); // the runner shows no fixture's arguments
        _box = Sandbox.Make(kernel);
        _driver = _box.Driver(name);
    }

    [TearDown]
    public void Close()
    {
        Assert.That(_driver?.Cleanup(), Is.Null);
        _driver?.Dispose();
        _box?.Dispose();
    }

    private void Create(string id, string parent = "") => Assert.That(_driver.Create(id, parent, LayerOptions.None), Is.Null);

    private string Get(string id)
    {
        var got = _driver.Get(id);
        Assert.That(got.Error, Is.Null);
        return got.Value;
    }

    private void Put(string id) => Assert.That(_driver.Put(id), Is.Null);

    /// <summary>Makes a layer and changes it in place.</summary>
    private void Layer(string id, string parent, Action<string> change)
    {
        Create(id, parent);
        change(Get(id));
        Put(id);
    }

    private string Manifest(string id, bool times = false)
    {
        string text = TreeManifest.Of(_box.Kernel, Get(id), times);
        Put(id);
        return text;
    }

    private MemoryStream Diff(string id, string parent)
    {
        var tar = new MemoryStream();
        Assert.That(_driver.Diff(id, parent, tar), Is.Null);
        tar.Position = 0;
        return tar;
    }

    [Test]
    public void An_empty_layer_is_an_empty_directory_of_mode_755()
    {
        Create("a");
        string root = Get("a");
        Assert.That(_box.Stat(root, out var stat), Is.EqualTo(Errno.OK));
        Assert.That(Convert.ToString((int)stat.Mode, 8), Is.EqualTo("40755"));
        Assert.That(TreeManifest.Of(_box.Kernel, root), Is.Empty);
        Put("a");
    }

    [Test]
    public void A_child_sees_its_parent_and_does_not_change_it()
    {
        Layer("bottom", "", root =>
        {
            _box.Write(root + "/file", "one", 0x1ED);
            _box.Mkdir(root + "/sticky", 0x3C5);
            Sandbox.Check(_box.Kernel.FchownAt(Fd.Cwd, ByteText.Bytes(root + "/sticky"), 1, 2, AtFlags.None));
            _box.Write(root + "/setuid", "s", 0x892);
            _box.Symlink("file", root + "/link");
            _box.Link(root + "/file", root + "/hard");
        });
        string before = Manifest("bottom");
        Layer("child", "bottom", root =>
        {
            Assert.That(TreeManifest.Of(_box.Kernel, root), Is.EqualTo(before));
            _box.Write(root + "/file", "two");
            _box.RemoveAll(root + "/sticky");
        });
        Assert.That(Manifest("bottom"), Is.EqualTo(before));
        Assert.That(Manifest("child"), Does.Contain("/file 100644 0:0 3").And.Not.Contain("sticky"));
    }

    [Test]
    public void Siblings_do_not_see_each_other()
    {
        Layer("bottom", "", root => _box.Write(root + "/f", "bottom"));
        Layer("x", "bottom", root => _box.Write(root + "/f", "x"));
        Layer("y", "bottom", root => _box.Write(root + "/f", "yy"));
        Assert.That(_box.Read(Get("x") + "/f"), Is.EqualTo("x"));
        Assert.That(_box.Read(Get("y") + "/f"), Is.EqualTo("yy"));
        Put("x");
        Put("y");
    }

    [Test]
    public void Get_is_counted_and_a_put_too_many_does_nothing()
    {
        Create("bottom");
        Create("child", "bottom");
        string first = Get("child");
        Assert.That(Get("child"), Is.EqualTo(first));
        _box.Write(first + "/kept", "here");
        Put("child");
        Assert.That(_box.Exists(first + "/kept"));
        Put("child");
        Put("child");
        Assert.That(_box.Read(Get("child") + "/kept"), Is.EqualTo("here"));
        Put("child");
    }

    [Test]
    public void Unknown_ids_are_ENOENT_but_not_for_put_and_remove()
    {
        Assert.That(_driver.Get("nobody").Error?.Errno, Is.EqualTo(Errno.ENOENT));
        Assert.That(_driver.Create("child", "nobody", LayerOptions.None)?.Errno, Is.EqualTo(Errno.ENOENT));
        Assert.That(_driver.Exists("child"), Is.False);
        Assert.That(_driver.Metadata("nobody").Error?.Errno, Is.EqualTo(Errno.ENOENT));
        Assert.That(_driver.Diff("nobody", "", Stream.Null)?.Errno, Is.EqualTo(Errno.ENOENT));
        Assert.That(_driver.Changes("nobody", "").Error?.Errno, Is.EqualTo(Errno.ENOENT));
        Assert.That(_driver.DiffSize("nobody", "").Error?.Errno, Is.EqualTo(Errno.ENOENT));
        Assert.That(_driver.ApplyDiff("nobody", "", new TarBuilder().Done()).Error?.Errno, Is.EqualTo(Errno.ENOENT));
        Assert.That(_driver.Put("nobody"), Is.Null);
        Assert.That(_driver.Remove("nobody"), Is.Null);
    }

    [Test]
    public void A_second_create_of_an_id_is_EEXIST_and_harms_nothing()
    {
        Layer("a", "", root => _box.Write(root + "/f", "kept"));
        Assert.That(_driver.Create("a", "", LayerOptions.None)?.Errno, Is.EqualTo(Errno.EEXIST));
        Assert.That(_box.Read(Get("a") + "/f"), Is.EqualTo("kept"));
        Put("a");
    }

    [TestCase("")]
    [TestCase(".")]
    [TestCase("..")]
    [TestCase("a/b")]
    [TestCase("../../etc")]
    [TestCase("a\0b")]
    [TestCase("-x")]
    public void A_bad_id_is_EINVAL_everywhere(string id)
    {
        Assert.That(_driver.Create(id, "", LayerOptions.None)?.Errno, Is.EqualTo(Errno.EINVAL));
        Assert.That(_driver.Get(id).Error?.Errno, Is.EqualTo(Errno.EINVAL));
        Assert.That(_driver.Put(id)?.Errno, Is.EqualTo(Errno.EINVAL));
        Assert.That(_driver.Remove(id)?.Errno, Is.EqualTo(Errno.EINVAL));
        Assert.That(_driver.Diff(id, "", Stream.Null)?.Errno, Is.EqualTo(Errno.EINVAL));
        Assert.That(_driver.Exists(id), Is.False);
    }

    [Test]
    public void A_size_is_refused_for_read_only_layers_and_without_quota()
    {
        Assert.That(_driver.Create("a", "", new LayerOptions(1 << 20))?.Errno, Is.EqualTo(Errno.EINVAL));
        if (name is not ("btrfs" or "devicemapper")) // which have sizes of their own: BtrfsDriverTests, DeviceMapperDriverTests
            Assert.That(_driver.CreateReadWrite("a", "", new LayerOptions(1 << 20))?.Errno, Is.EqualTo(Errno.EOPNOTSUPP));
        Assert.That(_driver.Exists("a"), Is.False);
    }

    [Test]
    public void Remove_takes_all_and_the_id_is_free_again()
    {
        Layer("a", "", root => { _box.Mkdir(root + "/d"); _box.Write(root + "/d/f", "x"); });
        Layer("b", "a", root => _box.Write(root + "/g", "y"));
        Assert.That(_driver.Remove("b"), Is.Null);
        Assert.That(_driver.Remove("a"), Is.Null);
        Assert.That(_driver.Exists("a"), Is.False);
        Create("a");
        Assert.That(Manifest("a"), Is.Empty);
    }

    [Test]
    public void Changes_name_what_was_added_modified_and_deleted()
    {
        Layer("a", "", root =>
        {
            _box.Mkdir(root + "/d");
            _box.Write(root + "/d/kept", "1");
            _box.Write(root + "/d/gone", "2");
            _box.Write(root + "/changed", "3");
            _box.Mkdir(root + "/tree");
            _box.Write(root + "/tree/x", "4");
        });
        Layer("b", "a", root =>
        {
            _box.Unlink(root + "/d/gone");
            _box.Write(root + "/changed", "33");
            _box.RemoveAll(root + "/tree");
            _box.Mkdir(root + "/new");
            _box.Write(root + "/new/y", "5");
        });
        var changes = _driver.Changes("b", "a");
        Assert.That(changes.Error, Is.Null);
        Assert.That(changes.Value.Select(c => c.ToString()), Is.EqualTo((string[])["C /changed", "C /d", "D /d/gone", "A /new", "A /new/y", "D /tree"]));
    }

    [Test]
    public void A_diff_applied_to_the_parents_child_gives_the_same_tree_and_no_changes()
    {
        Layer("a", "", root => Fill(root));
        Layer("b", "a", root => Alter(root));
        Create("c", "a");
        var applied = _driver.ApplyDiff("c", "a", Diff("b", "a"));
        Assert.That(applied.Error, Is.Null);
        Assert.That(Manifest("c", times: true), Is.EqualTo(Manifest("b", times: true)));
        Assert.That(_driver.Changes("c", "b").Value, Is.Empty);
        Assert.That(TarBuilder.List(Diff("c", "b")), Is.Empty);
    }

    [Test]
    public void A_full_diff_applied_to_an_empty_layer_gives_the_same_tree()
    {
        Layer("a", "", root => Fill(root));
        Layer("b", "a", root => Alter(root));
        Create("c");
        var full = Diff("b", "");
        Assert.That(_driver.ApplyDiff("c", "", full).Error, Is.Null);
        Assert.That(Manifest("c", times: true), Is.EqualTo(Manifest("b", times: true)));
        Assert.That(Diff("c", "").ToArray(), Is.EqualTo(full.ToArray()), "the same tree gives the same bytes");
    }

    [Test]
    public void A_diff_against_a_layer_that_is_not_the_parent_works_too()
    {
        Layer("a", "", root => Fill(root));
        Layer("b", "a", root => _box.Write(root + "/only-b", "b"));
        Layer("c", "b", root => _box.Write(root + "/only-c", "c"));
        Assert.That(TarBuilder.List(Diff("c", "a")), Is.EqualTo((string[])["0 only-b 644 'b'", "0 only-c 644 'c'"]));
    }

    [Test]
    public void Diff_size_counts_a_file_with_two_names_once()
    {
        Layer("a", "", root => _box.Write(root + "/old", "12345"));
        Layer("b", "a", root => { _box.Write(root + "/f", "123"); _box.Link(root + "/f", root + "/g"); });
        Assert.That(_driver.DiffSize("b", "a").Value, Is.EqualTo(3));
        Assert.That(_driver.DiffSize("a", "").Value, Is.EqualTo(5));
    }

    [Test]
    public void Twenty_layers_are_read_through_the_top_one()
    {
        for (int i = 0; i < 20; i++)
        {
            int n = i;
            Layer($"l{i}", i == 0 ? "" : $"l{i - 1}", root =>
            {
                _box.Write($"{root}/f{n}", $"{n}");
                _box.Write(root + "/top", $"{n}");
            });
        }
        string top = Get("l19");
        for (int i = 0; i < 20; i++)
            Assert.That(_box.Read($"{top}/f{i}"), Is.EqualTo($"{i}"));
        Assert.That(_box.Read(top + "/top"), Is.EqualTo("19"));
        Put("l19");
    }

    [Test]
    public void A_torn_archive_is_an_error_and_says_where()
    {
        byte[] whole = new TarBuilder().Dir("d/").File("d/f", new string('x', 3000)).Done().ToArray();
        Create("a");
        var error = _driver.ApplyDiff("a", "", new MemoryStream(whole, 0, 2000)).Error;
        Assert.That(error?.Errno, Is.EqualTo(Errno.EBADMSG));
        Assert.That(error?.ToString(), Does.Contain("ends inside"));
    }

    private void Fill(string root)
    {
        _box.Mkdir(root + "/d", 0x1C0);
        _box.Write(root + "/d/f", "content", 0x1ED);
        _box.Write(root + "/d/g", "other");
        _box.Link(root + "/d/f", root + "/hard");
        _box.Symlink("/nowhere", root + "/link");
        Sandbox.Check(_box.Kernel.MknodAt(Fd.Cwd, ByteText.Bytes(root + "/fifo"), Mode.S_IFIFO | (Mode)0x1A0, default));
        Sandbox.Check(_box.Kernel.MknodAt(Fd.Cwd, ByteText.Bytes(root + "/null"), Mode.S_IFCHR | (Mode)0x1B6, new DevT(1, 3)));
        _box.Mkdir(root + "/replaced");
        _box.Write(root + "/replaced/old", "old");
        _box.Mkdir(root + "/gone");
        _box.Write(root + "/gone/x", "x");
        _box.Write(root + "/was-file", "file");
        _box.Mkdir(root + "/was-dir");
        _box.Write(root + "/was-dir/x", "x");
        _box.Write(root + "/" + new string('n', name == "aufs" ? 242 : 255), "long name"); // the longest that aufs takes
        _box.SetTimes(root + "/d/g", 1_234_567_890, 123_456_789);
        _box.SetTimes(root + "/link", 1_234_567_890, 1);
        byte[] capability = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]; // cap_net_bind_service
        Sandbox.Check(_box.Kernel.SetXattr(ByteText.Bytes(root + "/d/f"), "security.capability"u8, capability, XattrFlags.None, AtFlags.None));
    }

    private void Alter(string root)
    {
        _box.Write(root + "/d/g", "changed content");
        _box.RemoveAll(root + "/replaced");
        _box.Mkdir(root + "/replaced", 0x1C0);
        _box.Write(root + "/replaced/new", "new");
        _box.RemoveAll(root + "/gone");
        _box.Unlink(root + "/was-file");
        _box.Mkdir(root + "/was-file");
        _box.Write(root + "/was-file/x", "x");
        _box.RemoveAll(root + "/was-dir");
        _box.Write(root + "/was-dir", "now a file");
        _box.Chmod(root + "/d", 0x1ED);
        _box.Write(root + "/one", "linked");
        _box.Link(root + "/one", root + "/two");
        _box.Unlink(root + "/link");
        _box.Symlink("d", root + "/link");
    }
}
