using DriverLab.Docker;
using DriverLab.Native;
using DriverLab.StorageDrivers;
using DriverLab.StorageDrivers.Files;

namespace DriverLab.Doors.Tests;

/// <summary>Debian's dockerd with our driver as its graphdriver plugin: load, run, diff, commit, save.</summary>
[NonParallelizable]
public sealed class DockerTests
{
    private Machine _machine = null!;

    [SetUp]
    public void Begin() => _machine = new Machine();

    [TearDown]
    public void End() => _machine.Dispose();

    [TestCase("overlay2")]
    [TestCase("overlay")]
    [TestCase("vfs")]
    [TestCase("btrfs")]
    public async Task Dockerd_loads_runs_commits_and_saves(string driver)
    {
        Machine.Needs("dockerd", "docker", "containerd", "runc");
        const string plugin = "/run/docker/plugins";
        string name = $"driverlab{Environment.ProcessId}", socket = $"{plugin}/{name}.sock", data = _machine.At("docker");
        if (driver == "btrfs")
            _machine.MountBtrfs(data);
        else
            _machine.MountShared(data);
        bool made = !Directory.Exists(plugin);
        _ = Directory.CreateDirectory(plugin);
        using var kernel = NativeKernel.NewTask();
        _ = kernel.Umask(Linux.Abi.Mode.None);
        try
        {
            await using var server = await GraphDriverServer.StartAsync(socket, (home, options) => DriverCatalog.Open(kernel, driver, $"{home}/{driver}", new IdSource((ulong)Environment.TickCount64), options), CancellationToken.None);
            DemoImage.WriteDocker(_machine.At("image.tar"));
            Use(name, data);
        }
        finally
        {
            if (made)
                Directory.Delete(plugin, recursive: true);
        }
    }

    private void Use(string plugin, string data)
    {
        File.WriteAllText(_machine.At("containerd.toml"), $"""
            version = 2
            root = "{_machine.At("containerd-root")}"
            state = "{_machine.At("containerd-state")}"
            disabled_plugins = ["io.containerd.grpc.v1.cri"]
            [grpc]
              address = "{_machine.At("c.sock")}"
            """);
        var containerd = _machine.Start("containerd.log", "containerd", "-c", _machine.At("containerd.toml"));
        _machine.Until("containerd answers", () => File.Exists(_machine.At("c.sock")) && _machine.TryRun("ctr", "-a", _machine.At("c.sock"), "version").Code == 0);
        File.WriteAllText(_machine.At("daemon.json"), "{}");
        var dockerd = _machine.Start("dockerd.log", "dockerd", "--experimental", "--storage-driver", plugin, "--data-root", data, "--exec-root", _machine.At("exec"),
            "--pidfile", _machine.At("docker.pid"), "--containerd", _machine.At("c.sock"), "--config-file", _machine.At("daemon.json"), "--iptables=false", "--ip6tables=false", "--ip-forward=false",
            "--bridge=none", "-H", $"unix://{_machine.At("d.sock")}");
        _machine.Until("dockerd answers", () => _machine.TryRun("docker", Arguments("version")).Code == 0);
        Assert.That(Docker("info", "--format", "{{.Driver}}").Trim(), Is.EqualTo(plugin));

        Assert.That(Docker("load", "-i", _machine.At("image.tar")), Does.Contain(DemoImage.Name));
        Assert.That(Docker("run", "--network", "none", "--name", "one", DemoImage.Name, "/bin/sh", "-c", "cat /etc/kept; ls /etc/gone; rm /etc/kept; mkdir /made; touch /made/x; ls /made; true"), Is.EqualTo("second\nx\n"));
        Assert.That(Docker("diff", "one").Split('\n'), Is.SupersetOf((string[])["A /made", "A /made/x", "C /etc", "D /etc/kept"]));
        _ = Docker("commit", "one", "local/demo:v2");
        Assert.That(Docker("run", "--rm", "--network", "none", "local/demo:v2", "/bin/ls", "/made"), Is.EqualTo("x\n"));
        _ = Docker("save", "-o", _machine.At("saved.tar"), "local/demo:v2");
        Assert.That(new FileInfo(_machine.At("saved.tar")).Length, Is.GreaterThan(1 << 20));
        _ = Docker("rm", "one");
        _ = Docker("rmi", "local/demo:v2", DemoImage.Name);
        Assert.That(Docker("images", "-q"), Is.Empty);
        _ = Docker("load", "-i", _machine.At("saved.tar"));
        Assert.That(Docker("run", "--rm", "--network", "none", "local/demo:v2", "/bin/ls", "/made"), Is.EqualTo("x\n"), "what was saved is what was committed");
        _machine.Stop(dockerd);
        _machine.Stop(containerd);
    }

    private string[] Arguments(params string[] arguments) => ["-H", $"unix://{_machine.At("d.sock")}", .. arguments];

    private string Docker(params string[] arguments) => _machine.Run("docker", Arguments(arguments));
}
