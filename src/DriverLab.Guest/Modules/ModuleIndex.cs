namespace DriverLab.Guest.Modules;

/// <summary>The modules in the image, as the rig listed them: <c>name TAB file TAB dependencies TAB aliases</c>, lists separated by commas.</summary>
internal sealed class ModuleIndex
{
    /// <summary>Where the image has the list.</summary>
    public const string ListFile = "/driverlab/modules";

    /// <summary>Where the image has the names to load at boot, one a line.</summary>
    public const string BootFile = "/driverlab/boot";

    private readonly Dictionary<string, Entry> byName = [];
    private readonly Dictionary<string, string> byAlias = [];

    private sealed record Entry(string Name, string File, string[] Dependencies);

    /// <summary>Reads the list; an image without modules has none.</summary>
    public static ModuleIndex Read()
    {
        var index = new ModuleIndex();
        if (!File.Exists(ListFile))
            return index;
        foreach (string line in File.ReadLines(ListFile))
        {
            string[] field = line.Split('\t');
            if (field.Length < 4)
                continue;
            index.byName[field[0]] = new Entry(field[0], field[1], field[2].Split(',', StringSplitOptions.RemoveEmptyEntries));
            foreach (string alias in field[3].Split(',', StringSplitOptions.RemoveEmptyEntries))
                index.byAlias.TryAdd(Normal(alias), field[0]);
        }
        return index;
    }

    /// <summary>Files to load, dependencies first, for a module's name or alias; empty when the image has no such module.</summary>
    public IReadOnlyList<string> Closure(string nameOrAlias)
    {
        var files = new List<string>();
        string name = Normal(nameOrAlias);
        if (!byName.ContainsKey(name) && byAlias.TryGetValue(name, out string? target))
            name = target;
        Visit(name, files, []);
        return files;
    }

    private void Visit(string name, List<string> files, HashSet<string> seen)
    {
        if (!seen.Add(name) || !byName.TryGetValue(name, out Entry? entry))
            return;
        foreach (string dependency in entry.Dependencies)
            Visit(dependency, files, seen);
        files.Add(entry.File);
    }

    /// <summary>The kernel writes a module's name with dashes or underscores as it likes.</summary>
    private static string Normal(string name) => name.Replace('-', '_');
}
