using System.Text;

namespace DriverLab.Guest;

/// <summary>Starts commands and collects every child, as process 1 must: orphans too.</summary>
internal sealed unsafe class Children
{
    private readonly object gate = new();
    private readonly Dictionary<int, TaskCompletionSource<int>> waiting = [];
    private int started;

    public Children() => new Thread(Reap) { IsBackground = true, Name = "reaper" }.Start();

    /// <summary>Runs a command with standard output and error going to <paramref name="output"/>; returns its exit status, 128 + signal, or -errno when it did not start.</summary>
    public int Run(string[] arguments, Action<ReadOnlySpan<byte>> output)
    {
        int* pipe = stackalloc int[2];
        if (LibC.Pipe2(pipe, LibC.OCloExec) != 0)
            return -LibC.LastError;
        int error = Start(arguments, -1, pipe[1], pipe[1], out _, out var ended);
        _ = LibC.Close(pipe[1]);
        if (error == 0)
            Pump(pipe[0], output);
        _ = LibC.Close(pipe[0]);
        return error != 0 ? -error : Decode(ended.GetAwaiter().GetResult());
    }

    /// <summary>Runs a command in a session of its own whose standard input is <paramref name="input"/>; output and errors go their own ways.</summary>
    public int Run(string[] arguments, CommandInput input, Action<ReadOnlySpan<byte>> output, Action<ReadOnlySpan<byte>> errors)
    {
        int* pipes = stackalloc int[6];
        for (int i = 0; i < 6; i += 2)
        {
            if (LibC.Pipe2(pipes + i, LibC.OCloExec) != 0)
                return -LibC.LastError;
        }
        int error = Start(arguments, pipes[0], pipes[3], pipes[5], out int pid, out var ended);
        _ = LibC.Close(pipes[0]);
        _ = LibC.Close(pipes[3]);
        _ = LibC.Close(pipes[5]);
        int errorsFd = pipes[4];
        if (error == 0)
        {
            input.Attach(pid, pipes[1]);
            var other = new Thread(() => Pump(errorsFd, errors)) { IsBackground = true, Name = "errors of " + arguments[0] };
            other.Start();
            Pump(pipes[2], output);
            other.Join();
        }
        else
            _ = LibC.Close(pipes[1]);
        _ = LibC.Close(pipes[2]);
        _ = LibC.Close(errorsFd);
        int status = error != 0 ? -error : Decode(ended.GetAwaiter().GetResult());
        input.Detach();
        return status;
    }

    /// <summary>Starts a command. Its entry is there before the reaper may look for it: what has none is an orphan, whose status nobody asks for.</summary>
    private int Start(string[] arguments, int input, int output, int errors, out int pid, out Task<int> ended)
    {
        lock (gate)
        {
            ended = Task.FromResult(0);
            int error = Spawn(arguments, input, output, errors, out pid);
            if (error != 0)
                return error;
            var source = waiting[pid] = new(TaskCreationOptions.RunContinuationsAsynchronously);
            ended = source.Task;
            started++;
            Monitor.PulseAll(gate);
            return 0;
        }
    }

    private static int Spawn(string[] arguments, int input, int output, int errors, out int pid)
    {
        // posix_spawn_file_actions_t is 80 bytes in glibc; it is initialised by the call.
        byte* actions = stackalloc byte[256];
        _ = LibC.SpawnActionsInit(actions);
        // posix_spawnattr_t is 336 bytes in glibc. A command with input may be signalled: it leads a session of its own.
        byte* attributes = stackalloc byte[512];
        _ = LibC.SpawnAttributesInit(attributes);
        if (input >= 0)
        {
            _ = LibC.SpawnAttributesSetFlags(attributes, LibC.SpawnSetSid);
            _ = LibC.SpawnActionsDup2(actions, input, 0);
        }
        else
            _ = LibC.SpawnActionsOpen(actions, 0, "/dev/null", LibC.ORdOnly, 0);
        _ = LibC.SpawnActionsDup2(actions, output, 1);
        _ = LibC.SpawnActionsDup2(actions, errors, 2);
        string[] environment = ["PATH=/sbin:/bin:/usr/sbin:/usr/bin", "HOME=/root", "TERM=dumb", "LC_ALL=C"];
        int child = 0, error = LibC.Enoent;
        string program = arguments[0];
        foreach (string path in program.Contains('/') ? [program] : new[] { "/sbin/" + program, "/bin/" + program, "/usr/sbin/" + program, "/usr/bin/" + program })
        {
            if (!File.Exists(path))
                continue;
            fixed (byte* file = Encoding.UTF8.GetBytes(path + "\0"))
            {
                using var argv = new Words(arguments);
                using var envp = new Words(environment);
                error = LibC.Spawn(&child, file, actions, attributes, argv.Pointer, envp.Pointer);
            }
            break;
        }
        _ = LibC.SpawnActionsDestroy(actions);
        _ = LibC.SpawnAttributesDestroy(attributes);
        pid = child;
        return error;
    }

    private static void Pump(int fd, Action<ReadOnlySpan<byte>> output)
    {
        var buffer = new byte[64 << 10];
        fixed (byte* start = buffer)
        {
            while (true)
            {
                nint n = LibC.Read(fd, start, (nuint)buffer.Length);
                if (n > 0)
                    output(buffer.AsSpan(0, (int)n));
                else if (n == 0 || LibC.LastError != LibC.Eintr)
                    return;
            }
        }
    }

    private void Reap()
    {
        while (true)
        {
            int status;
            int pid = LibC.WaitPid(-1, &status, 0);
            if (pid < 0)
            {
                lock (gate)
                {
                    // No child is left: sleep until one is started.
                    while (started == 0)
                        _ = Monitor.Wait(gate);
                    started = 0;
                }
                continue;
            }
            lock (gate)
            {
                if (waiting.Remove(pid, out var source))
                    source.SetResult(status);
            }
        }
    }

    private static int Decode(int status) => (status & 0x7F) == 0 ? (status >> 8) & 0xFF : 128 + (status & 0x7F);

    /// <summary>A NULL-terminated array of C strings.</summary>
    private sealed class Words : IDisposable
    {
        private readonly int count;

        public Words(string[] words)
        {
            count = words.Length;
            Pointer = (byte**)System.Runtime.InteropServices.NativeMemory.AllocZeroed((nuint)(count + 1), (nuint)sizeof(byte*));
            for (int i = 0; i < count; i++)
                Pointer[i] = (byte*)System.Runtime.InteropServices.Marshal.StringToCoTaskMemUTF8(words[i]);
        }

        public byte** Pointer { get; }

        public void Dispose()
        {
            for (int i = 0; i < count; i++)
                System.Runtime.InteropServices.Marshal.FreeCoTaskMem((nint)Pointer[i]);
            System.Runtime.InteropServices.NativeMemory.Free(Pointer);
        }
    }
}
