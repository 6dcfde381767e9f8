using System.Text;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Linux.Ioctl;
using DriverLab.StorageDrivers.Files;

namespace DriverLab.StorageDrivers.DeviceMapper;

/// <summary>A device that the pool stands on: a file on a loop device, or a device that was given. Held open until the pool has it.</summary>
/// <param name="Device">Its number.</param>
/// <param name="Handle">The descriptor.</param>
internal readonly record struct LoopFile(DevT Device, Fd Handle)
{
    private const int Tries = 20;

    /// <summary>Makes a sparse file, or makes one larger that is too small. A larger one stays as it is: nothing shrinks.</summary>
    public static DriverError? Ensure(IKernel kernel, string path, long bytes)
    {
        byte[] name = ByteText.Bytes(path);
        var opened = kernel.OpenAt(Fd.Cwd, name, OpenFlags.O_RDWR | OpenFlags.O_CREAT | OpenFlags.O_CLOEXEC, (Mode)0x180);
        if (!opened.IsOk)
            return DriverError.Of(opened.Error, "open", name);
        string call = "fstat";
        var error = kernel.FStat(opened.Value, out var stat);
        if (error == Errno.OK && stat.Size < (ulong)bytes)
            (call, error) = ("ftruncate", kernel.FTruncate(opened.Value, bytes));
        _ = kernel.Close(opened.Value); // the length was set by a call of its own
        return DriverError.Of(error, call, name);
    }

    /// <summary>Puts a file on a free loop device, which lets go of it at its last close.</summary>
    /// <returns>What open(2) says of the file and of <c>/dev/loop-control</c>, then what the loop driver says.</returns>
    public static DriverResult<LoopFile> Attach(IKernel kernel, string path)
    {
        byte[] name = ByteText.Bytes(path);
        var file = kernel.OpenAt(Fd.Cwd, name, OpenFlags.O_RDWR | OpenFlags.O_CLOEXEC, Mode.None);
        if (!file.IsOk)
            return DriverError.Of(file.Error, "open", name)!;
        var control = kernel.OpenAt(Fd.Cwd, "/dev/loop-control"u8, OpenFlags.O_RDWR | OpenFlags.O_CLOEXEC, Mode.None);
        var result = control.IsOk ? AttachFree(kernel, control.Value, file.Value, name) : DriverError.Of(control.Error, "open", "/dev/loop-control"u8)!;
        if (control.IsOk)
            _ = kernel.Close(control.Value); // holds no data
        _ = kernel.Close(file.Value); // the loop device holds the file itself
        return result;
    }

    private static DriverResult<LoopFile> AttachFree(IKernel kernel, Fd control, Fd file, byte[] name)
    {
        // Another process may take the free number in between.
        for (int attempt = 1; ; attempt++)
        {
            var free = kernel.LoopGetFree(control);
            if (!free.IsOk)
                return DriverError.Of(free.Error, "loop free", name)!;
            var loop = Open(kernel, $"/dev/loop{free.Value}", new DevT(Loop.Major, (uint)free.Value));
            if (!loop.IsOk)
                return loop;
            var config = new LoopConfig { Fd = (uint)file.Value };
            config.Info.Flags = LoopFlags.LO_FLAGS_AUTOCLEAR;
            name.AsSpan(0, Math.Min(name.Length, 63)).CopyTo(config.Info.FileName);
            var error = kernel.LoopConfigure(loop.Value.Handle, ref config);
            if (error == Errno.OK)
                return loop;
            _ = kernel.Close(loop.Value.Handle); // the error above is the one to tell
            if (error != Errno.EBUSY || attempt == Tries)
                return DriverError.Of(error, "loop attach", name)!;
        }
    }

    /// <summary>Opens a device that was given.</summary>
    /// <returns>What open(2) says; ENOTBLK.</returns>
    public static DriverResult<LoopFile> Open(IKernel kernel, string path, DevT? make = null)
    {
        byte[] name = ByteText.Bytes(path);
        if (make is { } device && !kernel.Has(path))
            _ = kernel.MknodAt(Fd.Cwd, name, Mode.S_IFBLK | (Mode)0x180, device); // open tells
        var opened = kernel.OpenAt(Fd.Cwd, name, OpenFlags.O_RDWR | OpenFlags.O_CLOEXEC, Mode.None);
        if (!opened.IsOk)
            return DriverError.Of(opened.Error, "open", name)!;
        var error = kernel.FStat(opened.Value, out var stat);
        if (error == Errno.OK && stat.Type == Mode.S_IFBLK)
            return new LoopFile(stat.Rdev, opened.Value);
        _ = kernel.Close(opened.Value); // the error is the one to tell
        return DriverError.Of(error == Errno.OK ? Errno.ENOTBLK : error, "open", name)!;
    }

    /// <summary>The file below a loop device as the kernel knows it, 63 bytes at the most; empty for any other device.</summary>
    public static string PathOf(IKernel kernel, DevT device)
    {
        if (device.Major != Loop.Major)
            return "";
        var opened = kernel.OpenAt(Fd.Cwd, ByteText.Bytes($"/dev/loop{device.Minor}"), OpenFlags.O_RDONLY | OpenFlags.O_CLOEXEC, Mode.None);
        if (!opened.IsOk)
            return "";
        var error = kernel.LoopGetStatus64(opened.Value, out var info);
        _ = kernel.Close(opened.Value); // only looked at
        ReadOnlySpan<byte> name = info.FileName;
        int end = name.IndexOf((byte)0);
        return error == Errno.OK ? Encoding.UTF8.GetString(end < 0 ? name : name[..end]) : "";
    }
}
