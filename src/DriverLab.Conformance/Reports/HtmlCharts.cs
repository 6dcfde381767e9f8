using System.Globalization;
using System.Text;
using static DriverLab.Conformance.Reports.HtmlReport;

namespace DriverLab.Conformance.Reports;

/// <summary>The page's pictures: agreement by suite and kernel, steps by call, errors by call.</summary>
internal static class HtmlCharts
{
    /// <summary>Suite × kernel: the more agrees, the greener; a difference is red, the more the redder, whatever agrees beside it.</summary>
    public static void AppendHeatMap(StringBuilder page, ReportModel model)
    {
        _ = page.Append("<table class=\"matrix heat\"><thead><tr><th>suite</th>");
        foreach (string kernel in model.Kernels)
            _ = page.Append("<th>").Append(E(kernel)).Append("</th>");
        _ = page.Append("</tr></thead><tbody>\n");
        foreach (string suite in model.Suites)
        {
            _ = page.Append("<tr><th>").Append(E(suite)).Append("</th>");
            foreach (string kernel in model.Kernels)
                AppendCell(page, model, suite, kernel);
            _ = page.Append("</tr>\n");
        }
        _ = page.Append("</tbody></table>\n");
    }

    /// <summary>How many steps each call made on real kernels, and in how many the emulator did not do the same.</summary>
    public static void AppendCalls(StringBuilder page, ReportModel model)
    {
        var calls = model.Coverage.GroupBy(static c => c.Call, StringComparer.Ordinal).Select(static g => (Call: g.Key, Seen: g.Sum(static c => c.Seen), Matched: g.Sum(static c => c.Matched)))
            .OrderByDescending(static c => c.Seen).ThenBy(static c => c.Call, StringComparer.Ordinal).ToList();
        if (calls.Count == 0)
            return;
        int all = calls.Sum(static c => c.Seen), matched = calls.Sum(static c => c.Matched);
        _ = page.Append("<h2>Calls</h2>\n<p>").Append(all).Append(" steps of ").Append(calls.Count).Append(" calls on real kernels; in ").Append(matched)
            .Append(" the emulator did the same.</p>\n<details").Append(calls.Count > 40 ? "" : " open").Append("><summary>all calls</summary><table class=\"bars\" id=\"calls\"><tbody>\n");
        foreach (var (call, seen, same) in calls)
        {
            _ = page.Append("<tr><td><code>").Append(E(call)).Append("</code></td><td>").Append(seen).Append("</td><td>");
            AppendBar(page, "", same, calls[0].Seen, "the same");
            AppendBar(page, "bad", seen - same, calls[0].Seen, "not the same");
            _ = page.Append("</td></tr>\n");
        }
        _ = page.Append("</tbody></table></details>\n");
    }

    /// <summary>Which call gave which error on real kernels, how often; red where the emulator did not give the same each time.</summary>
    public static void AppendErrnos(StringBuilder page, ReportModel model)
    {
        var pairs = model.Coverage.Where(static c => c.Outcome != "ok").ToList();
        if (pairs.Count == 0)
            return;
        var errors = pairs.CountBy(static c => c.Outcome).OrderByDescending(static c => c.Value).ThenBy(static c => c.Key, StringComparer.Ordinal).Select(static c => c.Key).ToList();
        _ = page.Append("<h2>Errors</h2>\n<p>").Append(pairs.Count).Append(" pairs of call and error on real kernels; ").Append(pairs.Count(static c => c.Seen == c.Matched))
            .Append(" the same on the emulator each time.</p>\n<details><summary>all pairs</summary><div class=\"scroll\"><table class=\"errnos\" id=\"errnos\"><thead><tr><th></th>");
        foreach (string error in errors)
            _ = page.Append("<th>").Append(E(error)).Append("</th>");
        _ = page.Append("</tr></thead><tbody>\n");
        foreach (var call in pairs.GroupBy(static c => c.Call, StringComparer.Ordinal))
        {
            var byError = call.ToDictionary(static c => c.Outcome);
            _ = page.Append("<tr><th>").Append(E(call.Key)).Append("</th>");
            foreach (string error in errors)
            {
                _ = byError.TryGetValue(error, out var cell)
                    ? page.Append("<td class=\"").Append(cell.Seen == cell.Matched ? "good" : "bad").Append("\" title=\"").Append(E($"{cell.Call} {cell.Outcome}: {cell.Seen}, the same in {cell.Matched}")).Append("\">").Append(cell.Seen).Append("</td>")
                    : page.Append("<td></td>");
            }
            _ = page.Append("</tr>\n");
        }
        _ = page.Append("</tbody></table></div></details>\n");
    }

    private static void AppendCell(StringBuilder page, ReportModel model, string suite, string kernel)
    {
        int same = model.Count(suite, kernel, CaseVerdict.Same), different = model.Count(suite, kernel, CaseVerdict.Different);
        int gap = model.Count(suite, kernel, CaseVerdict.Gap), skipped = model.Count(suite, kernel, CaseVerdict.Skipped);
        string kind = different > 0 ? "bad" : gap > 0 ? "gap" : same > 0 ? "good" : "none";
        int part = kind switch { "bad" => different, "gap" => gap, _ => same };
        _ = page.Append("<td class=\"").Append(kind).Append("\" style=\"--share:").Append(Share(part, Math.Max(1, same + different + gap))).Append("\"><b>").Append(same).Append("</b> same");
        foreach (var (count, word) in new[] { (different, "different"), (gap, "gap"), (skipped, "skipped") })
        {
            if (count > 0)
                _ = page.Append("<br><b>").Append(count).Append("</b> ").Append(word);
        }
        _ = page.Append("</td>");
    }

    private static void AppendBar(StringBuilder page, string kind, int count, int most, string what)
    {
        if (count > 0)
            _ = page.Append("<span class=\"").Append(kind).Append("\" style=\"width:").Append(Share(100 * count, most)).Append("%\" title=\"").Append(count).Append(' ').Append(what).Append("\"></span>");
    }

    private static string Share(int part, int whole) => ((double)part / whole).ToString("0.###", CultureInfo.InvariantCulture);
}
