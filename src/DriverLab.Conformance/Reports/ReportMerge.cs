using DriverLab.Conformance.Comparison;

namespace DriverLab.Conformance.Reports;

/// <summary>Joins the reports of shards, or of kernels that were run apart, into one. The order of the reports does not matter.</summary>
public static class ReportMerge
{
    /// <summary>The whole run.</summary>
    /// <param name="reports">Its parts, with the name of each for complaints.</param>
    /// <exception cref="DataException">A shard is missing.</exception>
    public static ReportModel Merge(IReadOnlyList<(string Name, ReportModel Report)> reports)
    {
        CheckShards(reports);
        var ledger = reports.SelectMany(r => r.Report.Ledger).GroupBy(use => use.Id, StringComparer.Ordinal).Select(g => g.First() with { Seen = g.Any(use => use.Seen) }).OrderBy(use => use.Id, StringComparer.Ordinal).ToList();
        // What an entry of the ledger makes is known only when all parts are there.
        var vanished = ledger.Where(use => !use.Seen).Select(ReportBuilder.Vanished).ToList();
        var cases = reports.SelectMany(r => r.Report.Cases).Where(c => !vanished.Any(v => v.Scenario == c.Scenario && v.Kernel == c.Kernel && v.Reason == c.Reason))
            .GroupBy(c => (c.Kernel, c.Scenario)).Select(One);
        return new(Facts(reports), [.. cases.Concat(vanished).OrderBy(c => c.Kernel, VersionOrder.Comparer).ThenBy(c => c.Scenario, StringComparer.Ordinal)], reports.Max(r => r.Report.Seconds))
        {
            Ledger = ledger,
            Coverage = [.. reports.SelectMany(r => r.Report.Coverage).GroupBy(c => (c.Call, c.Outcome)).Select(g => new CallCoverage(g.Key.Call, g.Key.Outcome, g.Sum(c => c.Seen), g.Sum(c => c.Matched)))
                .OrderBy(c => c.Call, StringComparer.Ordinal).ThenBy(c => c.Outcome, StringComparer.Ordinal)],
            Missing = [.. reports.SelectMany(r => r.Report.Missing).Distinct().OrderBy(m => m.Kernel, VersionOrder.Comparer)],
        };
    }

    /// <summary>One case of several: the worst, and a reason when they disagree.</summary>
    private static CaseResult One(IEnumerable<CaseResult> same)
    {
        var all = same.OrderByDescending(c => Badness(c.Verdict)).ThenBy(c => c.Reason, StringComparer.Ordinal).ToList();
        return all.Exists(c => c.Verdict != all[0].Verdict)
            ? all[0] with { Reason = $"runs disagree: {string.Join(", ", all.Select(c => c.Verdict.ToString().ToLowerInvariant()))}{(all[0].Reason is { } reason ? "; " + reason : "")}" }
            : all[0];
    }

    private static int Badness(CaseVerdict verdict) => verdict switch
    {
        CaseVerdict.Different => 3,
        CaseVerdict.Gap => 2,
        CaseVerdict.Same => 1,
        CaseVerdict.Skipped => 0,
    };

    private static List<(string, string)> Facts(IReadOnlyList<(string Name, ReportModel Report)> reports) =>
        [.. reports.SelectMany(r => r.Report.Facts).GroupBy(f => f.Name, StringComparer.Ordinal).OrderBy(g => g.Key, StringComparer.Ordinal)
            .Select(g => (g.Key, string.Join(" | ", g.Select(f => f.Value).Distinct().Order(StringComparer.Ordinal))))];

    /// <summary>Reports of shards must be all shards of one count; the same shard may come more than once, for several kernels.</summary>
    private static void CheckShards(IReadOnlyList<(string Name, ReportModel Report)> reports)
    {
        string name = reports.Count > 0 ? reports[0].Name : "";
        var parts = reports.Select(r => Scenarios.Shard.Parse(r.Report.Shard) ?? throw new DataException(r.Name, 1, $"'{r.Report.Shard}' is no shard; expected for example 2/4")).ToList();
        foreach (var group in parts.GroupBy(p => p.Count))
        {
            var missing = Enumerable.Range(1, group.Key).Except(group.Select(p => p.Index)).ToList();
            if (missing.Count > 0)
                throw new DataException(name, 1, $"shard {string.Join(", ", missing.Select(i => $"{i}/{group.Key}"))} is missing among these reports; a merged report without it would count what was not run as nothing");
        }
        if (parts.Select(p => p.Count).Distinct().Count() > 1)
            throw new DataException(name, 1, $"the reports are of different numbers of shards ({string.Join(", ", parts.Select(p => p.ToString()).Distinct())}); merge those of one run");
    }
}

/// <summary>Orders kernel lines as numbers (6.2 before 6.12), other names after them.</summary>
internal sealed class VersionOrder : IComparer<string>
{
    public static VersionOrder Comparer { get; } = new();

    public int Compare(string? x, string? y) => (Linux.KernelVersion.TryParse(x, out var a), Linux.KernelVersion.TryParse(y, out var b)) switch
    {
        (true, true) when a != b => a.CompareTo(b),
        (true, false) => -1,
        (false, true) => 1,
        _ => string.CompareOrdinal(x, y),
    };
}
