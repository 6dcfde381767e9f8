using DriverLab.Cli.Fuzzing;
using DriverLab.Conformance.Comparison;
using DriverLab.Conformance.Golden;
using DriverLab.Conformance.Running;
using DriverLab.Conformance.Scenarios;
using DriverLab.Linux;

namespace DriverLab.Cli.Mutating;

/// <summary>Everything that is recorded or observed of real kernels, as one list of runs that an emulator can be held against.</summary>
internal sealed class Corpus
{
    private readonly List<Entry> _entries = [];

    private Corpus() { }

    /// <summary>How many runs there are.</summary>
    public int Count => _entries.Count;

    /// <summary>The scenarios of all runs, each once.</summary>
    public IReadOnlyList<Scenario> Scenarios { get; private set; } = [];

    /// <summary>The kernels of all runs, each once.</summary>
    public IReadOnlyList<KernelProfile> Profiles { get; private set; } = [];

    /// <summary>The versions of the recorded kernels and the observed ones.</summary>
    public static IReadOnlyCollection<KernelVersion> Kernels(DataFolder folder)
    {
        var store = new GoldenStore(folder.Golden);
        return [.. store.Lines.Concat(store.ObservedLines).Select(line => store.Profile(line).Version)];
    }

    /// <summary>Reads the recorded kernels and the observed ones.</summary>
    public static Corpus Of(DataFolder folder)
    {
        var (store, comparer, corpus) = (new GoldenStore(folder.Golden), folder.Comparer(), new Corpus());
        var scenarios = folder.Load([], []);
        var byName = scenarios.ToDictionary(static s => s.Name);
        foreach (string line in store.Lines)
        {
            var profile = store.Profile(line);
            var recorded = store.Runs(line);
            foreach (var scenario in scenarios)
                if (recorded.TryGetValue(scenario.Name, out var golden) && golden.Digest == GoldenFile.DigestOf(scenario) && golden.Run.Status == RunStatus.Done)
                    corpus._entries.Add(new(scenario, line, profile, run => comparer.Compare(scenario, line, run, golden.Run).Verdict switch { Verdict.Different => Distance.Different, Verdict.Gap => Distance.Gap, _ => Distance.None }));
        }
        foreach (string line in store.ObservedLines)
        {
            var profile = store.Profile(line);
            foreach (var file in store.Observed(line))
                foreach (string name in file.Scenarios.Keys)
                    if (byName.TryGetValue(name, out var scenario))
                        corpus._entries.Add(new(scenario, line, profile, run => file.Check(run).Count == 0 ? Distance.None : Distance.Different));
        }
        corpus.Scenarios = [.. corpus._entries.Select(static e => e.Scenario).Distinct()];
        corpus.Profiles = [.. corpus._entries.Select(static e => e.Profile).Distinct()];
        return corpus;
    }

    /// <summary>The scenarios whose run on the last kernel that ran them is further from what is known than the emulator as it is.</summary>
    public IReadOnlyList<Scenario> Different(Func<KernelProfile, IKernel> boot, Action<string> entering, CancellationToken cancellation)
    {
        var different = new List<Scenario>();
        foreach (var entry in _entries.GroupBy(static e => e.Scenario).Select(static g => g.Last()))
        {
            entering(entry.Name);
            var distance = entry.Try(boot, cancellation);
            if (distance != Distance.None && distance > entry.Try(null, cancellation))
                different.Add(entry.Scenario);
        }
        return different;
    }

    /// <summary>The first run that is further from what is known of its kernel than the emulator as it is: it differs, or ends in a gap where there was none; null when none is.</summary>
    /// <param name="boot">The emulator with a fault.</param>
    /// <param name="suite">The suite to look at first.</param>
    /// <param name="entering">Told each run before it begins.</param>
    /// <param name="cancellation">Stops it.</param>
    public string? FirstDifferent(Func<KernelProfile, IKernel> boot, string suite, Action<string> entering, CancellationToken cancellation)
    {
        foreach (var entry in _entries.OrderBy(e => e.Scenario.Suite == suite || (suite == "thin" && e.Scenario.Suite == "dm") ? 0 : 1))
        {
            entering(entry.Name);
            var distance = entry.Try(boot, cancellation);
            if (distance != Distance.None && distance > entry.Try(null, cancellation))
                return distance == Distance.Gap ? $"{entry.Name}, which ends in a gap" : entry.Name;
        }
        return null;
    }

    /// <summary>How far a run is from what is known of its kernel.</summary>
    private enum Distance
    {
        /// <summary>All is as known, or the ledger lists what is not.</summary>
        None,
        /// <summary>It is, as far as the run goes: then comes something that is not modelled.</summary>
        Gap,
        /// <summary>Something else was seen.</summary>
        Different,
    }

    private sealed record Entry(Scenario Scenario, string Line, KernelProfile Profile, Func<ScenarioRun, Distance> Judge)
    {
        public string Name => $"{Scenario.Name} on {Line}";

        public Distance Try(Func<KernelProfile, IKernel>? boot, CancellationToken cancellation) => Judge(new EmulatedSide(Profile, boot).Run(Scenario, cancellation).ToRun(Scenario));
    }
}
