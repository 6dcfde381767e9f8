using System.Collections.Frozen;
using System.Text;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Emulator;
using DriverLab.Native;
using DriverLab.Simulation;
using DriverLab.StorageDrivers.DeviceMapper;
using DriverLab.StorageDrivers.Files;

namespace DriverLab.StorageDrivers.Tests;

/// <summary>Kernels that driver tests run on.</summary>
public enum KernelKind
{
    /// <summary>The machine's own, in a private mount name space, on a tmpfs.</summary>
    Host,
    /// <summary>The emulator with the profile of a Debian kernel.</summary>
    Emulated,
    /// <summary>The emulator with the profile of a kernel that was patched to have aufs.</summary>
    EmulatedAufs,
    /// <summary>Debian's 6.1 in a machine.</summary>
    Guest61,
    /// <summary>Debian's 6.12 in a machine.</summary>
    Guest612,
}

/// <summary>An empty tmpfs on a kernel, private to one test; gone with it.</summary>
public sealed class Sandbox : IDisposable
{
    private readonly KernelKind _kind;

    private Sandbox(KernelKind kind, IKernel kernel, string root) => (_kind, Kernel, Root) = (kind, kernel, root);

    private BtrfsImage? _btrfs;

    public IKernel Kernel { get; }

    /// <summary>The sandbox's directory; the driver's home is below it.</summary>
    public string Root { get; }

    /// <summary>Where drivers keep their layers.</summary>
    public string Home => Root + "/home";

    /// <param name="kind">The kernel.</param>
    /// <param name="megabytes">The most that the tmpfs holds.</param>
    public static Sandbox Make(KernelKind kind, int megabytes = 256)
    {
        IKernel kernel = kind switch
        {
            KernelKind.Host => Host(),
            KernelKind.Guest61 or KernelKind.Guest612 => Guests.NewTask(kind),
            KernelKind.EmulatedAufs or KernelKind.Emulated => Emulator(kind),
        };
        string root = $"/tmp/driverlab-{Environment.ProcessId}";
        Check(kernel.MakeDirectories("/tmp"u8, (Mode)0x3FF));
        Check(kernel.Unshare(CloneFlags.CLONE_NEWNS));
        Check(kernel.Mount("none"u8, "/"u8, ""u8, MountFlags.MS_REC | MountFlags.MS_PRIVATE, ""u8));
        Check(kernel.MakeDirectories(ByteText.Bytes(root), Mode.S_IRWXU));
        Check(kernel.Mount("sandbox"u8, ByteText.Bytes(root), "tmpfs"u8, MountFlags.None, ByteText.Bytes($"mode=0755,size={megabytes}m")));
        _ = kernel.Umask(Mode.None);
        return new Sandbox(kind, kernel, root);
    }

    /// <summary>An emulated kernel of a kind.</summary>
    internal static EmulatedKernel Emulator(KernelKind kind) => new(kind == KernelKind.EmulatedAufs ? s_aufs : new KernelProfile("6.12", new KernelVersion(6, 12)), ModuleSet.Standard, new World(0));

    private static readonly KernelProfile s_aufs = new("6.1-aufs", new KernelVersion(6, 1),
        new Dictionary<string, string> { ["CONFIG_AUFS_FS"] = "y", ["CONFIG_TMPFS_XATTR"] = "y", ["CONFIG_TMPFS_POSIX_ACL"] = "y" }.ToFrozenDictionary());

    private static NativeKernel Host()
    {
        var kernel = NativeKernel.NewTask();
        if (kernel.Unshare(CloneFlags.CLONE_NEWNS) == Errno.OK)
            return kernel;
        kernel.Dispose();
        throw new IgnoreException("host kernel: mounts need root");
    }

    public IStorageDriver Driver(string name, params string[] options)
    {
        if (name == "devicemapper")
            options = [.. StoreCrash.SmallPool, .. options];
        if (name == "btrfs")
            _btrfs ??= BtrfsImage.Mount(_kind, Kernel, Directory("home"));
        var driver = DriverCatalog.Open(Kernel, name, Home, new IdSource(1), options);
        Assert.That(driver.Error, Is.Null);
        return driver.Value;
    }

    /// <summary>An empty directory below the sandbox's root.</summary>
    public string Directory(string name)
    {
        string path = $"{Root}/{name}";
        Check(Kernel.MkdirAt(Fd.Cwd, ByteText.Bytes(path), (Mode)0x1ED), path);
        return path;
    }

    public static void Check(Errno error, string what = "") => Assert.That(error, Is.EqualTo(Errno.OK), what);

    public void Write(string path, string content, int mode = 0x1A4)
    {
        Check(Kernel.WriteWhole(ByteText.Bytes(path), Encoding.UTF8.GetBytes(content), (Mode)mode), path);
        Check(Kernel.FchmodAt(Fd.Cwd, ByteText.Bytes(path), (Mode)mode), path);
    }

    public string Read(string path)
    {
        var content = Kernel.ReadWhole(ByteText.Bytes(path), 1 << 24);
        Assert.That(content.Error, Is.EqualTo(Errno.OK), path);
        return Encoding.UTF8.GetString(content.Value);
    }

    public Errno Stat(string path, out Statx stat) => Kernel.LStatAt(Fd.Cwd, ByteText.Bytes(path), out stat);

    public bool Exists(string path) => Stat(path, out _) == Errno.OK;

    public void Mkdir(string path, int mode = 0x1ED)
    {
        Check(Kernel.MkdirAt(Fd.Cwd, ByteText.Bytes(path), (Mode)mode), path);
        Check(Kernel.FchmodAt(Fd.Cwd, ByteText.Bytes(path), (Mode)mode), path);
    }

    public void Symlink(string target, string path) => Check(Kernel.SymlinkAt(ByteText.Bytes(target), Fd.Cwd, ByteText.Bytes(path)), path);

    public void Link(string old, string path) => Check(Kernel.LinkAt(Fd.Cwd, ByteText.Bytes(old), Fd.Cwd, ByteText.Bytes(path), AtFlags.None), path);

    public void Unlink(string path) => Check(Kernel.UnlinkAt(Fd.Cwd, ByteText.Bytes(path), AtFlags.None), path);

    public void RemoveAll(string path) => Check(TreeRemoval.Remove(Kernel, Fd.Cwd, ByteText.Bytes(path)), path);

    public void Chmod(string path, int mode) => Check(Kernel.FchmodAt(Fd.Cwd, ByteText.Bytes(path), (Mode)mode), path);

    public void SetTimes(string path, long seconds, long ns = 0) =>
        Check(Kernel.UtimensAt(Fd.Cwd, ByteText.Bytes(path), new(seconds, ns), new(seconds, ns), AtFlags.AT_SYMLINK_NOFOLLOW), path);

    public void SetXattr(string path, string name, string value) =>
        Check(Kernel.SetXattr(ByteText.Bytes(path), ByteText.Bytes(name), ByteText.Bytes(value), XattrFlags.None, AtFlags.AT_SYMLINK_NOFOLLOW), path);

    public string? Xattr(string path, string name)
    {
        var value = Kernel.XattrValue(ByteText.Bytes(path), ByteText.Bytes(name));
        return value.IsOk ? Encoding.UTF8.GetString(value.Value) : null;
    }

    public void Dispose()
    {
        byte[] root = ByteText.Bytes(Root);
        _btrfs?.Dispose();
        _ = Kernel.Umount(root, UmountFlags.MNT_DETACH);
        _ = Kernel.UnlinkAt(Fd.Cwd, root, AtFlags.AT_REMOVEDIR);
        string[] left = Guests.Has(_kind) ? RemoveDevices() : [];
        Kernel.Dispose();
        Assert.That(left, Is.Empty, "devices left behind");
    }

    /// <summary>Mapped devices of a machine, which the next test must not find: there should be none.</summary>
    private string[] RemoveDevices()
    {
        using var dm = MappedDevices.Open(Kernel).Value;
        string[] left = [.. dm.Names("")];
        foreach (string name in left.OrderBy(static n => n.EndsWith("-pool", StringComparison.Ordinal)))
            _ = dm.Remove(name, name, deferred: false, tries: 1);
        return left;
    }
}
