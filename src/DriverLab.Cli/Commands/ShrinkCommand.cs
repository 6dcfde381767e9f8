using System.CommandLine;
using DriverLab.Cli.Fuzzing;
using DriverLab.Cli.Output;
using DriverLab.Conformance.Shell;

namespace DriverLab.Cli.Commands;

/// <summary><c>driverlab scenario shrink</c>: the smallest program that shows the same difference.</summary>
internal static class ShrinkCommand
{
    public static Command Create(Option<string?> data, TextWriter output, TextWriter error)
    {
        var name = new Argument<string>("scenario") { Description = "A name such as vfs/rename/exchange, or a file." };
        var kernel = new Option<string>("--kernel") { Description = "The real kernel: host, or a line such as 6.12.", DefaultValueFactory = _ => "6.12" };
        var with = new Option<string?>("--with") { Description = "Compare with this kernel instead of the emulator." };
        var seconds = new Option<double>("--seconds") { Description = "The most time (30).", DefaultValueFactory = _ => 30 };
        var shell = new Option<bool>("--shell") { Description = "Print a shell script instead of a scenario." };
        var command = new Command("shrink", "Make a scenario small that differs between the emulator and a kernel, and explain the difference.\n" + ExitCode.Help) { name, kernel, with, seconds, shell };
        command.SetAction(async (parsed, cancellation) =>
        {
            string[] kernels = [parsed.GetValue(kernel)!, parsed.GetValue(with) ?? ""];
            if (kernels.Contains("host") && HostSide.MustRestart)
                return await HostSide.RestartAsync(cancellation);
            var folder = DataFolder.Find(parsed.GetValue(data));
            var scenario = folder.LoadOne(parsed.GetValue(name)!);
            var progress = new Progress(error);
            await using var real = await FuzzRun.OpenAsync(kernels[0], progress, cancellation);
            await using IFuzzSide reference = kernels[1].Length > 0 ? await FuzzRun.OpenAsync(kernels[1], progress, cancellation) : new EmulatedSide(real.Profile);
            var shrinker = new SideShrinker(reference, real, [], folder.Comparer(), folder.Ledger());
            if (await shrinker.ShrinkAsync(scenario, TimeSpan.FromSeconds(parsed.GetValue(seconds)), cancellation) is not { } finding)
            {
                error.WriteLine($"{scenario.Name} does not differ between {reference.Name} and {real.Name}");
                return ExitCode.Same;
            }
            var described = finding.Scenario with { Description = finding.Text, Source = null! };
            output.Write(parsed.GetValue(shell) ? ShellWriter.Print(described) : described.Source);
            error.WriteLine($"{scenario.Steps.Count} steps, {finding.Scenario.Steps.Count} after {finding.Tried} tries");
            return ExitCode.Different;
        });
        return command;
    }
}
