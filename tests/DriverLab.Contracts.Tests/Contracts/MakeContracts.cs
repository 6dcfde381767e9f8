using DriverLab.Linux;
using DriverLab.Linux.Abi;
using static DriverLab.Contracts.Tests.Calls;

namespace DriverLab.Contracts.Tests;

/// <summary>mkdirat(2).</summary>
public sealed class MkdirContract(KernelKind kind) : Contract(kind)
{
    [Test]
    public void Makes_an_empty_directory_with_two_links()
    {
        K.Mkdir("d");
        Assert.That((Attributes("d").Nlink, Names("d").Length, Attributes("/").Nlink), Is.EqualTo((2u, 0, 3u)));
    }

    [Test]
    public void Mode_takes_permissions_and_sticky_only()
    {
        K.Mkdir("d", Oct(7777));
        Assert.That(Attributes("d").Mode, Is.EqualTo(Mode.S_IFDIR | Oct(1755)));
    }

    [Test]
    public void Inherits_group_and_set_group_id_of_the_parent()
    {
        MakeDir("d");
        K.Chown("d", 0, 50);
        K.Chmod("d", 2755);
        K.Mkdir("d/e");
        var stat = Attributes("d/e");
        Assert.That((stat.Gid, stat.Mode), Is.EqualTo((50u, Mode.S_IFDIR | Oct(2755))));
    }

    [Test]
    public void Trailing_slash_is_allowed() => Assert.That(K.Mkdir("d/"), Is.Success);

    [TestCase("f")]
    [TestCase("d")]
    [TestCase("l")]
    [TestCase("dangling")]
    [TestCase("/")]
    [TestCase(".")]
    [TestCase("..")]
    [TestCase("d/.")]
    [TestCase("d/..")]
    public void Existing_name_is_EEXIST(string path)
    {
        MakeFile("f");
        MakeDir("d");
        K.Symlink("d", "l");
        K.Symlink("missing", "dangling");
        Assert.That(K.Mkdir(path), Does.FailWith(Errno.EEXIST));
    }

    [Test]
    public void Dangling_link_with_a_slash_is_EEXIST()
    {
        K.Symlink("missing", "l");
        Assert.That(K.Mkdir("l/"), Does.FailWith(Errno.EEXIST));
    }

    [Test]
    public void Missing_parent_is_ENOENT() => Assert.That(K.Mkdir("missing/d"), Does.FailWith(Errno.ENOENT));

    [Test]
    public void File_as_parent_is_ENOTDIR()
    {
        MakeFile("f");
        Assert.That(K.Mkdir("f/d"), Does.FailWith(Errno.ENOTDIR));
    }

    [Test]
    public void Dot_below_a_file_is_ENOTDIR()
    {
        MakeFile("f");
        Assert.That(K.Mkdir("f/."), Does.FailWith(Errno.ENOTDIR));
    }

    [Test]
    public void Long_name_is_ENAMETOOLONG() => Assert.That(K.Mkdir(Long(256)), Does.FailWith(Errno.ENAMETOOLONG));

    [Test]
    public void No_write_permission_is_EACCES()
    {
        MakeDir("d");
        Assert.That(As(Alice).Mkdir("d/e"), Does.FailWith(Errno.EACCES));
    }

    [Test]
    public void Existing_name_comes_before_permission()
    {
        MakeDir("d");
        MakeDir("d/e");
        Assert.That(As(Alice).Mkdir("d/e"), Does.FailWith(Errno.EEXIST));
    }

    [Test]
    public void Existing_name_comes_before_a_read_only_mount()
    {
        this.MakeReadOnlyMount(K);
        Assert.That(K.Mkdir("m/d"), Does.FailWith(Errno.EEXIST));
    }

    [Test]
    public void Read_only_mount_is_EROFS()
    {
        this.MakeReadOnlyMount(K);
        Assert.That(K.Mkdir("m/new"), Does.FailWith(Errno.EROFS));
    }

    [Test]
    public void Read_only_mount_comes_before_permission()
    {
        this.MakeReadOnlyMount(K);
        Assert.That(As(Alice).Mkdir("m/new"), Does.FailWith(Errno.EROFS));
    }

    [Test]
    public void Removed_directory_is_ENOENT()
    {
        MakeDir("d");
        var fd = Opened("d", OpenFlags.O_PATH);
        K.Rmdir("d");
        Assert.That(K.MkdirAt(fd, "e"u8, Oct(755)), Does.FailWith(Errno.ENOENT));
    }

    [Test]
    public void Full_file_system_is_ENOSPC()
    {
        MakeDir("m");
        K.Mount("x", "m", "tmpfs", MountFlags.None, "nr_inodes=2");
        Assert.That((K.Mkdir("m/a"), K.Mkdir("m/b")), Is.EqualTo((Errno.OK, Errno.ENOSPC)));
    }
}

/// <summary>mknodat(2).</summary>
public sealed class MknodContract(KernelKind kind) : Contract(kind)
{
    [TestCase(Mode.S_IFREG)]
    [TestCase(Mode.S_IFIFO)]
    [TestCase(Mode.S_IFSOCK)]
    [TestCase(Mode.S_IFCHR)]
    [TestCase(Mode.S_IFBLK)]
    public void Makes_a_node(Mode type)
    {
        Assert.That(K.Mknod("n", type | Oct(666), new DevT(7, 300)), Is.Success);
        Assert.That(Attributes("n").Mode, Is.EqualTo(type | Oct(644)));
    }

    [TestCase(Mode.S_IFCHR)]
    [TestCase(Mode.S_IFBLK)]
    public void Device_number_is_kept(Mode type)
    {
        K.Mknod("n", type | Oct(600), new DevT(259, 70000));
        Assert.That(Attributes("n").Rdev, Is.EqualTo(new DevT(259, 70000)));
    }

    [Test]
    public void Device_number_of_a_fifo_is_dropped()
    {
        K.Mknod("n", Mode.S_IFIFO | Oct(600), new DevT(7, 3));
        Assert.That(Attributes("n").Rdev, Is.EqualTo(DevT.Zero));
    }

    [Test]
    public void No_type_means_a_regular_file()
    {
        K.Mknod("n", Oct(600));
        Assert.That(Attributes("n").Mode, Is.EqualTo(Mode.S_IFREG | Oct(600)));
    }

    [Test]
    public void Directory_is_EPERM() => Assert.That(K.Mknod("n", Mode.S_IFDIR | Oct(600)), Does.FailWith(Errno.EPERM));

    [Test]
    public void Link_is_EINVAL() => Assert.That(K.Mknod("n", Mode.S_IFLNK | Oct(600)), Does.FailWith(Errno.EINVAL));

    [Test]
    public void Type_comes_before_the_path() => Assert.That(K.Mknod("", Mode.S_IFLNK | Oct(600)), Does.FailWith(Errno.EINVAL));

    [Test]
    public void Existing_name_is_EEXIST()
    {
        MakeFile("f");
        Assert.That(K.Mknod("f", Mode.S_IFIFO | Oct(600)), Does.FailWith(Errno.EEXIST));
    }

    [Test]
    public void Trailing_slash_is_ENOENT() => Assert.That(K.Mknod("n/", Mode.S_IFIFO | Oct(600)), Does.FailWith(Errno.ENOENT));

    [Test]
    public void Trailing_slash_over_an_existing_file_is_EEXIST()
    {
        MakeFile("f");
        Assert.That(K.Mknod("f/", Mode.S_IFIFO | Oct(600)), Does.FailWith(Errno.EEXIST));
    }

    [TestCase(Mode.S_IFCHR)]
    [TestCase(Mode.S_IFBLK)]
    public void Device_by_a_user_is_EPERM(Mode type)
    {
        MakeDir("d", 777);
        Assert.That(As(Alice).Mknod("d/n", type | Oct(600), new DevT(1, 3)), Does.FailWith(Errno.EPERM));
    }

    [Test]
    public void Whiteout_by_a_user_is_allowed()
    {
        MakeDir("d", 777);
        Assert.That(As(Alice).Mknod("d/n", Mode.S_IFCHR, DevT.Zero), Is.Success);
    }

    [Test]
    public void Fifo_by_a_user_is_allowed()
    {
        MakeDir("d", 777);
        Assert.That(As(Alice).Mknod("d/n", Mode.S_IFIFO | Oct(600)), Is.Success);
    }

    [Test]
    public void Permission_of_the_directory_comes_before_the_privilege()
    {
        MakeDir("d");
        Assert.That(As(Alice).Mknod("d/n", Mode.S_IFCHR | Oct(600), new DevT(1, 3)), Does.FailWith(Errno.EACCES));
    }

    [Test]
    public void Read_only_mount_comes_before_the_privilege()
    {
        this.MakeReadOnlyMount(K);
        Assert.That(As(Alice).Mknod("m/n", Mode.S_IFCHR | Oct(600), new DevT(1, 3)), Does.FailWith(Errno.EROFS));
    }
}
