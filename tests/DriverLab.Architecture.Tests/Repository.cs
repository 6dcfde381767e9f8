namespace DriverLab.Architecture.Tests;

/// <summary>The checked-out tree, found by walking up from the test program to the solution file.</summary>
internal static class Repository
{
    public static string Root { get; } = FindRoot();

    /// <summary>Directories directly below <paramref name="relative"/> that hold a project file.</summary>
    public static IEnumerable<string> ProjectFiles(string relative) =>
        Directory.EnumerateFiles(Path.Combine(Root, relative), "*.csproj", SearchOption.AllDirectories)
            .Where(path => !IsBuildOutput(path))
            .Order(StringComparer.Ordinal);

    /// <summary>C# files below <paramref name="relative"/>, build output left out, as paths relative to the root.</summary>
    public static IEnumerable<string> Sources(string relative) => Files(relative, "*.cs");

    /// <summary>Files below <paramref name="relative"/>, build output left out, as paths relative to the root with forward slashes.</summary>
    public static IEnumerable<string> Files(string relative, string pattern) =>
        Directory.EnumerateFiles(Path.Combine(Root, relative), pattern, SearchOption.AllDirectories)
            .Select(path => Path.GetRelativePath(Root, path))
            .Where(path => !IsBuildOutput(path))
            .Order(StringComparer.Ordinal);

    public static string Read(string relative) => File.ReadAllText(Path.Combine(Root, relative));

    private static readonly string[] BuildOutput = ["bin", "obj", "artifacts", ".git", "TestResults", "BenchmarkDotNet.Artifacts", "node_modules"];

    private static bool IsBuildOutput(string path) =>
        Path.GetRelativePath(Root, path.StartsWith('/') ? path : Path.Combine(Root, path)).Split('/').Any(BuildOutput.Contains);

    private static string FindRoot()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
            if (File.Exists(Path.Combine(folder.FullName, "DriverLab.sln")))
                return folder.FullName;
        throw new InvalidOperationException($"no DriverLab.sln above {AppContext.BaseDirectory}: run the tests from a checkout");
    }
}
