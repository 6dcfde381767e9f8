using DriverLab.Linux;
using DriverLab.Linux.Abi;
using static DriverLab.Contracts.Tests.Calls;

namespace DriverLab.Contracts.Tests;

/// <summary>fallocate, on tmpfs.</summary>
public sealed class FallocateContract(KernelKind kind) : Contract(kind)
{
    private Fd _fd;

    [SetUp]
    public void MakeTheFile()
    {
        MakeFile("f", new string('x', 3 * 4096));
        _fd = Opened("f", OpenFlags.O_RDWR);
    }

    [Test]
    public void Extends_the_file()
    {
        K.Fallocate(_fd, FallocFlags.None, 0, 20000);
        Assert.That(Attributes("f").Size, Is.EqualTo(20000));
    }

    [Test]
    public void Keeps_the_size_when_told()
    {
        K.Fallocate(_fd, FallocFlags.FALLOC_FL_KEEP_SIZE, 0, 40960);
        var stat = Attributes("f");
        Assert.That((stat.Size, stat.Blocks), Is.EqualTo((3UL * 4096, 80UL)));
    }

    [Test]
    public void Never_shortens()
    {
        K.Fallocate(_fd, FallocFlags.None, 0, 1);
        Assert.That(Attributes("f").Size, Is.EqualTo(3 * 4096));
    }

    [Test]
    public void Punches_a_hole_that_reads_as_zeros()
    {
        K.Fallocate(_fd, FallocFlags.FALLOC_FL_PUNCH_HOLE | FallocFlags.FALLOC_FL_KEEP_SIZE, 4096, 4096);
        Span<byte> bytes = stackalloc byte[2];
        K.PRead(_fd, bytes, 4095);
        Assert.That((bytes[0], bytes[1], Attributes("f").Blocks), Is.EqualTo(((byte)'x', (byte)0, 16UL)));
    }

    [Test]
    public void Punching_part_of_a_page_frees_nothing()
    {
        K.Fallocate(_fd, FallocFlags.FALLOC_FL_PUNCH_HOLE | FallocFlags.FALLOC_FL_KEEP_SIZE, 10, 100);
        Span<byte> bytes = stackalloc byte[1];
        K.PRead(_fd, bytes, 50);
        Assert.That((bytes[0], Attributes("f").Blocks), Is.EqualTo(((byte)0, 24UL)));
    }

    [TestCase(FallocFlags.FALLOC_FL_PUNCH_HOLE)]
    [TestCase(FallocFlags.FALLOC_FL_NO_HIDE_STALE)]
    [TestCase(FallocFlags.FALLOC_FL_COLLAPSE_RANGE)]
    [TestCase(FallocFlags.FALLOC_FL_INSERT_RANGE)]
    [TestCase(FallocFlags.FALLOC_FL_ZERO_RANGE)]
    [TestCase((FallocFlags)0x1000)]
    public void Mode_that_the_file_system_lacks_is_EOPNOTSUPP(FallocFlags mode)
        => Assert.That(K.Fallocate(_fd, mode, 0, 4096), Does.FailWith(Errno.EOPNOTSUPP));

    [TestCase(-1, 1)]
    [TestCase(0, 0)]
    [TestCase(0, -1)]
    public void Range_must_be_positive(long offset, long length) => Assert.That(K.Fallocate(_fd, FallocFlags.None, offset, length), Does.FailWith(Errno.EINVAL));

    [Test]
    public void Range_comes_before_the_mode() => Assert.That(K.Fallocate(_fd, (FallocFlags)0x1000, 0, 0), Does.FailWith(Errno.EINVAL));

    [Test]
    public void Bad_descriptor_comes_before_the_range() => Assert.That(K.Fallocate(Fd.None, FallocFlags.None, 0, 0), Does.FailWith(Errno.EBADF));

    [Test]
    public void Range_that_overflows_is_EFBIG() => Assert.That(K.Fallocate(_fd, FallocFlags.None, long.MaxValue, 1), Does.FailWith(Errno.EFBIG));

    [Test]
    public void Read_only_descriptor_is_EBADF()
        => Assert.That(K.Fallocate(Opened("f", OpenFlags.O_RDONLY), FallocFlags.None, 0, 1), Does.FailWith(Errno.EBADF));

    [Test]
    public void Mode_comes_before_a_read_only_descriptor()
        => Assert.That(K.Fallocate(Opened("f", OpenFlags.O_RDONLY), (FallocFlags)0x1000, 0, 1), Does.FailWith(Errno.EOPNOTSUPP));

    [Test]
    public void Fifo_is_ESPIPE()
    {
        K.Mknod("p", Mode.S_IFIFO | Oct(600));
        Assert.That(K.Fallocate(Opened("p", OpenFlags.O_RDWR), FallocFlags.None, 0, 1), Does.FailWith(Errno.ESPIPE));
    }

    [Test]
    public void Directory_is_EBADF_because_it_is_never_writable()
    {
        MakeDir("d");
        Assert.That(K.Fallocate(Opened("d", OpenFlags.O_RDONLY), FallocFlags.None, 0, 1), Does.FailWith(Errno.EBADF));
    }

    [Test]
    public void Character_device_is_ENODEV()
    {
        K.Mknod("null", Mode.S_IFCHR | Oct(666), new DevT(1, 3));
        Assert.That(K.Fallocate(Opened("null", OpenFlags.O_RDWR), FallocFlags.None, 0, 1), Does.FailWith(Errno.ENODEV));
    }

    [Test]
    public void More_than_the_file_system_holds_is_ENOSPC_and_changes_nothing()
    {
        MakeDir("m");
        K.Mount("x", "m", "tmpfs", MountFlags.None, "size=64k");
        var fd = K.Open("m/f", OpenFlags.O_CREAT | OpenFlags.O_RDWR).Value;
        Assert.That((K.Fallocate(fd, FallocFlags.None, 0, 1 << 20), Attributes("m/f").Size, Attributes("m/f").Blocks), Is.EqualTo((Errno.ENOSPC, 0UL, 0UL)));
    }
}

/// <summary>fsync, fdatasync, syncfs, sync.</summary>
public sealed class SyncContract(KernelKind kind) : Contract(kind)
{
    [Test]
    public void Files_and_directories_sync()
    {
        MakeFile("f", "x");
        MakeDir("d");
        var file = Opened("f", OpenFlags.O_RDONLY);
        var directory = Opened("d", OpenFlags.O_RDONLY);
        Assert.That(new[] { K.Fsync(file), K.Fdatasync(file), K.Syncfs(file), K.Fsync(directory), K.Fdatasync(directory), K.Syncfs(directory) }, Is.All.EqualTo(Errno.OK));
    }

    [Test]
    public void Sync_keeps_what_was_written()
    {
        MakeFile("f", "x");
        K.Sync();
        Assert.That(Text("f"), Is.EqualTo("x"));
    }

    [Test]
    public void Closed_descriptor_is_EBADF()
        => Assert.That(new[] { K.Fsync(Fd.None), K.Fdatasync(Fd.None), K.Syncfs(Fd.None) }, Is.All.EqualTo(Errno.EBADF));

    [Test]
    public void Path_descriptor_is_EBADF()
    {
        MakeFile("f");
        var fd = Opened("f", OpenFlags.O_PATH);
        Assert.That(new[] { K.Fsync(fd), K.Fdatasync(fd), K.Syncfs(fd) }, Is.All.EqualTo(Errno.EBADF));
    }

    [Test]
    public void Fifo_cannot_be_synced()
    {
        K.Mknod("p", Mode.S_IFIFO | Oct(600));
        Assert.That(K.Fsync(Opened("p", OpenFlags.O_RDWR)), Does.FailWith(Errno.EINVAL));
    }

    [Test]
    public void Sync_always_works() => Assert.That(K.Sync, Throws.Nothing);
}
