using DriverLab.Block;
using DriverLab.Linux;

namespace DriverLab.DeviceMapper.Tests;

/// <summary>Which tables are taken, which sentence refuses the others, and what limits they give.</summary>
public sealed class TableTests
{
    [TestCase("0 8 linear 200:0 0|8 8 zero", null)]
    [TestCase("0 8 zero|16 8 zero", "zero: Gap in table (-EINVAL)")]
    [TestCase("8 8 zero", "zero: Gap in table (-EINVAL)")]
    [TestCase("0 8 zero|4 8 zero", "zero: Gap in table (-EINVAL)")]
    [TestCase("0 0 zero", "zero-length target")]
    [TestCase("0 9007199254740992 zero", null)]
    [TestCase("0 18014398509481984 zero", "too large device")]
    [TestCase("0 8 nothing", "nothing: unknown target type")]
    [TestCase("0 8 zero 1", "zero: No arguments required (-EINVAL)")]
    [TestCase("0 8 linear 200:0", "linear: Invalid argument count (-EINVAL)")]
    [TestCase("0 8 linear 200:0 0x10", "linear: Invalid device sector (-EINVAL)")]
    [TestCase("0 8 linear 200:0 -1", "linear: Invalid device sector (-EINVAL)")]
    [TestCase("0 8 linear 201:0 0", "linear: Device lookup failed (-ENXIO)")]
    [TestCase("0 8 linear /dev/none 0", "linear: Device lookup failed (-ENODEV)")]
    [TestCase("0 8 striped 0 8", "striped: Invalid stripe count (-EINVAL)")]
    [TestCase("0 8 striped 2 0 200:0 0 200:1 0", "striped: Invalid chunk_size (-EINVAL)")]
    [TestCase("0 9 striped 2 1 200:0 0 200:1 0", "striped: Target length not divisible by number of stripes (-EINVAL)")]
    [TestCase("0 8 striped 2 3 200:0 0 200:1 0", "striped: Target length not divisible by chunk size (-EINVAL)")]
    [TestCase("0 8 striped 2 4 200:0 0", "striped: Not enough destinations specified (-EINVAL)")]
    [TestCase("0 6 striped 2 3 200:0 0 200:1 0", null)]
    [TestCase("0 8 error what ever", null)]
    public void Rows(string rows, string? sentence)
    {
        var lab = new DmLab();
        Assert.That(lab.Create("a"), Is.EqualTo(Errno.OK));
        var error = lab.Load("a", rows.Split('|'));
        Assert.That(error == Errno.OK, Is.EqualTo(sentence is null), () => lab.LastLog);
        if (sentence is not null)
            Assert.That(lab.World.Log.Lines[^2], Is.EqualTo($"device-mapper: table: 254:0: {sentence}"));
    }

    [Test]
    public void A_refused_table_leaves_no_device_open()
    {
        var lab = new DmLab();
        Assert.That(lab.Create("a"), Is.EqualTo(Errno.OK));
        Assert.That(lab.Load("a", "0 8 linear 200:0 0", "9 8 linear 200:1 0"), Is.EqualTo(Errno.EINVAL));
        Assert.That(lab.Disks.Select(d => d.Openers), Is.All.Zero);
    }

    [Test]
    public void Tables_print_what_makes_them_again()
    {
        var lab = new DmLab();
        _ = lab.Make("a", "0 8 zero", "8 8 linear 200:0 16", "16 24 striped 2 4 200:1 0 200:2 8", "40 8 error");
        using var scope = Assert.EnterMultipleScope();
        Assert.That(lab.Table("a"), Is.EqualTo("0 8 zero \n8 8 linear 200:0 16\n16 24 striped 2 4 200:1 0 200:2 8\n40 8 error \n"));
        Assert.That(lab.Table("a", 0), Is.EqualTo("0 8 zero \n8 8 linear \n16 24 striped 2 200:1 200:2 1 AA\n40 8 error \n"));
    }

    [Test]
    public void A_device_of_4096_byte_blocks_demands_rows_that_fit()
    {
        var lab = new DmLab();
        lab.Disks[1].Limits.LogicalBlockSize = lab.Disks[1].Limits.PhysicalBlockSize = 4096;
        Assert.That(lab.Create("a"), Is.EqualTo(Errno.OK));
        Assert.That(lab.Load("a", "0 1001 linear 200:0 0", "1001 8 linear 200:1 0"), Is.EqualTo(Errno.EINVAL));
        Assert.That(lab.Load("a", "0 1001 linear 200:0 0", "1001 7 linear 200:0 2000", "1008 8 linear 200:1 0"), Is.EqualTo(Errno.OK), () => lab.LastLog);
        Assert.That(lab.Resume("a"), Is.EqualTo(Errno.OK));
        Assert.That(lab.Device("a").Limits.LogicalBlockSize, Is.EqualTo(4096));
    }

    [Test]
    public void Striped_tells_chunk_and_row_of_chunks_as_best_sizes()
    {
        var lab = new DmLab();
        foreach (var disk in lab.Disks)
            disk.Limits = QueueLimits.Default;
        var device = lab.Make("a", "0 48 striped 3 16 200:0 0 200:1 0 200:2 0");
        Assert.That((device.Limits.IoMin, device.Limits.IoOpt), Is.EqualTo((8192u, 24576u)));
    }

    [Test]
    public void Discards_are_offered_when_every_row_takes_them()
    {
        var lab = new DmLab();
        lab.Disks[0].Limits.MaxDiscardSectors = 1000;
        lab.Disks[0].Limits.DiscardGranularity = 4096;
        Assert.That(lab.Make("a", "0 8 linear 200:0 0").Limits.MaxDiscardSectors, Is.EqualTo(1000));
        Assert.That(lab.Make("b", "0 8 linear 200:0 0", "8 8 linear 200:1 0").Limits.MaxDiscardSectors, Is.Zero);
    }
}
