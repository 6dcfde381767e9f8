using DriverLab.Conformance.Running;
using DriverLab.Conformance.Scenarios;

namespace DriverLab.Conformance.Comparison;

/// <summary>Something that is not compared, where, and why: an entry of tests/Ledger/normalisers.txt.</summary>
/// <param name="Id">Its name in reports.</param>
/// <param name="Hides">What can no longer be seen.</param>
/// <param name="Why">Why it must not be compared.</param>
/// <param name="Scenarios">The scenarios it holds for, a pattern.</param>
/// <param name="Calls">The calls it holds for, names between blanks; <c>*</c> for all.</param>
/// <param name="Field">The field (<c>blocks</c> for <c>blocks=8</c>) that is taken out of outcomes; <c>order</c> sorts details; <c>-</c> says that the canonical text never shows it.</param>
public sealed record Normaliser(string Id, string Hides, string Why, string Scenarios, string Calls, string Field)
{
    /// <summary>True when the entry applies to a step.</summary>
    public bool Covers(Scenario scenario, Step step) =>
        Field != "-" && ScenarioStore.Matches(scenario.Name, Scenarios) && (Calls == "*" || Calls.Split(' ').Contains(step.Verb.Name));
}

/// <summary>All normalisers.</summary>
public sealed class NormaliserSet
{
    private NormaliserSet(IReadOnlyList<Normaliser> entries) => Entries = entries;

    /// <summary>Compares everything.</summary>
    public static NormaliserSet None { get; } = new([]);

    /// <summary>The entries, in the order of the file.</summary>
    public IReadOnlyList<Normaliser> Entries { get; }

    /// <summary>Reads the file's text.</summary>
    /// <exception cref="DataException">What is wrong.</exception>
    public static NormaliserSet Parse(string file, string text) => new(
        [.. Entry.ReadAll(file, text, "id", "hides", "why", "scenarios", "calls", "field").Select(e => new Normaliser(e.Need("id"), e.Need("hides"), e.Need("why"), e.Get("scenarios", "*"), e.Get("calls", "*"), e.Need("field")))]);

    /// <summary>The lines of one step as they are compared.</summary>
    internal IReadOnlyList<TraceLine> Apply(Scenario scenario, Step step, IReadOnlyList<TraceLine> lines)
    {
        foreach (var entry in Entries)
        {
            if (entry.Covers(scenario, step))
                lines = Apply(entry, step, lines);
        }
        return lines;
    }

    private static IReadOnlyList<TraceLine> Apply(Normaliser entry, Step step, IReadOnlyList<TraceLine> lines) => entry.Field == "order"
        ? [lines[0], .. lines.Skip(1).OrderBy(l => l.Op, StringComparer.Ordinal).Select((l, i) => l with { Step = $"{step.Number}.{i + 1}" })]
        : [.. lines.Select(l => l with { Outcome = Without(l.Outcome, entry.Field) })];

    private static string Without(string outcome, string field)
    {
        int at = outcome.IndexOf($" {field}=", StringComparison.Ordinal);
        if (at < 0)
            return outcome;
        int end = outcome.IndexOf(' ', at + 1);
        return end < 0 ? outcome[..at] : string.Concat(outcome.AsSpan(0, at), outcome.AsSpan(end));
    }
}
