using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;

namespace DriverLab.Cli.Fuzzing;

/// <summary>Where the time of a run goes. Sides run at the same time, so the parts add up to more than the whole.</summary>
internal sealed class FuzzProfile
{
    private const int MostVerbs = 12;

    private readonly ConcurrentDictionary<string, long> _ticks = [];
    private readonly ConcurrentDictionary<string, VerbTimes> _verbs = [];

    /// <summary>Where the calls of a side are counted that runs in this process.</summary>
    public VerbTimes VerbsOf(string side) => _verbs.GetOrAdd(side, static _ => new());

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
        foreach (var (side, times) in _verbs.Where(static v => v.Value.Verbs.Any()).OrderBy(static v => v.Key, StringComparer.Ordinal))
            WriteVerbs(output, side, times);
    }

    private static void WriteVerbs(TextWriter output, string side, VerbTimes times)
    {
        double all = times.Verbs.Sum(static v => v.Seconds);
        output.WriteLine($"  calls of {side}, the {MostVerbs} that take longest:");
        foreach (var (verb, calls, seconds) in times.Verbs.Take(MostVerbs))
            output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"    {verb,-22} {seconds,8:0.00} s {100 * seconds / all,5:0.0} % {calls,9} x {seconds * 1e6 / calls,9:0.00} us"));
    }

    private void Add(string part, long start) => _ticks.AddOrUpdate(part, static (_, spent) => spent, static (_, old, spent) => old + spent, Stopwatch.GetTimestamp() - start);
}
