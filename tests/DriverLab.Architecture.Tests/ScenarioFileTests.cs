using DriverLab.Conformance.Scenarios;

namespace DriverLab.Architecture.Tests;

/// <summary>Every file under tests/Scenarios is a scenario that can run.</summary>
public class ScenarioFileTests
{
    private const string Folder = "tests/Scenarios";

    public static IEnumerable<string> Suites => Directory.EnumerateDirectories(Path.Combine(Repository.Root, Folder)).Select(Path.GetFileName).Order(StringComparer.Ordinal)!;

    [TestCaseSource(nameof(Suites))]
    public void Scenarios_parse_and_name_the_suite_they_lie_in(string suite)
    {
        var problems = new List<string>();
        foreach (var file in Repository.Files($"{Folder}/{suite}", "*.scenario"))
        {
            try
            {
                var scenario = ScenarioParser.Parse(Path.ChangeExtension(file[(Folder.Length + 1)..], null), file, Repository.Read(file));
                if (scenario.Suite != suite)
                    problems.Add($"{file}: says suite {scenario.Suite}, lies in {suite}");
                if (scenario.Steps.Count == 0)
                    problems.Add($"{file}: has no step");
            }
            catch (ScenarioException error)
            {
                problems.Add(error.Message);
            }
        }
        Assert.That(problems, Is.Empty);
    }

    [Test]
    public void Nothing_but_scenarios_and_readmes_lies_there()
    {
        var strangers = Repository.Files(Folder, "*").Where(file => !file.EndsWith(".scenario", StringComparison.Ordinal) && Path.GetFileName(file) != "README.md");
        Assert.That(strangers, Is.Empty, "a scenario that is not called .scenario never runs");
    }
}
