using System.CommandLine;
using DriverLab.Cli.Output;
using DriverLab.Cli.Targets;
using DriverLab.Conformance.Comparison;
using DriverLab.Conformance.Golden;
using DriverLab.Conformance.Reports;
using DriverLab.Conformance.Running;
using DriverLab.Conformance.Scenarios;
using DriverLab.Rig;

namespace DriverLab.Cli.Commands;

/// <summary><c>driverlab golden record|verify</c>.</summary>
internal static class GoldenCommand
{
    public static Command Create(TextWriter output, TextWriter error)
    {
        var data = new Option<string?>("--data") { Description = "The folder with Scenarios, Ledger and Golden.", Recursive = true };
        var suites = new Option<string[]>("--suite") { Description = "Only this suite; may be repeated.", DefaultValueFactory = _ => [], Recursive = true };
        return new("golden", "What real kernels said, recorded: a comparison without a machine.") { data, suites, Record(data, suites, error), Verify(data, suites, output, error) };
    }

    private static Command Record(Option<string?> data, Option<string[]> suites, TextWriter error)
    {
        var kernels = new Option<string[]>("--kernel") { Description = "A kernel line such as 6.12; may be repeated.", Required = true };
        var names = new Option<string[]>("--scenario") { Description = "Only scenarios of this name or pattern; the other records of their suites stay. May be repeated.", DefaultValueFactory = _ => [] };
        var command = new Command("record", "Run the scenarios on real kernels and write tests/Golden. Nothing else may write there.") { kernels, names };
        command.SetAction(async (parsed, cancellation) =>
        {
            var folder = DataFolder.Find(parsed.GetValue(data));
            var scenarios = folder.Load(parsed.GetValue(suites)!, parsed.GetValue(names)!);
            var progress = new Progress(error);
            foreach (var line in parsed.GetValue(kernels)!)
            {
                if (line is "host" || line.StartsWith("emulated", StringComparison.Ordinal))
                    throw new UsageException($"'{line}' cannot be recorded; expected a kernel line such as 6.12, because a golden must name a package that everybody can get");
                await using var target = await MachineTarget.CreateAsync(RealKernels.OfUser(), line, progress, cancellation, machines: Math.Clamp(Environment.ProcessorCount, 1, 2));
                var runs = new List<(Scenario, ScenarioRun)>();
                var byName = scenarios.ToDictionary(s => s.Name);
                await target.RunAsync(scenarios, run => runs.Add((byName[run.Scenario], run)), cancellation);
                var store = new GoldenStore(folder.Golden);
                var kept = store.Kept(line, folder.Load([.. scenarios.Select(s => s.Suite).Distinct()], []), byName.Keys.ToHashSet());
                store.Write(line, target.Stamp, target.Profile, [.. runs.Concat(kept).OrderBy(r => r.Item1.Name, StringComparer.Ordinal)]);
                progress.Report($"{line}: {runs.Count} scenarios recorded in {Path.Combine(folder.Golden, line)}");
            }
            return ExitCode.Same;
        });
        return command;
    }

    private static Command Verify(Option<string?> data, Option<string[]> suites, TextWriter output, TextWriter error)
    {
        var kernels = new Option<string[]>("--kernel") { Description = "Only this kernel line; may be repeated. All that are recorded when left out.", DefaultValueFactory = _ => [] };
        var json = new Option<bool>("--json") { Description = "One JSON object a line on stdout; the last one is the summary." };
        var times = new Option<int>("--times") { Description = "Replay everything this many times (1) and hold every trace against the first replay's: what does not do the same each time is named, and ends the run with 1.", DefaultValueFactory = _ => 1 };
        var command = new Command("verify", "Replay every recorded scenario on the emulator and compare.\n" + ExitCode.Help) { kernels, times, json };
        times.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int>() is < 1 or > 1_000_000)
                result.AddError($"--times {result.GetValueOrDefault<int>()} is out of range; expected a number from 1 to 1000000.");
        });
        command.SetAction((parsed, cancellation) =>
        {
            var progress = new Progress(error);
            var folder = DataFolder.Find(parsed.GetValue(data));
            var model = Replay(folder, parsed.GetValue(suites)!, parsed.GetValue(kernels)!, progress);
            var unsteady = parsed.GetValue(times) == 1 ? [] : Again(folder, parsed.GetValue(suites)!, parsed.GetValue(kernels)!, parsed.GetValue(times), progress, cancellation);
            if (parsed.GetValue(json))
                RunLines.Write(model, output);
            else
                SummaryTable.Write(model, output);
            foreach (string name in unsteady)
                error.WriteLine($"not the same each time: {name}");
            return Task.FromResult(unsteady.Count > 0 ? ExitCode.Different : ReportFiles.Code(model));
        });
        return command;
    }

    /// <summary>Replays everything over and over; the digests of all traces of a scenario must be one.</summary>
    /// <returns>Scenarios of which they are not, with the number of the replay that was the first to differ.</returns>
    private static IReadOnlyList<string> Again(DataFolder folder, IReadOnlyCollection<string> suites, IReadOnlyCollection<string> kernels, int times, Progress progress, CancellationToken cancellation)
    {
        var store = new GoldenStore(folder.Golden);
        var scenarios = folder.Load(suites, []);
        var runs = (from line in kernels.Count > 0 ? [.. kernels] : store.Lines let target = new EmulatedTarget(store.Profile(line)) from scenario in scenarios select (Line: line, Scenario: scenario, Target: target)).ToArray();
        ulong[] first = new ulong[runs.Length];
        int[] differs = new int[runs.Length];
        for (int time = 1; time <= times; time++)
        {
            int now = time;
            _ = Parallel.For(0, runs.Length, new ParallelOptions { CancellationToken = cancellation }, i =>
            {
                ulong digest = GoldenFile.DigestOf(runs[i].Target.Run(runs[i].Scenario));
                if (now == 1)
                    first[i] = digest;
                else if (digest != first[i] && differs[i] == 0)
                    differs[i] = now;
            });
            progress.Count($"replay {time} of {times}: {differs.Count(static d => d > 0)} of {runs.Length} runs not the same each time");
        }
        progress.Report($"{times} replays of {runs.Length} runs: {differs.Count(static d => d > 0)} not the same each time");
        return [.. Enumerable.Range(0, runs.Length).Where(i => differs[i] > 0).Select(i => $"{runs[i].Scenario.Name} on {runs[i].Line}, first in replay {differs[i]}")];
    }

    /// <summary>Compares the emulator with everything that is recorded.</summary>
    internal static ReportModel Replay(DataFolder folder, IReadOnlyCollection<string> suites, IReadOnlyCollection<string> kernels, Progress progress)
    {
        var store = new GoldenStore(folder.Golden);
        var scenarios = folder.Load(suites, []);
        if (kernels.FirstOrDefault(k => !store.Lines.Contains(k)) is { } unknown)
            throw new UsageException($"kernel '{unknown}' is not recorded; recorded are {string.Join(", ", store.Lines)} (driverlab golden record --kernel {unknown})");
        var lines = kernels.Count > 0 ? [.. kernels] : store.Lines;
        progress.Report($"driverlab {ConformRun.Version()}: {scenarios.Count} scenarios against recorded kernels {string.Join(", ", lines)}, data {folder.Root}");
        var profiles = lines.ToDictionary(line => line, store.Profile);
        var facts = new List<(string, string)> { ("driverlab", ConformRun.Version()) };
        facts.AddRange(lines.Select(line => ($"kernel {line}", $"recorded from {profiles[line].Name}")));
        var comparisons = store.Verify(lines, scenarios, folder.Comparer(), line => new EmulatedTarget(profiles[line]).Run);
        return ReportBuilder.Build(facts, scenarios.ToDictionary(s => s.Name), comparisons, folder.Ledger().Vanished(comparisons), progress.Seconds);
    }
}
