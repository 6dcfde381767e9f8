using DriverLab.Conformance.Running;
using DriverLab.Conformance.Scenarios;

namespace DriverLab.Conformance.Tests;

/// <summary>Short ways to scenarios and runs.</summary>
internal static class Texts
{
    /// <summary>A scenario of the suite vfs with these steps.</summary>
    public static Scenario Scenario(string steps, string header = "") => ScenarioParser.Parse("vfs/test", "test.scenario", $"# A test.\nsuite vfs\n{header}\n{steps}\n");

    /// <summary>A run with these outcomes: one a step, details of a step after it as <c>key=outcome</c> behind a tab.</summary>
    public static ScenarioRun Run(Scenario scenario, params string[] outcomes)
    {
        var lines = new List<TraceLine>();
        for (int i = 0; i < outcomes.Length; i++)
        {
            var parts = outcomes[i].Split('\t');
            lines.Add(new($"{i + 1}", "main", scenario.Steps[i].Text, parts[0]));
            for (int j = 1; j < parts.Length; j++)
            {
                int equals = parts[j].IndexOf('=');
                lines.Add(new($"{i + 1}.{j}", "main", parts[j][..equals], parts[j][(equals + 1)..]));
            }
        }
        lines.Add(new("end", "-", "clean up", "ok"));
        return new(scenario.Name, RunStatus.Done, "", lines);
    }

    /// <summary>The folder of the source tree.</summary>
    public static string Root
    {
        get
        {
            for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
            {
                if (File.Exists(Path.Combine(folder.FullName, "DriverLab.sln")))
                    return folder.FullName;
            }
            throw new InvalidOperationException($"no DriverLab.sln above {AppContext.BaseDirectory}");
        }
    }
}
