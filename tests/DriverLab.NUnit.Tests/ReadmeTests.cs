namespace DriverLab.NUnit.Tests;

/// <summary>The package's readme shows code that is compiled and run here.</summary>
public class ReadmeTests
{
    [Test]
    public void The_example_is_the_one_that_runs()
    {
        string root = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(root, "DriverLab.sln")))
            root = Path.GetDirectoryName(root)!;
        string readme = File.ReadAllText(Path.Combine(root, "src/DriverLab.NUnit/README.md")), example = File.ReadAllText(Path.Combine(root, "tests/DriverLab.NUnit.Tests/ReadmeExample.cs"));
        string shown = readme.Split("```csharp\n")[1].Split("```")[0];
        Assert.That(example[example.IndexOf("public class", StringComparison.Ordinal)..], Is.EqualTo(shown));
    }
}
