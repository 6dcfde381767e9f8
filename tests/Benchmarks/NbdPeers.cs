using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using DriverLab.Block;
using DriverLab.Nbd;

namespace DriverLab.Benchmarks;

/// <summary>The NBD server beside nbdkit and qemu-nbd: each a process of its own on a unix socket, the same fio, in turns.</summary>
internal static class NbdPeers
{
    private const string Worker = "--nbd-worker";
    private const int Rounds = 3, DiskMiB = 256;

    private sealed record Server(string Name, Func<string, Process> Start);

    private sealed record Load(string Name, string[] Options, bool IsBandwidth);

    private static readonly Load[] s_loads =
    [
        new("4 KiB random read, depth 1", ["--rw=randread", "--bs=4k", "--iodepth=1"], false),
        new("4 KiB random write, depth 1", ["--rw=randwrite", "--bs=4k", "--iodepth=1"], false),
        new("4 KiB random read, depth 32", ["--rw=randread", "--bs=4k", "--iodepth=32"], false),
        new("4 KiB random write, depth 32", ["--rw=randwrite", "--bs=4k", "--iodepth=32"], false),
        new("1 MiB sequential read, depth 8", ["--rw=read", "--bs=1m", "--iodepth=8"], true),
        new("1 MiB sequential write, depth 8", ["--rw=write", "--bs=1m", "--iodepth=8"], true),
    ];

    /// <summary>True when the program was started to serve a disk until its input ends.</summary>
    public static bool IsWorker(string[] args) => args is [Worker, ..];

    public static int Work(string[] args)
    {
        var bench = new ThinBench();
        const long sectors = DiskMiB * 2048L;
        BlockDevice device = bench.AddDisk(sectors);
        if (args[1] == "thin")
        {
            bench.Pool(bench.AddDisk(65536), device, sectors, "0");
            bench.Message("create_thin 0");
            device = bench.Thin("t0", 0, sectors);
        }
        using var server = NbdServer.Start(args[2], [new NbdExport("", device)]);
        _ = Console.In.ReadToEnd();
        return 0;
    }

    /// <summary>Prints the table; 3 when a peer or fio is missing.</summary>
    public static int Print(TextWriter output)
    {
        if (new[] { "fio", "nbdkit", "qemu-nbd", "qemu-img" }.Where(static name => !IsOnPath(name)).ToArray() is { Length: > 0 } missing)
        {
            Console.Error.WriteLine($"bench: missing: {string.Join(", ", missing)} (Debian: fio, nbdkit, qemu-utils)");
            return 3;
        }
        string folder = Directory.CreateTempSubdirectory("driverlab-nbd-bench-").FullName;
        try
        {
            Compare(folder, output);
            return 0;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static void Compare(string folder, TextWriter output)
    {
        string raw = Path.Combine(folder, "disk.raw"), qcow2 = Path.Combine(folder, "disk.qcow2");
        Run("qemu-img", "create", "-q", "-f", "raw", raw, $"{DiskMiB}M");
        Run("qemu-img", "create", "-q", "-f", "qcow2", qcow2, $"{DiskMiB}M");
        Server[] servers =
        [
            new("driverlab, RAM disk", socket => Self("ram", socket)),
            new("driverlab, thin", socket => Self("thin", socket)),
            new("nbdkit memory", socket => Begin("nbdkit", "-f", "-U", socket, "memory", $"{DiskMiB}M")),
            new("qemu-nbd raw", socket => Begin("qemu-nbd", "-t", "-k", socket, "-f", "raw", raw)),
            new("qemu-nbd qcow2", socket => Begin("qemu-nbd", "-t", "-k", socket, "-f", "qcow2", qcow2)),
        ];
        var best = new double[servers.Length, s_loads.Length, Rounds];
        // All servers are up at once and take turns at each load: whatever else the machine does meets them alike.
        var processes = new List<Process>();
        try
        {
            string[] sockets = [.. servers.Select((_, s) => Path.Combine(folder, $"{s}.sock"))];
            for (int s = 0; s < servers.Length; s++)
            {
                processes.Add(servers[s].Start(sockets[s]));
                while (!File.Exists(sockets[s]))
                    Thread.Sleep(20);
                _ = Fio(sockets[s], new("fill", ["--rw=write", "--bs=1m", "--iodepth=8"], true), whole: true);
            }
            for (int round = 0; round < Rounds; round++)
                for (int l = 0; l < s_loads.Length; l++)
                    for (int s = 0; s < servers.Length; s++)
                        best[s, l, round] = Fio(sockets[s], s_loads[l], whole: false);
        }
        finally
        {
            foreach (var process in processes)
            {
                process.Kill();
                process.WaitForExit();
                process.Dispose();
            }
        }
        output.WriteLine($"{"median of 3 (least to most)",-34}{string.Concat(servers.Select(static s => $"{s.Name,26}"))}");
        for (int l = 0; l < s_loads.Length; l++)
        {
            output.Write($"{s_loads[l].Name,-34}");
            for (int s = 0; s < servers.Length; s++)
            {
                double[] values = [.. Enumerable.Range(0, Rounds).Select(round => best[s, l, round]).Order()];
                output.Write($"{string.Create(CultureInfo.InvariantCulture, $"{values[1]:F0} ({values[0]:F0} to {values[2]:F0})"),26}");
            }
            output.WriteLine(s_loads[l].IsBandwidth ? "  MiB/s" : "  a second");
        }
    }

    /// <summary>Requests a second, or MiB a second.</summary>
    private static double Fio(string socket, Load load, bool whole)
    {
        string[] time = whole ? [] : ["--time_based", "--runtime=1", "--ramp_time=0.2"];
        string json = Run("fio", ["--name=load", "--ioengine=nbd", $"--uri=nbd+unix:///?socket={socket}", $"--size={DiskMiB}m", "--output-format=json", .. load.Options, .. time]);
        using var result = JsonDocument.Parse(json[json.IndexOf('{', StringComparison.Ordinal)..]);
        var job = result.RootElement.GetProperty("jobs")[0];
        if (job.GetProperty("error").GetInt32() is var error and not 0)
            throw new InvalidOperationException($"fio: error {error} in {load.Name}");
        var side = job.GetProperty(load.Options[0].EndsWith("read", StringComparison.Ordinal) ? "read" : "write");
        return load.IsBandwidth ? side.GetProperty("bw_bytes").GetDouble() / 1048576 : side.GetProperty("iops").GetDouble();
    }

    private static Process Self(string what, string socket)
    {
        string program = Environment.ProcessPath!;
        string[] self = Path.GetFileNameWithoutExtension(program) == "dotnet" ? [typeof(NbdPeers).Assembly.Location] : [];
        return Process.Start(new ProcessStartInfo(program, [.. self, Worker, what, socket]) { RedirectStandardInput = true })!;
    }

    private static Process Begin(string program, params string[] arguments) => Process.Start(new ProcessStartInfo(program, arguments))!;

    private static string Run(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true })!;
        string text = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0 ? text : throw new InvalidOperationException($"{program} {string.Join(' ', arguments)}: exit code {process.ExitCode}");
    }

    private static bool IsOnPath(string name) => Environment.GetEnvironmentVariable("PATH")!.Split(':').Any(folder => File.Exists(Path.Combine(folder, name)));
}
