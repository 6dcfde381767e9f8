using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.StorageDrivers.Btrfs;

namespace DriverLab.StorageDrivers.Tests;

/// <summary>What btrfs does beyond the contract, on the machine's own kernel.</summary>
public sealed class BtrfsDriverTests
{
    [Test]
    public void A_subvolume_made_inside_a_layer_goes_with_it()
    {
        using var box = Sandbox.Make(KernelKind.Host);
        using var driver = box.Driver("btrfs");
        Assert.That(driver.Create("a", "", LayerOptions.None), Is.Null);
        string root = driver.Get("a").Value;
        box.Mkdir(root + "/d");
        Assert.That(box.Kernel.CreateSubvolume(root + "/d", "inner"), Is.Null);
        Assert.That(box.Kernel.CreateSubvolume(root + "/d/inner", "innermost"), Is.Null);
        box.Write(root + "/d/inner/innermost/f", "x");
        Assert.That(driver.Remove("a"), Is.Null);
        Assert.That(box.Exists(root), Is.False);
    }

    [Test]
    public void A_size_limits_the_layer_with_its_parent_and_is_kept_in_a_file()
    {
        using var box = Sandbox.Make(KernelKind.Host);
        using var driver = box.Driver("btrfs", "btrfs.min_space=1m");
        Assert.That(driver.CreateReadWrite("small", "", new LayerOptions(4096))?.Detail, Does.Contain("below btrfs.min_space"));
        Assert.That(driver.CreateReadWrite("a", "", new LayerOptions(8 << 20)), Is.Null);
        Assert.That(box.Read($"{box.Home}/quotas/a"), Is.EqualTo($"{8 << 20}"));
        Assert.That(Fill(box, driver.Get("a").Value + "/f", 32 << 20), Is.EqualTo(Errno.EDQUOT));
        Assert.That(driver.Remove("a"), Is.Null);
        Assert.That(box.Exists($"{box.Home}/quotas/a"), Is.False);
        Assert.That(driver.Status().Single(p => p.Key == "Quota").Value, Is.EqualTo("on"));
    }

    [Test]
    public void A_home_elsewhere_is_refused_and_the_file_system_named()
    {
        using var box = Sandbox.Make(KernelKind.Host);
        var opened = BtrfsDriver.Open(box.Kernel, new BtrfsOptions(box.Root + "/home"));
        Assert.That(opened.Error?.Errno, Is.EqualTo(Errno.EOPNOTSUPP));
        Assert.That(opened.Error?.ToString(), Does.Contain("must be on btrfs"));
    }

    private static Errno Fill(Sandbox box, string path, int bytes)
    {
        var opened = box.Kernel.OpenAt(Fd.Cwd, ByteText.Bytes(path), OpenFlags.O_WRONLY | OpenFlags.O_CREAT, (Mode)0x1A4);
        var random = new Random(1);
        byte[] block = new byte[1 << 16];
        var error = Errno.OK;
        for (int done = 0; done < bytes && error == Errno.OK; done += block.Length)
        {
            random.NextBytes(block);
            error = box.Kernel.Write(opened.Value, block).Error;
            if (error == Errno.OK && done % (1 << 20) == 0)
                error = box.Kernel.Fsync(opened.Value);
        }
        _ = box.Kernel.Close(opened.Value);
        return error;
    }
}
