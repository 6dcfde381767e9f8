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
                    corpus._entries.Add(new(scenario, line, profile, run => comparer.Compare(scenario, line, run, golden.Run).Verdict != Verdict.Different));
        }
        foreach (string line in store.ObservedLines)
        {
            var profile = store.Profile(line);
            foreach (var file in store.Observed(line))
                foreach (string name in file.Scenarios.Keys)
                    if (byName.TryGetValue(name, out var scenario))
                        corpus._entries.Add(new(scenario, line, profile, run => file.Check(run).Count == 0));
        }
        return corpus;
    }

    /// <summary>The first run that shows a difference to what is known of its kernel, of those that show none on the emulator as it is; null when none does.</summary>
    /// <param name="boot">The emulator with a fault.</param>
    /// <param name="suite">The suite to look at first.</param>
    /// <param name="entering">Told each run before it begins.</param>
    /// <param name="cancellation">Stops it.</param>
    public string? FirstDifferent(Func<KernelProfile, IKernel> boot, string suite, Action<string> entering, CancellationToken cancellation)
    {
        foreach (var entry in _entries.OrderBy(e => e.Scenario.Suite == suite || (suite == "thin" && e.Scenario.Suite == "dm") ? 0 : 1))
        {
            entering(entry.Name);
            if (!entry.Agrees(boot, cancellation) && entry.Agrees(null, cancellation))
                return entry.Name;
        }
        return null;
    }

    private sealed record Entry(Scenario Scenario, string Line, KernelProfile Profile, Func<ScenarioRun, bool> IsAsKnown)
    {
        public string Name => $"{Scenario.Name} on {Line}";

        public bool Agrees(Func<KernelProfile, IKernel>? boot, CancellationToken cancellation) => IsAsKnown(new EmulatedSide(Profile, boot).Run(Scenario, cancellation).ToRun(Scenario));
    }
}
