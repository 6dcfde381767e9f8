using BenchmarkDotNet.Attributes;
using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Diagnosers;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Loggers;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;

namespace DriverLab.Benchmarks;

/// <summary>All rows by BenchmarkDotNet, inside this process, since the trees are mounted for this process only.</summary>
internal static class Careful
{
    public static List<Measured> Run()
    {
        var config = ManualConfig.CreateEmpty()
            .AddJob(Job.ShortRun.WithToolchain(InProcessEmitToolchain.Instance))
            .AddDiagnoser(MemoryDiagnoser.Default)
            .AddColumnProvider(DefaultColumnProviders.Instance)
            .AddLogger(ConsoleLogger.Default)
            .WithArtifactsPath(Path.Combine(Path.GetTempPath(), $"driverlab-bench-{Environment.ProcessId}"));
        var summary = BenchmarkRunner.Run<Calls>(config);
        var measured = new List<Measured>();
        foreach (var tree in Trees.All)
            foreach (var row in Row.All)
            {
                var emulator = Find(summary, tree.Name, row.Name, "emulator");
                var host = Find(summary, tree.Name, row.Name, "host");
                if (emulator?.ResultStatistics is { } statistics)
                    measured.Add(new(tree.Name, row.Name, statistics.Mean, emulator.GcStats.GetBytesAllocatedPerOperation(emulator.BenchmarkCase) ?? 0,
                        host?.ResultStatistics?.Mean, host?.ResultStatistics is null ? "not measured: see above" : null));
            }
        measured.AddRange(OverlayRows.Measure());
        measured.AddRange(BioRow.MeasureQuickly());
        if (Directory.Exists(config.ArtifactsPath))
            Directory.Delete(config.ArtifactsPath, recursive: true);
        return measured;
    }

    private static BenchmarkReport? Find(Summary summary, string tree, string row, string kernel) => summary.Reports.FirstOrDefault(report =>
        (string)report.BenchmarkCase.Parameters["Tree"] == tree && (string)report.BenchmarkCase.Parameters["Operation"] == row && (string)report.BenchmarkCase.Parameters["Kernel"] == kernel);
}

/// <summary>One benchmark with three parameters: tree, operation, kernel.</summary>
public class Calls
{
    private static readonly Lazy<Trees> Made = new(() => new Trees());
    private Action _operation = () => { };
    private Subject? _subject;

    [ParamsSource(nameof(TreeNames))]
    public string Tree { get; set; } = "";

    [ParamsSource(nameof(Operations))]
    public string Operation { get; set; } = "";

    [Params("emulator", "host")]
    public string Kernel { get; set; } = "";

    public static IEnumerable<string> TreeNames => Trees.All.Select(tree => tree.Name);

    public static IEnumerable<string> Operations => Row.All.Select(row => row.Name);

    [GlobalSetup]
    public void Setup()
    {
        string root = Trees.All.Single(tree => tree.Name == Tree).Root;
        _subject = Kernel == "emulator" ? Made.Value.OnEmulator(root) : Made.Value.OnHost(root).Subject ?? throw new InvalidOperationException(Made.Value.OnHost(root).WhyNot);
        _operation = Row.All.Single(row => row.Name == Operation).Bind(_subject);
    }

    [GlobalCleanup]
    public void Cleanup() => _subject?.Dispose();

    [Benchmark]
    public void Call() => _operation();
}
