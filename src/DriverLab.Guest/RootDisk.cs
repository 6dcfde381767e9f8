using DriverLab.Guest.Modules;

namespace DriverLab.Guest;

/// <summary>A root file system on a disk: <c>driverlab.root=DEVICE driverlab.rootfstype=TYPE</c> on the kernel's command line. The guest program stays process 1 and goes on inside of it.</summary>
internal sealed record RootDisk(string Device, string Type)
{
    private const string NewRoot = "/newroot", Kept = "/driverlab";
    private const ulong MsBind = 0x1000, MsMove = 0x2000;

    /// <summary>What the command line asks for; null when it asks for none.</summary>
    public static RootDisk? FromCommandLine()
    {
        string device = "", type = "ext4";
        foreach (string word in File.ReadAllText("/proc/cmdline").Split((char[])[' ', '\n'], StringSplitOptions.RemoveEmptyEntries))
        {
            if (word.StartsWith("driverlab.root=", StringComparison.Ordinal))
                device = word["driverlab.root=".Length..];
            else if (word.StartsWith("driverlab.rootfstype=", StringComparison.Ordinal))
                type = word["driverlab.rootfstype=".Length..];
        }
        return device.Length > 0 ? new(device, type) : null;
    }

    /// <summary>Mounts the disk, takes /dev, /proc and the others along, and makes it the root. Null on success, else a sentence; the machine then stays in its initramfs.</summary>
    public string? Enter(ModuleLoader loader)
    {
        _ = loader.Load("virtio_blk");
        _ = loader.Load(Type);
        for (int attempt = 0; attempt < 500 && !File.Exists(Device); attempt++)
            Thread.Sleep(10);
        _ = LibC.Mkdir(NewRoot, 0x1ED);
        if (LibC.Mount(Device, NewRoot, Type, 0, null) != 0)
            return $"mount {Type} {Device}: errno {LibC.LastError}";
        // Modules stay reachable under the path that the index names, for this program and for the kernel's own requests.
        _ = LibC.Link("/init", Kept + "/modprobe");
        _ = LibC.Mkdir(NewRoot + Kept, 0x1ED);
        if (LibC.Mount(Kept, NewRoot + Kept, "", MsBind, null) != 0)
            return $"bind {Kept}: errno {LibC.LastError}";
        foreach (string folder in (string[])["/dev", "/proc", "/sys", "/run", "/tmp"])
        {
            _ = LibC.Mkdir(NewRoot + folder, 0x1ED);
            if (LibC.Mount(folder, NewRoot + folder, "", MsMove, null) != 0)
                return $"move {folder}: errno {LibC.LastError}";
        }
        if (LibC.Chdir(NewRoot) != 0 || LibC.Mount(".", "/", "", MsMove, null) != 0 || LibC.Chroot(".") != 0 || LibC.Chdir("/") != 0)
            return $"enter {NewRoot}: errno {LibC.LastError}";
        Init.Set("/proc/sys/kernel/modprobe", Kept + "/modprobe");
        return null;
    }
}
