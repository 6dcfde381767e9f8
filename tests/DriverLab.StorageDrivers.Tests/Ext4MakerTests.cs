using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.StorageDrivers.DeviceMapper;
using DriverLab.StorageDrivers.Files;
using DriverLab.Testing;

namespace DriverLab.StorageDrivers.Tests;

/// <summary>An ext4 that is made here, in the eyes of e2fsck and of the machine's own kernel.</summary>
public sealed class Ext4MakerTests
{
    private static readonly byte[] s_uuid = Convert.FromHexString("0123456789ab4def8123456789abcdef");

    [TestCase(1 << 20, "")]
    [TestCase(7 << 20, "")]
    [TestCase((64 << 20) + 12345 * 512, "-L label -m 0")]
    [TestCase(128 << 20, "-O ^has_journal")]
    [TestCase((129 << 20), "-i 4096")] // the last group has 256 blocks
    [TestCase(1300 << 20, "-m 50 -i 65536")]
    public void E2fsck_finds_nothing(long bytes, string arguments)
    {
        string? checker = Find("e2fsck");
        if (checker is null)
            Assert.Ignore("no e2fsck here; install e2fsprogs");
        using var box = Sandbox.Make(KernelKind.Emulated);
        string path = box.Root + "/image";
        Make(box, path, bytes, arguments);
        string copy = Path.Combine(Path.GetTempPath(), $"driverlab-ext4-{Guid.NewGuid():n}.img");
        try
        {
            CopyOut(box.Kernel, path, copy, bytes);
            var (code, output) = HostProgram.Try(checker!, "-f", "-n", copy);
            Assert.That(code, Is.Zero, output);
        }
        finally
        {
            File.Delete(copy);
        }
    }

    [Test]
    public void The_kernel_mounts_it_and_writes_to_it()
    {
        const int bytes = 64 << 20;
        using var box = Sandbox.Make(KernelKind.Host);
        string path = box.Root + "/image", mount = box.Directory("mount");
        Make(box, path, bytes, "");
        var loop = LoopFile.Attach(box.Kernel, path);
        Assert.That(loop.Error, Is.Null);
        Sandbox.Check(box.Kernel.Mount(ByteText.Bytes($"/dev/loop{loop.Value.Device.Minor}"), ByteText.Bytes(mount), "ext4"u8, MountFlags.None, ""u8));
        try
        {
            Assert.That(box.Stat(mount, out var root), Is.EqualTo(Errno.OK));
            Assert.That(Convert.ToString((int)root.Mode, 8), Is.EqualTo("40755"));
            for (int i = 0; i < 100; i++)
                box.Write($"{mount}/f{i}", new string('x', 10_000));
            Assert.That(box.Read($"{mount}/f99"), Has.Length.EqualTo(10_000));
        }
        finally
        {
            _ = box.Kernel.Umount(ByteText.Bytes(mount), UmountFlags.None);
            _ = box.Kernel.Close(loop.Value.Handle);
        }
    }

    [Test]
    public void A_device_below_1_MiB_is_refused()
    {
        using var box = Sandbox.Make(KernelKind.Emulated);
        string path = box.Root + "/image";
        Assert.That(LoopFile.Ensure(box.Kernel, path, 1 << 19), Is.Null);
        var loop = LoopFile.Attach(box.Kernel, path);
        Assert.That(Ext4Maker.Make(box.Kernel, $"/dev/loop{loop.Value.Device.Minor}", s_uuid, new Ext4Options())?.Errno, Is.EqualTo(Errno.ENOSPC));
    }

    [Test]
    public void A_probe_tells_type_and_identity_or_refuses()
    {
        using var box = Sandbox.Make(KernelKind.Emulated);
        string path = box.Root + "/image";
        Make(box, path, 1 << 20, "");
        Assert.That(FileSystemProbe.Of(box.Kernel, path).Value, Is.EqualTo(new FileSystemProbe("ext4", "01234567-89ab-4def-8123-456789abcdef")));
        box.Write(path, "XFSB" + new string('\0', 28) + "0123456789abcdef");
        Assert.That(FileSystemProbe.Of(box.Kernel, path).Value, Is.EqualTo(new FileSystemProbe("xfs", "30313233-3435-3637-3839-616263646566")));
        box.Write(path, "");
        Assert.That(FileSystemProbe.Of(box.Kernel, path).Error?.Errno, Is.EqualTo(Errno.EINVAL));
    }

    private static void Make(Sandbox box, string path, long bytes, string arguments)
    {
        Assert.That(LoopFile.Ensure(box.Kernel, path, bytes), Is.Null);
        var loop = LoopFile.Attach(box.Kernel, path);
        Assert.That(loop.Error, Is.Null);
        var options = Ext4Options.Parse([arguments]);
        Assert.That(options.Error, Is.Null);
        // What was there before must not shine through: a thin device may have old bytes around what is written.
        Assert.That(Ext4Maker.Make(box.Kernel, $"/dev/loop{loop.Value.Device.Minor}", s_uuid, options.Value), Is.Null);
        _ = box.Kernel.Close(loop.Value.Handle);
    }

    private static void CopyOut(IKernel kernel, string from, string to, long bytes)
    {
        var opened = kernel.OpenAt(Fd.Cwd, ByteText.Bytes(from), OpenFlags.O_RDONLY, Mode.None);
        using var file = File.Create(to);
        file.SetLength(bytes);
        var buffer = new byte[1 << 20];
        for (long at = 0; at < bytes; at += buffer.Length)
        {
            int got = kernel.PRead(opened.Value, buffer, at).Value;
            if (buffer.AsSpan(0, got).IndexOfAnyExcept((byte)0) < 0)
                continue;
            file.Position = at;
            file.Write(buffer, 0, got);
        }
        _ = kernel.Close(opened.Value);
    }

    private static string? Find(string tool) => ((string[])["/sbin/", "/usr/sbin/"]).Select(d => d + tool).FirstOrDefault(File.Exists);
}
