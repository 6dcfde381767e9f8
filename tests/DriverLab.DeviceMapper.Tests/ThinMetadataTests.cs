using System.Xml.Linq;
using DriverLab.Block;
using DriverLab.Linux;

namespace DriverLab.DeviceMapper.Tests;

/// <summary>Metadata as Debian's tools see them, and what the hot path costs.</summary>
public sealed class ThinMetadataTests
{
    [Test]
    public void Random_work_leaves_metadata_that_thin_check_accepts([Values(11, 12, 13, 14)] int seed) => CheckAfterWork(seed, 150);

    [Test]
    [Category("long")]
    public void Ten_thousand_images_pass_thin_check()
    {
        const int first = 1000, count = 10_000;
        for (int seed = first; seed < first + count; seed++)
            CheckAfterWork(seed, 60);
        TestContext.Out.WriteLine($"{count} images written by the emulator pass thin_check, seeds {first} to {first + count - 1}");
    }

    private static void CheckAfterWork(int seed, int steps)
    {
        var lab = new ThinLab();
        new ThinWorkload(seed, lab).Run(steps);
        _ = lab.PoolStatus;
        string image = Path.GetTempFileName();
        try
        {
            File.WriteAllBytes(image, lab.Read(0));
            ThinTools.Check(image, $"seed {seed}");
        }
        finally
        {
            File.Delete(image);
        }
    }

    [Test]
    public void Thin_dump_shows_the_devices_and_their_blocks()
    {
        var lab = new ThinLab();
        Assert.That(lab.Message("create_thin 3"), Is.EqualTo(Errno.OK));
        var file = lab.Open(3);
        byte[] block = new byte[ThinLab.BlockBytes];
        foreach (int at in (int[])[5, 0, 6])
            Assert.That(file.Write((long)at * ThinLab.BlockBytes, block, direct: true, sync: false).Value, Is.EqualTo(block.Length));
        Assert.That(lab.Message("set_transaction_id 0 7"), Is.EqualTo(Errno.OK));
        string image = Path.GetTempFileName();
        File.WriteAllBytes(image, lab.Read(0));
        var (code, text) = ThinTools.Run("thin_dump", image);
        File.Delete(image);
        Assert.That(code, Is.Zero, text);
        var root = XElement.Parse(text);
        var device = root.Element("device")!;
        Assert.Multiple(() =>
        {
            Assert.That(root.Attribute("transaction")!.Value, Is.EqualTo("7"));
            Assert.That(root.Attribute("nr_data_blocks")!.Value, Is.EqualTo("48"));
            Assert.That(device.Attribute("dev_id")!.Value, Is.EqualTo("3"));
            Assert.That(device.Attribute("mapped_blocks")!.Value, Is.EqualTo("3"));
            Assert.That(device.Elements("single_mapping").Select(m => $"{m.Attribute("origin_block")!.Value}>{m.Attribute("data_block")!.Value}"), Is.EqualTo((string[])["0>1", "5>0", "6>2"]));
        });
    }

    [Test]
    public void What_is_reopened_goes_on_where_it_was([Values(21, 22)] int seed)
    {
        var first = new ThinLab();
        var work = new ThinWorkload(seed, first);
        work.Run(100);
        string status = first.PoolStatus;
        var second = new ThinLab(first.Copies);
        Assert.That(second.PoolStatus, Is.EqualTo(status));
        Assert.That(second.Message("create_thin 2000"), Is.EqualTo(Errno.OK));
        var file = second.Open(2000);
        Assert.That(file.Write(0, new byte[4096], direct: true, sync: false).Error, Is.AnyOf(Errno.OK, Errno.ENOSPC));
    }

    [Test]
    public void Mapped_blocks_are_read_and_written_without_allocating()
    {
        var lab = new ThinLab();
        Assert.That(lab.Message("create_thin 0"), Is.EqualTo(Errno.OK));
        _ = lab.Open(0);
        var device = lab.Lab.Device("t0");
        byte[] block = new byte[4096];
        Send(device, BioOp.Write, block);
        for (int warm = 0; warm < 100; warm++)
            Send(device, BioOp.Read, block);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 1000; i++)
            Send(device, BioOp.Read, block);
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.Zero);
    }

    private static void Send(BlockDevice device, BioOp op, byte[] data)
    {
        var bio = device.Layer.AllocBio();
        (bio.Device, bio.Op, bio.Sectors, bio.Data) = (device, op, data.Length >> 9, data);
        if (device.Layer.SubmitAndWait(bio) != BlkStatus.OK)
            Assert.Fail("I/O failed");
    }
}
