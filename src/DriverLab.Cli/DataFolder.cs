using DriverLab.Conformance.Comparison;
using DriverLab.Conformance.Scenarios;
using DriverLab.Rig.Images;

namespace DriverLab.Cli;

/// <summary>Scenarios, ledger, normalisers and goldens: the <c>tests</c> folder of a source tree, or the folder <c>data</c> beside an installed command.</summary>
internal sealed class DataFolder
{
    private DataFolder(string root) => Root = root;

    public string Root { get; }

    public string Scenarios => Path.Combine(Root, "Scenarios");

    public string LedgerFolder => Path.Combine(Root, "Ledger");

    public string Golden => Path.Combine(Root, "Golden");

    /// <summary>The list of places of the emulator's code whose faults no program can see.</summary>
    public string Unseen => Path.Combine(Root, "Mutation", "unseen.txt");

    /// <summary>The folder that the user names, else the one this command belongs to.</summary>
    public static DataFolder Find(string? chosen)
    {
        string[] candidates = chosen is not null ? [chosen]
            : GuestProgram.SourceRoot() is { } tree ? [Path.Combine(tree, "tests")]
            : [Path.Combine(AppContext.BaseDirectory, "data"), Path.Combine(Environment.CurrentDirectory, "tests")];
        foreach (var candidate in candidates)
        {
            if (Directory.Exists(Path.Combine(candidate, "Scenarios")))
                return new(Path.GetFullPath(candidate));
        }
        throw new UsageException($"there are no scenarios in {string.Join(" or ", candidates)}; expected a folder with a folder 'Scenarios', name it with --data FOLDER");
    }

    /// <summary>The scenarios that fit; a file that cannot be read stops everything, because a scenario that is not run is not passed.</summary>
    public IReadOnlyList<Scenario> Load(IReadOnlyCollection<string> suites, IReadOnlyCollection<string> patterns)
    {
        if (patterns.Count == 1 && patterns.First() is var file && file.EndsWith(ScenarioStore.Extension, StringComparison.Ordinal) && File.Exists(file))
            return [ScenarioStore.Read(Scenarios, Path.GetFullPath(file))];
        var errors = new List<ScenarioException>();
        var all = ScenarioStore.Load(Scenarios, errors);
        if (errors.Count > 0)
            throw new UsageException(string.Join('\n', errors.Select(e => e.Message)));
        foreach (var suite in suites)
        {
            if (!all.Any(s => s.Suite == suite))
                throw new UsageException($"there is no suite '{suite}'; expected one of {string.Join(", ", all.Select(s => s.Suite).Distinct())}");
        }
        foreach (var pattern in patterns)
        {
            if (!all.Any(s => ScenarioStore.Matches(s.Name, pattern)))
                throw new UsageException($"no scenario matches '{pattern}'; expected a name such as '{all[0].Name}' or a pattern such as 'vfs/*' (driverlab scenario list)");
        }
        return [.. all.Where(s => (suites.Count == 0 || suites.Contains(s.Suite)) && (patterns.Count == 0 || patterns.Any(p => ScenarioStore.Matches(s.Name, p))))];
    }

    /// <summary>One scenario by its name, or by the path of its file.</summary>
    public Scenario LoadOne(string name)
    {
        if (File.Exists(name) && name.EndsWith(ScenarioStore.Extension, StringComparison.Ordinal))
            return ScenarioStore.Read(Scenarios, Path.GetFullPath(name));
        string file = Path.Combine(Scenarios, name + ScenarioStore.Extension);
        return File.Exists(file)
            ? ScenarioStore.Read(Scenarios, file)
            : throw new UsageException($"there is no scenario '{name}'; expected a name such as vfs/rename/exchange or a file ending in {ScenarioStore.Extension} (driverlab scenario list)");
    }

    public Comparer Comparer() => new(Normalisers(), Ledger());

    public Ledger Ledger() => Conformance.Comparison.Ledger.Load(LedgerFolder);

    public NormaliserSet Normalisers()
    {
        string file = Path.Combine(LedgerFolder, "normalisers.txt");
        return File.Exists(file) ? NormaliserSet.Parse(file, File.ReadAllText(file)) : NormaliserSet.None;
    }
}
