using System.Diagnostics;

namespace DriverLab.Benchmarks;

/// <summary>The host's trees are mounted in a mount namespace of this process alone: whatever ends it, nothing stays behind.</summary>
internal static class PrivateMounts
{
    private const string Mark = "DRIVERLAB_BENCH_NAMESPACE";

    /// <summary>True when this process already runs in a namespace of its own.</summary>
    public static bool Entered => Environment.GetEnvironmentVariable(Mark) == "1";

    /// <summary>Starts this program once more under unshare(1), as root of a user namespace when we are not root. Null: the machine does not allow it.</summary>
    public static int? Enter(string[] arguments)
    {
        string[] options = Environment.UserName == "root" ? ["--mount", "--propagation", "private"] : ["--user", "--map-root-user", "--mount", "--propagation", "private"];
        if (!Allowed(options))
            return null;
        var start = new ProcessStartInfo("unshare", [.. options, "--", Environment.ProcessPath!, .. arguments]) { UseShellExecute = false };
        start.Environment[Mark] = "1";
        using var process = Process.Start(start)!;
        process.WaitForExit();
        return process.ExitCode;
    }

    private static bool Allowed(string[] options)
    {
        try
        {
            using var probe = Process.Start(new ProcessStartInfo("unshare", [.. options, "--", "true"]) { UseShellExecute = false, RedirectStandardError = true })!;
            probe.WaitForExit();
            return probe.ExitCode == 0;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return false;
        }
    }
}
