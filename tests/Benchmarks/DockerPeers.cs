using System.Diagnostics;
using System.Formats.Tar;
using System.Globalization;
using System.Net.Http.Json;
using System.Text.Json;
using DriverLab.Docker;
using DriverLab.Linux.Abi;
using DriverLab.Native;
using DriverLab.StorageDrivers;
using DriverLab.StorageDrivers.Files;

namespace DriverLab.Benchmarks;

/// <summary>Containers a second that dockerd creates and removes: with its own overlay2, and with ours as its graphdriver plugin, both on one tmpfs.</summary>
internal static class DockerPeers
{
    private const int Containers = 50, Rounds = 3;
    private const string Root = "/mnt/docker";

    /// <param name="kernel">A task in the benchmark's mount name space.</param>
    /// <param name="containerd">The socket of a containerd.</param>
    /// <param name="output">Takes the rows.</param>
    public static async Task PrintAsync(NativeKernel kernel, string containerd, TextWriter output)
    {
        if (!File.Exists("/usr/sbin/dockerd"))
        {
            output.WriteLine("dockerd is not installed: no rows of Docker");
            return;
        }
        _ = Directory.CreateDirectory(Root);
        await File.WriteAllTextAsync($"{Root}/daemon.json", "{}");
        kernel.Mount("tmpfs"u8, "/run"u8, "tmpfs"u8, MountFlags.None, ""u8).OrThrow("mount /run"); // plugins have one place, which is not to be the machine's
        _ = Directory.CreateDirectory("/run/docker/plugins");
        using var task = NativeKernel.NewTask();
        _ = task.Umask(Mode.None);
        await using var server = await GraphDriverServer.StartAsync("/run/docker/plugins/driverlab.sock",
            (home, options) => DriverCatalog.Open(task, "overlay2", $"{home}/overlay2", new IdSource(1), options), CancellationToken.None);
        var best = new Dictionary<string, double>();
        foreach (string driver in (string[])["driverlab", "overlay2"])
            best[driver] = await MeasureAsync(driver, containerd);
        foreach (var (driver, seconds) in best)
            output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{"create, remove",-34} {$"{driver} by dockerd",-29} {Containers / seconds,8:F0} a second"));
    }

    private static async Task<double> MeasureAsync(string driver, string containerd)
    {
        string own = $"{Root}/{driver}";
        using var daemon = SnapshotterPeers.Start($"dockerd --experimental --storage-driver {driver} --data-root {own} --exec-root {own}-exec --pidfile {own}.pid --containerd {containerd} "
            + $"--config-file {Root}/daemon.json --iptables=false --ip6tables=false --ip-forward=false --bridge=none -H unix://{own}.sock", $"dockerd-{driver}.log");
        try
        {
            using var client = new HttpClient(SnapshotterPeers.Socket($"{own}.sock")) { BaseAddress = new Uri("http://docker") };
            await AnswersAsync(client, daemon);
            using (var image = new ByteArrayContent(Image()))
            using (var imported = await client.PostAsync(new Uri("/images/create?fromSrc=-&repo=bench", UriKind.Relative), image))
                _ = await ReadAsync(imported);
            double best = double.MaxValue;
            for (int round = 0; round < Rounds; round++)
                best = Math.Min(best, await ChurnAsync(client));
            return best;
        }
        finally
        {
            daemon.Kill(entireProcessTree: true);
            await daemon.WaitForExitAsync();
        }
    }

    private static async Task AnswersAsync(HttpClient client, Process daemon)
    {
        for (int tries = 0; ; tries++)
        {
            try
            {
                using var answer = await client.GetAsync(new Uri("/_ping", UriKind.Relative));
                _ = answer.EnsureSuccessStatusCode();
                return;
            }
            catch (HttpRequestException) when (tries < 600 && !daemon.HasExited)
            {
                await Task.Delay(100);
            }
        }
    }

    /// <returns>Seconds.</returns>
    private static async Task<double> ChurnAsync(HttpClient client)
    {
        var watch = Stopwatch.StartNew();
        for (int i = 0; i < Containers; i++)
        {
            using var created = await client.PostAsJsonAsync(new Uri("/containers/create", UriKind.Relative), new Dictionary<string, object> { ["Image"] = "bench", ["Cmd"] = (string[])["/none"] });
            using var answer = JsonDocument.Parse(await ReadAsync(created));
            using var removed = await client.DeleteAsync(new Uri($"/containers/{answer.RootElement.GetProperty("Id").GetString()}", UriKind.Relative));
            _ = await ReadAsync(removed);
        }
        return watch.Elapsed.TotalSeconds;
    }

    private static async Task<string> ReadAsync(HttpResponseMessage message)
    {
        string text = await message.Content.ReadAsStringAsync();
        return message.IsSuccessStatusCode ? text : throw new InvalidOperationException($"dockerd: {message.StatusCode}: {text}");
    }

    /// <summary>A layer with one file.</summary>
    private static byte[] Image()
    {
        using var stream = new MemoryStream();
        using (var tar = new TarWriter(stream, TarEntryFormat.Ustar, leaveOpen: true))
            tar.WriteEntry(new UstarTarEntry(TarEntryType.RegularFile, "file") { DataStream = new MemoryStream([1, 2, 3]) });
        return stream.ToArray();
    }
}
