using DriverLab.Linux;
using DriverLab.Linux.Abi;
using static DriverLab.Contracts.Tests.Calls;

namespace DriverLab.Contracts.Tests;

/// <summary>mount(2).</summary>
public sealed class MountContract(KernelKind kind) : Contract(kind)
{
    [SetUp]
    public void MakeMountPoints()
    {
        MakeDir("m");
        MakeDir("n");
        MakeDir("d");
        MakeFile("d/f", "text");
    }

    [Test]
    public void New_file_system_hides_what_was_there()
    {
        MakeFile("m/below");
        K.Mount("x", "m", "tmpfs");
        Assert.That(Names("m"), Is.Empty);
    }

    [Test]
    public void Same_place_can_be_mounted_twice()
    {
        K.Mount("x", "m", "tmpfs");
        MakeFile("m/first");
        K.Mount("x", "m", "tmpfs");
        K.Umount("m");
        Assert.That(Names("m"), Is.EqualTo(new[] { "first" }));
    }

    [Test]
    public void Unknown_type_is_ENODEV() => Assert.That(K.Mount("x", "m", "nosuchfs"), Does.FailWith(Errno.ENODEV));

    [Test]
    public void No_type_is_EINVAL() => Assert.That(K.Mount("x", "m", ""), Does.FailWith(Errno.EINVAL));

    [Test]
    public void Missing_target_is_ENOENT() => Assert.That(K.Mount("x", "missing", "tmpfs"), Does.FailWith(Errno.ENOENT));

    [Test]
    public void Missing_target_comes_before_the_type() => Assert.That(K.Mount("x", "missing", "nosuchfs"), Does.FailWith(Errno.ENOENT));

    [Test]
    public void Target_that_is_a_file_is_ENOTDIR() => Assert.That(K.Mount("x", "d/f", "tmpfs"), Does.FailWith(Errno.ENOTDIR));

    [Test]
    public void Wrong_option_is_EINVAL() => Assert.That(K.Mount("x", "m", "tmpfs", MountFlags.None, "nosuchoption=1"), Does.FailWith(Errno.EINVAL));

    [Test]
    public void Wrong_option_comes_before_a_file_as_target()
        => Assert.That(K.Mount("x", "d/f", "tmpfs", MountFlags.None, "nosuchoption=1"), Does.FailWith(Errno.EINVAL));

    [Test]
    public void User_may_not_mount() => Assert.That(As(Alice).Mount("x", "m", "tmpfs"), Does.FailWith(Errno.EPERM));

    [Test]
    public void Missing_target_comes_before_the_privilege() => Assert.That(As(Alice).Mount("x", "missing", "tmpfs"), Does.FailWith(Errno.ENOENT));

    [Test]
    public void Privilege_comes_before_the_type() => Assert.That(As(Alice).Mount("x", "m", "nosuchfs"), Does.FailWith(Errno.EPERM));

    [Test]
    public void Bind_shows_the_same_files()
    {
        K.Bind("d", "m");
        MakeFile("m/g");
        Assert.That((Names("d"), Attributes("m").Ino), Is.EqualTo((new[] { "f", "g" }, Attributes("d").Ino)));
    }

    [Test]
    public void Bind_of_a_file_onto_a_file()
    {
        MakeFile("t");
        K.Bind("d/f", "t");
        Assert.That(Text("t"), Is.EqualTo("text"));
    }

    [Test]
    public void Bind_of_a_file_onto_a_directory_is_ENOTDIR() => Assert.That(K.Bind("d/f", "m"), Does.FailWith(Errno.ENOTDIR));

    [Test]
    public void Bind_of_a_directory_onto_a_file_is_ENOTDIR() => Assert.That(K.Bind("m", "d/f"), Does.FailWith(Errno.ENOTDIR));

    [Test]
    public void Bind_of_nothing_is_ENOENT() => Assert.That(K.Bind("missing", "m"), Does.FailWith(Errno.ENOENT));

    [Test]
    public void Bind_without_a_source_is_EINVAL() => Assert.That(K.Bind("", "m"), Does.FailWith(Errno.EINVAL));

    [Test]
    public void Plain_bind_leaves_mounts_below_behind()
    {
        K.Mkdir("d/sub");
        K.Mount("x", "d/sub", "tmpfs");
        MakeFile("d/sub/inside");
        K.Bind("d", "m");
        Assert.That(Names("m/sub"), Is.Empty);
    }

    [Test]
    public void Recursive_bind_takes_them_along()
    {
        K.Mkdir("d/sub");
        K.Mount("x", "d/sub", "tmpfs");
        MakeFile("d/sub/inside");
        K.Mount("d", "m", "", MountFlags.MS_BIND | MountFlags.MS_REC);
        Assert.That(Names("m/sub"), Is.EqualTo(new[] { "inside" }));
    }

    [Test]
    public void Bind_remounted_read_only_refuses_writing_and_the_origin_does_not()
    {
        K.Bind("d", "m");
        K.Mount("", "m", "", MountFlags.MS_REMOUNT | MountFlags.MS_BIND | MountFlags.MS_RDONLY);
        Assert.That((K.Open("m/f", OpenFlags.O_WRONLY).Error, K.Open("d/f", OpenFlags.O_WRONLY).Error), Is.EqualTo((Errno.EROFS, Errno.OK)));
    }

    [Test]
    public void Bind_remounted_read_only_with_an_open_writer_is_EBUSY()
    {
        K.Bind("d", "m");
        _ = Opened("m/f", OpenFlags.O_WRONLY);
        Assert.That(K.Mount("", "m", "", MountFlags.MS_REMOUNT | MountFlags.MS_BIND | MountFlags.MS_RDONLY), Does.FailWith(Errno.EBUSY));
    }

    [Test]
    public void File_system_remounted_read_only_with_an_open_writer_is_EBUSY()
    {
        K.Mount("x", "m", "tmpfs");
        MakeFile("m/f");
        _ = Opened("m/f", OpenFlags.O_WRONLY);
        Assert.That(K.Mount("x", "m", "", MountFlags.MS_REMOUNT | MountFlags.MS_RDONLY), Does.FailWith(Errno.EBUSY));
    }

    [Test]
    public void File_system_remounted_read_only_is_so_at_every_mount()
    {
        K.Mount("x", "m", "tmpfs");
        K.Bind("m", "n");
        K.Mount("x", "m", "", MountFlags.MS_REMOUNT | MountFlags.MS_RDONLY);
        Assert.That(K.Mkdir("n/d"), Does.FailWith(Errno.EROFS));
    }

    [Test]
    public void Remount_changes_the_size()
    {
        K.Mount("x", "m", "tmpfs", MountFlags.None, "size=64k");
        K.Mount("x", "m", "", MountFlags.MS_REMOUNT, "size=128k");
        K.StatFs("m", out var stat);
        Assert.That(stat.Blocks, Is.EqualTo(32));
    }

    [Test]
    public void Remount_of_a_directory_that_is_no_mount_point_is_EINVAL()
        => Assert.That(K.Mount("", "m", "", MountFlags.MS_REMOUNT), Does.FailWith(Errno.EINVAL));

    [Test]
    public void Move_takes_the_mount_elsewhere()
    {
        K.Mount("x", "m", "tmpfs");
        MakeFile("m/inside");
        K.Mount("m", "n", "", MountFlags.MS_MOVE);
        Assert.That((Names("m"), Names("n")), Is.EqualTo((Array.Empty<string>(), new[] { "inside" })));
    }

    [Test]
    public void Move_of_what_is_no_mount_point_is_EINVAL() => Assert.That(K.Mount("m", "n", "", MountFlags.MS_MOVE), Does.FailWith(Errno.EINVAL));

    [Test]
    public void Move_below_itself_is_ELOOP()
    {
        K.Mount("x", "m", "tmpfs");
        K.Mkdir("m/d");
        Assert.That(K.Mount("m", "m/d", "", MountFlags.MS_MOVE), Does.FailWith(Errno.ELOOP));
    }

    [Test]
    public void Move_of_a_directory_onto_a_file_is_ENOTDIR()
    {
        K.Mount("x", "m", "tmpfs");
        Assert.That(K.Mount("m", "d/f", "", MountFlags.MS_MOVE), Does.FailWith(Errno.EINVAL));
    }

    [Test]
    public void Unbindable_mount_cannot_be_bound()
    {
        K.Mount("x", "m", "tmpfs");
        K.Mount("", "m", "", MountFlags.MS_UNBINDABLE);
        Assert.That(K.Bind("m", "n"), Does.FailWith(Errno.EINVAL));
    }

    [Test]
    public void Shared_mounts_propagate_to_their_peers()
    {
        K.Mount("x", "m", "tmpfs");
        K.Mount("", "m", "", MountFlags.MS_SHARED);
        K.Bind("m", "n");
        K.Mkdir("m/d");
        K.Mount("x", "m/d", "tmpfs");
        MakeFile("m/d/inside");
        Assert.That(Names("n/d"), Is.EqualTo(new[] { "inside" }));
    }

    [Test]
    public void Slaves_receive_and_do_not_send()
    {
        K.Mount("x", "m", "tmpfs");
        K.Mount("", "m", "", MountFlags.MS_SHARED);
        K.Bind("m", "n");
        K.Mount("", "n", "", MountFlags.MS_SLAVE);
        K.Mkdir("m/a");
        K.Mkdir("m/b");
        K.Mount("x", "m/a", "tmpfs");
        K.Mount("x", "n/b", "tmpfs");
        MakeFile("m/a/from-master");
        MakeFile("n/b/from-slave");
        Assert.That((Names("n/a"), Names("m/b")), Is.EqualTo((new[] { "from-master" }, Array.Empty<string>())));
    }

    [Test]
    public void Two_propagation_types_at_once_are_EINVAL()
    {
        K.Mount("x", "m", "tmpfs");
        Assert.That(K.Mount("", "m", "", MountFlags.MS_SHARED | MountFlags.MS_PRIVATE), Does.FailWith(Errno.EINVAL));
    }

    [Test]
    public void Propagation_of_what_is_no_mount_point_is_EINVAL()
        => Assert.That(K.Mount("", "m", "", MountFlags.MS_SHARED), Does.FailWith(Errno.EINVAL));

    [Test]
    public void Root_mode_comes_from_the_options()
    {
        K.Mount("x", "m", "tmpfs", MountFlags.None, "mode=0711,uid=5,gid=6");
        var stat = Attributes("m");
        Assert.That((stat.Mode, stat.Uid, stat.Gid), Is.EqualTo((Mode.S_IFDIR | Oct(711), 5u, 6u)));
    }

    [Test]
    public void Root_mode_of_tmpfs_is_1777()
    {
        K.Mount("x", "m", "tmpfs");
        Assert.That(Attributes("m").Mode, Is.EqualTo(Mode.S_IFDIR | Oct(1777)));
    }

    [Test]
    public void Ramfs_has_a_root_of_0755()
    {
        K.Mount("x", "m", "ramfs");
        Assert.That(Attributes("m").Mode, Is.EqualTo(Mode.S_IFDIR | Oct(755)));
    }

    [Test]
    public void Nosymfollow_mount_refuses_to_follow()
    {
        K.Mount("x", "m", "tmpfs", MountFlags.MS_NOSYMFOLLOW);
        MakeFile("m/f");
        K.Symlink("f", "m/l");
        Assert.That(K.Stat("m/l", out _), Does.FailWith(Errno.ELOOP));
    }
}

/// <summary>umount2(2).</summary>
public sealed class UmountContract(KernelKind kind) : Contract(kind)
{
    [SetUp]
    public void MountOne()
    {
        MakeDir("m");
        MakeDir("n");
        K.Mount("x", "m", "tmpfs");
        MakeFile("m/f", "text");
    }

    [Test]
    public void Uncovers_what_was_there() => Assert.That((K.Umount("m"), Names("m")), Is.EqualTo((Errno.OK, Array.Empty<string>())));

    [Test]
    public void Open_file_makes_it_EBUSY()
    {
        _ = Opened("m/f", OpenFlags.O_RDONLY);
        Assert.That(K.Umount("m"), Does.FailWith(Errno.EBUSY));
    }

    [Test]
    public void Path_descriptor_makes_it_EBUSY()
    {
        _ = Opened("m/f", OpenFlags.O_PATH);
        Assert.That(K.Umount("m"), Does.FailWith(Errno.EBUSY));
    }

    [Test]
    public void Working_directory_makes_it_EBUSY()
    {
        Fork().Chdir("m");
        Assert.That(K.Umount("m"), Does.FailWith(Errno.EBUSY));
    }

    [Test]
    public void Mount_below_makes_it_EBUSY()
    {
        K.Mkdir("m/d");
        K.Mount("x", "m/d", "tmpfs");
        Assert.That(K.Umount("m"), Does.FailWith(Errno.EBUSY));
    }

    [Test]
    public void Closed_file_does_not()
    {
        K.Close(Opened("m/f", OpenFlags.O_RDONLY));
        Assert.That(K.Umount("m"), Is.Success);
    }

    [Test]
    public void Lazy_works_with_an_open_file_that_stays_usable()
    {
        var fd = Opened("m/f", OpenFlags.O_RDONLY);
        Assert.That((K.Umount("m", UmountFlags.MNT_DETACH), Names("m"), Text(fd)), Is.EqualTo((Errno.OK, Array.Empty<string>(), "text")));
    }

    [Test]
    public void Lazy_takes_mounts_below_along()
    {
        K.Mkdir("m/d");
        K.Mount("x", "m/d", "tmpfs");
        Assert.That((K.Umount("m", UmountFlags.MNT_DETACH), Names("m")), Is.EqualTo((Errno.OK, Array.Empty<string>())));
    }

    [Test]
    public void What_is_no_mount_point_is_EINVAL() => Assert.That(K.Umount("n"), Does.FailWith(Errno.EINVAL));

    [Test]
    public void File_inside_a_mount_is_EINVAL() => Assert.That(K.Umount("m/f"), Does.FailWith(Errno.EINVAL));

    [Test]
    public void Missing_target_is_ENOENT() => Assert.That(K.Umount("missing"), Does.FailWith(Errno.ENOENT));

    [Test]
    public void Unknown_flags_come_before_the_path() => Assert.That(K.Umount("missing", (UmountFlags)0x100), Does.FailWith(Errno.EINVAL));

    [Test]
    public void User_may_not_unmount() => Assert.That(As(Alice).Umount("m"), Does.FailWith(Errno.EPERM));

    [Test]
    public void Privilege_comes_before_a_mount_point() => Assert.That(As(Alice).Umount("n"), Does.FailWith(Errno.EPERM));

    [Test]
    public void Expiry_needs_two_attempts()
        => Assert.That((K.Umount("m", UmountFlags.MNT_EXPIRE), K.Umount("m", UmountFlags.MNT_EXPIRE)), Is.EqualTo((Errno.EAGAIN, Errno.OK)));

    [Test]
    public void Use_between_the_attempts_starts_expiry_again()
    {
        K.Umount("m", UmountFlags.MNT_EXPIRE);
        K.Close(Opened("m/f", OpenFlags.O_RDONLY));
        Assert.That(K.Umount("m", UmountFlags.MNT_EXPIRE), Does.FailWith(Errno.EAGAIN));
    }

    [Test]
    public void Expiry_of_a_busy_mount_is_EBUSY()
    {
        _ = Opened("m/f", OpenFlags.O_RDONLY);
        Assert.That(K.Umount("m", UmountFlags.MNT_EXPIRE), Does.FailWith(Errno.EBUSY));
    }

    [Test]
    public void Expiry_with_detach_is_EINVAL()
        => Assert.That(K.Umount("m", UmountFlags.MNT_EXPIRE | UmountFlags.MNT_DETACH), Does.FailWith(Errno.EINVAL));

    [Test]
    public void Link_is_followed()
    {
        K.Symlink("m", "l");
        Assert.That(K.Umount("l"), Is.Success);
    }

    [Test]
    public void Link_is_not_followed_when_told()
    {
        K.Symlink("m", "l");
        Assert.That(K.Umount("l", UmountFlags.UMOUNT_NOFOLLOW), Does.FailWith(Errno.EINVAL));
    }

    [Test]
    public void Trailing_slash_is_allowed() => Assert.That(K.Umount("m/"), Is.Success);
}
