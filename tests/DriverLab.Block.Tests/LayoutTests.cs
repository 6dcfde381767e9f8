using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using DriverLab.Linux.Ioctl;

namespace DriverLab.Block.Tests;

/// <summary>Sizes and offsets of the ioctl structures, as the C compiler lays them out on x86-64.</summary>
public sealed class LayoutTests
{
    [Test]
    public void Dm_ioctl_is_312_bytes()
    {
        using var _ = Assert.EnterMultipleScope();
        Assert.That(Unsafe.SizeOf<DmIoctl>(), Is.EqualTo(312));
        Assert.That(Offset<DmIoctl>(nameof(DmIoctl.DataSize)), Is.EqualTo(12));
        Assert.That(Offset<DmIoctl>(nameof(DmIoctl.OpenCount)), Is.EqualTo(24));
        Assert.That(Offset<DmIoctl>(nameof(DmIoctl.Flags)), Is.EqualTo(28));
        Assert.That(Offset<DmIoctl>(nameof(DmIoctl.Dev)), Is.EqualTo(40));
        Assert.That(Offset<DmIoctl>(nameof(DmIoctl.Name)), Is.EqualTo(48));
        Assert.That(Offset<DmIoctl>(nameof(DmIoctl.Uuid)), Is.EqualTo(176));
        Assert.That(Offset<DmIoctl>(nameof(DmIoctl.Data)), Is.EqualTo(DmIoctl.DataOffset));
        Assert.That(Unsafe.SizeOf<DmTargetSpec>(), Is.EqualTo(40));
        Assert.That(Offset<DmTargetSpec>(nameof(DmTargetSpec.TargetType)), Is.EqualTo(24));
    }

    [Test]
    public void Loop_structures_are_232_and_304_and_168_bytes()
    {
        using var _ = Assert.EnterMultipleScope();
        Assert.That(Unsafe.SizeOf<LoopInfo64>(), Is.EqualTo(232));
        Assert.That(Offset<LoopInfo64>(nameof(LoopInfo64.Offset)), Is.EqualTo(24));
        Assert.That(Offset<LoopInfo64>(nameof(LoopInfo64.Flags)), Is.EqualTo(52));
        Assert.That(Offset<LoopInfo64>(nameof(LoopInfo64.FileName)), Is.EqualTo(56));
        Assert.That(Offset<LoopInfo64>(nameof(LoopInfo64.Init)), Is.EqualTo(216));
        Assert.That(Unsafe.SizeOf<LoopConfig>(), Is.EqualTo(304));
        Assert.That(Offset<LoopConfig>(nameof(LoopConfig.Info)), Is.EqualTo(8));
        Assert.That(Unsafe.SizeOf<LoopInfo>(), Is.EqualTo(168));
        Assert.That(Offset<LoopInfo>(nameof(LoopInfo.Offset)), Is.EqualTo(32));
    }

    [TestCase(DmCommand.Version, 0xC138FD00u)]
    [TestCase(DmCommand.TableLoad, 0xC138FD09u)]
    [TestCase(DmCommand.GetTargetVersion, 0xC138FD11u)]
    public void Dm_requests_have_the_numbers_of_strace(DmCommand command, uint number) => Assert.That(DmIoctl.Request(command), Is.EqualTo(number));

    private static int Offset<T>(string field) => (int)Marshal.OffsetOf<T>(field);
}
