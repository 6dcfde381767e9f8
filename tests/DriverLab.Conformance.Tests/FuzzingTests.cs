using System.Collections.Frozen;
using DriverLab.Conformance.Comparison;
using DriverLab.Conformance.Fuzzing;
using DriverLab.Conformance.Running;
using DriverLab.Conformance.Scenarios;
using DriverLab.Conformance.Shrinking;
using DriverLab.Emulator;
using DriverLab.Linux;
using DriverLab.Simulation;

namespace DriverLab.Conformance.Tests;

/// <summary>Generated programs are ordinary scenarios, the same from the same seed, and what differs in them can be made small.</summary>
public class FuzzingTests
{
    private static readonly KernelProfile s_profile = new("6.12", new(6, 12));
    private static readonly KernelProfile s_aufs = new("6.1-aufs", new(6, 1), new Dictionary<string, string> { ["CONFIG_AUFS_FS"] = "y", ["CONFIG_TMPFS_XATTR"] = "y", ["CONFIG_TMPFS_POSIX_ACL"] = "y" }.ToFrozenDictionary());

    public static IReadOnlyList<string> Suites => ProgramGenerator.Suites;

    [TestCaseSource(nameof(Suites))]
    public void A_seed_gives_the_same_programs_in_any_order(string suite)
    {
        string[] upwards = [.. Enumerable.Range(0, 20).Select(new ProgramGenerator(suite, 7).MakeText)];
        string[] downwards = [.. Enumerable.Range(0, 20).Reverse().Select(new ProgramGenerator(suite, 7).MakeText)];
        Assert.That(downwards.Reverse(), Is.EqualTo(upwards));
        Assert.That(upwards.Distinct().Count(), Is.EqualTo(20));
        Assert.That(new ProgramGenerator(suite, 8).MakeText(0), Is.Not.EqualTo(upwards[0]));
    }

    [TestCaseSource(nameof(Suites))]
    public void The_text_of_a_program_reads_back_as_the_same_steps(string suite)
    {
        var generator = new ProgramGenerator(suite, 3);
        for (int number = 0; number < 60; number++)
        {
            var made = generator.Make(number);
            var read = ScenarioParser.Parse(made.Name, made.File, made.Source);
            Assert.That(read.Steps.Select(Describe), Is.EqualTo(made.Steps.Select(Describe)), made.Source);
            Assert.That(read.Needs, Is.EqualTo(made.Needs));
        }
    }

    [TestCaseSource(nameof(Suites))]
    public void The_emulator_runs_programs_without_a_defect_and_cleans_up(string suite)
    {
        var generator = new ProgramGenerator(suite, 5);
        for (int number = 0; number < 40; number++)
        {
            var program = generator.Make(number);
            var trace = Run(program, MutationSet.None);
            Assert.That(trace.ToRun(program).Lines.Where(l => l.Outcome.StartsWith(TraceLine.DefectPrefix, StringComparison.Ordinal)), Is.Empty, program.Source);
            // Who hangs, as the kernel does there, holds what it had.
            if (!trace.Outcomes.Any(static o => o.StartsWith(TraceLine.HangPrefix, StringComparison.Ordinal)))
                Assert.That(trace.Reason, Is.Empty.Or.StartsWith(TraceLine.GapPrefix), program.Source);
        }
    }

    [TestCase(Mutation.RenameOntoItselfMoves, "vfs", 6)]
    [TestCase(Mutation.UnlinkKeepsLinkCount, "vfs", 6)]
    [TestCase(Mutation.WhiteoutNotMade, "overlay", 13)]
    [TestCase(Mutation.LoopOffsetIgnored, "block", 8)]
    public async Task A_difference_is_found_and_made_small_the_same_way_each_time(Mutation mutation, string suite, int mostSteps)
    {
        var fault = new MutationSet(mutation);
        var generator = new ProgramGenerator(suite, 11);
        var program = Enumerable.Range(0, 400).Select(n => generator.Make(n)).FirstOrDefault(p => First(p, fault) is not null);
        Assert.That(program, Is.Not.Null, $"400 programs do not notice {mutation}");
        var first = await Shrinker(fault).ShrinkAsync(program!);
        var second = await Shrinker(fault).ShrinkAsync(program!);
        Assert.That(first!.Value.Scenario.Source, Is.EqualTo(second!.Value.Scenario.Source));
        Assert.That(first.Value.Scenario.Steps, Has.Count.LessThanOrEqualTo(mostSteps), first.Value.Scenario.Source);
        var read = ScenarioParser.Parse(program!.Name, program.File, first.Value.Scenario.Source);
        Assert.That(First(read, fault), Is.Not.Null, "the small program shows the difference when it is read from its text");
    }

    private static Shrinker Shrinker(MutationSet fault) => new(candidates => Task.FromResult<IReadOnlyList<Divergence?>>([.. candidates.Select(c => First(c, fault))]), TimeSpan.FromMinutes(2), 1);

    private static Divergence? First(Scenario program, MutationSet fault)
    {
        var (good, bad) = (Run(program, MutationSet.None), Run(program, fault));
        return good.IsSame(bad) ? null
            : new Comparer(NormaliserSet.None, Ledger.Empty).Compare(program, "6.12", bad.ToRun(program), good.ToRun(program)).Divergences is [var first, ..] ? first : null;
    }

    [Test]
    public void A_kernel_that_hangs_after_the_last_step_is_a_difference_of_the_clean_up()
    {
        var program = Texts.Scenario("mkdir d");
        var theirs = new ScenarioRun(program.Name, RunStatus.Broken, TraceLine.HangPrefix, [new("1", "main", "mkdir d", "ok"), new("0", "main", "", TraceLine.HangPrefix)]);
        var comparison = new Comparer(NormaliserSet.None, Ledger.Empty).Compare(program, "6.12", StepTrace.Of(Texts.Run(program, "ok")).ToRun(program), StepTrace.Of(theirs).ToRun(program));
        Assert.That(comparison.Divergences.Select(d => (d.Step, d.Call, d.Emulator, d.Real)), Does.Contain((0, "clean up", "ok", TraceLine.HangPrefix)));
    }

    private static StepTrace Run(Scenario program, MutationSet mutations)
    {
        var trace = new StepTrace();
        using var kernel = new EmulatedKernel(program.Suite == "aufs" ? s_aufs : s_profile, ModuleSet.Standard, new World(0, mutations));
        using var runner = new ScenarioRunner(kernel);
        _ = runner.Run(program, trace);
        return trace;
    }

    private static string Describe(Step step) =>
        $"{step.Number} {step.Actor.Name} {step.Actor.Ids?.Uid} {step.Result} {step.Verb.Name} [{string.Join(' ', step.Arguments.Select(Describe))}] [{string.Join(' ', step.Options.Select(o => o.Key + "=" + (o.Value is { } v ? Describe(v) : "")))}] {step.Text}";

    private static string Describe(Word word) => word.IsConstant ? Convert.ToHexString(word.Expand()) : word.Source;
}

internal static class GeneratorExtensions
{
    public static string MakeText(this ProgramGenerator generator, int number) => generator.Make(number).Source;
}
