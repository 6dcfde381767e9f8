using System.Text;
using DriverLab.Linux;
using DriverLab.Rig;
using DriverLab.Rig.Kernels;
using DriverLab.Rig.Machines;

namespace DriverLab.Cli.Commands;

/// <summary>What <c>kernel show</c> prints: name, tab, value.</summary>
internal static class KernelSheet
{
    /// <summary>Options that change what storage does, or what can be tested.</summary>
    private static readonly string[] s_interest =
    [
        "OVERLAY_FS", "OVERLAY_FS_REDIRECT_DIR", "OVERLAY_FS_REDIRECT_ALWAYS_FOLLOW", "OVERLAY_FS_INDEX", "OVERLAY_FS_XINO_AUTO", "OVERLAY_FS_METACOPY", "OVERLAY_FS_NFS_EXPORT",
        "BLK_DEV_DM", "DM_THIN_PROVISIONING", "DM_SNAPSHOT", "DM_FLAKEY", "DM_LOG_WRITES", "DM_DELAY", "DM_DUST", "DM_CRYPT", "DM_VERITY", "DM_INTEGRITY", "DM_CACHE", "DM_WRITECACHE", "DM_ERA", "DM_CLONE", "DM_UEVENT",
        "BLK_DEV_LOOP", "BLK_DEV_LOOP_MIN_COUNT", "BLK_DEV_NBD", "BLK_DEV_RAM", "BLK_DEV_UBLK", "BLK_DEV_NULL_BLK", "VIRTIO_BLK", "VIRTIO_CONSOLE",
        "BTRFS_FS", "BTRFS_FS_POSIX_ACL", "EXT4_FS", "EXT4_FS_POSIX_ACL", "XFS_FS", "TMPFS", "TMPFS_XATTR", "TMPFS_POSIX_ACL", "TMPFS_QUOTA", "FUSE_FS", "SQUASHFS", "EROFS_FS", "AUFS_FS",
        "FS_VERITY", "FS_ENCRYPTION", "USER_NS", "HZ", "PREEMPT_DYNAMIC",
    ];

    public static void WriteFiles(KernelEntry entry, TextWriter output)
    {
        int modules = entry.Modules is null ? 0 : Directory.EnumerateFiles(entry.Modules, "*.ko*", SearchOption.AllDirectories).Count();
        output.WriteLine($"line\t{entry.Line}\nrelease\t{entry.Release}\nversion\t{entry.Profile.Version}\npackage\t{entry.Package}\nimage\t{entry.Image}\nmodules\t{(entry.Modules is null ? "none" : $"{modules} in {entry.Modules}")}\ndigest\t{entry.Digest}\npin\t{KernelPin.Of(entry)}\noptions\t{entry.Profile.Config.Count}");
    }

    public static void WriteConfig(KernelEntry entry, TextWriter output)
    {
        foreach (var (name, value) in entry.Profile.Config.OrderBy(o => o.Key, StringComparer.Ordinal))
            output.WriteLine($"{name}={value}");
    }

    public static void WriteInterest(KernelEntry entry, TextWriter output)
    {
        foreach (string name in s_interest)
            output.WriteLine($"CONFIG_{name}\t{entry.Profile.Config.GetValueOrDefault("CONFIG_" + name, "not known to this kernel")}");
    }

    /// <summary>Boots the kernel (or goes on with its saved machine) and asks it.</summary>
    public static async Task WriteRunningAsync(RealKernels rig, KernelEntry entry, TextWriter output, IProgress<string> progress, CancellationToken cancellation)
    {
        await using var machine = await rig.StartAsync(await rig.PrepareAsync(entry, progress: progress, cancellation: cancellation), progress, cancellation);
        output.WriteLine($"running\t{machine.Hello.Release} {machine.Hello.Version}");
        output.WriteLine($"running version\t{KernelImageHeader.Parse($"{machine.Hello.Release} {machine.Hello.Version}").Version}");
        output.WriteLine($"accelerator\t{machine.Accelerator.Name}: {machine.Accelerator.Why}");
        output.WriteLine($"loaded modules\t{string.Join(' ', machine.Hello.Modules.Order(StringComparer.Ordinal))}");
        foreach (string complaint in machine.Hello.Complaints)
            output.WriteLine($"not loaded\t{complaint}");
        output.WriteLine($"file systems\t{await ShellAsync(machine, "sed 's/.*\\t//' /proc/filesystems | tr '\\n' ' '", cancellation)}");
        output.WriteLine($"overlay parameters\t{await ShellAsync(machine, "cd /sys/module/overlay/parameters && for p in *; do echo -n \"$p=$(cat $p) \"; done", cancellation)}");
        output.WriteLine($"loop parameters\t{await ShellAsync(machine, "cd /sys/module/loop/parameters && for p in *; do echo -n \"$p=$(cat $p) \"; done", cancellation)}");
        output.WriteLine($"memory\t{await ShellAsync(machine, "awk '/MemTotal|MemFree/ {printf \"%s %d MiB  \", $1, $2/1024}' /proc/meminfo", cancellation)}");
    }

    private static async Task<string> ShellAsync(Machine machine, string script, CancellationToken cancellation)
    {
        using var bytes = new MemoryStream();
        int status = await machine.ExecAsync(["sh", "-c", script], part => bytes.Write(part), cancellation);
        string text = Encoding.UTF8.GetString(bytes.ToArray()).Trim();
        return status == 0 ? text : $"(status {status}: {text})";
    }
}
