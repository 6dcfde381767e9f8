using DriverLab.Conformance.Scenarios;

namespace DriverLab.Conformance.Comparison;

/// <summary>A known difference: an entry of a file in tests/Ledger.</summary>
/// <param name="Id">Its name, unique.</param>
/// <param name="Scenario">The scenarios, a pattern.</param>
/// <param name="Kernels">The kernels, between blanks: a line such as <c>6.1</c>, or <c>*</c>.</param>
/// <param name="Step">The step's number, or <c>*</c>.</param>
/// <param name="Detail">The detail's key, a pattern; <c>*</c> when left out.</param>
/// <param name="Reason">Why the difference is accepted.</param>
/// <param name="Evidence">What shows it: a trace, a kernel function, a document.</param>
public sealed record LedgerEntry(string Id, string Scenario, string Kernels, string Step, string Detail, string Reason, string Evidence)
{
    /// <summary>True when the entry is about this kernel.</summary>
    public bool IsFor(string kernel) => Kernels == "*" || Kernels.Split(' ').Contains(kernel);

    /// <summary>True when the entry lists this difference.</summary>
    public bool Lists(Divergence d) =>
        IsFor(d.Kernel) && ScenarioStore.Matches(d.Scenario, Scenario)
        && (Step == "*" || Step == d.Step.ToString(System.Globalization.CultureInfo.InvariantCulture))
        && ScenarioStore.Matches(d.Detail, Detail);
}

/// <summary>All known differences. An unlisted difference fails; a listed one that has vanished fails too.</summary>
public sealed class Ledger
{
    private Ledger(IReadOnlyList<LedgerEntry> entries) => Entries = entries;

    /// <summary>Knows nothing.</summary>
    public static Ledger Empty { get; } = new([]);

    /// <summary>The entries, in the order of files and lines.</summary>
    public IReadOnlyList<LedgerEntry> Entries { get; }

    /// <summary>Reads the entries of several texts.</summary>
    /// <exception cref="DataException">What is wrong.</exception>
    public static Ledger Parse(IEnumerable<(string File, string Text)> files)
    {
        var entries = new List<LedgerEntry>();
        foreach (var (file, text) in files)
        {
            foreach (var e in Entry.ReadAll(file, text, "id", "scenario", "kernels", "step", "detail", "reason", "evidence"))
            {
                var entry = new LedgerEntry(e.Need("id"), e.Need("scenario"), e.Need("kernels"), e.Need("step"), e.Get("detail", "*"), e.Need("reason"), e.Need("evidence"));
                if (entries.Exists(x => x.Id == entry.Id))
                    throw new DataException(file, e.Line, $"the id '{entry.Id}' is used twice; give this entry another");
                entries.Add(entry);
            }
        }
        return new(entries);
    }

    /// <summary>Reads all <c>*.ledger</c> files of a folder.</summary>
    public static Ledger Load(string folder) => Directory.Exists(folder)
        ? Parse(Directory.EnumerateFiles(folder, "*.ledger").Order(StringComparer.Ordinal).Select(f => (f, File.ReadAllText(f))))
        : Empty;

    /// <summary>The entry that lists a difference, or null.</summary>
    public LedgerEntry? Find(Divergence divergence) => Entries.FirstOrDefault(e => e.Lists(divergence));

    /// <summary>The entries about what was compared, with whether they listed something.</summary>
    public IReadOnlyList<(LedgerEntry Entry, bool Seen)> Uses(IReadOnlyCollection<ScenarioComparison> comparisons) =>
        [.. Entries.Where(e => comparisons.Any(c => c.Verdict != Verdict.Skipped && e.IsFor(c.Kernel) && ScenarioStore.Matches(c.Scenario, e.Scenario)))
            .Select(e => (e, comparisons.Any(c => c.Divergences.Any(d => d.Listed == e))))];

    /// <summary>The entries that should have listed something in these comparisons and did not: their difference has vanished.</summary>
    public IReadOnlyList<LedgerEntry> Vanished(IReadOnlyCollection<ScenarioComparison> comparisons) => [.. Uses(comparisons).Where(use => !use.Seen).Select(use => use.Entry)];
}
