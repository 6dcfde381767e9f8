using DriverLab.Linux;
using DriverLab.Linux.Abi;
using static DriverLab.Contracts.Tests.Calls;

namespace DriverLab.Contracts.Tests;

/// <summary>copy_file_range(2).</summary>
public sealed class CopyFileRangeContract(KernelKind kind) : Contract(kind)
{
    private Fd _from, _to;

    [SetUp]
    public void MakeTwoFiles()
    {
        MakeFile("a", "0123456789");
        MakeFile("b");
        _from = Opened("a", OpenFlags.O_RDWR);
        _to = Opened("b", OpenFlags.O_RDWR);
    }

    [Test]
    public void Copies_at_the_positions_and_moves_them()
    {
        K.LSeek(_from, 2, SeekWhence.SEEK_SET);
        var copied = K.CopyFileRange(_from, null, _to, null, 3).Value;
        Assert.That((copied, Text("b"), Position(_from), Position(_to)), Is.EqualTo((3L, "234", 5L, 3L)));
    }

    [Test]
    public void Copies_at_offsets_and_leaves_the_positions()
    {
        var copied = K.CopyFileRange(_from, 8, _to, 1, 100).Value;
        Assert.That((copied, Text("b"), Position(_from), Position(_to)), Is.EqualTo((2L, "\0" + "89", 0L, 0L)));
    }

    [Test]
    public void At_the_end_of_the_source_is_0() => Assert.That(K.CopyFileRange(_from, 10, _to, 0, 5).Value, Is.Zero);

    [Test]
    public void Nothing_is_0() => Assert.That(K.CopyFileRange(_from, 0, _to, 0, 0).Value, Is.Zero);

    [Test]
    public void Ranges_of_one_file_must_not_overlap() => Assert.That(K.CopyFileRange(_from, 0, _from, 2, 5), Does.FailWith(Errno.EINVAL));

    [Test]
    public void Ranges_of_one_file_may_touch()
    {
        K.CopyFileRange(_from, 0, _from, 5, 5);
        Assert.That(Text("a"), Is.EqualTo("0123401234"));
    }

    [Test]
    public void Closed_source_is_EBADF() => Assert.That(K.CopyFileRange(Fd.None, 0, _to, 0, 1), Does.FailWith(Errno.EBADF));

    [Test]
    public void Closed_target_is_EBADF() => Assert.That(K.CopyFileRange(_from, 0, Fd.None, 0, 1), Does.FailWith(Errno.EBADF));

    [Test]
    public void Write_only_source_is_EBADF()
        => Assert.That(K.CopyFileRange(Opened("a", OpenFlags.O_WRONLY), 0, _to, 0, 1), Does.FailWith(Errno.EBADF));

    [Test]
    public void Read_only_target_is_EBADF()
        => Assert.That(K.CopyFileRange(_from, 0, Opened("b", OpenFlags.O_RDONLY), 0, 1), Does.FailWith(Errno.EBADF));

    [Test]
    public void Appending_target_is_EBADF()
        => Assert.That(K.CopyFileRange(_from, 0, Opened("b", OpenFlags.O_WRONLY | OpenFlags.O_APPEND), 0, 1), Does.FailWith(Errno.EBADF));

    [Test]
    public void Directory_is_EISDIR()
    {
        MakeDir("d");
        Assert.That(K.CopyFileRange(Opened("d", OpenFlags.O_RDONLY), 0, _to, 0, 1), Does.FailWith(Errno.EISDIR));
    }

    [Test]
    public void Directory_as_target_comes_before_its_access_mode()
    {
        MakeDir("d");
        Assert.That(K.CopyFileRange(_from, 0, Opened("d", OpenFlags.O_RDONLY), 0, 1), Does.FailWith(Errno.EISDIR));
    }

    [Test]
    public void Fifo_is_EINVAL()
    {
        K.Mknod("p", Mode.S_IFIFO | Oct(600));
        Assert.That(K.CopyFileRange(Opened("p", OpenFlags.O_RDWR), null, _to, 0, 1), Does.FailWith(Errno.EINVAL));
    }

    [Test]
    public void Negative_offset_is_EOVERFLOW() => Assert.That(K.CopyFileRange(_from, -1, _to, 0, 1), Does.FailWith(Errno.EOVERFLOW));

    [Test]
    public void Other_mount_of_the_same_file_system_works()
    {
        MakeDir("d");
        MakeDir("m");
        K.Bind("d", "m");
        MakeFile("m/b");
        Assert.That(K.CopyFileRange(_from, 0, Opened("m/b", OpenFlags.O_RDWR), 0, 4).Value, Is.EqualTo(4));
    }

    [Test]
    public void Other_file_system_is_EXDEV()
    {
        MakeDir("m");
        K.Mount("x", "m", "tmpfs");
        MakeFile("m/b");
        Assert.That(K.CopyFileRange(_from, 0, Opened("m/b", OpenFlags.O_RDWR), 0, 4), Does.FailWith(Errno.EXDEV));
    }

    private long Position(Fd fd) => K.LSeek(fd, 0, SeekWhence.SEEK_CUR).Value;
}
