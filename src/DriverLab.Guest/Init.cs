using DriverLab.Guest.Modules;

namespace DriverLab.Guest;

/// <summary>What process 1 does before it talks: mounts, switches, modules.</summary>
internal static class Init
{
    private const ulong MsNoSuid = 2, MsNoDev = 4, MsNoExec = 8;

    /// <summary>Mounts what every program expects. A mount that fails is told on the console and is not the end.</summary>
    public static void MountAll()
    {
        Mount("proc", "/proc", "proc", MsNoSuid | MsNoDev | MsNoExec);
        Mount("sysfs", "/sys", "sysfs", MsNoSuid | MsNoDev | MsNoExec);
        Mount("devtmpfs", "/dev", "devtmpfs", MsNoSuid);
        Mount("devpts", "/dev/pts", "devpts", MsNoSuid | MsNoExec);
        Mount("tmpfs", "/dev/shm", "tmpfs", MsNoSuid | MsNoDev);
        Mount("tmpfs", "/tmp", "tmpfs", MsNoSuid | MsNoDev, "mode=1777");
        Mount("tmpfs", "/run", "tmpfs", MsNoSuid | MsNoDev, "mode=755");
        _ = LibC.Symlink("/proc/self/fd", "/dev/fd");
        Set("/proc/sys/kernel/sysrq", "1");
        Set("/proc/sys/kernel/panic_on_oops", "1");
        Set("/proc/sys/kernel/printk_devkmsg", "on");
        // Scenarios read the kernel's log: lines must not be dropped because there were many.
        Set("/proc/sys/kernel/printk_ratelimit", "0");
    }

    /// <summary>Loads the boot list in its order. Returns the complaints.</summary>
    public static List<string> LoadBootModules(ModuleLoader loader)
    {
        var complaints = new List<string>();
        if (!File.Exists(ModuleIndex.BootFile))
            return complaints;
        foreach (string name in File.ReadLines(ModuleIndex.BootFile))
        {
            if (name.Length > 0 && loader.Load(name) is { } complaint)
                complaints.Add(complaint);
        }
        return complaints;
    }

    /// <summary>Writes a kernel switch; a kernel without it is left alone.</summary>
    public static void Set(string path, string value)
    {
        int fd = LibC.Open(path, LibC.OWrOnly | LibC.OCloExec, 0);
        if (fd < 0)
            return;
        _ = LibC.WriteAll(fd, System.Text.Encoding.UTF8.GetBytes(value));
        _ = LibC.Close(fd);
    }

    private static void Mount(string source, string target, string type, ulong flags, string? data = null)
    {
        _ = LibC.Mkdir(target, 0x1ED);
        if (LibC.Mount(source, target, type, flags, data) != 0)
            Console.Error.WriteLine($"driverlab-guest: mount {type} on {target}: errno {LibC.LastError}");
    }
}
