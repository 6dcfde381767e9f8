using System.CommandLine;
using DriverLab.Cli.Output;
using DriverLab.Conformance.Reports;

namespace DriverLab.Cli.Commands;

/// <summary><c>driverlab report merge|table</c>: the reports of shards as one, and the table of kernels.</summary>
internal static class ReportCommand
{
    public static Command Create(TextWriter output, TextWriter error) => new("report", "Reports of runs.") { Merge(output, error), Table(output) };

    private static Command Merge(TextWriter output, TextWriter error)
    {
        var files = new Argument<string[]>("file") { Description = "What 'conform --json' printed, one file a shard.", Arity = ArgumentArity.OneOrMore };
        var to = new ReportOptions();
        var command = new Command("merge", "Join the reports of all shards of a run ('conform --shard i/n --json'), and of several kernels. A missing shard is an error.\n" + ExitCode.Help) { files };
        to.AddTo(command);
        command.SetAction(parsed =>
        {
            var model = ReportMerge.Merge([.. parsed.GetValue(files)!.Select(file => (file, JsonReport.Read(file)))]);
            to.Of(parsed).Write(model, output, error);
            return ReportFiles.Code(model);
        });
        return command;
    }

    private static Command Table(TextWriter output)
    {
        var report = new Argument<string>("report") { Description = "What 'conform --json' or 'report merge --json' printed." };
        var bench = new Option<string?>("--bench") { Description = "What 'rig bench --json' printed, for the columns about machines." };
        var into = new Option<string?>("--into") { Description = "Put the table between its marks in this Markdown file instead of printing it." };
        var command = new Command("table", "The table of kernels as Markdown, a row a kernel.") { report, bench, into };
        command.SetAction(parsed =>
        {
            string table = MatrixTable.Render(JsonReport.Read(parsed.GetValue(report)!), MatrixTable.Machines(parsed.GetValue(bench)));
            if (parsed.GetValue(into) is { } file)
                MatrixTable.Into(file, table);
            else
                output.Write(table);
        });
        return command;
    }
}
