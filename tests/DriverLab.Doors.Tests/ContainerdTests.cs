using System.Diagnostics;
using DriverLab.Containerd;
using DriverLab.Native;
using DriverLab.StorageDrivers;
using DriverLab.StorageDrivers.Files;
using DriverLab.StorageDrivers.Snapshots;

namespace DriverLab.Doors.Tests;

/// <summary>Debian's containerd and runc with our snapshotter: import, run, commit, remove, garbage collection; and containerd's own suite.</summary>
[NonParallelizable]
public sealed class ContainerdTests
{
    private const string Namespace = "driverlab";
    private Machine _machine = null!;
    private NativeKernel _kernel = null!;
    private IStorageDriver _driver = null!;
    private SnapshotStore _store = null!;
    private SnapshotterServer _server = null!;

    private async Task ServeAsync(string name)
    {
        _kernel = NativeKernel.NewTask();
        _ = _kernel.Umask(Linux.Abi.Mode.None);
        string home = _machine.At("snapshots");
        if (name == "btrfs")
            _machine.MountBtrfs(home);
        var driver = DriverCatalog.Open(_kernel, name, $"{home}/{name}", new IdSource((ulong)Environment.TickCount64), []);
        if (driver.Error is { Errno: Linux.Errno.ENODEV } or { Errno: Linux.Errno.EINVAL })
            throw new IgnoreException($"this machine's kernel: {driver.Error}");
        Assert.That(driver.Error, Is.Null);
        _driver = driver.Value;
        var store = SnapshotStore.Open(_kernel, _driver, home, TimeProvider.System);
        Assert.That(store.Error, Is.Null);
        _store = store.Value;
        _server = await SnapshotterServer.StartAsync(_machine.At("s.sock"), _store, CancellationToken.None);
    }

    [SetUp]
    public void Begin() => _machine = new Machine();

    [TearDown]
    public async Task End()
    {
        if (_server is not null)
            await _server.DisposeAsync();
        _driver?.Dispose();
        _kernel?.Dispose();
        (_server, _driver, _kernel) = (null!, null!, null!);
        _machine.Dispose();
    }

    [TestCase("overlay2")]
    [TestCase("overlay")]
    [TestCase("vfs")]
    [TestCase("btrfs")]
    public async Task Containerd_imports_runs_commits_removes_and_collects(string driver)
    {
        Machine.Needs("containerd", "ctr", "runc");
        await ServeAsync(driver);
        DemoImage.WriteOci(_machine.At("image.tar"));
        var daemon = StartContainerd();
        _ = Ctr("images", "import", "--snapshotter", "driverlab", _machine.At("image.tar"));
        Assert.That(_store.List(SnapshotFilter.Parse([]).Value).Select(s => s.Kind), Is.EqualTo((SnapshotKind[])[SnapshotKind.Committed, SnapshotKind.Committed]));

        string printed = Ctr("run", "--rm", "--snapshotter", "driverlab", DemoImage.Name, "one", "/bin/sh", "-c", "cat /etc/kept; ls /etc; rm /etc/kept; mkdir /made; touch /made/x; ls /made");
        Assert.That(printed.Split('\n', StringSplitOptions.RemoveEmptyEntries), Is.EqualTo((string[])["second", "kept", "x"]));

        // A container that stays: its snapshot is changed, committed, and the base of another one.
        _ = Ctr("run", "--snapshotter", "driverlab", DemoImage.Name, "two", "/bin/sh", "-c", "rm /etc/kept; mkdir /made; touch /made/x");
        string diff = string.Join(' ', Arguments("snapshots", "--snapshotter", "driverlab", "diff", "two"));
        Assert.That(_machine.Run("sh", "-c", $"ctr {diff} | tar -tz"), Does.Contain("made/x").And.Contain(".wh.kept"));
        _ = Ctr("snapshots", "--snapshotter", "driverlab", "commit", "mine", "two");
        _ = Ctr("snapshots", "--snapshotter", "driverlab", "prepare", "look", "mine"); // no view: ctr roots what it prepares and commits in the same call, and the collector may take a view at once
        Assert.That(Ctr("snapshots", "--snapshotter", "driverlab", "info", "mine"), Does.Contain("Committed"));
        Assert.That(_machine.TryRun("ctr", Arguments("snapshots", "--snapshotter", "driverlab", "rm", "mine")).Error, Does.Contain("child"));
        foreach (string key in (string[])["look", "mine"])
            _ = Ctr("snapshots", "--snapshotter", "driverlab", "rm", key);
        _ = Ctr("containers", "rm", "two");

        _ = Ctr("images", "rm", "--sync", DemoImage.Name);
        _machine.Until("the garbage collector has removed every snapshot", () => _store.List(SnapshotFilter.Parse([]).Value).Count == 0);
        Assert.That(((StorageDrivers.Store.ILayerList)_driver).Layers().Value, Is.Empty, "layers of the driver");
        _machine.Stop(daemon);
    }

    [TestCase("overlay2", "overlayfs")]
    [TestCase("vfs", "native")]
    [TestCase("btrfs", "btrfs")]
    [Category("long")]
    public async Task Containerds_own_suite_passes(string driver, string suiteName)
    {
        string binary = SnapshotterSuite.Build(_machine);
        await ServeAsync(driver);
        _machine.Environment_["DRIVERLAB_SOCKET"] = _machine.At("s.sock");
        _machine.Environment_["DRIVERLAB_SUITE_NAME"] = suiteName;
        // One case at a time: they share the served store, and each leaves it empty.
        var (code, output, error) = _machine.TryRun(binary, "-test.v", "-test.root", "-test.parallel", "1");
        SnapshotterSuite.Judge(driver, code, output, error);
    }

    private Process StartContainerd()
    {
        File.WriteAllText(_machine.At("containerd.toml"), $"""
            version = 2
            root = "{_machine.At("containerd-root")}"
            state = "{_machine.At("containerd-state")}"
            disabled_plugins = ["io.containerd.grpc.v1.cri"]
            [grpc]
              address = "{_machine.At("c.sock")}"
            [proxy_plugins.driverlab]
              type = "snapshot"
              address = "{_machine.At("s.sock")}"
            """);
        var daemon = _machine.Start("containerd.log", "containerd", "-c", _machine.At("containerd.toml"));
        _machine.Until("containerd answers", () => File.Exists(_machine.At("c.sock")) && _machine.TryRun("ctr", Arguments("version")).Code == 0);
        return daemon;
    }

    private string[] Arguments(params string[] arguments) => ["-a", _machine.At("c.sock"), "-n", Namespace, .. arguments];

    private string Ctr(params string[] arguments) => _machine.Run("ctr", Arguments(arguments));
}
