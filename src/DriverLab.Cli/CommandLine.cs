using System.CommandLine;
using DriverLab.Cli.Commands;
using DriverLab.Cli.Commands.Thin;
using DriverLab.Conformance.Comparison;
using DriverLab.Conformance.Scenarios;
using DriverLab.Rig;
using DriverLab.ThinTools;

namespace DriverLab.Cli;

/// <summary>The <c>driverlab</c> command: reads options, calls libraries, turns what went wrong into one sentence and an exit code.</summary>
public static class CommandLine
{
    /// <summary>A word that begins with @ is a word: messages of device-mapper begin so.</summary>
    private static readonly ParserConfiguration s_parser = new() { ResponseFileTokenReplacer = null };

    /// <summary>Runs the command.</summary>
    /// <param name="arguments">What the user wrote after the command's name.</param>
    /// <param name="output">Takes data.</param>
    /// <param name="error">Takes progress and complaints.</param>
    /// <returns>The exit code.</returns>
    public static async Task<int> RunAsync(string[] arguments, TextWriter output, TextWriter error)
    {
        var root = new RootCommand("DriverLab: the Linux storage stack as a C# library, proven against real kernels.\n" + ExitCode.Help)
        {
            ConformCommand.Create(output, error),
            FuzzCommand.Create(output, error),
            AtlasCommand.Create(output, error),
            MutateCommand.Create(output, error),
            CrashCommand.Create(output, error),
            FaultCommand.Create(output),
            CoverageCommand.Create(output, error),
            ScenarioCommand.Create(output, error),
            ExplainCommand.Create(output),
            GoldenCommand.Create(output, error),
            ReportCommand.Create(output, error),
            KernelCommand.Create(output, error),
            RigCommand.Create(output, error),
            LabCommand.Create(output, error),
            LayersCommand.Create(output, error),
            ServeCommand.Create(output, error),
            ThinCommand.Create(output, error),
            DmCommand.Create(output, error),
            DoctorCommand.Create(output, error),
        };
        var parsed = root.Parse(ThinCommand.Normalise(arguments), s_parser);
        if (parsed.Errors.Count > 0)
        {
            // An unknown word is reported after "a command is required", which it caused.
            string problem = (parsed.UnmatchedTokens is [var word, ..] && parsed.CommandResult.Command.Subcommands.Count > 0
                ? $"'{word}' is no command; expected one of {string.Join(", ", parsed.CommandResult.Command.Subcommands.Select(c => c.Name))}."
                : parsed.Errors[0].Message).TrimEnd();
            error.WriteLine($"driverlab: {problem} Try 'driverlab{(parsed.CommandResult.Command == root ? "" : " " + parsed.CommandResult.Command.Name)} --help'.");
            return arguments is [ThinCommand.Name, ..] ? ThinOptions.Failed : ExitCode.Usage;
        }
        // System.CommandLine turns SIGINT and SIGTERM into a cancelled token; ten seconds are enough to take a machine down.
        var configuration = new InvocationConfiguration { Output = output, Error = error, EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = TimeSpan.FromSeconds(10) };
        return await GuardAsync(() => parsed.InvokeAsync(configuration), error);
    }

    private static async Task<int> GuardAsync(Func<Task<int>> action, TextWriter error)
    {
        try
        {
            return await action();
        }
        catch (Exception e) when (e is UsageException or RigUsageException or ScenarioException or DataException)
        {
            error.WriteLine($"driverlab: {e.Message}");
            return ExitCode.Usage;
        }
        catch (ThinToolException e)
        {
            error.WriteLine($"driverlab: {e.Message}");
            return ThinOptions.Failed;
        }
        catch (RigException e)
        {
            error.WriteLine($"driverlab: {e.Message}");
            return ExitCode.EnvironmentMissing;
        }
        catch (OperationCanceledException)
        {
            error.WriteLine("driverlab: cancelled");
            return ExitCode.Cancelled;
        }
        catch (Exception e)
        {
            error.WriteLine($"driverlab: internal error, please report it with this text:\n{e}");
            return ExitCode.Internal;
        }
    }
}
