using DriverLab.Linux.Tracing;

namespace DriverLab.StorageDrivers.Tests;

/// <summary>The process has died.</summary>
internal sealed class CrashException : Exception;

/// <summary>Ends the process before its n-th call: nothing is called afterwards, not even what cleans up.</summary>
internal sealed class CrashPoint(int at) : ITraceSink
{
    private int _calls;

    public bool IsArmed { get; set; }

    public void Before(int task, ReadOnlySpan<byte> call)
    {
        // A task's end is no call: whoever dies, the kernel ends the tasks.
        if (IsArmed && !call.StartsWith("exit"u8) && ++_calls >= at)
            throw new CrashException();
    }

    public void After(int task, ReadOnlySpan<byte> callAndResult)
    {
    }
}
