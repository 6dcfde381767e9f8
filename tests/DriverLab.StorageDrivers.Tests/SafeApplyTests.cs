using DriverLab.Linux;
using DriverLab.StorageDrivers.Layers;
using DriverLab.StorageDrivers.Layers.Tar;

namespace DriverLab.StorageDrivers.Tests;

/// <summary>Archives that try to leave the tree they are unpacked into. Each case is confined or refused, and what is outside stays as it was.</summary>
/// <remarks>The cases follow the list that containerd's archive tests made known (facts: symbolic and hard links up, out, absolute, through links; replaced directories; whiteouts).</remarks>
[TestFixtureSource(nameof(Kernels))]
[System.Diagnostics.CodeAnalysis.SuppressMessage("Design", "CA1001", Justification = "TearDown disposes what SetUp made.")]
public sealed class SafeApplyTests(KernelKind kernel)
{
    public static IEnumerable<KernelKind> Kernels => Enum.GetValues<KernelKind>().Where(static k => !Guests.Has(k));

    private Sandbox _box = null!;
    private string _root = "";

    [SetUp]
    public void Open()
    {
        _box = Sandbox.Make(kernel);
        _root = _box.Directory("root");
        string outside = _box.Directory("outside");
        _box.Write(outside + "/secret", "untouched", 0x100);
        _box.Directory("etc");
        _box.Write(_box.Root + "/etc/passwd", "outside", 0x100);
        _box.SetTimes(_box.Root + "/etc/passwd", 42);
    }

    [TearDown]
    public void Close()
    {
        try
        {
            Assert.That(_box.Read(_box.Root + "/outside/secret"), Is.EqualTo("untouched"));
            Assert.That(_box.Read(_box.Root + "/etc/passwd"), Is.EqualTo("outside"));
            _ = _box.Stat(_box.Root + "/etc/passwd", out var stat);
            Assert.That((Convert.ToString((int)stat.Mode, 8), stat.Uid, stat.Nlink, stat.Mtime.Seconds), Is.EqualTo(("100400", 0u, 1u, 42L)));
            Assert.That(TreeManifest.Of(_box.Kernel, _box.Root + "/etc").Split('\n'), Has.Length.EqualTo(1));
            Assert.That(TreeManifest.Of(_box.Kernel, _box.Root + "/outside").Split('\n'), Has.Length.EqualTo(1));
        }
        finally
        {
            _box.Dispose();
        }
    }

    private DriverResult<ApplyResult> Apply(TarBuilder tar, TreeFormat? format = null) =>
        LayerApplier.Apply(_box.Kernel, _root, tar.Done(), format ?? TreeFormat.Plain, TarLimits.Default);

    private void ApplyWell(TarBuilder tar) => Assert.That(Apply(tar).Error, Is.Null);

    private void Refused(TarBuilder tar, Errno errno = Errno.EINVAL) => Assert.That(Apply(tar).Error?.Errno, Is.EqualTo(errno));

    private void SameFile(string a, string b)
    {
        Sandbox.Check(_box.Stat(_root + a, out var one), a);
        Sandbox.Check(_box.Stat(_root + b, out var two), b);
        Assert.That(one.Ino, Is.EqualTo(two.Ino), $"{a} and {b} are one file");
    }

    private static TarBuilder WithPasswd() => new TarBuilder().Dir("etc", 0x1F8).File("/etc/passwd", "inside");

    private void TreeWithPasswd(string? link = null)
    {
        _box.Mkdir(_root + "/etc");
        _box.Write(_root + "/etc/passwd", "inside");
        if (link is not null)
            _box.Symlink(link, _root + "/localetc");
    }

    // ---- owner and mode of what is made ---------------------------------------------------------------------------------------------

    [Test]
    public void Files_have_the_archives_owner_and_mode_where_their_directory_gives_new_files_others()
    {
        // POSIX access control list, version 2: rwx for the owner, nothing for all others.
        byte[] closed = [2, 0, 0, 0, 1, 0, 7, 0, 255, 255, 255, 255, 4, 0, 0, 0, 255, 255, 255, 255, 32, 0, 0, 0, 255, 255, 255, 255];
        TarEntry Listed(string name) => new() { Name = ByteText.Bytes(name), Type = TarType.Directory, Permissions = (Linux.Abi.Mode)0x1ED, Mtime = new(1, 0), Xattrs = [new("system.posix_acl_default"u8.ToArray(), closed)] };
        ApplyWell(new TarBuilder()
            .Dir("group", 0x5ED, uid: 7).File("group/a", "a", uid: 0).File("group/b", "b", 0x1B6, uid: 7).File("group/c", "c", 0x9ED, uid: 5).File("group/d", "d", 0x9ED)
            .Entry(Listed("listed/"), []).File("listed/a", "a", 0x1B6).File("listed/b", "b", 0x1FF, uid: 3)
            .Dir("late").File("late/a", "a", 0x1B6).Entry(Listed("late/"), []).File("late/b", "b", 0x1B6)
            .Dir("late", 0x5ED, uid: 9).File("late/c", "c"));
        (string Path, string Mode, uint Owner)[] expected =
        [
            ("group/a", "644", 0), ("group/b", "666", 7), ("group/c", "4755", 5), ("group/d", "4755", 0), ("listed/a", "666", 0), ("listed/b", "777", 3), ("late/a", "666", 0), ("late/b", "666", 0), ("late/c", "644", 0),
        ];
        foreach (var (path, mode, owner) in expected)
        {
            Sandbox.Check(_box.Stat($"{_root}/{path}", out var stat), path);
            Assert.That((Convert.ToString((int)stat.Mode & 0xFFF, 8), stat.Uid, stat.Gid), Is.EqualTo((mode, owner, owner)), path);
        }
    }

    // ---- symbolic links as parents -------------------------------------------------------------------------------------------------

    [TestCase("/etc", TestName = "Symlink_absolute")]
    [TestCase("/dummy/../etc", TestName = "Symlink_up_and_out_by_an_absolute_path")]
    [TestCase("../../../etc", TestName = "Symlink_up_and_out")]
    [TestCase("./dummy/../../../etc", TestName = "Symlink_down_up_and_out")]
    public void Writing_through_a_link_stays_inside(string target)
    {
        ApplyWell(new TarBuilder().Dir("etc").Dir("dummy").Symlink(target, "localetc").File("/localetc/unbroken", "x"));
        Assert.That(_box.Read(_root + "/etc/unbroken"), Is.EqualTo("x"));
    }

    [TestCase("/dummy/etc", TestName = "Symlink_multiple_absolute")]
    [TestCase("./dummy/etc", TestName = "Symlink_multiple_relative")]
    public void A_link_to_a_link_stays_inside(string second)
    {
        ApplyWell(new TarBuilder().Dir("etc").Dir("dummy").Symlink("/etc", "/dummy/etc").Symlink(second, "localetc").File("/localetc/unbroken", "x"));
        Assert.That(_box.Read(_root + "/etc/unbroken"), Is.EqualTo("x"));
    }

    [Test]
    public void Symlink_empty_file()
    {
        ApplyWell(new TarBuilder().Dir("etc").File("etc/emptied", "notempty").Symlink("/etc", "localetc").File("/localetc/emptied"));
        Assert.That(_box.Read(_root + "/etc/emptied"), Is.Empty);
    }

    [Test]
    public void A_link_loop_as_a_parent_is_ELOOP() =>
        Refused(new TarBuilder().Symlink("b", "a").Symlink("a", "b").File("a/f"), Errno.ELOOP);

    [Test]
    public void Names_with_dots_stay_inside()
    {
        ApplyWell(new TarBuilder().File("../../../../etc/shadow", "x").File("/a/../../../b", "y"));
        Assert.That(_box.Read(_root + "/etc/shadow"), Is.EqualTo("x"));
        Assert.That(_box.Read(_root + "/b"), Is.EqualTo("y"));
    }

    [Test]
    public void A_file_over_a_link_replaces_the_link_and_not_its_target()
    {
        _box.Symlink(_box.Root + "/etc/passwd", _root + "/passwd");
        ApplyWell(new TarBuilder().File("passwd", "new"));
        Assert.That(_box.Read(_root + "/passwd"), Is.EqualTo("new"));
    }

    // ---- hard links ----------------------------------------------------------------------------------------------------------------

    [TestCase("../../etc", TestName = "Hardlink_relative")]
    [TestCase("../downandout/../../etc", TestName = "Hardlink_down_and_out")]
    public void A_hard_link_through_a_link_in_a_directory_stays_inside(string target)
    {
        ApplyWell(WithPasswd().Dir("breakouts").Dir("downandout").Symlink(target, "breakouts/d1").Link("/breakouts/d1/passwd", "breakouts/mypasswd"));
        SameFile("/breakouts/mypasswd", "/etc/passwd");
    }

    [TestCase("/etc", TestName = "Hardlink_absolute")]
    [TestCase("../../../../../../../etc", TestName = "Hardlink_relative_long")]
    [TestCase("./up/../../../etc", TestName = "Hardlink_relative_up_and_out")]
    public void A_hard_link_through_a_link_stays_inside(string target)
    {
        ApplyWell(WithPasswd().Dir("up").Symlink(target, "localetc").Link("/localetc/passwd", "localpasswd"));
        SameFile("/localpasswd", "/etc/passwd");
    }

    [TestCase("../../../../../etc/passwd", TestName = "Hardlink_direct_relative")]
    [TestCase("/etc/passwd", TestName = "Hardlink_direct_absolute")]
    public void A_hard_link_to_a_path_stays_inside(string target)
    {
        ApplyWell(WithPasswd().Link(target, "localpasswd"));
        SameFile("/localpasswd", "/etc/passwd");
    }

    [TestCase("../../../../../etc/passwd", TestName = "Hardlink_symlink_relative")]
    [TestCase("/etc/passwd", TestName = "Hardlink_symlink_absolute")]
    public void A_hard_link_to_a_link_is_a_second_name_of_the_link(string target)
    {
        ApplyWell(WithPasswd().Symlink(target, "passwdlink").Link("/passwdlink", "localpasswd"));
        SameFile("/localpasswd", "/passwdlink");
        Assert.That(TreeManifest.Of(_box.Kernel, _root), Does.Contain($"/localpasswd 120777 0:0 -> {target}"));
    }

    [Test]
    public void Hardlink_symlink_before_its_target()
    {
        ApplyWell(new TarBuilder().Dir("etc").Symlink("/etc/passwd", "localpasswd").Link("localpasswd", "localpasswd-dup").File("/etc/passwd", "after"));
        SameFile("/localpasswd", "/localpasswd-dup");
        Assert.That(_box.Read(_root + "/etc/passwd"), Is.EqualTo("after"));
    }

    /// <summary>CVE-2021-32760: a hard link to a symbolic link, then a chmod that followed it.</summary>
    [Test]
    public void Hardlink_symlink_chmod()
    {
        ApplyWell(new TarBuilder().Symlink($"{_box.Root}/outside/secret", "link").Link("link", "sketchylink"));
        _ = _box.Stat(_box.Root + "/outside/secret", out var stat);
        Assert.That(Convert.ToString((int)stat.Mode, 8), Is.EqualTo("100400"));
    }

    [Test]
    public void A_hard_link_onto_itself_keeps_the_file()
    {
        ApplyWell(WithPasswd().Link("etc/passwd", "etc/passwd"));
        Assert.That(_box.Read(_root + "/etc/passwd"), Is.EqualTo("inside"));
    }

    [Test]
    public void A_hard_link_to_what_is_not_there_is_ENOENT() => Refused(new TarBuilder().Link("../outside/secret", "x"), Errno.ENOENT);

    [Test]
    public void A_hard_link_to_a_directory_is_EPERM() => Refused(new TarBuilder().Dir("d").Link("d", "x"), Errno.EPERM);

    // ---- the root ------------------------------------------------------------------------------------------------------------------

    [TestCase("..", TestName = "Symlink_parent_directory")]
    [TestCase("", TestName = "Symlink_empty_name")]
    [TestCase("/", TestName = "Symlink_root")]
    [TestCase("./.", TestName = "Symlink_dot")]
    public void The_root_cannot_become_a_link(string name)
    {
        Refused(WithPasswd().Symlink("/etc/", name));
        Assert.That(_box.Read(_root + "/etc/passwd"), Is.EqualTo("inside"));
    }

    [Test]
    public void The_root_cannot_become_a_file() => Refused(new TarBuilder().File(".", "x"));

    [Test]
    public void The_root_cannot_become_a_hard_link() => Refused(new TarBuilder().File("f").Link("f", "."));

    [Test]
    public void An_entry_for_the_root_sets_its_attributes()
    {
        ApplyWell(new TarBuilder().Dir("./", 0x1C0, 7));
        _ = _box.Stat(_root, out var stat);
        Assert.That((Convert.ToString((int)stat.Mode, 8), stat.Uid), Is.EqualTo(("40700", 7u)));
    }

    [Test]
    public void Symlink_parent_relative()
    {
        ApplyWell(WithPasswd().Symlink("/etc/", "localetc/sub/..").Link("/etc/passwd", "/localetc/localpasswd"));
        SameFile("/etc/localpasswd", "/etc/passwd");
    }

    [Test]
    public void Symlink_slash_ended()
    {
        ApplyWell(WithPasswd().Dir("localetc/").Link("/etc/passwd", "/localetc/localpasswd"));
        SameFile("/localetc/localpasswd", "/etc/passwd");
    }

    // ---- directories and links that replace each other -------------------------------------------------------------------------------

    [TestCase("/etc", TestName = "Symlink_override_directory")]
    [TestCase("../../etc", TestName = "Symlink_override_directory_relative")]
    public void A_link_over_a_directory_replaces_it(string target)
    {
        TreeWithPasswd();
        _box.Mkdir(_root + "/localetc");
        ApplyWell(new TarBuilder().Symlink(target, "localetc").Link("/etc/passwd", "/localetc/localpasswd"));
        SameFile("/etc/localpasswd", "/etc/passwd");
    }

    [Test]
    public void Directory_override_symlink()
    {
        TreeWithPasswd("/etc");
        ApplyWell(new TarBuilder().Dir("/localetc/").Link("/etc/passwd", "/localetc/localpasswd"));
        SameFile("/localetc/localpasswd", "/etc/passwd");
        Assert.That(_box.Exists(_root + "/etc/localpasswd"), Is.False);
    }

    [Test]
    public void Directory_override_symlink_and_hardlink()
    {
        TreeWithPasswd("etc");
        _box.Link(_root + "/etc/passwd", _root + "/etc/localpasswd");
        ApplyWell(new TarBuilder().Dir("/localetc/").File("/localetc/localpasswd", "different"));
        Assert.That(_box.Read(_root + "/localetc/localpasswd"), Is.EqualTo("different"));
        Assert.That(_box.Read(_root + "/etc/passwd"), Is.EqualTo("inside"));
    }

    [Test]
    public void A_directory_becomes_a_link_to_the_outside_within_one_archive()
    {
        ApplyWell(new TarBuilder().Dir("d").File("d/one", "1").Symlink($"{_box.Root}/outside", "d").File("d/secret", "written inside"));
        Assert.That(_box.Read($"{_root}{_box.Root}/outside/secret"), Is.EqualTo("written inside"));
    }

    // ---- whiteouts -----------------------------------------------------------------------------------------------------------------

    [TestCase(".wh...", TestName = "Whiteout_root_parent")]
    [TestCase("etc/.wh...", TestName = "Whiteout_parent")]
    [TestCase(".wh..", TestName = "Whiteout_root")]
    [TestCase("etc/.wh..", TestName = "Whiteout_current_directory")]
    [TestCase("etc/.wh.", TestName = "Whiteout_of_an_empty_name")]
    public void A_whiteout_of_no_name_is_refused(string name)
    {
        TreeWithPasswd();
        Refused(new TarBuilder().File(name));
        Assert.That(_box.Read(_root + "/etc/passwd"), Is.EqualTo("inside"));
    }

    [Test]
    public void Whiteout_symlink()
    {
        TreeWithPasswd("/etc");
        ApplyWell(new TarBuilder().File(".wh.localetc"));
        Assert.That(_box.Exists(_root + "/localetc"), Is.False);
        Assert.That(_box.Read(_root + "/etc/passwd"), Is.EqualTo("inside"));
    }

    [Test]
    public void Whiteout_symlink_path()
    {
        TreeWithPasswd("/etc");
        _box.Write(_root + "/etc/whitedout", "x");
        ApplyWell(new TarBuilder().File("localetc/.wh.whitedout").File("localetc/.wh.secret"));
        Assert.That(TreeManifest.Of(_box.Kernel, _root + "/etc"), Does.Not.Contain("whitedout"));
    }

    [Test]
    public void Whiteout_through_a_link_to_the_outside()
    {
        _box.Symlink(_box.Root + "/outside", _root + "/out");
        ApplyWell(new TarBuilder().File("out/.wh.secret").File("../outside/.wh.secret"));
    }

    [Test]
    public void Whiteout_directory_name()
    {
        TreeWithPasswd();
        Refused(new TarBuilder().File(".wh.etc/somefile", "x"));
        Assert.That(_box.Read(_root + "/etc/passwd"), Is.EqualTo("inside"));
    }

    [Test]
    public void Whiteout_dead_symlink_parent()
    {
        TreeWithPasswd("/dne");
        ApplyWell(new TarBuilder().File("localetc/.wh.etc"));
        Assert.That(_box.Read(_root + "/etc/passwd"), Is.EqualTo("inside"));
        Assert.That(_box.Exists(_root + "/dne"), Is.False);
    }

    [Test]
    public void Whiteout_relative_path()
    {
        TreeWithPasswd("/dne");
        ApplyWell(new TarBuilder().File("dne/../.wh.etc"));
        Assert.That(_box.Exists(_root + "/etc"), Is.False);
    }

    [Test]
    public void An_opaque_mark_does_not_go_through_a_link()
    {
        TreeWithPasswd("/etc");
        Refused(new TarBuilder().File("localetc/.wh..wh..opq"), Errno.ELOOP);
        Assert.That(_box.Read(_root + "/etc/passwd"), Is.EqualTo("inside"));
    }

    // ---- what overlayfs would obey, and bombs ------------------------------------------------------------------------------------------

    [Test]
    public void Overlay_attributes_and_0_0_devices_are_dropped([Values] bool overlay)
    {
        var tar = new TarBuilder().Dir("d", 0x1ED, 0, ("trusted.overlay.opaque", "y"), ("trusted.overlay.redirect", "/etc"), ("user.overlay.opaque", "y"), ("trusted.mine", "kept"))
            .Node(TarType.Char, "d/white").Node(TarType.Char, "d/null", 1, 3);
        var result = Apply(tar, overlay ? TreeFormat.Overlay : TreeFormat.Plain);
        Assert.That(result.Error, Is.Null);
        Assert.That((result.Value.DroppedXattrs, result.Value.DroppedNodes), Is.EqualTo((3, 1)));
        Assert.That(_box.Xattr(_root + "/d", "trusted.overlay.opaque"), Is.Null);
        Assert.That(_box.Xattr(_root + "/d", "trusted.mine"), Is.EqualTo("kept"));
        Assert.That(TreeManifest.Of(_box.Kernel, _root), Does.Contain("/d/null 20600 0:0 1:3").And.Not.Contain("white"));
    }

    [Test]
    public void A_path_deeper_than_256_directories_is_refused() =>
        Refused(new TarBuilder().File(string.Concat(Enumerable.Repeat("d/", 300)) + "f"), Errno.ENAMETOOLONG);

    [Test]
    public void A_path_over_4095_bytes_is_refused() =>
        Refused(new TarBuilder().File(string.Concat(Enumerable.Repeat(new string('d', 250) + "/", 20)) + "f"), Errno.ENAMETOOLONG);

    [Test]
    public void More_entries_content_or_header_than_allowed_is_E2BIG()
    {
        foreach (var limits in (TarLimits[])[new(Entries: 3), new(ContentBytes: 10), new(HeaderBytes: 100)])
        {
            var tar = new TarBuilder().File("a", "12345").File("b", "12345").File("c", "12345").File(new string('x', 300)).File("e");
            Assert.That(LayerApplier.Apply(_box.Kernel, _root, tar.Done(), TreeFormat.Plain, limits).Error?.Errno, Is.EqualTo(Errno.E2BIG), $"{limits}");
        }
    }

    [Test]
    public void Padding_behind_the_end_is_bounded()
    {
        var tar = new TarBuilder().File("a").Done();
        tar.SetLength(tar.Length + (4 << 20));
        Assert.That(LayerApplier.Apply(_box.Kernel, _root, tar, TreeFormat.Plain, TarLimits.Default).Error?.Errno, Is.EqualTo(Errno.E2BIG));
    }
}
