using System.CommandLine;
using DriverLab.Cli.Targets;
using DriverLab.Conformance.Running;
using DriverLab.Conformance.Scenarios;
using DriverLab.Conformance.Shell;
using DriverLab.Conformance.Verbs;
using DriverLab.Cli.Output;
using DriverLab.Rig;

namespace DriverLab.Cli.Commands;

/// <summary><c>driverlab scenario list|show|run|to-shell|shrink|promote|verbs</c>.</summary>
internal static class ScenarioCommand
{
    public static Command Create(TextWriter output, TextWriter error)
    {
        var data = new Option<string?>("--data") { Description = "The folder with Scenarios, Ledger and Golden.", Recursive = true };
        return new("scenario", "Scenarios: list, show, run on one kernel, print as shell scripts.")
        {
            data, List(data, output), Show(data, output), Run(data, output, error), ToShell(data, output), ShrinkCommand.Create(data, output, error), Promote(data, error), VerbsCommand(output),
        };
    }

    private static Argument<string> NameArgument() => new("scenario") { Description = "A name such as vfs/rename/exchange, or a file." };

    private static Command List(Option<string?> data, TextWriter output)
    {
        var suite = new Option<string[]>("--suite") { Description = "Only this suite; may be repeated.", DefaultValueFactory = _ => [] };
        var pattern = new Argument<string[]>("pattern") { Description = "Only names that match, such as 'vfs/*'.", DefaultValueFactory = _ => [], Arity = ArgumentArity.ZeroOrMore };
        var command = new Command("list", "The scenarios, one a line: name, number of steps, what it asks.") { suite, pattern };
        command.SetAction(parsed =>
        {
            foreach (var s in DataFolder.Find(parsed.GetValue(data)).Load(parsed.GetValue(suite)!, parsed.GetValue(pattern)!))
                output.WriteLine($"{s.Name}\t{s.Steps.Count}\t{s.Description}");
        });
        return command;
    }

    private static Command Show(Option<string?> data, TextWriter output)
    {
        var name = NameArgument();
        var command = new Command("show", "A scenario's text.") { name };
        command.SetAction(parsed => output.Write(DataFolder.Find(parsed.GetValue(data)).LoadOne(parsed.GetValue(name)!).Source));
        return command;
    }

    private static Command ToShell(Option<string?> data, TextWriter output)
    {
        var name = NameArgument();
        var command = new Command("to-shell", "A scenario as a plain shell script.") { name };
        command.SetAction(parsed => output.Write(ShellWriter.Print(DataFolder.Find(parsed.GetValue(data)).LoadOne(parsed.GetValue(name)!))));
        return command;
    }

    private static Command Promote(Option<string?> data, TextWriter error)
    {
        var file = new Argument<string>("file") { Description = "A scenario file, such as fuzz filed." };
        var name = new Argument<string>("name") { Description = "Its new name: SUITE/TOPIC/NAME." };
        var question = new Option<string?>("--question") { Description = "What the scenario asks, in a sentence: its first comment. The comment it has when left out." };
        var command = new Command("promote", "Move a scenario into the suite, under a name; then record it (driverlab golden record).") { file, name, question };
        command.SetAction(parsed =>
        {
            var folder = DataFolder.Find(parsed.GetValue(data));
            string from = parsed.GetValue(file)!, to = parsed.GetValue(name)!;
            if (!File.Exists(from))
                throw new UsageException($"there is no file '{from}'; expected a scenario such as fuzz-out/vfs/001-7-263.scenario");
            if (to.Split('/') is not [_, _, _])
                throw new UsageException($"'{to}' is no name for a scenario of the suite; expected SUITE/TOPIC/NAME such as vfs/open/truncates-what-was-allocated");
            string target = Path.Combine(folder.Scenarios, to + ScenarioStore.Extension);
            if (File.Exists(target))
                throw new UsageException($"'{to}' is there already ({target}); choose another name");
            var scenario = ScenarioParser.Parse(to, from, File.ReadAllText(from));
            if (parsed.GetValue(question) is { } asked)
                scenario = scenario with { Description = asked, Source = null! };
            _ = Directory.CreateDirectory(Path.GetDirectoryName(target)!);
            File.WriteAllText(target, scenario.Source);
            foreach (string old in (string[])[ScenarioStore.Extension, ".sh", ".txt"])
                File.Delete(Path.ChangeExtension(from, old));
            error.WriteLine($"{target}; record what kernels say to it: driverlab golden record --kernel 6.1 --kernel 6.12 --suite {scenario.Suite}");
        });
        return command;
    }

    private static Command VerbsCommand(TextWriter output)
    {
        var command = new Command("verbs", "Every call that a scenario can make, with its arguments.");
        command.SetAction(_ => output.Write(VerbTable.Document()));
        return command;
    }

    private static Command Run(Option<string?> data, TextWriter output, TextWriter error)
    {
        var name = NameArgument();
        var kernel = new Option<string>("--kernel") { Description = "emulated (or emulated:6.12), host, or a line such as 6.12.", DefaultValueFactory = _ => "emulated" };
        var command = new Command("run", "Run a scenario on one kernel and print its trace: step, actor, call, outcome.") { name, kernel };
        command.SetAction(async (parsed, cancellation) =>
        {
            var scenario = DataFolder.Find(parsed.GetValue(data)).LoadOne(parsed.GetValue(name)!);
            var progress = new Progress(error);
            await using var target = await OpenAsync(parsed.GetValue(kernel)!, progress, cancellation);
            progress.Report($"driverlab {ConformRun.Version()}: {scenario.Name} on {target.Facts}");
            ScenarioRun? run = null;
            await target.RunAsync([scenario], r => run = r, cancellation);
            foreach (var line in run!.Lines)
                output.WriteLine(line.ToString());
            if (run.Status != RunStatus.Done)
                error.WriteLine($"{run.Status.ToString().ToLowerInvariant()}: {run.Reason}");
            return run.Status switch
            {
                RunStatus.Done => run.Lines.Any(l => l.IsGap) ? ExitCode.GapOnly : ExitCode.Same,
                RunStatus.Skipped => ExitCode.EnvironmentMissing,
                RunStatus.Broken => run.Reason.StartsWith(TraceLine.GapPrefix, StringComparison.Ordinal) ? ExitCode.GapOnly : ExitCode.Internal,
            };
        });
        return command;
    }

    private static async Task<ITarget> OpenAsync(string kernel, IProgress<string> progress, CancellationToken cancellation) => kernel switch
    {
        "host" => new HostTarget(),
        "emulated" => new EmulatedTarget(Profiles.Of("6.1")),
        _ when kernel.StartsWith("emulated:", StringComparison.Ordinal) => new EmulatedTarget(Profiles.Of(kernel["emulated:".Length..])),
        _ => await MachineTarget.CreateAsync(RealKernels.OfUser(), kernel, progress, cancellation),
    };
}
