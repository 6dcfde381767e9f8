using System.CommandLine;
using System.Globalization;
using DriverLab.Cli.Mutating;
using DriverLab.Cli.Output;
using DriverLab.Simulation;

namespace DriverLab.Cli.Commands;

/// <summary><c>driverlab mutate</c>: puts one fault after the other into the emulator, and tells who notices.</summary>
internal static class MutateCommand
{
    public static Command Create(TextWriter output, TextWriter error)
    {
        var data = new Option<string?>("--data") { Description = "The folder with Scenarios, Ledger and Golden." };
        var names = new Option<string[]>("--mutation") { Description = "Only this fault: a name, or a part of what a drawn one is called, such as Lookup.cs:146; may be repeated.", DefaultValueFactory = _ => [] };
        var named = new Option<bool>("--named") { Description = "Also the faults with names (true).", DefaultValueFactory = _ => true };
        var drawn = new Option<int>("--drawn") { Description = "How many faults to draw from the emulator's code, as many of each suite (200): conditions negated, constants one off, operations swapped, calls left out.", DefaultValueFactory = _ => 200 };
        var seconds = new Option<double>("--seconds") { Description = "How long fuzzing may look for one fault (60); 0 for goldens only.", DefaultValueFactory = _ => 60 };
        var seed = new Option<ulong>("--seed") { Description = "The seed of the drawn faults and of the programs (1).", DefaultValueFactory = _ => 1 };
        var listed = new Option<bool>("--listed") { Description = "Try the places that Mutation/unseen.txt lists as known to change nothing, instead of leaving them out: one that a recorded run notices is listed wrongly." };
        var list = new Option<bool>("--list") { Description = "Only list the faults; with --json also as Mutation/unseen.txt names their places." };
        var json = new Option<bool>("--json") { Description = "One JSON object a line on stdout; the last one is the summary." };
        var worker = new Option<bool>("--worker") { Hidden = true };
        var command = new Command("mutate", "Put faults into the emulator, one at a time, those with names and those drawn from its code: which are caught by recorded scenarios, and which by fuzzing against the emulator without the fault?")
        {
            names, named, drawn, seconds, seed, listed, list, json, worker, data,
        };
        drawn.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int>() is < 0 or > 100_000)
                result.AddError($"--drawn {result.GetValueOrDefault<int>()} is out of range; expected a number from 0 to 100000.");
        });
        command.SetAction(async (parsed, cancellation) =>
        {
            var time = TimeSpan.FromSeconds(parsed.GetValue(seconds));
            string[] only = parsed.GetValue(names)!;
            var folder = DataFolder.Find(parsed.GetValue(data));
            var (places, unseen) = (Fault.Places(Corpus.Kernels(folder)), UnseenPlaces.Load(folder.Unseen));
            IReadOnlyList<Fault> faults = parsed.GetValue(listed) ? [.. places.Where(p => unseen.Find(p) is not null).Select(Fault.At)]
                : [.. parsed.GetValue(named) || only.Length > 0 ? Fault.AllNamed() : [], .. Fault.Draw(places.Where(p => unseen.Find(p) is null), parsed.GetValue(drawn), parsed.GetValue(seed))];
            if (only.Length > 0)
                faults = Chosen(faults, only);
            if (parsed.GetValue(worker))
            {
                new FaultWorker(faults, Corpus.Of(folder), time, parsed.GetValue(seed), output).Run(Console.In, cancellation);
                return ExitCode.Same;
            }
            var stale = unseen.Stale(places);
            foreach (var entry in stale)
                error.WriteLine($"{entry.Where}: there is no place '{entry.Key}' in the code any more; correct the line or take it out");
            var report = new FaultReport(output, parsed.GetValue(json), unseen);
            if (parsed.GetValue(list))
            {
                report.List(faults);
                return ExitCode.Same;
            }
            var progress = new Progress(error);
            progress.Report($"driverlab {ConformRun.Version()}: {faults.Count} faults, {Corpus.Of(folder).Count} recorded runs, {time.TotalSeconds} s of fuzzing for each");
            var results = new List<FaultResult>();
            string[] arguments = ["--data", folder.Root, "--seconds", time.TotalSeconds.ToString(CultureInfo.InvariantCulture), "--seed", parsed.GetValue(seed).ToString(CultureInfo.InvariantCulture),
                "--drawn", parsed.GetValue(drawn).ToString(CultureInfo.InvariantCulture), "--named", parsed.GetValue(named) ? "true" : "false",
                .. parsed.GetValue(listed) ? (string[])["--listed"] : [], .. only.SelectMany(static n => (string[])["--mutation", n])];
            var trial = new FaultTrial(arguments, fuzz: time > TimeSpan.Zero);
            await trial.RunAsync(faults, result =>
            {
                results.Add(result);
                report.Write(result);
                progress.Count($"{results.Count} of {faults.Count} faults, {results.Count(static r => !r.IsCaught)} not caught");
            }, cancellation);
            progress.Close();
            report.Summarise(results, leftOut: parsed.GetValue(listed) ? 0 : unseen.Entries.Count - stale.Count);
            foreach (string defect in trial.Defects)
                error.WriteLine($"{defect}, a defect of the emulator itself");
            return stale.Count == 0 && trial.Defects.Count == 0 && results.TrueForAll(r => r.IsCaught != parsed.GetValue(listed)) ? ExitCode.Same : ExitCode.Different;
        });
        return command;
    }

    private static IReadOnlyList<Fault> Chosen(IReadOnlyList<Fault> faults, string[] names)
    {
        var chosen = new List<Fault>();
        foreach (string name in names)
        {
            int before = chosen.Count;
            chosen.AddRange(faults.Where(f => f.Named is null ? f.Name.Contains(name, StringComparison.Ordinal) : f.Name == name));
            if (chosen.Count == before)
                throw new UsageException($"there is no fault '{name}'; expected one of {string.Join(", ", Enum.GetNames<Mutation>())}, or a part of a drawn one that --list shows with this --drawn and --seed, or with --listed");
        }
        return [.. chosen.Distinct()];
    }
}
