using DriverLab.Linux;
using DriverLab.Linux.Abi;
using static DriverLab.Contracts.Tests.Calls;

namespace DriverLab.Contracts.Tests;

/// <summary>fchmodat(2), fchmod(2).</summary>
public sealed class ChmodContract(KernelKind kind) : Contract(kind)
{
    [Test]
    public void Sets_all_twelve_bits()
    {
        MakeFile("f");
        K.Chmod("f", 7123);
        Assert.That(Attributes("f").Mode, Is.EqualTo(Mode.S_IFREG | Oct(7123)));
    }

    [Test]
    public void Ignores_type_bits()
    {
        MakeFile("f");
        K.FchmodAt(Fd.Cwd, "f"u8, Mode.S_IFDIR | Oct(600));
        Assert.That(Attributes("f").Mode, Is.EqualTo(Mode.S_IFREG | Oct(600)));
    }

    [Test]
    public void Follows_links()
    {
        MakeFile("f");
        K.Symlink("f", "l");
        K.Chmod("l", 600);
        Assert.That(Attributes("f").Mode, Is.EqualTo(Mode.S_IFREG | Oct(600)));
    }

    [Test]
    public void Changes_the_change_time_only()
    {
        MakeFile("f");
        var before = Attributes("f");
        K.Sleep(20_000_000);
        K.Chmod("f", 600);
        var after = Attributes("f");
        Assert.That((after.Mtime, after.Ctime.TotalNs > before.Ctime.TotalNs), Is.EqualTo((before.Mtime, true)));
    }

    [Test]
    public void Of_another_users_file_is_EPERM()
    {
        MakeFile("f", "", 666);
        Assert.That(As(Alice).Chmod("f", 600), Does.FailWith(Errno.EPERM));
    }

    [Test]
    public void Read_only_mount_comes_before_the_owner()
    {
        this.MakeReadOnlyMount(K);
        Assert.That(As(Alice).Chmod("m/f", 600), Does.FailWith(Errno.EROFS));
    }

    [Test]
    public void Set_group_id_of_a_group_one_is_not_in_is_dropped()
    {
        MakeFile("f");
        K.Chown("f", Alice, 50);
        As(Alice).Chmod("f", 2755);
        Assert.That(Attributes("f").Mode, Is.EqualTo(Mode.S_IFREG | Oct(755)));
    }

    [Test]
    public void Set_group_id_of_ones_own_group_stays()
    {
        MakeFile("f");
        K.Chown("f", Alice, 50);
        As(Alice, 50).Chmod("f", 2755);
        Assert.That(Attributes("f").Mode, Is.EqualTo(Mode.S_IFREG | Oct(2755)));
    }

    [Test]
    public void Fchmod_works_on_a_read_only_descriptor()
    {
        MakeFile("f");
        K.Fchmod(Opened("f", OpenFlags.O_RDONLY), Oct(600));
        Assert.That(Attributes("f").Mode, Is.EqualTo(Mode.S_IFREG | Oct(600)));
    }

    [Test]
    public void Fchmod_of_a_path_descriptor_is_EBADF()
    {
        MakeFile("f");
        Assert.That(K.Fchmod(Opened("f", OpenFlags.O_PATH), Oct(600)), Does.FailWith(Errno.EBADF));
    }

    [Test]
    public void Fchmod_of_a_closed_descriptor_is_EBADF() => Assert.That(K.Fchmod(Fd.None, 0), Does.FailWith(Errno.EBADF));
}

/// <summary>fchownat(2).</summary>
public sealed class ChownContract(KernelKind kind) : Contract(kind)
{
    private const uint Same = uint.MaxValue;

    [TestCase(5u, 6u, 5u, 6u)]
    [TestCase(Same, 6u, 0u, 6u)]
    [TestCase(5u, Same, 5u, 0u)]
    [TestCase(Same, Same, 0u, 0u)]
    public void Sets_what_is_not_minus_one(uint uid, uint gid, uint expectedUid, uint expectedGid)
    {
        MakeFile("f");
        K.Chown("f", uid, gid);
        Assert.That((Attributes("f").Uid, Attributes("f").Gid), Is.EqualTo((expectedUid, expectedGid)));
    }

    [Test]
    public void Takes_away_set_user_and_group_id()
    {
        MakeFile("f", "", 6755);
        K.Chown("f", 5, 6);
        Assert.That(Attributes("f").Mode, Is.EqualTo(Mode.S_IFREG | Oct(755)));
    }

    [Test]
    public void Leaves_set_group_id_without_group_execution()
    {
        MakeFile("f", "", 2644);
        K.Chown("f", 5, 6);
        Assert.That(Attributes("f").Mode, Is.EqualTo(Mode.S_IFREG | Oct(2644)));
    }

    [Test]
    public void Leaves_the_bits_of_directories()
    {
        MakeDir("d", 6755);
        K.Chown("d", 5, 6);
        Assert.That(Attributes("d").Mode, Is.EqualTo(Mode.S_IFDIR | Oct(6755)));
    }

    [Test]
    public void Works_on_a_link_itself()
    {
        MakeFile("f");
        K.Symlink("f", "l");
        K.Lchown("l", 5, 6);
        Assert.That((Attributes("l").Uid, Attributes("f").Uid), Is.EqualTo((5u, 0u)));
    }

    [Test]
    public void Works_on_a_descriptor_with_AT_EMPTY_PATH()
    {
        MakeFile("f");
        K.FchownAt(Opened("f", OpenFlags.O_RDONLY), default, 5, 6, AtFlags.AT_EMPTY_PATH);
        Assert.That(Attributes("f").Uid, Is.EqualTo(5));
    }

    [Test]
    public void Giving_away_is_EPERM()
    {
        MakeFile("f");
        K.Chown("f", Alice, Alice);
        Assert.That(As(Alice).Chown("f", Bob, Same), Does.FailWith(Errno.EPERM));
    }

    [Test]
    public void Owner_may_choose_a_group_of_his()
    {
        MakeFile("f");
        K.Chown("f", Alice, Alice);
        Assert.That(As(Alice, 50).Chown("f", Same, 50), Is.Success);
    }

    [Test]
    public void Owner_may_not_choose_another_group()
    {
        MakeFile("f");
        K.Chown("f", Alice, Alice);
        Assert.That(As(Alice).Chown("f", Same, 50), Does.FailWith(Errno.EPERM));
    }

    [Test]
    public void Anybody_may_change_nothing()
    {
        MakeFile("f");
        Assert.That(As(Alice).Chown("f", Same, Same), Is.Success);
    }

    [Test]
    public void Wrong_flags_come_before_the_path() => Assert.That(K.FchownAt(Fd.Cwd, ""u8, 0, 0, (AtFlags)1), Does.FailWith(Errno.EINVAL));

    [Test]
    public void Read_only_mount_comes_before_the_owner()
    {
        this.MakeReadOnlyMount(K);
        Assert.That(As(Alice).Chown("m/f", Alice, Alice), Does.FailWith(Errno.EROFS));
    }
}

/// <summary>utimensat(2).</summary>
public sealed class TimesContract(KernelKind kind) : Contract(kind)
{
    private static readonly Timespec Then = new(1_000_000_000, 123_456_789);

    [Test]
    public void Sets_both_to_the_nanosecond()
    {
        MakeFile("f");
        K.Utimens("f", Then, new Timespec(5, 6));
        var stat = Attributes("f");
        Assert.That((stat.Atime.TotalNs, stat.Mtime.TotalNs), Is.EqualTo((Then.TotalNs, 5_000_000_006)));
    }

    [Test]
    public void Omits_one()
    {
        MakeFile("f");
        K.Utimens("f", Then, Then);
        K.Utimens("f", Timespec.Omit, new Timespec(5, 6));
        Assert.That(Attributes("f").Atime.TotalNs, Is.EqualTo(Then.TotalNs));
    }

    [Test]
    public void Sets_now()
    {
        MakeFile("f");
        K.Utimens("f", Then, Then);
        K.Utimens("f", Timespec.Now, Timespec.Omit);
        Assert.That(Attributes("f").Atime.TotalNs, Is.GreaterThan(K.ClockGetTimeNs(ClockId.CLOCK_REALTIME) - 1_000_000_000));
    }

    [Test]
    public void Times_before_1970_work()
    {
        MakeFile("f");
        K.Utimens("f", new Timespec(-5, 7), new Timespec(-1, 0));
        Assert.That(Attributes("f").Atime.TotalNs, Is.EqualTo(-4_999_999_993));
    }

    [TestCase(-1)]
    [TestCase(1_000_000_000)]
    public void Wrong_nanoseconds_are_EINVAL(long nanoseconds)
    {
        MakeFile("f");
        Assert.That(K.Utimens("f", new Timespec(0, nanoseconds), Timespec.Now), Does.FailWith(Errno.EINVAL));
    }

    [Test]
    public void Missing_file_comes_before_wrong_nanoseconds()
        => Assert.That(K.Utimens("missing", new Timespec(0, -1), Timespec.Now), Does.FailWith(Errno.ENOENT));

    [Test]
    public void Wrong_nanoseconds_come_before_a_read_only_mount()
    {
        this.MakeReadOnlyMount(K);
        Assert.That(K.Utimens("m/f", new Timespec(0, -1), Timespec.Now), Does.FailWith(Errno.EINVAL));
    }

    [Test]
    public void Two_omissions_succeed_even_without_a_file() => Assert.That(K.Utimens("missing", Timespec.Omit, Timespec.Omit), Is.Success);

    [Test]
    public void Works_on_a_link_itself()
    {
        MakeFile("f");
        K.Symlink("f", "l");
        K.UtimensAt(Fd.Cwd, "l"u8, Then, Then, AtFlags.AT_SYMLINK_NOFOLLOW);
        Assert.That((Attributes("l").Mtime.TotalNs, Attributes("f").Mtime.TotalNs == Then.TotalNs), Is.EqualTo((Then.TotalNs, false)));
    }

    [Test]
    public void Works_on_a_descriptor_with_AT_EMPTY_PATH()
    {
        MakeFile("f");
        K.UtimensAt(Opened("f", OpenFlags.O_RDONLY), default, Then, Then, AtFlags.AT_EMPTY_PATH);
        Assert.That(Attributes("f").Mtime.TotalNs, Is.EqualTo(Then.TotalNs));
    }

    [Test]
    public void Explicit_times_of_another_users_writable_file_are_EPERM()
    {
        MakeFile("f", "", 666);
        Assert.That(As(Alice).Utimens("f", Then, Then), Does.FailWith(Errno.EPERM));
    }

    [Test]
    public void Now_of_another_users_writable_file_works()
    {
        MakeFile("f", "", 666);
        Assert.That(As(Alice).Utimens("f", Timespec.Now, Timespec.Now), Is.Success);
    }

    [Test]
    public void Now_of_another_users_file_is_EACCES()
    {
        MakeFile("f");
        Assert.That(As(Alice).Utimens("f", Timespec.Now, Timespec.Now), Does.FailWith(Errno.EACCES));
    }

    [Test]
    public void Now_for_one_of_another_users_writable_file_is_EPERM()
    {
        MakeFile("f", "", 666);
        Assert.That(As(Alice).Utimens("f", Timespec.Now, Timespec.Omit), Does.FailWith(Errno.EPERM));
    }

    [Test]
    public void Wrong_flags_are_EINVAL() => Assert.That(K.UtimensAt(Fd.Cwd, "/"u8, Then, Then, (AtFlags)1), Does.FailWith(Errno.EINVAL));

    [Test]
    public void Read_only_mount_comes_before_the_owner()
    {
        this.MakeReadOnlyMount(K);
        Assert.That(As(Alice).Utimens("m/f", Then, Then), Does.FailWith(Errno.EROFS));
    }

    [Test]
    public void Writing_changes_modification_and_change_time()
    {
        MakeFile("f");
        K.Utimens("f", Then, Then);
        K.Write(Opened("f", OpenFlags.O_WRONLY), "x"u8);
        var stat = Attributes("f");
        Assert.That((stat.Mtime.TotalNs > Then.TotalNs, stat.Ctime.TotalNs >= stat.Mtime.TotalNs, stat.Atime.TotalNs), Is.EqualTo((true, true, Then.TotalNs)));
    }

    [Test]
    public void Reading_with_relatime_updates_an_access_time_older_than_the_modification()
    {
        MakeFile("f", "x");
        K.Utimens("f", Then, Timespec.Omit);
        K.Read(Opened("f", OpenFlags.O_RDONLY), new byte[1]);
        Assert.That(Attributes("f").Atime.TotalNs, Is.GreaterThan(Then.TotalNs));
    }

    [Test]
    public void Reading_with_O_NOATIME_leaves_the_access_time()
    {
        MakeFile("f", "x");
        K.Utimens("f", Then, Timespec.Omit);
        K.Read(Opened("f", OpenFlags.O_RDONLY | OpenFlags.O_NOATIME), new byte[1]);
        Assert.That(Attributes("f").Atime.TotalNs, Is.EqualTo(Then.TotalNs));
    }

    [Test]
    public void Adding_a_name_changes_the_directorys_times()
    {
        MakeDir("d");
        K.Utimens("d", Then, Then);
        K.Mkdir("d/e");
        Assert.That(Attributes("d").Mtime.TotalNs, Is.GreaterThan(Then.TotalNs));
    }
}
