using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using DriverLab.Containerd;
using DriverLab.Containerd.Wire;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Native;
using DriverLab.StorageDrivers;
using DriverLab.StorageDrivers.Files;
using DriverLab.StorageDrivers.Snapshots;
using Grpc.Core;
using Grpc.Net.Client;

namespace DriverLab.Benchmarks;

/// <summary>
/// Containers a second beside containerd's own overlayfs snapshotter: the same gRPC calls to one containerd, which has ours as a proxy plugin, on one tmpfs: Prepare, mount(2) of what it
/// answers, umount(2), Remove. Ours is another process's work to containerd, with a second connection and the list that its collector asks for; so the same overlayfs snapshotter is measured a
/// third time, behind a socket as ours is, where Go and its source are there to build it.
/// </summary>
internal static class SnapshotterPeers
{
    private const int Containers = 200, Rounds = 3;
    private const string Root = "/mnt/snapshotters";

    public static int Print(NativeKernel kernel, TextWriter output)
    {
        _ = Directory.CreateDirectory(Root);
        return PrintAsync(kernel, output).GetAwaiter().GetResult();
    }

    private static async Task<int> PrintAsync(NativeKernel kernel, TextWriter output)
    {
        using var driver = DriverCatalog.Open(kernel, "overlay2", $"{Root}/store/overlay2", new IdSource(1), []).Value;
        var store = SnapshotStore.Open(kernel, driver, $"{Root}/store", TimeProvider.System).Value;
        await using var server = await SnapshotterServer.StartAsync($"{Root}/s.sock", store, CancellationToken.None);
        using var proxy = StartProxy(output);
        string[] names = proxy is null ? ["driverlab", "overlayfs"] : ["driverlab", "overlayfs", "overlayfs-proxy"];
        await File.WriteAllTextAsync($"{Root}/containerd.toml", $"""
            version = 2
            root = "{Root}/containerd-root"
            state = "{Root}/containerd-state"
            disabled_plugins = ["io.containerd.grpc.v1.cri"]
            [grpc]
              address = "{Root}/c.sock"
            [proxy_plugins.driverlab]
              type = "snapshot"
              address = "{Root}/s.sock"
            [proxy_plugins.overlayfs-proxy]
              type = "snapshot"
              address = "{Root}/p.sock"
            """);
        using var daemon = Start($"containerd -c {Root}/containerd.toml", "containerd.log");
        try
        {
            using var channel = await ConnectAsync(daemon);
            using var mounter = NativeKernel.NewTask(); // the server's task is the server's: containerd calls it whenever it likes
            var client = new Snapshots.SnapshotsClient(channel);
            foreach (int depth in (int[])[1, 100])
            {
                foreach (string name in names)
                    Stack(client, name, depth);
                var best = names.ToDictionary(static name => name, static _ => double.MaxValue);
                for (int round = 0; round < Rounds; round++) // in turn: what else runs here meets all alike
                    foreach (string name in names)
                        best[name] = Math.Min(best[name], Churn(mounter, client, name, depth));
                foreach (string name in names)
                    output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{$"prepare, mount, remove on {depth,3}",-34} {$"{name} by containerd",-29} {Containers / best[name],8:F0} a second"));
            }
            await DockerPeers.PrintAsync(kernel, $"{Root}/c.sock", output);
            return 0;
        }
        finally
        {
            foreach (var process in (Process?[])[daemon, proxy])
            {
                process?.Kill();
                process?.WaitForExit();
            }
        }
    }

    /// <summary>Starts a program whose output goes to a file of the benchmark's directory.</summary>
    internal static Process Start(string command, string log) => Process.Start(new ProcessStartInfo("sh", ["-c", $"exec {command} > {Root}/{log} 2>&1"]))!;

    /// <summary>containerd's overlayfs snapshotter as a program, built from Debian's source with Debian's Go and kept in the user's cache; null where they are not installed.</summary>
    private static Process? StartProxy(TextWriter output)
    {
        const string sources = "/usr/share/gocode";
        if (!File.Exists("/usr/bin/go") || !Directory.Exists($"{sources}/src/github.com/containerd/containerd/contrib/snapshotservice"))
        {
            output.WriteLine("overlayfs-proxy: needs golang-go and golang-github-containerd-containerd-dev");
            return null;
        }
        string cache = Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache/driverlab/overlayfs-proxy"), program = Path.Combine(cache, "proxy");
        if (!File.Exists(program))
        {
            _ = Directory.CreateDirectory($"{cache}/src/overlayfs_proxy");
            File.Copy(Path.Combine(AppContext.BaseDirectory, "Peers/overlayfs_proxy.go.txt"), $"{cache}/src/overlayfs_proxy/main.go", overwrite: true);
            using var build = Start($"env GO111MODULE=off GOPATH={cache}:{sources} GOCACHE={cache}/go CGO_ENABLED=0 go build -o {program} overlayfs_proxy", "go.log");
            build.WaitForExit();
            if (build.ExitCode != 0)
                throw new InvalidOperationException(File.ReadAllText($"{Root}/go.log"));
            Directory.Delete($"{cache}/go", recursive: true); // 200 MB that only another build would use
        }
        return Start($"{program} {Root}/p.sock {Root}/proxy-store", "proxy.log");
    }

    private static async Task<GrpcChannel> ConnectAsync(Process daemon)
    {
        var channel = GrpcChannel.ForAddress("http://containerd", new GrpcChannelOptions
        {
            HttpHandler = Socket($"{Root}/c.sock"),
        });
        for (int tries = 0; ; tries++)
        {
            try
            {
                _ = await new Snapshots.SnapshotsClient(channel).CleanupAsync(new CleanupRequest { Snapshotter = "driverlab" }, Headers);
                return channel;
            }
            catch (RpcException e) when (e.StatusCode == StatusCode.Unavailable && tries < 600 && !daemon.HasExited)
            {
                await Task.Delay(100);
            }
            catch (RpcException e) when (e.StatusCode != StatusCode.Unavailable)
            {
                return channel; // it answers
            }
        }
    }

    /// <summary>HTTP over a unix socket.</summary>
    internal static SocketsHttpHandler Socket(string path) => new()
    {
        ConnectCallback = async (_, cancellation) =>
        {
            var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancellation);
            return new NetworkStream(socket, ownsSocket: true);
        },
    };

    private static Metadata Headers => new() { { "containerd-namespace", "bench" } };

    /// <summary>The name of the top of a stack of committed snapshots.</summary>
    private static string Top(int depth) => $"layer-{depth}";

    /// <summary>Makes what is not there yet of a stack; garbage collection spares what is labelled.</summary>
    private static void Stack(Snapshots.SnapshotsClient client, string snapshotter, int depth)
    {
        for (int i = 1; i <= depth; i++)
        {
            var prepare = new PrepareSnapshotRequest { Snapshotter = snapshotter, Key = $"key-{i}", Parent = i == 1 ? "" : Top(i - 1) };
            var commit = new CommitSnapshotRequest { Snapshotter = snapshotter, Key = prepare.Key, Name = Top(i) };
            prepare.Labels.Add("containerd.io/gc.root", "bench");
            commit.Labels.Add("containerd.io/gc.root", "bench");
            try
            {
                _ = client.Stat(new StatSnapshotRequest { Snapshotter = snapshotter, Key = commit.Name }, Headers);
            }
            catch (RpcException e) when (e.StatusCode == StatusCode.NotFound)
            {
                _ = client.Prepare(prepare, Headers);
                _ = client.Commit(commit, Headers);
            }
        }
    }

    /// <returns>Seconds.</returns>
    private static double Churn(NativeKernel kernel, Snapshots.SnapshotsClient client, string snapshotter, int depth)
    {
        byte[] target = ByteText.Bytes(Directory.CreateDirectory($"{Root}/target").FullName);
        var watch = Stopwatch.StartNew();
        for (int i = 0; i < Containers; i++)
        {
            var request = new PrepareSnapshotRequest { Snapshotter = snapshotter, Key = "box", Parent = Top(depth) };
            request.Labels.Add("containerd.io/gc.root", "bench");
            var mount = client.Prepare(request, Headers).Mounts.Single();
            // As containerd's client does where the words do not fit into a page: from the directory that all lowers share.
            Mount(kernel, mount, target);
            kernel.Umount(target, UmountFlags.None).OrThrow("umount");
            _ = client.Remove(new RemoveSnapshotRequest { Snapshotter = snapshotter, Key = "box" }, Headers);
        }
        return watch.Elapsed.TotalSeconds;
    }

    private static void Mount(NativeKernel kernel, DriverLab.Containerd.Wire.Mount mount, byte[] target)
    {
        string words = string.Join(',', mount.Options);
        if (words.Length < Environment.SystemPageSize - 512)
        {
            kernel.Mount("overlay"u8, target, "overlay"u8, MountFlags.None, ByteText.Bytes(words)).OrThrow("mount overlay");
            return;
        }
        string[] lowers = mount.Options.Single(static o => o.StartsWith("lowerdir=", StringComparison.Ordinal))["lowerdir=".Length..].Split(':');
        string common = lowers.Aggregate(static (a, b) => a[..a.Zip(b).TakeWhile(static p => p.First == p.Second).Count()]);
        common = common[..(common.LastIndexOf('/') + 1)];
        kernel.Chdir(ByteText.Bytes(common)).OrThrow("chdir");
        words = string.Join(',', mount.Options.Select(o => o.StartsWith("lowerdir=", StringComparison.Ordinal) ? "lowerdir=" + string.Join(':', lowers.Select(l => l[common.Length..])) : o));
        kernel.Mount("overlay"u8, target, "overlay"u8, MountFlags.None, ByteText.Bytes(words)).OrThrow("mount overlay");
        kernel.Chdir("/"u8).OrThrow("chdir");
    }
}
