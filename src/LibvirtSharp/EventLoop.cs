using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace LibvirtSharp;

/// <summary>The thread that libvirt's callbacks arrive on. The C library has one event implementation for the whole process, so this is static.</summary>
internal static unsafe class EventLoop
{
    private static readonly Lock Gate = new();
    private static bool _running;

    /// <summary>Initialises the library, silences its printing to standard error, and starts the thread once.</summary>
    public static void EnsureRunning()
    {
        lock (Gate)
        {
            if (_running)
                return;
            _ = Native.Check(Native.virInitialize());
            Native.virSetErrorFunc(null, &Ignore);
            _ = Native.Check(Native.virEventRegisterDefaultImpl());
            // Without a timeout the loop would sleep in poll and miss what is registered later.
            _ = Native.Check(Native.virEventAddTimeout(200, &Tick, null, null));
            new Thread(Run) { IsBackground = true, Name = "libvirt events" }.Start();
            _running = true;
        }
    }

    private static void Run()
    {
        while (Native.virEventRunDefaultImpl() >= 0)
        {
        }
    }

    [UnmanagedCallersOnly]
    private static void Ignore(void* userData, Native.Error* error) { }

    [UnmanagedCallersOnly]
    private static void Tick(int timer, void* opaque) { }
}

/// <summary>What happened to a domain: virDomainEventType.</summary>
public enum DomainEventKind
{
    Defined = 0,
    Undefined = 1,
    Started = 2,
    Suspended = 3,
    Resumed = 4,
    Stopped = 5,
    Shutdown = 6,
    PmSuspended = 7,
    Crashed = 8,
}

/// <summary>Something happened to a domain.</summary>
/// <param name="DomainName">Which one.</param>
/// <param name="Kind">What.</param>
/// <param name="Detail">Why: the number of libvirt's detail enumeration for this kind.</param>
public readonly record struct DomainEvent(string DomainName, DomainEventKind Kind, int Detail);

internal sealed unsafe class LifecycleSubscription : IDisposable
{
    private const int LifecycleEvent = 0;
    private readonly LibvirtConnection _connection;
    private readonly Action<DomainEvent> _callback;
    private GCHandle _self;
    private readonly int _id;
    private bool _ended;

    public LifecycleSubscription(LibvirtConnection connection, Action<DomainEvent> callback)
    {
        (_connection, _callback) = (connection, callback);
        _self = GCHandle.Alloc(this);
        delegate* unmanaged<nint, nint, int, int, nint, int> function = &OnEvent;
        _id = Native.virConnectDomainEventRegisterAny(connection.Handle, 0, LifecycleEvent, function, GCHandle.ToIntPtr(_self), null);
        if (_id < 0)
        {
            _self.Free();
            throw LibvirtException.Last();
        }
    }

    public void Dispose()
    {
        if (_ended)
            return;
        _ended = true;
        _ = Native.Check(Native.virConnectDomainEventDeregisterAny(_connection.Handle, _id));
        // The handle stays allocated: a callback may be under way on the event thread; it is a few bytes a subscription.
    }

    [UnmanagedCallersOnly]
    private static int OnEvent(nint connection, nint domain, int kind, int detail, nint opaque)
    {
        if (GCHandle.FromIntPtr(opaque).Target is LifecycleSubscription { _ended: false } subscription)
        {
            try
            {
                subscription._callback(new(Native.Borrowed(Native.virDomainGetName(domain)), (DomainEventKind)kind, detail));
            }
#pragma warning disable CA1031 // An exception must not unwind into C; the subscriber's fault stays the subscriber's.
            catch (Exception)
#pragma warning restore CA1031
            {
            }
        }
        return 0;
    }
}
