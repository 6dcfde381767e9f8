using DriverLab.Cli.Targets;
using DriverLab.Conformance.Running;
using DriverLab.Conformance.Scenarios;

namespace DriverLab.Cli.Tests;

/// <summary>A kernel does not lose what it had while scenarios run on it.</summary>
public class KernelNeedsTests
{
    private static Scenario Of(string name, string need) => ScenarioParser.Parse($"vfs/{name}", "test.scenario", $"suite vfs\nneeds {need}\nmkdir /a\n");

    private static ScenarioRun Run(string name, RunStatus status, string reason = "") => new($"vfs/{name}", status, reason, []);

    [Test]
    public void What_a_kernel_never_had_is_missing()
    {
        var (one, two) = (Of("one", "aufs"), Of("two", "aufs"));
        var needs = new KernelNeeds([one, two]);
        Assert.That(needs.Judge(Run("one", RunStatus.Skipped, "needs aufs")).Status, Is.EqualTo(RunStatus.Skipped));
        Assert.That(needs.MissingOf(two), Is.EqualTo("aufs"));
    }

    [Test]
    public void What_it_had_for_an_earlier_scenario_was_taken_away()
    {
        var (one, two) = (Of("one", "dm"), Of("two", "dm"));
        var needs = new KernelNeeds([one, two]);
        _ = needs.Judge(Run("one", RunStatus.Done));
        var judged = needs.Judge(Run("two", RunStatus.Skipped, "needs dm"));
        Assert.That((judged.Status, judged.Reason), Is.EqualTo((RunStatus.Broken, "needs dm, which was there for an earlier scenario: one between them took it away")));
        Assert.That(needs.MissingOf(two), Is.Null);
    }
}
