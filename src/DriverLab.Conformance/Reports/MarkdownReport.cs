using System.Text;

namespace DriverLab.Conformance.Reports;

/// <summary>The run as GitHub-flavoured Markdown, for the summary of a job: the verdict, suite × kernel, then each difference with both sides.</summary>
public static class MarkdownReport
{
    /// <summary>Differences that are shown whole; the others are counted.</summary>
    private const int Shown = 20;

    /// <summary>The text.</summary>
    public static string Render(ReportModel model)
    {
        var text = new StringBuilder().Append("## ").Append(model.Count(CaseVerdict.Different) > 0 ? "❌ " : model.Count(CaseVerdict.Same) == 0 || model.Missing.Count > 0 ? "⚠️ " : "✅ ").Append(Cell(model.Sentence)).Append("\n\n");
        foreach (var (name, value) in model.Facts)
            _ = text.Append("- ").Append(Cell(name)).Append(": ").Append(Cell(value)).Append('\n');
        foreach (var (kernel, reason) in model.Missing)
            _ = text.Append("- **").Append(Cell(kernel)).Append(" is missing**: ").Append(Cell(reason)).Append('\n');
        AppendTable(text, model);
        var differences = model.Cases.Where(static c => c.Verdict == CaseVerdict.Different).ToList();
        foreach (var one in differences.Take(Shown))
            AppendDifference(text, one);
        if (differences.Count > Shown)
            _ = text.Append("\n… and ").Append(differences.Count - Shown).Append(" more.\n");
        return text.ToString();
    }

    private static void AppendTable(StringBuilder text, ReportModel model)
    {
        _ = text.Append("\n| suite |");
        foreach (string kernel in model.Kernels)
            _ = text.Append(' ').Append(Cell(kernel)).Append(" |");
        _ = text.Append("\n|---|").Insert(text.Length, "---:|", model.Kernels.Count).Append('\n');
        foreach (string suite in model.Suites)
        {
            _ = text.Append("| ").Append(Cell(suite)).Append(" |");
            foreach (string kernel in model.Kernels)
            {
                string[] parts = [.. new[] { CaseVerdict.Same, CaseVerdict.Different, CaseVerdict.Gap, CaseVerdict.Skipped }.Select(v => (Verdict: v, Count: model.Count(suite, kernel, v)))
                    .Where(static p => p.Count > 0 || p.Verdict == CaseVerdict.Same).Select(static p => $"{p.Count} {p.Verdict.ToString().ToLowerInvariant()}")];
                _ = text.Append(' ').AppendJoin(", ", parts).Append(" |");
            }
            _ = text.Append('\n');
        }
    }

    private static void AppendDifference(StringBuilder text, CaseResult one)
    {
        _ = text.Append("\n<details><summary><code>").Append(HtmlReport.E(one.Scenario)).Append("</code> on ").Append(HtmlReport.E(one.Kernel)).Append("</summary>\n\n")
            .Append(HtmlReport.E(one.Difference?.Explanation ?? one.Reason ?? "")).Append("\n\n");
        if (one.Trace.Count > 0)
        {
            _ = text.Append("| | call | kernel | emulator |\n|---:|---|---|---|\n");
            foreach (var row in one.Trace)
                _ = text.Append("| ").Append(row.Step).Append(" | ").Append(Code(row.Call)).Append(" | ").Append(Code(row.Real)).Append(" | ").Append(row.Differs ? $"**{Code(row.Emulated)}**" : "=").Append(" |\n");
        }
        _ = text.Append("\n`").Append(one.Reproduce).Append("`\n</details>\n");
    }

    /// <summary>Text in a cell: no bar ends it, nothing in it is markup.</summary>
    private static string Cell(string text) => HtmlReport.E(text).Replace("|", "\\|", StringComparison.Ordinal).Replace("*", "\\*", StringComparison.Ordinal).Replace("_", "\\_", StringComparison.Ordinal).Replace("`", "\\`", StringComparison.Ordinal);

    /// <summary>Code in a cell; HTML's element, because a back tick may be in it.</summary>
    private static string Code(string text) => text.Length == 0 ? "" : $"<code>{HtmlReport.E(text.Trim()).Replace("|", "&#124;", StringComparison.Ordinal)}</code>";
}
