using System.CommandLine;
using System.Globalization;
using DriverLab.Cli.Output;
using DriverLab.Rig;
using DriverLab.Rig.Machines;

namespace DriverLab.Cli.Commands;

/// <summary><c>driverlab doctor</c>: what this machine has, and what to do about what it lacks.</summary>
internal static class DoctorCommand
{
    private const string ProbeKernel = "6.1";
    private const long WantedFreeBytes = 2L << 30;

    public static Command Create(TextWriter output, TextWriter error)
    {
        var command = new Command("doctor", "What this machine has: QEMU, the accelerator as probed by booting, apt, tools, disk; and what to do.\n" + ExitCode.Help);
        command.SetAction(async (_, cancellation) => await RunAsync(output, new Progress(error), cancellation));
        return command;
    }

    private static async Task<int> RunAsync(TextWriter output, Progress progress, CancellationToken cancellation)
    {
        progress.Report($"driverlab {ConformRun.Version()}");
        bool ok = true;
        void Say(bool good, string what, string found, string todo)
        {
            ok &= good;
            output.WriteLine($"{(good ? "ok  " : "MISS")}\t{what}\t{found}{(good ? "" : $"\t-> {todo}")}");
        }
        Tool(Say, "qemu-system-x86_64", "apt-get install qemu-system-x86");
        Tool(Say, "apt-get", "use --kernel-image FILE --modules DIR: fetching kernels needs Debian's apt");
        Tool(Say, "dpkg-deb", "apt-get install dpkg");
        Tool(Say, "busybox", "apt-get install busybox-static");
        Tool(Say, "gcc", "apt-get install gcc libc6-dev zlib1g-dev (links the guest program; not needed with an installed command)");
        var kernels = RealKernels.OfUser();
        string root = kernels.Cache.Root;
        long free = new DriveInfo(root).AvailableFreeSpace;
        Say(free >= WantedFreeBytes, "disk", string.Create(CultureInfo.InvariantCulture, $"{free / 1e9:0.0} GB free for the cache {root}"), "free 2 GB there, or name another folder with DRIVERLAB_CACHE");
        output.WriteLine($"{(Environment.IsPrivilegedProcess ? "ok  " : "note")}\tuser\t{(Environment.IsPrivilegedProcess ? "root: --kernel host works" : "not root: --kernel host does not work, machines do")}");
        if (ok)
            ok = await MachineAsync(kernels, output, progress, cancellation);
        return ok ? ExitCode.Same : ExitCode.EnvironmentMissing;
    }

    private static async Task<bool> MachineAsync(RealKernels kernels, TextWriter output, Progress progress, CancellationToken cancellation)
    {
        try
        {
            await using var machine = await kernels.StartAsync(ProbeKernel, progress: progress, cancellation: cancellation);
            output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"ok  \taccelerator\t{machine.Accelerator.Name}: {machine.Accelerator.Why}"));
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

    private static void Tool(Action<bool, string, string, string> say, string name, string todo)
    {
        string? found = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Concat(["/usr/sbin", "/sbin"]).Select(d => Path.Combine(d, name)).FirstOrDefault(File.Exists);
        say(found is not null, name, found ?? "not found", todo);
    }
}
