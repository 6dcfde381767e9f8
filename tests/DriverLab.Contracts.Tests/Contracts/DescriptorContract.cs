using DriverLab.Linux;
using DriverLab.Linux.Abi;
using static DriverLab.Contracts.Tests.Calls;

namespace DriverLab.Contracts.Tests;

/// <summary>close, dup, fcntl, lseek.</summary>
public sealed class DescriptorContract(KernelKind kind) : Contract(kind)
{
    [Test]
    public void Close_twice_is_EBADF()
    {
        MakeFile("f");
        var fd = Opened("f", OpenFlags.O_RDONLY);
        Assert.That((K.Close(fd), K.Close(fd)), Is.EqualTo((Errno.OK, Errno.EBADF)));
    }

    [Test]
    public void Close_of_no_descriptor_is_EBADF() => Assert.That(K.Close(Fd.None), Does.FailWith(Errno.EBADF));

    [Test]
    public void Close_of_the_working_directory_is_EBADF() => Assert.That(K.Close(Fd.Cwd), Does.FailWith(Errno.EBADF));

    [Test]
    public void Close_works_on_a_path_descriptor()
    {
        MakeFile("f");
        Assert.That(K.Close(Opened("f", OpenFlags.O_PATH)), Is.Success);
    }

    [Test]
    public void Dup_shares_the_position()
    {
        MakeFile("f", "text");
        var fd = Opened("f", OpenFlags.O_RDONLY);
        var copy = K.Dup(fd).Value;
        K.LSeek(copy, 2, SeekWhence.SEEK_SET);
        Assert.That(K.LSeek(fd, 0, SeekWhence.SEEK_CUR).Value, Is.EqualTo(2));
    }

    [Test]
    public void Dup_outlives_the_original()
    {
        MakeFile("f", "text");
        var fd = Opened("f", OpenFlags.O_RDONLY);
        var copy = K.Dup(fd).Value;
        K.Close(fd);
        Assert.That(Text(copy), Is.EqualTo("text"));
    }

    [Test]
    public void Dup_of_a_closed_descriptor_is_EBADF() => Assert.That(K.Dup(new Fd(999)), Does.FailWith(Errno.EBADF));

    [Test]
    public void Status_flags_are_those_of_the_opening_without_creation()
    {
        var fd = K.Open("f", OpenFlags.O_CREAT | OpenFlags.O_EXCL | OpenFlags.O_TRUNC | OpenFlags.O_RDWR | OpenFlags.O_APPEND).Value;
        Assert.That(K.GetStatusFlags(fd).Value, Is.EqualTo(OpenFlags.O_RDWR | OpenFlags.O_APPEND | OpenFlags.O_LARGEFILE));
    }

    [Test]
    public void Status_flags_of_a_directory_keep_O_DIRECTORY()
    {
        MakeDir("d");
        Assert.That(K.GetStatusFlags(Opened("d", OpenFlags.O_DIRECTORY)).Value, Is.EqualTo(OpenFlags.O_DIRECTORY | OpenFlags.O_LARGEFILE));
    }

    [Test]
    public void Status_flags_of_a_path_descriptor_are_O_PATH()
    {
        MakeFile("f");
        Assert.That(K.GetStatusFlags(Opened("f", OpenFlags.O_PATH | OpenFlags.O_RDWR)).Value, Is.EqualTo(OpenFlags.O_PATH));
    }

    [Test]
    public void Status_flags_of_a_closed_descriptor_are_EBADF() => Assert.That(K.GetStatusFlags(Fd.None), Does.FailWith(Errno.EBADF));

    [Test]
    public void O_APPEND_can_be_set_later()
    {
        MakeFile("f", "abc");
        var fd = Opened("f", OpenFlags.O_RDWR);
        K.SetStatusFlags(fd, OpenFlags.O_APPEND);
        K.Write(fd, "d"u8);
        Assert.That(Text("f"), Is.EqualTo("abcd"));
    }

    [Test]
    public void Access_mode_cannot_be_set_later()
    {
        MakeFile("f", "abc");
        var fd = Opened("f", OpenFlags.O_RDONLY);
        K.SetStatusFlags(fd, OpenFlags.O_RDWR);
        Assert.That(K.Write(fd, "d"u8), Does.FailWith(Errno.EBADF));
    }

    [Test]
    public void O_NOATIME_of_another_users_file_cannot_be_set()
    {
        MakeFile("f");
        var alice = As(Alice);
        Assert.That(alice.SetStatusFlags(alice.Open("f", OpenFlags.O_RDONLY).Value, OpenFlags.O_NOATIME), Does.FailWith(Errno.EPERM));
    }

    [Test]
    public void Status_flags_of_a_path_descriptor_cannot_be_set()
    {
        MakeFile("f");
        Assert.That(K.SetStatusFlags(Opened("f", OpenFlags.O_PATH), OpenFlags.O_APPEND), Does.FailWith(Errno.EBADF));
    }

    [TestCase(3, SeekWhence.SEEK_SET, ExpectedResult = 3)]
    [TestCase(-1, SeekWhence.SEEK_CUR, ExpectedResult = 1)]
    [TestCase(-1, SeekWhence.SEEK_END, ExpectedResult = 3)]
    [TestCase(100, SeekWhence.SEEK_END, ExpectedResult = 104)]
    [TestCase(1, SeekWhence.SEEK_DATA, ExpectedResult = 1)]
    [TestCase(1, SeekWhence.SEEK_HOLE, ExpectedResult = 4)]
    public long Lseek_moves(long offset, SeekWhence whence)
    {
        MakeFile("f", "text");
        var fd = Opened("f", OpenFlags.O_RDONLY);
        K.LSeek(fd, 2, SeekWhence.SEEK_SET);
        return K.LSeek(fd, offset, whence).Value;
    }

    [TestCase(-1, SeekWhence.SEEK_SET, ExpectedResult = Errno.EINVAL)]
    [TestCase(-5, SeekWhence.SEEK_END, ExpectedResult = Errno.EINVAL)]
    [TestCase(0, (SeekWhence)5, ExpectedResult = Errno.EINVAL)]
    [TestCase(0, (SeekWhence)(-1), ExpectedResult = Errno.EINVAL)]
    [TestCase(4, SeekWhence.SEEK_DATA, ExpectedResult = Errno.ENXIO)]
    [TestCase(4, SeekWhence.SEEK_HOLE, ExpectedResult = Errno.ENXIO)]
    [TestCase(-1, SeekWhence.SEEK_DATA, ExpectedResult = Errno.ENXIO)]
    [TestCase(long.MaxValue, SeekWhence.SEEK_SET, ExpectedResult = Errno.OK)]
    public Errno Lseek_refuses(long offset, SeekWhence whence)
    {
        MakeFile("f", "text");
        return K.LSeek(Opened("f", OpenFlags.O_RDONLY), offset, whence).Error;
    }

    [Test]
    public void Lseek_of_a_closed_descriptor_comes_before_a_wrong_whence()
        => Assert.That(K.LSeek(Fd.None, 0, (SeekWhence)99), Does.FailWith(Errno.EBADF));

    [Test]
    public void Lseek_of_a_path_descriptor_is_EBADF()
    {
        MakeFile("f");
        Assert.That(K.LSeek(Opened("f", OpenFlags.O_PATH), 0, SeekWhence.SEEK_SET), Does.FailWith(Errno.EBADF));
    }

    [Test]
    public void Lseek_in_a_fifo_is_ESPIPE()
    {
        K.Mknod("p", Mode.S_IFIFO | Oct(600));
        Assert.That(K.LSeek(Opened("p", OpenFlags.O_RDWR), 0, SeekWhence.SEEK_SET), Does.FailWith(Errno.ESPIPE));
    }

    [Test]
    public void Lseek_with_a_wrong_whence_comes_before_ESPIPE()
    {
        K.Mknod("p", Mode.S_IFIFO | Oct(600));
        Assert.That(K.LSeek(Opened("p", OpenFlags.O_RDWR), 0, (SeekWhence)99), Does.FailWith(Errno.EINVAL));
    }

    [Test]
    public void Lseek_finds_data_behind_a_hole()
    {
        MakeFile("f");
        var fd = Opened("f", OpenFlags.O_RDWR);
        K.PWrite(fd, "x"u8, 1 << 20);
        Assert.That(K.LSeek(fd, 0, SeekWhence.SEEK_DATA).Value, Is.EqualTo(1 << 20));
    }
}
