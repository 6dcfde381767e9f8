using System.CommandLine;
using System.Diagnostics;
using DriverLab.Cli.Output;
using DriverLab.Labs.Files;
using DriverLab.Labs.Keeping;
using DriverLab.Labs.Running;

namespace DriverLab.Cli.Commands;

/// <summary><c>driverlab lab</c>: machines with disks and all that is on them, from a YAML file.</summary>
internal static class LabCommand
{
    public static Command Create(TextWriter output, TextWriter error) => new("lab", "Labs: machines, disks, mapped devices, pools and mounts described in a YAML file, with steps and what they must show.")
    {
        Up(output, error), Run(output, error), Down(output, error), List(output, error), Exec(output, error), Ssh(), Copy(output, error), Named("snapshot", "Keep all machines and disks under a name.", output, error),
        Named("revert", "Go back to a snapshot with all machines and disks.", output, error), Console_(output, error), Logs(output), Check(output), Schema(output), Keep(error), Connect(error),
    };

    private static Argument<string> FileArgument() => new("file") { Description = "The lab file." };

    private static Argument<string> LabArgument() => new("lab") { Description = "The lab's name, or its file." };

    private static Option<string> OnOption() => new("--on") { Description = "The machine, in a lab with several.", DefaultValueFactory = _ => "" };

    private static Command Up(TextWriter output, TextWriter error)
    {
        var (file, steps) = (FileArgument(), new Option<bool>("--steps") { Description = "Run the file's steps too." });
        var command = new Command("up", "Start a lab and leave it up, until 'lab down'.") { file, steps };
        command.SetAction((parsed, cancellation) => new LabClient(LabStore.OfUser()).UpAsync(LabFile.Read(parsed.GetValue(file)!), parsed.GetValue(steps), Streams(output, error), cancellation));
        return command;
    }

    private static Command Run(TextWriter output, TextWriter error)
    {
        var file = FileArgument();
        var command = new Command("run", "Start a lab, run its steps, take it down. Exit code 1 when a step did not show what was expected.") { file };
        command.SetAction(async (parsed, cancellation) =>
        {
            await using var lab = await Lab.StartAsync(LabFile.Read(parsed.GetValue(file)!), null, new Progress(error), cancellation);
            var results = await lab.RunStepsAsync(step => output.Write(StepText.Of(step)), cancellation);
            int faults = results.Count(step => step.Fault is not null);
            output.WriteLine(faults == 0 ? $"{results.Count} steps, all as expected." : $"{results.Count} steps, {faults} not as expected.");
            return faults == 0 ? 0 : ExitCode.Different;
        });
        return command;
    }

    private static Command Down(TextWriter output, TextWriter error)
    {
        var lab = LabArgument();
        var command = new Command("down", "Take a lab down: machines, disks, snapshots, all.") { lab };
        command.SetAction((parsed, cancellation) => new LabClient(LabStore.OfUser()).DownAsync(LabStore.NameOf(parsed.GetValue(lab)!), Streams(output, error), cancellation));
        return command;
    }

    private static Command List(TextWriter output, TextWriter error)
    {
        var command = new Command("list", "The labs that are up, one JSON object a line. What labs left whose keepers were killed is removed.");
        command.SetAction(async (ParseResult parsed, CancellationToken cancellation) =>
        {
            var client = new LabClient(LabStore.OfUser());
            foreach (string lab in await client.ListAsync(new Progress(error), cancellation))
                _ = await client.AskAsync(lab, ["state"], Streams(output, error), cancellation);
        });
        return command;
    }

    private static Command Exec(TextWriter output, TextWriter error)
    {
        var (lab, on) = (LabArgument(), OnOption());
        var words = new Argument<string[]>("command") { Description = "The command, after --.", Arity = ArgumentArity.OneOrMore };
        var command = new Command("exec", "Run a command as root in a machine; input goes to it, its exit status comes back.") { lab, on, words };
        command.SetAction((parsed, cancellation) => new LabClient(LabStore.OfUser()).AskAsync(LabStore.NameOf(parsed.GetValue(lab)!), ["exec", parsed.GetValue(on)!, .. parsed.GetValue(words)!],
            Streams(output, error) with { Input = Console.IsInputRedirected && ReferenceEquals(output, Console.Out) ? Console.OpenStandardInput() : null }, cancellation));
        return command;
    }

    private static Command Ssh()
    {
        var (lab, on) = (LabArgument(), OnOption());
        var words = new Argument<string[]>("command") { Description = "A command instead of a shell, after --.", Arity = ArgumentArity.ZeroOrMore };
        var command = new Command("ssh", "A shell in a machine, by the system's ssh. For scp, rsync and others: ssh -F the file that --config prints.") { lab, on, words };
        var config = new Option<bool>("--config") { Description = "Print the path of the configuration for ssh and its relatives." };
        command.Add(config);
        command.SetAction(async (parsed, cancellation) =>
        {
            var store = LabStore.OfUser();
            string name = LabStore.NameOf(parsed.GetValue(lab)!), file = store.SshConfigOf(name);
            if (!File.Exists(file))
                throw new UsageException($"lab {name} is not up, or has no keys for ssh; start it with: driverlab lab up FILE.yaml");
            if (parsed.GetValue(config))
            {
                parsed.InvocationConfiguration.Output.WriteLine(file);
                return 0;
            }
            string machine = parsed.GetValue(on) is { Length: > 0 } named ? named : File.ReadLines(file).First(line => line.StartsWith("Host ", StringComparison.Ordinal))["Host ".Length..];
            using var ssh = Process.Start(new ProcessStartInfo("ssh", ["-F", file, machine, .. parsed.GetValue(words)!]))!;
            await ssh.WaitForExitAsync(cancellation);
            return ssh.ExitCode;
        });
        return command;
    }

    private static Command Copy(TextWriter output, TextWriter error)
    {
        var lab = LabArgument();
        var source = new Argument<string>("from") { Description = "A file or folder; MACHINE:/path or :/path for one in a machine." };
        var target = new Argument<string>("to") { Description = "Where it goes, in the same way." };
        var command = new Command("cp", "Copy a file or folder into a machine or out of it.") { lab, source, target };
        command.SetAction((parsed, cancellation) =>
        {
            var (from, to) = (Remote(parsed.GetValue(source)!), Remote(parsed.GetValue(target)!));
            if (from is null == to is null)
                throw new UsageException("one side must be in a machine, MACHINE:/path or :/path, and the other on this computer");
            string[] words = to is var (on, path) ? ["copy-in", on, Path.GetFullPath(parsed.GetValue(source)!), path] : ["copy-out", from!.Value.On, from.Value.Path, Path.GetFullPath(parsed.GetValue(target)!)];
            return new LabClient(LabStore.OfUser()).AskAsync(LabStore.NameOf(parsed.GetValue(lab)!), words, Streams(output, error), cancellation);
        });
        return command;
    }

    private static (string On, string Path)? Remote(string text)
    {
        int colon = text.IndexOf(":/", StringComparison.Ordinal);
        return colon < 0 || text[..colon].Contains('/') ? null : (text[..colon], text[(colon + 1)..]);
    }

    private static Command Named(string verb, string description, TextWriter output, TextWriter error)
    {
        var (lab, name) = (LabArgument(), new Argument<string>("name") { Description = "The snapshot's name." });
        var command = new Command(verb, description) { lab, name };
        command.SetAction((parsed, cancellation) => new LabClient(LabStore.OfUser()).AskAsync(LabStore.NameOf(parsed.GetValue(lab)!), [verb, parsed.GetValue(name)!], Streams(output, error), cancellation));
        return command;
    }

    private static Command Console_(TextWriter output, TextWriter error)
    {
        var (lab, on) = (LabArgument(), OnOption());
        var command = new Command("console", "What a machine's console showed last.") { lab, on };
        command.SetAction((parsed, cancellation) => new LabClient(LabStore.OfUser()).AskAsync(LabStore.NameOf(parsed.GetValue(lab)!), ["console", parsed.GetValue(on)!], Streams(output, error), cancellation));
        return command;
    }

    private static Command Logs(TextWriter output)
    {
        var lab = LabArgument();
        var command = new Command("logs", "What a lab's keeper did.") { lab };
        command.SetAction(parsed =>
        {
            string name = LabStore.NameOf(parsed.GetValue(lab)!), file = LabStore.OfUser().LogOf(name);
            output.Write(File.Exists(file) ? File.ReadAllText(file) : throw new UsageException($"there is no log of a lab {name}; see driverlab lab list"));
        });
        return command;
    }

    private static Command Check(TextWriter output)
    {
        var file = FileArgument();
        var command = new Command("check", "Read a lab file and say whether it is right, without starting anything.") { file };
        command.SetAction(parsed =>
        {
            var lab = LabFile.Read(parsed.GetValue(file)!);
            output.WriteLine($"{lab.File}: lab {lab.Name}, {lab.Machines.Count} machines, {lab.Steps.Count} steps");
        });
        return command;
    }

    private static Command Schema(TextWriter output)
    {
        var command = new Command("schema", "The JSON Schema of lab files, for editors.");
        command.SetAction(_ => output.Write(LabFile.JsonSchema));
        return command;
    }

    /// <summary>The keeper itself; <c>lab up</c> starts it.</summary>
    private static Command Keep(TextWriter error)
    {
        var lab = LabArgument();
        var command = new Command("keep", "Keep a lab.") { lab };
        command.Hidden = true;
        command.SetAction((parsed, cancellation) => LabKeeper.RunAsync(LabStore.OfUser(), parsed.GetValue(lab)!, error, cancellation));
        return command;
    }

    /// <summary>ssh's way to a machine: bytes both ways.</summary>
    private static Command Connect(TextWriter error)
    {
        var (lab, on) = (LabArgument(), OnOption());
        var command = new Command("connect", "Connect to a machine's ssh server.") { lab, on };
        command.Hidden = true;
        command.SetAction((parsed, cancellation) => new LabClient(LabStore.OfUser()).AskAsync(parsed.GetValue(lab)!, ["connect", parsed.GetValue(on)!],
            new LabStreams(Console.OpenStandardOutput(), Console.OpenStandardError(), new Progress(error)) { Input = Console.OpenStandardInput() }, cancellation));
        return command;
    }

    private static LabStreams Streams(TextWriter output, TextWriter error) => new(new WriterStream(output), new WriterStream(error), new Progress(error));
}
