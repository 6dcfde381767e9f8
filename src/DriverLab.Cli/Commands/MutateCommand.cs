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
        var list = new Option<bool>("--list") { Description = "Only list the faults." };
        var json = new Option<bool>("--json") { Description = "One JSON object a line on stdout; the last one is the summary." };
        var worker = new Option<bool>("--worker") { Hidden = true };
        var command = new Command("mutate", "Put faults into the emulator, one at a time, those with names and those drawn from its code: which are caught by recorded scenarios, and which by fuzzing against the emulator without the fault?")
        {
            names, named, drawn, seconds, seed, list, json, worker, data,
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
            IReadOnlyList<Fault> faults = [.. parsed.GetValue(named) || only.Length > 0 ? Fault.AllNamed() : [], .. Fault.Draw(parsed.GetValue(drawn), parsed.GetValue(seed))];
            if (only.Length > 0)
                faults = Chosen(faults, only);
            if (parsed.GetValue(list))
            {
                foreach (var fault in faults)
                    output.WriteLine(fault.Name);
                return ExitCode.Same;
            }
            var folder = DataFolder.Find(parsed.GetValue(data));
            if (parsed.GetValue(worker))
            {
                new FaultWorker(faults, Corpus.Of(folder), time, parsed.GetValue(seed), output).Run(Console.In, cancellation);
                return ExitCode.Same;
            }
            var progress = new Progress(error);
            progress.Report($"driverlab {ConformRun.Version()}: {faults.Count} faults, {Corpus.Of(folder).Count} recorded runs, {time.TotalSeconds} s of fuzzing for each");
            var results = new List<FaultResult>();
            string[] arguments = ["--data", folder.Root, "--seconds", time.TotalSeconds.ToString(CultureInfo.InvariantCulture), "--seed", parsed.GetValue(seed).ToString(CultureInfo.InvariantCulture),
                "--drawn", parsed.GetValue(drawn).ToString(CultureInfo.InvariantCulture), "--named", parsed.GetValue(named) ? "true" : "false", .. only.SelectMany(static n => (string[])["--mutation", n])];
            await new FaultTrial(arguments, fuzz: time > TimeSpan.Zero).RunAsync(faults, result =>
            {
                results.Add(result);
                output.WriteLine(parsed.GetValue(json) ? Json(result) : Text(result));
                progress.Count($"{results.Count} of {faults.Count} faults, {results.Count(static r => r.Golden is null && r.Fuzz is null)} not caught");
            }, cancellation);
            progress.Close();
            Summarise(results, parsed.GetValue(json), output);
            return results.TrueForAll(static r => r.Golden is not null || r.Fuzz is not null) ? ExitCode.Same : ExitCode.Different;
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
                throw new UsageException($"there is no fault '{name}'; expected one of {string.Join(", ", Enum.GetNames<Mutation>())}, or a part of a drawn one that --list shows with this --drawn and --seed");
        }
        return [.. chosen.Distinct()];
    }

    private static string Text(FaultResult result)
    {
        string caught = result is { Golden: null, Fuzz: null } ? "NOT CAUGHT" : "caught";
        string entered = result is { Golden: null, Fuzz: null, Fault.Drawn: not null } ? $"\n    method entered by: {result.Entered ?? "nothing that is recorded"}" : "";
        return $"{caught}: {result.Fault.Name}\n    golden: {result.Golden ?? "-"}; fuzz: {result.Fuzz ?? "-"}{entered}";
    }

    private static void Summarise(List<FaultResult> results, bool json, TextWriter output)
    {
        foreach (var group in results.GroupBy(static r => r.Fault.Named is null ? $"drawn, {r.Fault.Suite}" : "named").OrderBy(static g => g.Key, StringComparer.Ordinal))
            WriteShare(group.Key, [.. group], json, output);
        WriteShare("summary", results, json, output);
    }

    private static void WriteShare(string name, List<FaultResult> results, bool json, TextWriter output)
    {
        int golden = results.Count(static r => r.Golden is not null), fuzz = results.Count(static r => r.Fuzz is not null), either = results.Count(static r => r.Golden is not null || r.Fuzz is not null);
        int away = results.Count(static r => r is { Golden: null, Fuzz: null, Entered: null, Fault.Drawn: not null });
        if (json)
        {
            output.WriteLine(JsonLines.Object(name == "summary" ? name : "group", w =>
            {
                if (name != "summary")
                    w.WriteString("name", name);
                w.WriteNumber("faults", results.Count);
                w.WriteNumber("caught_by_goldens", golden);
                w.WriteNumber("caught_by_fuzz", fuzz);
                w.WriteNumber("caught", either);
                w.WriteNumber("method_not_entered", away);
            }));
            return;
        }
        double Share(int part) => 100.0 * part / results.Count;
        output.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{(name == "summary" ? "all" : name)}: {results.Count} faults: {Share(golden):0.0} % caught by goldens, {Share(fuzz):0.0} % by fuzzing, {Share(either):0.0} % by either; {results.Count - either} not caught, of them {away} in methods that nothing recorded enters"));
    }

    private static string Json(FaultResult result) => JsonLines.Object("fault", w =>
    {
        w.WriteString("name", result.Fault.Name);
        w.WriteString("suite", result.Fault.Suite);
        w.WriteString("golden", result.Golden);
        w.WriteString("fuzz", result.Fuzz);
        w.WriteString("entered", result.Entered);
    });
}
