using DriverLab.Linux;
using DriverLab.Linux.Abi;
using static DriverLab.Contracts.Tests.Calls;

namespace DriverLab.Contracts.Tests;

/// <summary>renameat2(2).</summary>
public sealed class RenameContract(KernelKind kind) : Contract(kind)
{
    [Test]
    public void Moves_the_name()
    {
        MakeDir("d");
        MakeFile("f", "text");
        K.Rename("f", "d/g");
        Assert.That((Names("/"), Text("d/g")), Is.EqualTo((new[] { "d" }, "text")));
    }

    [Test]
    public void Replaces_a_file()
    {
        MakeFile("f", "new");
        MakeFile("g", "old");
        var old = Opened("g", OpenFlags.O_RDONLY);
        K.Rename("f", "g");
        K.Fstat(old, out var stat);
        Assert.That((Text("g"), stat.Nlink), Is.EqualTo(("new", 0u)));
    }

    [Test]
    public void Onto_another_link_of_the_same_file_does_nothing()
    {
        MakeFile("f");
        K.Link("f", "g");
        Assert.That((K.Rename("f", "g"), Names("/")), Is.EqualTo((Errno.OK, new[] { "f", "g" })));
    }

    [Test]
    public void Onto_itself_does_nothing()
    {
        MakeFile("f");
        Assert.That(K.Rename("f", "f"), Is.Success);
    }

    [Test]
    public void Replaces_an_empty_directory()
    {
        MakeDir("a");
        MakeFile("a/f");
        MakeDir("b");
        Assert.That((K.Rename("a", "b"), Names("b"), Attributes("/").Nlink), Is.EqualTo((Errno.OK, new[] { "f" }, 3u)));
    }

    [Test]
    public void Directory_changes_its_parents_links()
    {
        MakeDir("a");
        MakeDir("a/d");
        MakeDir("b");
        K.Rename("a/d", "b/d");
        Assert.That((Attributes("a").Nlink, Attributes("b").Nlink), Is.EqualTo((2u, 3u)));
    }

    [Test]
    public void Renames_a_link_and_not_its_target()
    {
        MakeFile("f");
        K.Symlink("f", "l");
        K.Rename("l", "m");
        Assert.That(Attributes("m").Mode & Mode.S_IFMT, Is.EqualTo(Mode.S_IFLNK));
    }

    [Test]
    public void Over_nonempty_directory_is_ENOTEMPTY()
    {
        MakeDir("a");
        MakeDir("b");
        MakeFile("b/f");
        Assert.That(K.Rename("a", "b"), Does.FailWith(Errno.ENOTEMPTY));
    }

    [Test]
    public void File_over_directory_is_EISDIR()
    {
        MakeFile("f");
        MakeDir("d");
        Assert.That(K.Rename("f", "d"), Does.FailWith(Errno.EISDIR));
    }

    [Test]
    public void Directory_over_file_is_ENOTDIR()
    {
        MakeFile("f");
        MakeDir("d");
        Assert.That(K.Rename("d", "f"), Does.FailWith(Errno.ENOTDIR));
    }

    [Test]
    public void Into_itself_is_EINVAL()
    {
        MakeDir("d");
        MakeDir("d/e");
        Assert.That(K.Rename("d", "d/e/f"), Does.FailWith(Errno.EINVAL));
    }

    [Test]
    public void Onto_its_ancestor_is_ENOTEMPTY()
    {
        MakeDir("d");
        MakeDir("d/e");
        Assert.That(K.Rename("d/e", "d"), Does.FailWith(Errno.ENOTEMPTY));
    }

    [Test]
    public void Missing_source_is_ENOENT() => Assert.That(K.Rename("missing", "x"), Does.FailWith(Errno.ENOENT));

    [Test]
    public void Missing_source_comes_before_into_itself() => Assert.That(K.Rename("missing", "missing/x"), Does.FailWith(Errno.ENOENT));

    [TestCase(".", "x")]
    [TestCase("d/..", "x")]
    [TestCase("/", "x")]
    [TestCase("d", ".")]
    [TestCase("d", "..")]
    [TestCase("d", "/")]
    [TestCase("missing", ".")]
    public void Special_names_are_EBUSY(string from, string to)
    {
        MakeDir("d");
        Assert.That(K.Rename(from, to), Does.FailWith(Errno.EBUSY));
    }

    [Test]
    public void Special_new_name_with_NOREPLACE_is_EEXIST()
    {
        MakeDir("d");
        Assert.That(K.Rename("d", ".", RenameFlags.RENAME_NOREPLACE), Does.FailWith(Errno.EEXIST));
    }

    [Test]
    public void File_with_a_slash_is_ENOTDIR()
    {
        MakeFile("f");
        Assert.That(K.Rename("f/", "g"), Does.FailWith(Errno.ENOTDIR));
    }

    [Test]
    public void File_to_a_name_with_a_slash_is_ENOTDIR()
    {
        MakeFile("f");
        Assert.That(K.Rename("f", "g/"), Does.FailWith(Errno.ENOTDIR));
    }

    [Test]
    public void Directory_may_have_slashes()
    {
        MakeDir("d");
        Assert.That(K.Rename("d/", "e/"), Is.Success);
    }

    [Test]
    public void Link_to_a_directory_with_a_slash_is_ENOTDIR()
    {
        MakeDir("d");
        K.Symlink("d", "l");
        Assert.That(K.Rename("l/", "e"), Does.FailWith(Errno.ENOTDIR));
    }

    [Test]
    public void Other_file_system_is_EXDEV()
    {
        MakeFile("f");
        MakeDir("m");
        K.Mount("x", "m", "tmpfs");
        Assert.That(K.Rename("f", "m/f"), Does.FailWith(Errno.EXDEV));
    }

    [Test]
    public void Other_mount_comes_before_a_missing_source()
    {
        MakeDir("m");
        K.Mount("x", "m", "tmpfs");
        Assert.That(K.Rename("missing", "m/f"), Does.FailWith(Errno.EXDEV));
    }

    [Test]
    public void Other_mount_comes_before_special_names()
    {
        MakeDir("m");
        K.Mount("x", "m", "tmpfs");
        Assert.That(K.Rename(".", "m/f"), Does.FailWith(Errno.EXDEV));
    }

    [Test]
    public void Missing_parent_of_the_target_is_ENOENT()
    {
        MakeFile("f");
        Assert.That(K.Rename("f", "missing/f"), Does.FailWith(Errno.ENOENT));
    }

    [Test]
    public void Mount_point_is_EBUSY()
    {
        MakeDir("m");
        K.Mount("x", "m", "tmpfs");
        Assert.That(K.Rename("m", "n"), Does.FailWith(Errno.EBUSY));
    }

    [Test]
    public void Onto_a_mount_point_is_EBUSY()
    {
        MakeDir("d");
        MakeDir("m");
        K.Mount("x", "m", "tmpfs");
        Assert.That(K.Rename("d", "m"), Does.FailWith(Errno.EBUSY));
    }

    [Test]
    public void Type_comes_before_a_mount_point()
    {
        MakeFile("f");
        MakeDir("m");
        K.Mount("x", "m", "tmpfs");
        Assert.That(K.Rename("f", "m"), Does.FailWith(Errno.EISDIR));
    }

    [Test]
    public void Read_only_mount_comes_before_a_missing_source()
    {
        this.MakeReadOnlyMount(K);
        Assert.That(K.Rename("m/missing", "m/x"), Does.FailWith(Errno.EROFS));
    }

    [Test]
    public void Special_name_comes_before_a_read_only_mount()
    {
        this.MakeReadOnlyMount(K);
        Assert.That(K.Rename("m/d/.", "m/x"), Does.FailWith(Errno.EBUSY));
    }

    [TestCase("closed/f", "open/g")]
    [TestCase("open/f", "closed/g")]
    public void No_write_permission_is_EACCES(string from, string to)
    {
        MakeDir("open", 777);
        MakeDir("closed");
        MakeFile("open/f");
        MakeFile("closed/f");
        Assert.That(As(Alice).Rename(from, to), Does.FailWith(Errno.EACCES));
    }

    [Test]
    public void Moving_a_directory_needs_write_permission_on_it()
    {
        MakeDir("a", 777);
        MakeDir("b", 777);
        MakeDir("a/d");
        Assert.That(As(Alice).Rename("a/d", "b/d"), Does.FailWith(Errno.EACCES));
    }

    [Test]
    public void Renaming_a_directory_in_place_does_not()
    {
        MakeDir("a", 777);
        MakeDir("a/d");
        Assert.That(As(Alice).Rename("a/d", "a/e"), Is.Success);
    }

    [Test]
    public void Sticky_source_directory_is_EPERM()
    {
        MakeDir("d", 1777);
        MakeFile("d/f");
        Assert.That(As(Alice).Rename("d/f", "d/g"), Does.FailWith(Errno.EPERM));
    }

    [Test]
    public void Sticky_target_directory_is_EPERM()
    {
        MakeDir("d", 1777);
        MakeFile("d/g");
        var alice = As(Alice);
        alice.Mknod("d/f", Mode.S_IFREG | Oct(644));
        Assert.That(alice.Rename("d/f", "d/g"), Does.FailWith(Errno.EPERM));
    }

    [Test]
    public void Noreplace_over_an_existing_name_is_EEXIST()
    {
        MakeFile("f");
        MakeFile("g");
        Assert.That(K.Rename("f", "g", RenameFlags.RENAME_NOREPLACE), Does.FailWith(Errno.EEXIST));
    }

    [Test]
    public void Noreplace_onto_itself_is_EEXIST()
    {
        MakeFile("f");
        Assert.That(K.Rename("f", "f", RenameFlags.RENAME_NOREPLACE), Does.FailWith(Errno.EEXIST));
    }

    [Test]
    public void Noreplace_of_a_missing_source_is_ENOENT()
    {
        MakeFile("g");
        Assert.That(K.Rename("missing", "g", RenameFlags.RENAME_NOREPLACE), Does.FailWith(Errno.ENOENT));
    }

    [Test]
    public void Noreplace_to_a_free_name_works()
    {
        MakeFile("f");
        Assert.That(K.Rename("f", "g", RenameFlags.RENAME_NOREPLACE), Is.Success);
    }

    [Test]
    public void Exchange_swaps_two_names()
    {
        MakeFile("f", "f");
        MakeDir("d");
        MakeDir("e");
        K.Rename("f", "e/g");
        K.Rename("e/g", "d", RenameFlags.RENAME_EXCHANGE);
        Assert.That((Text("d"), Names("e/g"), Attributes("e").Nlink, Attributes("/").Nlink), Is.EqualTo(("f", Array.Empty<string>(), 3u, 3u)));
    }

    [Test]
    public void Exchange_with_a_missing_name_is_ENOENT()
    {
        MakeFile("f");
        Assert.That(K.Rename("f", "missing", RenameFlags.RENAME_EXCHANGE), Does.FailWith(Errno.ENOENT));
    }

    [Test]
    public void Exchange_with_an_ancestor_is_EINVAL()
    {
        MakeDir("d");
        MakeDir("d/e");
        Assert.That(K.Rename("d/e", "d", RenameFlags.RENAME_EXCHANGE), Does.FailWith(Errno.EINVAL));
    }

    [Test]
    public void Exchange_of_a_file_with_a_slash_is_ENOTDIR()
    {
        MakeFile("f");
        MakeDir("d");
        Assert.That(K.Rename("d", "f/", RenameFlags.RENAME_EXCHANGE), Does.FailWith(Errno.ENOTDIR));
    }

    [Test]
    public void Whiteout_leaves_a_character_device_0_0()
    {
        MakeFile("f", "text");
        K.Rename("f", "g", RenameFlags.RENAME_WHITEOUT);
        var stat = Attributes("f");
        Assert.That((stat.Mode, stat.Rdev, Text("g")), Is.EqualTo((Mode.S_IFCHR, DevT.Zero, "text")));
    }

    [TestCase((RenameFlags)8)]
    [TestCase(RenameFlags.RENAME_EXCHANGE | RenameFlags.RENAME_NOREPLACE)]
    [TestCase(RenameFlags.RENAME_EXCHANGE | RenameFlags.RENAME_WHITEOUT)]
    public void Wrong_flags_are_EINVAL(RenameFlags flags) => Assert.That(K.Rename("", "", flags), Does.FailWith(Errno.EINVAL));

    [Test]
    public void Source_is_walked_before_the_target() => Assert.That(K.Rename("missing/f", Long(5000)), Does.FailWith(Errno.ENOENT));

    [Test]
    public void Removed_target_directory_is_ENOENT()
    {
        MakeFile("f");
        MakeDir("d");
        var fd = Opened("d", OpenFlags.O_PATH);
        K.Rmdir("d");
        Assert.That(K.RenameAt2(Fd.Cwd, "f"u8, fd, "g"u8, RenameFlags.None), Does.FailWith(Errno.ENOENT));
    }
}
