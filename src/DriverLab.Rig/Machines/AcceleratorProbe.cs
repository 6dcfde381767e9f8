using System.Globalization;
using System.Text;
using DriverLab.Rig.Cache;
using DriverLab.Rig.Processes;

namespace DriverLab.Rig.Machines;

/// <summary>Finds out whether KVM works by booting a guest with it, and remembers the answer per host kernel and QEMU version. A <c>/dev/kvm</c> that opens and then hangs every guest exists.</summary>
public sealed class AcceleratorProbe(RigCache cache)
{
    /// <summary>How long a guest may take to answer under KVM; a working one takes about a second.</summary>
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(4);

    /// <summary>The accelerator for this machine. <c>DRIVERLAB_ACCELERATOR=kvm|tcg</c> decides without a probe.</summary>
    /// <param name="options">A machine to try; its kernel and image.</param>
    /// <param name="progress">Told when a probe runs.</param>
    /// <param name="cancellation">Stops the probe.</param>
    public async Task<Accelerator> GetAsync(MachineOptions options, IProgress<string>? progress, CancellationToken cancellation)
    {
        if (Environment.GetEnvironmentVariable("DRIVERLAB_ACCELERATOR") is { Length: > 0 } chosen)
            return chosen is "kvm" or "tcg" ? new(chosen, "chosen by DRIVERLAB_ACCELERATOR") : throw new RigUsageException($"DRIVERLAB_ACCELERATOR is '{chosen}'; expected kvm or tcg");
        if (WhyNoKvm() is { } reason)
            return new("tcg", reason);
        string key = await KeyAsync(cancellation).ConfigureAwait(false);
        string file = cache.PathOf("accelerator", key);
        if (Remembered(file) is { } known)
            return known;
        using (await cache.LockAsync("accelerator", progress, cancellation).ConfigureAwait(false))
        {
            if (Remembered(file) is { } found)
                return found;
            progress?.Report(string.Create(CultureInfo.InvariantCulture, $"trying hardware virtualisation by booting a guest (at most {Limit.TotalSeconds:0} s)"));
            var result = await TryAsync(options, cancellation).ConfigureAwait(false);
            RigCache.Commit(file, stream => stream.Write(Encoding.UTF8.GetBytes(result.Name + "\n" + result.Why + "\n")));
            return result;
        }
    }

    /// <summary>The remembered answer for this host and QEMU; null when nothing was probed yet.</summary>
    public async Task<Accelerator?> RememberedAsync(CancellationToken cancellation) =>
        WhyNoKvm() is { } reason ? new("tcg", reason) : Remembered(cache.PathOf("accelerator", await KeyAsync(cancellation).ConfigureAwait(false)));

    private static Accelerator? Remembered(string file)
    {
        if (!File.Exists(file))
            return null;
        string[] lines = File.ReadAllLines(file);
        return lines.Length >= 2 && lines[0] is "kvm" or "tcg" ? new(lines[0], lines[1]) : null;
    }

    private static string? WhyNoKvm()
    {
        try
        {
            using var device = new FileStream("/dev/kvm", FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite, 0);
            return null;
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return "there is no /dev/kvm";
        }
        catch (UnauthorizedAccessException)
        {
            return "/dev/kvm is not readable and writable for this user (add the user to group kvm)";
        }
        catch (IOException e)
        {
            return "/dev/kvm cannot be opened: " + e.Message;
        }
    }

    private static async Task<Accelerator> TryAsync(MachineOptions options, CancellationToken cancellation)
    {
        var accelerator = new Accelerator("kvm", "a guest booted with it");
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(Limit);
        try
        {
            var machine = await QemuMachine.StartAsync(options, accelerator, limit.Token).ConfigureAwait(false);
            await machine.DisposeAsync().ConfigureAwait(false);
            return accelerator;
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            return new("tcg", $"/dev/kvm opens, but a guest did not answer within {Limit.TotalSeconds:0} s");
        }
        catch (MachineException e)
        {
            return new("tcg", "/dev/kvm opens, but a guest does not boot: " + e.Message.Split('\n')[0]);
        }
    }

    private static async Task<string> KeyAsync(CancellationToken cancellation)
    {
        string release = (await File.ReadAllTextAsync("/proc/sys/kernel/osrelease", cancellation).ConfigureAwait(false)).Trim();
        return FileHash.Of(Encoding.UTF8.GetBytes(release + "\n" + await QemuVersion.GetAsync(cancellation).ConfigureAwait(false)))[..16];
    }
}

/// <summary>The version of the installed QEMU.</summary>
internal static class QemuVersion
{
    /// <summary>The first line of <c>--version</c>.</summary>
    /// <exception cref="RigException">QEMU is not installed.</exception>
    public static async Task<string> GetAsync(CancellationToken cancellation)
    {
        string qemu = Tool.Require(QemuCommand.Program, QemuCommand.Package, "to run guests");
        return (await Tool.OutputAsync(qemu, ["--version"], null, cancellation).ConfigureAwait(false)).Split('\n')[0].Trim();
    }
}
