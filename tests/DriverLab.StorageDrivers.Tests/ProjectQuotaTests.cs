using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.StorageDrivers.DeviceMapper;

namespace DriverLab.StorageDrivers.Tests;

/// <summary>Sizes of containers by project quota, where a file system has it: on xfs and ext4 in machines.</summary>
[TestFixture(KernelKind.Guest61, "xfs", Category = "long"), TestFixture(KernelKind.Guest612, "xfs"), TestFixture(KernelKind.Guest61, "ext4"), TestFixture(KernelKind.Guest612, "ext4", Category = "long")]
[Category("rig")]
public sealed class ProjectQuotaTests(KernelKind kernel, string fileSystem)
{
    private const int MiB = 1 << 20;
    private Sandbox _box = null!;

    [SetUp]
    public void Begin()
    {
        TestContext.Out.WriteLine($"{fileSystem} on {kernel}"); // the runner shows no fixture's arguments
        _box = Sandbox.Make(kernel);
    }

    [TearDown]
    public void End()
    {
        _ = _box.Kernel.Umount(ByteText.Bytes(_box.Home), UmountFlags.None);
        _box.Dispose();
    }

    private void MountHome(bool hasQuota = true)
    {
        string home = _box.Directory("home");
        string made = $"/tmp/quota-{Guid.NewGuid():n}.img";
        _ = Guests.Run(kernel, $"truncate -s 400M {made} && " + (fileSystem == "xfs" ? $"mkfs.xfs -q {made}" : $"mkfs.ext4 -q {(hasQuota ? "-O quota,project -E quotatype=prjquota" : "")} {made}"));
        var loop = LoopFile.Attach(_box.Kernel, made);
        Assert.That(loop.Error, Is.Null);
        var error = _box.Kernel.Mount(ByteText.Bytes($"/dev/loop{loop.Value.Device.Minor}"), ByteText.Bytes(home), ByteText.Bytes(fileSystem), MountFlags.None, ByteText.Bytes(hasQuota ? "prjquota" : ""));
        _ = _box.Kernel.Close(loop.Value.Handle); // the mount holds the device, and the device the file
        _ = _box.Kernel.UnlinkAt(Fd.Cwd, ByteText.Bytes(made), AtFlags.None);
        Sandbox.Check(error, $"mount {fileSystem}");
    }

    private static void Create(IStorageDriver driver, string id, string parent = "") => Assert.That(driver.Create(id, parent, LayerOptions.None), Is.Null);

    /// <summary>Writes so many MiB to a file of a layer as an ordinary user, whom alone ext4 stops, and syncs it.</summary>
    private Errno Fill(IStorageDriver driver, string id, string name, int megabytes)
    {
        var root = driver.Get(id);
        Assert.That(root.Error, Is.Null);
        _box.Chmod(root.Value, 0x1FF);
        using var user = _box.Kernel.Fork();
        Sandbox.Check(user.Chdir(ByteText.Bytes(root.Value))); // the driver's home is closed to others
        Sandbox.Check(user.SetIds(UserIds.User(1000)));
        var file = user.OpenAt(Fd.Cwd, ByteText.Bytes(name), OpenFlags.O_WRONLY | OpenFlags.O_CREAT, (Mode)0x1A4);
        Sandbox.Check(file.Error, name);
        byte[] piece = new byte[MiB];
        var error = Errno.OK;
        for (int i = 0; i < megabytes && error == Errno.OK; i++)
        {
            var written = user.Write(file.Value, piece);
            error = written.IsOk && written.Value < piece.Length ? user.Write(file.Value, piece.AsSpan(written.Value)).Error : written.Error;
        }
        var synced = user.Fsync(file.Value);
        _ = user.Close(file.Value);
        Assert.That(driver.Put(id), Is.Null);
        return error == Errno.OK ? synced : error;
    }

    private DiskQuota QuotaOf(uint project)
    {
        var quota = default(DiskQuota);
        Sandbox.Check(_box.Kernel.Quotactl(QuotaCommand.Q_XGETQUOTA, QuotaType.PRJQUOTA, ByteText.Bytes(_box.Home + "/backingFsBlockDev"), project, ref quota), $"project {project}");
        return quota;
    }

    /// <summary>What a full project says: ENOSPC on xfs, EDQUOT on ext4.</summary>
    private Errno Full => fileSystem == "xfs" ? Errno.ENOSPC : Errno.EDQUOT;

    [Test]
    public void A_containers_size_counts_its_own_layer_on_overlay2()
    {
        MountHome();
        using var driver = _box.Driver("overlay2");
        Create(driver, "base");
        Assert.That(Fill(driver, "base", "image", 20), Is.EqualTo(Errno.OK));
        Assert.That(driver.Create("small", "base", new LayerOptions(10 * MiB))?.Errno, Is.EqualTo(Errno.EINVAL), "a read-only layer has no size");
        Assert.That(driver.CreateReadWrite("small", "base", new LayerOptions(10 * MiB)), Is.Null);
        Assert.That(driver.CreateReadWrite("free", "base", LayerOptions.None), Is.Null);
        Assert.That(Fill(driver, "small", "half", 5), Is.EqualTo(Errno.OK));
        Assert.That(Fill(driver, "small", "more", 10), Is.EqualTo(Full));
        Assert.That(Fill(driver, "free", "more", 20), Is.EqualTo(Errno.OK));
        var quota = QuotaOf(1);
        Assert.That(quota.BlocksHard * 512, Is.EqualTo(10UL * MiB));
        Assert.That(quota.BlocksUsed * 512, Is.InRange(5UL * MiB, 10UL * MiB));
        Assert.That(((Store.ILayerList)driver).Layers().Value, Is.EquivalentTo((string[])["base", "free", "small"]), "the node is no layer");
        Assert.That(driver.Remove("small"), Is.Null);
        for (int i = 0; i < 600 && QuotaOf(1).BlocksUsed > 0; i++)
            _box.Kernel.Sleep(100_000_000); // xfs frees removed inodes in the background
        Assert.That(QuotaOf(1).BlocksUsed, Is.Zero);
    }

    [Test]
    public void The_drivers_own_size_holds_for_containers_without_one_and_projects_go_on_after_a_restart()
    {
        MountHome();
        using (var first = _box.Driver("overlay2", "overlay2.size=8m"))
        {
            Create(first, "base");
            Assert.That(Fill(first, "base", "image", 12), Is.EqualTo(Errno.OK), "read-only layers are not limited");
            Assert.That(first.CreateReadWrite("a", "base", LayerOptions.None), Is.Null);
            Assert.That(Fill(first, "a", "more", 12), Is.EqualTo(Full));
        }
        using var second = DriverCatalog.Open(_box.Kernel, "overlay2", _box.Home, new Files.IdSource(2), ["overlay2.size=8m"]).Value;
        Assert.That(second.CreateReadWrite("b", "base", new LayerOptions(16 * MiB)), Is.Null);
        Assert.That(Fill(second, "b", "more", 12), Is.EqualTo(Errno.OK), "its own size comes first");
        Assert.That((QuotaOf(1).BlocksHard, QuotaOf(2).BlocksHard), Is.EqualTo((8UL * MiB / 512, 16UL * MiB / 512)));
    }

    [Test]
    public void A_size_counts_the_copy_of_the_parent_on_vfs()
    {
        MountHome();
        using var driver = _box.Driver("vfs");
        Create(driver, "base");
        Assert.That(Fill(driver, "base", "image", 6), Is.EqualTo(Errno.OK));
        var small = driver.CreateReadWrite("small", "base", new LayerOptions(4 * MiB));
        if (fileSystem == "xfs")
        {
            Assert.That(small?.Errno, Is.EqualTo(Full));
            Assert.That(driver.Exists("small"), Is.False);
        }
        else
        {
            Assert.That(small, Is.Null, "ext4 does not stop whoever has CAP_SYS_RESOURCE");
            Assert.That(Fill(driver, "small", "more", 1), Is.EqualTo(Full));
        }
        Assert.That(driver.CreateReadWrite("large", "base", new LayerOptions(10 * MiB)), Is.Null);
        Assert.That(Fill(driver, "large", "more", 2), Is.EqualTo(Errno.OK));
        Assert.That(Fill(driver, "large", "most", 6), Is.EqualTo(Full));
    }

    [TestCase("overlay2", "overlay2.size=1g")]
    [TestCase("vfs", "size=1g")]
    public void Without_project_quota_a_size_is_refused_and_says_what_is_missing(string name, string option)
    {
        MountHome(hasQuota: false);
        using var driver = _box.Driver(name);
        var error = driver.CreateReadWrite("a", "", new LayerOptions(MiB));
        Assert.That(error?.Errno, Is.EqualTo(Errno.EOPNOTSUPP));
        Assert.That(error?.ToString(), Does.Contain("prjquota"));
        Assert.That(driver.Exists("a"), Is.False);
        Assert.That(DriverCatalog.Open(_box.Kernel, name, _box.Home, new Files.IdSource(1), [option]).Error?.Errno, Is.EqualTo(Errno.EOPNOTSUPP));
    }
}
