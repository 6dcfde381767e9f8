using DriverLab.Labs.Files;
using DriverLab.Labs.Running;
using DriverLab.Rig;

namespace DriverLab.Labs.Tests;

/// <summary>Disks of an emulated kernel: made from tables, kept and brought back.</summary>
public class EmulatedDiskTests
{
    [Test]
    public void A_table_over_two_RAM_disks_is_the_disk()
    {
        using var disk = EmulatedDisk.Start("d", "6.12", [new("a", 1 << 20, null), new("b", 2 << 20, null)], [new("joined", "0 2048 linear {a} 0\n2048 4096 linear {b} 0", [])], serve: true, null);
        Assert.That(disk.Device.CapacityBytes, Is.EqualTo(3 << 20));
        Assert.That(disk.ForMachine("d").Source, Does.StartWith("@driverlab-nbd-"));
    }

    [Test]
    public void A_table_that_the_kernel_refuses_is_told_with_the_kernels_sentence()
    {
        var refused = Assert.Throws<RigUsageException>(() => EmulatedDisk.Start("d", "6.12", [new("a", 1 << 20, null)], [new("t", "0 8 linear {a} x", [])], serve: false, null))!;
        Assert.That(refused.Message, Does.StartWith("the emulated kernel refuses table of t: EINVAL (").And.Contain("device-mapper"));
    }

    [Test]
    public void Content_is_kept_and_brought_back_more_than_once()
    {
        using var disk = EmulatedDisk.Start("d", "6.12", [new("a", 4 << 20, null)], [], serve: false, null);
        Put(disk, 0, 1);
        Put(disk, 2 << 20, 2);
        object kept = disk.Capture();
        Put(disk, 0, 9);
        Put(disk, 3 << 20, 9);
        disk.Revert(kept);
        Assert.That((Get(disk, 0), Get(disk, 2 << 20), Get(disk, 3 << 20)), Is.EqualTo((1, 2, 0)));
        Put(disk, 0, 8);
        disk.Revert(kept);
        Assert.That(Get(disk, 0), Is.EqualTo(1));
    }

    private static void Put(EmulatedDisk disk, long at, byte value)
    {
        var bio = disk.Device.Layer.AllocBio();
        (bio.Device, bio.Op, bio.Sector, bio.Sectors, bio.Data) = (disk.Device, Block.BioOp.Write, at >> 9, 8, Enumerable.Repeat(value, 4096).ToArray());
        Assert.That(disk.Device.Layer.SubmitAndWait(bio), Is.EqualTo(Block.BlkStatus.OK));
    }

    private static int Get(EmulatedDisk disk, long at)
    {
        byte[] bytes = new byte[4096];
        var bio = disk.Device.Layer.AllocBio();
        (bio.Device, bio.Op, bio.Sector, bio.Sectors, bio.Data) = (disk.Device, Block.BioOp.Read, at >> 9, 8, bytes);
        Assert.That(disk.Device.Layer.SubmitAndWait(bio), Is.EqualTo(Block.BlkStatus.OK));
        return bytes[4095];
    }
}
