using DriverLab.Block.Faults;
using DriverLab.Linux;
using DriverLab.Linux.Abi;

namespace DriverLab.Block.Tests;

/// <summary>Plans of faults: how they are written, and what they do to a disk.</summary>
public sealed class FaultTests
{
    [TestCase("read fails EIO zone=100+8")]
    [TestCase("write fails EIO nth=3 count=2")]
    [TestCase("write fails ENOSPC zone=2048+2048")]
    [TestCase("io fails EIO up=5s down=2s")]
    [TestCase("write lost nth=7 count=1")]
    [TestCase("write torn nth=4 count=1 keep=1 as=OK")]
    [TestCase("write astray by=-16")]
    [TestCase("flush fails EIO; discard fails EOPNOTSUPP; zero fails ETIMEDOUT")]
    public void A_plan_is_printed_as_it_is_written(string text) => Assert.That(FaultPlan.Parse(text).ToString(), Is.EqualTo(text));

    [Test]
    public void Comments_and_empty_lines_are_left_out_and_a_number_alone_strikes_once()
        => Assert.That(FaultPlan.Parse("# a plan\n\n  write   lost nth=2 # the second\n").ToString(), Is.EqualTo("write lost nth=2 count=1"));

    [TestCase("write", "fault 'write': expected OP KIND [KEY=VALUE…]")]
    [TestCase("writes fails EIO", "'writes' is not known; expected one of io, read, write, flush, discard, zero")]
    [TestCase("write burns", "'burns' is not known; expected one of fails, lost, torn, astray")]
    [TestCase("write fails", "expected an error behind 'fails'")]
    [TestCase("write fails ENOENT", "a disk does not say 'ENOENT'; expected one of EOPNOTSUPP, ETIMEDOUT, ENOSPC")]
    [TestCase("read torn keep=1", "only a write can be torn")]
    [TestCase("write astray", "expected by=N")]
    [TestCase("write fails EIO keep=1", "'keep=1' is not known here; expected zone=START+COUNT, nth=N")]
    [TestCase("write fails EIO zone=8", "zone '8' is none; expected START+COUNT in sectors")]
    [TestCase("write fails EIO nth=0", "'nth=0' has no number; expected 1 or more")]
    [TestCase("write fails EIO up=3s", "with up=… also down=… is expected")]
    public void A_mistake_is_named(string text, string sentence)
        => Assert.That(Assert.Throws<FaultPlanException>(() => FaultPlan.Parse(text))!.Message, Does.Contain(sentence));

    [TestCase("write fails EIO nth=3 count=2", "OK OK EIO EIO OK", "12005")]
    [TestCase("write fails ENOSPC zone=1+2", "OK ENOSPC ENOSPC OK OK", "10045")]
    [TestCase("write lost nth=2", "OK OK OK OK OK", "10345")]
    [TestCase("write lost zone=0+2; write fails EIO nth=2", "OK OK OK OK OK", "00345")] // the first that strikes counts, and the other one's turn passes
    public void Writes_are_struck_by_number_and_zone(string plan, string results, string content)
    {
        var (file, disk, read) = Disk(plan);
        var got = Enumerable.Range(0, 5).Select(i => file.Write(i << 9, Sector(i + 1), true, false).Error);
        Assert.That(string.Join(' ', got), Is.EqualTo(results));
        Assert.That(read(), Is.EqualTo(content + "000"));
        Assert.That(disk.Struck, Is.GreaterThan(0));
    }

    [TestCase("write torn keep=2 as=OK", Errno.OK, "11000000")]
    [TestCase("write torn keep=2 as=EIO", Errno.EIO, "11000000")]
    [TestCase("write torn keep=0 as=EIO", Errno.EIO, "00000000")]
    [TestCase("write astray by=4", Errno.OK, "00001111")]
    [TestCase("write astray by=5", Errno.OK, "00000000")] // beyond the end: nowhere
    public void A_write_of_four_sectors_is_torn_or_goes_astray(string plan, Errno error, string content)
    {
        var (file, _, read) = Disk(plan);
        byte[] four = [.. Sector(1), .. Sector(1), .. Sector(1), .. Sector(1)];
        Assert.That(file.Write(0, four, true, false).Error, Is.EqualTo(error));
        Assert.That(read(), Is.EqualTo(content));
    }

    [Test]
    public void Time_turns_a_fault_on_and_off()
    {
        var (file, disk, _) = Disk("io fails EIO up=5s down=2s");
        string got = string.Concat(Enumerable.Range(0, 14).Select(_ =>
        {
            var error = file.Write(0, Sector(1), true, false).Error;
            disk.Layer.World.Clock.Advance(1_000_000_000);
            return error == Errno.OK ? 'u' : 'd';
        }));
        Assert.That(got, Is.EqualTo("uuuuudduuuuudd"));
    }

    [Test]
    public void While_paused_nothing_strikes_and_nothing_counts()
    {
        var (file, disk, _) = Disk("write fails EIO nth=2");
        Assert.That(file.Write(0, Sector(1), true, false).Error, Is.EqualTo(Errno.OK));
        disk.IsPaused = true;
        Assert.That(file.Write(0, Sector(1), true, false).Error, Is.EqualTo(Errno.OK));
        disk.IsPaused = false;
        Assert.That(file.Write(0, Sector(1), true, false).Error, Is.EqualTo(Errno.EIO));
    }

    [TestCase("io fails EIO zone=8+4", "0 8 linear 7:0 0\n8 4 error\n12 20 linear 7:0 12\n")]
    [TestCase("write fails EIO zone=0+8; write lost zone=8+8", "0 8 flakey 7:0 0 0 1 1 error_writes\n8 8 flakey 7:0 8 0 1 1 drop_writes\n16 16 linear 7:0 16\n")]
    [TestCase("io fails EIO up=5s down=2s", "0 32 flakey 7:0 0 5 2\n")]
    [TestCase("read fails EIO zone=30+100", "0 30 linear 7:0 0\n30 2 flakey 7:0 30 0 1 1 error_reads\n")]
    [TestCase("", "0 32 linear 7:0 0\n")]
    public void The_same_faults_as_a_table_of_device_mapper(string plan, string table) => Assert.That(FaultTable.Of(FaultPlan.Parse(plan), "7:0", 32), Is.EqualTo(table));

    [TestCase("write fails EIO nth=3", "no device-mapper target counts requests")]
    [TestCase("write fails ENOSPC", "device-mapper's targets fail with EIO only")]
    [TestCase("write torn keep=1", "no device-mapper target does that")]
    [TestCase("write fails EIO; read fails EIO", "are in one place")]
    public void What_no_target_does_is_refused(string plan, string sentence)
        => Assert.That(Assert.Throws<FaultPlanException>(() => FaultTable.Of(FaultPlan.Parse(plan), "7:0", 32))!.Message, Does.Contain(sentence));

    private static byte[] Sector(int value)
    {
        byte[] sector = new byte[512];
        sector.AsSpan().Fill((byte)value);
        return sector;
    }

    /// <summary>A faulty disk of eight sectors, open for direct I/O, and its content: a digit a sector.</summary>
    private static (BlockFile File, FaultyDisk Disk, Func<string> Read) Disk(string plan)
    {
        var lab = new Lab();
        var ram = lab.Ram(sectors: 8);
        var disk = new FaultyDisk(ram, new(200, 0), "bad0", FaultPlan.Parse(plan));
        lab.Layer.Devices.Add(disk);
        return (lab.Open(disk, OpenFlags.O_RDWR | OpenFlags.O_DIRECT), disk, () =>
        {
            byte[] content = new byte[8 << 9];
            Assert.That(lab.Open(ram, OpenFlags.O_RDWR | OpenFlags.O_DIRECT).Read(0, content, true).Value, Is.EqualTo(content.Length));
            return string.Concat(Enumerable.Range(0, 8).Select(i => (char)('0' + content[i << 9])));
        });
    }
}
