using System.Runtime.InteropServices;
using DriverLab.Block.Devices;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Linux.Ioctl;
using Request = DriverLab.Linux.Ioctl.Loop;

namespace DriverLab.Block.Tests;

public sealed class LoopTests
{
    private static BlockFile OpenLoop(Lab lab) => lab.Open(lab.Layer.Devices.Find(new(7, 0))!);

    private static Errno Configure(BlockFile loop, MemoryFile file, LoopConfig config = default) => loop.Ioctl(Request.LOOP_CONFIGURE, Bytes(ref config), file).Error;

    private static Span<byte> Bytes<T>(ref T value) where T : unmanaged => MemoryMarshal.AsBytes(new Span<T>(ref value));

    [TestCase(0ul, 0ul, 20L)]
    [TestCase(1000ul, 5000ul, 9L)]
    [TestCase(512ul, 0ul, 19L)]
    [TestCase(20000ul, 0ul, 0L)]
    public void Size_is_what_offset_and_limit_leave(ulong offset, ulong limit, long sectors)
    {
        var loop = OpenLoop(new Lab());
        var config = new LoopConfig();
        config.Info.Offset = offset;
        config.Info.SizeLimit = limit;
        Assert.That(Configure(loop, new MemoryFile(10240), config), Is.EqualTo(Errno.OK));
        Assert.That(loop.Size, Is.EqualTo(sectors * 512));
    }

    [Test]
    public void A_bound_device_is_busy_and_an_unbound_one_has_no_status()
    {
        var loop = OpenLoop(new Lab());
        var file = new MemoryFile(4096);
        var info = new LoopInfo64();
        using var _ = Assert.EnterMultipleScope();
        Assert.That(loop.Ioctl(Request.LOOP_GET_STATUS64, Bytes(ref info), file).Error, Is.EqualTo(Errno.ENXIO));
        Assert.That(loop.Ioctl(Request.LOOP_CLR_FD, 0L, file).Error, Is.EqualTo(Errno.ENXIO));
        Assert.That(Configure(loop, file), Is.EqualTo(Errno.OK));
        Assert.That(Configure(loop, file), Is.EqualTo(Errno.EBUSY));
        Assert.That(file.References, Is.EqualTo(1));
    }

    [TestCase(256u, Errno.EINVAL)]
    [TestCase(1000u, Errno.EINVAL)]
    [TestCase(8192u, Errno.EINVAL)]
    [TestCase(4096u, Errno.OK)]
    public void Block_size_is_a_power_of_two_up_to_a_page(uint size, Errno expected)
        => Assert.That(Configure(OpenLoop(new Lab()), new MemoryFile(65536), new LoopConfig { BlockSize = size }), Is.EqualTo(expected));

    [Test]
    public void Flags_that_nobody_knows_are_refused()
    {
        var config = new LoopConfig();
        config.Info.Flags = (LoopFlags)2;
        Assert.That(Configure(OpenLoop(new Lab()), new MemoryFile(4096), config), Is.EqualTo(Errno.EINVAL));
    }

    [Test]
    public void Writing_to_a_read_only_loop_is_EPERM_whatever_BLKROSET_says()
    {
        var loop = OpenLoop(new Lab());
        var file = new MemoryFile(4096) { IsWritable = false };
        Assert.That(Configure(loop, file), Is.EqualTo(Errno.OK));
        int off = 0;
        using var _ = Assert.EnterMultipleScope();
        Assert.That(loop.Write(0, new byte[1], false, false).Error, Is.EqualTo(Errno.EPERM));
        Assert.That(loop.Ioctl(Blk.BLKROSET, Bytes(ref off), file).Error, Is.EqualTo(Errno.OK));
        Assert.That(loop.Write(0, new byte[1], false, false).Error, Is.EqualTo(Errno.EPERM));
    }

    [Test]
    public void Discard_punches_and_zero_out_falls_back_to_writing()
    {
        var loop = OpenLoop(new Lab());
        var file = new MemoryFile(65536);
        Assert.That(Configure(loop, file), Is.EqualTo(Errno.OK));
        Array.Fill(file.Bytes, (byte)1);
        Span<ulong> range = [4096, 8192];
        using var _ = Assert.EnterMultipleScope();
        Assert.That(loop.Ioctl(Blk.BLKDISCARD, MemoryMarshal.AsBytes(range), file).Error, Is.EqualTo(Errno.OK));
        Assert.That(file.Calls, Has.Member("fallocate FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE 4096 8192"));
        range[0] = 16384;
        Assert.That(loop.Ioctl(Blk.BLKZEROOUT, MemoryMarshal.AsBytes(range), file).Error, Is.EqualTo(Errno.OK));
        Assert.That(file.Bytes.AsSpan(16384, 8192).ContainsAnyExcept((byte)0), Is.False);
        Assert.That(file.Bytes[24576], Is.EqualTo(1));
    }

    [Test]
    public void Autoclear_detaches_at_the_last_close()
    {
        var lab = new Lab();
        var loop = OpenLoop(lab);
        var file = new MemoryFile(4096);
        var config = new LoopConfig();
        config.Info.Flags = LoopFlags.LO_FLAGS_AUTOCLEAR;
        Assert.That(Configure(loop, file, config), Is.EqualTo(Errno.OK));
        loop.Close();
        Assert.That(file.References, Is.Zero);
        Assert.That(((LoopDevice)lab.Layer.Devices.Find(new(7, 0))!).IsUnbound, Is.True);
    }

    [Test]
    public void Fsync_of_the_loop_is_fsync_of_the_file()
    {
        var loop = OpenLoop(new Lab());
        var file = new MemoryFile(4096);
        Assert.That(Configure(loop, file), Is.EqualTo(Errno.OK));
        Assert.That(loop.Write(10, "abc"u8, false, false).Value, Is.EqualTo(3));
        Assert.That(file.Bytes[10], Is.Zero);
        Assert.That(loop.Fsync(), Is.EqualTo(Errno.OK));
        Assert.That(file.Bytes[10], Is.EqualTo((byte)'a'));
        Assert.That(file.Calls, Is.EqualTo(new[] { "fsync" }));
    }

    [Test]
    public void Control_node_adds_removes_and_finds()
    {
        var lab = new Lab();
        using var _ = Assert.EnterMultipleScope();
        Assert.That(lab.Loops.Ioctl(Request.LOOP_CTL_GET_FREE, 0).Value, Is.Zero);
        Assert.That(lab.Loops.Ioctl(Request.LOOP_CTL_ADD, 3).Error, Is.EqualTo(Errno.EEXIST));
        Assert.That(lab.Loops.Ioctl(Request.LOOP_CTL_ADD, 20).Value, Is.EqualTo(20));
        Assert.That(lab.Loops.Ioctl(Request.LOOP_CTL_REMOVE, 20).Error, Is.EqualTo(Errno.OK));
        Assert.That(lab.Loops.Ioctl(Request.LOOP_CTL_REMOVE, 20).Error, Is.EqualTo(Errno.ENODEV));
        Assert.That(lab.Loops.Ioctl(Request.LOOP_CTL_REMOVE, -1).Error, Is.EqualTo(Errno.EINVAL));
        Assert.That(lab.Loops.Ioctl(0x4C90, 0).Error, Is.EqualTo(Errno.ENOSYS));
    }
}
