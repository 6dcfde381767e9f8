using DriverLab.Linux;
using DriverLab.Linux.Abi;
using static DriverLab.Contracts.Tests.Calls;

namespace DriverLab.Contracts.Tests;

/// <summary>unlinkat(2) of names that are no directories.</summary>
public sealed class UnlinkContract(KernelKind kind) : Contract(kind)
{
    [Test]
    public void Removes_the_name()
    {
        MakeFile("f");
        K.Unlink("f");
        Assert.That(K.Stat("f", out _), Does.FailWith(Errno.ENOENT));
    }

    [Test]
    public void Leaves_the_other_links()
    {
        MakeFile("f");
        K.Link("f", "g");
        K.Unlink("f");
        Assert.That(Attributes("g").Nlink, Is.EqualTo(1));
    }

    [Test]
    public void Removes_a_link_and_not_its_target()
    {
        MakeFile("f");
        K.Symlink("f", "l");
        K.Unlink("l");
        Assert.That(Names("/"), Is.EqualTo(new[] { "f" }));
    }

    [Test]
    public void Open_file_lives_on_without_links()
    {
        MakeFile("f");
        var fd = Opened("f", OpenFlags.O_RDONLY);
        K.Unlink("f");
        K.Fstat(fd, out var stat);
        Assert.That(stat.Nlink, Is.Zero);
    }

    [Test]
    public void Missing_name_is_ENOENT() => Assert.That(K.Unlink("missing"), Does.FailWith(Errno.ENOENT));

    [Test]
    public void Directory_is_EISDIR()
    {
        MakeDir("d");
        Assert.That(K.Unlink("d"), Does.FailWith(Errno.EISDIR));
    }

    [Test]
    public void Directory_with_a_slash_is_EISDIR()
    {
        MakeDir("d");
        Assert.That(K.Unlink("d/"), Does.FailWith(Errno.EISDIR));
    }

    [TestCase(".")]
    [TestCase("..")]
    [TestCase("/")]
    [TestCase("d/.")]
    [TestCase("d/..")]
    public void Special_names_are_EISDIR(string path)
    {
        MakeDir("d");
        Assert.That(K.Unlink(path), Does.FailWith(Errno.EISDIR));
    }

    [Test]
    public void File_with_a_slash_is_ENOTDIR()
    {
        MakeFile("f");
        Assert.That(K.Unlink("f/"), Does.FailWith(Errno.ENOTDIR));
    }

    [Test]
    public void Missing_name_with_a_slash_is_ENOENT() => Assert.That(K.Unlink("missing/"), Does.FailWith(Errno.ENOENT));

    [Test]
    public void Link_to_a_directory_with_a_slash_is_ENOTDIR()
    {
        MakeDir("d");
        K.Symlink("d", "l");
        Assert.That(K.Unlink("l/"), Does.FailWith(Errno.ENOTDIR));
    }

    [Test]
    public void No_write_permission_on_the_directory_is_EACCES()
    {
        MakeDir("d");
        MakeFile("d/f", "", 666);
        Assert.That(As(Alice).Unlink("d/f"), Does.FailWith(Errno.EACCES));
    }

    [Test]
    public void Missing_name_comes_before_permission()
    {
        MakeDir("d");
        Assert.That(As(Alice).Unlink("d/missing"), Does.FailWith(Errno.ENOENT));
    }

    [Test]
    public void Permission_comes_before_the_type()
    {
        MakeDir("d");
        MakeDir("d/e");
        Assert.That(As(Alice).Unlink("d/e"), Does.FailWith(Errno.EACCES));
    }

    [Test]
    public void Sticky_directory_protects_other_peoples_files()
    {
        MakeDir("d", 1777);
        As(Bob).Mknod("d/f", Mode.S_IFREG | Oct(666));
        Assert.That(As(Alice).Unlink("d/f"), Does.FailWith(Errno.EPERM));
    }

    [Test]
    public void Sticky_directory_lets_the_files_owner_remove()
    {
        MakeDir("d", 1777);
        As(Alice).Mknod("d/f", Mode.S_IFREG | Oct(666));
        Assert.That(As(Alice).Unlink("d/f"), Is.Success);
    }

    [Test]
    public void Sticky_directory_lets_its_owner_remove()
    {
        MakeDir("d", 1777);
        K.Chown("d", Alice, Alice);
        MakeFile("d/f");
        Assert.That(As(Alice).Unlink("d/f"), Is.Success);
    }

    [Test]
    public void Sticky_comes_before_the_type()
    {
        MakeDir("d", 1777);
        As(Bob).Mkdir("d/e");
        Assert.That(As(Alice).Unlink("d/e"), Does.FailWith(Errno.EPERM));
    }

    [Test]
    public void Read_only_mount_is_EROFS()
    {
        this.MakeReadOnlyMount(K);
        Assert.That(K.Unlink("m/f"), Does.FailWith(Errno.EROFS));
    }

    [Test]
    public void Read_only_mount_comes_before_a_missing_name()
    {
        this.MakeReadOnlyMount(K);
        Assert.That(K.Unlink("m/missing"), Does.FailWith(Errno.EROFS));
    }

    [Test]
    public void Mounted_file_is_EBUSY()
    {
        MakeFile("f");
        MakeFile("g");
        K.Bind("f", "g");
        Assert.That(K.Unlink("g"), Does.FailWith(Errno.EBUSY));
    }

    [Test]
    public void Unknown_flags_are_EINVAL() => Assert.That(K.UnlinkAt(Fd.Cwd, ""u8, (AtFlags)1), Does.FailWith(Errno.EINVAL));

    [Test]
    public void Mount_elsewhere_is_taken_away()
    {
        MakeFile("f");
        MakeFile("g");
        var other = Fork();
        other.Unshare(CloneFlags.CLONE_NEWNS);
        other.Bind("f", "g");
        Assert.That(K.Unlink("g"), Is.Success);
    }
}

/// <summary>unlinkat(2) with AT_REMOVEDIR.</summary>
public sealed class RmdirContract(KernelKind kind) : Contract(kind)
{
    [Test]
    public void Removes_an_empty_directory()
    {
        MakeDir("d");
        Assert.That((K.Rmdir("d"), Attributes("/").Nlink), Is.EqualTo((Errno.OK, 2u)));
    }

    [Test]
    public void Trailing_slash_is_allowed()
    {
        MakeDir("d");
        Assert.That(K.Rmdir("d/"), Is.Success);
    }

    [Test]
    public void Missing_name_is_ENOENT() => Assert.That(K.Rmdir("missing"), Does.FailWith(Errno.ENOENT));

    [Test]
    public void File_is_ENOTDIR()
    {
        MakeFile("f");
        Assert.That(K.Rmdir("f"), Does.FailWith(Errno.ENOTDIR));
    }

    [TestCase("l")]
    [TestCase("l/")]
    public void Link_to_a_directory_is_ENOTDIR(string path)
    {
        MakeDir("d");
        K.Symlink("d", "l");
        Assert.That(K.Rmdir(path), Does.FailWith(Errno.ENOTDIR));
    }

    [Test]
    public void Full_directory_is_ENOTEMPTY()
    {
        MakeDir("d");
        MakeFile("d/f");
        Assert.That(K.Rmdir("d"), Does.FailWith(Errno.ENOTEMPTY));
    }

    [TestCase("d/.", ExpectedResult = Errno.EINVAL)]
    [TestCase("d/./", ExpectedResult = Errno.EINVAL)]
    [TestCase("d/e/..", ExpectedResult = Errno.ENOTEMPTY)]
    [TestCase("/", ExpectedResult = Errno.EBUSY)]
    [TestCase(".", ExpectedResult = Errno.EINVAL)]
    [TestCase("..", ExpectedResult = Errno.ENOTEMPTY)]
    public Errno Special_names_have_their_own_errors(string path)
    {
        MakeDir("d");
        MakeDir("d/e");
        return K.Rmdir(path);
    }

    [Test]
    public void No_write_permission_on_the_parent_is_EACCES()
    {
        MakeDir("d");
        MakeDir("d/e");
        Assert.That(As(Alice).Rmdir("d/e"), Does.FailWith(Errno.EACCES));
    }

    [Test]
    public void Permission_comes_before_the_type()
    {
        MakeDir("d");
        MakeFile("d/f");
        Assert.That(As(Alice).Rmdir("d/f"), Does.FailWith(Errno.EACCES));
    }

    [Test]
    public void Sticky_directory_protects_other_peoples_directories()
    {
        MakeDir("d", 1777);
        As(Bob).Mkdir("d/e");
        Assert.That(As(Alice).Rmdir("d/e"), Does.FailWith(Errno.EPERM));
    }

    [Test]
    public void Mount_point_is_EBUSY()
    {
        MakeDir("m");
        K.Mount("x", "m", "tmpfs");
        Assert.That(K.Rmdir("m"), Does.FailWith(Errno.EBUSY));
    }

    [Test]
    public void Mount_point_comes_before_what_it_hides()
    {
        MakeDir("m");
        MakeFile("m/f");
        K.Mount("x", "m", "tmpfs");
        Assert.That(K.Rmdir("m"), Does.FailWith(Errno.EBUSY));
    }

    [Test]
    public void Read_only_mount_comes_before_not_empty()
    {
        this.MakeReadOnlyMount(K);
        Assert.That(K.Rmdir("m/d"), Does.FailWith(Errno.EROFS));
    }

    [Test]
    public void Working_directory_can_be_removed()
    {
        MakeDir("d");
        K.Chdir("d");
        Assert.That(K.Rmdir("/d"), Is.Success);
    }

    [Test]
    public void Removed_directory_keeps_no_links()
    {
        MakeDir("d");
        var fd = Opened("d", OpenFlags.O_RDONLY);
        K.Rmdir("d");
        K.Fstat(fd, out var stat);
        Assert.That(stat.Nlink, Is.Zero);
    }
}
