using System.ComponentModel;
using System.Diagnostics;
using DriverLab.Linux;
using DriverLab.StorageDrivers;

namespace DriverLab.Cli.Layers;

/// <summary>This machine's mkfs.xfs, for the devicemapper driver on this machine's kernel.</summary>
internal static class HostMkfs
{
    /// <summary>Runs it. An identity that is given makes what it writes the same for the same store; a new thin device holds nothing to discard.</summary>
    /// <returns>ENOENT (not installed), EIO (it failed, with its last line).</returns>
    public static DriverError? Xfs(string device, string uuid, IReadOnlyList<string> arguments)
    {
        const string program = "mkfs.xfs";
        string[] words = ["-q", "-f", "-K", "-m", $"uuid={uuid}", .. arguments.SelectMany(static a => a.Split(' ', StringSplitOptions.RemoveEmptyEntries)), device];
        try
        {
            using var process = Process.Start(new ProcessStartInfo(program, words) { RedirectStandardError = true })!;
            string error = process.StandardError.ReadToEnd();
            process.WaitForExit();
            return process.ExitCode == 0 ? null : new DriverError(program, device, Errno.EIO, $"exit {process.ExitCode}: {error.Trim().Split('\n')[0]}");
        }
        catch (Win32Exception e)
        {
            return new DriverError(program, device, Errno.ENOENT, $"{e.Message}; install xfsprogs, or take dm.fs=ext4");
        }
    }
}
