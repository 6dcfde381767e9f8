using DriverLab.Conformance.Comparison;
using DriverLab.Conformance.Fuzzing;
using DriverLab.Conformance.Running;
using DriverLab.Conformance.Scenarios;
using DriverLab.Conformance.Shrinking;
using DriverLab.Emulator;
using DriverLab.Linux;

namespace DriverLab.Conformance.Tests;

/// <summary>Scenarios with a few steps changed are programs like others: the same from the same seed, readable, and few steps away from what they came from.</summary>
public class VariedScenariosTests
{
    private static readonly IReadOnlyList<Scenario> s_all = ScenarioStore.Load(Path.Combine(Texts.Root, "tests/Scenarios"), []);

    public static IReadOnlyList<string> Suites => ProgramGenerator.Suites;

    private static VariedScenarios Of(string suite, ulong seed = 7) => new(suite, [.. s_all.Where(s => VariedScenarios.IsOf(s, suite))], s_all, seed);

    [TestCaseSource(nameof(Suites))]
    public void A_seed_gives_the_same_variations_in_any_order(string suite)
    {
        var (first, second) = (Of(suite), Of(suite));
        string[] upwards = [.. Enumerable.Range(0, 20).Select(n => first.Make(n).Source)];
        string[] downwards = [.. Enumerable.Range(0, 20).Reverse().Select(n => second.Make(n).Source)];
        Assert.That(downwards.Reverse(), Is.EqualTo(upwards));
        Assert.That(upwards, Is.Unique);
        Assert.That(Of(suite, 8).Make(0).Source, Is.Not.EqualTo(upwards[0]));
    }

    [TestCaseSource(nameof(Suites))]
    public void A_variation_is_another_program_than_its_scenario_and_reads_back_as_itself(string suite)
    {
        var varied = Of(suite);
        int changed = 0;
        for (int number = 0; number < 100; number++)
        {
            var program = varied.Make(number);
            var read = ScenarioParser.Parse(program.Name, program.File, program.Source);
            Assert.That(read.Steps.Select(static s => s.Text), Is.EqualTo(program.Steps.Select(static s => s.Text)));
            string name = program.Description[..program.Description.IndexOf(',', StringComparison.Ordinal)];
            string[] origin = [.. s_all.Single(s => s.Name == name).Steps.Select(Line)], now = [.. program.Steps.Select(Line)];
            Assert.That(now.Except(origin).Count(), Is.LessThanOrEqualTo(4), "of the lines that are new");
            changed += now.SequenceEqual(origin) ? 0 : 1;
        }
        Assert.That(changed, Is.GreaterThan(95), "of a hundred");

        static string Line(Step step) => $"{step.Actor.Name}: {step.Text}";
    }

    [TestCaseSource(nameof(Suites))]
    public void The_emulator_runs_variations_without_a_defect(string suite)
    {
        var (varied, profile) = (Of(suite, 5), new KernelProfile("6.12", new(6, 12)));
        for (int number = 0; number < 60; number++)
        {
            var program = varied.Make(number);
            using var kernel = new EmulatedKernel(profile);
            using var runner = new ScenarioRunner(kernel);
            Assert.That(runner.Run(program).Lines.Where(static l => l.Outcome.StartsWith(TraceLine.DefectPrefix, StringComparison.Ordinal)), Is.Empty, program.Source);
        }
    }

    [Test]
    public void What_a_borrowed_step_needs_the_variation_needs_too()
    {
        var varied = new VariedScenarios("vfs", [Texts.Scenario("mkdir /a ; mkdir /b")], [.. s_all.Where(static s => s.Suite == "vfs" && s.Needs.Contains("ramfs"))], 1);
        var with = Enumerable.Range(0, 400).Select(n => varied.Make(n)).Where(static p => p.Needs.Count > 0).ToArray();
        Assert.That(with, Is.Not.Empty);
        Assert.That(with.SelectMany(static p => p.Needs), Does.Contain("ramfs"));
    }

    /// <summary>A call in the background stays there: as an ordinary one it would sleep for ever, and the program would end before it.</summary>
    [Test]
    public async Task A_call_in_the_background_stays_there_when_a_program_is_made_small()
    {
        var program = Texts.Scenario("write /f x\nmkdir /d\na = open /f O_RDWR\nflock a LOCK_EX\nalice: b = open /f O_RDWR\nalice: flock b LOCK_EX &\nmkdir /e\nflock a LOCK_UN\nalice: wait\nrmdir /d");
        var shrinker = new Shrinker(candidates => Task.FromResult<IReadOnlyList<Divergence?>>([.. candidates.Select(WaitsForTheLock)]), TimeSpan.FromMinutes(1), 1);
        var small = await shrinker.ShrinkAsync(program);
        Assert.That(small!.Value.Scenario.Steps.Where(static s => s.IsBackground).Select(static s => s.Text), Is.EqualTo(new[] { "flock b LOCK_EX &" }));
        Assert.That(small.Value.Scenario.Steps, Has.Count.LessThan(program.Steps.Count));

        static Divergence? WaitsForTheLock(Scenario candidate)
        {
            using var kernel = new EmulatedKernel(new KernelProfile("6.12", new(6, 12)));
            using var runner = new ScenarioRunner(kernel);
            var lines = runner.Run(candidate).Lines;
            int at = lines.ToList().FindIndex(static l => l.Outcome == "sleeps");
            return at < 0 ? null : new(candidate.Name, "6.12", at + 1, candidate.Steps[at].Text, "", "sleeps", "ok", "VFS");
        }
    }
}
