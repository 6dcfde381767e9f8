using DriverLab.Docker;
using DriverLab.Native;
using DriverLab.StorageDrivers;
using DriverLab.StorageDrivers.Files;

namespace DriverLab.Doors.Tests;

/// <summary>Docker's own graphdriver suite, through the daemon's client of plugins, and that of containers/storage, through a client of ours, against our plugin.</summary>
[NonParallelizable]
[Category("long")]
public sealed class GraphDriverSuiteTests
{
    private Machine _machine = null!;

    [SetUp]
    public void Begin() => _machine = new Machine();

    [TearDown]
    public void End() => _machine.Dispose();

    private string BuildDockers() => GoSuite.Build(_machine, "graphdriver", "golang-github-docker-docker-dev", "github.com/docker/docker/daemon/graphdriver/graphtest/graphtest_unix.go",
        new()
        {
            ["driverlab/graph/graph_test.go"] = "graphdriver_test.go.txt",
            ["github.com/docker/docker/plugin/v2/plugin.go"] = "plugin_v2.go.txt",
            ["github.com/docker/docker/quota/quota.go"] = "quota.go.txt",
        });

    private string BuildContainers() => GoSuite.Build(_machine, "containers", "golang-github-containers-storage-dev", "github.com/containers/storage/drivers/graphtest/graphtest_unix.go",
        new() { ["driverlab/containers/containers_test.go"] = "containers_test.go.txt" });

    [TestCase("overlay2", false)]
    [TestCase("overlay", false)]
    [TestCase("vfs", false)]
    [TestCase("btrfs", true)]
    public async Task Dockers_own_suite_passes(string driver, bool hasQuota)
    {
        var lines = await RunAsync(BuildDockers(), driver, hasQuota);
        Assert.That(lines, Has.Length.EqualTo(9));
        Assert.That(lines.Where(static l => !l.StartsWith("--- PASS", StringComparison.Ordinal)), hasQuota ? Is.Empty : Has.Exactly(1).Contains("SetQuota"));
    }

    /// <summary>The case that sets a size needs project quota: xfs in a machine, where the suite runs with all its mounts.</summary>
    [TestCase("6.1", "overlay2")]
    [TestCase("6.12", "overlay2")]
    public async Task Dockers_own_suite_passes_on_xfs_with_project_quota(string version, string driver)
    {
        string binary = BuildDockers();
        await using var guest = await SuiteInMachine.StartAsync(version, new() { MemoryMiB = 1024, Recipe = new() { Tools = ["xfsprogs"] } });
        await guest.CopyInAsync(binary, "/tmp/suite");
        var made = await guest.RunAsync("truncate -s 600M /tmp/xfs.img && mkfs.xfs -q /tmp/xfs.img && mkdir /tmp/homes && mount -t xfs -o loop,prjquota /tmp/xfs.img /tmp/homes");
        Assert.That(made.Status, Is.Zero, made.Errors);
        using var task = guest.NewTask();
        _ = task.Umask(Linux.Abi.Mode.None);
        await using var server = await GraphDriverServer.StartAsync(_machine.At("p.sock"), (home, options) => DriverCatalog.Open(task, driver, home, new IdSource(1), options), CancellationToken.None);
        var (code, output) = await SuiteInMachine.RunAsync(guest, _machine.At("p.sock"), $"DRIVERLAB_DRIVER={driver} DRIVERLAB_QUOTA=yes TMPDIR=/tmp/homes exec /tmp/suite -test.v");
        var lines = Judge($"{driver} on xfs of {version}", code, output, guest.Console);
        Assert.That(lines, Has.Length.EqualTo(9).And.All.StartsWith("--- PASS").And.Some.Contains("SetQuota"));
    }

    [TestCase("overlay2")]
    [TestCase("overlay")]
    [TestCase("vfs")]
    [TestCase("btrfs")]
    public async Task The_suite_of_containers_storage_passes(string driver)
    {
        var lines = await RunAsync(BuildContainers(), driver, hasQuota: false);
        Assert.That(lines, Has.Length.EqualTo(10).And.All.StartsWith("--- PASS"));
    }

    /// <summary>Serves a driver and runs a suite against it.</summary>
    /// <returns>A line for each case.</returns>
    private async Task<string[]> RunAsync(string binary, string driver, bool hasQuota)
    {
        string homes = _machine.At("homes");
        if (driver == "btrfs")
            _machine.MountBtrfs(homes);
        _ = Directory.CreateDirectory(homes);
        using var kernel = NativeKernel.NewTask();
        _ = kernel.Umask(Linux.Abi.Mode.None);
        await using var server = await GraphDriverServer.StartAsync(_machine.At("p.sock"), (home, options) => DriverCatalog.Open(kernel, driver, home, new IdSource((ulong)Environment.TickCount64), options), CancellationToken.None);
        foreach (var (key, value) in (IEnumerable<(string, string)>)[("DRIVERLAB_SOCKET", _machine.At("p.sock")), ("DRIVERLAB_DRIVER", driver), ("DRIVERLAB_QUOTA", hasQuota ? "yes" : ""), ("TMPDIR", homes)])
            _machine.Environment_[key] = value;
        var (code, output, error) = _machine.TryRun(binary, "-test.v");
        return Judge(driver, code, output, error);
    }

    private static string[] Judge(string driver, int code, string output, string error)
    {
        var lines = output.Split('\n').Select(static l => l.Trim()).Where(static l => l.StartsWith("--- ", StringComparison.Ordinal)).ToArray();
        TestContext.Out.WriteLine($"{driver}: {lines.Count(static l => l.StartsWith("--- PASS", StringComparison.Ordinal))} passed of {lines.Length}: {string.Join(", ", lines)}");
        Assert.That(code, Is.Zero, $"{output}\n{error}");
        return lines;
    }
}
