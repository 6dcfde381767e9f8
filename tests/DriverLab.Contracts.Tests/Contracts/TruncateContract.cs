using DriverLab.Linux;
using DriverLab.Linux.Abi;
using static DriverLab.Contracts.Tests.Calls;

namespace DriverLab.Contracts.Tests;

/// <summary>truncate, ftruncate.</summary>
public sealed class TruncateContract(KernelKind kind) : Contract(kind)
{
    [Test]
    public void Shortens()
    {
        MakeFile("f", "text");
        K.Truncate("f", 2);
        Assert.That(Text("f"), Is.EqualTo("te"));
    }

    [Test]
    public void Lengthens_with_zeros()
    {
        MakeFile("f", "te");
        K.Truncate("f", 4);
        Assert.That(Text("f"), Is.EqualTo("te\0\0"));
    }

    [Test]
    public void What_was_cut_does_not_come_back()
    {
        MakeFile("f", "text");
        K.Truncate("f", 1);
        K.Truncate("f", 4);
        Assert.That(Text("f"), Is.EqualTo("t\0\0\0"));
    }

    [Test]
    public void Follows_links()
    {
        MakeFile("f", "text");
        K.Symlink("f", "l");
        K.Truncate("l", 1);
        Assert.That(Text("f"), Is.EqualTo("t"));
    }

    [Test]
    public void Negative_length_comes_before_the_path() => Assert.That(K.Truncate("missing", -1), Does.FailWith(Errno.EINVAL));

    [Test]
    public void Missing_file_is_ENOENT() => Assert.That(K.Truncate("missing", 0), Does.FailWith(Errno.ENOENT));

    [Test]
    public void Directory_is_EISDIR()
    {
        MakeDir("d");
        Assert.That(K.Truncate("d", 0), Does.FailWith(Errno.EISDIR));
    }

    [Test]
    public void Directory_comes_before_permission()
    {
        MakeDir("d", 0);
        Assert.That(As(Alice).Truncate("d", 0), Does.FailWith(Errno.EISDIR));
    }

    [Test]
    public void Fifo_is_EINVAL()
    {
        K.Mknod("p", Mode.S_IFIFO | Oct(600));
        Assert.That(K.Truncate("p", 0), Does.FailWith(Errno.EINVAL));
    }

    [Test]
    public void No_write_permission_is_EACCES()
    {
        MakeFile("f");
        Assert.That(As(Alice).Truncate("f", 0), Does.FailWith(Errno.EACCES));
    }

    [Test]
    public void Read_only_mount_is_EROFS()
    {
        MakeDir("m");
        K.Mount("x", "m", "tmpfs");
        MakeFile("m/f");
        K.Mount("x", "m", "tmpfs", MountFlags.MS_REMOUNT | MountFlags.MS_RDONLY);
        Assert.That(K.Truncate("m/f", 0), Does.FailWith(Errno.EROFS));
    }

    [Test]
    [Kernels("the permission is checked before write access to the mount is taken", From = "6.14")]
    public void Permission_comes_before_a_read_only_bind()
    {
        MakeReadOnlyBind();
        Assert.That(As(Alice).Truncate("m", 0), Does.FailWith(Errno.EACCES));
    }

    [Test]
    [Kernels("write access to the mount is taken before the permission is checked", Before = "6.14")]
    public void Read_only_bind_comes_before_permission()
    {
        MakeReadOnlyBind();
        Assert.That(As(Alice).Truncate("m", 0), Does.FailWith(Errno.EROFS));
    }

    [Test]
    public void Largest_length_is_allowed_on_tmpfs()
    {
        MakeFile("f");
        Assert.That(K.Truncate("f", long.MaxValue), Is.Success);
    }

    [Test]
    public void Ftruncate_needs_a_writable_descriptor()
    {
        MakeFile("f", "text");
        Assert.That(K.FTruncate(Opened("f", OpenFlags.O_RDONLY), 0), Does.FailWith(Errno.EINVAL));
    }

    [Test]
    public void Ftruncate_shortens()
    {
        MakeFile("f", "text");
        K.FTruncate(Opened("f", OpenFlags.O_WRONLY), 1);
        Assert.That(Text("f"), Is.EqualTo("t"));
    }

    [Test]
    public void Ftruncate_negative_comes_before_a_bad_descriptor() => Assert.That(K.FTruncate(Fd.None, -1), Does.FailWith(Errno.EINVAL));

    [Test]
    public void Ftruncate_of_a_closed_descriptor_is_EBADF() => Assert.That(K.FTruncate(Fd.None, 0), Does.FailWith(Errno.EBADF));

    [Test]
    public void Ftruncate_of_a_path_descriptor_is_EBADF()
    {
        MakeFile("f");
        Assert.That(K.FTruncate(Opened("f", OpenFlags.O_PATH), 0), Does.FailWith(Errno.EBADF));
    }

    [Test]
    public void Ftruncate_of_a_directory_is_EINVAL()
    {
        MakeDir("d");
        Assert.That(K.FTruncate(Opened("d", OpenFlags.O_RDONLY), 0), Does.FailWith(Errno.EINVAL));
    }

    [Test]
    public void Ftruncate_takes_away_the_set_user_id_bit()
    {
        MakeFile("f", "text", 4777);
        var alice = As(Alice);
        alice.FTruncate(alice.Open("f", OpenFlags.O_WRONLY).Value, 1);
        Assert.That(Attributes("f").Mode, Is.EqualTo(Mode.S_IFREG | Oct(777)));
    }

    private void MakeReadOnlyBind()
    {
        MakeFile("f", "", 600);
        MakeFile("m");
        K.Bind("f", "m");
        K.Mount("", "m", "", MountFlags.MS_REMOUNT | MountFlags.MS_BIND | MountFlags.MS_RDONLY);
    }
}
