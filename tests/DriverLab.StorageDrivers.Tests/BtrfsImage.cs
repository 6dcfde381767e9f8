using System.Diagnostics;
using System.Runtime.InteropServices;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Linux.Ioctl;
using DriverLab.StorageDrivers.Files;

namespace DriverLab.StorageDrivers.Tests;

/// <summary>A btrfs in a sparse file on a loop device, mounted on a directory; the kernel lets go of the loop device when the mount goes.</summary>
public sealed class BtrfsImage : IDisposable
{
    private readonly IKernel _kernel;
    private readonly string _target, _file;

    private BtrfsImage(IKernel kernel, string target, string file) => (_kernel, _target, _file) = (kernel, target, file);

    /// <summary>Makes an image, attaches it and mounts it. Each has an identity of its own: the kernel takes two of one identity for one file system, even a moment after the first was unmounted.</summary>
    public static BtrfsImage Mount(KernelKind kind, IKernel kernel, string target)
    {
        string file = Path.Combine(Path.GetTempPath(), $"driverlab-btrfs-{Guid.NewGuid():n}.img");
        if (Guests.Has(kind))
            _ = Guests.Run(kind, $"truncate -s 256M {file} && mkfs.btrfs -q -f {file}");
        else
            Make(file);
        var image = new BtrfsImage(kernel, target, file);
        string device = image.Attach();
        Sandbox.Check(kernel.Mount(ByteText.Bytes(device), ByteText.Bytes(target), "btrfs"u8, MountFlags.None, ""u8), "mount btrfs");
        return image;
    }

    private string Attach()
    {
        var control = _kernel.OpenAt(Fd.Cwd, "/dev/loop-control"u8, OpenFlags.O_RDWR | OpenFlags.O_CLOEXEC, Mode.None);
        Sandbox.Check(control.Error, "/dev/loop-control");
        var backing = _kernel.OpenAt(Fd.Cwd, ByteText.Bytes(_file), OpenFlags.O_RDWR | OpenFlags.O_CLOEXEC, Mode.None);
        Sandbox.Check(backing.Error, _file);
        string device = "";
        SysResult<int> configured = Errno.EBUSY;
        // Another process may take the free number in between.
        for (int tries = 0; configured.Error == Errno.EBUSY && tries < 20; tries++)
        {
            var number = _kernel.Ioctl(control.Value, Loop.LOOP_CTL_GET_FREE, 0);
            Sandbox.Check(number.Error, "LOOP_CTL_GET_FREE");
            device = $"/dev/loop{number.Value}";
            if (!_kernel.Has(device))
                Sandbox.Check(_kernel.MknodAt(Fd.Cwd, ByteText.Bytes(device), Mode.S_IFBLK | (Mode)0x180, new DevT(Loop.Major, (uint)number.Value)), device);
            var loop = _kernel.OpenAt(Fd.Cwd, ByteText.Bytes(device), OpenFlags.O_RDWR | OpenFlags.O_CLOEXEC, Mode.None);
            Sandbox.Check(loop.Error, device);
            var config = new LoopConfig { Fd = (uint)backing.Value.Value, Info = new LoopInfo64 { Flags = LoopFlags.LO_FLAGS_AUTOCLEAR } };
            configured = _kernel.Ioctl(loop.Value, Loop.LOOP_CONFIGURE, MemoryMarshal.AsBytes(new Span<LoopConfig>(ref config)));
            _loop = loop.Value; // open until the mount holds the device: autoclear would let it go
        }
        Sandbox.Check(configured.Error, "LOOP_CONFIGURE");
        _ = _kernel.Close(control.Value);
        _ = _kernel.Close(backing.Value);
        return device;
    }

    private Fd _loop;

    private static void Make(string file)
    {
        if (!File.Exists("/sbin/mkfs.btrfs") && !File.Exists("/usr/sbin/mkfs.btrfs"))
            throw new IgnoreException("host kernel: no mkfs.btrfs; install btrfs-progs");
        using (var stream = File.Create(file))
            stream.SetLength(256 << 20);
        Run("mkfs.btrfs", "-q", "-f", file);
    }

    private static void Run(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true, RedirectStandardOutput = true })!;
        string error = process.StandardError.ReadToEnd();
        process.WaitForExit();
        Assert.That(process.ExitCode, Is.Zero, $"{program}: {error}");
    }

    public void Dispose()
    {
        var error = _kernel.Umount(ByteText.Bytes(_target), UmountFlags.None);
        _ = _kernel.Close(_loop);
        _ = _kernel.UnlinkAt(Fd.Cwd, ByteText.Bytes(_file), AtFlags.None);
        Sandbox.Check(error, "umount btrfs");
    }
}
