using System.Diagnostics;
using System.Globalization;
using System.IO.Compression;
using System.Text;
using DriverLab.Linux.Abi;
using DriverLab.Native;
using DriverLab.StorageDrivers;
using DriverLab.StorageDrivers.Files;
using DriverLab.StorageDrivers.Layers.Tar;

namespace DriverLab.Benchmarks;

/// <summary>Layers unpacked and written out by the overlay2 driver on this machine's kernel, beside GNU tar and umoci on the same bytes, on one tmpfs; a stack of 100 layers; and containers a second beside containerd's own snapshotter.</summary>
internal static class LayerPeers
{
    private const int Rounds = 5;
    private const string Root = "/mnt/layers";

    private sealed record Load(string Name, int Files, int FileBytes)
    {
        public double MiB => (double)Files * FileBytes / (1 << 20);
    }

    private static readonly Load[] s_loads = [new("small files", 20_000, 1024), new("large files", 64, 4 << 20)];

    public static int Print(TextWriter output)
    {
        if (!PrivateMounts.Entered)
        {
            output.WriteLine("layers: this machine gives no private mount namespace");
            return 3;
        }
        using var kernel = NativeKernel.NewTask();
        _ = kernel.Umask(Mode.None);
        kernel.Mount("tmpfs"u8, "/mnt"u8, "tmpfs"u8, MountFlags.None, "size=4g"u8).OrThrow("mount tmpfs");
        output.WriteLine($"{"what",-34} {"who",-24} {"s",8} {"cpu s",8} {"MB/s",8} {"files/s",9} {"ratio",7}");
        foreach (var load in s_loads)
            Measure(kernel, load, output);
        Deep(kernel, output);
        return SnapshotterPeers.Print(kernel, output);
    }

    private static void Measure(NativeKernel kernel, Load load, TextWriter output)
    {
        _ = Directory.CreateDirectory(Root);
        string archive = $"{Root}/layer.tar", image = $"{Root}/image";
        Write(archive, load);
        Run("sh", "-c", $"umoci init --layout {image} && umoci new --image {image}:a && umoci raw add-layer --image {image}:a {archive}");
        string blob = new DirectoryInfo($"{image}/blobs/sha256").GetFiles().MaxBy(static f => f.Length)!.FullName;
        using var driver = DriverCatalog.Open(kernel, "overlay2", $"{Root}/store", new IdSource(1), []).Value;
        Row("apply",
            new("driverlab", () => Apply(driver, "a", File.OpenRead(archive)), () => driver.Remove("a")),
            new("tar -x", () => Run("tar", "-xpf", archive, "-C", Directory.CreateDirectory($"{Root}/tar").FullName), () => Directory.Delete($"{Root}/tar", recursive: true)));
        Row("apply, gzip",
            new("driverlab", () => Apply(driver, "a", new GZipStream(File.OpenRead(blob), CompressionMode.Decompress)), () => driver.Remove("a")),
            new("umoci raw unpack", () => Run("umoci", "raw", "unpack", "--image", $"{image}:a", $"{Root}/umoci"), () => Directory.Delete($"{Root}/umoci", recursive: true)));
        _ = driver.Create("base", "", LayerOptions.None);
        _ = driver.Create("top", "base", LayerOptions.None);
        using (var tar = File.OpenRead(archive))
            Throw(driver.ApplyDiff("top", "base", tar).Error);
        Row("diff",
            new("driverlab", () => Throw(driver.Diff("top", "base", Stream.Null)), null),
            new("tar -c", () => Run("sh", "-c", $"tar -C {Root}/store/top/diff -cf - . | cat > /dev/null"), null));
        _ = driver.Remove("top");
        _ = driver.Remove("base");
        Directory.Delete(Root, recursive: true);

        // In turn, so that what else runs here meets all alike; the best of the rounds counts.
        void Row(string what, params Peer[] peers)
        {
            var best = peers.Select(static _ => (Wall: double.MaxValue, Processor: double.MaxValue)).ToArray();
            for (int round = 0; round < Rounds; round++)
                for (int i = 0; i < peers.Length; i++)
                {
                    double processor = ProcessorSeconds();
                    var watch = Stopwatch.StartNew();
                    peers[i].Run();
                    best[i] = (Math.Min(best[i].Wall, watch.Elapsed.TotalSeconds), Math.Min(best[i].Processor, ProcessorSeconds() - processor));
                    peers[i].Reset?.Invoke();
                }
            foreach (var (peer, (wall, processor)) in peers.Zip(best))
                output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{$"{what}, {load.Name}",-34} {peer.Name,-24} {wall,8:F3} {processor,8:F2} {load.MiB * 1.048576 / wall,8:F0} {load.Files / wall,9:F0} {best[0].Wall / wall,7:F2}"));
        }
    }

    /// <summary>One that does the work.</summary>
    private sealed record Peer(string Name, Action Run, Action? Reset);

    /// <summary>Processor time of this process and of the programs that it has waited for, in the kernel's ticks of 10 ms.</summary>
    private static double ProcessorSeconds()
    {
        string stat = File.ReadAllText("/proc/self/stat");
        return stat[(stat.LastIndexOf(')') + 2)..].Split(' ')[11..15].Sum(static ticks => double.Parse(ticks, CultureInfo.InvariantCulture)) / 100;
    }

    private static void Apply(IStorageDriver driver, string id, Stream tar)
    {
        Throw(driver.Create(id, "", LayerOptions.None));
        using (tar)
            Throw(driver.ApplyDiff(id, "", tar).Error);
    }

    /// <summary>Containers on a stack of 100 layers: made, mounted, unmounted, removed.</summary>
    private static void Deep(NativeKernel kernel, TextWriter output)
    {
        const int layers = 100, containers = 200;
        using var driver = DriverCatalog.Open(kernel, "overlay2", $"{Root}/store", new IdSource(1), []).Value;
        for (int i = 0; i < layers; i++)
            Throw(driver.Create($"l{i}", i == 0 ? "" : $"l{i - 1}", LayerOptions.None));
        foreach (int depth in (int[])[1, layers])
        {
            var watch = Stopwatch.StartNew();
            for (int i = 0; i < containers; i++)
            {
                Throw(driver.CreateReadWrite("box", $"l{depth - 1}", LayerOptions.None));
                Throw(driver.Get("box").Error);
                Throw(driver.Put("box"));
                Throw(driver.Remove("box"));
            }
            output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"create, get, put, remove on {depth,3} layers {"driverlab",-21} {containers / watch.Elapsed.TotalSeconds,8:F0} a second"));
        }
    }

    private static void Write(string path, Load load)
    {
        using var file = File.Create(path);
        var tar = new TarWriter(file);
        byte[] content = new byte[load.FileBytes];
        new Random(1).NextBytes(content);
        for (int i = 0; i < load.Files; i++)
        {
            if (i % 100 == 0)
                tar.WriteEntry(new TarEntry { Name = Encoding.ASCII.GetBytes($"d{i / 100}/"), Type = TarType.Directory, Permissions = (Mode)0x1ED, Mtime = new(1_000_000_000, 0) });
            tar.WriteEntry(new TarEntry { Name = Encoding.ASCII.GetBytes($"d{i / 100}/f{i}"), Type = TarType.File, Permissions = (Mode)0x1A4, Mtime = new(1_000_000_000, 0), Size = content.Length });
            tar.WriteContent(content);
        }
        tar.Finish();
    }

    private static void Throw(DriverError? error)
    {
        if (error is not null)
            throw new InvalidOperationException(error.ToString());
    }

    private static void Run(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true, RedirectStandardOutput = true })!;
        var printed = process.StandardOutput.ReadToEndAsync();
        string error = process.StandardError.ReadToEnd();
        process.WaitForExit();
        _ = printed.Result;
        if (process.ExitCode != 0)
            throw new InvalidOperationException($"{program}: {error}");
    }
}
