using DriverLab.Conformance.Comparison;
using DriverLab.Conformance.Golden;
using DriverLab.Conformance.Running;
using DriverLab.Conformance.Scenarios;
using DriverLab.Emulator;
using DriverLab.Linux;
using DriverLab.Simulation;

namespace DriverLab.Conformance.Tests;

/// <summary>The comparer is proven: with a fault put into the emulator on purpose, some scenario that agreed with the recorded kernels no longer does.</summary>
[FixtureLifeCycle(LifeCycle.SingleInstance)]
public class MutationTests
{
    private static readonly GoldenStore s_store = new(Path.Combine(Texts.Root, "tests/Golden"));
    private static readonly Comparer s_comparer = new(NormaliserSet.Parse("normalisers.txt", File.ReadAllText(Path.Combine(Texts.Root, "tests/Ledger/normalisers.txt"))), Ledger.Load(Path.Combine(Texts.Root, "tests/Ledger")));
    private static readonly Lazy<IReadOnlyList<Replay>> s_agreeing = new(QuickestFirst);

    [TestCaseSource(nameof(Names))]
    public void A_fault_of_the_emulator_is_caught_by_a_scenario(Mutation mutation)
    {
        var caught = s_agreeing.Value.FirstOrDefault(r => r.Verdict(Mutations(mutation)) == Verdict.Different);
        Assert.That(caught, Is.Not.Null, $"no scenario notices {mutation}: write one that does, and record it");
        TestContext.Out.WriteLine($"{mutation}: {caught!.Scenario.Name} on {caught.Kernel}");
    }

    [Test]
    public void There_are_at_least_thirty_faults() => Assert.That(Names, Has.Length.GreaterThanOrEqualTo(30));

    [Test]
    public void Without_a_fault_most_recorded_scenarios_agree() => Assert.That(s_agreeing.Value, Has.Count.GreaterThan(All().Count * 9 / 10));

    public static Mutation[] Names => Enum.GetValues<Mutation>();

    /// <summary>The recorded scenarios that agree, those first that took the least time: most faults are found without running the long ones.</summary>
    private static List<Replay> QuickestFirst()
    {
        var agreeing = new List<(TimeSpan Took, Replay Replay)>();
        foreach (var replay in All())
        {
            var watch = System.Diagnostics.Stopwatch.StartNew();
            if (replay.Verdict(Mutations()) is Verdict.Same or Verdict.Listed)
                agreeing.Add((watch.Elapsed, replay));
        }
        return [.. agreeing.OrderBy(static a => a.Took).Select(static a => a.Replay)];
    }

    private static MutationSet Mutations(params ReadOnlySpan<Mutation> mutations) => new(mutations);

    private static List<Replay> All()
    {
        var scenarios = ScenarioStore.Load(Path.Combine(Texts.Root, "tests/Scenarios"), []);
        var all = new List<Replay>();
        foreach (var line in GoldenStore.WholeLines)
        {
            var profile = s_store.Profile(line);
            foreach (var (name, (digest, run)) in s_store.Runs(line))
            {
                if (scenarios.FirstOrDefault(s => s.Name == name) is { } scenario && GoldenFile.DigestOf(scenario) == digest && run.Status == RunStatus.Done)
                    all.Add(new(scenario, line, profile, run));
            }
        }
        return all;
    }

    /// <summary>A recorded scenario on one kernel.</summary>
    private sealed record Replay(Scenario Scenario, string Kernel, KernelProfile Profile, ScenarioRun Recorded)
    {
        public Verdict Verdict(MutationSet mutations)
        {
            using var kernel = new EmulatedKernel(Profile, ModuleSet.Standard, new World(0, mutations));
            using var runner = new ScenarioRunner(kernel);
            return s_comparer.Compare(Scenario, Kernel, runner.Run(Scenario), Recorded).Verdict;
        }
    }
}
