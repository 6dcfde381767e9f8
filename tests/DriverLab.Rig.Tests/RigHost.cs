using DriverLab.Rig.Machines;
using DriverLab.Testing;

namespace DriverLab.Rig.Tests;

/// <summary>The user's own kernels and images for tests that boot; a machine that lacks something ignores them with the reason.</summary>
internal static class RigHost
{
    public static RealKernels Kernels { get; } = RealKernels.OfUser();

    public static IProgress<string> Progress { get; } = new Told();

    /// <summary>What it takes to boot a kernel of a line, prepared.</summary>
    public static async Task<MachineOptions> OptionsAsync(string line)
    {
        try
        {
            var kernel = await Kernels.Kernels.GetAsync(line, Progress, CancellationToken.None);
            return await Kernels.PrepareAsync(kernel, null, Progress) with { FromSaved = false };
        }
        catch (RigException e) when (e is not MachineException)
        {
            NoRig.Ignore(e);
            throw;
        }
    }

    public static async Task<QemuMachine> BootAsync(string line, Func<MachineOptions, MachineOptions>? change = null)
    {
        var options = await OptionsAsync(line);
        return (QemuMachine)await Kernels.StartAsync(change is null ? options : change(options), Progress);
    }

    public static async Task<(int Status, string Output)> ShellAsync(this Machine machine, string command)
    {
        using var output = new MemoryStream();
        int status = await machine.ExecAsync(["sh", "-c", command], bytes => output.Write(bytes), CancellationToken.None);
        return (status, System.Text.Encoding.UTF8.GetString(output.ToArray()));
    }

    private sealed class Told : IProgress<string>
    {
        public void Report(string value) => TestContext.Progress.WriteLine("rig: " + value);
    }
}
