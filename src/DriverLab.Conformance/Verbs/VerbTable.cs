using System.Collections.Frozen;

namespace DriverLab.Conformance.Verbs;

/// <summary>All calls that a scenario can make: the one list.</summary>
public static class VerbTable
{



    /// <summary>Groups of calls, in the order of the documentation.</summary>
    public static IReadOnlyList<(string Title, IReadOnlyList<Verb> Verbs)> Groups { get; } =
    [
        ("Tasks", TaskVerbs.All),
        ("Open files", FileVerbs.All),
        ("Names", NameVerbs.All),
        ("Attributes", AttributeVerbs.All),
        ("Lists, flags, masks", MoreAttributeVerbs.All),
        ("Mounts", MountVerbs.All),
        ("Mounts by descriptors", TreeVerbs.All),
        ("Handles, locks, notification, mappings", LockVerbs.All),
        ("Looking at state", ObserveVerbs.All),
        ("Loop devices", LoopVerbs.All),
        ("Block devices", BlockVerbs.All),
        ("Device-mapper", DmVerbs.All),
        ("Storage drivers", DriverVerbs.All),
        ("Layer archives", LayerVerbs.All),
    ];

    // Below Groups on purpose: static initialisers run in textual order.
    private static readonly FrozenDictionary<string, Verb> s_byName = All.ToFrozenDictionary(v => v.Name);
    private static readonly FrozenSet<string> s_families = All.Where(v => v.Name.Contains(' ')).Select(v => v.Name[..v.Name.IndexOf(' ')]).ToFrozenSet();

    /// <summary>Every call.</summary>
    public static IEnumerable<Verb> All => Groups.SelectMany(g => g.Verbs);

    /// <summary>A call by its name; null when there is none.</summary>
    public static Verb? Find(string name) => s_byName.GetValueOrDefault(name);

    /// <summary>True for the first word of calls of two words.</summary>
    public static bool IsFamily(string word) => s_families.Contains(word);

    /// <summary>The table as Markdown, as tests/Scenarios/README.md holds it.</summary>
    public static string Document()
    {
        var text = new System.Text.StringBuilder();
        foreach (var (title, verbs) in Groups)
        {
            _ = text.Append("### ").Append(title).Append("\n\n");
            foreach (var verb in verbs)
                _ = text.Append("- `").Append(verb.Usage).Append("`: ").Append(verb.Doc).Append('\n');
            _ = text.Append('\n');
        }
        return text.ToString().TrimEnd() + "\n";
    }
}
