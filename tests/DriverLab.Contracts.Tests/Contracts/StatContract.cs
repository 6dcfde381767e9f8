using DriverLab.Linux;
using DriverLab.Linux.Abi;
using static DriverLab.Contracts.Tests.Calls;

namespace DriverLab.Contracts.Tests;

/// <summary>statx(2), statfs(2), fstatfs(2).</summary>
public sealed class StatContract(KernelKind kind) : Contract(kind)
{
    [Test]
    public void Follows_links()
    {
        MakeFile("f", "text");
        K.Symlink("f", "l");
        K.Stat("l", out var stat);
        Assert.That((stat.Mode & Mode.S_IFMT, stat.Size), Is.EqualTo((Mode.S_IFREG, 4UL)));
    }

    [Test]
    public void Empty_path_with_AT_EMPTY_PATH_is_fstat()
    {
        MakeFile("f", "text");
        K.Fstat(Opened("f", OpenFlags.O_PATH), out var stat);
        Assert.That(stat.Size, Is.EqualTo(4));
    }

    [Test]
    public void Empty_path_at_the_working_directory_is_the_working_directory()
    {
        K.Fstat(Fd.Cwd, out var stat);
        Assert.That(stat.Ino, Is.EqualTo(Attributes("/").Ino));
    }

    [Test]
    public void Fills_the_basic_fields()
    {
        MakeFile("f", "text");
        K.Lstat("f", out var stat);
        Assert.That(stat.Mask & StatxMask.STATX_BASIC_STATS, Is.EqualTo(StatxMask.STATX_BASIC_STATS));
    }

    [Test]
    public void Gives_the_birth_time_of_tmpfs_files()
    {
        long before = K.ClockGetTimeNs(ClockId.CLOCK_REALTIME) - 1_000_000_000;
        MakeFile("f");
        K.Statx(Fd.Cwd, "f"u8, AtFlags.None, StatxMask.STATX_BTIME, out var stat);
        Assert.That((stat.Mask.HasFlag(StatxMask.STATX_BTIME), stat.Btime.TotalNs >= before), Is.EqualTo((true, true)));
    }

    [Test]
    public void Gives_the_mount_id_always()
    {
        MakeDir("m");
        K.Mount("x", "m", "tmpfs");
        K.Statx(Fd.Cwd, "m"u8, AtFlags.None, StatxMask.STATX_MNT_ID, out var inside);
        K.Statx(Fd.Cwd, "/"u8, AtFlags.None, StatxMask.STATX_MNT_ID, out var outside);
        Assert.That(inside.MntId, Is.Not.Zero.And.Not.EqualTo(outside.MntId));
    }

    [Test]
    public void Marks_the_root_of_a_mount()
    {
        MakeDir("m");
        K.Mount("x", "m", "tmpfs");
        Assert.That((Attributes("m").Attributes.HasFlag(StatxAttributes.STATX_ATTR_MOUNT_ROOT), Attributes("m/.").AttributesMask.HasFlag(StatxAttributes.STATX_ATTR_MOUNT_ROOT)),
            Is.EqualTo((true, true)));
    }

    [Test]
    public void Device_differs_between_file_systems()
    {
        MakeDir("m");
        K.Mount("x", "m", "tmpfs");
        Assert.That(Attributes("m").Dev, Is.Not.EqualTo(Attributes("/").Dev));
    }

    [Test]
    public void Unknown_flags_come_before_the_path()
        => Assert.That(K.Statx(Fd.Cwd, ""u8, (AtFlags)1, StatxMask.STATX_BASIC_STATS, out _), Does.FailWith(Errno.EINVAL));

    [Test]
    public void Reserved_mask_bit_comes_before_the_path()
        => Assert.That(K.Statx(Fd.Cwd, "missing"u8, AtFlags.None, StatxMask.STATX__RESERVED, out _), Does.FailWith(Errno.EINVAL));

    [Test]
    public void Two_sync_modes_at_once_are_EINVAL()
        => Assert.That(K.Statx(Fd.Cwd, "/"u8, AtFlags.AT_STATX_DONT_SYNC | AtFlags.AT_STATX_FORCE_SYNC, StatxMask.STATX_BASIC_STATS, out _), Does.FailWith(Errno.EINVAL));

    [Test]
    public void Needs_no_permission_on_the_file()
    {
        MakeFile("f", "", 0);
        Assert.That(As(Alice).Stat("f", out _), Is.Success);
    }

    [Test]
    public void Result_of_a_failure_is_empty()
    {
        K.Stat("missing", out var stat);
        Assert.That(stat.Mode, Is.EqualTo(Mode.None));
    }

    [Test]
    public void Link_count_of_a_directory_counts_its_directories()
    {
        MakeDir("d");
        MakeDir("d/a");
        MakeDir("d/b");
        MakeFile("d/c");
        Assert.That(Attributes("d").Nlink, Is.EqualTo(4));
    }

    [Test]
    public void Blocks_count_pages()
    {
        MakeFile("f", "x");
        Assert.That(Attributes("f").Blocks, Is.EqualTo(8));
    }

    [Test]
    public void Statfs_tells_type_size_and_name_length()
    {
        MakeDir("m");
        K.Mount("x", "m", "tmpfs", MountFlags.None, "size=64k,nr_inodes=10");
        K.StatFs("m", out var stat);
        Assert.That((stat.Type, stat.BlockSize, stat.Blocks, stat.BlocksFree, stat.Files, stat.FilesFree, stat.NameLength),
            Is.EqualTo((FsMagic.TMPFS, 4096L, 16UL, 16UL, 10UL, 9UL, 255L)));
    }

    [Test]
    public void Statfs_counts_what_is_used()
    {
        MakeDir("m");
        K.Mount("x", "m", "tmpfs", MountFlags.None, "size=64k,nr_inodes=10");
        MakeFile("m/f", new string('x', 5000));
        K.StatFs("m", out var stat);
        Assert.That((stat.BlocksFree, stat.BlocksAvailable, stat.FilesFree), Is.EqualTo((14UL, 14UL, 8UL)));
    }

    [TestCase(MountFlags.MS_RDONLY, 1)]
    [TestCase(MountFlags.MS_NOSUID, 2)]
    [TestCase(MountFlags.MS_NODEV, 4)]
    [TestCase(MountFlags.MS_NOEXEC, 8)]
    [TestCase(MountFlags.MS_NOATIME, 0x400)]
    public void Statfs_tells_the_mounts_flags(MountFlags flag, long expected)
    {
        MakeDir("m");
        K.Mount("x", "m", "tmpfs", flag);
        K.StatFs("m", out var stat);
        Assert.That(stat.Flags & expected, Is.EqualTo(expected));
    }

    [Test]
    public void Statfs_of_nothing_is_ENOENT() => Assert.That(K.StatFs("missing", out _), Does.FailWith(Errno.ENOENT));

    [Test]
    public void Fstatfs_works_on_a_path_descriptor() => Assert.That(K.FStatFs(Opened("/", OpenFlags.O_PATH), out _), Is.Success);

    [Test]
    public void Fstatfs_of_a_closed_descriptor_is_EBADF() => Assert.That(K.FStatFs(Fd.None, out _), Does.FailWith(Errno.EBADF));
}

/// <summary>faccessat2(2).</summary>
public sealed class AccessContract(KernelKind kind) : Contract(kind)
{
    [TestCase(640, AccessMode.F_OK, ExpectedResult = Errno.OK)]
    [TestCase(640, AccessMode.R_OK, ExpectedResult = Errno.EACCES)]
    [TestCase(644, AccessMode.R_OK, ExpectedResult = Errno.OK)]
    [TestCase(644, AccessMode.R_OK | AccessMode.W_OK, ExpectedResult = Errno.EACCES)]
    [TestCase(647, AccessMode.R_OK | AccessMode.W_OK | AccessMode.X_OK, ExpectedResult = Errno.OK)]
    public Errno Others_permissions_count(int mode, AccessMode wanted)
    {
        MakeFile("f", "", mode);
        return As(Alice).Access("f", wanted);
    }

    [TestCase(0, AccessMode.R_OK | AccessMode.W_OK, ExpectedResult = Errno.OK)]
    [TestCase(666, AccessMode.X_OK, ExpectedResult = Errno.EACCES)]
    [TestCase(1, AccessMode.X_OK, ExpectedResult = Errno.OK)]
    public Errno Superuser_may_all_but_execute_what_nobody_can(int mode, AccessMode wanted)
    {
        MakeFile("f", "", mode);
        return K.Access("f", wanted);
    }

    [Test]
    public void Superuser_may_search_any_directory()
    {
        MakeDir("d", 0);
        Assert.That(K.Access("d", AccessMode.X_OK), Is.Success);
    }

    [Test]
    public void Wrong_mode_comes_before_the_path() => Assert.That(K.Access("", (AccessMode)8), Does.FailWith(Errno.EINVAL));

    [Test]
    public void Wrong_flags_are_EINVAL() => Assert.That(K.FaccessAt(Fd.Cwd, "/"u8, AccessMode.F_OK, (AtFlags)1), Does.FailWith(Errno.EINVAL));

    [Test]
    public void Missing_file_is_ENOENT() => Assert.That(K.Access("missing", AccessMode.F_OK), Does.FailWith(Errno.ENOENT));

    [Test]
    public void Writing_on_a_read_only_mount_is_EROFS()
    {
        this.MakeReadOnlyMount(K);
        Assert.That(K.Access("m/f", AccessMode.W_OK), Does.FailWith(Errno.EROFS));
    }

    [Test]
    public void Permission_comes_before_a_read_only_bind()
    {
        MakeFile("f", "", 600);
        MakeFile("m");
        K.Bind("f", "m");
        K.Mount("", "m", "", MountFlags.MS_REMOUNT | MountFlags.MS_BIND | MountFlags.MS_RDONLY);
        Assert.That(As(Alice).Access("m", AccessMode.W_OK), Does.FailWith(Errno.EACCES));
    }

    [Test]
    public void Execution_on_a_noexec_mount_is_EACCES()
    {
        MakeDir("m");
        K.Mount("x", "m", "tmpfs", MountFlags.MS_NOEXEC);
        MakeFile("m/f", "", 755);
        Assert.That(K.Access("m/f", AccessMode.X_OK), Does.FailWith(Errno.EACCES));
    }

    [Test]
    public void Link_itself_is_always_accessible()
    {
        K.Symlink("missing", "l");
        Assert.That(K.FaccessAt(Fd.Cwd, "l"u8, AccessMode.R_OK | AccessMode.W_OK, AtFlags.AT_SYMLINK_NOFOLLOW), Is.Success);
    }

    [Test]
    public void Empty_path_works_on_the_descriptor()
    {
        MakeFile("f");
        Assert.That(K.FaccessAt(Opened("f", OpenFlags.O_PATH), default, AccessMode.R_OK, AtFlags.AT_EMPTY_PATH), Is.Success);
    }
}
