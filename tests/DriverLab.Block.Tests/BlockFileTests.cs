using System.Runtime.InteropServices;
using CsCheck;
using DriverLab.Block.Devices;
using DriverLab.Block.Faults;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Linux.Ioctl;

namespace DriverLab.Block.Tests;

public sealed class BlockFileTests
{
    [Test]
    public void A_write_at_the_end_is_ENOSPC_and_one_across_it_short()
    {
        var lab = new Lab();
        var file = lab.Open(lab.Ram(sectors: 8));
        using var _ = Assert.EnterMultipleScope();
        Assert.That(file.Write(4096, new byte[1], false, false).Error, Is.EqualTo(Errno.ENOSPC));
        Assert.That(file.Write(4000, new byte[500], false, false).Value, Is.EqualTo(96));
        Assert.That(file.Read(4000, new byte[500], false).Value, Is.EqualTo(96));
        Assert.That(file.Read(4096, new byte[1], false).Value, Is.Zero);
    }

    [Test]
    public void Direct_io_wants_logical_blocks()
    {
        var lab = new Lab();
        var file = lab.Open(lab.Ram());
        using var _ = Assert.EnterMultipleScope();
        Assert.That(file.Write(100, new byte[512], true, false).Error, Is.EqualTo(Errno.EINVAL));
        Assert.That(file.Read(512, new byte[100], true).Error, Is.EqualTo(Errno.EINVAL));
        Assert.That(file.Write(512, new byte[512], true, false).Value, Is.EqualTo(512));
    }

    [Test]
    public void Buffered_writes_reach_the_device_at_fsync()
    {
        var lab = new Lab();
        var recorder = new RecordingDisk(lab.Ram(), new(200, 0), "rec0");
        lab.Layer.Devices.Add(recorder);
        var file = lab.Open(recorder);
        Assert.That(file.Write(0, new byte[4096], false, false).Value, Is.EqualTo(4096));
        Assert.That(recorder.Entries, Is.Empty);
        Assert.That(file.Fsync(), Is.EqualTo(Errno.OK));
        Assert.That(recorder.Entries.Select(e => (e.Op, e.Sector, e.Sectors)), Is.EqualTo(new[] { (BioOp.Write, 0L, 8) }));
    }

    [Test]
    public void A_write_error_shows_once_at_the_next_fsync_of_each_file()
    {
        var lab = new Lab();
        var faulty = new FaultyDisk(lab.Ram(), new(200, 0), "bad0", FaultPlan.Parse("write fails EIO zone=8+8"));
        lab.Layer.Devices.Add(faulty);
        var file = lab.Open(faulty);
        var other = lab.Open(faulty);
        byte[] read = new byte[4];
        using var _ = Assert.EnterMultipleScope();
        Assert.That(file.Write(4096, "kept"u8, false, false).Value, Is.EqualTo(4));
        Assert.That(file.Fsync(), Is.EqualTo(Errno.EIO));
        Assert.That(file.Fsync(), Is.EqualTo(Errno.OK));
        Assert.That(other.Fsync(), Is.EqualTo(Errno.EIO));
        Assert.That(file.Read(4096, read, false).Value, Is.EqualTo(4));
        Assert.That(read, Is.EqualTo("kept"u8.ToArray()));
        Assert.That(lab.World.Log.Lines, Has.Member("Buffer I/O error on dev bad0, logical block 1, lost async page write"));
    }

    [Test]
    public void Exclusive_opens_exclude_each_other_and_nobody_else()
    {
        var lab = new Lab();
        var ram = lab.Ram();
        var file = lab.Open(ram, OpenFlags.O_RDWR | OpenFlags.O_EXCL);
        using var _ = Assert.EnterMultipleScope();
        Assert.That(BlockFile.Open(lab.Layer.Devices, ram.Number, OpenFlags.O_RDONLY | OpenFlags.O_EXCL).Error, Is.EqualTo(Errno.EBUSY));
        Assert.That(BlockFile.Open(lab.Layer.Devices, ram.Number, OpenFlags.O_RDWR).Error, Is.EqualTo(Errno.OK));
        file.Close();
        Assert.That(BlockFile.Open(lab.Layer.Devices, ram.Number, OpenFlags.O_RDONLY | OpenFlags.O_EXCL).Error, Is.EqualTo(Errno.OK));
    }

    [Test]
    public void A_ram_disk_of_6_1_has_no_discard_even_for_bad_arguments()
    {
        var lab = new Lab();
        var file = lab.Open(lab.Ram());
        Span<ulong> range = [0, 100];
        Assert.That(file.Ioctl(Blk.BLKDISCARD, MemoryMarshal.AsBytes(range), KernelCaller.Instance).Error, Is.EqualTo(Errno.EOPNOTSUPP));
    }

    [Test]
    public void Any_mixture_of_buffered_and_direct_io_reads_what_was_written()
    {
        const int size = 64 * 1024;
        var step = Gen.Select(Gen.Int[0, size / 512 - 1], Gen.Int[1, 40], Gen.Int[0, 4], Gen.Byte);
        step.Array[1, 30].Sample(steps =>
        {
            var lab = new Lab();
            var file = lab.Open(lab.Ram(sectors: size / 512));
            byte[] model = new byte[size];
            foreach (var (sector, sectors, kind, value) in steps)
            {
                bool direct = kind is 0 or 1;
                int start = sector * 512 + (direct ? 0 : kind * 37);
                byte[] data = new byte[Math.Min(sectors * 512, size - start)];
                if (kind is 0 or 2)
                {
                    Array.Fill(data, value);
                    if (file.Write(start, data, direct, false).Value != data.Length)
                        return false;
                    data.CopyTo(model, start);
                }
                else if (file.Read(start, data, direct).Value != data.Length || !data.AsSpan().SequenceEqual(model.AsSpan(start, data.Length)))
                {
                    return false;
                }
            }
            return true;
        }, iter: 300, threads: 1);
    }

    [Test]
    public void Reading_and_writing_allocate_nothing()
    {
        var lab = new Lab();
        var file = lab.Open(lab.Ram());
        byte[] buffer = new byte[4096];
        void Round()
        {
            for (int i = 0; i < 16; i++)
            {
                _ = file.Write(i * 4096, buffer, true, false);
                _ = file.Read(i * 4096, buffer, true);
                _ = file.Write(i * 4096, buffer, false, false);
                _ = file.Read(i * 4096, buffer, false);
            }
            _ = file.Fsync();
        }
        Round();
        Round();
        long before = GC.GetAllocatedBytesForCurrentThread();
        Round();
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.Zero);
    }
}
