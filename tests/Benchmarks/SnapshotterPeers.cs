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
/// answers, umount(2), Remove. Ours costs a second connection, and a database less.
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
            """);
        using var daemon = Process.Start(new ProcessStartInfo("sh", ["-c", $"exec containerd -c {Root}/containerd.toml > {Root}/containerd.log 2>&1"]))!;
        try
        {
            using var channel = await ConnectAsync(daemon);
            using var mounter = NativeKernel.NewTask(); // the server's task is the server's: containerd calls it whenever it likes
            var client = new Snapshots.SnapshotsClient(channel);
            foreach (int depth in (int[])[1, 100])
            {
                foreach (string name in (string[])["driverlab", "overlayfs"])
                    Stack(client, name, depth);
                foreach (string name in (string[])["driverlab", "overlayfs"])
                {
                    double best = double.MaxValue;
                    for (int round = 0; round < Rounds; round++)
                        best = Math.Min(best, Churn(mounter, client, name, depth));
                    output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{$"prepare, mount, remove on {depth,3}",-34} {$"{name} by containerd",-24} {Containers / best,8:F0} a second"));
                }
            }
            return 0;
        }
        finally
        {
            daemon.Kill();
            await daemon.WaitForExitAsync();
        }
    }

    private static async Task<GrpcChannel> ConnectAsync(Process daemon)
    {
        var channel = GrpcChannel.ForAddress("http://containerd", new GrpcChannelOptions
        {
            HttpHandler = new SocketsHttpHandler
            {
                ConnectCallback = static async (_, cancellation) =>
                {
                    var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                    await socket.ConnectAsync(new UnixDomainSocketEndPoint($"{Root}/c.sock"), cancellation);
                    return new NetworkStream(socket, ownsSocket: true);
                },
            },
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
