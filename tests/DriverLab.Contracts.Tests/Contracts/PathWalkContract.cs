using DriverLab.Linux;
using DriverLab.Linux.Abi;
using static DriverLab.Contracts.Tests.Calls;

namespace DriverLab.Contracts.Tests;

/// <summary>What every call with a path shares: the walk and its errors, in their order.</summary>
public sealed class PathWalkContract(KernelKind kind) : Contract(kind)
{
    [Test]
    public void Empty_path_is_ENOENT() => Assert.That(K.Stat("", out _), Does.FailWith(Errno.ENOENT));

    [Test]
    public void Bad_directory_descriptor_is_EBADF() => Assert.That(K.OpenAt(new Fd(999), "a"u8, OpenFlags.O_RDONLY, 0), Does.FailWith(Errno.EBADF));

    [Test]
    public void Empty_path_comes_before_a_bad_descriptor()
        => Assert.That(K.OpenAt(new Fd(999), ""u8, OpenFlags.O_RDONLY, 0), Does.FailWith(Errno.ENOENT));

    [Test]
    public void Overlong_path_comes_before_a_bad_descriptor()
        => Assert.That(K.OpenAt(new Fd(999), Bytes(Long(5000)), OpenFlags.O_RDONLY, 0), Does.FailWith(Errno.ENAMETOOLONG));

    [Test]
    public void Bad_descriptor_does_not_matter_to_an_absolute_path()
        => Assert.That(K.Statx(new Fd(999), "/"u8, AtFlags.None, StatxMask.STATX_BASIC_STATS, out _), Is.Success);

    [Test]
    public void Descriptor_of_a_file_is_ENOTDIR()
    {
        MakeFile("f");
        var fd = Opened("f", OpenFlags.O_RDONLY);
        Assert.That(K.OpenAt(fd, "a"u8, OpenFlags.O_RDONLY, 0), Does.FailWith(Errno.ENOTDIR));
    }

    [Test]
    public void Relative_path_starts_at_the_descriptor()
    {
        MakeDir("d");
        MakeFile("d/f");
        var fd = Opened("d", OpenFlags.O_PATH);
        Assert.That(K.OpenAt(fd, "f"u8, OpenFlags.O_RDONLY, 0), Is.Success);
    }

    [TestCase(4094, ExpectedResult = Errno.ENOENT)]
    [TestCase(4095, ExpectedResult = Errno.ENOENT)]
    [TestCase(4096, ExpectedResult = Errno.ENAMETOOLONG)]
    [TestCase(9000, ExpectedResult = Errno.ENAMETOOLONG)]
    public Errno Path_of_4096_bytes_is_too_long(int length) => K.Stat(new string('/', length - 1) + "x", out _);

    [TestCase(255, ExpectedResult = Errno.ENOENT)]
    [TestCase(256, ExpectedResult = Errno.ENAMETOOLONG)]
    public Errno Component_of_256_bytes_is_too_long(int length) => K.Stat(Long(length), out _);

    [Test]
    public void Missing_parent_comes_before_a_long_name() => Assert.That(K.Stat($"missing/{Long(256)}", out _), Does.FailWith(Errno.ENOENT));

    [Test]
    public void File_as_parent_comes_before_a_long_name()
    {
        MakeFile("f");
        Assert.That(K.Stat($"f/{Long(256)}", out _), Does.FailWith(Errno.ENOTDIR));
    }

    [Test]
    public void No_search_permission_comes_before_a_long_name()
    {
        MakeDir("d", 600);
        Assert.That(As(Alice).Stat($"d/{Long(256)}", out _), Does.FailWith(Errno.EACCES));
    }

    [Test]
    public void Directory_needs_search_permission()
    {
        MakeDir("d", 644);
        MakeFile("d/f");
        Assert.That(As(Alice).Stat("d/f", out _), Does.FailWith(Errno.EACCES));
    }

    [Test]
    public void Missing_search_permission_hides_what_is_missing()
    {
        MakeDir("d", 644);
        Assert.That(As(Alice).Stat("d/missing", out _), Does.FailWith(Errno.EACCES));
    }

    [Test]
    public void Dotdot_after_a_missing_name_is_ENOENT() => Assert.That(K.Stat("missing/..", out _), Does.FailWith(Errno.ENOENT));

    [Test]
    public void Dotdot_after_a_file_is_ENOTDIR()
    {
        MakeFile("f");
        Assert.That(K.Stat("f/..", out _), Does.FailWith(Errno.ENOTDIR));
    }

    [Test]
    public void Dot_after_a_file_is_ENOTDIR()
    {
        MakeFile("f");
        Assert.That(K.Stat("f/.", out _), Does.FailWith(Errno.ENOTDIR));
    }

    [Test]
    public void Trailing_slash_after_a_file_is_ENOTDIR()
    {
        MakeFile("f");
        Assert.That(K.Stat("f/", out _), Does.FailWith(Errno.ENOTDIR));
    }

    [Test]
    public void Slashes_are_squeezed()
    {
        MakeDir("d");
        MakeFile("d/f");
        Assert.That(K.Stat("//d///f", out _), Is.Success);
    }

    [Test]
    public void Dotdot_above_the_root_is_the_root()
    {
        MakeDir("d");
        Assert.That(K.Stat("/../../d", out _), Is.Success);
    }

    [Test]
    public void Dotdot_goes_to_the_parent_of_a_links_target()
    {
        MakeDir("d");
        MakeDir("d/e");
        MakeFile("d/f");
        K.Symlink("d/e", "l");
        Assert.That(K.Stat("l/../f", out _), Is.Success);
    }

    [Test]
    public void Trailing_slash_follows_a_link()
    {
        MakeDir("d");
        K.Symlink("d", "l");
        K.Lstat("l/", out var stat);
        Assert.That(stat.Mode & Mode.S_IFMT, Is.EqualTo(Mode.S_IFDIR));
    }

    [Test]
    public void Dangling_link_is_ENOENT()
    {
        K.Symlink("missing", "l");
        Assert.That(K.Stat("l", out _), Does.FailWith(Errno.ENOENT));
    }

    [Test]
    public void Absolute_link_starts_at_the_root()
    {
        MakeDir("d");
        MakeFile("f", "root");
        K.Symlink("/f", "d/l");
        Assert.That(Text("d/l"), Is.EqualTo("root"));
    }

    [Test]
    public void Link_to_itself_is_ELOOP()
    {
        K.Symlink("l", "l");
        Assert.That(K.Stat("l", out _), Does.FailWith(Errno.ELOOP));
    }

    [TestCase(40, ExpectedResult = Errno.OK)]
    [TestCase(41, ExpectedResult = Errno.ELOOP)]
    public Errno Forty_links_are_followed(int links)
    {
        MakeFile("l0");
        for (int i = 1; i <= links; i++)
            K.Symlink($"l{i - 1}", $"l{i}");
        return K.Stat($"l{links}", out _);
    }

    [Test]
    public void Links_in_the_middle_count_too()
    {
        MakeDir("d");
        K.Symlink("/d", "d/l");
        Assert.That(K.Stat(string.Concat(Enumerable.Repeat("d/l/", 1)) + string.Concat(Enumerable.Repeat("l/", 40)), out _), Does.FailWith(Errno.ELOOP));
    }

    [Test]
    public void Working_directory_that_was_removed_has_no_names()
    {
        MakeDir("d");
        K.Chdir("d");
        K.Rmdir("/d");
        Assert.That(K.Stat("a", out _), Does.FailWith(Errno.ENOENT));
    }

    [Test]
    public void Removed_working_directory_has_itself()
    {
        MakeDir("d");
        K.Chdir("d");
        K.Rmdir("/d");
        Assert.That(K.Stat(".", out _), Is.Success);
    }
}
