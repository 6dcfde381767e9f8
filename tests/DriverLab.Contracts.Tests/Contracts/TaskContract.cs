using DriverLab.Linux;
using DriverLab.Linux.Abi;
using static DriverLab.Contracts.Tests.Calls;

namespace DriverLab.Contracts.Tests;

/// <summary>State of a task: fork, ids, umask, root, working directory, mount name space.</summary>
public sealed class TaskContract(KernelKind kind) : Contract(kind)
{
    [Test]
    public void Umask_returns_the_mask_before()
    {
        K.Umask(Oct(27));
        Assert.That(K.Umask(Oct(22)), Is.EqualTo(Oct(27)));
    }

    [Test]
    public void Umask_keeps_permission_bits_only()
    {
        K.Umask(Oct(7777));
        Assert.That(K.Umask(0), Is.EqualTo(Oct(777)));
    }

    [Test]
    public void Umask_takes_bits_away()
    {
        K.Umask(Oct(27));
        K.Mkdir("d", Oct(777));
        Assert.That(Attributes("d").Mode, Is.EqualTo(Mode.S_IFDIR | Oct(750)));
    }

    [Test]
    public void Fork_inherits_and_then_goes_its_own_way()
    {
        K.Umask(Oct(27));
        var child = Fork();
        K.Umask(Oct(0));
        Assert.That(child.Umask(Oct(0)), Is.EqualTo(Oct(27)));
    }

    [Test]
    public void Fork_shares_open_files()
    {
        MakeFile("f", "abc");
        var fd = Opened("f", OpenFlags.O_RDONLY);
        var child = Fork();
        Span<byte> one = stackalloc byte[1];
        child.Read(fd, one);
        K.Read(fd, one);
        Assert.That(one[0], Is.EqualTo((byte)'b'));
    }

    [Test]
    public void Fork_has_a_descriptor_table_of_its_own()
    {
        MakeFile("f");
        var fd = Opened("f", OpenFlags.O_RDONLY);
        var child = Fork();
        K.Close(fd);
        Assert.That(child.LSeek(fd, 0, SeekWhence.SEEK_CUR), Is.Success);
    }

    [Test]
    public void Fork_has_a_working_directory_of_its_own()
    {
        MakeDir("d");
        MakeFile("d/f");
        var child = Fork();
        child.Chdir("d");
        Assert.That((child.Stat("f", out _), K.Stat("f", out _)), Is.EqualTo((Errno.OK, Errno.ENOENT)));
    }

    [Test]
    public void Fork_shares_the_mount_name_space()
    {
        var child = Fork();
        MakeDir("m");
        child.Mount("x", "m", "tmpfs");
        child.Mkdir("m/d");
        Assert.That(K.Stat("m/d", out _), Is.Success);
    }

    [Test]
    public void Ids_own_what_the_task_makes()
    {
        MakeDir("d", 777);
        As(Alice).Mkdir("d/e");
        Assert.That((Attributes("d/e").Uid, Attributes("d/e").Gid), Is.EqualTo((Alice, Alice)));
    }

    [Test]
    public void Ids_of_a_user_cannot_become_another() => Assert.That(As(Alice).SetIds(UserIds.User(Bob)), Does.FailWith(Errno.EPERM));

    [Test]
    public void Ids_of_a_user_cannot_become_root() => Assert.That(As(Alice).SetIds(UserIds.Root), Does.FailWith(Errno.EPERM));

    [Test]
    public void Supplementary_groups_give_group_permission()
    {
        MakeFile("f", "x", 640);
        K.Chown("f", 0, 50);
        Assert.That(As(Alice, 50).Open("f", OpenFlags.O_RDONLY), Is.Success);
    }

    [Test]
    public void Group_class_applies_even_when_others_may_more()
    {
        MakeFile("f", "x", 604);
        K.Chown("f", 0, Alice);
        Assert.That(As(Alice).Open("f", OpenFlags.O_RDONLY), Does.FailWith(Errno.EACCES));
    }

    [Test]
    public void Chdir_to_a_file_is_ENOTDIR()
    {
        MakeFile("f");
        Assert.That(K.Chdir("f"), Does.FailWith(Errno.ENOTDIR));
    }

    [Test]
    public void Chdir_to_nothing_is_ENOENT() => Assert.That(K.Chdir("missing"), Does.FailWith(Errno.ENOENT));

    [Test]
    public void Chdir_needs_search_permission()
    {
        MakeDir("d", 644);
        Assert.That(As(Alice).Chdir("d"), Does.FailWith(Errno.EACCES));
    }

    [Test]
    public void Chdir_to_a_file_without_permission_is_ENOTDIR()
    {
        MakeFile("f", "", 0);
        Assert.That(As(Alice).Chdir("f"), Does.FailWith(Errno.ENOTDIR));
    }

    [Test]
    public void Fchdir_works_on_a_path_descriptor()
    {
        MakeDir("d");
        MakeFile("d/f");
        K.Fchdir(Opened("d", OpenFlags.O_PATH));
        Assert.That(K.Stat("f", out _), Is.Success);
    }

    [Test]
    public void Fchdir_to_a_file_is_ENOTDIR()
    {
        MakeFile("f");
        Assert.That(K.Fchdir(Opened("f", OpenFlags.O_RDONLY)), Does.FailWith(Errno.ENOTDIR));
    }

    [Test]
    public void Fchdir_to_a_closed_descriptor_is_EBADF() => Assert.That(K.Fchdir(Fd.None), Does.FailWith(Errno.EBADF));

    [Test]
    public void Fchdir_needs_search_permission()
    {
        MakeDir("d", 644);
        var alice = As(Alice);
        var fd = alice.Open("d", OpenFlags.O_RDONLY).Value;
        Assert.That(alice.Fchdir(fd), Does.FailWith(Errno.EACCES));
    }

    [Test]
    public void Chroot_leaves_the_working_directory()
    {
        MakeDir("d");
        MakeFile("f");
        K.Chroot("d");
        Assert.That((K.Stat("f", out _), K.Stat("/f", out _)), Is.EqualTo((Errno.OK, Errno.ENOENT)));
    }

    [Test]
    public void Chroot_to_a_file_is_ENOTDIR()
    {
        MakeFile("f");
        Assert.That(K.Chroot("f"), Does.FailWith(Errno.ENOTDIR));
    }

    [Test]
    public void Chroot_needs_privilege() => Assert.That(As(Alice).Chroot("/"), Does.FailWith(Errno.EPERM));

    [Test]
    public void Chroot_looks_at_the_path_before_the_privilege() => Assert.That(As(Alice).Chroot("/missing"), Does.FailWith(Errno.ENOENT));

    [Test]
    public void Chroot_looks_at_permission_before_the_privilege()
    {
        MakeDir("d", 700);
        Assert.That(As(Alice).Chroot("d"), Does.FailWith(Errno.EACCES));
    }

    [Test]
    public void Chroot_confines_dotdot()
    {
        MakeDir("d");
        MakeFile("f");
        K.Chroot("d");
        K.Chdir("/");
        Assert.That(K.Stat("../f", out _), Does.FailWith(Errno.ENOENT));
    }

    [Test]
    public void Getcwd_gives_the_path()
    {
        MakeDir("d");
        MakeDir("d/e");
        K.Chdir("d/e");
        Assert.That(Cwd(K), Is.EqualTo("/d/e"));
    }

    [Test]
    public void Getcwd_follows_a_rename()
    {
        MakeDir("d");
        K.Chdir("d");
        K.Rename("/d", "/e");
        Assert.That(Cwd(K), Is.EqualTo("/e"));
    }

    [Test]
    public void Getcwd_of_a_removed_directory_is_ENOENT()
    {
        MakeDir("d");
        K.Chdir("d");
        K.Rmdir("/d");
        Assert.That(K.GetCwd(new byte[100]), Does.FailWith(Errno.ENOENT));
    }

    [TestCase(2, ExpectedResult = Errno.ERANGE)]
    [TestCase(3, ExpectedResult = Errno.OK)]
    public Errno Getcwd_needs_room_for_the_NUL(int room)
    {
        MakeDir("d");
        K.Chdir("d");
        return K.GetCwd(new byte[room]).Error;
    }

    [Test]
    public void Getcwd_outside_the_root_says_unreachable()
    {
        MakeDir("d");
        K.Chroot("d");
        Assert.That(Cwd(K), Is.EqualTo("(unreachable)/tmp"));
    }

    [Test]
    public void Unshare_of_unknown_flags_is_EINVAL() => Assert.That(K.Unshare((CloneFlags)1), Does.FailWith(Errno.EINVAL));

    [Test]
    public void Unshare_of_the_mount_name_space_needs_privilege() => Assert.That(As(Alice).Unshare(CloneFlags.CLONE_NEWNS), Does.FailWith(Errno.EPERM));

    [Test]
    public void Unshare_looks_at_the_flags_before_the_privilege()
        => Assert.That(As(Alice).Unshare(CloneFlags.CLONE_NEWNS | (CloneFlags)1), Does.FailWith(Errno.EINVAL));

    [Test]
    public void Unshare_hides_later_mounts()
    {
        MakeDir("m");
        var child = Fork();
        child.Unshare(CloneFlags.CLONE_NEWNS);
        child.Mount("x", "m", "tmpfs");
        child.Mkdir("m/d");
        Assert.That((child.Stat("m/d", out _), K.Stat("m/d", out _)), Is.EqualTo((Errno.OK, Errno.ENOENT)));
    }

    [Test]
    public void Sleep_takes_at_least_its_time()
    {
        long start = K.ClockGetTimeNs(ClockId.CLOCK_MONOTONIC);
        K.Sleep(2_000_000);
        Assert.That(K.ClockGetTimeNs(ClockId.CLOCK_MONOTONIC) - start, Is.GreaterThanOrEqualTo(2_000_000));
    }

    [Test]
    public void Real_time_is_after_2020() => Assert.That(K.ClockGetTimeNs(ClockId.CLOCK_REALTIME), Is.GreaterThan(1_577_836_800_000_000_000));

    [Test]
    public void Profile_has_a_version() => Assert.That(K.Profile.Version.Major, Is.GreaterThanOrEqualTo(5));

    private static string Cwd(IKernel kernel)
    {
        Span<byte> buffer = stackalloc byte[256];
        var result = kernel.GetCwd(buffer);
        Assert.That(result, Is.Success);
        return System.Text.Encoding.Latin1.GetString(buffer[..result.Value]);
    }
}
