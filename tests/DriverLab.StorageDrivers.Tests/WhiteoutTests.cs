using DriverLab.Linux;
using DriverLab.StorageDrivers.Layers;
using DriverLab.StorageDrivers.Layers.Tar;

namespace DriverLab.StorageDrivers.Tests;

/// <summary>Layer semantics of unpacking: what hides what, in complete trees and in upper directories.</summary>
[TestFixtureSource(nameof(Cases))]
[System.Diagnostics.CodeAnalysis.SuppressMessage("Design", "CA1001", Justification = "TearDown disposes what SetUp made.")]
public sealed class WhiteoutTests(KernelKind kernel, string name)
{
    public static IEnumerable<TestFixtureData> Cases => DriverContract.CasesAbove;

    private Sandbox _box = null!;
    private IStorageDriver _driver = null!;

    [SetUp]
    public void Open()
    {
        _box = Sandbox.Make(kernel);
        _driver = _box.Driver(name);
        var lower = new TarBuilder().Dir("d", 0x1C0, 5).File("d/a", "a").File("d/b", "b").Dir("d/sub").File("d/sub/x", "x").File("f", "f").Dir("top").File("top/t", "t");
        Assert.That(_driver.Create("bottom", "", LayerOptions.None), Is.Null);
        Assert.That(_driver.ApplyDiff("bottom", "", lower.Done()).Error, Is.Null);
        Assert.That(_driver.Create("child", "bottom", LayerOptions.None), Is.Null);
    }

    [TearDown]
    public void Close()
    {
        _ = _driver?.Cleanup(); // devices would stay
        _driver?.Dispose();
        _box?.Dispose();
    }

    private string[] Apply(TarBuilder tar)
    {
        var result = _driver.ApplyDiff("child", "bottom", tar.Done());
        Assert.That(result.Error, Is.Null);
        var root = _driver.Get("child");
        Assert.That(root.Error, Is.Null);
        string manifest = TreeManifest.Of(_box.Kernel, root.Value);
        Assert.That(_driver.Put("child"), Is.Null);
        return [.. manifest.Split('\n').Select(line => line.Split(' ')).Select(words => words[1][0] == '4' ? words[0] + "/" : words[0])];
    }

    [Test]
    public void A_whiteout_deletes_a_file() => Assert.That(Apply(new TarBuilder().File("d/.wh.a")), Does.Not.Contain("/d/a").And.Contain("/d/b"));

    [Test]
    public void A_whiteout_deletes_a_tree() => Assert.That(Apply(new TarBuilder().File(".wh.d")), Is.EqualTo((string[])["/f", "/top/", "/top/t"]));

    [Test]
    public void A_whiteout_alone_keeps_its_directorys_attributes()
    {
        _ = Apply(new TarBuilder().File("d/.wh.a"));
        var root = _driver.Get("child").Value;
        _ = _box.Stat(root + "/d", out var stat);
        Assert.That((Convert.ToString((int)stat.Mode, 8), stat.Uid, stat.Mtime.Seconds), Is.EqualTo(("40700", 5u, name == "vfs" ? stat.Mtime.Seconds : 1_000_000_000)));
        Assert.That(_driver.Put("child"), Is.Null);
    }

    [Test]
    public void A_whiteout_of_nothing_makes_nothing() =>
        Assert.That(Apply(new TarBuilder().File("no/such/.wh.name").File("f/.wh.x")), Is.EqualTo((string[])["/d/", "/d/a", "/d/b", "/d/sub/", "/d/sub/x", "/f", "/top/", "/top/t"]));

    [Test]
    public void An_opaque_mark_hides_lower_entries_only([Values] bool markFirst)
    {
        var tar = new TarBuilder();
        if (markFirst)
            tar.File("d/.wh..wh..opq");
        tar.Dir("d", 0x1ED).File("d/new", "new").Dir("d/sub").File("d/sub/y", "y");
        if (!markFirst)
            tar.File("d/.wh..wh..opq");
        Assert.That(Apply(tar), Is.EqualTo((string[])["/d/", "/d/new", "/d/sub/", "/d/sub/y", "/f", "/top/", "/top/t"]));
    }

    [Test]
    public void A_whiteout_beside_an_entry_of_the_same_name_hides_the_lower_one_only([Values] bool whiteoutFirst)
    {
        var tar = new TarBuilder();
        if (whiteoutFirst)
            tar.File(".wh.d").File(".wh.f");
        tar.Dir("d", 0x1ED).File("d/new", "new").File("f", "new f");
        if (!whiteoutFirst)
            tar.File(".wh.d").File(".wh.f");
        Assert.That(Apply(tar), Is.EqualTo((string[])["/d/", "/d/new", "/f", "/top/", "/top/t"]));
        Assert.That(_box.Read(_driver.Get("child").Value + "/f"), Is.EqualTo("new f"));
        Assert.That(_driver.Put("child"), Is.Null);
    }

    [Test]
    public void A_file_under_a_whited_out_directory_brings_a_new_one([Values] bool whiteoutFirst)
    {
        var tar = new TarBuilder();
        if (whiteoutFirst)
            tar.File(".wh.d");
        tar.File("d/new", "new");
        if (!whiteoutFirst)
            tar.File(".wh.d");
        Assert.That(Apply(tar), Is.EqualTo((string[])["/d/", "/d/new", "/f", "/top/", "/top/t"]));
    }

    [Test]
    public void An_opaque_root_hides_all_lower_names() =>
        Assert.That(Apply(new TarBuilder().File(".wh..wh..opq").Dir("top").File("top/only", "x")), Is.EqualTo((string[])["/top/", "/top/only"]));

    [Test]
    public void A_file_over_a_directory_and_a_directory_over_a_file()
    {
        Assert.That(Apply(new TarBuilder().File("d", "now a file").Dir("f").File("f/x", "x")), Is.EqualTo((string[])["/d", "/f/", "/f/x", "/top/", "/top/t"]));
    }

    [Test]
    public void A_missing_parent_takes_the_lower_ones_attributes()
    {
        _ = Apply(new TarBuilder().File("d/sub/deep/new", "x"));
        var root = _driver.Get("child").Value;
        _ = _box.Stat(root + "/d", out var d);
        _ = _box.Stat(root + "/d/sub/deep", out var deep);
        Assert.That((Convert.ToString((int)d.Mode, 8), d.Uid), Is.EqualTo(("40700", 5u)));
        Assert.That((Convert.ToString((int)deep.Mode, 8), deep.Uid), Is.EqualTo(("40755", 0u)));
        Assert.That(_driver.Put("child"), Is.Null);
    }

    [Test]
    public void Aufs_files_are_dropped_and_counted()
    {
        var result = _driver.ApplyDiff("child", "bottom", new TarBuilder().Dir(".wh..wh.plnk").File(".wh..wh.aufs").Done());
        Assert.That((result.Error, result.Value.DroppedNodes), Is.EqualTo(((DriverError?)null, 2)));
    }

    [Test]
    public void A_directory_over_a_directory_replaces_its_attributes()
    {
        var tar = new TarBuilder().Dir("d", 0x1ED, 9, ("trusted.new", "1"));
        Assert.That(_driver.ApplyDiff("bottom", "", new TarBuilder().Dir("d", 0x1C0, 5, ("trusted.old", "1")).Done()).Error, Is.Null);
        Assert.That(_driver.ApplyDiff("bottom", "", tar.Done()).Error, Is.Null);
        string root = _driver.Get("bottom").Value;
        Assert.That((_box.Xattr(root + "/d", "trusted.old"), _box.Xattr(root + "/d", "trusted.new")), Is.EqualTo(((string?)null, "1")));
        Assert.That(_driver.Put("bottom"), Is.Null);
    }
}
