using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using DriverLab.ThinTools.Check;
using DriverLab.ThinTools.Dump;
using DriverLab.ThinTools.Io;
using DriverLab.ThinTools.Model;
using DriverLab.ThinTools.Restore;
using DriverLab.ThinTools.Text;

namespace DriverLab.Benchmarks;

/// <summary>Check, dump and restore of a thin pool's metadata beside thin-provisioning-tools, on the same files in the same run: whole processes (ours is <c>artifacts/driverlab thin</c>), their processor time and peak memory; and the library alone.</summary>
internal static partial class ThinPeers
{
    private const int Rounds = 5;
    private const double Enough = 10;
    private const long MetadataBytes = 512L << 20;
    private static readonly string[] s_verbs = ["check", "dump", "restore"];

    /// <summary>The command as users start it.</summary>
    private static readonly string s_command = Path.Combine(Environment.GetEnvironmentVariable("DRIVERLAB_HOME") ?? Environment.CurrentDirectory, "artifacts/driverlab");

    /// <summary>Folders with the peers: Debian's, and another version's when the variable names its folder.</summary>
    private static readonly string?[] s_peers = ["/usr/sbin", Environment.GetEnvironmentVariable("DRIVERLAB_THIN_PEER")];

    private sealed record Cost(double Wall, double Cpu, double PeakMiB);

    /// <summary>Prints the table; 3 when the command is not built.</summary>
    public static int Print(TextWriter output)
    {
        if (!File.Exists(s_command))
        {
            Console.Error.WriteLine($"bench: {s_command} is not there: build it with ./build.sh build");
            return 3;
        }
        string folder = Directory.CreateTempSubdirectory("driverlab-thin-bench-").FullName;
        try
        {
            output.WriteLine($"{"operation",-9} {"mappings",-14} {"who",-22} {"wall s",8} {"cpu s",8} {"peak MiB",9}   wall and cpu times of the peer / ours");
            foreach (int devices in (int[])[1, 10])
                Size(folder, devices, 1_000_000, output);
            return 0;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>Nanoseconds per mapping from 10^4 to 10^7 mappings in one device, the library alone.</summary>
    public static void PrintScale(TextWriter output)
    {
        string folder = Directory.CreateTempSubdirectory("driverlab-thin-bench-").FullName;
        try
        {
            output.WriteLine($"{"mappings",12} {"check ns",10} {"dump ns",10} {"restore ns",10}   per mapping, processor time, fragmented");
            for (int count = 10_000; count <= 10_000_000; count *= 10)
            {
                var (xml, image, dump) = Files(folder, 1, count);
                Operate("restore", xml, image, dump);
                var costs = s_verbs.Select(verb => Best(() => InProcess(verb, xml, image, dump)).Cpu / count * 1e9).ToArray();
                output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{count,12:N0} {costs[0],10:F1} {costs[1],10:F1} {costs[2],10:F1}"));
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static void Size(string folder, int devices, int each, TextWriter output)
    {
        var (xml, image, dump) = Files(folder, devices, each);
        Operate("restore", xml, image, dump);
        foreach (string verb in s_verbs)
        {
            string mappings = $"{devices} x {each:N0}";
            var library = Best(() => InProcess(verb, xml, image, dump));
            string[] arguments = verb switch { "check" => [image], "dump" => [image, "-o", dump], _ => ["-i", xml, "-o", image] };
            var process = Best(() => Run(s_command, ["thin", verb, .. arguments]));
            Row(output, verb, mappings, "driverlab, library", library, null, null);
            Row(output, verb, mappings, "driverlab thin", process, null, null);
            foreach (string peer in s_peers.OfType<string>().Where(peer => File.Exists($"{peer}/thin_check")))
                Row(output, verb, mappings, "thin_" + verb + " " + VersionOf(peer), Best(() => Run($"{peer}/thin_{verb}", arguments)), library, process);
        }
        foreach (string file in (string[])[xml, image, dump])
            File.Delete(file);
    }

    private static void Row(TextWriter output, string verb, string mappings, string who, Cost cost, Cost? library, Cost? process)
    {
        string ratio = library is null || process is null ? "" : string.Create(CultureInfo.InvariantCulture,
            $"library {cost.Wall / library.Wall:F1} and {cost.Cpu / library.Cpu:F1}, process {cost.Wall / process.Wall:F1} and {cost.Cpu / process.Cpu:F1}");
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{verb,-9} {mappings,-14} {who,-22} {cost.Wall,8:F3} {cost.Cpu,8:F3} {cost.PeakMiB,9:F0}   {ratio}"));
    }

    /// <summary>Mappings that never join to runs, by a permutation that needs no memory.</summary>
    private static (string Xml, string Image, string Dump) Files(string folder, int devices, int each)
    {
        string xml = Path.Combine(folder, "pool.xml"), image = Path.Combine(folder, "metadata"), dump = Path.Combine(folder, "dump.xml");
        long total = (long)devices * each * 2;
        using (var text = new StreamWriter(xml, false, new UTF8Encoding(false), 1 << 20) { NewLine = "\n" })
        {
            text.WriteLine($"<superblock uuid=\"\" time=\"1\" transaction=\"1\" flags=\"0\" version=\"2\" data_block_size=\"128\" nr_data_blocks=\"{total}\">");
            for (int d = 0; d < devices; d++)
            {
                text.WriteLine($"  <device dev_id=\"{d + 1}\" mapped_blocks=\"{each}\" transaction=\"0\" creation_time=\"0\" snap_time=\"0\">");
                for (int i = 0; i < each; i++)
                    text.WriteLine($"    <single_mapping origin_block=\"{i}\" data_block=\"{((long)d * each + i) * 7_368_787 % total}\" time=\"0\"/>");
                text.WriteLine("  </device>");
            }
            text.WriteLine("</superblock>");
        }
        using (var file = File.Create(image))
            file.SetLength(MetadataBytes);
        return (xml, image, dump);
    }

    private static void Operate(string verb, string xml, string image, string dump)
    {
        switch (verb)
        {
            case "check":
                using (var device = FileDevice.OpenRead(image))
                {
                    if (MetadataCheck.Run(device, new()).Damages is [var damage, ..])
                        throw new InvalidOperationException($"the metadata should be sound: {damage}");
                }
                break;
            case "dump":
                using (var device = FileDevice.OpenRead(image))
                using (var file = new FileStream(dump, FileMode.Create, FileAccess.Write, FileShare.None, 1))
                using (var writer = new XmlDumper(file))
                    _ = MetadataDump.Run(ThinMetadata.Open(device), new(), writer);
                break;
            default:
                using (var device = FileDevice.OpenWrite(image))
                using (var file = new FileStream(xml, FileMode.Open, FileAccess.Read, FileShare.Read, 1))
                    _ = MetadataRestore.Run(file, xml, device, new());
                break;
        }
    }

    private static Cost InProcess(string verb, string xml, string image, string dump)
    {
        using var self = Process.GetCurrentProcess();
        var before = self.TotalProcessorTime;
        long start = Stopwatch.GetTimestamp();
        Operate(verb, xml, image, dump);
        double wall = Stopwatch.GetElapsedTime(start).TotalSeconds;
        self.Refresh();
        return new(wall, (self.TotalProcessorTime - before).TotalSeconds, self.WorkingSet64 / 1048576.0);
    }

    private static Cost Run(string program, string[] arguments)
    {
        double cpuBefore = ChildrenCpu();
        long start = Stopwatch.GetTimestamp();
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var quiet = Task.WhenAll(process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        long peakKiB = 0;
        while (!process.WaitForExit(5))
            peakKiB = Math.Max(peakKiB, HighWater(process.Id));
        process.WaitForExit();
        double wall = Stopwatch.GetElapsedTime(start).TotalSeconds;
        quiet.Wait();
        return process.ExitCode == 0
            ? new(wall, ChildrenCpu() - cpuBefore, peakKiB / 1024.0)
            : throw new InvalidOperationException($"{program} {string.Join(' ', arguments)}: exit code {process.ExitCode}: {string.Concat(quiet.Result)}");
    }

    private static Cost Best(Func<Cost> measure)
    {
        // What takes long varies little: once is enough.
        var costs = new List<Cost> { measure() };
        while (costs.Count < Rounds && costs.Sum(cost => cost.Wall) < Enough)
            costs.Add(measure());
        return new(costs.Min(cost => cost.Wall), costs.Min(cost => cost.Cpu), costs.Max(cost => cost.PeakMiB));
    }

    private static string VersionOf(string peer)
    {
        using var process = Process.Start(new ProcessStartInfo($"{peer}/thin_check", ["-V"]) { RedirectStandardOutput = true })!;
        return process.StandardOutput.ReadToEnd().Trim().Split(' ')[^1];
    }

    private static long HighWater(int process)
    {
        try
        {
            return File.ReadLines($"/proc/{process}/status").Where(line => line.StartsWith("VmHWM:", StringComparison.Ordinal))
                .Select(line => long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture)).FirstOrDefault();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return 0;
        }
    }

    private static double ChildrenCpu()
    {
        const int RUSAGE_CHILDREN = -1;
        Span<long> usage = stackalloc long[18];
        _ = GetRusage(RUSAGE_CHILDREN, usage);
        return usage[0] + usage[2] + (usage[1] + usage[3]) / 1e6;
    }

    [LibraryImport("libc", EntryPoint = "getrusage")]
    private static partial int GetRusage(int who, Span<long> usage);
}
