using System.CommandLine;
using System.Globalization;
using DriverLab.Cli.Output;
using DriverLab.Rig;

namespace DriverLab.Cli.Commands;

/// <summary><c>driverlab doctor</c>: what this machine has, and what to do about what it lacks.</summary>
internal static class DoctorCommand
{
    private const string ProbeKernel = "6.1";

    public static Command Create(TextWriter output, TextWriter error)
    {
        var command = new Command("doctor", "What this machine has: QEMU, the accelerator as probed by booting, apt, tools, disk; and what to do.\n" + ExitCode.Help);
        command.SetAction(async (_, cancellation) => await RunAsync(output, new Progress(error), cancellation));
        return command;
    }

    private static async Task<int> RunAsync(TextWriter output, Progress progress, CancellationToken cancellation)
    {
        progress.Report($"driverlab {ConformRun.Version()}");
        var kernels = RealKernels.OfUser();
        var findings = await RigEnvironment.InspectAsync(kernels.Cache, cancellation);
        foreach (var finding in findings)
            output.WriteLine($"{(finding.Ok ? "ok  " : "MISS")}\t{finding.What}\t{finding.Found}{(finding.Ok ? "" : $"\t-> {finding.Remedy}")}");
        string[] packages = [.. findings.Where(finding => !finding.Ok && finding.Package.Length > 0).Select(finding => finding.Package).Distinct()];
        if (packages.Length > 0)
            output.WriteLine($"to install all: apt-get install --no-install-recommends {string.Join(' ', packages)}");
        output.WriteLine($"{(Environment.IsPrivilegedProcess ? "ok  " : "note")}\tuser\t{(Environment.IsPrivilegedProcess ? "root: --kernel host works" : "not root: --kernel host does not work, machines do")}");
        bool ok = findings.All(finding => finding.Ok) && await MachineAsync(kernels, output, progress, cancellation);
        return ok ? ExitCode.Same : ExitCode.EnvironmentMissing;
    }

    private static async Task<bool> MachineAsync(RealKernels kernels, TextWriter output, Progress progress, CancellationToken cancellation)
    {
        try
        {
            await using var machine = await kernels.StartAsync(ProbeKernel, progress: progress, cancellation: cancellation);
            output.WriteLine($"ok  \taccelerator\t{machine.Accelerator.Name}: {machine.Accelerator.Why}");
            output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"ok  \tmachine\t{machine.Hello.Release} answered after {machine.BootTime.TotalSeconds:0.0} s"));
            await machine.PowerOffAsync(cancellation);
            return true;
        }
        catch (RigException e)
        {
            output.WriteLine($"MISS\tmachine\t{e.Message}");
            return false;
        }
    }
}
