using System.Globalization;
using DriverLab.Conformance.Reports;
using Spectre.Console;

namespace DriverLab.Cli.Output;

/// <summary>A run for the terminal: the differences, then the table suite × kernel, then the verdict.</summary>
internal static class SummaryTable
{
    private const int MostShown = 25;
    private const int MostAcross = 3;

    public static void Write(ReportModel model, TextWriter output)
    {
        bool plain = Console.IsOutputRedirected || !ReferenceEquals(output, Console.Out) || Environment.GetEnvironmentVariable("NO_COLOR") is { Length: > 0 };
        var console = AnsiConsole.Create(new()
        {
            Out = new AnsiConsoleOutput(output),
            Ansi = plain ? AnsiSupport.No : AnsiSupport.Detect,
            Interactive = InteractionSupport.No,
        });
        if (plain)
            console.Profile.Width = 160;
        Cases(console, model, CaseVerdict.Different);
        Cases(console, model, CaseVerdict.Gap);
        Skips(console, model);
        Table(console, model);
        string colour = model.Count(CaseVerdict.Different) > 0 ? "red" : model.Count(CaseVerdict.Gap) > 0 ? "yellow" : "green";
        console.MarkupLine($"[{colour}]{Markup.Escape(model.Sentence)}[/] {model.Seconds.ToString("0.0", CultureInfo.InvariantCulture)} s");
    }

    private static void Cases(IAnsiConsole console, ReportModel model, CaseVerdict verdict)
    {
        var cases = model.Cases.Where(c => c.Verdict == verdict).ToArray();
        foreach (var c in cases.Take(MostShown))
        {
            string colour = verdict == CaseVerdict.Different ? "red" : "yellow";
            console.MarkupLine($"[{colour}]{(verdict == CaseVerdict.Different ? "different" : "gap")}[/] {Markup.Escape(c.Scenario)} on {Markup.Escape(c.Kernel)}{Markup.Escape(c.Reason is { } reason ? ": " + reason : "")}");
            if (c.Difference is { } d)
            {
                Line(console, $"step {d.Step}, line {d.Line}, {d.Layer}: {d.Call}");
                Line(console, $"  kernel   {d.Real}");
                Line(console, $"  emulator {d.Emulated}");
            }
            Line(console, c.Reproduce);
        }
        if (cases.Length > MostShown)
            console.WriteLine($"… and {cases.Length - MostShown} more; --html FILE shows all");
    }

    private static void Line(IAnsiConsole console, string text) => console.WriteLine("    " + text);

    private static void Skips(IAnsiConsole console, ReportModel model)
    {
        foreach (var group in model.Cases.Where(c => c.Verdict == CaseVerdict.Skipped && !model.Missing.Any(m => m.Kernel == c.Kernel)).GroupBy(c => (c.Kernel, c.Reason)))
            console.MarkupLine($"[yellow]skipped[/] {group.Count()} on {Markup.Escape(group.Key.Kernel)}: {Markup.Escape(group.Key.Reason ?? "")} ({Markup.Escape(string.Join(", ", group.Take(3).Select(c => c.Scenario)))}{(group.Count() > 3 ? ", …" : "")})");
    }

    private static void Table(IAnsiConsole console, ReportModel model)
    {
        // Many kernels go down the page, few across it.
        bool down = model.Kernels.Count > MostAcross;
        var table = new Table().Border(TableBorder.Simple).AddColumn(down ? "same / different / gap / skipped" : "suite");
        foreach (var column in down ? model.Suites : model.Kernels)
            _ = table.AddColumn(down ? Markup.Escape(column) : $"{Markup.Escape(column)} same / different / gap / skipped");
        foreach (var row in down ? model.Kernels : model.Suites)
            _ = table.AddRow([Markup.Escape(row), .. down ? model.Suites.Select(suite => Cell(model, suite, row)) : model.Kernels.Select(kernel => Cell(model, row, kernel))]);
        console.Write(table);
        foreach (var (kernel, reason) in model.Missing)
            console.MarkupLine($"[red]MISSING[/] kernel {Markup.Escape(kernel)}: {Markup.Escape(reason)}");
    }

    private static string Cell(ReportModel model, string suite, string kernel)
    {
        int same = model.Count(suite, kernel, CaseVerdict.Same), different = model.Count(suite, kernel, CaseVerdict.Different);
        int gap = model.Count(suite, kernel, CaseVerdict.Gap), skipped = model.Count(suite, kernel, CaseVerdict.Skipped);
        string colour = different > 0 ? "red" : gap > 0 || skipped > 0 ? "yellow" : "green";
        return $"[{colour}]{same} / {different} / {gap} / {skipped}[/]";
    }
}
