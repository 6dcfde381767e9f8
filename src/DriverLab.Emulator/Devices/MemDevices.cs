using System.Globalization;
using System.Text;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Simulation;
using DriverLab.Vfs;

namespace DriverLab.Emulator.Devices;

/// <summary>The character devices of major 1: null, zero, full, random, urandom, kmsg.</summary>
/// <remarks>Linux drivers/char/mem.c, random.c; kernel/printk/printk.c: devkmsg_read().</remarks>
internal static class MemDevices
{
    public static void Register(KernelState kernel)
    {
        kernel.AddCharDevice(new(1, 3), new MemDevice("null", static (p, f, _) => new NullFile(p, f, Filling.End)));
        kernel.AddCharDevice(new(1, 5), new MemDevice("zero", static (p, f, _) => new NullFile(p, f, Filling.Zeroes)));
        kernel.AddCharDevice(new(1, 7), new MemDevice("full", static (p, f, _) => new NullFile(p, f, Filling.Zeroes) { IsFull = true }));
        kernel.AddCharDevice(new(1, 8), new MemDevice("random", static (p, f, w) => new RandomFile(p, f, w)));
        kernel.AddCharDevice(new(1, 9), new MemDevice("urandom", static (p, f, w) => new RandomFile(p, f, w)));
        kernel.AddCharDevice(new(1, 11), new KmsgDevice(kernel.Profile));
        foreach (uint minor in (ReadOnlySpan<uint>)[1, 4])
            kernel.Core.Register(new(1, minor), new MemoryDevice());
    }
}

internal sealed class MemDevice(string name, Func<VfsPath, OpenFlags, World, OpenFile> open) : CharDevice
{
    public override string Name => name;

    public Mode Permissions { get; init; } = (Mode)0x1B6;

    public override Mode NodeMode => Permissions;

    public override SysResult<OpenFile> Open(Caller caller, in VfsPath path, OpenFlags flags) => open(path, flags, path.Inode.Sb.Core.World);
}

/// <summary>/dev/mem and /dev/port, of which only nodes that somebody makes are here.</summary>
internal sealed class MemoryDevice : CharDevice
{
    public override string Name => "mem";

    public override SysResult<OpenFile> Open(Caller caller, in VfsPath path, OpenFlags flags)
        => caller.Credentials.Capable(Capabilities.CAP_SYS_RAWIO) ? NotModelledException.Throw("the memory and the ports of the machine") : Errno.EPERM;
}

internal enum Filling
{
    End,
    Zeroes,
}

internal sealed class NullFile(VfsPath path, OpenFlags flags, Filling filling) : OpenFile(path, flags)
{
    public bool IsFull { get; init; }

    public override SysResult<int> Read(Caller caller, Span<byte> buffer, ref long position)
    {
        if (filling == Filling.End)
            return 0;
        buffer.Clear();
        return buffer.Length;
    }

    public override SysResult<int> Write(Caller caller, ReadOnlySpan<byte> data, ref long position) => IsFull ? Errno.ENOSPC : data.Length;

    public override SysResult<long> LSeek(Caller caller, long offset, SeekWhence whence) => Position = 0;
}

internal sealed class RandomFile(VfsPath path, OpenFlags flags, World world) : OpenFile(path, flags)
{
    public override SysResult<int> Read(Caller caller, Span<byte> buffer, ref long position)
    {
        world.Stream("/dev/random").Fill(buffer);
        return buffer.Length;
    }

    public override SysResult<int> Write(Caller caller, ReadOnlySpan<byte> data, ref long position) => data.Length;

    public override SysResult<long> LSeek(Caller caller, long offset, SeekWhence whence) => 0;
}

/// <summary>/dev/kmsg. Where the log is for the privileged, others may not even open it for reading.</summary>
/// <remarks>Linux kernel/printk/printk.c: devkmsg_open(), check_syslog_permissions().</remarks>
internal sealed class KmsgDevice(KernelProfile profile) : CharDevice
{
    // Room for a record, and since 6.3 without what may stand before its text.
    private readonly int _mostBytes = profile.AtLeast(6, 3) ? 1024 : 992;
    private readonly bool _isRestricted = profile.Has("CONFIG_SECURITY_DMESG_RESTRICT");

    public override string Name => "kmsg";

    public override Mode NodeMode => (Mode)0x1A4;

    public override SysResult<OpenFile> Open(Caller caller, in VfsPath path, OpenFlags flags) =>
        _isRestricted && (flags & OpenFlags.O_ACCMODE) != OpenFlags.O_WRONLY && !caller.Credentials.Capable(Capabilities.CAP_SYSLOG) ? Errno.EPERM
            : new KmsgFile(path, flags, path.Inode.Sb.Core.World.Log, _mostBytes);
}

/// <summary>One record a read; a line written is a line logged.</summary>
/// <remarks>Linux kernel/printk/printk.c: devkmsg_read(), devkmsg_write(), devkmsg_llseek().</remarks>
internal sealed class KmsgFile(VfsPath path, OpenFlags flags, KernelLog log, int mostBytes) : OpenFile(path, flags)
{
    private int _next;

    public override bool IsSeekable => true;

    public override SysResult<int> Read(Caller caller, Span<byte> buffer, ref long position)
    {
        if (_next >= log.Lines.Count)
        {
            if ((Flags & OpenFlags.O_NONBLOCK) != 0)
                return Errno.EAGAIN;
            if (!Inode.Sb.Core.World.Scheduler.WaitInterruptible((log, next: _next), static s => s.next < s.log.Lines.Count, "a line in /dev/kmsg"))
                return Errno.EINTR;
        }
        byte[] record = Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"6,{_next},0,-;{log.Lines[_next]}\n"));
        _next++;
        if (record.Length > buffer.Length)
            return Errno.EINVAL; // and the record counts as read
        record.CopyTo(buffer);
        return record.Length;
    }

    public override SysResult<int> Write(Caller caller, ReadOnlySpan<byte> data, ref long position)
    {
        if (data.Length > mostBytes)
            return Errno.EINVAL;
        var text = data.EndsWith("\n"u8) ? data[..^1] : data;
        if (text.StartsWith("<"u8) && text[1..].IndexOfAnyExceptInRange((byte)'0', (byte)'9') is >= 0 and var digits && text[1 + digits] == '>')
            text = text[(digits + 2)..]; // level and facility
        log.Add(Encoding.UTF8.GetString(text));
        return data.Length;
    }

    public override SysResult<long> LSeek(Caller caller, long offset, SeekWhence whence)
    {
        if (offset != 0)
            return Errno.ESPIPE;
        switch (whence)
        {
            case SeekWhence.SEEK_SET or SeekWhence.SEEK_DATA:
                _next = 0;
                return 0;
            case SeekWhence.SEEK_END:
                _next = log.Lines.Count;
                return 0;
            default:
                return Errno.EINVAL;
        }
    }
}
