using System.CommandLine;
using DriverLab.Cli.Output;
using DriverLab.Conformance.Reports;

namespace DriverLab.Cli.Commands;

/// <summary><c>driverlab report merge</c>: the reports of shards as one.</summary>
internal static class ReportCommand
{
    public static Command Create(TextWriter output, TextWriter error) => new("report", "Reports of runs.") { Merge(output, error) };

    private static Command Merge(TextWriter output, TextWriter error)
    {
        var files = new Argument<string[]>("file") { Description = "What 'conform --json' printed, one file a shard.", Arity = ArgumentArity.OneOrMore };
        var json = new Option<bool>("--json") { Description = "One JSON object a line on stdout; the last one is the summary." };
        var junit = new Option<string?>("--junit") { Description = "Write JUnit XML to this file." };
        var html = new Option<string?>("--html") { Description = "Write a self-contained page to this file." };
        var command = new Command("merge", "Join the reports of all shards of a run ('conform --shard i/n --json'), and of several kernels. A missing shard is an error.\n" + ExitCode.Help) { files, json, junit, html };
        command.SetAction(parsed =>
        {
            var model = ReportMerge.Merge([.. parsed.GetValue(files)!.Select(file => (file, JsonReport.Read(file)))]);
            new ReportFiles(parsed.GetValue(json), parsed.GetValue(junit), parsed.GetValue(html)).Write(model, output, error);
            return ReportFiles.Code(model);
        });
        return command;
    }
}
