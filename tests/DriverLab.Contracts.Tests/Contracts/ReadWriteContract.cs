using DriverLab.Linux;
using DriverLab.Linux.Abi;
using static DriverLab.Contracts.Tests.Calls;

namespace DriverLab.Contracts.Tests;

/// <summary>read, write, pread64, pwrite64.</summary>
public sealed class ReadWriteContract(KernelKind kind) : Contract(kind)
{
    [Test]
    public void Read_moves_the_position()
    {
        MakeFile("f", "text");
        var fd = Opened("f", OpenFlags.O_RDONLY);
        Span<byte> two = stackalloc byte[2];
        K.Read(fd, two);
        K.Read(fd, two);
        Assert.That(two.ToArray(), Is.EqualTo("xt"u8.ToArray()));
    }

    [Test]
    public void Read_at_the_end_is_0()
    {
        MakeFile("f", "text");
        var fd = Opened("f", OpenFlags.O_RDONLY);
        K.LSeek(fd, 0, SeekWhence.SEEK_END);
        Assert.That(K.Read(fd, new byte[4]).Value, Is.Zero);
    }

    [Test]
    public void Read_is_cut_at_the_end()
    {
        MakeFile("f", "text");
        Assert.That(K.Read(Opened("f", OpenFlags.O_RDONLY), new byte[9]).Value, Is.EqualTo(4));
    }

    [Test]
    public void Read_of_nothing_is_0()
    {
        MakeFile("f", "text");
        Assert.That(K.Read(Opened("f", OpenFlags.O_RDONLY), default).Value, Is.Zero);
    }

    [Test]
    public void Read_of_a_closed_descriptor_is_EBADF() => Assert.That(K.Read(Fd.None, new byte[1]), Does.FailWith(Errno.EBADF));

    [Test]
    public void Read_of_a_write_only_file_is_EBADF()
    {
        MakeFile("f", "text");
        Assert.That(K.Read(Opened("f", OpenFlags.O_WRONLY), new byte[1]), Does.FailWith(Errno.EBADF));
    }

    [Test]
    public void Read_of_a_directory_is_EISDIR()
    {
        MakeDir("d");
        Assert.That(K.Read(Opened("d", OpenFlags.O_RDONLY), new byte[1]), Does.FailWith(Errno.EISDIR));
    }

    [Test]
    public void Read_of_a_file_opened_with_access_mode_3_is_EBADF()
    {
        MakeFile("f", "text");
        Assert.That(K.Read(Opened("f", OpenFlags.O_ACCMODE), new byte[1]), Does.FailWith(Errno.EBADF));
    }

    [Test]
    public void Write_extends_the_file()
    {
        MakeFile("f", "ab");
        var fd = Opened("f", OpenFlags.O_RDWR);
        K.LSeek(fd, 1, SeekWhence.SEEK_SET);
        K.Write(fd, "XY"u8);
        Assert.That(Text("f"), Is.EqualTo("aXY"));
    }

    [Test]
    public void Write_beyond_the_end_leaves_a_hole_of_zeros()
    {
        MakeFile("f", "a");
        var fd = Opened("f", OpenFlags.O_RDWR);
        K.LSeek(fd, 3, SeekWhence.SEEK_SET);
        K.Write(fd, "b"u8);
        Assert.That(Text("f"), Is.EqualTo("a\0\0b"));
    }

    [Test]
    public void Write_of_nothing_is_0()
    {
        MakeFile("f", "text");
        Assert.That(K.Write(Opened("f", OpenFlags.O_WRONLY), default).Value, Is.Zero);
    }

    [Test]
    public void Write_of_a_read_only_descriptor_is_EBADF()
    {
        MakeFile("f", "text");
        Assert.That(K.Write(Opened("f", OpenFlags.O_RDONLY), "x"u8), Does.FailWith(Errno.EBADF));
    }

    [Test]
    public void Write_of_nothing_on_a_read_only_descriptor_is_EBADF()
    {
        MakeFile("f", "text");
        Assert.That(K.Write(Opened("f", OpenFlags.O_RDONLY), default), Does.FailWith(Errno.EBADF));
    }

    [Test]
    public void Write_of_a_path_descriptor_is_EBADF()
    {
        MakeFile("f", "text");
        Assert.That(K.Write(Opened("f", OpenFlags.O_PATH), "x"u8), Does.FailWith(Errno.EBADF));
    }

    [Test]
    public void Write_with_O_APPEND_goes_to_the_end()
    {
        MakeFile("f", "ab");
        var fd = Opened("f", OpenFlags.O_WRONLY | OpenFlags.O_APPEND);
        K.LSeek(fd, 0, SeekWhence.SEEK_SET);
        K.Write(fd, "c"u8);
        Assert.That((Text("f"), K.LSeek(fd, 0, SeekWhence.SEEK_CUR).Value), Is.EqualTo(("abc", 3L)));
    }

    [Test]
    public void Write_whose_end_overflows_is_EINVAL()
    {
        MakeFile("f");
        Assert.That(K.PWrite(Opened("f", OpenFlags.O_WRONLY), "x"u8, long.MaxValue), Does.FailWith(Errno.EINVAL));
    }

    [Test]
    public void Write_of_the_last_possible_byte_works_on_tmpfs()
    {
        MakeFile("f");
        Assert.That(K.PWrite(Opened("f", OpenFlags.O_WRONLY), "x"u8, long.MaxValue - 1), Is.Success);
    }

    [Test]
    public void Write_takes_away_the_set_user_id_bit_of_another_users_file()
    {
        MakeFile("f", "", 4777);
        var alice = As(Alice);
        alice.Write(alice.Open("f", OpenFlags.O_WRONLY).Value, "x"u8);
        Assert.That(Attributes("f").Mode, Is.EqualTo(Mode.S_IFREG | Oct(777)));
    }

    [Test]
    public void Write_by_the_superuser_leaves_the_set_user_id_bit()
    {
        MakeFile("f", "", 4777);
        K.Write(Opened("f", OpenFlags.O_WRONLY), "x"u8);
        Assert.That(Attributes("f").Mode, Is.EqualTo(Mode.S_IFREG | Oct(4777)));
    }

    [Test]
    public void Write_to_a_full_file_system_is_short_and_then_ENOSPC()
    {
        MakeDir("m");
        K.Mount("x", "m", "tmpfs", MountFlags.None, "size=8k");
        var fd = K.Open("m/f", OpenFlags.O_CREAT | OpenFlags.O_WRONLY).Value;
        var results = (K.Write(fd, new byte[12 << 10]).Value, K.Write(fd, new byte[1]).Error);
        Assert.That(results, Is.EqualTo((8 << 10, Errno.ENOSPC)));
    }

    [Test]
    public void Pread_leaves_the_position()
    {
        MakeFile("f", "text");
        var fd = Opened("f", OpenFlags.O_RDONLY);
        K.PRead(fd, new byte[2], 1);
        Assert.That(K.LSeek(fd, 0, SeekWhence.SEEK_CUR).Value, Is.Zero);
    }

    [Test]
    public void Pread_beyond_the_end_is_0()
    {
        MakeFile("f", "text");
        Assert.That(K.PRead(Opened("f", OpenFlags.O_RDONLY), new byte[2], 100).Value, Is.Zero);
    }

    [Test]
    public void Pread_with_a_negative_offset_comes_before_a_bad_descriptor()
        => Assert.That(K.PRead(Fd.None, new byte[2], -1), Does.FailWith(Errno.EINVAL));

    [Test]
    public void Pread_of_a_directory_is_EISDIR()
    {
        MakeDir("d");
        Assert.That(K.PRead(Opened("d", OpenFlags.O_RDONLY), new byte[2], 0), Does.FailWith(Errno.EISDIR));
    }

    [Test]
    public void Pread_of_a_fifo_is_ESPIPE()
    {
        K.Mknod("p", Mode.S_IFIFO | Oct(600));
        Assert.That(K.PRead(Opened("p", OpenFlags.O_RDWR), new byte[2], 0), Does.FailWith(Errno.ESPIPE));
    }

    [Test]
    public void Pwrite_leaves_the_position()
    {
        MakeFile("f", "text");
        var fd = Opened("f", OpenFlags.O_RDWR);
        K.PWrite(fd, "X"u8, 1);
        Assert.That((Text(fd), K.LSeek(fd, 0, SeekWhence.SEEK_CUR).Value), Is.EqualTo(("tXxt", 0L)));
    }

    [Test]
    public void Pwrite_with_O_APPEND_appends_all_the_same()
    {
        MakeFile("f", "ab");
        K.PWrite(Opened("f", OpenFlags.O_WRONLY | OpenFlags.O_APPEND), "c"u8, 0);
        Assert.That(Text("f"), Is.EqualTo("abc"));
    }

    [Test]
    public void Pwrite_with_a_negative_offset_comes_before_a_bad_descriptor()
        => Assert.That(K.PWrite(Fd.None, "x"u8, -1), Does.FailWith(Errno.EINVAL));

    [Test]
    public void Pwrite_of_a_read_only_descriptor_is_EBADF()
    {
        MakeFile("f");
        Assert.That(K.PWrite(Opened("f", OpenFlags.O_RDONLY), "x"u8, 0), Does.FailWith(Errno.EBADF));
    }

    [Test]
    public void Unlinked_file_stays_readable()
    {
        MakeFile("f", "text");
        var fd = Opened("f", OpenFlags.O_RDONLY);
        K.Unlink("f");
        Assert.That(Text(fd), Is.EqualTo("text"));
    }

    [Test]
    public void Dev_null_swallows_and_gives_nothing()
    {
        K.Mknod("null", Mode.S_IFCHR | Oct(666), new DevT(1, 3));
        var fd = Opened("null", OpenFlags.O_RDWR);
        Assert.That((K.Write(fd, "text"u8).Value, K.Read(fd, new byte[4]).Value), Is.EqualTo((4, 0)));
    }

    [Test]
    public void Dev_zero_gives_zeros()
    {
        K.Mknod("zero", Mode.S_IFCHR | Oct(666), new DevT(1, 5));
        byte[] bytes = [1, 2, 3];
        K.Read(Opened("zero", OpenFlags.O_RDONLY), bytes);
        Assert.That(bytes, Is.EqualTo(new byte[3]));
    }

    [Test]
    public void Dev_full_is_ENOSPC()
    {
        K.Mknod("full", Mode.S_IFCHR | Oct(666), new DevT(1, 7));
        Assert.That(K.Write(Opened("full", OpenFlags.O_WRONLY), "x"u8), Does.FailWith(Errno.ENOSPC));
    }
}
