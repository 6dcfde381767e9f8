using System.CommandLine;
using System.Globalization;
using DriverLab.Cli.Fuzzing;
using DriverLab.Cli.Output;
using DriverLab.Conformance.Fuzzing;
using DriverLab.Conformance.Scenarios;

namespace DriverLab.Cli.Commands;

/// <summary><c>driverlab fuzz</c>: programs that nobody wrote, on the emulator and on real kernels; what differs is made small and filed.</summary>
internal static class FuzzCommand
{
    public static Command Create(TextWriter output, TextWriter error)
    {
        var suites = new Option<string[]>("--suite") { Description = $"One of {string.Join(", ", ProgramGenerator.Suites)}; may be repeated. vfs when left out.", DefaultValueFactory = _ => [] };
        var kernels = new Option<string[]>("--kernel") { Description = "A kernel line such as 6.12, 'host' (root only) or 'emulated:6.1'; may be repeated. None: the emulator alone, for defects and gaps.", DefaultValueFactory = _ => [] };
        var between = new Option<bool>("--between") { Description = "Compare the first kernel with the others, not each with the emulator." };
        var seconds = new Option<double>("--seconds") { Description = "How long to go on (60).", DefaultValueFactory = _ => 60 };
        var seed = new Option<string?>("--seed") { Description = "A number, decimal or 0x…; the same seed gives the same programs. Drawn when left out, and told." };
        var first = new Option<long>("--first") { Description = "The number of the first program (0): to go on where a run ended." };
        var programs = new Option<long>("--programs") { Description = "Stop after about this many programs; 0 for no limit but the time." };
        var exhaustive = new Option<int>("--exhaustive") { Description = $"All programs of 1, 2 or 3 operations over a fixed set, instead of programs by chance; suites {string.Join(" and ", ExhaustivePrograms.Suites)}." };
        var vary = new Option<bool>("--vary") { Description = "Scenarios of the suite with a few steps changed, instead of programs by chance." };
        var list = new Option<bool>("--list") { Description = "Only print the programs, --programs of them or one." };
        var shard = new Option<string>("--shard") { Description = "Only part I of N of the programs, such as 2/4.", DefaultValueFactory = _ => "1/1" };
        var most = new Option<int>("--most") { Description = "Stop after this many differences (20).", DefaultValueFactory = _ => 20 };
        var kind = new Option<int>("--of-a-kind") { Description = "Look into this many differences of one kind (2).", DefaultValueFactory = _ => 2 };
        var shrink = new Option<double>("--shrink-seconds") { Description = "The most time for making one difference small (30).", DefaultValueFactory = _ => 30 };
        var folder = new Option<string>("--out") { Description = "The folder for what differs: scenario, shell script, explanation (fuzz-out).", DefaultValueFactory = _ => "fuzz-out" };
        var profile = new Option<bool>("--profile") { Description = "Show where the time went." };
        var json = new Option<bool>("--json") { Description = "One JSON object a line on stdout; the last one is the summary." };
        var data = new Option<string?>("--data") { Description = "The folder with Scenarios, Ledger and Golden." };
        var command = new Command("fuzz", "Run generated programs on the emulator and on real kernels, compare, make differences small.\n" + ExitCode.Help)
        {
            suites, kernels, between, seconds, seed, first, programs, exhaustive, vary, list, shard, most, kind, shrink, folder, profile, json, data,
        };
        command.Validators.Add(result =>
        {
            if (result.GetValue(vary) && result.GetValue(exhaustive) > 0)
                result.AddError("--vary and --exhaustive are two ways to make programs; name one of them.");
        });
        command.SetAction(async (parsed, cancellation) =>
        {
            if (parsed.GetValue(kernels)!.Contains("host") && HostSide.MustRestart)
                return await HostSide.RestartAsync(cancellation);
            var progress = new Progress(error);
            ulong chosen = Seed(parsed.GetValue(seed));
            await using var run = new FuzzRun(new()
            {
                Suites = Suites(parsed.GetValue(suites)!, parsed.GetValue(exhaustive)),
                Exhaustive = parsed.GetValue(exhaustive),
                Varied = parsed.GetValue(vary),
                Shard = Shard.Parse(parsed.GetValue(shard)!) ?? throw new UsageException($"--shard {parsed.GetValue(shard)} is no part; expected I/N with 1 <= I <= N, for example 2/4"),
                Kernels = parsed.GetValue(kernels)!,
                Between = parsed.GetValue(between),
                Time = TimeSpan.FromSeconds(parsed.GetValue(seconds)),
                Seed = chosen,
                First = parsed.GetValue(first),
                Programs = parsed.GetValue(programs),
                MostFindings = parsed.GetValue(most),
                MostOfAKind = parsed.GetValue(kind),
                ShrinkTime = TimeSpan.FromSeconds(parsed.GetValue(shrink)),
                MeasuresVerbs = parsed.GetValue(profile),
                Output = parsed.GetValue(folder)!,
                Data = parsed.GetValue(data),
            }, progress);
            if (parsed.GetValue(list))
            {
                await run.ListAsync(output, cancellation);
                return ExitCode.Same;
            }
            await run.RunAsync(cancellation);
            progress.Close();
            if (run.IsComplete)
                error.WriteLine("all programs were run");
            else
                error.WriteLine($"to go on: --first {run.Next}");
            if (run.Beside > 0)
                error.WriteLine($"{run.Beside} programs differed beside others and not alone: what they share, such as device numbers, is handed out to whoever comes first");
            if (run.Hangs > 0)
                error.WriteLine($"{run.Hangs} programs have a call that the emulator says would hang: a real kernel is not asked for it");
            if (parsed.GetValue(profile))
                run.Profile.Write(error, run.Operations);
            FuzzOutput.Write(run, chosen, progress.Seconds, parsed.GetValue(json), output);
            return run.Differences > 0 ? ExitCode.Different : run.Gaps.Count > 0 ? ExitCode.GapOnly : ExitCode.Same;
        });
        return command;
    }

    private static IReadOnlyList<string> Suites(string[] chosen, int exhaustive)
    {
        if (exhaustive is < 0 or > 3)
            throw new UsageException($"--exhaustive {exhaustive} is out of range; expected 1, 2 or 3 operations");
        if (exhaustive > 0 && chosen.FirstOrDefault(s => !ExhaustivePrograms.Suites.Contains(s)) is { } other)
            throw new UsageException($"suite '{other}' has no fixed set of operations; expected one of {string.Join(", ", ExhaustivePrograms.Suites)}");
        if (chosen.FirstOrDefault(s => !ProgramGenerator.Suites.Contains(s)) is { } unknown)
            throw new UsageException($"no programs can be made for suite '{unknown}'; expected one of {string.Join(", ", ProgramGenerator.Suites)}");
        return chosen.Length > 0 ? chosen : ["vfs"];
    }

    private static ulong Seed(string? text)
    {
        if (text is null)
            return (ulong)Random.Shared.NextInt64();
        bool isHex = text.StartsWith("0x", StringComparison.Ordinal);
        return ulong.TryParse(isHex ? text.AsSpan(2) : text, isHex ? NumberStyles.AllowHexSpecifier : NumberStyles.None, CultureInfo.InvariantCulture, out ulong seed)
            ? seed
            : throw new UsageException($"'{text}' is no seed; expected a whole number such as 7 or 0x1f");
    }
}
