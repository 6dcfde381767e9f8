using DriverLab.Conformance.Golden;
using DriverLab.Conformance.Running;
using DriverLab.Conformance.Scenarios;
using DriverLab.Emulator;
using DriverLab.Simulation;

namespace DriverLab.Conformance.Tests;

/// <summary>What was observed on a kernel with aufs, which nobody can fetch, holds on the emulator with that kernel's profile.</summary>
public class ObservedTests
{
    private const string Line = "6.1-aufs";

    private static readonly GoldenStore s_store = new(Path.Combine(Texts.Root, "tests/Golden"));
    private static readonly ObservedFile s_observed = Merged(s_store.Observed(Line));
    private static readonly Dictionary<string, Scenario> s_scenarios =
        ScenarioStore.Load(Path.Combine(Texts.Root, "tests/Scenarios"), []).ToDictionary(static s => s.Name);

    public static IEnumerable<string> Names => s_observed.Scenarios.Keys.Order(StringComparer.Ordinal);

    [TestCaseSource(nameof(Names))]
    public void The_emulator_does_what_was_observed(string name)
    {
        Assert.That(s_scenarios.ContainsKey(name), "the scenario is gone; take it out of the observed file");
        Assert.That(s_observed.Scenarios[name], Is.Not.Empty, "nothing is said about it");
        var run = Run(name);
        Assert.That(run.Lines.Where(static l => l.IsGap || l.Outcome.StartsWith(TraceLine.DefectPrefix, StringComparison.Ordinal)), Is.Empty);
        Assert.That(s_observed.Check(run), Is.Empty);
    }

    [Test]
    public void Something_is_known_of_every_scenario_of_aufs() =>
        Assert.That(s_scenarios.Values.Where(static s => s.Needs.Contains("aufs")).Select(static s => s.Name), Is.SubsetOf(Names));

    [Test]
    public void The_file_says_which_kernel_was_observed() => Assert.That(s_observed.Stamp, Does.StartWith("6.1.192"));

    [Test]
    public void A_wrong_outcome_a_wrong_list_a_missing_detail_and_a_missing_step_are_found()
    {
        const string name = "aufs/whiteout/unlink-lower";
        var run = Run(name);
        foreach (var line in new[] { "unlink /m/f\tEPERM", "readdir /b0 sorted\tbranch other", "readdir /b0 sorted\tok *\n\t.wh.zz\treg", "unlink /m/never\tok", "readdir /b0 sorted\tok *\n\t.wh.f\tnone" })
        {
            var wrong = ObservedFile.Parse("f", $"# observed on nothing\n== {name}\n{line}\n");
            Assert.That(wrong.Check(run), Has.Count.EqualTo(1), line);
        }
    }

    [Test]
    public void A_fault_of_the_emulator_is_noticed([Values(Mutation.WhiteoutNotMade, Mutation.OpaqueNotSet, Mutation.LowerDirectoryRenamed, Mutation.WhiteoutsListed, Mutation.CopyUpLosesXattrs)] Mutation fault)
    {
        var caught = Names.FirstOrDefault(n => s_observed.Check(Run(n, new MutationSet(fault))).Count > 0);
        Assert.That(caught, Is.Not.Null);
        TestContext.Out.WriteLine($"{fault}: {caught}");
    }

    private static ObservedFile Merged(IReadOnlyList<ObservedFile> files) =>
        new(files[0].Stamp, files.SelectMany(static f => f.Scenarios).ToDictionary(static s => s.Key, static s => s.Value));

    private static ScenarioRun Run(string name, MutationSet? faults = null)
    {
        using var kernel = new EmulatedKernel(s_store.Profile(Line), ModuleSet.Standard, new World(0, faults));
        using var runner = new ScenarioRunner(kernel);
        return runner.Run(s_scenarios[name]);
    }
}
