using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;
using DriverLab.Linux;

namespace DriverLab.Native;

/// <summary>
/// A thread that is one Linux task: after unshare(CLONE_FS | CLONE_FILES) its root, working directory, umask, descriptor table and credentials are its own.
/// Calls of other threads are handed to it; calls of its own go straight to the kernel.
/// </summary>
/// <remarks>
/// <para>The hand-over is a mailbox in native memory with two sequence numbers; each side spins for a moment and then sleeps on a futex. Nothing is allocated per call.
/// The caller waits meanwhile, so pointers to its stack and its pinned spans stay valid.</para>
/// <para>The loop must not be jitted or tiered on this thread after a chroot (the runtime would look for files in the new root): hence AggressiveOptimization,
/// and only intrinsics and one P/Invoke inside it.</para>
/// <para>Signals with handlers of the runtime that write to its pipes are blocked here: those descriptors mean other files in this table.</para>
/// </remarks>
internal sealed unsafe class TaskThread : NativeTask
{
    private const int StackBytes = 2 << 20;
    private const int ProgramCall = -1, ExitCall = -2, ResumeCall = -3;

    /// <summary>Nanoseconds.</summary>
    private const int PauseStep = 10_000, LongestPause = 200_000;

    // SIGHUP INT QUIT PIPE ALRM TERM CHLD CONT TSTP TTIN TTOU WINCH.
    private const ulong BlockedSignals = 1UL << 0 | 1UL << 1 | 1UL << 2 | 1UL << 12 | 1UL << 13 | 1UL << 14 | 1UL << 16 | 1UL << 17 | 1UL << 19 | 1UL << 20 | 1UL << 21 | 1UL << 27;

    private readonly Mailbox* _mail;
    private readonly Thread _thread;
    private readonly int[] _ofRuntime;
    private int* _errno;
    private int _managedId;
    private int _tid;
    private int _startError;
    private Action? _program, _outside;
    private ExceptionDispatchInfo? _failure, _outsideFailure;
    private int _sequence;
    private bool _exits;
    private volatile bool _waits;
    private bool _ended;

    /// <summary>The task whose thread this is; null on other threads.</summary>
    [ThreadStatic]
    private static TaskThread? t_self;

    /// <summary>Starts the thread of a first task.</summary>
    /// <param name="ofRuntime">Descriptors that the runtime needs on every thread, in rising order: they stay open in the new table.</param>
    /// <param name="keep">One more that stays open; -1 for none.</param>
    /// <param name="spins">What <see cref="Spins"/> says.</param>
    internal TaskThread(int[] ofRuntime, int keep, bool spins)
        : this(ofRuntime, keep, spins, isFork: false)
    {
    }

    /// <summary>Starts the thread of a fork; called on the thread of the task that forks, whose state and descriptors it inherits.</summary>
    internal TaskThread(TaskThread parent)
        : this(parent._ofRuntime, -1, parent.Spins, isFork: true)
    {
    }

    private TaskThread(int[] ofRuntime, int keep, bool spins, bool isFork)
    {
        Spins = spins;
        _mail = Mailbox.Allocate(spins);
        // Binds both symbols while the process's own root is in force.
        _ = Libc.Syscall(Nr.Getpid, 0, 0, 0, 0, 0, 0);
        _ofRuntime = ofRuntime;
        _thread = new Thread(Loop, StackBytes) { IsBackground = true, Name = IKernel.TaskName };
        _thread.Start();
        WaitDone(1);
        if (_startError != 0)
            throw new InvalidOperationException($"A task's thread could not unshare its files: errno {_startError}.");
        if (!isFork)
            CloseAllBut(keep);
    }

    internal override int Tid => _tid;

    /// <summary>True when it looks for the next call, and its callers for the answer, for a moment before they sleep.</summary>
    internal bool Spins { get; }

    internal override nint Call(nint number, nint a = 0, nint b = 0, nint c = 0, nint d = 0, nint e = 0, nint f = 0)
    {
        if (Environment.CurrentManagedThreadId == _managedId)
            return Direct(number, a, b, c, d, e, f);
        ObjectDisposedException.ThrowIf(_ended, typeof(NativeKernel));
        var mail = _mail;
        (mail->A, mail->B, mail->C, mail->D, mail->E, mail->F) = (a, b, c, d, e, f);
        Post(number);
        return mail->Result;
    }

    internal override void Run(Action program)
    {
        if (Environment.CurrentManagedThreadId == _managedId)
        {
            program();
            return;
        }
        ObjectDisposedException.ThrowIf(_ended, typeof(NativeKernel));
        var (self, outer) = (t_self, _program);
        self?._waits = true;
        _program = program;
        Post(ProgramCall);
        while (_outside is { } outside)
        {
            _outside = null;
            self?._waits = false;
            _outsideFailure = Try(outside);
            self?._waits = true;
            Post(ResumeCall);
        }
        self?._waits = false;
        var failure = _failure;
        (_program, _failure) = (outer, null);
        failure?.Throw();
    }

    internal override void Outside(Action code)
    {
        if (Environment.CurrentManagedThreadId != _managedId || _program is null)
        {
            code();
            return;
        }
        _outside = code;
        Finish(_mail, _sequence);
        Serve(_mail);
        var failure = _outsideFailure;
        _outsideFailure = null;
        failure?.Throw();
    }

    internal override NativeTask Fork()
    {
        TaskThread? child = null;
        Run(() => child = new TaskThread(this));
        return child!;
    }

    /// <summary>Closes the task's descriptors and ends the thread; returns when the kernel has let go of its root, directory and name space.</summary>
    internal override void End()
    {
        if (_ended)
            return;
        LetGo();
        _ended = true;
        if (Environment.CurrentManagedThreadId == _managedId)
        {
            _exits = true; // the loop sees it when the program that we are part of returns
            return;
        }
        Post(ExitCall);
        _thread.Join();
        WaitUntilGone();
    }

    /// <summary>A joined thread may still be on its way through exit; only when its id is gone are its mounts free. That waits for the kernel's readers (RCU), for milliseconds: others can use the processor meanwhile.</summary>
    private void WaitUntilGone()
    {
        nint pid = Libc.Syscall(Nr.Getpid, 0, 0, 0, 0, 0, 0);
        nint* pause = stackalloc nint[2]; // struct timespec
        pause[0] = 0;
        for (pause[1] = 0; Libc.Syscall(Nr.Tgkill, pid, Tid, 0, 0, 0, 0) == 0; pause[1] = Math.Min(pause[1] + PauseStep, LongestPause))
            _ = Libc.Syscall(Nr.Nanosleep, (nint)pause, 0, 0, 0, 0, 0);
    }

    /// <summary>
    /// Leaves the working directory and closes what the task had open. The exit would do both, but a thread that the runtime started from here meanwhile (its collector's, its compiler's)
    /// shares table and directory and lives on: it would hold a file system that is to be unmounted, and it needs the runtime's own descriptors.
    /// </summary>
    internal void LetGo()
    {
        fixed (byte* root = "/"u8)
            _ = Call(Nr.Chdir, (nint)root);
        CloseAllBut(-1);
    }

    /// <summary>Closes descriptors from 3 up but the runtime's and one more.</summary>
    private void CloseAllBut(int keep)
    {
        int next = 3;
        foreach (int descriptor in _ofRuntime)
        {
            CloseBetween(next, descriptor, keep);
            next = descriptor + 1;
        }
        CloseBetween(next, int.MaxValue, keep);
    }

    private void CloseBetween(int from, int to, int keep)
    {
        if (keep >= from && keep < to)
        {
            CloseBetween(from, keep, -1);
            from = keep + 1;
        }
        if (from < to)
            _ = Call(Nr.CloseRange, from, to - 1);
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
        if (_waits)
            throw new InvalidOperationException("This task waits for a program that it runs as another task; what that program needs of it goes through Outside.");
        mail->Number = number;
        int sequence = mail->Posted + 1;
        Volatile.Write(ref mail->Posted, sequence);
        Interlocked.MemoryBarrier();
        if (Volatile.Read(ref mail->WorkerSleeps) != 0)
            Mailbox.Wake(&mail->Posted);
        WaitDone(sequence);
    }

    private void WaitDone(int sequence) => Mailbox.Wait(&_mail->Done, sequence, &_mail->CallerSleeps, _mail->Spins);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Loop()
    {
        _startError = Enter();
        var mail = _mail;
        _sequence = 1;
        Finish(mail, 1);
        Serve(mail);
        Finish(mail, mail->Posted);
    }

    /// <summary>Answers what is posted until the task ends, or until the program that is being run may go on.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Serve(Mailbox* mail)
    {
        while (true)
        {
            Mailbox.Wait(&mail->Posted, ++_sequence, &mail->WorkerSleeps, mail->Spins);
            if (mail->Number >= 0)
                mail->Result = Direct(mail->Number, mail->A, mail->B, mail->C, mail->D, mail->E, mail->F);
            else if (mail->Number == ProgramCall)
                _failure = Try(_program!);
            else
                return;
            if (_exits)
                return;
            Finish(mail, _sequence);
        }
    }

    private static void Finish(Mailbox* mail, int sequence)
    {
        Volatile.Write(ref mail->Done, sequence);
        Interlocked.MemoryBarrier();
        if (Volatile.Read(ref mail->CallerSleeps) != 0)
            Mailbox.Wake(&mail->Done);
    }

    private static ExceptionDispatchInfo? Try(Action code)
    {
        try
        {
            code();
            return null;
        }
        catch (Exception e)
        {
            return ExceptionDispatchInfo.Capture(e);
        }
    }

    /// <summary>Makes this thread a task of its own; an errno, or 0.</summary>
    private int Enter()
    {
        _errno = Libc.ErrnoLocation();
        _managedId = Environment.CurrentManagedThreadId;
        t_self = this;
        ulong blocked = BlockedSignals;
        _ = Direct(Nr.RtSigprocmask, 0, (nint)(&blocked), 0, 8, 0, 0);
        _tid = (int)Direct(Nr.Gettid, 0, 0, 0, 0, 0, 0);
        nint error = Direct(Nr.Unshare, (nint)(Abi.Fs | Abi.Files), 0, 0, 0, 0, 0);
        return (int)-error;
    }

    private static class Abi
    {
        internal const uint Fs = (uint)DriverLab.Linux.Abi.CloneFlags.CLONE_FS, Files = (uint)DriverLab.Linux.Abi.CloneFlags.CLONE_FILES;
    }
}
