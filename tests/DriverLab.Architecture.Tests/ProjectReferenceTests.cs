using System.Xml.Linq;

namespace DriverLab.Architecture.Tests;

/// <summary>Project references are the architecture: they point one way, and a storage driver cannot see the emulator.</summary>
public class ProjectReferenceTests
{
    /// <summary>Project -> the projects that it may name. Naming fewer is fine.</summary>
    private static readonly Dictionary<string, string[]> Allowed = new()
    {
        ["DriverLab.Linux"] = [],
        ["DriverLab.Formats"] = [],
        ["LibvirtSharp"] = [],
        ["DriverLab.Simulation"] = ["DriverLab.Linux"],
        ["DriverLab.Block"] = ["DriverLab.Linux", "DriverLab.Simulation"],
        ["DriverLab.Nbd"] = ["DriverLab.Block"],
        ["DriverLab.DeviceMapper"] = ["DriverLab.Block", "DriverLab.Formats"],
        ["DriverLab.ThinTools"] = ["DriverLab.Formats"],
        ["DriverLab.ThinCommand"] = ["DriverLab.ThinTools"],
        ["DriverLab.Vfs"] = ["DriverLab.Block"],
        ["DriverLab.FileSystems"] = ["DriverLab.Vfs", "DriverLab.Formats"],
        ["DriverLab.Emulator"] = ["DriverLab.FileSystems", "DriverLab.DeviceMapper"],
        ["DriverLab.Native"] = ["DriverLab.Linux"],
        ["DriverLab.StorageDrivers"] = ["DriverLab.Linux"],
        ["DriverLab.Containerd"] = ["DriverLab.StorageDrivers"],
        ["DriverLab.Images"] = ["DriverLab.StorageDrivers"],
        ["DriverLab.Docker"] = ["DriverLab.StorageDrivers"],
        ["DriverLab.Conformance"] = ["DriverLab.Linux", "DriverLab.Simulation", "DriverLab.StorageDrivers"],
        ["DriverLab.Guest"] = ["DriverLab.Native", "DriverLab.Conformance"],
        ["DriverLab.Rig"] = ["DriverLab.Conformance", "LibvirtSharp"],
        ["DriverLab.Labs"] = ["DriverLab.Rig", "DriverLab.Emulator", "DriverLab.Nbd"],
        ["DriverLab.NUnit"] = ["DriverLab.Emulator", "DriverLab.Rig", "DriverLab.Native"],
        ["DriverLab.Cli"] = ["DriverLab.Labs", "DriverLab.Nbd", "DriverLab.Emulator", "DriverLab.Native", "DriverLab.Rig", "DriverLab.Conformance", "DriverLab.StorageDrivers", "DriverLab.Containerd", "DriverLab.Docker", "DriverLab.Images", "DriverLab.ThinTools"],
    };

    public static IEnumerable<string> Projects => Repository.ProjectFiles("src").Select(path => Path.GetFileNameWithoutExtension(path));

    [TestCaseSource(nameof(Projects))]
    public void A_project_names_only_what_the_architecture_allows(string project)
    {
        Assert.That(Allowed.Keys, Does.Contain(project), $"{project} is not on the map in {nameof(ProjectReferenceTests)}: decide what it may see");
        Assert.That(References(Path.Combine("src", project, project + ".csproj")), Is.SubsetOf(Allowed[project]));
    }

    [Test]
    public void Every_project_on_the_map_exists() => Assert.That(Allowed.Keys, Is.SubsetOf(Projects.ToArray()));

    [Test]
    public void No_source_project_names_a_test_project()
    {
        foreach (var project in Repository.ProjectFiles("src"))
            Assert.That(File.ReadAllText(project), Does.Not.Contain("tests/").And.Not.Contain(".Tests.csproj"), project);
    }

    [Test]
    public void Every_project_is_in_the_solution()
    {
        var solution = Repository.Read("DriverLab.sln");
        var missing = Repository.ProjectFiles("src").Concat(Repository.ProjectFiles("tests"))
            .Select(path => Path.GetRelativePath(Repository.Root, path).Replace('/', '\\'))
            .Where(path => !solution.Contains(path, StringComparison.Ordinal));
        Assert.That(missing, Is.Empty, "add with: dotnet sln add PROJECT");
    }

    private static IEnumerable<string> References(string project) =>
        XDocument.Parse(Repository.Read(project)).Descendants("ProjectReference")
            .Select(reference => Path.GetFileNameWithoutExtension(reference.Attribute("Include")!.Value));
}
