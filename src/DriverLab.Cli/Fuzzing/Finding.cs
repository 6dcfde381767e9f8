using DriverLab.Conformance.Comparison;
using DriverLab.Conformance.Scenarios;
using DriverLab.Conformance.Shell;
using DriverLab.Conformance.Shrinking;

namespace DriverLab.Cli.Fuzzing;

/// <summary>A difference, made small.</summary>
/// <param name="Scenario">The program.</param>
/// <param name="Difference">Its first difference.</param>
/// <param name="Signature">The kind of difference.</param>
/// <param name="Text">The explanation, one paragraph.</param>
/// <param name="Tried">Candidates that were run to find it.</param>
internal sealed record Finding(Scenario Scenario, Divergence Difference, Signature Signature, string Text, int Tried)
{
    /// <summary>True when the real kernel does not repeat what it said.</summary>
    public bool IsRace { get; init; }

    /// <summary>True when the other most likely has the same cause: the same kind of difference after the same calls.</summary>
    public bool IsLike(Finding other) => Signature == other.Signature && Calls.SequenceEqual(other.Calls);

    private IEnumerable<string> Calls => Scenario.Steps.Select(static s => s.Verb.Name);

    /// <summary>Writes the scenario, the same as a shell script, and the explanation.</summary>
    /// <returns>The scenario's file.</returns>
    public string Save(string folder, int number)
    {
        string name = Path.Combine(folder, Scenario.Suite, $"{number:d3}-{Scenario.Name[(Scenario.Name.LastIndexOf('/') + 1)..]}");
        _ = Directory.CreateDirectory(Path.GetDirectoryName(name)!);
        string file = name + ScenarioStore.Extension;
        var described = Scenario with { Description = Text, Source = null! };
        File.WriteAllText(file, described.Source);
        File.WriteAllText(name + ".sh", ShellWriter.Print(described));
        File.WriteAllText(name + ".txt", Text + "\n");
        return Path.GetFullPath(file);
    }
}
