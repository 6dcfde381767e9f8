using DriverLab.Containerd;
using DriverLab.StorageDrivers;
using DriverLab.StorageDrivers.Files;
using DriverLab.StorageDrivers.Snapshots;

namespace DriverLab.Doors.Tests;

/// <summary>containerd's own suite against devicemapper, whose kernel is a machine's: the suite and all its mounts are in the machine, the snapshotter is here and makes its kernel calls there.</summary>
[NonParallelizable]
[Category("long")]
public sealed class DeviceMapperSuiteTests
{
    [TestCase("6.1")]
    [TestCase("6.12")]
    public async Task Containerds_own_suite_passes_in_a_machine(string kernel)
    {
        using var here = new Machine();
        string binary = SnapshotterSuite.Build(here);
        await using var guest = await SuiteInMachine.StartAsync(kernel, new() { MemoryMiB = 1024 });
        await guest.CopyInAsync(binary, "/tmp/suite");
        using var task = guest.NewTask();
        _ = task.Umask(Linux.Abi.Mode.None);
        var opened = DriverCatalog.Open(task, "devicemapper", "/tmp/snapshots/devicemapper", new IdSource(1), ["dm.basesize=64m", "dm.loopdatasize=2g", "dm.loopmetadatasize=32m"]);
        Assert.That(opened.Error, Is.Null);
        using var driver = opened.Value;
        var store = SnapshotStore.Open(task, driver, "/tmp/snapshots", new ClockOf(guest.NewTask()));
        Assert.That(store.Error, Is.Null);
        await using var server = await SnapshotterServer.StartAsync(here.At("s.sock"), store.Value, CancellationToken.None);
        var (code, output) = await SuiteInMachine.RunAsync(guest, here.At("s.sock"), "DRIVERLAB_SUITE_NAME=devmapper exec /tmp/suite -test.v -test.root -test.parallel 1");
        SnapshotterSuite.Judge($"devicemapper on {kernel}", code, output, guest.Console);
        Assert.That(((StorageDrivers.Store.ILayerList)driver).Layers().Value, Is.Empty, "layers of the driver");
        Assert.That(driver.Cleanup(), Is.Null);
        Assert.That((await guest.RunAsync("ls /dev/mapper; cat /sys/block/loop*/loop/backing_file 2>/dev/null")).Output.Trim(), Is.EqualTo("control"), "devices left behind");
    }

    /// <summary>The machine's clock: the suite, which runs there, compares times of changes with its own.</summary>
    private sealed class ClockOf(Linux.IKernel task) : TimeProvider
    {
        private readonly Lock _lock = new();

        public override DateTimeOffset GetUtcNow()
        {
            lock (_lock)
                return DateTimeOffset.UnixEpoch.AddTicks(task.ClockGetTimeNs(Linux.Abi.ClockId.CLOCK_REALTIME) / NanosecondsPerTick);
        }

        private const int NanosecondsPerTick = 100;
    }
}
