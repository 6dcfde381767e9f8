using CsCheck;
using DriverLab.Block;
using DriverLab.Block.Devices;
using DriverLab.Linux;

namespace DriverLab.DeviceMapper.Tests;

/// <summary>Where bios go: splitting, cloning, flushes, errors.</summary>
public sealed class IoTests
{
    [Test]
    public void A_read_across_zero_and_error_fails_as_a_whole()
    {
        var lab = new DmLab();
        _ = lab.Make("a", "0 8 zero", "8 8 error");
        var file = lab.Open("a");
        Assert.That(file.Read(0, new byte[8192], direct: true).Error, Is.EqualTo(Errno.EIO));
        Assert.That(file.Read(0, new byte[4096], direct: true).Value, Is.EqualTo(4096));
    }

    [Test]
    public void A_flush_goes_to_every_row_once_for_each_stripe()
    {
        var lab = new DmLab();
        foreach (var disk in lab.Disks)
            disk.Limits.WriteCache = disk.Below.Limits.WriteCache = true;
        _ = lab.Make("a", "0 8 linear 200:0 0", "8 8 linear 200:0 8", "16 8 striped 2 4 200:1 0 200:2 0", "24 8 zero");
        Assert.That(lab.Open("a").Fsync(), Is.EqualTo(Errno.OK));
        Assert.That(lab.Disks.Select(d => d.Entries.Count), Is.EqualTo(new[] { 2, 1, 1, 0 }));
    }

    [Test]
    public void Preflush_goes_everywhere_before_the_data()
    {
        var lab = new DmLab();
        lab.Disks[0].Limits.WriteCache = lab.Disks[0].Below.Limits.WriteCache = true;
        var device = lab.Make("a", "0 8 linear 200:0 0");
        var bio = lab.Layer.AllocBio();
        (bio.Device, bio.Op, bio.Flags, bio.Sectors, bio.Data) = (device, BioOp.Write, BioFlags.PreFlush, 8, new byte[4096]);
        Assert.That(lab.Layer.SubmitAndWait(bio), Is.EqualTo(BlkStatus.OK));
        Assert.That(lab.Disks[0].Entries.Select(e => (e.Sectors, (e.Flags & BioFlags.PreFlush) != 0)), Is.EqualTo(new[] { (0, true), (8, false) }));
    }

    [TestCase(BioOp.Read), TestCase(BioOp.Write)]
    public void A_bio_through_five_linear_devices_allocates_nothing(BioOp op)
    {
        var lab = new DmLab(disks: 0);
        lab.Layer.Devices.Add(new RamDisk(lab.Layer, 0, 4096));
        string below = "1:0";
        BlockDevice? top = null;
        for (int level = 0; level < 5; level++)
        {
            top = lab.Make($"l{level}", $"0 {2048 - (level * 8)} linear {below} 8");
            below = top.Number.ToString();
        }
        var page = new byte[4096];
        for (int i = 0; i < 1000; i++)
            Assert.That(Send(), Is.EqualTo(BlkStatus.OK));
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 1000; i++)
            _ = Send(); // was asserted above; an assertion allocates
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.Zero);

        BlkStatus Send()
        {
            var bio = lab.Layer.AllocBio();
            (bio.Device, bio.Op, bio.Sectors, bio.Data) = (top!, op, 8, page);
            return lab.Layer.SubmitAndWait(bio);
        }
    }

    [Test]
    public void Any_stack_of_linear_and_striped_reads_back_what_was_written()
    {
        var gen = Gen.Select(Gen.Int[1, 7], Gen.Int[1, 4], Gen.Int[1, 9], Gen.Select(Gen.Int[0, 200], Gen.Int[1, 100], Gen.Byte).Array[1, 12]);
        gen.Sample((cuts, stripes, chunk, writes) =>
        {
            var lab = new DmLab();
            long stripedLength = (long)stripes * chunk * cuts;
            string legs = string.Join(' ', Enumerable.Range(0, stripes).Select(i => $"200:{i} {i * 3}"));
            _ = lab.Make("low", $"0 {stripedLength} striped {stripes} {chunk} {legs}", $"{stripedLength} 300 linear 200:3 1000");
            long half = (stripedLength + 300) / 2, all = stripedLength + 300;
            _ = lab.Make("top", $"0 {half} linear 254:0 {all - half}", $"{half} {all - half} linear 254:0 0");
            var file = lab.Open("top");
            byte[] model = new byte[all * 512];
            foreach (var (at, count, value) in writes)
            {
                long start = Math.Min(at, all - 1), sectors = Math.Min(count, all - start);
                byte[] data = new byte[sectors * 512];
                Array.Fill(data, value);
                if (file.Write(start * 512, data, direct: true, sync: false).Value != data.Length)
                    return false;
                data.CopyTo(model, start * 512);
            }
            byte[] read = new byte[model.Length];
            return file.Read(0, read, direct: true).Value == read.Length && read.AsSpan().SequenceEqual(model);
        }, iter: 200, threads: 1);
    }

    [Test]
    public void A_discard_of_a_striped_range_covers_what_it_covers_and_no_more()
    {
        Gen.Select(Gen.Int[1, 4], Gen.Int[1, 9], Gen.Int[0, 60], Gen.Int[1, 60]).Sample((stripes, chunk, at, count) =>
        {
            var lab = new DmLab();
            foreach (var disk in lab.Disks)
                (disk.Limits.MaxDiscardSectors, disk.Limits.DiscardGranularity, disk.Below.Limits.MaxDiscardSectors) = (1_000_000, 512, 1_000_000);
            long length = (long)stripes * chunk * 20;
            string legs = string.Join(' ', Enumerable.Range(0, stripes).Select(i => $"200:{i} 0"));
            var device = lab.Make("a", $"0 {length} striped {stripes} {chunk} {legs}");
            long start = Math.Min(at, length - 1), sectors = Math.Min(count, length - start);
            _ = device.IssueDiscard(start, sectors);
            var covered = new HashSet<(int, long)>();
            for (int leg = 0; leg < stripes; leg++)
                foreach (var entry in lab.Disks[leg].Entries)
                    for (long s = entry.Sector; s < entry.Sector + entry.Sectors; s++)
                        if (!covered.Add((leg, s)))
                            return false;
            var wanted = Enumerable.Range((int)start, (int)sectors).Select(s => (s / chunk % stripes, (long)(s / chunk / stripes * chunk + s % chunk))).ToHashSet();
            return wanted.SetEquals(covered);
        }, iter: 300, threads: 1);
    }

    [Test]
    public void Five_nested_linear_devices_allocate_nothing()
    {
        var lab = new DmLab();
        var ram = new Block.Devices.RamDisk(lab.Layer, 9, 4096);
        lab.Layer.Devices.Add(ram);
        BlockDevice device = lab.Make("d0", "0 2048 linear 1:9 8");
        for (int i = 1; i < 5; i++)
            device = lab.Make($"d{i}", $"0 2048 linear 254:{i - 1} 0");
        byte[] data = new byte[4096];
        void Round()
        {
            for (int i = 0; i < 1000; i++)
            {
                var bio = lab.Layer.AllocBio();
                bio.Device = device;
                bio.Op = (i & 1) == 0 ? BioOp.Write : BioOp.Read;
                bio.Sector = i % 200 * 8;
                bio.Sectors = 8;
                bio.Data = data;
                if (lab.Layer.SubmitAndWait(bio) != BlkStatus.OK)
                    throw new InvalidOperationException("a bio failed");
            }
        }
        Round();
        Round();
        long before = GC.GetAllocatedBytesForCurrentThread();
        Round();
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.Zero);
    }
}
