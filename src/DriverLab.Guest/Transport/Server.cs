using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Globalization;
using System.Text;
using DriverLab.Guest.Modules;
using DriverLab.Guest.Wire;

namespace DriverLab.Guest.Transport;

/// <summary>Answers the host. Programs and commands run on threads of their own, so that a ping is answered while a call hangs in the kernel.</summary>
internal sealed class Server(Port port, ModuleLoader modules, Services services, IReadOnlyList<string> complaints)
{
    private readonly Children children = new();
    private readonly ConcurrentDictionary<uint, CommandInput> inputs = new();
    private readonly string facts = Facts(complaints);
    private readonly Queue<(uint Id, byte[] Payload)> calls = new();

    /// <summary>Serves until the connection ends.</summary>
    public void Run()
    {
        new Thread(ServeCalls) { IsBackground = true, Name = "kernel calls" }.Start();
        while (port.TryReceive(out FrameHeader header, out byte[] payload))
            Dispatch(header, payload);
    }

    private void Dispatch(FrameHeader header, byte[] payload)
    {
        switch (header.Kind)
        {
            case FrameKind.Hello:
                port.Send(FrameKind.Hello, header.Id, Hello(Encoding.UTF8.GetString(payload)));
                break;
            case FrameKind.Ping:
                port.Send(FrameKind.Done, header.Id, []);
                break;
            case FrameKind.KernelCall:
                lock (calls)
                {
                    calls.Enqueue((header.Id, payload));
                    Monitor.Pulse(calls);
                }
                break;
            case FrameKind.RunProgram:
                Start(header.Id, () => RunProgram(header.Id, payload));
                break;
            case FrameKind.Exec:
                Start(header.Id, () => Exec(header.Id, Payload.ReadWords(payload)));
                break;
            case FrameKind.ExecWithInput:
                // Registered here, on the reader's thread: its first input is the next frame.
                var input = inputs[header.Id] = new CommandInput(bytes => port.Send(FrameKind.InputTaken, header.Id, Payload.Number(bytes)));
                Start(header.Id, () => ExecWithInput(header.Id, Payload.ReadWords(payload), input));
                break;
            case FrameKind.Input:
                if (inputs.TryGetValue(header.Id, out var fed))
                    fed.Add(payload);
                break;
            case FrameKind.Signal:
                if (inputs.TryGetValue(header.Id, out var signalled))
                    signalled.Signal(BinaryPrimitives.ReadInt32LittleEndian(payload));
                break;
            case FrameKind.GetFile:
                Start(header.Id, () => GetFile(header.Id, Encoding.UTF8.GetString(payload)));
                break;
            case FrameKind.PutFile:
                Answer(header.Id, () => PutFile(payload));
                break;
            case FrameKind.SetClock:
                Answer(header.Id, () => SetClock(BinaryPrimitives.ReadInt64LittleEndian(payload)));
                break;
            case FrameKind.LoadModules:
                Start(header.Id, () => LoadModules(Payload.ReadWords(payload)));
                break;
            case FrameKind.Entropy:
                Answer(header.Id, () => AddEntropy(payload));
                break;
            case FrameKind.DumpBlocked:
                Init.Set("/proc/sys/kernel/printk", "7");
                Init.Set("/proc/sysrq-trigger", "w");
                port.Send(FrameKind.Done, header.Id, []);
                break;
            case FrameKind.PowerOff:
                LibC.Sync();
                _ = LibC.Reboot(LibC.RebootPowerOff);
                break;
            default:
                port.Send(FrameKind.Failed, header.Id, $"request kind {(int)header.Kind} is unknown to this guest program (protocol {FrameHeader.Version})");
                break;
        }
    }

    private void ServeCalls()
    {
        while (true)
        {
            // A monitor and no channel: that would wake the thread pool, which a restored machine would first have to translate.
            (uint id, byte[] payload) = NextCall();
            try
            {
                port.Send(FrameKind.KernelReply, id, services.KernelCall(payload));
            }
            catch (Exception e)
            {
                port.Send(FrameKind.Failed, id, e.ToString());
            }
        }
    }

    private (uint Id, byte[] Payload) NextCall()
    {
        lock (calls)
        {
            while (calls.Count == 0)
                _ = Monitor.Wait(calls);
            return calls.Dequeue();
        }
    }

    /// <summary>A request that takes long: on a thread of its own.</summary>
    private void Start(uint id, Func<byte[]> work) => new Thread(() => Answer(id, work), 1 << 20) { IsBackground = true }.Start();

    private void Answer(uint id, Func<byte[]> work)
    {
        try
        {
            port.Send(FrameKind.Done, id, work());
        }
        catch (Exception e)
        {
            port.Send(FrameKind.Failed, id, e is GuestException ? e.Message : e.ToString());
        }
    }

    private byte[] RunProgram(uint id, byte[] program)
    {
        services.RunProgram(program, line => port.Send(FrameKind.TraceLine, id, line));
        return [];
    }

    private byte[] Exec(uint id, string[] arguments)
    {
        if (arguments.Length == 0)
            throw new GuestException("exec: no command");
        int status = children.Run(arguments, bytes => port.Send(FrameKind.Output, id, bytes));
        if (status < 0)
            throw new GuestException($"exec {arguments[0]}: {(DriverLab.Linux.Errno)(-status)}");
        return Payload.Number(status);
    }

    private byte[] ExecWithInput(uint id, string[] arguments, CommandInput input)
    {
        try
        {
            if (arguments.Length == 0)
                throw new GuestException("exec: no command");
            int status = children.Run(arguments, input, bytes => port.Send(FrameKind.Output, id, bytes), bytes => port.Send(FrameKind.ErrorOutput, id, bytes));
            if (status < 0)
                throw new GuestException($"exec {arguments[0]}: {(DriverLab.Linux.Errno)(-status)}");
            return Payload.Number(status);
        }
        finally
        {
            _ = inputs.TryRemove(id, out _);
        }
    }

    private unsafe byte[] GetFile(uint id, string path)
    {
        int fd = LibC.Open(path, LibC.ORdOnly | LibC.OCloExec, 0);
        if (fd < 0)
            throw new GuestException($"get {path}: {(DriverLab.Linux.Errno)LibC.LastError}");
        var buffer = new byte[256 << 10];
        nint n;
        fixed (byte* start = buffer)
        {
            while ((n = LibC.Read(fd, start, (nuint)buffer.Length)) > 0 || (n < 0 && LibC.LastError == LibC.Eintr))
            {
                if (n > 0)
                    port.Send(FrameKind.Output, id, buffer.AsSpan(0, (int)n));
            }
        }
        int error = LibC.LastError;
        _ = LibC.Close(fd);
        return n < 0 ? throw new GuestException($"get {path}: {(DriverLab.Linux.Errno)error}") : [];
    }

    private static byte[] PutFile(ReadOnlySpan<byte> payload)
    {
        Payload.ReadFile(payload, out string path, out uint mode, out bool append, out var content);
        if (Path.GetDirectoryName(path) is { Length: > 0 } parent)
            Directory.CreateDirectory(parent);
        int fd = LibC.Open(path, LibC.OWrOnly | LibC.OCreat | LibC.OCloExec | (append ? LibC.OAppend : LibC.OTrunc), mode);
        if (fd < 0)
            throw new GuestException($"put {path}: {(DriverLab.Linux.Errno)LibC.LastError}");
        bool written = LibC.WriteAll(fd, content);
        int error = LibC.LastError;
        _ = LibC.Fchmod(fd, mode);
        _ = LibC.Close(fd);
        if (!written)
            throw new GuestException($"put {path}: {(DriverLab.Linux.Errno)error}");
        return [];
    }

    private static unsafe byte[] SetClock(long nanoseconds)
    {
        long* time = stackalloc long[2];
        (time[0], time[1]) = Math.DivRem(nanoseconds, 1_000_000_000);
        if (LibC.ClockSetTime(0, time) != 0)
            throw new GuestException($"clock_settime: {(DriverLab.Linux.Errno)LibC.LastError}");
        return [];
    }

    private byte[] LoadModules(string[] names)
    {
        foreach (string name in names)
        {
            if (modules.Load(name) is { } complaint)
                throw new GuestException(complaint);
        }
        return [];
    }

    private static byte[] AddEntropy(byte[] bytes)
    {
        int fd = LibC.Open("/dev/urandom", LibC.OWrOnly | LibC.OCloExec, 0);
        if (fd < 0 || !LibC.WriteAll(fd, bytes))
            throw new GuestException($"/dev/urandom: {(DriverLab.Linux.Errno)LibC.LastError}");
        // RNDRESEEDCRNG: without it the generator would go on for minutes with what it knew when the machine was saved.
        _ = LibC.Ioctl(fd, 0x5207, 0);
        _ = LibC.Close(fd);
        return [];
    }

    /// <summary>The nonce proves that it is this machine that answers, now; the rest was written down when it booted.</summary>
    private string Hello(string nonce) => string.Create(CultureInfo.InvariantCulture, $"nonce={nonce}\nuptime={Environment.TickCount64 / 1000.0}\n{facts}");

    private static string Facts(IReadOnlyList<string> complaints)
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"protocol={FrameHeader.Version}\n");
        text.Append(CultureInfo.InvariantCulture, $"release={Line("/proc/sys/kernel/osrelease")}\nversion={Line("/proc/sys/kernel/version")}\n");
        text.Append("modules=").AppendJoin(',', File.ReadLines("/proc/modules").Select(line => line[..line.IndexOf(' ')])).Append('\n');
        foreach (string complaint in complaints)
            text.Append("complaint=").Append(complaint).Append('\n');
        return text.ToString();
    }

    private static string Line(string file) => File.ReadAllText(file).Trim();
}

/// <summary>A refusal that the host shows as it is.</summary>
internal sealed class GuestException(string message) : Exception(message);
