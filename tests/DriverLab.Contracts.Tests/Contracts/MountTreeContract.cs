using DriverLab.Linux;
using DriverLab.Linux.Abi;
using static DriverLab.Contracts.Tests.Calls;

namespace DriverLab.Contracts.Tests;

/// <summary>fsopen, fsconfig, fsmount, move_mount, open_tree, mount_setattr, pivot_root.</summary>
public sealed class MountTreeContract(KernelKind kind) : Contract(kind)
{
    private Fd DetachedTmpfs()
    {
        var context = K.FsOpen(Bytes("tmpfs"), FsOpenFlags.None);
        Assert.That(context.Error, Is.EqualTo(Errno.OK));
        Assert.That(K.FsConfig(context.Value, FsConfigCommand.FSCONFIG_CMD_CREATE, default, default, 0), Is.EqualTo(Errno.OK));
        var mount = K.FsMount(context.Value, FsMountFlags.None, MountAttributes.None);
        Assert.That(mount.Error, Is.EqualTo(Errno.OK));
        return mount.Value;
    }

    [Test]
    public void A_mount_is_described_made_and_hung_up()
    {
        MakeDir("m");
        var mount = DetachedTmpfs();
        Assert.That(K.MkdirAt(mount, Bytes("inside"), Oct(755)), Is.EqualTo(Errno.OK));
        Assert.That(K.MoveMount(mount, default, Fd.Cwd, Bytes("m"), MoveMountFlags.MOVE_MOUNT_F_EMPTY_PATH), Is.EqualTo(Errno.OK));
        Assert.That(Names("m"), Is.EqualTo(new[] { "inside" }));
    }

    [Test]
    public void A_bad_parameter_is_EINVAL_and_leaves_a_message()
    {
        var context = K.FsOpen(Bytes("tmpfs"), FsOpenFlags.None).Value;
        Assert.That(K.FsConfig(context, FsConfigCommand.FSCONFIG_SET_STRING, Bytes("nonsense"), Bytes("1"), 0), Is.EqualTo(Errno.EINVAL));
        var buffer = new byte[200];
        var read = K.Read(context, buffer);
        Assert.That(System.Text.Encoding.ASCII.GetString(buffer, 0, read.Value), Is.EqualTo("e tmpfs: Unknown parameter 'nonsense'\n"));
        Assert.That(K.Read(context, buffer).Error, Is.EqualTo(Errno.ENODATA));
    }

    [Test]
    public void A_mounted_instance_is_picked_and_changed()
    {
        MakeDir("m");
        Assert.That(K.Mount("t", "m", "tmpfs", MountFlags.None, "nr_inodes=10"), Is.Success);
        var context = K.FsPick(Fd.Cwd, Bytes("m"), FsPickFlags.FSPICK_CLOEXEC);
        Assert.That(context.Error, Is.EqualTo(Errno.OK));
        Assert.That(K.FsConfig(context.Value, FsConfigCommand.FSCONFIG_SET_STRING, Bytes("nr_inodes"), Bytes("2"), 0), Is.EqualTo(Errno.OK));
        Assert.That(K.FsConfig(context.Value, FsConfigCommand.FSCONFIG_CMD_RECONFIGURE, default, default, 0), Is.EqualTo(Errno.OK));
        MakeFile("m/one");
        Assert.That(K.OpenAt(Fd.Cwd, Bytes("m/two"), OpenFlags.O_CREAT | OpenFlags.O_WRONLY, Oct(644)).Error, Is.EqualTo(Errno.ENOSPC));
    }

    [Test]
    public void Only_the_root_of_a_mount_can_be_picked()
    {
        MakeDir("d");
        Assert.That(K.FsPick(Fd.Cwd, Bytes("d"), FsPickFlags.None).Error, Is.EqualTo(Errno.EINVAL));
    }

    [Test]
    public void A_wrong_flag_of_fspick_comes_before_the_path_and_the_right_before_both()
    {
        Assert.That(K.FsPick(Fd.Cwd, Bytes("missing"), (FsPickFlags)16).Error, Is.EqualTo(Errno.EINVAL));
        Assert.That(K.FsPick(Fd.Cwd, Bytes("missing"), FsPickFlags.None).Error, Is.EqualTo(Errno.ENOENT));
        Assert.That(As(Alice).FsPick(Fd.Cwd, Bytes("missing"), (FsPickFlags)16).Error, Is.EqualTo(Errno.EPERM));
    }

    [Test]
    public void A_context_is_mounted_once()
    {
        var context = K.FsOpen(Bytes("tmpfs"), FsOpenFlags.None).Value;
        Assert.That(K.FsMount(context, FsMountFlags.None, MountAttributes.None).Error, Is.EqualTo(Errno.EINVAL));
        Assert.That(K.FsConfig(context, FsConfigCommand.FSCONFIG_CMD_CREATE, default, default, 0), Is.EqualTo(Errno.OK));
        Assert.That(K.FsMount(context, FsMountFlags.None, MountAttributes.None).Error, Is.EqualTo(Errno.OK));
        Assert.That(K.FsMount(context, FsMountFlags.None, MountAttributes.None).Error, Is.EqualTo(Errno.EBUSY));
    }

    [Test]
    public void A_clone_of_a_tree_is_a_bind_mount_when_it_is_hung_up()
    {
        MakeDir("a");
        MakeDir("b");
        MakeFile("a/f", "text");
        var tree = K.OpenTree(Fd.Cwd, Bytes("a"), OpenTreeFlags.OPEN_TREE_CLONE);
        Assert.That(K.MoveMount(tree.Value, default, Fd.Cwd, Bytes("b"), MoveMountFlags.MOVE_MOUNT_F_EMPTY_PATH), Is.EqualTo(Errno.OK));
        Assert.That(Text("b/f"), Is.EqualTo("text"));
    }

    [Test]
    public void Attributes_of_a_mount_can_be_changed()
    {
        MakeDir("m");
        K.Mount("x", "m", "tmpfs");
        Assert.That(K.MountSetattr(Fd.Cwd, Bytes("m"), AtFlags.None, new MountAttr(MountAttributes.MOUNT_ATTR_RDONLY, MountAttributes.None, 0, 0)), Is.EqualTo(Errno.OK));
        Assert.That(K.Mkdir("m/x"), Is.EqualTo(Errno.EROFS));
    }

    [Test]
    public void A_user_may_do_none_of_it()
    {
        var alice = As(Alice);
        Assert.That(alice.FsOpen(Bytes("tmpfs"), FsOpenFlags.None).Error, Is.EqualTo(Errno.EPERM));
        Assert.That(alice.OpenTree(Fd.Cwd, Bytes("/"), OpenTreeFlags.OPEN_TREE_CLONE).Error, Is.EqualTo(Errno.EPERM));
        Assert.That(alice.MoveMount(Fd.Cwd, Bytes("/"), Fd.Cwd, Bytes("/"), MoveMountFlags.None), Is.EqualTo(Errno.EPERM));
        Assert.That(alice.PivotRoot(Bytes("/"), Bytes("/")), Is.EqualTo(Errno.EPERM));
    }

    [Test]
    public void A_new_root_takes_the_old_ones_place()
    {
        MakeDir("new");
        MakeFile("was");
        K.Mount("x", "new", "tmpfs");
        MakeDir("new/old");
        Assert.That(K.PivotRoot(Bytes("new"), Bytes("new/old")), Is.EqualTo(Errno.OK));
        Assert.That(Names("/"), Is.EqualTo(new[] { "old" }));
        Assert.That(Names("/old"), Does.Contain("was"));
    }
}
