using DriverLab.Linux;
using DriverLab.Linux.Abi;
using static DriverLab.Contracts.Tests.Calls;

namespace DriverLab.Contracts.Tests;

/// <summary>openat(2).</summary>
public sealed class OpenContract(KernelKind kind) : Contract(kind)
{
    private const OpenFlags Create = OpenFlags.O_CREAT | OpenFlags.O_RDWR;

    [Test]
    public void Creates_with_the_umask_applied()
    {
        K.Open("f", Create, Oct(666));
        Assert.That(Attributes("f").Mode, Is.EqualTo(Mode.S_IFREG | Oct(644)));
    }

    [Test]
    public void Creates_with_the_sticky_and_set_id_bits()
    {
        K.Open("f", Create, Oct(7755));
        Assert.That(Attributes("f").Mode, Is.EqualTo(Mode.S_IFREG | Oct(7755)));
    }

    [Test]
    public void Ignores_type_bits_of_the_mode()
    {
        K.Open("f", Create, Mode.S_IFDIR | Oct(600));
        Assert.That(Attributes("f").Mode, Is.EqualTo(Mode.S_IFREG | Oct(600)));
    }

    [Test]
    public void Opens_an_existing_file_with_O_CREAT()
    {
        MakeFile("f", "text");
        Assert.That(K.Open("f", Create), Is.Success);
    }

    [Test]
    public void Existing_file_with_O_EXCL_is_EEXIST()
    {
        MakeFile("f");
        Assert.That(K.Open("f", Create | OpenFlags.O_EXCL), Does.FailWith(Errno.EEXIST));
    }

    [Test]
    public void Dangling_link_with_O_EXCL_is_EEXIST()
    {
        K.Symlink("missing", "l");
        Assert.That(K.Open("l", Create | OpenFlags.O_EXCL), Does.FailWith(Errno.EEXIST));
    }

    [Test]
    public void Directory_with_O_EXCL_is_EEXIST()
    {
        MakeDir("d");
        Assert.That(K.Open("d", Create | OpenFlags.O_EXCL), Does.FailWith(Errno.EEXIST));
    }

    [Test]
    public void Creates_through_a_dangling_link()
    {
        K.Symlink("target", "l");
        K.Open("l", Create);
        Assert.That(Names("/"), Is.EqualTo(new[] { "l", "target" }));
    }

    [Test]
    public void Missing_file_is_ENOENT() => Assert.That(K.Open("f", OpenFlags.O_RDWR), Does.FailWith(Errno.ENOENT));

    [Test]
    public void Creating_with_a_trailing_slash_is_EISDIR() => Assert.That(K.Open("f/", Create), Does.FailWith(Errno.EISDIR));

    [Test]
    public void Creating_with_a_trailing_slash_over_a_file_is_EISDIR()
    {
        MakeFile("f");
        Assert.That(K.Open("f/", Create), Does.FailWith(Errno.EISDIR));
    }

    [Test]
    public void Creating_with_a_trailing_slash_below_nothing_is_ENOENT() => Assert.That(K.Open("missing/f/", Create), Does.FailWith(Errno.ENOENT));

    [Test]
    public void Creating_dot_is_EISDIR() => Assert.That(K.Open(".", Create), Does.FailWith(Errno.EISDIR));

    [TestCase(OpenFlags.O_WRONLY)]
    [TestCase(OpenFlags.O_RDWR)]
    [TestCase(OpenFlags.O_RDONLY | OpenFlags.O_CREAT)]
    [TestCase(OpenFlags.O_RDONLY | OpenFlags.O_TRUNC)]
    public void Directory_for_writing_is_EISDIR(OpenFlags flags)
    {
        MakeDir("d");
        Assert.That(K.Open("d", flags), Does.FailWith(Errno.EISDIR));
    }

    [Test]
    public void Directory_for_writing_is_EISDIR_even_without_permission()
    {
        MakeDir("d", 0);
        Assert.That(As(Alice).Open("d", OpenFlags.O_WRONLY), Does.FailWith(Errno.EISDIR));
    }

    [Test]
    [Kernels("O_CREAT with O_DIRECTORY is refused: commit 43b450632676", From = "6.4")]
    public void O_CREAT_with_O_DIRECTORY_is_EINVAL() => Assert.That(K.Open("d", OpenFlags.O_CREAT | OpenFlags.O_DIRECTORY), Does.FailWith(Errno.EINVAL));

    [Test]
    public void O_DIRECTORY_on_a_file_is_ENOTDIR()
    {
        MakeFile("f");
        Assert.That(K.Open("f", OpenFlags.O_DIRECTORY), Does.FailWith(Errno.ENOTDIR));
    }

    [Test]
    public void O_DIRECTORY_follows_a_link()
    {
        MakeDir("d");
        K.Symlink("d", "l");
        Assert.That(K.Open("l", OpenFlags.O_DIRECTORY), Is.Success);
    }

    [Test]
    public void O_NOFOLLOW_on_a_link_is_ELOOP()
    {
        MakeFile("f");
        K.Symlink("f", "l");
        Assert.That(K.Open("l", OpenFlags.O_NOFOLLOW), Does.FailWith(Errno.ELOOP));
    }

    [Test]
    public void O_NOFOLLOW_with_O_DIRECTORY_on_a_link_is_ENOTDIR()
    {
        MakeDir("d");
        K.Symlink("d", "l");
        Assert.That(K.Open("l", OpenFlags.O_NOFOLLOW | OpenFlags.O_DIRECTORY), Does.FailWith(Errno.ENOTDIR));
    }

    [Test]
    public void O_NOFOLLOW_with_O_CREAT_on_a_dangling_link_is_ELOOP()
    {
        K.Symlink("missing", "l");
        Assert.That(K.Open("l", Create | OpenFlags.O_NOFOLLOW), Does.FailWith(Errno.ELOOP));
    }

    [Test]
    public void O_PATH_with_O_NOFOLLOW_opens_the_link_itself()
    {
        K.Symlink("missing", "l");
        var fd = Opened("l", OpenFlags.O_PATH | OpenFlags.O_NOFOLLOW);
        K.Fstat(fd, out var stat);
        Assert.That(stat.Mode & Mode.S_IFMT, Is.EqualTo(Mode.S_IFLNK));
    }

    [Test]
    public void O_PATH_needs_no_permission_on_the_file()
    {
        MakeFile("f", "", 0);
        Assert.That(As(Alice).Open("f", OpenFlags.O_PATH), Is.Success);
    }

    [Test]
    public void O_PATH_descriptor_does_not_read()
    {
        MakeFile("f", "text");
        Assert.That(K.Read(Opened("f", OpenFlags.O_PATH), new byte[4]), Does.FailWith(Errno.EBADF));
    }

    [Test]
    public void O_TRUNC_empties_the_file()
    {
        MakeFile("f", "text");
        K.Open("f", OpenFlags.O_WRONLY | OpenFlags.O_TRUNC);
        Assert.That(Attributes("f").Size, Is.Zero);
    }

    [Test]
    public void O_TRUNC_works_read_only_for_who_may_write()
    {
        MakeFile("f", "text");
        K.Open("f", OpenFlags.O_RDONLY | OpenFlags.O_TRUNC);
        Assert.That(Attributes("f").Size, Is.Zero);
    }

    [Test]
    public void O_TRUNC_needs_write_permission()
    {
        MakeFile("f", "text", 444);
        Assert.That(As(Alice).Open("f", OpenFlags.O_RDONLY | OpenFlags.O_TRUNC), Does.FailWith(Errno.EACCES));
    }

    [TestCase(400, OpenFlags.O_RDONLY, ExpectedResult = Errno.EACCES)]
    [TestCase(404, OpenFlags.O_RDONLY, ExpectedResult = Errno.OK)]
    [TestCase(404, OpenFlags.O_WRONLY, ExpectedResult = Errno.EACCES)]
    [TestCase(402, OpenFlags.O_WRONLY, ExpectedResult = Errno.OK)]
    [TestCase(402, OpenFlags.O_RDWR, ExpectedResult = Errno.EACCES)]
    [TestCase(406, OpenFlags.O_RDWR, ExpectedResult = Errno.OK)]
    [TestCase(404, OpenFlags.O_ACCMODE, ExpectedResult = Errno.EACCES)]
    [TestCase(406, OpenFlags.O_ACCMODE, ExpectedResult = Errno.OK)]
    public Errno Permission_of_others_counts(int mode, OpenFlags flags)
    {
        MakeFile("f", "", mode);
        return As(Alice).Open("f", flags).Error;
    }

    [Test]
    public void Creating_needs_write_permission_on_the_directory()
    {
        MakeDir("d");
        Assert.That(As(Alice).Open("d/f", Create), Does.FailWith(Errno.EACCES));
    }

    [Test]
    public void A_file_created_without_permission_bits_is_open_all_the_same()
    {
        MakeDir("d", 777);
        Assert.That(As(Alice).Open("d/f", Create, 0), Is.Success);
    }

    [Test]
    public void Existing_file_in_a_closed_directory_opens_with_O_CREAT()
    {
        MakeDir("d");
        MakeFile("d/f", "", 666);
        Assert.That(As(Alice).Open("d/f", Create), Is.Success);
    }

    [Test]
    public void O_NOATIME_of_another_users_file_is_EPERM()
    {
        MakeFile("f");
        Assert.That(As(Alice).Open("f", OpenFlags.O_NOATIME), Does.FailWith(Errno.EPERM));
    }

    [Test]
    public void O_NOATIME_comes_after_permission()
    {
        MakeFile("f", "", 600);
        Assert.That(As(Alice).Open("f", OpenFlags.O_NOATIME), Does.FailWith(Errno.EACCES));
    }

    [Test]
    public void Set_group_id_directory_gives_its_group()
    {
        MakeDir("d", 2777);
        K.Chown("d", 0, 50);
        K.Chmod("d", 2777);
        As(Alice).Open("d/f", Create);
        Assert.That(Attributes("d/f").Gid, Is.EqualTo(50));
    }

    [Test]
    public void Device_that_does_not_exist_is_ENXIO()
    {
        K.Mknod("c", Mode.S_IFCHR | Oct(600), new DevT(4000, 1));
        Assert.That(K.Open("c", OpenFlags.O_RDONLY), Does.FailWith(Errno.ENXIO));
    }

    [Test]
    public void Socket_is_ENXIO()
    {
        K.Mknod("s", Mode.S_IFSOCK | Oct(600));
        Assert.That(K.Open("s", OpenFlags.O_RDONLY), Does.FailWith(Errno.ENXIO));
    }

    [Test]
    public void Fifo_for_writing_without_a_reader_is_ENXIO()
    {
        K.Mknod("p", Mode.S_IFIFO | Oct(600));
        Assert.That(K.Open("p", OpenFlags.O_WRONLY | OpenFlags.O_NONBLOCK), Does.FailWith(Errno.ENXIO));
    }

    [Test]
    public void Device_on_a_nodev_mount_is_EACCES()
    {
        MakeDir("m");
        K.Mount("x", "m", "tmpfs", MountFlags.MS_NODEV);
        K.Mknod("m/null", Mode.S_IFCHR | Oct(666), new DevT(1, 3));
        Assert.That(K.Open("m/null", OpenFlags.O_RDONLY), Does.FailWith(Errno.EACCES));
    }

    [Test]
    public void Lowest_free_number_is_given()
    {
        MakeFile("f");
        var first = Opened("f", OpenFlags.O_RDONLY);
        var second = Opened("f", OpenFlags.O_RDONLY);
        K.Close(first);
        Assert.That(Opened("f", OpenFlags.O_RDONLY), Is.EqualTo(first).And.Not.EqualTo(second));
    }

    [Test]
    public void Writing_on_a_read_only_mount_is_EROFS()
    {
        ReadOnlyMount();
        Assert.That(K.Open("m/f", OpenFlags.O_WRONLY), Does.FailWith(Errno.EROFS));
    }

    [Test]
    public void Creating_on_a_read_only_mount_is_EROFS()
    {
        ReadOnlyMount();
        Assert.That(K.Open("m/new", Create), Does.FailWith(Errno.EROFS));
    }

    [Test]
    public void Opening_what_exists_with_O_CREAT_on_a_read_only_mount_works()
    {
        ReadOnlyMount();
        Assert.That(K.Open("m/f", OpenFlags.O_CREAT), Is.Success);
    }

    [Test]
    public void Existing_with_O_EXCL_on_a_read_only_mount_is_EEXIST()
    {
        ReadOnlyMount();
        Assert.That(K.Open("m/f", OpenFlags.O_CREAT | OpenFlags.O_EXCL | OpenFlags.O_RDWR), Does.FailWith(Errno.EEXIST));
    }

    [Test]
    public void Read_only_mount_comes_after_permission_of_the_directory_walk()
    {
        ReadOnlyMount();
        Assert.That(As(Alice).Open("m/closed/new", Create), Does.FailWith(Errno.EACCES));
    }

    [Test]
    public void Creating_in_a_removed_directory_is_ENOENT()
    {
        MakeDir("d");
        var fd = Opened("d", OpenFlags.O_PATH);
        K.Rmdir("d");
        Assert.That(K.OpenAt(fd, "f"u8, Create, Oct(600)), Does.FailWith(Errno.ENOENT));
    }

    [Test]
    public void O_TMPFILE_makes_a_file_without_a_name()
    {
        var fd = Opened(".", OpenFlags.O_TMPFILE | OpenFlags.O_RDWR);
        K.Fstat(fd, out var stat);
        Assert.That((stat.Nlink, Names("/").Length), Is.EqualTo((0u, 0)));
    }

    [Test]
    public void O_TMPFILE_for_reading_only_is_EINVAL()
        => Assert.That(K.Open(".", OpenFlags.O_TMPFILE | OpenFlags.O_RDONLY), Does.FailWith(Errno.EINVAL));

    [Test]
    public void O_TMPFILE_on_a_file_is_ENOTDIR()
    {
        MakeFile("f");
        Assert.That(K.Open("f", OpenFlags.O_TMPFILE | OpenFlags.O_RDWR), Does.FailWith(Errno.ENOTDIR));
    }

    [Test]
    public void Wrong_flags_come_before_an_empty_path()
        => Assert.That(K.Open("", OpenFlags.O_TMPFILE | OpenFlags.O_RDONLY), Does.FailWith(Errno.EINVAL));

    private void ReadOnlyMount()
    {
        MakeDir("m");
        K.Mount("x", "m", "tmpfs");
        MakeFile("m/f");
        MakeDir("m/closed", 700);
        Assert.That(K.Mount("x", "m", "tmpfs", MountFlags.MS_REMOUNT | MountFlags.MS_RDONLY), Is.Success);
    }
}
