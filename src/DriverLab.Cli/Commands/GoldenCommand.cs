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
        var command = new Command("verify", "Replay every recorded scenario on the emulator and compare.\n" + ExitCode.Help) { kernels, json };
        command.SetAction(parsed =>
        {
            var progress = new Progress(error);
            var model = Replay(DataFolder.Find(parsed.GetValue(data)), parsed.GetValue(suites)!, parsed.GetValue(kernels)!, progress);
            if (parsed.GetValue(json))
                JsonLines.Write(model, output);
            else
                SummaryTable.Write(model, output);
            return ReportFiles.Code(model);
        });
        return command;
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
        var comparisons = new List<ScenarioComparison>();
        var facts = new List<(string, string)> { ("driverlab", ConformRun.Version()) };
        foreach (var line in lines)
        {
            var profile = store.Profile(line);
            facts.Add(($"kernel {line}", $"recorded from {profile.Name}"));
            comparisons.AddRange(store.Verify(line, scenarios, folder.Comparer(), new EmulatedTarget(profile).Run));
        }
        return ReportBuilder.Build(facts, scenarios.ToDictionary(s => s.Name), comparisons, folder.Ledger().Vanished(comparisons), progress.Seconds);
    }
}
