using System.CommandLine;
using DriverLab.Cli.Output;

namespace DriverLab.Cli.Commands;

/// <summary>The options that say where a report goes, the same for every command that has one.</summary>
internal sealed class ReportOptions
{
    private readonly Option<bool> _json = new("--json") { Description = "One JSON object a line on stdout; the last one is the summary." };
    private readonly Option<string?> _junit = new("--junit") { Description = "Write JUnit XML to this file." };
    private readonly Option<string?> _html = new("--html") { Description = "Write a self-contained page to this file." };
    private readonly Option<string?> _markdown = new("--markdown") { Description = "Add a summary in GitHub-flavoured Markdown to this file, such as $GITHUB_STEP_SUMMARY." };
    private readonly Option<string?> _history = new("--history") { Description = "Add this run to this file as one line of JSON; the page then shows how runs went over time." };

    /// <summary>Gives a command the options.</summary>
    public void AddTo(Command command)
    {
        foreach (var option in (Option[])[_json, _junit, _html, _markdown, _history])
            command.Add(option);
    }

    /// <summary>What the user asked for.</summary>
    public ReportFiles Of(ParseResult parsed) => new(parsed.GetValue(_json), parsed.GetValue(_junit), parsed.GetValue(_html), parsed.GetValue(_markdown), parsed.GetValue(_history));
}
