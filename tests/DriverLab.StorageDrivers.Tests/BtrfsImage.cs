using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.StorageDrivers.DeviceMapper;
using DriverLab.StorageDrivers.Files;
using DriverLab.Testing;

namespace DriverLab.StorageDrivers.Tests;

/// <summary>A btrfs in a sparse file on a loop device, mounted on a directory; the kernel lets go of the loop device when the mount goes.</summary>
public sealed class BtrfsImage : IDisposable
{
    private readonly IKernel _kernel;
    private readonly string _target;

    private BtrfsImage(IKernel kernel, string target) => (_kernel, _target) = (kernel, target);

    /// <summary>Makes an image, attaches it and mounts it. Each has an identity of its own: the kernel takes two of one identity for one file system, even a moment after the first was unmounted.</summary>
    public static BtrfsImage Mount(KernelKind kind, IKernel kernel, string target)
    {
        string file = Path.Combine(Path.GetTempPath(), $"driverlab-btrfs-{Guid.NewGuid():n}.img");
        if (Guests.Has(kind))
            _ = Guests.Run(kind, $"truncate -s 256M {file} && mkfs.btrfs -q -f {file}");
        else
            Make(file);
        var loop = LoopFile.Attach(kernel, file);
        Assert.That(loop.Error, Is.Null);
        var mounted = kernel.Mount(ByteText.Bytes($"/dev/loop{loop.Value.Device.Minor}"), ByteText.Bytes(target), "btrfs"u8, MountFlags.None, ""u8);
        _ = kernel.Close(loop.Value.Handle); // the mount holds the device now; where there is none, the device goes
        _ = kernel.UnlinkAt(Fd.Cwd, ByteText.Bytes(file), AtFlags.None); // and the device holds the file
        Sandbox.Check(mounted, "mount btrfs");
        return new BtrfsImage(kernel, target);
    }

    private static void Make(string file)
    {
        if (!File.Exists("/sbin/mkfs.btrfs") && !File.Exists("/usr/sbin/mkfs.btrfs"))
            throw new IgnoreException("host kernel: no mkfs.btrfs; install btrfs-progs");
        using (var stream = File.Create(file))
            stream.SetLength(256 << 20);
        _ = HostProgram.Run("mkfs.btrfs", "-q", "-f", file);
    }

    public void Dispose() => Sandbox.Check(_kernel.Umount(ByteText.Bytes(_target), UmountFlags.None), "umount btrfs");
}
