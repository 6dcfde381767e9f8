using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Linux.Ioctl;
using DriverLab.StorageDrivers.DeviceMapper;
using DriverLab.StorageDrivers.Files;

namespace DriverLab.StorageDrivers.Tests;

/// <summary>What devicemapper does beyond the contract, up to the mount, which the emulator has not: files, transactions, recovery, options, refusals.</summary>
public sealed class DeviceMapperDriverTests
{
    private Sandbox _box = null!;

    [SetUp]
    public void Begin() => _box = Sandbox.Make(KernelKind.Emulated);

    [TearDown]
    public void End() => _box.Dispose();

    private DriverResult<IStorageDriver> TryOpen(params string[] options) =>
        DriverCatalog.Open(_box.Kernel, "devicemapper", _box.Home, new IdSource(1), [.. StoreCrash.SmallPool, .. options]);

    private IStorageDriver Open(params string[] options)
    {
        var opened = TryOpen(options);
        Assert.That(opened.Error, Is.Null);
        return opened.Value;
    }

    private string Record(string name) => _box.Read($"{_box.Home}/metadata/{name}");

    private void Rewrite(string name, string content) => _box.Write($"{_box.Home}/metadata/{name}", content);

    private static void Create(IStorageDriver driver, string id, string parent = "") => Assert.That(driver.Create(id, parent, LayerOptions.None), Is.Null);

    private static string Fact(IStorageDriver driver, string id, string key) => driver.Metadata(id).Value.Single(p => p.Key == key).Value;

    private static string Status(IStorageDriver driver, string key) => driver.Status().Single(p => p.Key == key).Value;

    private ulong Transaction(IStorageDriver driver) => Pool(driver).TransactionId;

    private PoolStatus Pool(IStorageDriver driver)
    {
        using var dm = MappedDevices.Open(_box.Kernel).Value;
        return dm.StatusOf(Status(driver, "Pool Name")).Value;
    }

    private Errno Send(IStorageDriver driver, string message)
    {
        using var dm = MappedDevices.Open(_box.Kernel).Value;
        return dm.Message(Status(driver, "Pool Name"), message);
    }

    [Test]
    public void Files_are_those_of_Docker()
    {
        using var driver = Open();
        Create(driver, "a");
        Assert.That(Record("base"), Is.EqualTo("""{"device_id":1,"size":67108864,"transaction_id":1,"initialized":true,"deleted":false}"""));
        Assert.That(Record("a"), Is.EqualTo("""{"device_id":2,"size":67108864,"transaction_id":2,"initialized":false,"deleted":false}"""));
        Assert.That(Record("transaction-metadata"), Is.EqualTo("""{"open_transaction_id":2,"device_hash":"a","device_id":2}"""));
        Assert.That(Record("deviceset-metadata"), Does.Match("^{\"next_device_id\":1,\"BaseDeviceUUID\":\"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\",\"BaseDeviceFilesystem\":\"ext4\"}$"));
        Assert.That(_box.Stat($"{_box.Home}/devicemapper/data", out var data), Is.EqualTo(Errno.OK));
        Assert.That(data.Size, Is.EqualTo(512UL << 20));
        Assert.That(Convert.ToString((int)data.Mode, 8), Is.EqualTo("100600"));
        Assert.That(_box.Stat(_box.Home, out var home), Is.EqualTo(Errno.OK));
        Assert.That(Fact(driver, "a", "DeviceName"), Is.EqualTo($"docker-{home.Dev}-{home.Ino}-a"));
        Assert.That(Fact(driver, "a", "DeviceId"), Is.EqualTo("2"));
        Assert.That(driver.Cleanup(), Is.Null);
        Assert.That(Record("deviceset-metadata"), Does.StartWith("""{"next_device_id":2,"""));
    }

    [Test]
    public void The_emulator_names_the_file_system_that_it_lacks()
    {
        using var driver = Open();
        Create(driver, "a");
        Assert.That(() => driver.Get("a"), Throws.TypeOf<NotModelledException>().With.Message.EqualTo("the file system ext4"));
    }

    [Test]
    public void Cleanup_leaves_no_device_and_a_later_run_goes_on()
    {
        using (var driver = Open())
        {
            Create(driver, "a");
            Create(driver, "b", "a");
            Assert.That(driver.Cleanup(), Is.Null);
        }
        Assert.That(Devices(), Is.Empty);
        Assert.That(BoundLoops(), Is.Zero);
        using var again = Open();
        Assert.That(again.Exists("b"));
        Assert.That(((Store.ILayerList)again).Layers().Value, Is.EqualTo((string[])["a", "b"]));
        Create(again, "c", "b");
        Assert.That(Fact(again, "c", "DeviceId"), Is.EqualTo("4"));
        Assert.That(Transaction(again), Is.EqualTo(4));
    }

    private string[] Devices()
    {
        using var dm = MappedDevices.Open(_box.Kernel).Value;
        return [.. dm.Names("")];
    }

    private int BoundLoops() => Enumerable.Range(0, 8).Count(i => LoopFile.PathOf(_box.Kernel, new DevT(Loop.Major, (uint)i)).Length > 0);

    [Test]
    public void Removal_gives_number_and_blocks_back()
    {
        using var driver = Open();
        long before = Pool(driver).UsedData;
        Create(driver, "a");
        Create(driver, "b", "a");
        Assert.That(driver.Remove("b"), Is.Null);
        Assert.That(driver.Remove("a"), Is.Null);
        Assert.That(Transaction(driver), Is.EqualTo(5));
        Assert.That(Pool(driver).UsedData, Is.EqualTo(before));
        Assert.That(_box.Exists($"{_box.Home}/metadata/a"), Is.False);
        Assert.That(Send(driver, "delete 2"), Is.EqualTo(Errno.ENODATA));
    }

    [Test]
    public void A_number_that_nobody_names_is_passed_over()
    {
        using var driver = Open();
        Assert.That(Send(driver, "create_thin 2"), Is.EqualTo(Errno.OK));
        Create(driver, "a");
        Assert.That(Fact(driver, "a", "DeviceId"), Is.EqualTo("3"));
        Assert.That(Record("transaction-metadata"), Does.Contain("\"device_id\":3"));
    }

    [Test]
    public void Numbers_go_round_after_the_last()
    {
        using (var driver = Open())
            Assert.That(driver.Cleanup(), Is.Null);
        Rewrite("deviceset-metadata", Record("deviceset-metadata").Replace("\"next_device_id\":1,", "\"next_device_id\":16777214,", StringComparison.Ordinal));
        using var again = Open();
        foreach (string id in (string[])["a", "b", "c"])
            Create(again, id);
        Assert.That(((string[])["a", "b", "c"]).Select(id => Fact(again, id, "DeviceId")), Is.EqualTo((string[])["16777215", "0", "2"]), "1 is the base device's");
    }

    [Test]
    public void A_pool_with_another_base_device_is_refused()
    {
        using (var driver = Open())
            Assert.That(driver.Cleanup(), Is.Null);
        Rewrite("deviceset-metadata", """{"next_device_id":1,"BaseDeviceUUID":"11111111-1111-4111-8111-111111111111","BaseDeviceFilesystem":"ext4"}""");
        var opened = TryOpen();
        Assert.That(opened.Error?.Errno, Is.EqualTo(Errno.EINVAL));
        Assert.That(opened.Error?.Detail, Does.Contain("11111111-1111-4111-8111-111111111111"));
    }

    [TestCase("deviceset-metadata")]
    [TestCase("transaction-metadata")]
    [TestCase("a")]
    public void A_broken_file_stops_the_start_and_is_named(string file)
    {
        using (var driver = Open())
        {
            Create(driver, "a");
            Assert.That(driver.Cleanup(), Is.Null);
        }
        foreach (string content in (string[])["", "{\"device_id\":", "[]", "{}"])
        {
            Rewrite(file, content);
            var opened = TryOpen();
            Assert.That(opened.Error?.Errno, Is.EqualTo(Errno.EINVAL));
            Assert.That(opened.Error?.Subject, Is.EqualTo($"{_box.Home}/metadata/{file}"));
        }
    }

    [Test]
    public void A_transaction_behind_the_pool_is_passed_over()
    {
        using (var driver = Open())
        {
            Create(driver, "a");
            Assert.That(driver.Cleanup(), Is.Null);
        }
        Rewrite("transaction-metadata", """{"open_transaction_id":1,"device_hash":"a","device_id":2}""");
        using var again = Open();
        Assert.That(again.Exists("a"));
    }

    [Test]
    public void Room_that_is_to_stay_free_stops_creation()
    {
        using var driver = Open("dm.min_free_space=99%");
        var error = driver.Create("a", "", LayerOptions.None);
        Assert.That(error?.Errno, Is.EqualTo(Errno.ENOSPC));
        var pool = Pool(driver);
        Assert.That(error?.Detail, Does.Contain($"{pool.TotalMetadata - pool.UsedMetadata} free metadata blocks, {pool.TotalMetadata * 99 / 100} are to stay free"));
        Assert.That(driver.Exists("a"), Is.False);
    }

    [Test]
    public void A_busy_device_is_marked_and_deleted_by_a_later_operation()
    {
        using var driver = Open();
        Create(driver, "a");
        Hold("a", out var held);
        Assert.That(driver.Remove("a"), Is.Null);
        Assert.That(driver.Exists("a"), Is.False);
        Assert.That(Record("a"), Does.Contain("\"deleted\":true"));
        Assert.That(Status(driver, "Deferred Deleted Device Count"), Is.EqualTo("1"));
        Assert.That(driver.Create("a", "", LayerOptions.None)?.Errno, Is.EqualTo(Errno.EEXIST));
        Assert.That(driver.Create("b", "a", LayerOptions.None)?.Errno, Is.EqualTo(Errno.EBUSY));
        _ = _box.Kernel.Close(held);
        _box.Kernel.Sleep(31_000_000_000);
        Create(driver, "a");
        Assert.That(Status(driver, "Deferred Deleted Device Count"), Is.EqualTo("0"));
    }

    [Test]
    public void Without_deferral_a_busy_device_is_tried_for_20_seconds()
    {
        using var driver = Open("dm.use_deferred_removal=false");
        Create(driver, "a");
        Hold("a", out var held);
        long before = _box.Kernel.ClockGetTimeNs(ClockId.CLOCK_MONOTONIC);
        Assert.That(driver.Remove("a")?.Errno, Is.EqualTo(Errno.EBUSY));
        Assert.That(_box.Kernel.ClockGetTimeNs(ClockId.CLOCK_MONOTONIC) - before, Is.InRange(19_000_000_000, 21_000_000_000));
        Assert.That(driver.Exists("a"));
        _ = _box.Kernel.Close(held);
        Assert.That(driver.Remove("a"), Is.Null);
    }

    /// <summary>Activates a layer's device beside the driver and opens it, as a process in another mount name space would have it.</summary>
    private void Hold(string id, out Fd held)
    {
        Assert.That(_box.Stat(_box.Home, out var home), Is.EqualTo(Errno.OK));
        string prefix = $"docker-{home.Dev}-{home.Ino}";
        using var dm = MappedDevices.Open(_box.Kernel).Value;
        var pool = dm.Info(prefix + "-pool").Value.DevT;
        Assert.That(dm.Create($"{prefix}-{id}", id, new DmRow(0, 131072, "thin", $"{pool} 2")), Is.Null);
        held = _box.Kernel.OpenAt(Fd.Cwd, ByteText.Bytes(MappedDevices.NodeOf($"{prefix}-{id}")), OpenFlags.O_RDONLY, Mode.None).Value;
    }

    [Test]
    public void A_size_smaller_than_the_parents_is_refused()
    {
        using var driver = Open();
        var error = driver.CreateReadWrite("a", "", new LayerOptions(32 << 20));
        Assert.That(error?.Errno, Is.EqualTo(Errno.EINVAL));
        Assert.That(error?.Detail, Does.Contain("smaller than the parent's 67108864"));
    }

    [Test]
    public void A_given_pool_is_taken_once_and_must_be_unused()
    {
        using (var driver = Open())
            Assert.That(Status(driver, "Pool Name"), Does.EndWith("-pool"));
        string pool = Devices().Single(n => n.EndsWith("-pool", StringComparison.Ordinal));
        var used = DriverCatalog.Open(_box.Kernel, "devicemapper", _box.Root + "/other", new IdSource(1), [$"dm.thinpooldev=/dev/mapper/{pool}", "dm.basesize=64m"]);
        Assert.That(used.Error?.Errno, Is.EqualTo(Errno.EBUSY));
        Assert.That(used.Error?.Detail, Does.Contain("data blocks of the pool are in use"));
        var missing = DriverCatalog.Open(_box.Kernel, "devicemapper", _box.Root + "/other", new IdSource(1), ["dm.thinpooldev=nopool"]);
        Assert.That(missing.Error?.Errno, Is.EqualTo(Errno.ENODEV));
    }

    [Test]
    public void Given_devices_make_the_pool()
    {
        foreach (string part in (string[])["data", "meta"])
            Assert.That(LoopFile.Ensure(_box.Kernel, $"{_box.Root}/{part}", 256 << 20), Is.Null);
        var data = LoopFile.Attach(_box.Kernel, _box.Root + "/data").Value;
        var metadata = LoopFile.Attach(_box.Kernel, _box.Root + "/meta").Value;
        using var driver = Open($"dm.datadev=/dev/loop{data.Device.Minor}", $"dm.metadatadev=/dev/loop{metadata.Device.Minor}", "dm.blocksize=128k");
        Assert.That(_box.Exists(_box.Home + "/devicemapper"), Is.False);
        Assert.That(Status(driver, "Pool Blocksize"), Is.EqualTo("131.1kB"));
        Assert.That(Status(driver, "Data Space Total"), Is.EqualTo("268.4MB"));
        Create(driver, "a");
        Assert.That(driver.Remove("a"), Is.Null);
    }

    [Test]
    public void A_larger_file_makes_the_pool_larger_at_the_next_start()
    {
        using (var driver = Open())
        {
            Create(driver, "a");
            Assert.That(Status(driver, "Data Space Total"), Is.EqualTo("536.9MB"));
            Assert.That(driver.Cleanup(), Is.Null);
        }
        using (var larger = Open("dm.loopdatasize=1g"))
        {
            Assert.That(Status(larger, "Data Space Total"), Is.EqualTo("1.074GB"));
            Assert.That(larger.Exists("a"));
            Assert.That(larger.Cleanup(), Is.Null);
        }
        using var smaller = Open("dm.loopdatasize=256m");
        Assert.That(Status(smaller, "Data Space Total"), Is.EqualTo("1.074GB"), "nothing shrinks");
    }

    [TestCase("dm.basesize=x", "expected a number")]
    [TestCase("dm.basesize=1000", "whole sectors")]
    [TestCase("dm.fs=btrfs", "expected ext4 or xfs")]
    [TestCase("dm.min_free_space=10", "expected a number and %")]
    [TestCase("dm.min_free_space=100%", "from 0 to 99")]
    [TestCase("dm.blkdiscard=maybe", "expected true or false")]
    [TestCase("dm.nosuch=1", "does not know it")]
    [TestCase("dm.mkfsarg=-q", "-O ^has_journal")]
    [TestCase("dm.libdm_log_level=8", "from 0 to 7")]
    [TestCase("dm.thinpooldev=p dm.datadev=/dev/x", "leave dm.datadev")]
    [TestCase("dm.use_deferred_removal=false dm.use_deferred_deletion=true", "needs dm.use_deferred_removal")]
    public void A_bad_option_is_EINVAL_and_says_what_was_expected(string options, string detail)
    {
        var opened = TryOpen(options.Split(' '));
        Assert.That(opened.Error?.Errno, Is.EqualTo(Errno.EINVAL));
        Assert.That(opened.Error?.ToString(), Does.Contain(detail));
        Assert.That(Devices(), Is.Empty);
    }

    [TestCase("dm.fs=xfs")]
    [TestCase("dm.directlvm_device=/dev/sdb")]
    [TestCase("dm.thinp_percent=95")]
    public void What_is_not_here_is_EOPNOTSUPP_by_name(string option)
    {
        var opened = TryOpen(option);
        Assert.That(opened.Error?.Errno, Is.EqualTo(Errno.EOPNOTSUPP));
        Assert.That(opened.Error?.Subject, Is.EqualTo(option));
    }

    [TestCase("base")]
    [TestCase("pool")]
    [TestCase("deviceset-metadata")]
    [TestCase("transaction-metadata")]
    public void Names_of_the_drivers_own_are_no_ids(string id)
    {
        using var driver = Open();
        Assert.That(driver.Create(id, "", LayerOptions.None)?.Errno, Is.EqualTo(Errno.EINVAL));
    }

    [Test]
    public void A_name_that_device_mapper_would_cut_is_refused()
    {
        using var driver = Open();
        Assert.That(driver.Create(new string('a', 120), "", LayerOptions.None)?.Detail, Does.Contain("more than 127 characters"));
    }

    [Test]
    public void A_smaller_base_size_than_the_base_device_is_refused()
    {
        using (var driver = Open())
            Assert.That(driver.Cleanup(), Is.Null);
        Assert.That(TryOpen("dm.basesize=32m").Error?.Errno, Is.EqualTo(Errno.EINVAL));
    }
}
