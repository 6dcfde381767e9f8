using DriverLab.Conformance.Comparison;
using DriverLab.Conformance.Reports;
using DriverLab.Conformance.Scenarios;

namespace DriverLab.Conformance.Tests;

/// <summary>Splitting scenarios over workers, and joining what they report.</summary>
public class ShardTests
{
    private static readonly IReadOnlyList<Scenario> s_scenarios =
        [.. Enumerable.Range(0, 41).Select(i => ScenarioParser.Parse($"vfs/s{i:00}", "s", $"# One.\nsuite vfs\nmkdir /d{i}\n"))];

    [Test]
    public void Parts_are_disjoint_complete_even_and_in_order([Values(1, 2, 4, 7, 50)] int count)
    {
        var parts = Enumerable.Range(1, count).Select(i => new Shard(i, count).Of(s_scenarios)).ToList();
        Assert.Multiple(() =>
        {
            Assert.That(parts.SelectMany(p => p).Select(s => s.Name), Is.EquivalentTo(s_scenarios.Select(s => s.Name)));
            Assert.That(parts.Max(p => p.Count) - parts.Min(p => p.Count), Is.LessThanOrEqualTo(1));
            Assert.That(parts.Select(p => p.Select(s => s.Name)), Is.All.Ordered);
        });
    }

    [Test]
    public void A_part_depends_on_what_the_scenarios_are_and_not_on_the_order_of_the_files()
    {
        var shard = new Shard(2, 4);
        Assert.That(shard.Of([.. s_scenarios.Reverse()]).Select(s => s.Name), Is.EquivalentTo(shard.Of(s_scenarios).Select(s => s.Name)));
    }

    [TestCase("1/1", 1, 1)]
    [TestCase("4/16", 4, 16)]
    public void A_part_is_read(string text, int index, int count) => Assert.That(Shard.Parse(text), Is.EqualTo(new Shard(index, count)));

    [TestCase("0/4")]
    [TestCase("5/4")]
    [TestCase("1")]
    [TestCase("1/2/3")]
    [TestCase("-1/2")]
    [TestCase("a/b")]
    [TestCase("")]
    public void What_is_no_part_is_refused(string text) => Assert.That(Shard.Parse(text), Is.Null);

    [Test]
    public void The_order_of_reports_does_not_matter()
    {
        var one = Report("1/2", Case("6.12", "vfs/a", CaseVerdict.Same), Case("6.2", "vfs/a", CaseVerdict.Gap));
        var two = Report("2/2", Case("6.12", "vfs/b", CaseVerdict.Different), Case("6.2", "vfs/b", CaseVerdict.Skipped));
        var merged = ReportMerge.Merge([("1", one), ("2", two)]);
        Assert.Multiple(() =>
        {
            Assert.That(merged.Cases.Select(c => $"{c.Kernel} {c.Scenario} {c.Verdict}"), Is.EqualTo(["6.2 vfs/a Gap", "6.2 vfs/b Skipped", "6.12 vfs/a Same", "6.12 vfs/b Different"]));
            Assert.That(ReportMerge.Merge([("2", two), ("1", one)]).Cases, Is.EqualTo(merged.Cases));
        });
    }

    [Test]
    public void A_missing_part_is_named_and_parts_of_different_runs_are_refused()
    {
        var one = Report("1/3");
        Assert.That(() => ReportMerge.Merge([("one.json", one), ("three.json", Report("3/3"))]), Throws.TypeOf<DataException>().With.Message.Contains("shard 2/3 is missing"));
        Assert.That(() => ReportMerge.Merge([("a", Report("1/1")), ("b", Report("1/2")), ("c", Report("2/2"))]), Throws.TypeOf<DataException>().With.Message.Contains("different numbers of shards"));
    }

    [Test]
    public void Runs_that_disagree_are_told_with_the_worst_verdict()
    {
        var merged = ReportMerge.Merge([("1", Report("1/1", Case("6.1", "vfs/a", CaseVerdict.Same))), ("2", Report("1/1", Case("6.1", "vfs/a", CaseVerdict.Different)))]);
        Assert.That(merged.Cases.Select(c => (c.Verdict, c.Reason)), Is.EqualTo([(CaseVerdict.Different, "runs disagree: different, same")]));
    }

    [Test]
    public void An_entry_of_the_ledger_is_gone_only_when_no_part_has_seen_it()
    {
        LedgerUse seen = new("known", "vfs/*", "6.1", Seen: true), unseen = seen with { Seen = false }, gone = new("gone", "vfs/z*", "*", Seen: false);
        var merged = ReportMerge.Merge([("1", Report("1/2") with { Ledger = [unseen, gone] }), ("2", Report("2/2") with { Ledger = [seen] })]);
        Assert.That(merged.Cases.Select(c => c.Reason), Is.EqualTo(["the ledger's entry 'gone' lists a difference that is gone; take the entry out"]));
    }

    [Test]
    public void A_kernel_that_could_not_be_had_stays_missing()
    {
        var merged = ReportMerge.Merge([("1", Report("1/2") with { Missing = [("6.19", "no modules")] }), ("2", Report("2/2") with { Missing = [("6.19", "no modules")] })]);
        Assert.That(merged.Missing, Is.EqualTo([("6.19", "no modules")]));
        Assert.That(merged.Sentence, Does.Contain("MISSING kernels: 6.19"));
    }

    private static ReportModel Report(string shard, params CaseResult[] cases) => new([("driverlab", "1")], cases, 1) { Shard = shard };

    private static CaseResult Case(string kernel, string scenario, CaseVerdict verdict) => new() { Kernel = kernel, Suite = "vfs", Scenario = scenario, Verdict = verdict, Reproduce = "x" };
}
