using System.Diagnostics;

namespace DriverLab.Benchmarks;

/// <summary>A small timing loop: warm up, then the fastest of several batches. Good for ratios in a minute; BenchmarkDotNet gives the distribution.</summary>
internal static class QuickLoop
{
    private const int Batches = 12;
    private static readonly TimeSpan BatchTime = TimeSpan.FromMilliseconds(40);

    /// <summary>Nanoseconds per operation, and bytes allocated per operation on this thread.</summary>
    public static (double Ns, double Bytes) Measure(Action operation)
    {
        int count = Calibrate(operation);
        double best = double.MaxValue;
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int batch = 0; batch < Batches; batch++)
            best = Math.Min(best, Time(operation, count).TotalNanoseconds / count);
        return (best, (double)(GC.GetAllocatedBytesForCurrentThread() - before) / ((long)count * Batches));
    }

    /// <summary>The fastest batches of two operations, taken in turn so that a busy machine disturbs both alike.</summary>
    public static ((double Ns, double Bytes) First, (double Ns, double Bytes) Second) MeasureInTurn(Action first, Action second)
    {
        int firstCount = Calibrate(first), secondCount = Calibrate(second);
        double firstBest = double.MaxValue, secondBest = double.MaxValue;
        long firstBytes = 0, secondBytes = 0;
        for (int batch = 0; batch < Batches; batch++)
        {
            long start = GC.GetAllocatedBytesForCurrentThread();
            firstBest = Math.Min(firstBest, Time(first, firstCount).TotalNanoseconds / firstCount);
            long middle = GC.GetAllocatedBytesForCurrentThread();
            secondBest = Math.Min(secondBest, Time(second, secondCount).TotalNanoseconds / secondCount);
            firstBytes += middle - start;
            secondBytes += GC.GetAllocatedBytesForCurrentThread() - middle;
        }
        return ((firstBest, (double)firstBytes / ((long)firstCount * Batches)), (secondBest, (double)secondBytes / ((long)secondCount * Batches)));
    }

    /// <summary>Runs for a while, so that the code is compiled with its profile, and says how many operations fill a batch.</summary>
    private static int Calibrate(Action operation)
    {
        int count = 1;
        for (long started = Stopwatch.GetTimestamp(); ;)
        {
            var taken = Time(operation, count);
            if (taken < BatchTime)
                count = (int)Math.Min(int.MaxValue / 4, Math.Max(count + 1, count * Math.Min(10, BatchTime / (taken + TimeSpan.FromMicroseconds(1)))));
            else if (Stopwatch.GetElapsedTime(started) > 10 * BatchTime)
                return Math.Max(1, (int)(count * (BatchTime / taken)));
        }
    }

    private static TimeSpan Time(Action operation, int count)
    {
        long start = Stopwatch.GetTimestamp();
        for (int i = 0; i < count; i++)
            operation();
        return Stopwatch.GetElapsedTime(start);
    }
}
