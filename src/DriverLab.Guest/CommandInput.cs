using System.Threading.Channels;

namespace DriverLab.Guest;

/// <summary>Standard input of a running command: bytes wait here until the command takes them. A signal may come before the command has started.</summary>
/// <param name="onTaken">Told how many bytes the command has taken, or will never take.</param>
internal sealed class CommandInput(Action<int> onTaken)
{
    private readonly Channel<byte[]> waiting = Channel.CreateUnbounded<byte[]>(new() { SingleReader = true });
    private readonly Lock gate = new();
    private int pid;
    private int earlySignal;

    /// <summary>Queues bytes; none is the end of the input.</summary>
    public void Add(byte[] bytes)
    {
        if (bytes.Length == 0)
            _ = waiting.Writer.TryComplete();
        else if (!waiting.Writer.TryWrite(bytes))
            onTaken(bytes.Length);
    }

    /// <summary>Sends a signal to the command and to all that it started and that stayed in its session's group.</summary>
    public void Signal(int signal)
    {
        lock (gate)
        {
            if (pid == 0)
                earlySignal = signal;
            else if (pid > 0)
                _ = LibC.Kill(-pid, signal);
        }
    }

    /// <summary>The command has started: feeds <paramref name="fd"/> from now on, and closes it at the end.</summary>
    public void Attach(int started, int fd)
    {
        lock (gate)
        {
            pid = started;
            if (earlySignal != 0)
                _ = LibC.Kill(-pid, earlySignal);
        }
        new Thread(() => Feed(fd)) { IsBackground = true, Name = "command input" }.Start();
    }

    /// <summary>The command has ended: its number may be another's soon.</summary>
    public void Detach()
    {
        lock (gate)
            pid = -1;
        _ = waiting.Writer.TryComplete();
    }

    private void Feed(int fd)
    {
        bool broken = false;
        foreach (byte[] bytes in waiting.Reader.ReadAllAsync().ToBlockingEnumerable())
        {
            // A command that closed its input, or ended, lets the rest go nowhere.
            broken = broken || !LibC.WriteAll(fd, bytes);
            onTaken(bytes.Length);
        }
        _ = LibC.Close(fd);
    }
}
