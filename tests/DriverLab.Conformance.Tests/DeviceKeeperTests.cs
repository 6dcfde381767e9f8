using System.Collections.Frozen;
using DriverLab.Conformance.Running;
using DriverLab.Emulator;
using DriverLab.Linux;
using DriverLab.Simulation;

namespace DriverLab.Conformance.Tests;

/// <summary>What a scenario leaves to the ones after it on the same kernel.</summary>
public class DeviceKeeperTests
{
    [Test]
    public void A_device_with_the_name_of_the_control_node_does_not_take_that_away()
    {
        using var kernel = new EmulatedKernel(new("6.1", new(6, 1), FrozenDictionary<string, string>.Empty), ModuleSet.Standard, new World(0));
        using var runner = new ScenarioRunner(kernel);
        var first = runner.Run(Texts.Scenario("dm create control\ndm remove control"));
        var second = runner.Run(Texts.Scenario("dm list"));
        Assert.That(first.Lines.Take(2).Select(static l => l.Outcome[..2]), Is.All.EqualTo("ok"), "this kernel takes the name");
        Assert.That(second.Lines[0].Outcome, Is.EqualTo("ok"));
    }
}
