using System.Collections.Concurrent;
using DriverLab.Linux;

namespace DriverLab.Simulation;

/// <summary>
/// Who goes on while somebody sleeps. One task runs at a time, until it ends or sleeps; which one goes on next follows from the calls alone, so that a run repeats itself.
/// </summary>
/// <remarks>
/// Calls of the foreground are plain calls: where they sleep, background work is done, then calls in the background go on, then time passes; when nothing is left, the call would hang. A call in the
/// background has a thread of its own, which hands the turn back where it sleeps. Linux kernel/sched/core.c: schedule(), kernel/sched/wait.c.
/// </remarks>
public sealed class Scheduler
{
    private readonly Clock _clock;
    private readonly RunQueue _queue;
    private readonly List<BackgroundCall> _sleeping = [];
    private BackgroundCall? _running;

    internal Scheduler(Clock clock, RunQueue queue) => (_clock, _queue) = (clock, queue);

    /// <summary>Makes a call in the background; returns when it has ended or sleeps.</summary>
    /// <param name="call">The call; an exception of it reaches whoever settles it.</param>
    public IBackgroundCall Begin(Action call)
    {
        var begun = new BackgroundCall(this, call);
        begun.GoOn();
        return begun;
    }

    /// <summary>Sleeps until something has come to pass; signals do not matter.</summary>
    /// <param name="of">What the condition looks at.</param>
    /// <param name="isOver">The condition.</param>
    /// <param name="what">What is waited for, for the message.</param>
    /// <exception cref="WouldHangException">In the foreground: nothing is left that could bring it about.</exception>
    public void Wait<T>(T of, Func<T, bool> isOver, string what)
    {
        while (!isOver(of))
        {
            if (_queue.RunOne(_clock.NowNs))
                continue;
            if (_running is { } call)
                _ = Sleep(call, of, isOver, isInterruptible: false); // it takes no signals
            else
                Idle(what);
        }
    }

    /// <summary>Sleeps until something has come to pass or a signal comes.</summary>
    /// <param name="of">What the condition looks at.</param>
    /// <param name="isOver">The condition.</param>
    /// <param name="what">What is waited for, for the message.</param>
    /// <returns>False when it was a signal.</returns>
    /// <exception cref="WouldHangException">In the foreground: nothing is left that could bring it about.</exception>
    public bool WaitInterruptible<T>(T of, Func<T, bool> isOver, string what)
    {
        while (!isOver(of))
        {
            if (_queue.RunOne(_clock.NowNs))
                continue;
            if (_running is not { } call)
                Idle(what);
            else if (!Sleep(call, of, isOver, isInterruptible: true))
                return false;
        }
        return true;
    }

    /// <summary>A closure is made only where a call in the background sleeps.</summary>
    private static bool Sleep<T>(BackgroundCall call, T of, Func<T, bool> isOver, bool isInterruptible) => call.Sleep(() => isOver(of), isInterruptible);

    /// <summary>Sleeps for a time.</summary>
    public void Sleep(long nanoseconds)
    {
        long until = _clock.NowNs + Math.Max(0, nanoseconds);
        if (_running is not null)
        {
            _queue.Add(new Alarm(), until); // so that time stops there
            Wait((_clock, until), static s => s._clock.NowNs >= s.until, "time to pass");
            return;
        }
        _ = RunReady(); // it does not matter whether anybody was
        while (_queue.NextDueNs <= until)
        {
            _clock.Advance(Math.Max(0, _queue.NextDueNs - _clock.NowNs));
            _ = _queue.RunOne(_clock.NowNs); // false only if an earlier item took it out
            _ = RunReady();
        }
        _clock.Advance(Math.Max(0, until - _clock.NowNs));
    }

    /// <summary>Lets calls in the background go on whose sleep is over, those first that have slept longest, until none is left.</summary>
    /// <returns>True when there was one.</returns>
    private bool RunReady()
    {
        bool any = false;
        for (int i = 0; i < _sleeping.Count; i++)
        {
            if (!_sleeping[i].IsReady)
                continue;
            var call = _sleeping[i];
            _sleeping.RemoveAt(i);
            call.GoOn();
            (any, i) = (true, -1);
        }
        return any;
    }

    private void Settle()
    {
        while (_sleeping.Count > 0 && (_queue.RunOne(_clock.NowNs) || RunReady()))
        {
        }
    }

    /// <summary>The foreground has nothing to do.</summary>
    private void Idle(string what)
    {
        if (RunReady())
            return;
        long due = _queue.NextDueNs;
        if (due == long.MaxValue)
            throw new WouldHangException(what);
        _clock.Advance(due - _clock.NowNs);
    }

    private sealed class Alarm : WorkItem
    {
        public override void Run() { }
    }

    /// <summary>The kernel is gone while a call sleeps.</summary>
    private sealed class GivenUpException : Exception;

    private sealed class BackgroundCall : IBackgroundCall
    {
        private readonly Scheduler _scheduler;
        private readonly Action _call;
        private readonly SemaphoreSlim _turn = new(0), _back = new(0);
        private Func<bool>? _isOver;
        private BackgroundCall? _resumedBy;
        private bool _isInterruptible, _isInterrupted, _isGivenUp;
        private Exception? _failure;

        internal BackgroundCall(Scheduler scheduler, Action call)
        {
            (_scheduler, _call) = (scheduler, call);
            SpareStack.Run(Run);
        }

        public bool HasEnded { get; private set; }

        internal bool IsReady => _isGivenUp || _isInterrupted && _isInterruptible || _isOver!();

        private void Run()
        {
            _turn.Wait();
            try
            {
                _call();
            }
            catch (GivenUpException)
            {
                // nobody is left who could be told
            }
            catch (Exception e)
            {
                _failure = e;
            }
            HasEnded = true;
            _ = _back.Release();
        }

        /// <summary>Has the turn until it sleeps or ends.</summary>
        internal void GoOn()
        {
            _resumedBy = _scheduler._running;
            _scheduler._running = this;
            _ = _turn.Release();
            _back.Wait();
            _scheduler._running = _resumedBy;
        }

        /// <summary>On the call's own thread: gives the turn back.</summary>
        /// <returns>False when a signal came.</returns>
        internal bool Sleep(Func<bool> isOver, bool isInterruptible)
        {
            (_isOver, _isInterruptible) = (isOver, isInterruptible);
            _scheduler._sleeping.Add(this);
            _ = _back.Release();
            _turn.Wait();
            if (_isGivenUp)
                throw new GivenUpException();
            if (!_isInterruptible || !_isInterrupted)
                return true;
            _isInterrupted = false;
            return isOver();
        }

        public bool Settle(bool patiently)
        {
            _scheduler.Settle();
            if (_failure is { } failure)
            {
                _failure = null;
                System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(failure);
            }
            return HasEnded;
        }

        public void Interrupt()
        {
            _isInterrupted = true;
            _ = Settle(patiently: false);
        }

        public void Dispose()
        {
            if (!HasEnded)
            {
                _isGivenUp = true;
                _ = _scheduler._sleeping.Remove(this);
                GoOn();
            }
            _turn.Dispose();
            _back.Dispose();
        }
    }
}

/// <summary>A thread that is there for its stack, which can be left and come back to: it runs only while somebody waits for it. Kept for the next call, of whatever kernel.</summary>
internal sealed class SpareStack : IDisposable
{
    private const int MostKept = 64;

    private static readonly ConcurrentStack<SpareStack> s_kept = new();

    private readonly SemaphoreSlim _begin = new(0);
    private Action? _code;

#pragma warning disable RS0030 // One thread of a world runs at a time, and which one is no matter of chance.
    private SpareStack() => new Thread(Loop) { IsBackground = true, Name = "emulated task" }.Start();
#pragma warning restore RS0030

    /// <summary>Begins to run code, which waits for its turn itself and throws nothing.</summary>
    public static void Run(Action code)
    {
        if (!s_kept.TryPop(out var stack))
            stack = new();
        stack._code = code;
        _ = stack._begin.Release();
    }

    private void Loop()
    {
        do
        {
            _begin.Wait();
            _code!();
            _code = null;
            if (s_kept.Count >= MostKept)
                break;
            s_kept.Push(this);
        }
        while (true);
        Dispose();
    }

    /// <inheritdoc/>
    public void Dispose() => _begin.Dispose();
}
