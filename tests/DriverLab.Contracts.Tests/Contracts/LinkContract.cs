using DriverLab.Linux;
using DriverLab.Linux.Abi;
using static DriverLab.Contracts.Tests.Calls;

namespace DriverLab.Contracts.Tests;

/// <summary>linkat(2).</summary>
public sealed class LinkContract(KernelKind kind) : Contract(kind)
{
    [Test]
    public void Gives_the_file_another_name()
    {
        MakeFile("f", "text");
        K.Link("f", "g");
        Assert.That((Text("g"), Attributes("f").Nlink, Attributes("f").Ino), Is.EqualTo(("text", 2u, Attributes("g").Ino)));
    }

    [Test]
    public void Links_a_link_itself()
    {
        K.Symlink("missing", "l");
        K.Link("l", "m");
        Assert.That(Attributes("m").Mode & Mode.S_IFMT, Is.EqualTo(Mode.S_IFLNK));
    }

    [Test]
    public void Follows_a_link_with_AT_SYMLINK_FOLLOW()
    {
        MakeFile("f");
        K.Symlink("f", "l");
        K.Link("l", "g", AtFlags.AT_SYMLINK_FOLLOW);
        Assert.That(Attributes("g").Ino, Is.EqualTo(Attributes("f").Ino));
    }

    [Test]
    public void Names_an_open_file_with_AT_EMPTY_PATH()
    {
        MakeFile("f", "text");
        K.LinkAt(Opened("f", OpenFlags.O_RDONLY), default, Fd.Cwd, "g"u8, AtFlags.AT_EMPTY_PATH);
        Assert.That(Text("g"), Is.EqualTo("text"));
    }

    [Test]
    public void Names_a_file_made_with_O_TMPFILE()
    {
        var fd = Opened(".", OpenFlags.O_TMPFILE | OpenFlags.O_RDWR);
        K.Write(fd, "text"u8);
        K.LinkAt(fd, default, Fd.Cwd, "g"u8, AtFlags.AT_EMPTY_PATH);
        Assert.That(Text("g"), Is.EqualTo("text"));
    }

    [Test]
    public void O_TMPFILE_with_O_EXCL_cannot_be_named()
    {
        var fd = Opened(".", OpenFlags.O_TMPFILE | OpenFlags.O_RDWR | OpenFlags.O_EXCL);
        Assert.That(K.LinkAt(fd, default, Fd.Cwd, "g"u8, AtFlags.AT_EMPTY_PATH), Does.FailWith(Errno.ENOENT));
    }

    [Test]
    public void Unlinked_file_cannot_be_named_again()
    {
        MakeFile("f");
        var fd = Opened("f", OpenFlags.O_RDONLY);
        K.Unlink("f");
        Assert.That(K.LinkAt(fd, default, Fd.Cwd, "g"u8, AtFlags.AT_EMPTY_PATH), Does.FailWith(Errno.ENOENT));
    }

    [Test]
    public void Directory_is_EPERM()
    {
        MakeDir("d");
        Assert.That(K.Link("d", "e"), Does.FailWith(Errno.EPERM));
    }

    [Test]
    public void Existing_name_is_EEXIST()
    {
        MakeFile("f");
        MakeFile("g");
        Assert.That(K.Link("f", "g"), Does.FailWith(Errno.EEXIST));
    }

    [Test]
    public void Existing_name_comes_before_the_type()
    {
        MakeDir("d");
        MakeFile("g");
        Assert.That(K.Link("d", "g"), Does.FailWith(Errno.EEXIST));
    }

    [Test]
    public void Missing_source_is_ENOENT() => Assert.That(K.Link("missing", "g"), Does.FailWith(Errno.ENOENT));

    [Test]
    public void Missing_source_comes_before_an_existing_target()
    {
        MakeFile("g");
        Assert.That(K.Link("missing", "g"), Does.FailWith(Errno.ENOENT));
    }

    [Test]
    public void Target_with_a_slash_is_ENOENT()
    {
        MakeFile("f");
        Assert.That(K.Link("f", "g/"), Does.FailWith(Errno.ENOENT));
    }

    [Test]
    public void Source_with_a_slash_is_ENOTDIR()
    {
        MakeFile("f");
        Assert.That(K.Link("f/", "g"), Does.FailWith(Errno.ENOTDIR));
    }

    [Test]
    public void Other_file_system_is_EXDEV()
    {
        MakeFile("f");
        MakeDir("m");
        K.Mount("x", "m", "tmpfs");
        Assert.That(K.Link("f", "m/f"), Does.FailWith(Errno.EXDEV));
    }

    [Test]
    public void Other_mount_of_the_same_file_system_is_EXDEV()
    {
        MakeFile("f");
        MakeDir("d");
        MakeDir("m");
        K.Bind("d", "m");
        Assert.That(K.Link("f", "m/f"), Does.FailWith(Errno.EXDEV));
    }

    [Test]
    public void Read_only_mount_comes_before_other_file_system()
    {
        MakeFile("f");
        this.MakeReadOnlyMount(K);
        Assert.That(K.Link("f", "m/g"), Does.FailWith(Errno.EROFS));
    }

    [Test]
    public void Existing_name_comes_before_a_read_only_mount()
    {
        MakeFile("f");
        this.MakeReadOnlyMount(K);
        Assert.That(K.Link("f", "m/f"), Does.FailWith(Errno.EEXIST));
    }

    [Test]
    public void No_write_permission_is_EACCES()
    {
        MakeDir("d");
        MakeDir("own", 777);
        var alice = As(Alice);
        alice.Mknod("own/f", Mode.S_IFREG | Oct(644));
        Assert.That(alice.Link("own/f", "d/f"), Does.FailWith(Errno.EACCES));
    }

    [Test]
    public void Unknown_flags_are_EINVAL() => Assert.That(K.LinkAt(Fd.Cwd, ""u8, Fd.Cwd, ""u8, (AtFlags)1), Does.FailWith(Errno.EINVAL));

    [Test]
    public void Full_inode_table_is_ENOSPC()
    {
        MakeDir("m");
        K.Mount("x", "m", "tmpfs", MountFlags.None, "nr_inodes=2");
        K.Mknod("m/f", Mode.S_IFREG | Oct(644));
        Assert.That(K.Link("m/f", "m/g"), Does.FailWith(Errno.ENOSPC));
    }
}

/// <summary>symlinkat(2) and readlinkat(2).</summary>
public sealed class SymlinkContract(KernelKind kind) : Contract(kind)
{
    [Test]
    public void Keeps_the_target_as_it_is()
    {
        K.Symlink("../x//y/", "l");
        Assert.That((Read("l"), Attributes("l").Size, Attributes("l").Mode), Is.EqualTo(("../x//y/", 8UL, Mode.S_IFLNK | Oct(777))));
    }

    [Test]
    public void Empty_target_is_ENOENT() => Assert.That(K.Symlink("", "l"), Does.FailWith(Errno.ENOENT));

    [Test]
    public void Empty_target_comes_before_an_existing_name()
    {
        MakeFile("f");
        Assert.That(K.Symlink("", "f"), Does.FailWith(Errno.ENOENT));
    }

    [TestCase(4095, ExpectedResult = Errno.OK)]
    [TestCase(4096, ExpectedResult = Errno.ENAMETOOLONG)]
    public Errno Target_is_a_path_at_the_most(int length) => K.Symlink(new string('t', length), "l");

    [Test]
    public void Existing_name_is_EEXIST()
    {
        K.Symlink("a", "l");
        Assert.That(K.Symlink("b", "l"), Does.FailWith(Errno.EEXIST));
    }

    [Test]
    public void Name_with_a_slash_is_ENOENT() => Assert.That(K.Symlink("a", "l/"), Does.FailWith(Errno.ENOENT));

    [Test]
    public void No_write_permission_is_EACCES()
    {
        MakeDir("d");
        Assert.That(As(Alice).Symlink("x", "d/l"), Does.FailWith(Errno.EACCES));
    }

    [Test]
    public void Read_only_mount_is_EROFS()
    {
        this.MakeReadOnlyMount(K);
        Assert.That(K.Symlink("x", "m/new"), Does.FailWith(Errno.EROFS));
    }

    [Test]
    public void Readlink_cuts_to_the_buffer()
    {
        K.Symlink("target", "l");
        byte[] buffer = new byte[3];
        Assert.That((K.ReadLink("l", buffer).Value, buffer), Is.EqualTo((3, "tar"u8.ToArray())));
    }

    [Test]
    public void Readlink_into_nothing_is_EINVAL()
    {
        K.Symlink("target", "l");
        Assert.That(K.ReadLink("l", default), Does.FailWith(Errno.EINVAL));
    }

    [Test]
    public void Readlink_into_nothing_comes_before_the_path() => Assert.That(K.ReadLink("missing", default), Does.FailWith(Errno.EINVAL));

    [Test]
    public void Readlink_of_a_file_is_EINVAL()
    {
        MakeFile("f");
        Assert.That(K.ReadLink("f", new byte[9]), Does.FailWith(Errno.EINVAL));
    }

    [Test]
    public void Readlink_of_nothing_is_ENOENT() => Assert.That(K.ReadLink("missing", new byte[9]), Does.FailWith(Errno.ENOENT));

    [Test]
    public void Readlink_with_a_slash_follows()
    {
        MakeDir("d");
        K.Symlink("d", "l");
        Assert.That(K.ReadLink("l/", new byte[9]), Does.FailWith(Errno.EINVAL));
    }

    [Test]
    public void Readlink_needs_no_permission_on_the_link()
    {
        K.Symlink("target", "l");
        Assert.That(As(Alice).ReadLink("l", new byte[9]), Is.Success);
    }

    [Test]
    public void Readlink_of_an_empty_path_reads_the_descriptors_link()
    {
        K.Symlink("target", "l");
        var fd = Opened("l", OpenFlags.O_PATH | OpenFlags.O_NOFOLLOW);
        Assert.That(K.ReadLinkAt(fd, default, new byte[9]).Value, Is.EqualTo(6));
    }

    [Test]
    public void Readlink_of_an_empty_path_on_a_file_is_ENOENT()
    {
        MakeFile("f");
        Assert.That(K.ReadLinkAt(Opened("f", OpenFlags.O_PATH), default, new byte[9]), Does.FailWith(Errno.ENOENT));
    }

    private string Read(string path)
    {
        Span<byte> buffer = stackalloc byte[4096];
        return System.Text.Encoding.Latin1.GetString(buffer[..K.ReadLink(path, buffer).Value]);
    }
}
