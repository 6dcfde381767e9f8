using DriverLab.Linux;
using DriverLab.Linux.Abi;
using static DriverLab.Contracts.Tests.Calls;

namespace DriverLab.Contracts.Tests;

/// <summary>User name spaces: tasks that live in one, and mounts with the maps of one.</summary>
public sealed class UserNamespaceContract(KernelKind kind) : Contract(kind)
{
    private static readonly IdMapExtent[] s_thousand = [new(0, 1000, 1000)];

    private static UserMaps Maps(params IdMapExtent[] extents) => new(extents, extents);

    [SetUp]
    public void MountProc()
    {
        K.Mkdir("proc");
        Require(K.Mount("proc", "/proc", "proc", MountFlags.None), "mount proc");
    }

    /// <summary>Root of a name space whose ids are the users from 1000 on.</summary>
    private IKernel Carol()
    {
        Require(K.ForkInUserNamespace(Maps(s_thousand), out var task), "fork");
        Adopt(task!);
        Require(task!.SetIds(UserIds.Root), "setids");
        return task;
    }

    [Test]
    public void Files_belong_to_the_outer_user()
    {
        MakeDir("d", 777);
        var carol = Carol();
        carol.Mkdir("d/e");
        Assert.That(Attributes("d/e").Uid, Is.EqualTo(1000));
    }

    [Test]
    public void Strangers_are_the_overflow_user()
    {
        MakeFile("f");
        var carol = Carol();
        Assert.That(carol.Statx(Fd.Cwd, "f"u8, AtFlags.None, StatxMask.STATX_BASIC_STATS, out var stat), Is.Success);
        Assert.That((stat.Uid, stat.Gid), Is.EqualTo((65534u, 65534u)));
    }

    [Test]
    public void Its_root_may_do_nothing_to_what_strangers_own()
    {
        MakeFile("f", mode: 600);
        var carol = Carol();
        Assert.That(carol.FchmodAt(Fd.Cwd, "f"u8, Oct(777)), Is.EqualTo(Errno.EPERM));
    }

    [Test]
    public void An_id_without_a_name_is_EINVAL()
    {
        MakeDir("d", 777);
        var carol = Carol();
        carol.Mkdir("d/e");
        Assert.That(carol.FchownAt(Fd.Cwd, "d/e"u8, 1000, 0, AtFlags.None), Is.EqualTo(Errno.EINVAL));
    }

    [Test]
    public void Its_mounts_are_its_own()
    {
        MakeDir("d", 777);
        var carol = Carol();
        Assert.That(carol.Mount("none"u8, "d"u8, "tmpfs"u8, MountFlags.None, default), Is.Success);
        carol.Mkdir("d/inside");
        Assert.That(K.Mkdir("d/inside"), Is.Success);
    }

    [Test]
    public void What_it_found_mounted_stays_mounted()
    {
        var carol = Carol();
        Assert.That(carol.Umount("/proc"u8, UmountFlags.MNT_DETACH), Is.EqualTo(Errno.EINVAL));
    }

    [Test]
    public void It_begins_with_open_files_and_working_directory()
    {
        MakeDir("d");
        MakeFile("d/f", "abc");
        var fd = Opened("d/f", OpenFlags.O_RDONLY);
        K.Chdir("d");
        var carol = Carol();
        Span<byte> three = stackalloc byte[3];
        Assert.That(carol.Read(fd, three).Value, Is.EqualTo(3));
        Assert.That(carol.FaccessAt(Fd.Cwd, "f"u8, AccessMode.F_OK, AtFlags.None), Is.Success);
    }

    [Test]
    public void Forks_live_in_it_too()
    {
        MakeDir("d", 777);
        using var child = Carol().Fork();
        child.Mkdir("d/e");
        Assert.That(Attributes("d/e").Uid, Is.EqualTo(1000));
    }

    [Test]
    public void A_fork_outlives_the_first_task()
    {
        MakeDir("d", 777);
        var carol = Carol();
        using var child = carol.Fork();
        carol.Dispose();
        Assert.That(child.Mkdir("d/e"), Is.Success);
    }

    [Test]
    public void Maps_that_overlap_are_EINVAL()
    {
        Assert.That(K.ForkInUserNamespace(Maps(new IdMapExtent(0, 1000, 10), new IdMapExtent(5, 2000, 10)), out _), Is.EqualTo(Errno.EINVAL));
        Assert.That(K.UserNamespace(Maps(new IdMapExtent(0, 1000, 0))).Error, Is.EqualTo(Errno.EINVAL));
    }

    [Test]
    public void Users_without_privileges_make_none() =>
        Assert.That(As(Alice).UserNamespace(Maps(s_thousand)).Error, Is.EqualTo(Errno.EPERM));

    [Test]
    public void Without_proc_there_is_none()
    {
        Require(K.Umount("/proc"u8, UmountFlags.None), "umount");
        Assert.That(K.UserNamespace(Maps(s_thousand)).Error, Is.EqualTo(Errno.ENOENT));
    }
}
