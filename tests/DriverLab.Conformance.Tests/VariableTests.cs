using System.Collections.Frozen;
using DriverLab.Conformance.Running;
using DriverLab.Emulator;

namespace DriverLab.Conformance.Tests;

/// <summary>What the variables of a scenario hold while it runs.</summary>
public class VariableTests
{
    [Test]
    public void A_mapping_is_no_descriptor_whose_number_would_be_the_runners_own_until_the_name_holds_one()
    {
        var outcomes = Outcomes("write f abc", "fd = open f O_RDWR", "m = mmap fd PROT_READ MAP_PRIVATE 0 1", "pwrite m x 0", "m = dup fd", "pwrite m x 0", "cat f");
        Assert.That(outcomes[3], Is.EqualTo("scenario: 'm' holds no descriptor"));
        Assert.That(outcomes[^2..], Is.EqualTo(new[] { "ok 1", "ok \"xbc\"" }));
    }

    [Test]
    public void A_watch_is_none_either()
    {
        var outcomes = Outcomes("mkdir d", "i = inotify", "w = watch i d IN_CREATE", "fstat w");
        Assert.That(outcomes[^1], Is.EqualTo("scenario: 'w' holds no descriptor"));
    }

    private static string[] Outcomes(params string[] steps)
    {
        using var kernel = new EmulatedKernel(new("6.1", new(6, 1), FrozenDictionary<string, string>.Empty));
        using var runner = new ScenarioRunner(kernel);
        return [.. runner.Run(Texts.Scenario(string.Join('\n', steps))).Lines.Where(static l => !l.Step.Contains('.') && l.Step != "end").Select(static l => l.Outcome)];
    }
}
