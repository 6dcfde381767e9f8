using DriverLab.Conformance.Comparison;
using DriverLab.Conformance.Running;
using DriverLab.Conformance.Scenarios;

namespace DriverLab.Conformance.Tests;

/// <summary>The comparer sees every kind of difference, and nothing where there is none.</summary>
public class ComparerTests
{
    private static readonly Scenario s_scenario = Texts.Scenario("mkdir /a\nreaddir /\nstat /a");
    private static readonly string[] s_real = ["ok", "ok 2 names\ta=dir\tb=reg", "ok dir 0755 0:0 nlink=2 size=40 blocks=0"];

    private static ScenarioComparison Compare(string[] emulated, Ledger? ledger = null, NormaliserSet? normalisers = null, Scenario? scenario = null) =>
        new Comparer(normalisers ?? NormaliserSet.None, ledger ?? Ledger.Empty).Compare(scenario ?? s_scenario, "6.1", Texts.Run(s_scenario, emulated), Texts.Run(s_scenario, s_real));

    [Test]
    public void Equal_runs_are_same() => Assert.That(Compare(s_real).Verdict, Is.EqualTo(Verdict.Same));

    [TestCase(0, "EEXIST", 1, "")]
    [TestCase(1, "ok 2 names\ta=dir\tb=dir", 2, "b")]
    [TestCase(1, "ok 2 names\tb=reg\ta=dir", 2, "order")]
    [TestCase(1, "ok 2 names\ta=dir", 2, "b")]
    [TestCase(1, "ok 2 names\ta=dir\tb=reg\tc=reg", 2, "c")]
    [TestCase(2, "ok dir 0755 0:0 nlink=3 size=40 blocks=0", 3, "")]
    public void Each_kind_of_difference_is_found(int index, string outcome, int step, string detail)
    {
        string[] emulated = [.. s_real];
        emulated[index] = outcome;
        var comparison = Compare(emulated);
        Assert.That(comparison.Verdict, Is.EqualTo(Verdict.Different));
        Assert.That(comparison.Divergences.Select(d => (d.Step, d.Detail)), Is.EqualTo(new[] { (step, detail) }));
    }

    [Test]
    public void A_kernel_that_keeps_something_of_a_scenario_is_never_the_same()
    {
        var run = Texts.Run(s_scenario, s_real) with { Status = RunStatus.Broken, Reason = TraceLine.LeftPrefix + "dm device d EBUSY" };
        Assert.That(new Comparer(NormaliserSet.None, Ledger.Empty).Compare(s_scenario, "6.1", run, run).Verdict, Is.EqualTo(Verdict.Different));
    }

    [Test]
    public void A_missing_step_is_a_difference() => Assert.That(Compare(s_real[..2]).Divergences, Has.Count.EqualTo(1).And.One.Property("Emulator").EqualTo(Divergence.Absent));

    [Test]
    public void What_follows_a_gap_is_not_compared_and_the_gap_is_not_same()
    {
        var comparison = Compare(["ok", "gap: readdir of x", "EIO"]);
        Assert.That((comparison.Verdict, comparison.Reason), Is.EqualTo((Verdict.Gap, "readdir of x (step 2: readdir /)")));
    }

    [Test]
    public void A_difference_before_a_gap_is_a_difference() => Assert.That(Compare(["EPERM", "gap: x", "EIO"]).Verdict, Is.EqualTo(Verdict.Different));

    [Test]
    public void A_gap_never_equals_a_gap_on_the_other_side()
    {
        var run = Texts.Run(s_scenario, "gap: x", "ok", "ok");
        Assert.That(new Comparer(NormaliserSet.None, Ledger.Empty).Compare(s_scenario, "6.1", run, run).Verdict, Is.EqualTo(Verdict.Gap));
    }

    [Test]
    public void A_gap_that_the_header_expects_and_that_is_gone_is_a_difference()
    {
        var scenario = Texts.Scenario("mkdir /a\nreaddir /\nstat /a", "gap \"not yet\"");
        Assert.That(Compare(s_real, scenario: scenario).Verdict, Is.EqualTo(Verdict.Different));
    }

    [TestCase("would-hang", "would-hang", Verdict.Same)]
    [TestCase("oops", "oops: NULL pointer", Verdict.Same)]
    [TestCase("would-hang", "oops: NULL pointer", Verdict.Different)]
    [TestCase("EIO", "would-hang", Verdict.Different)]
    public void A_kernel_that_hangs_or_dies_where_the_emulator_says_so_is_same(string emulated, string reason, Verdict verdict)
    {
        var ours = Texts.Run(s_scenario, "ok", emulated, "none: the actor's task is gone");
        var theirs = new ScenarioRun(s_scenario.Name, RunStatus.Broken, reason, [.. Texts.Run(s_scenario, s_real).Lines.Take(1), new("2", "-", "", reason)]);
        Assert.That(new Comparer(NormaliserSet.None, Ledger.Empty).Compare(s_scenario, "6.1", ours, theirs).Verdict, Is.EqualTo(verdict));
    }

    [TestCase("would-hang", Verdict.Same)]
    [TestCase("oops: NULL pointer", Verdict.Different)]
    public void A_kernel_that_hangs_in_the_end_as_the_emulator_does_is_same(string reason, Verdict verdict)
    {
        var steps = Texts.Run(s_scenario, s_real).Lines.SkipLast(1).ToArray();
        var ours = new ScenarioRun(s_scenario.Name, RunStatus.Broken, "would-hang: writeback", steps);
        var theirs = new ScenarioRun(s_scenario.Name, RunStatus.Broken, reason, [.. steps, new("0", "-", "", reason)]);
        Assert.That(new Comparer(NormaliserSet.None, Ledger.Empty).Compare(s_scenario, "6.1", ours, theirs).Verdict, Is.EqualTo(verdict));
    }

    [Test]
    public void Leaving_something_behind_is_a_difference()
    {
        var left = Texts.Run(s_scenario, s_real);
        left = left with { Status = RunStatus.Broken, Reason = "left behind: loop device 0", Lines = [.. left.Lines.SkipLast(1), new("end", "-", "clean up", "loop device 0")] };
        Assert.That(new Comparer(NormaliserSet.None, Ledger.Empty).Compare(s_scenario, "6.1", left, Texts.Run(s_scenario, s_real)).Verdict, Is.EqualTo(Verdict.Different));
    }

    [Test]
    public void What_the_real_kernel_lacks_is_skipped_and_what_the_emulator_lacks_is_a_gap()
    {
        var ran = Texts.Run(s_scenario, s_real);
        var skipped = new ScenarioRun(s_scenario.Name, RunStatus.Skipped, "needs xfs", []);
        var comparer = new Comparer(NormaliserSet.None, Ledger.Empty);
        Assert.Multiple(() =>
        {
            Assert.That(comparer.Compare(s_scenario, "6.1", ran, skipped).Verdict, Is.EqualTo(Verdict.Skipped));
            Assert.That(comparer.Compare(s_scenario, "6.1", skipped, ran).Verdict, Is.EqualTo(Verdict.Gap));
        });
    }

    [Test]
    public void A_normaliser_hides_its_field_where_it_holds_and_nowhere_else()
    {
        string[] emulated = [s_real[0], s_real[1], s_real[2].Replace("blocks=0", "blocks=8", StringComparison.Ordinal)];
        static NormaliserSet Set(string scenarios) => NormaliserSet.Parse("n", $"id: x\nhides: y\nwhy: z\nscenarios: {scenarios}\ncalls: stat lstat\nfield: blocks\n");
        Assert.Multiple(() =>
        {
            Assert.That(Compare(emulated, normalisers: Set("vfs/*")).Verdict, Is.EqualTo(Verdict.Same));
            Assert.That(Compare(emulated, normalisers: Set("dm/*")).Verdict, Is.EqualTo(Verdict.Different));
        });
    }

    [Test]
    public void A_normaliser_of_order_hides_order_only()
    {
        var order = NormaliserSet.Parse("n", "id: x\nhides: y\nwhy: z\ncalls: readdir\nfield: order\n");
        Assert.Multiple(() =>
        {
            Assert.That(Compare([s_real[0], "ok 2 names\tb=reg\ta=dir", s_real[2]], normalisers: order).Verdict, Is.EqualTo(Verdict.Same));
            Assert.That(Compare([s_real[0], "ok 2 names\tb=dir\ta=dir", s_real[2]], normalisers: order).Verdict, Is.EqualTo(Verdict.Different));
        });
    }

    private static Ledger Listing(string kernels, string step) => Ledger.Parse([("l", $"id: known\nscenario: vfs/*\nkernels: {kernels}\nstep: {step}\nreason: r\nevidence: e\n")]);

    [TestCase("6.1", "1", Verdict.Listed)]
    [TestCase("*", "*", Verdict.Listed)]
    [TestCase("6.12 6.1", "1", Verdict.Listed)]
    [TestCase("6.12", "1", Verdict.Different)]
    [TestCase("6.1", "2", Verdict.Different)]
    public void The_ledger_lists_what_fits(string kernels, string step, Verdict verdict) =>
        Assert.That(Compare(["EPERM", s_real[1], s_real[2]], Listing(kernels, step)).Verdict, Is.EqualTo(verdict));

    [Test]
    public void A_listed_difference_that_is_gone_is_told()
    {
        var ledger = Listing("6.1", "1");
        Assert.Multiple(() =>
        {
            Assert.That(ledger.Vanished([Compare(s_real, ledger)]).Select(e => e.Id), Is.EqualTo(["known"]));
            Assert.That(ledger.Vanished([Compare(["EPERM", s_real[1], s_real[2]], ledger)]), Is.Empty);
            Assert.That(Listing("6.12", "1").Vanished([Compare(s_real)]), Is.Empty, "the kernel was not run");
        });
    }

    [TestCase("id: a\nscenario: b\n", "l:1: the entry has no 'kernels:'")]
    [TestCase("id: a\nkernel: b\n", "l:2: 'kernel' is no key here")]
    [TestCase("id: a\nid: b\n", "l:2: 'id' stands twice")]
    public void A_wrong_ledger_is_told_where(string text, string problem) =>
        Assert.That(() => Ledger.Parse([("l", text)]), Throws.TypeOf<DataException>().With.Message.StartsWith(problem));

    [Test]
    public void The_ledger_and_the_normalisers_of_this_tree_are_read()
    {
        string folder = Path.Combine(Texts.Root, "tests/Ledger");
        Assert.That(() => Ledger.Load(folder), Throws.Nothing);
        Assert.That(NormaliserSet.Parse("n", File.ReadAllText(Path.Combine(folder, "normalisers.txt"))).Entries, Is.Not.Empty);
    }
}
