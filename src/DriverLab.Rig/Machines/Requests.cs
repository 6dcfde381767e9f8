using System.Collections.Concurrent;
using DriverLab.Guest.Wire;

namespace DriverLab.Rig.Machines;

/// <summary>One request that waits for its answer.</summary>
internal sealed class Request(uint id, FrameKind kind, GuestClock clock, BytesSink? onBytes, BytesSink? onErrors, Action<int>? onTaken)
{
    private readonly TaskCompletionSource<byte[]> answer = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private long lastSign = clock.Now.Ticks;

    public uint Id { get; } = id;

    public FrameKind Kind { get; } = kind;

    public Task<byte[]> Answer => answer.Task;

    /// <summary>When the guest last sent something for this request, by the guest's clock.</summary>
    public TimeSpan LastSign => new(Volatile.Read(ref lastSign));

    /// <summary>Takes a frame for this request; true when it was the last one.</summary>
    public bool Take(FrameKind kind, byte[] payload)
    {
        Volatile.Write(ref lastSign, clock.Now.Ticks);
        switch (kind)
        {
            case FrameKind.TraceLine or FrameKind.Output:
                return !Give(onBytes, payload);
            case FrameKind.ErrorOutput:
                return !Give(onErrors ?? onBytes, payload);
            case FrameKind.InputTaken:
                onTaken?.Invoke(BitConverter.ToInt32(payload));
                return false;
            case FrameKind.Failed:
                Fail(new GuestRequestException(System.Text.Encoding.UTF8.GetString(payload)));
                return true;
            default:
                _ = answer.TrySetResult(payload);
                return true;
        }
    }

    public void Fail(Exception reason) => answer.TrySetException(reason);

    // An exception of the caller's own sink belongs to the caller, not to the thread that reads the port.
    private bool Give(BytesSink? sink, byte[] payload)
    {
        try
        {
            sink?.Invoke(payload);
            return true;
        }
        catch (Exception e)
        {
            Fail(e);
            return false;
        }
    }
}

/// <summary>The requests under way, by id.</summary>
internal sealed class Requests(GuestClock clock)
{
    private readonly ConcurrentDictionary<uint, Request> pending = new();
    // One row of numbers for all machines: a machine that goes back to a snapshot may still answer what another one was asked then.
    private static uint s_lastId;
    private Exception? ended;

    /// <summary>Adds a request; when the machine has ended already it fails at once.</summary>
    public Request Add(FrameKind kind, BytesSink? onBytes, BytesSink? onErrors = null, Action<int>? onTaken = null)
    {
        var request = new Request(Interlocked.Increment(ref s_lastId), kind, clock, onBytes, onErrors, onTaken);
        pending[request.Id] = request;
        if (Volatile.Read(ref ended) is { } reason)
            EndAll(reason);
        return request;
    }

    /// <summary>Gives a frame to its request; one that nobody waits for any more is dropped.</summary>
    public void Take(FrameHeader header, byte[] payload)
    {
        if (pending.TryGetValue(header.Id, out var request) && request.Take(header.Kind, payload))
            _ = pending.TryRemove(header.Id, out _);
    }

    /// <summary>Forgets a request whose caller gave up.</summary>
    public void Remove(Request request) => pending.TryRemove(request.Id, out _);

    /// <summary>Requests that wait now.</summary>
    public ICollection<Request> Pending => pending.Values;

    /// <summary>Fails everything that waits, now and later.</summary>
    public void EndAll(Exception reason)
    {
        reason = Interlocked.CompareExchange(ref ended, reason, null) ?? reason;
        foreach (var request in pending.Values)
        {
            if (pending.TryRemove(request.Id, out _))
                request.Fail(reason);
        }
    }

    /// <summary>Why the machine has ended; null while it runs.</summary>
    public Exception? Ended => Volatile.Read(ref ended);
}
