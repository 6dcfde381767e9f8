using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;

namespace DriverLab.Native;

/// <summary>
/// A thread that is one Linux task: after unshare(CLONE_FS | CLONE_FILES) its root, working directory, umask, descriptor table and credentials are its own.
/// Calls of other threads are handed to it; calls of its own go straight to the kernel.
/// </summary>
/// <remarks>
/// <para>The hand-over is a mailbox in native memory with two sequence numbers; each side spins for a moment and then sleeps on a futex. Nothing is allocated.
/// The caller waits meanwhile, so pointers to its stack and its pinned spans stay valid.</para>
/// <para>The loop must not be jitted or tiered on this thread after a chroot (the runtime would look for files in the new root): hence AggressiveOptimization,
/// and only intrinsics and one P/Invoke inside it.</para>
/// <para>Signals with handlers of the runtime that write to its pipes are blocked here: those descriptors mean other files in this table.</para>
/// </remarks>
internal sealed unsafe class TaskThread
{
    private const int SpinRounds = 400, FutexWaitPrivate = 128, FutexWakePrivate = 129, StackBytes = 2 << 20;
    private const int ProgramCall = -1, ExitCall = -2;

    // SIGHUP INT QUIT PIPE ALRM TERM CHLD CONT TSTP TTIN TTOU WINCH.
    private const ulong BlockedSignals = 1UL << 0 | 1UL << 1 | 1UL << 2 | 1UL << 12 | 1UL << 13 | 1UL << 14 | 1UL << 16 | 1UL << 17 | 1UL << 19 | 1UL << 20 | 1UL << 21 | 1UL << 27;

    [StructLayout(LayoutKind.Sequential)]
    private struct Mailbox
    {
        public int Posted, Done, WorkerSleeps, CallerSleeps;
        public nint Number, A, B, C, D, E, F, Result;
    }

    private readonly Mailbox* _mail = (Mailbox*)NativeMemory.AlignedAlloc((nuint)sizeof(Mailbox), 64);
    private readonly Thread _thread;
    private readonly int[]? _keep;
    private int* _errno;
    private int _managedId;
    private int _startError;
    private Action? _program;
    private ExceptionDispatchInfo? _failure;
    private bool _ended;

    /// <summary>Starts the thread. Called on another task's thread it inherits that task's state, as fork does.</summary>
    /// <param name="keep">Descriptors from 3 up that stay open in the new table, in rising order; null to keep all that the creating thread has.</param>
    internal TaskThread(int[]? keep)
    {
        // Binds both symbols while the process's own root is in force.
        _ = Libc.Syscall(Nr.Getpid, 0, 0, 0, 0, 0, 0);
        *_mail = new Mailbox { Posted = 1 };
        _keep = keep;
        _thread = new Thread(Loop, StackBytes) { IsBackground = true, Name = "DriverLab task" };
        _thread.Start();
        WaitDone(1);
        if (_startError != 0)
            throw new InvalidOperationException($"A task's thread could not unshare its files: errno {_startError}.");
    }

    /// <summary>The kernel's id of the thread.</summary>
    internal int Tid { get; private set; }

    /// <summary>One system call on this task: a value, or a negated errno.</summary>
    internal nint Call(nint number, nint a = 0, nint b = 0, nint c = 0, nint d = 0, nint e = 0, nint f = 0)
    {
        if (Environment.CurrentManagedThreadId == _managedId)
            return Direct(number, a, b, c, d, e, f);
        ObjectDisposedException.ThrowIf(_ended, typeof(NativeKernel));
        var mail = _mail;
        (mail->A, mail->B, mail->C, mail->D, mail->E, mail->F) = (a, b, c, d, e, f);
        Post(number);
        return mail->Result;
    }

    /// <summary>Runs code on this thread and waits; its exception reaches the caller.</summary>
    internal void Run(Action program)
    {
        if (Environment.CurrentManagedThreadId == _managedId)
        {
            program();
            return;
        }
        ObjectDisposedException.ThrowIf(_ended, typeof(NativeKernel));
        _program = program;
        Post(ProgramCall);
        var failure = _failure;
        (_program, _failure) = (null, null);
        failure?.Throw();
    }

    /// <summary>Closes every descriptor and ends the thread; returns when the kernel has let go of its root, directory and name space.</summary>
    internal void End()
    {
        if (_ended)
            return;
        _ended = true;
        if (Environment.CurrentManagedThreadId == _managedId)
        {
            // The loop sees this when the program that we are part of returns.
            _mail->Number = ExitCall;
            return;
        }
        Post(ExitCall);
        _thread.Join();
        // A joined thread may still be on its way through exit; only when its id is gone are its mounts free.
        nint pid = Libc.Syscall(Nr.Getpid, 0, 0, 0, 0, 0, 0);
        while (Libc.Syscall(Nr.Tgkill, pid, Tid, 0, 0, 0, 0) == 0)
            _ = Libc.Syscall(Nr.SchedYield, 0, 0, 0, 0, 0, 0);
    }

    /// <summary>The running loop keeps its object alive, so this is after its end.</summary>
    ~TaskThread() => NativeMemory.AlignedFree(_mail);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private nint Direct(nint number, nint a, nint b, nint c, nint d, nint e, nint f)
    {
        nint result = Libc.Syscall(number, a, b, c, d, e, f);
        return result == -1 ? -*_errno : result;
    }

    private void Post(nint number)
    {
        var mail = _mail;
        mail->Number = number;
        int sequence = mail->Posted + 1;
        Volatile.Write(ref mail->Posted, sequence);
        Interlocked.MemoryBarrier();
        if (Volatile.Read(ref mail->WorkerSleeps) != 0)
            _ = Libc.Syscall(Nr.Futex, (nint)(&mail->Posted), FutexWakePrivate, 1, 0, 0, 0);
        WaitDone(sequence);
    }

    private void WaitDone(int sequence) => Wait(&_mail->Done, sequence, &_mail->CallerSleeps);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Wait(int* word, int wanted, int* sleeps)
    {
        for (int i = 0; i < SpinRounds; i++)
        {
            if (Volatile.Read(ref *word) == wanted)
                return;
            if (X86Base.IsSupported)
                X86Base.Pause();
        }
        Volatile.Write(ref *sleeps, 1);
        Interlocked.MemoryBarrier();
        int seen;
        while ((seen = Volatile.Read(ref *word)) != wanted)
            _ = Libc.Syscall(Nr.Futex, (nint)word, FutexWaitPrivate, seen, 0, 0, 0);
        Volatile.Write(ref *sleeps, 0);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Loop()
    {
        _startError = Enter();
        var mail = _mail;
        Finish(mail, 1);
        for (int sequence = 2; ; sequence++)
        {
            Wait(&mail->Posted, sequence, &mail->WorkerSleeps);
            if (mail->Number >= 0)
                mail->Result = Direct(mail->Number, mail->A, mail->B, mail->C, mail->D, mail->E, mail->F);
            else if (mail->Number == ProgramCall)
                RunProgram();
            if (mail->Number == ExitCall)
                break;
            Finish(mail, sequence);
        }
        _ = Direct(Nr.CloseRange, 0, -1, 0, 0, 0, 0);
        Finish(mail, mail->Posted);
    }

    private static void Finish(Mailbox* mail, int sequence)
    {
        Volatile.Write(ref mail->Done, sequence);
        Interlocked.MemoryBarrier();
        if (Volatile.Read(ref mail->CallerSleeps) != 0)
            _ = Libc.Syscall(Nr.Futex, (nint)(&mail->Done), FutexWakePrivate, 1, 0, 0, 0);
    }

    private void RunProgram()
    {
        try
        {
            _program!();
        }
        catch (Exception e)
        {
            _failure = ExceptionDispatchInfo.Capture(e);
        }
    }

    /// <summary>Makes this thread a task of its own; an errno, or 0.</summary>
    private int Enter()
    {
        _errno = Libc.ErrnoLocation();
        _managedId = Environment.CurrentManagedThreadId;
        ulong blocked = BlockedSignals;
        _ = Direct(Nr.RtSigprocmask, 0, (nint)(&blocked), 0, 8, 0, 0);
        Tid = (int)Direct(Nr.Gettid, 0, 0, 0, 0, 0, 0);
        nint error = Direct(Nr.Unshare, (nint)(Abi.Fs | Abi.Files), 0, 0, 0, 0, 0);
        if (error < 0 || _keep is null)
            return (int)-error;
        int next = 3;
        foreach (int descriptor in _keep)
        {
            if (descriptor > next)
                _ = Direct(Nr.CloseRange, next, descriptor - 1, 0, 0, 0, 0);
            next = Math.Max(next, descriptor + 1);
        }
        _ = Direct(Nr.CloseRange, next, -1, 0, 0, 0, 0);
        return 0;
    }

    private static class Abi
    {
        internal const uint Fs = (uint)DriverLab.Linux.Abi.CloneFlags.CLONE_FS, Files = (uint)DriverLab.Linux.Abi.CloneFlags.CLONE_FILES;
    }
}
