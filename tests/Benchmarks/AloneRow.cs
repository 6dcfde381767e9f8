using System.Globalization;
using DriverLab.Cli.Fuzzing;
using DriverLab.Cli.Targets;
using DriverLab.Conformance.Fuzzing;
using DriverLab.Conformance.Scenarios;
using DriverLab.Emulator;
using DriverLab.Linux;
using DriverLab.Linux.Tracing;

namespace DriverLab.Benchmarks;

/// <summary>
/// The programs of <c>driverlab fuzz</c> on the emulator alone, on one thread that is warm: their operations, and the system calls that those make, per second of processor time. Booting a kernel for each program,
/// taking digests and cleaning up are in the time; generating is not.
/// </summary>
internal static class AloneRow
{
    private const ulong Seed = 5;
    private const int Batch = 64;
    private static readonly TimeSpan s_warmUp = TimeSpan.FromSeconds(8), s_time = TimeSpan.FromSeconds(10);

    /// <summary>Prints a row for each suite, or for some.</summary>
    /// <returns>The exit code.</returns>
    public static int Print(IReadOnlyList<string> suites, TextWriter output)
    {
        if (suites.FirstOrDefault(static s => !ProgramGenerator.Suites.Contains(s)) is { } unknown)
        {
            Console.Error.WriteLine($"bench: '{unknown}': expected suites after --alone, of {string.Join(' ', ProgramGenerator.Suites)}");
            return 2;
        }
        output.WriteLine($"{"suite",-10} {"operations/s",14} {"calls/operation",16} {"calls/s",14} {"bytes/operation",16}");
        foreach (string suite in suites.Count > 0 ? suites : ProgramGenerator.Suites)
        {
            var (programs, profile) = (new ProgramGenerator(suite, Seed), Profiles.ForSuite(suite));
            long next = 0;
            _ = Measure(programs, profile, ref next, s_warmUp);
            var (operations, seconds, allocated) = Measure(programs, profile, ref next, s_time);
            double calls = CallsOfOne(programs, profile);
            output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{suite,-10} {operations / seconds,14:#,0} {calls,16:0.0} {calls * operations / seconds,14:#,0} {allocated / operations,16:#,0}"));
        }
        return 0;
    }

    private static (long Operations, double Seconds, long Allocated) Measure(ProgramGenerator programs, KernelProfile profile, ref long next, TimeSpan atLeast)
    {
        var side = new EmulatedSide(profile);
        long operations = 0, allocated = 0;
        var spent = TimeSpan.Zero;
        while (spent < atLeast)
        {
            var batch = new Scenario[Batch];
            for (int i = 0; i < batch.Length; i++)
                batch[i] = programs.Make(next++);
            (var begin, long before) = (Environment.CpuUsage.TotalTime, GC.GetTotalAllocatedBytes());
            foreach (var program in batch)
                operations += side.Run(program, default).Outcomes.Count;
            spent += Environment.CpuUsage.TotalTime - begin;
            allocated += GC.GetTotalAllocatedBytes() - before;
        }
        return (operations, spent.TotalSeconds, allocated);
    }

    private static double CallsOfOne(ProgramGenerator programs, KernelProfile profile)
    {
        var counter = new Counter();
        var side = new EmulatedSide(profile, kernel => new TracingKernel(new EmulatedKernel(kernel), counter));
        long operations = 0;
        for (int i = 0; i < 4 * Batch; i++)
            operations += side.Run(programs.Make(i), default).Outcomes.Count;
        return (double)counter.Calls / operations;
    }

    private sealed class Counter : ITraceSink
    {
        public long Calls { get; private set; }

        public void Before(int task, ReadOnlySpan<byte> call) => Calls++;

        public void After(int task, ReadOnlySpan<byte> callAndResult) { }
    }
}
