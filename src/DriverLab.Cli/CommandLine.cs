using System.CommandLine;
using DriverLab.Cli.Commands;
using DriverLab.Cli.Commands.Thin;
using DriverLab.Conformance.Comparison;
using DriverLab.Conformance.Scenarios;
using DriverLab.Rig;

namespace DriverLab.Cli;

/// <summary>The <c>driverlab</c> command: reads options, calls libraries, turns what went wrong into one sentence and an exit code.</summary>
public static class CommandLine
{
    /// <summary>Runs the command.</summary>
    /// <param name="arguments">What the user wrote after the command's name.</param>
    /// <param name="output">Takes data.</param>
    /// <param name="error">Takes progress and complaints.</param>
    /// <returns>The exit code.</returns>
    public static async Task<int> RunAsync(string[] arguments, TextWriter output, TextWriter error)
    {
        if (arguments is [ThinCommand.Name, ..])
            return await ThinCommand.RunAsync(arguments, output, error);
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
        return await GuardAsync(() => Invocation.RunAsync(root, arguments, ExitCode.Usage, output, error), error);
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
        catch (RigException e)
        {
            error.WriteLine($"driverlab: {e.Message}");
            return ExitCode.EnvironmentMissing;
        }
        catch (OperationCanceledException)
        {
            return Invocation.Cancelled(error);
        }
        catch (Exception e)
        {
            return Invocation.Internal(e, error);
        }
    }
}
