using System.Diagnostics;
using System.Globalization;
using DriverLab.Cli.Fuzzing;
using DriverLab.Cli.Targets;
using DriverLab.Conformance.Fuzzing;
using DriverLab.Conformance.Scenarios;
using DriverLab.Conformance.Verbs;
using DriverLab.Linux;

namespace DriverLab.Cli.Mutating;

/// <summary>
/// Programs on the emulator with and without a fault. Every second one is a scenario with a few steps changed, of those that enter the faulty method: whoever changes a method knows which it is.
/// The others are made by generators, half of them by that of the suite.
/// </summary>
internal sealed class FaultFuzz
{
    private const string Waits = "waits";

    /// <summary>Programs of tasks that wait take much longer: one of so many is enough.</summary>
    private const int WaitsEvery = 48;

    /// <summary>A method that more scenarios than this enter says little about where to look.</summary>
    private const int MostBases = 300;

    private readonly ulong _seed;
    private readonly Corpus _corpus;
    private readonly ProgramGenerator[] _generators;
    private readonly ProgramGenerator _ofWaits;

    public FaultFuzz(Corpus corpus, ulong seed)
    {
        (_corpus, _seed) = (corpus, seed);
        _generators = [.. ProgramGenerator.Suites.Where(static s => s != Waits).Select(s => new ProgramGenerator(s, seed))];
        _ofWaits = new(Waits, seed);
    }

    /// <summary>The first program that shows a difference; null when the time is over.</summary>
    /// <param name="fault">The fault.</param>
    /// <param name="time">How long to look, finding out who enters the method included.</param>
    /// <param name="entering">Told each program before it begins, and whether the emulator has the fault.</param>
    /// <param name="cancellation">Stops it.</param>
    public string? FirstDifferent(Fault fault, TimeSpan time, Action<string> entering, CancellationToken cancellation)
    {
        var (watch, boot) = (Stopwatch.StartNew(), fault.Load());
        var varied = Varied(fault, entering, cancellation);
        for (long number = 0; watch.Elapsed < time; number++)
        {
            var (made, profile) = number % 2 == 0 && varied is not null ? OfScenario(varied, number / 2) : Generated(fault, number / 2);
            var program = WithLog(made);
            entering(program.Name + FaultWorker.Faultless);
            var good = new EmulatedSide(profile).Run(program, cancellation);
            entering(program.Name);
            if (good.IsSame(new EmulatedSide(profile, boot).Run(program, cancellation)))
                continue;
            entering(program.Name + FaultWorker.Faultless);
            if (!good.IsSame(new EmulatedSide(profile).Run(program, cancellation)))
                throw new InvalidOperationException($"{program.Name} of seed {_seed} does not do the same twice on the emulator, with no fault in it");
            return string.Create(CultureInfo.InvariantCulture, $"{program.Name} on {profile.Version.Line} after {watch.Elapsed.TotalSeconds:0.0} s");
        }
        return null;
    }

    /// <summary>The program, and what the kernel's log says in the end: on the emulator no line is left out because there were many.</summary>
    private static Scenario WithLog(Scenario program) => program with
    {
        Steps = [.. program.Steps, new() { Number = program.Steps.Count + 1, Line = 0, Column = 0, Actor = Actor.Main, Result = null, Verb = VerbTable.Find("kmsg")!, Arguments = [], Options = [] }],
        Source = null!,
    };

    private VariedScenarios? Varied(Fault fault, Action<string> entering, CancellationToken cancellation)
    {
        if (fault.Suite.Length == 0)
            return null;
        var bases = fault.LoadThrowing() is { } throws ? _corpus.Different(throws, entering, cancellation) : [];
        if (bases.Count == 0)
            bases = [.. _corpus.Scenarios.Where(s => VariedScenarios.IsOf(s, fault.Suite))];
        string suite = fault.Suite;
        if (bases.Count > MostBases && bases.Any(s => VariedScenarios.IsOf(s, suite)))
            bases = [.. bases.Where(s => VariedScenarios.IsOf(s, suite))];
        return new(suite, bases, _corpus.Scenarios, _seed);
    }

    private (Scenario Program, KernelProfile Profile) OfScenario(VariedScenarios varied, long number)
    {
        var program = varied.Make(number);
        var profiles = _corpus.Profiles.Where(p => program.Kernels.Contains(p.Version) && (program.Suite == "aufs") == p.Name.EndsWith("-aufs", StringComparison.Ordinal)).ToArray();
        return (program, profiles.Length > 0 ? profiles[number % profiles.Length] : Profiles.ForSuite(program.Suite));
    }

    private (Scenario Program, KernelProfile Profile) Generated(Fault fault, long number)
    {
        var first = Array.Find(_generators, g => g.Suite == fault.Suite);
        var source = number % WaitsEvery == WaitsEvery - 1 ? _ofWaits
            : first is not null && number % 2 == 0 ? first : _generators[number / (first is null ? 1 : 2) % _generators.Length];
        return (source.Make(number), Profiles.ForSuite(source.Suite));
    }
}
