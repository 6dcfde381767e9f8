using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using DriverLab.Block.Devices;
using DriverLab.Conformance.Running;
using DriverLab.Conformance.Scenarios;
using DriverLab.Emulator;
using DriverLab.Linux;
using DriverLab.Rig;
using DriverLab.Rig.Machines;
using DriverLab.Simulation;
using DriverLab.Testing;

namespace DriverLab.ThinTools.Tests;

/// <summary>
/// A pool crosses between the emulator and a real kernel. Both do the same work, each on disks of its own; then the disks are exchanged, and both go on with what the other one wrote; and once
/// more. Whatever they say or read is the same at every step, Debian's thin_check accepts all metadata, and thin_dump shows the same mappings but for the choice of data blocks.
/// </summary>
[TestFixture]
[Category("rig")]
[NonParallelizable]
public sealed partial class CrossingTests
{
    private const int Rounds = 3;
    private string _folder = "";

    [SetUp]
    public void SetUp()
    {
        if (!File.Exists("/usr/sbin/thin_check"))
            Assert.Fail("thin_check is not installed (Debian package thin-provisioning-tools; ./build.sh installs it)");
        _folder = Directory.CreateTempSubdirectory("driverlab-crossing-").FullName;
    }

    [TearDown]
    public void TearDown() => Directory.Delete(_folder, recursive: true);

    [TestCase("6.1", 1)]
    [TestCase("6.12", 2)]
    public Task Pools_cross_both_ways_and_nothing_differs(string line, int seed) => CrossAsync(line, seed, steps: 30);

    [Test]
    [Category("long")]
    public Task Many_pools_cross_both_ways([Values("6.1", "6.12")] string line, [Range(100, 119)] int seed) => CrossAsync(line, seed, steps: 250);

    private async Task CrossAsync(string line, int seed, int steps)
    {
        var program = new PoolProgram(seed);
        string[] pools = [NewPool("a"), NewPool("b")];
        IReadOnlyList<string> shown = [];
        for (int round = 0; round < Rounds; round++)
        {
            var scenario = ScenarioParser.Parse($"dm/crossing/{seed}-{round}", "test", program.Next(steps));
            string ours = pools[round % 2], theirs = pools[(round + 1) % 2];
            var emulated = RunEmulated(line, ours, scenario);
            var real = await RunRealAsync(line, theirs, scenario);
            string what = $"kernel {line}, seed {seed}, round {round}";
            var (ourLines, theirLines) = (Numbered(emulated), Numbered(real));
            Assert.That(ourLines.Except(theirLines).Take(3), Is.EqualTo(theirLines.Except(ourLines).Take(3)), $"{what}: emulator and kernel");
            Assert.That(ourLines, Is.EqualTo(theirLines), $"{what}: emulator and kernel");
            if (round > 0)
                Assert.That(Content(real, PoolProgram.Before), Is.EqualTo(shown), $"{what}: what the other one left behind");
            shown = Content(real, PoolProgram.After);
            Assert.That(shown, Has.Some.StartsWith("digest"), "a scenario shows what its devices hold");
            foreach (string pool in pools)
                CheckPeer(pool, what);
            Assert.That(Dump(ours), Is.EqualTo(Dump(theirs)), $"{what}: thin_dump");
        }
        TestContext.Out.WriteLine($"kernel {line}, seed {seed}: {Rounds} rounds of {steps} steps, {shown.Count} lines of content compared");
    }

    private string NewPool(string name)
    {
        string folder = Directory.CreateDirectory(Path.Combine(_folder, name)).FullName;
        foreach (var (file, bytes) in ((string, long)[])[("metadata", PoolProgram.MetadataBytes), ("data", (long)PoolProgram.DataBlocks * PoolProgram.BlockBytes)])
            using (var stream = File.Create(Path.Combine(folder, file)))
                stream.SetLength(bytes);
        return folder;
    }

    private static ScenarioRun RunEmulated(string line, string pool, Scenario scenario)
    {
        Assert.That(KernelVersion.TryParse(line, out var version));
        using var kernel = new EmulatedKernel(new KernelProfile(line, version), ModuleSet.Standard, new World(0));
        var disks = new List<FileDisk>();
        foreach (var (name, file) in ((string, string)[])[("vda", "metadata"), ("vdb", "data")])
        {
            // 240 to 254 are the kernel's numbers for local use.
            disks.Add(new(kernel.Internals.Block, new(240, (uint)disks.Count), name, File.OpenHandle(Path.Combine(pool, file), FileMode.Open, FileAccess.ReadWrite, FileShare.None), readOnly: false));
            kernel.Internals.Block.Devices.Add(disks[^1]);
        }
        using var runner = new ScenarioRunner(kernel);
        var run = runner.Run(scenario);
        disks.ForEach(static disk => disk.Dispose());
        return Done(run);
    }

    private static async Task<ScenarioRun> RunRealAsync(string line, string pool, Scenario scenario)
    {
        var disks = ((string, string)[])[("metadata", "metadata"), ("data", "data")];
        Machine machine;
        try
        {
            machine = await Machine.StartAsync(line, new()
            {
                Disks = [.. disks.Select(d => new MachineDisk(d.Item1, new FileInfo(Path.Combine(pool, d.Item2)).Length, DiskFormat.Raw, Path.Combine(pool, d.Item2)))],
            });
        }
        catch (RigException e) when (e is not MachineException)
        {
            NoRig.Ignore(e);
            throw;
        }
        await using (machine)
        {
            var sink = new CollectingSink();
            await machine.RunProgramAsync(Batch.Encode([scenario]), new BatchReader(sink).Read, CancellationToken.None);
            return Done(sink.Result!);
        }
    }

    private static ScenarioRun Done(ScenarioRun run)
    {
        Assert.That((run.Status, run.Reason), Is.EqualTo((RunStatus.Done, "")), () => string.Join('\n', run.Lines));
        return run;
    }

    /// <summary>The trace. Where a metadata snapshot lies is left out: it depends on when the kernel commits by itself, once a second.</summary>
    private static string[] Numbered(ScenarioRun run) => [.. run.Lines.Select(static l => Held(l.ToString()!))];

    private static string Held(string line) => HeldRoot().Replace(line, "$1held ");

    [GeneratedRegex(@"(thin-pool \d+ \d+/\d+ \d+/\d+ )\d+ ")]
    private static partial Regex HeldRoot();

    /// <summary>What the devices hold at a moment, without the numbers of steps: status and digests.</summary>
    private static List<string> Content(ScenarioRun run, string moment) =>
    [
        .. run.Lines.SkipWhile(l => !l.Op.Contains(moment, StringComparison.Ordinal)).Skip(1)
            .TakeWhile(static l => !l.Op.Contains(PoolProgram.Shown, StringComparison.Ordinal)).Select(static l => Held($"{l.Op}\t{l.Outcome}")),
    ];

    private static void CheckPeer(string pool, string what)
    {
        var (code, text) = Peer("thin_check", pool);
        Assert.That(code, Is.Zero, $"{what}: thin_check of {Path.GetFileName(pool)}: {text}");
    }

    /// <summary>What thin_dump shows, one line a mapping, data blocks numbered in the order in which they are met.</summary>
    private static List<string> Dump(string pool)
    {
        var (code, text) = Peer("thin_dump", pool);
        Assert.That(code, Is.Zero, text);
        var blocks = new Dictionary<long, int>();
        var root = XElement.Parse(text);
        var lines = new List<string> { string.Join(' ', root.Attributes()) };
        foreach (var device in root.Elements("device"))
        {
            lines.Add(string.Join(' ', device.Attributes()));
            foreach (var mapping in device.Elements())
            {
                bool isSingle = mapping.Name == "single_mapping";
                long from = Number(mapping, isSingle ? "origin_block" : "origin_begin"), data = Number(mapping, isSingle ? "data_block" : "data_begin"), length = isSingle ? 1 : Number(mapping, "length");
                for (long i = 0; i < length; i++)
                {
                    if (!blocks.TryGetValue(data + i, out int label))
                        blocks.Add(data + i, label = blocks.Count);
                    lines.Add($"{from + i} > {label} time {mapping.Attribute("time")!.Value}");
                }
            }
        }
        return lines;
    }

    private static long Number(XElement element, string name) => long.Parse(element.Attribute(name)!.Value, CultureInfo.InvariantCulture);

    private static (int Code, string Text) Peer(string tool, string pool)
    {
        using var process = Process.Start(new ProcessStartInfo("/usr/sbin/" + tool, [Path.Combine(pool, "metadata")]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var error = process.StandardError.ReadToEndAsync();
        string text = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, process.ExitCode == 0 ? text : text + error.Result);
    }
}
