namespace DriverLab.Block.Tests;

public sealed class QueueLimitsTests
{
    private static readonly QueueLimits s_4k = QueueLimits.Default with { PhysicalBlockSize = 4096, IoMin = 4096 };

    [Test]
    public void Block_sizes_are_the_largest_and_io_opt_the_least_common_multiple()
    {
        var limits = QueueLimits.Stacking;
        bool aligned = limits.Stack(QueueLimits.Default with { IoOpt = 3 * 4096 }, 0) & limits.Stack(s_4k with { LogicalBlockSize = 4096, IoOpt = 8192 }, 0);
        using var _ = Assert.EnterMultipleScope();
        Assert.That(aligned, Is.True);
        Assert.That(limits.LogicalBlockSize, Is.EqualTo(4096));
        Assert.That(limits.PhysicalBlockSize, Is.EqualTo(4096));
        Assert.That(limits.IoMin, Is.EqualTo(4096));
        Assert.That(limits.IoOpt, Is.EqualTo(24576));
    }

    [Test]
    public void Requests_are_as_small_as_the_smallest_device_wants()
    {
        var limits = QueueLimits.Stacking;
        Assert.That(limits.Stack(QueueLimits.Default with { MaxSectors = 2560, MaxHwSectors = 2560 }, 0) && limits.Stack(QueueLimits.Default, 0), Is.True);
        Assert.That(limits.MaxSectors, Is.EqualTo(255));
    }

    [Test]
    public void A_start_inside_a_physical_block_is_an_alignment_offset()
    {
        var limits = QueueLimits.Stacking;
        Assert.That(limits.Stack(s_4k, 3), Is.True);
        Assert.That(limits.AlignmentOffset, Is.EqualTo(4096 - 3 * 512));
    }

    [Test]
    public void Two_devices_that_do_not_line_up_are_misaligned()
    {
        var limits = QueueLimits.Stacking;
        Assert.That(limits.Stack(s_4k, 0), Is.True);
        Assert.That(limits.Stack(s_4k, 3), Is.False);
        Assert.That(limits.Misaligned, Is.True);
    }

    [Test]
    public void Write_zeroes_needs_every_device()
    {
        var limits = QueueLimits.Stacking;
        Assert.That(limits.Stack(QueueLimits.Default with { MaxWriteZeroesSectors = 100 }, 0), Is.True);
        Assert.That(limits.MaxWriteZeroesSectors, Is.EqualTo(100));
        Assert.That(limits.Stack(QueueLimits.Default, 0), Is.True);
        Assert.That(limits.MaxWriteZeroesSectors, Is.Zero);
    }
}
