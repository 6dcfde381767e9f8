using DriverLab.Emulator;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Linux.Tracing;
using DriverLab.Simulation;
using DriverLab.StorageDrivers.DeviceMapper;
using DriverLab.StorageDrivers.Files;
using DriverLab.StorageDrivers.Store;

namespace DriverLab.StorageDrivers.Tests;

/// <summary>Each system call of devicemapper's operations is a point at which the process dies: a restart undoes a creation, finishes a deletion, and the pool holds what the files name and nothing else.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class DeviceMapperCrashTests
{
    [Test]
    public void A_death_at_any_call_leaves_pool_and_files_agreeing([Values("first-open", "open", "create", "remove", "remove-busy", "cleanup")] string operation)
    {
        int states = 0;
        for (int at = 1; Survives(operation, at); at++)
            states++;
        TestContext.Out.WriteLine($"devicemapper {operation}: {states} states");
        Assert.That(states, Is.GreaterThan(8), "a sweep that ends at once proves nothing");
    }

    private static bool Survives(string operation, int at)
    {
        using var kernel = new EmulatedKernel(new KernelProfile("6.12", new KernelVersion(6, 12)), ModuleSet.Standard, new World(0));
        Sandbox.Check(kernel.MkdirAt(Fd.Cwd, "/disk"u8, Mode.S_IRWXU));
        Sandbox.Check(kernel.Mount("disk"u8, "/disk"u8, "tmpfs"u8, MountFlags.None, ""u8));
        if (operation != "first-open")
        {
            using var before = kernel.Fork();
            using var driver = Open(before, 1);
            foreach (var (id, parent) in ((string, string)[])[("a", ""), ("b", "a")])
                Assert.That(driver.Create(id, parent, LayerOptions.None), Is.Null);
        }
        // Somebody holds the parent's device, so that it is suspended for the snapshot, and cannot be deleted.
        using var holder = kernel.Fork();
        if (operation is "create" or "remove-busy")
            Hold(holder, operation == "create" ? "a" : "b");
        bool died = false;
        var death = new CrashPoint(at);
        var task = kernel.Fork();
        try
        {
            death.IsArmed = operation.EndsWith("open", StringComparison.Ordinal);
            var driver = Open(new TracingKernel(task, death), 2);
            death.IsArmed = true;
            Assert.That(Run(driver, operation), Is.Null, $"{operation} without a death");
        }
        catch (CrashException)
        {
            died = true;
        }
        death.IsArmed = false;
        task.Dispose(); // the kernel closes what a dead process had open
        using var after = kernel.Fork();
        using var again = Open(after, 3);
        Check(after, again, operation, at, died);
        return died;
    }

    private static IStorageDriver Open(IKernel kernel, ulong seed)
    {
        var driver = DriverCatalog.Open(kernel, "devicemapper", "/disk/dm", new IdSource(seed), ["dm.basesize=8m", "dm.loopdatasize=64m", "dm.loopmetadatasize=4m"]);
        Assert.That(driver.Error, Is.Null);
        return driver.Value;
    }

    private static DriverError? Run(IStorageDriver driver, string operation) => operation switch
    {
        "create" => driver.Create("c", "a", LayerOptions.None),
        "remove" or "remove-busy" => driver.Remove("b"),
        "cleanup" => driver.Cleanup(),
        _ => null, // opening alone
    };

    private static string Prefix(IKernel kernel)
    {
        Sandbox.Check(kernel.LStatAt(Fd.Cwd, "/disk/dm"u8, out var home));
        return $"docker-{home.Dev}-{home.Ino}-";
    }

    private static void Hold(IKernel kernel, string id)
    {
        string prefix = Prefix(kernel);
        using var dm = MappedDevices.Open(kernel).Value;
        var pool = dm.Info(prefix + "pool").Value.DevT;
        Assert.That(dm.Create(prefix + id, id, new Linux.Ioctl.DmRow(0, 16384, "thin", $"{pool} {(id == "a" ? 2 : 3)}")), Is.Null);
        Sandbox.Check(kernel.OpenAt(Fd.Cwd, ByteText.Bytes(MappedDevices.NodeOf(prefix + id)), OpenFlags.O_RDONLY, Mode.None).Error);
    }

    private static void Check(IKernel kernel, IStorageDriver driver, string operation, int at, bool died)
    {
        string where = $"{operation}, death at call {at}";
        var layers = ((ILayerList)driver).Layers().Value;
        if (operation != "first-open")
        {
            Assert.That(layers, Does.Contain("a"), where);
            if (!operation.StartsWith("remove", StringComparison.Ordinal))
                Assert.That(layers, Does.Contain("b"), where);
            else if (!died)
                Assert.That(layers, Does.Not.Contain("b"), where);
        }
        // Nothing is left suspended, and the pool knows exactly the devices that files name.
        string prefix = Prefix(kernel);
        using var dm = MappedDevices.Open(kernel).Value;
        foreach (string name in dm.Names(prefix))
            Assert.That(dm.Info(name).Value.Has(Linux.Ioctl.DmFlags.DM_SUSPEND_FLAG), Is.False, $"{where}: {name}");
        var named = new HashSet<int>();
        foreach (var entry in kernel.ListPath("/disk/dm/metadata").Value)
            if (ByteText.Show(entry.Name) is var file && file is not ("deviceset-metadata" or "transaction-metadata") && !file.StartsWith('.'))
                Assert.That(named.Add(DeviceRecord.Read(file, file, kernel.ReadWhole(ByteText.Bytes("/disk/dm/metadata/" + file)).Value).Value.DeviceId), where);
        for (int number = 1; number <= 5; number++)
            Assert.That(Knows(dm, prefix + "pool", number), Is.EqualTo(named.Contains(number)), $"{where}: device {number}");
        // The work can be done, or has been.
        Assert.That(driver.Create("c", layers.Contains("a") ? "a" : "", LayerOptions.None)?.Errno, Is.AnyOf(null, Errno.EEXIST), where);
        Assert.That(driver.Remove("c"), Is.Null, where);
    }

    /// <summary>A snapshot of a device that the pool has not is ENODATA.</summary>
    private static bool Knows(MappedDevices dm, string pool, int number)
    {
        const int probe = 900;
        var error = dm.Message(pool, $"create_snap {probe} {number}");
        if (error == Errno.OK)
            Sandbox.Check(dm.Message(pool, $"delete {probe}"));
        return error == Errno.OK;
    }
}
