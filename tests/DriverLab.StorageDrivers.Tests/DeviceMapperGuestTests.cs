using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Linux.Ioctl;
using DriverLab.StorageDrivers.DeviceMapper;
using DriverLab.StorageDrivers.Files;

namespace DriverLab.StorageDrivers.Tests;

/// <summary>What devicemapper does with mounted file systems beyond the contract, on real kernels, and what their own checkers say of it.</summary>
[TestFixture(KernelKind.Guest61), TestFixture(KernelKind.Guest612)]
[Category("rig")]
public sealed class DeviceMapperGuestTests(KernelKind kernel)
{
    private const long MiB = 1 << 20;
    private Sandbox _box = null!;

    [SetUp]
    public void Begin() => _box = Sandbox.Make(kernel);

    [TearDown]
    public void End() => _box.Dispose();

    private static void Create(IStorageDriver driver, string id, string parent = "") => Assert.That(driver.Create(id, parent, LayerOptions.None), Is.Null);

    private static string Get(IStorageDriver driver, string id)
    {
        var got = driver.Get(id);
        Assert.That(got.Error, Is.Null);
        return got.Value;
    }

    private long Bytes(string path)
    {
        Sandbox.Check(_box.Kernel.StatFs(ByteText.Bytes(path), out var fs));
        return (long)fs.Blocks * fs.BlockSize;
    }

    private static string DeviceOf(IStorageDriver driver, string id) => driver.Metadata(id).Value.Single(p => p.Key == "DeviceName").Value;

    private static string BaseOf(IStorageDriver driver) => driver.Status().Single(p => p.Key == "Pool Name").Value.Replace("-pool", "-base", StringComparison.Ordinal);

    /// <summary>Activates a device beside the driver, runs a line of shell on its node, and takes it away again.</summary>
    private string OnDevice(string name, int number, long bytes, string shell)
    {
        using var dm = MappedDevices.Open(_box.Kernel).Value;
        var pool = dm.Info(name[..name.LastIndexOf('-')] + "-pool").Value.DevT;
        Assert.That(dm.Create(name, name, new DmRow(0, bytes / 512, "thin", $"{pool} {number}")), Is.Null);
        try
        {
            return Guests.Run(kernel, shell.Replace("DEVICE", MappedDevices.NodeOf(name), StringComparison.Ordinal));
        }
        finally
        {
            Assert.That(dm.Remove(name, name, deferred: false), Is.Null);
        }
    }

    [Test]
    public void Device_and_pool_are_clean_for_their_checkers()
    {
        var driver = _box.Driver("devicemapper");
        Create(driver, "a");
        for (int i = 0; i < 50; i++)
            _box.Write($"{Get(driver, "a")}/f{i}", new string('x', i * 500));
        for (int i = 0; i < 50; i++)
            Assert.That(driver.Put("a"), Is.Null);
        Create(driver, "b", "a");
        _box.Write(Get(driver, "b") + "/f0", "changed");
        Assert.That(driver.Put("b"), Is.Null);
        foreach (var (id, number) in ((string, int)[])[("a", 2), ("b", 3)])
            Assert.That(OnDevice(DeviceOf(driver, id), number, 64 * MiB, "e2fsck -f -n DEVICE 2>&1"), Does.Contain("Pass 5"));
        Assert.That(driver.Cleanup(), Is.Null);
        var metadata = LoopFile.Attach(_box.Kernel, _box.Home + "/devicemapper/metadata");
        Assert.That(metadata.Error, Is.Null);
        _ = Guests.Run(kernel, $"thin_check /dev/loop{metadata.Value.Device.Minor} 2>&1");
        _ = _box.Kernel.Close(metadata.Value.Handle);
    }

    [Test]
    public void A_larger_size_makes_the_file_system_larger_and_a_child_keeps_it()
    {
        var driver = _box.Driver("devicemapper");
        Create(driver, "a");
        long small = Bytes(Get(driver, "a"));
        _box.Write(Get(driver, "a") + "/kept", "here");
        Assert.That(driver.Put("a") ?? driver.Put("a"), Is.Null);
        Assert.That(driver.CreateReadWrite("b", "a", new LayerOptions(200 * MiB)), Is.Null);
        string root = Get(driver, "b");
        Assert.That(Bytes(root), Is.InRange(180 * MiB, 200 * MiB).And.GreaterThan(2 * small));
        Assert.That(_box.Read(root + "/kept"), Is.EqualTo("here"));
        Assert.That(driver.Put("b"), Is.Null);
        Assert.That(driver.CreateReadWrite("c", "b", new LayerOptions(100 * MiB))?.Errno, Is.EqualTo(Errno.EINVAL));
        Create(driver, "d", "b");
        Assert.That(Bytes(Get(driver, "d")), Is.GreaterThan(180 * MiB));
        Assert.That(driver.Put("d"), Is.Null);
        Assert.That(OnDevice(DeviceOf(driver, "b"), 3, 200 * MiB, "e2fsck -f -n DEVICE 2>&1"), Does.Contain("Pass 5"));
        Assert.That(driver.Cleanup(), Is.Null);
    }

    [Test]
    public void A_larger_base_size_makes_the_base_device_larger_for_layers_made_afterwards()
    {
        var driver = _box.Driver("devicemapper");
        Create(driver, "old");
        Assert.That(driver.Cleanup(), Is.Null);
        var larger = _box.Driver("devicemapper", "dm.basesize=128m");
        Create(larger, "new");
        Assert.That(Bytes(Get(larger, "old")), Is.LessThan(64 * MiB));
        Assert.That(Bytes(Get(larger, "new")), Is.GreaterThan(100 * MiB));
        Assert.That(larger.Cleanup(), Is.Null);
    }

    [Test]
    public void A_device_in_use_goes_at_its_last_close_and_a_get_before_keeps_it()
    {
        var driver = _box.Driver("devicemapper");
        Create(driver, "a");
        string root = Get(driver, "a");
        _box.Write(root + "/f", "here");
        var open = _box.Kernel.OpenAt(Fd.Cwd, ByteText.Bytes(root + "/f"), OpenFlags.O_RDONLY, Mode.None);
        Assert.That(driver.Put("a"), Is.Null);
        using var dm = MappedDevices.Open(_box.Kernel).Value;
        Assert.That(dm.Info(DeviceOf(driver, "a")).Value.Has(DmFlags.DM_DEFERRED_REMOVE));
        Assert.That(_box.Read(Get(driver, "a") + "/f"), Is.EqualTo("here"));
        Assert.That(dm.Info(DeviceOf(driver, "a")).Value.Has(DmFlags.DM_DEFERRED_REMOVE), Is.False);
        Assert.That(driver.Put("a"), Is.Null);
        Assert.That(driver.Remove("a"), Is.Null, "marked");
        Assert.That(driver.Exists("a"), Is.False);
        Assert.That(_box.Kernel.PRead(open.Value, new byte[8], 0).Value, Is.EqualTo(4), "whoever has it open goes on");
        _ = _box.Kernel.Close(open.Value);
        _box.Kernel.Sleep(200_000_000); // the kernel removes it a moment later
        Assert.That(dm.Info(driver.Status()[0].Value.Replace("-pool", "-a", StringComparison.Ordinal)).Error, Is.EqualTo(Errno.ENXIO));
        Assert.That(driver.Cleanup(), Is.Null);
        // At the next start the first operation deletes it.
        var again = _box.Driver("devicemapper");
        Create(again, "b");
        Assert.That(_box.Exists($"{_box.Home}/metadata/a"), Is.False);
        Assert.That(again.Cleanup(), Is.Null);
    }

    [Test]
    public void A_mount_that_outlived_a_run_counts_as_one()
    {
        var driver = _box.Driver("devicemapper");
        Create(driver, "a");
        _box.Write(Get(driver, "a") + "/f", "x");
        driver.Dispose();
        var again = _box.Driver("devicemapper");
        string root = Get(again, "a");
        Assert.That(again.Put("a"), Is.Null);
        Assert.That(_box.Read(root + "/f"), Is.EqualTo("x"));
        Assert.That(again.Put("a"), Is.Null);
        Assert.That(_box.Exists(root), Is.False);
        Assert.That(again.Cleanup(), Is.Null);
    }

    [Test]
    public void Released_devices_go_where_nobody_uses_them_and_mounts_stay()
    {
        var first = (DeviceMapperDriver)_box.Driver("devicemapper");
        Create(first, "a");
        Create(first, "b");
        string root = Get(first, "a");
        _box.Write(root + "/f", "x");
        _ = Get(first, "b");
        Assert.That(first.Put("b"), Is.Null);
        Assert.That(first.ReleaseDevices(), Is.Null);
        first.Dispose();
        using var dm = MappedDevices.Open(_box.Kernel).Value;
        Assert.That(dm.Names("").Select(static n => n[(n.LastIndexOf('-') + 1)..]), Is.EquivalentTo((string[])["a", "pool"]));
        // The next command finds the mount, looks at it, and leaves it; the one after takes it back.
        var second = (DeviceMapperDriver)_box.Driver("devicemapper");
        Assert.That(second.Changes("a", "").Value, Has.Count.EqualTo(1));
        Assert.That(second.ReleaseDevices(), Is.Null);
        second.Dispose();
        Assert.That(_box.Read(root + "/f"), Is.EqualTo("x"));
        var third = (DeviceMapperDriver)_box.Driver("devicemapper");
        Assert.That(third.Put("a"), Is.Null);
        Assert.That(third.ReleaseDevices(), Is.Null);
        Assert.That(dm.Names(""), Is.Empty);
        third.Dispose();
    }

    [Test]
    public void A_parent_that_is_written_to_is_frozen_while_its_snapshot_is_taken()
    {
        var driver = _box.Driver("devicemapper");
        Create(driver, "a");
        string root = Get(driver, "a");
        _box.Write(root + "/f", "before");
        Create(driver, "b", "a");
        _box.Write(root + "/f", "after!");
        Assert.That(_box.Read(Get(driver, "b") + "/f"), Is.EqualTo("before"));
        Assert.That(_box.Read(root + "/f"), Is.EqualTo("after!"));
        Assert.That(driver.Cleanup(), Is.Null);
    }

    [Test]
    public void Mount_options_reach_the_file_system()
    {
        var driver = _box.Driver("devicemapper", "dm.mountopt=noatime,nodiscard", "dm.mkfsarg=-O ^has_journal");
        Create(driver, "a");
        string root = Get(driver, "a");
        string line = _box.Read("/proc/thread-self/mounts").Split('\n').Single(l => l.Contains(root[..root.LastIndexOf('/')], StringComparison.Ordinal));
        Assert.That(line, Does.Contain("noatime").And.Contain(" ext4 "));
        Assert.That(driver.Cleanup(), Is.Null);
        Assert.That(_box.Driver("devicemapper", "dm.mountopt=nosuchoption").Get("a").Error?.Errno, Is.EqualTo(Errno.EINVAL));
        Assert.That(_box.Driver("devicemapper").Cleanup(), Is.Null);
    }

    [Test]
    public void A_base_device_with_an_xfs_is_used_as_it_is()
    {
        string[] options = ["dm.basesize=400m", "dm.loopdatasize=1g"];
        var made = _box.Driver("devicemapper", options);
        string identity = OnDevice(BaseOf(made), 1, 400 * MiB, "mkfs.xfs -q -f -K DEVICE && dd if=DEVICE bs=16 skip=2 count=1 2>/dev/null | od -An -tx1 -v | tr -d ' \\n'");
        Assert.That(made.Cleanup(), Is.Null);
        string uuid = new Guid(Convert.FromHexString(identity), bigEndian: true).ToString();
        _box.Write(_box.Home + "/metadata/deviceset-metadata", $$"""{"next_device_id":1,"BaseDeviceUUID":"{{uuid}}","BaseDeviceFilesystem":"xfs"}""");
        var driver = _box.Driver("devicemapper", options);
        Create(driver, "a");
        Create(driver, "b");
        _box.Write(Get(driver, "a") + "/f", "a"); // two of one identity at once
        _box.Write(Get(driver, "b") + "/f", "b");
        Assert.That(driver.Status().Single(p => p.Key == "Backing Filesystem").Value, Is.EqualTo("xfs"));
        Assert.That(driver.CreateReadWrite("c", "a", new LayerOptions(500 * MiB)), Is.Null);
        Assert.That(BytesOf(Get(driver, "a")), Is.InRange(300 * MiB, 400 * MiB));
        Assert.That(BytesOf(Get(driver, "c")), Is.InRange(400 * MiB, 500 * MiB), "as large as its device but for the log");
        Assert.That(_box.Read(Get(driver, "c") + "/f"), Is.EqualTo("a"));
        Assert.That(driver.Cleanup(), Is.Null);
        var retrying = _box.Driver("devicemapper", [.. options, "dm.xfs_nospace_max_retries=0"]);
        _ = Get(retrying, "a");
        using (var dm = MappedDevices.Open(_box.Kernel).Value)
        {
            uint minor = dm.Info(DeviceOf(retrying, "a")).Value.DevT.Minor;
            Assert.That(_box.Read($"/sys/fs/xfs/dm-{minor}/error/metadata/ENOSPC/max_retries").Trim(), Is.EqualTo("0"));
        }
        Assert.That(retrying.Cleanup(), Is.Null);
        var larger = _box.Driver("devicemapper", "dm.basesize=480m", "dm.loopdatasize=1g");
        Create(larger, "d");
        Assert.That(BytesOf(Get(larger, "d")), Is.InRange(400 * MiB, 480 * MiB), "a base device that was made larger");
        Assert.That(larger.Cleanup(), Is.Null);
    }

    [Test]
    public void A_new_base_device_gets_an_xfs_where_the_driver_is_lent_its_maker()
    {
        string[] options = ["dm.fs=xfs", "dm.mkfsarg=-i size=1024", "dm.basesize=400m", "dm.loopdatasize=1g", "dm.loopmetadatasize=16m"];
        DriverResult<IStorageDriver> Try(MakeXfs? lent, ulong seed) => DriverCatalog.Open(_box.Kernel, "devicemapper", _box.Home, new IdSource(seed), options, lent);
        Assert.That(Try(null, 1).Error?.ToString(), Does.Contain("EOPNOTSUPP").And.Contain("mkfs.xfs"));
        Assert.That(Try(static (device, _, _) => new DriverError("mkfs.xfs", device, Errno.EIO, "no room"), 2).Error?.ToString(), Does.Contain("no room"), "and the next one begins anew");
        var made = Try((device, uuid, arguments) =>
        {
            _ = Guests.Run(kernel, $"mkfs.xfs -q -f -K -m uuid={uuid} {string.Join(' ', arguments)} {device}");
            return null;
        }, 3);
        Assert.That(made.Error, Is.Null);
        var driver = made.Value;
        const string inodeSize = "dd if=DEVICE bs=2 skip=52 count=1 2>/dev/null | od -An -tx1";
        Assert.That(OnDevice(BaseOf(driver), 1, 400 * MiB, inodeSize).Trim(), Is.EqualTo("04 00"), "sb_inodesize is what dm.mkfsarg said");
        Create(driver, "a");
        _box.Write(Get(driver, "a") + "/f", "a");
        Assert.That(driver.Put("a"), Is.Null);
        Create(driver, "b", "a");
        Assert.That(_box.Read(Get(driver, "b") + "/f"), Is.EqualTo("a"));
        Assert.That(driver.Status().Single(p => p.Key == "Backing Filesystem").Value, Is.EqualTo("xfs"));
        Assert.That(driver.Cleanup(), Is.Null);
        driver.Dispose();
        var again = Try(null, 4);
        Assert.That(again.Error, Is.Null, "a base device that is there needs no maker");
        Assert.That(_box.Read(Get(again.Value, "b") + "/f"), Is.EqualTo("a"));
        Assert.That(again.Value.Cleanup(), Is.Null);
    }

    private long BytesOf(string path)
    {
        Sandbox.Check(_box.Kernel.StatFs(ByteText.Bytes(path), out var fs), path);
        return (long)fs.Blocks * (long)fs.BlockSize;
    }
}
