using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;

namespace DriverLab.Cli.Fuzzing;

/// <summary>Where the time of a run goes. Sides run at the same time, so the parts add up to more than the whole.</summary>
internal sealed class FuzzProfile
{
    private readonly ConcurrentDictionary<string, long> _ticks = [];

    public T Measure<T>(string part, Func<T> action)
    {
        long start = Stopwatch.GetTimestamp();
        T result = action();
        Add(part, start);
        return result;
    }

    public async Task<T> MeasureAsync<T>(string part, Task<T> task)
    {
        long start = Stopwatch.GetTimestamp();
        T result = await task;
        Add(part, start);
        return result;
    }

    /// <summary>Parts with their seconds, the longest first.</summary>
    public IEnumerable<(string Part, double Seconds)> Parts => _ticks.Select(static p => (p.Key, p.Value / (double)Stopwatch.Frequency)).OrderByDescending(static p => p.Item2);

    public void Write(TextWriter output, long operations)
    {
        foreach (var (part, seconds) in Parts)
            output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  {part,-24} {seconds,8:0.00} s {seconds * 1e6 / Math.Max(1, operations),9:0.00} us an operation"));
        var paused = GC.GetTotalPauseDuration();
        output.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"  {"garbage collection",-24} {paused.TotalSeconds,8:0.00} s {paused.TotalMicroseconds / Math.Max(1, operations),9:0.00} us an operation, in which everything stands; {GC.GetTotalAllocatedBytes() / Math.Max(1, operations)} bytes an operation, {GC.CollectionCount(0)} collections, {GC.CollectionCount(1)} of older objects too, {GC.CollectionCount(2)} of all"));
    }

    private void Add(string part, long start) => _ticks.AddOrUpdate(part, static (_, spent) => spent, static (_, old, spent) => old + spent, Stopwatch.GetTimestamp() - start);
}
