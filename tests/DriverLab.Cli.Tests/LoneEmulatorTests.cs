using DriverLab.Cli.Fuzzing;
using DriverLab.Cli.Targets;
using DriverLab.Conformance.Comparison;
using DriverLab.Conformance.Running;
using DriverLab.Conformance.Scenarios;

namespace DriverLab.Cli.Tests;

/// <summary>What <c>driverlab fuzz</c> looks for when there is no kernel to compare with.</summary>
public sealed class LoneEmulatorTests
{
    private const string Text = "suite vfs\nneeds tmpfs\nmkdir /a\nreaddir /proc\nwrite /a/b \"one\"\nmknod /f fifo\nopen /f O_RDONLY\n";

    private static readonly Scenario s_program = ScenarioParser.Parse("vfs/fuzz/1", "vfs/fuzz/1.scenario", Text);

    [Test]
    public void A_gap_and_a_call_that_hangs_are_told_and_are_no_defects()
    {
        var trace = new EmulatedSide(Profiles.Of("6.12")).Run(s_program, default);
        Assert.That(LoneEmulator.Gaps(trace), Is.EqualTo(new[] { "listing /proc" }));
        Assert.That(LoneEmulator.Hangs(trace), Is.True);
        Assert.That(LoneEmulator.DefectOf(s_program, trace), Is.Null);
    }

    [Test]
    public async Task An_exception_is_a_defect_and_its_program_is_made_small()
    {
        var side = new EmulatedSide(Profiles.Of("6.12"), static _ => throw new InvalidOperationException("on purpose"));
        var trace = side.Run(s_program, default);
        Assert.That(LoneEmulator.DefectOf(s_program, trace)?.Emulator, Does.StartWith("emulator defect: ").And.Contain("on purpose"));
        var finding = await new LoneEmulator(side, Ledger.Empty).ShrinkAsync(s_program, TimeSpan.FromSeconds(5), default);
        Assert.That(finding!.Scenario.Steps, Has.Count.EqualTo(1));
        Assert.That(finding.Text, Does.Contain("on purpose"));
    }

    [Test]
    public async Task Lanes_give_the_traces_in_the_order_of_the_programs()
    {
        var programs = Enumerable.Range(0, 40).Select(i => ScenarioParser.Parse($"vfs/fuzz/{i}", $"vfs/fuzz/{i}.scenario", $"suite vfs\nneeds tmpfs\nmkdir /a\nwrite /a/b \"{i}\"\ncat /a/b\n")).ToArray();
        var traces = await new EmulatedSide(Profiles.Of("6.12"), lanes: 4).RunAsync(programs, default);
        Assert.That(traces.Select(static t => t.Outcomes[2]), Is.EqualTo(programs.Select(static (_, i) => $"ok \"{i}\"")));
    }
}
