using System.Diagnostics;
using DriverLab.Block;

namespace DriverLab.Nbd;

/// <summary>Lets one thread at a time into an emulated kernel. Its clock keeps level with real time, and its background work runs when it falls due, also while nobody calls.</summary>
public sealed class DeviceGate : IDisposable
{
    private readonly Lock _lock = new();
    private readonly long _realStart = Stopwatch.GetTimestamp();
    private readonly long _clockStart;
    private readonly Timer _timer;
    private Connection? _inside;
    private Connection? _woken;
    private long _scheduledNs = long.MaxValue;
    private bool _disposed;

    /// <summary>A gate to the kernel that a block layer belongs to.</summary>
    public DeviceGate(BlockLayer layer)
    {
        Layer = layer;
        _clockStart = layer.World.Clock.NowNs;
        _timer = new Timer(_ => Tick(), null, Timeout.Infinite, Timeout.Infinite);
    }

    /// <summary>The kernel's block layer.</summary>
    public BlockLayer Layer { get; }

    /// <summary>Does something inside, alone.</summary>
    public T Run<T>(Func<T> inside)
    {
        Enter(null);
        try
        {
            return inside();
        }
        finally
        {
            Leave();
        }
    }

    /// <summary>Ends the clock; nobody may be inside.</summary>
    public void Dispose()
    {
        lock (_lock)
            _disposed = true;
        _timer.Dispose();
    }

    internal void Enter(Connection? connection)
    {
        _lock.Enter();
        _inside = connection;
        var clock = Layer.World.Clock;
        long behind = _clockStart + (long)Stopwatch.GetElapsedTime(_realStart).TotalNanoseconds - clock.NowNs;
        // A driver that waited has moved the clock ahead of real time.
        if (behind > 0)
            clock.Advance(behind);
    }

    /// <summary>Runs the background work that is due, so that who is inside sees what it ends.</summary>
    internal void RunDue() => Layer.World.Queue.RunDue(Layer.World.Clock);

    internal void Leave()
    {
        // The connection has taken what ended: what ends from here on it must be told.
        _inside = null;
        RunDue();
        Schedule();
        var woken = _woken;
        _woken = null;
        _lock.Exit();
        while (woken is not null)
        {
            var next = woken.NextWoken;
            woken.NextWoken = null;
            _ = ThreadPool.UnsafeQueueUserWorkItem(woken, preferLocal: false);
            woken = next;
        }
    }

    /// <summary>Something ended for a connection; one that is not inside is told after leaving.</summary>
    internal void Ended(Connection connection)
    {
        if (ReferenceEquals(connection, _inside) || connection.IsWoken)
            return;
        connection.IsWoken = true;
        connection.NextWoken = _woken;
        _woken = connection;
    }

    private void Tick()
    {
        Enter(null);
        _scheduledNs = long.MaxValue;
        Leave();
    }

    private void Schedule()
    {
        long due = Layer.World.Queue.NextDueNs;
        if (due == _scheduledNs || _disposed)
            return;
        _scheduledNs = due;
        long waitMs = due == long.MaxValue ? Timeout.Infinite : Math.Max(1, (due - Layer.World.Clock.NowNs + 999_999) / 1_000_000);
        _ = _timer.Change(waitMs, Timeout.Infinite);
    }
}
