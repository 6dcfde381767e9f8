using DriverLab.Conformance.Reports;

namespace DriverLab.Cli.Output;

/// <summary>Puts a report where the user wants it: the terminal or JSON lines on stdout, JUnit, HTML and Markdown in files.</summary>
/// <param name="Json">True for JSON lines on stdout.</param>
/// <param name="JUnit">File for JUnit XML, or null.</param>
/// <param name="Html">File for a page, or null.</param>
/// <param name="Markdown">File that a Markdown summary is added to, or null.</param>
/// <param name="History">File that this run is added to as one line and that the page's trend is made of, or null.</param>
internal sealed record ReportFiles(bool Json, string? JUnit, string? Html, string? Markdown = null, string? History = null)
{
    /// <summary>Writes everything, and tells on the error stream which files there are.</summary>
    public void Write(ReportModel model, TextWriter output, TextWriter error)
    {
        var runs = History is null ? [] : RunHistory.Add(History, model, DateTimeOffset.UtcNow);
        if (Html is not null)
            File.WriteAllText(Html, HtmlReport.Render(model, runs.Count > 1 ? TrendChart.Render(runs) : null));
        if (JUnit is not null)
        {
            using var file = File.Create(JUnit);
            JUnitReport.Write(model, file);
        }
        if (Markdown is not null)
            File.AppendAllText(Markdown, MarkdownReport.Render(model));
        if (Json)
            RunLines.Write(model, output);
        else
            SummaryTable.Write(model, output);
        foreach (var report in (string?[])[Html, JUnit, Markdown, History])
        {
            if (report is not null)
                error.WriteLine($"report: {Path.GetFullPath(report)}");
        }
    }

    /// <summary>Different before missing before gap; a run in which nothing could be compared is no success.</summary>
    public static int Code(ReportModel model) =>
        model.Count(CaseVerdict.Different) > 0 ? ExitCode.Different
        : model.Missing.Count > 0 ? ExitCode.EnvironmentMissing
        : model.Count(CaseVerdict.Gap) > 0 ? ExitCode.GapOnly
        : model.Count(CaseVerdict.Same) == 0 ? ExitCode.EnvironmentMissing
        : ExitCode.Same;
}
