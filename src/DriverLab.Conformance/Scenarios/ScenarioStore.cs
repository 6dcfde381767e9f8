namespace DriverLab.Conformance.Scenarios;

/// <summary>Finds scenario files below a folder.</summary>
public static class ScenarioStore
{
    /// <summary>The ending of scenario files.</summary>
    public const string Extension = ".scenario";

    /// <summary>Reads all scenarios below a folder, sorted by name.</summary>
    /// <param name="folder">The folder that holds one folder a suite.</param>
    /// <param name="errors">Takes the files that cannot be read.</param>
    public static IReadOnlyList<Scenario> Load(string folder, ICollection<ScenarioException> errors)
    {
        var scenarios = new List<Scenario>();
        foreach (var file in Directory.EnumerateFiles(folder, "*" + Extension, SearchOption.AllDirectories).Order(StringComparer.Ordinal))
        {
            try
            {
                scenarios.Add(Read(folder, file));
            }
            catch (ScenarioException error)
            {
                errors.Add(error);
            }
        }
        return scenarios;
    }

    /// <summary>Reads one file; its name is the path below the folder, or the bare file name for a file elsewhere.</summary>
    /// <exception cref="ScenarioException">What is wrong with the text.</exception>
    public static Scenario Read(string folder, string file)
    {
        string relative = Path.GetRelativePath(folder, file).Replace('\\', '/');
        string name = relative.StartsWith("../", StringComparison.Ordinal) || Path.IsPathRooted(relative) ? Path.GetFileName(file) : relative;
        if (name.EndsWith(Extension, StringComparison.Ordinal))
            name = name[..^Extension.Length];
        return ScenarioParser.Parse(name, file, System.IO.File.ReadAllText(file));
    }

    /// <summary>True when a name matches a pattern with <c>*</c> (anything, slashes too) and <c>?</c>.</summary>
    public static bool Matches(string name, string pattern)
    {
        // Two pointers with one remembered star: linear in practice and without regular expressions.
        int n = 0, p = 0, star = -1, mark = 0;
        while (n < name.Length)
        {
            if (p < pattern.Length && (pattern[p] == '?' || pattern[p] == name[n]))
                (n, p) = (n + 1, p + 1);
            else if (p < pattern.Length && pattern[p] == '*')
                (star, mark) = (p++, n);
            else if (star >= 0)
                (p, n) = (star + 1, ++mark);
            else
                return false;
        }
        while (p < pattern.Length && pattern[p] == '*')
            p++;
        return p == pattern.Length;
    }
}
