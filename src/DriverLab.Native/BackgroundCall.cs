using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;
using DriverLab.Linux;

namespace DriverLab.Native;

/// <summary>Code that a <see cref="TaskThread"/> runs while others go on. Whether it sleeps shows in the processor time of its threads, which then stands still.</summary>
internal sealed unsafe class BackgroundCall : IBackgroundCall
{
    /// <summary>Looks that must all show the same time, and what lies between two of them, in nanoseconds. Each look lets others have the processor, so that a busy machine does not matter.</summary>
    private const int PatientLooks = 20, Looks = 6, PatientPause = 5_000_000, Pause = 500_000;

    /// <summary>Looks after which a call that still uses the processor is taken to be one that looks again and again itself: some waits of the kernel do.</summary>
    private const int MostLooks = 200;

    private const int Interruption = 12; // SIGUSR2, which the runtime leaves alone and tasks do not block

    private readonly TaskThread _task;
    private readonly Thread _caller;
    private ExceptionDispatchInfo? _failure;
    private volatile int _callerTid;
    private volatile bool _hasEnded;

    internal BackgroundCall(TaskThread task, Action code)
    {
        _task = task;
        _caller = new Thread(() => Make(code), 1 << 20) { IsBackground = true, Name = "DriverLab call" };
        _caller.Start();
    }

    public bool HasEnded => _hasEnded;

    private void Make(Action code)
    {
        _callerTid = (int)Libc.Syscall(Nr.Gettid, 0, 0, 0, 0, 0, 0);
        try
        {
            code();
        }
        catch (Exception e)
        {
            _failure = ExceptionDispatchInfo.Capture(e);
        }
        _hasEnded = true;
    }

    public bool Settle(bool patiently)
    {
        long last = -1;
        int looks = 0;
        for (int same = 0; same < (patiently ? PatientLooks : Looks) && looks < MostLooks && !_hasEnded; same++, looks++)
        {
            if (looks > 0)
                Sleep(patiently ? PatientPause : Pause);
            long now = ProcessorTime(_task.Tid) + ProcessorTime(_callerTid);
            if (now != last)
                (same, last) = (0, now);
        }
        if (_hasEnded)
            _caller.Join();
        _failure?.Throw();
        return _hasEnded;
    }

    public void Interrupt()
    {
        InterruptHandler.Install();
        nint pid = Libc.Syscall(Nr.Getpid, 0, 0, 0, 0, 0, 0);
        _ = Libc.Syscall(Nr.Tgkill, pid, _task.Tid, Interruption, 0, 0, 0); // it can only have ended
        _ = Settle(patiently: true);
    }

    public void Dispose() { }

    private static void Sleep(long nanoseconds)
    {
        nint* pause = stackalloc nint[2]; // struct timespec
        (pause[0], pause[1]) = (0, (nint)nanoseconds);
        _ = Libc.Syscall(Nr.Nanosleep, (nint)pause, 0, 0, 0, 0, 0);
    }

    /// <summary>What a thread has used so far, in nanoseconds; nothing when it is not there.</summary>
    /// <remarks>Linux include/linux/posix-timers.h: make_thread_cpuclock() with CPUCLOCK_SCHED.</remarks>
    private static long ProcessorTime(int tid)
    {
        nint* time = stackalloc nint[2]; // struct timespec
        (time[0], time[1]) = (0, 0);
        _ = Libc.Syscall(Nr.ClockGettime, ~(nint)tid << 3 | 6, (nint)time, 0, 0, 0, 0);
        return time[0] * 1_000_000_000 + time[1];
    }

    /// <summary>A signal handler that does nothing, in machine code: it may run where the runtime could not follow.</summary>
    private static class InterruptHandler
    {
        private const int SetSize = 8, RestorerFlag = 0x04000000;

        private static readonly Lazy<bool> s_installed = new(Set);

        internal static void Install() => _ = s_installed.Value;

        private static bool Set()
        {
            nint page = ExecutablePage.Load(Code);
            nint* action = stackalloc nint[4]; // struct kernel_sigaction: handler, flags, restorer, mask; without SA_RESTART
            (action[0], action[1], action[2], action[3]) = (page, RestorerFlag, page + 1, 0);
            if (Libc.Syscall(Nr.RtSigaction, Interruption, (nint)action, 0, SetSize, 0, 0) != 0)
                throw new PlatformNotSupportedException("No handler for SIGUSR2 can be set here.");
            return true;
        }

        private static ReadOnlySpan<byte> Code =>
        [
            0xc3, // ret
            0xb8, 0x0f, 0x00, 0x00, 0x00, // restorer: mov eax, 15 (rt_sigreturn)
            0x0f, 0x05, // syscall
        ];
    }
}
