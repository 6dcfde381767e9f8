using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using DriverLab.Cli.Fuzzing;
using DriverLab.Cli.Output;
using DriverLab.Cli.Targets;
using DriverLab.Conformance.Comparison;
using DriverLab.Conformance.Fuzzing;
using DriverLab.Conformance.Golden;
using DriverLab.Conformance.Running;
using DriverLab.Conformance.Scenarios;
using DriverLab.Simulation;

namespace DriverLab.Cli.Commands;

/// <summary><c>driverlab mutate</c>: puts one fault after the other into the emulator, and tells who notices.</summary>
internal static class MutateCommand
{
    public static Command Create(TextWriter output, TextWriter error)
    {
        var data = new Option<string?>("--data") { Description = "The folder with Scenarios, Ledger and Golden." };
        var names = new Option<string[]>("--mutation") { Description = "Only this fault; may be repeated. All when left out.", DefaultValueFactory = _ => [] };
        var seconds = new Option<double>("--seconds") { Description = "How long fuzzing may look for one fault (60); 0 for goldens only.", DefaultValueFactory = _ => 60 };
        var seed = new Option<ulong>("--seed") { Description = "The seed of the programs (1).", DefaultValueFactory = _ => 1 };
        var json = new Option<bool>("--json") { Description = "One JSON object a line on stdout; the last one is the summary." };
        var command = new Command("mutate", "Switch faults on in the emulator, one at a time: which are caught by recorded scenarios, and which by fuzzing against the emulator without the fault?") { names, seconds, seed, json, data };
        command.SetAction((parsed, cancellation) =>
        {
            var mutations = Chosen(parsed.GetValue(names)!);
            var progress = new Progress(error);
            var corpus = Corpus.Of(DataFolder.Find(parsed.GetValue(data)));
            progress.Report($"driverlab {ConformRun.Version()}: {mutations.Count} faults, {corpus.Count} recorded runs, {parsed.GetValue(seconds)} s of fuzzing for each");
            int golden = 0, fuzz = 0, either = 0;
            foreach (var mutation in mutations)
            {
                string? by = corpus.Catches(mutation, cancellation);
                string? program = Fuzz(mutation, TimeSpan.FromSeconds(parsed.GetValue(seconds)), parsed.GetValue(seed), cancellation);
                golden += by is null ? 0 : 1;
                fuzz += program is null ? 0 : 1;
                either += by is null && program is null ? 0 : 1;
                output.WriteLine(parsed.GetValue(json) ? Json(mutation, by, program) : $"{mutation,-28} golden: {by ?? "-",-48} fuzz: {program ?? "-"}");
            }
            output.WriteLine(parsed.GetValue(json)
                ? JsonLines.Line(w =>
                {
                    w.WriteStartObject("summary");
                    w.WriteNumber("faults", mutations.Count);
                    w.WriteNumber("caught_by_goldens", golden);
                    w.WriteNumber("caught_by_fuzz", fuzz);
                    w.WriteNumber("caught", either);
                    w.WriteEndObject();
                })
                : string.Create(CultureInfo.InvariantCulture, $"{mutations.Count} faults: {100.0 * golden / mutations.Count:0.0} % caught by goldens, {100.0 * fuzz / mutations.Count:0.0} % by fuzzing, {100.0 * either / mutations.Count:0.0} % by either"));
            return Task.FromResult(either == mutations.Count ? ExitCode.Same : ExitCode.Different);
        });
        return command;
    }

    private static List<Mutation> Chosen(string[] names)
    {
        var chosen = new List<Mutation>();
        foreach (string name in names)
            chosen.Add(Enum.TryParse<Mutation>(name, out var mutation) ? mutation : throw new UsageException($"there is no fault '{name}'; expected one of {string.Join(", ", Enum.GetNames<Mutation>())}"));
        return chosen.Count > 0 ? chosen : [.. Enum.GetValues<Mutation>()];
    }

    /// <summary>Runs programs of all suites in turn on the emulator with and without the fault; the first that differs is named.</summary>
    private static string? Fuzz(Mutation mutation, TimeSpan time, ulong seed, CancellationToken cancellation)
    {
        var sources = ProgramGenerator.Suites.Select(s => new ProgramGenerator(s, seed)).ToArray();
        var profile = Profiles.Of("6.12");
        var (good, bad) = (new EmulatedSide(profile), new EmulatedSide(profile, new MutationSet(mutation)));
        var watch = Stopwatch.StartNew();
        for (long number = 0; watch.Elapsed < time; number++)
        {
            var program = sources[number % sources.Length].Make(number);
            if (!good.Run(program, cancellation).IsSame(bad.Run(program, cancellation)))
                return string.Create(CultureInfo.InvariantCulture, $"{program.Name} after {watch.Elapsed.TotalSeconds:0.0} s");
        }
        return null;
    }

    private static string Json(Mutation mutation, string? golden, string? fuzz) => JsonLines.Line(w =>
    {
        w.WriteStartObject("fault");
        w.WriteString("name", mutation.ToString());
        w.WriteString("golden", golden);
        w.WriteString("fuzz", fuzz);
        w.WriteEndObject();
    });

    /// <summary>The recorded runs with which the emulator agrees as it is.</summary>
    private sealed class Corpus
    {
        private readonly List<(Scenario Scenario, string Line, EmulatedSide Side, ScenarioRun Recorded)> _runs = [];
        private readonly Comparer _comparer;

        private Corpus(Comparer comparer) => _comparer = comparer;

        public int Count => _runs.Count;

        public static Corpus Of(DataFolder folder)
        {
            var store = new GoldenStore(folder.Golden);
            var corpus = new Corpus(folder.Comparer());
            var scenarios = folder.Load([], []);
            foreach (string line in store.Lines)
            {
                var side = new EmulatedSide(store.Profile(line));
                var recorded = store.Runs(line);
                foreach (var scenario in scenarios)
                {
                    if (recorded.TryGetValue(scenario.Name, out var golden) && golden.Digest == GoldenFile.DigestOf(scenario) && golden.Run.Status == RunStatus.Done
                        && corpus.Verdict(scenario, line, side, golden.Run) is Conformance.Comparison.Verdict.Same)
                        corpus._runs.Add((scenario, line, side, golden.Run));
                }
            }
            return corpus;
        }

        public string? Catches(Mutation mutation, CancellationToken cancellation)
        {
            foreach (var (scenario, line, side, recorded) in _runs)
            {
                cancellation.ThrowIfCancellationRequested();
                if (Verdict(scenario, line, new EmulatedSide(side.Profile, new MutationSet(mutation)), recorded) == Conformance.Comparison.Verdict.Different)
                    return $"{scenario.Name} on {line}";
            }
            return null;
        }

        private Verdict Verdict(Scenario scenario, string line, EmulatedSide side, ScenarioRun recorded) =>
            _comparer.Compare(scenario, line, side.Run(scenario, default).ToRun(scenario), recorded).Verdict;
    }
}
