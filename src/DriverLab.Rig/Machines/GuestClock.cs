using System.Diagnostics;
using System.Globalization;

namespace DriverLab.Rig.Machines;

/// <summary>Time in which a machine could have made progress: it stands still while QEMU waits for a processor of the host, and while this process does not run itself.</summary>
/// <remarks>Without it a busy host looks like a hanging guest. proc(5): the second number of /proc/PID/task/TID/schedstat is the time spent waiting on a run queue, in ns.</remarks>
/// <param name="processId">QEMU's process; 0 when it is not on this host, then only this process's own pauses are taken off.</param>
internal sealed class GuestClock(int processId)
{
    private readonly Dictionary<string, long> waited = [];
    private long lastLook = Stopwatch.GetTimestamp();
    private long now;

    /// <summary>The time, since an arbitrary moment.</summary>
    public TimeSpan Now => new(Volatile.Read(ref now));

    /// <summary>Moves the time on by what has passed since the last call, which should have been about one period ago. Called by one thread.</summary>
    public void Advance(TimeSpan period)
    {
        var passed = Stopwatch.GetElapsedTime(lastLook) - Waited();
        lastLook = Stopwatch.GetTimestamp();
        if (passed > period * 2)
            passed = period * 2;
        if (passed > TimeSpan.Zero)
            Volatile.Write(ref now, now + passed.Ticks);
    }

    /// <summary>The longest that one of the process's threads has waited since the last call.</summary>
    private TimeSpan Waited()
    {
        long most = 0;
        try
        {
            foreach (string task in processId == 0 ? [] : Directory.GetDirectories(string.Create(CultureInfo.InvariantCulture, $"/proc/{processId}/task")))
            {
                string[] field = File.ReadAllText(Path.Combine(task, "schedstat")).Split(' ');
                long total = field.Length > 1 && long.TryParse(field[1], CultureInfo.InvariantCulture, out long ns) ? ns : 0;
                most = Math.Max(most, total - waited.GetValueOrDefault(task));
                waited[task] = total;
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // A thread that has just ended, or a host that does not tell.
        }
        return new(most / 100);
    }
}
