using System.Diagnostics;
using System.Globalization;
using DriverLab.Cli.Fuzzing;
using DriverLab.Cli.Targets;
using DriverLab.Conformance.Fuzzing;
using DriverLab.Linux;

namespace DriverLab.Cli.Mutating;

/// <summary>Generated programs on the emulator with and without a fault.</summary>
internal static class FaultFuzz
{
    /// <summary>The first program that shows a difference; null when the time is over. Every second program is of the suite to look at first, the others are of all suites in turn, but few are of tasks that wait, which take much longer.</summary>
    public static string? FirstDifferent(Func<KernelProfile, IKernel> boot, string suite, TimeSpan time, ulong seed, Action<string> entering, CancellationToken cancellation)
    {
        const string waits = "waits";
        const int waitsEvery = 48;
        ProgramGenerator[] sources = [.. ProgramGenerator.Suites.Where(static s => s != waits).Select(s => new ProgramGenerator(s, seed))];
        var ofWaits = new ProgramGenerator(waits, seed);
        var first = Array.Find(sources, s => s.Suite == suite);
        var watch = Stopwatch.StartNew();
        for (long number = 0; watch.Elapsed < time; number++)
        {
            var source = number % waitsEvery == waitsEvery - 1 ? ofWaits : first is not null && number % 2 == 0 ? first : sources[number / (first is null ? 1 : 2) % sources.Length];
            var (program, profile) = (source.Make(number), Profiles.ForSuite(source.Suite));
            entering(program.Name);
            var good = new EmulatedSide(profile).Run(program, cancellation);
            if (good.IsSame(new EmulatedSide(profile, boot).Run(program, cancellation)))
                continue;
            if (!good.IsSame(new EmulatedSide(profile).Run(program, cancellation)))
                throw new InvalidOperationException($"{program.Name} of seed {seed} does not do the same twice on the emulator, with no fault in it");
            return string.Create(CultureInfo.InvariantCulture, $"{program.Name} after {watch.Elapsed.TotalSeconds:0.0} s");
        }
        return null;
    }
}
