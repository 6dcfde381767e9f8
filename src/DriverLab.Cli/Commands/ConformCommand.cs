using System.CommandLine;
using DriverLab.Conformance.Reports;
using DriverLab.Cli.Output;

namespace DriverLab.Cli.Commands;

/// <summary><c>driverlab conform</c>: scenarios on the emulator and on real kernels, compared.</summary>
internal static class ConformCommand
{
    public static Command Create(TextWriter output, TextWriter error)
    {
        var suites = new Option<string[]>("--suite") { Description = "Only this suite; may be repeated.", DefaultValueFactory = _ => [] };
        var kernels = new Option<string[]>("--kernel") { Description = "A kernel line such as 6.1 or 6.12, 'host' (root only) or 'emulated'; may be repeated. 6.1 when left out.", DefaultValueFactory = _ => [] };
        var image = new Option<string?>("--kernel-image") { Description = "A bzImage of your own." };
        var modules = new Option<string?>("--modules") { Description = "Its modules: the folder that holds 'kernel'." };
        var config = new Option<string?>("--config") { Description = "Its configuration file." };
        var scenarios = new Option<string[]>("--scenario") { Description = "Only scenarios of this name, or pattern such as 'vfs/rename/*'; or one file; may be repeated.", DefaultValueFactory = _ => [] };
        var json = new Option<bool>("--json") { Description = "One JSON object a line on stdout; the last one is the summary." };
        var junit = new Option<string?>("--junit") { Description = "Write JUnit XML to this file." };
        var html = new Option<string?>("--html") { Description = "Write a self-contained page to this file." };
        var data = new Option<string?>("--data") { Description = "The folder with Scenarios, Ledger and Golden." };
        var noInstall = new Option<bool>("--no-install") { Description = "Install nothing. This command never does ('./build.sh conform' may); it says what is missing and ends with 3." };
        var command = new Command("conform", "Run scenarios on the emulator and on real kernels, and compare.\n" + ExitCode.Help)
        {
            suites, kernels, image, modules, config, scenarios, json, junit, html, data, noInstall,
        };
        command.SetAction((parsed, cancellation) => RunAsync(new()
        {
            Suites = parsed.GetValue(suites)!,
            Kernels = parsed.GetValue(kernels)!,
            KernelImage = parsed.GetValue(image),
            Modules = parsed.GetValue(modules),
            Config = parsed.GetValue(config),
            Scenarios = parsed.GetValue(scenarios)!,
            Json = parsed.GetValue(json),
            JUnit = parsed.GetValue(junit),
            Html = parsed.GetValue(html),
            Data = parsed.GetValue(data),
        }, output, error, cancellation));
        return command;
    }

    private static async Task<int> RunAsync(ConformOptions options, TextWriter output, TextWriter error, CancellationToken cancellation)
    {
        var progress = new Progress(error);
        var model = await new ConformRun(options, progress).RunAsync(cancellation);
        progress.Close();
        Write(options, model, output, error);
        return Code(model);
    }

    private static void Write(ConformOptions options, ReportModel model, TextWriter output, TextWriter error)
    {
        if (options.Html is { } html)
            File.WriteAllText(html, HtmlReport.Render(model));
        if (options.JUnit is { } junit)
        {
            using var file = File.Create(junit);
            JUnitReport.Write(model, file);
        }
        if (options.Json)
            JsonLines.Write(model, output);
        else
            SummaryTable.Write(model, output);
        foreach (var report in (string?[])[options.Html, options.JUnit])
        {
            if (report is not null)
                error.WriteLine($"report: {Path.GetFullPath(report)}");
        }
    }

    /// <summary>Different before gap; a run in which nothing could be compared is no success.</summary>
    internal static int Code(ReportModel model) =>
        model.Count(CaseVerdict.Different) > 0 ? ExitCode.Different
        : model.Count(CaseVerdict.Gap) > 0 ? ExitCode.GapOnly
        : model.Count(CaseVerdict.Same) == 0 ? ExitCode.EnvironmentMissing
        : ExitCode.Same;
}

/// <summary>What the user asked for.</summary>
internal sealed record ConformOptions
{
    public IReadOnlyList<string> Suites { get; init; } = [];
    public IReadOnlyList<string> Kernels { get; init; } = [];
    public string? KernelImage { get; init; }
    public string? Modules { get; init; }
    public string? Config { get; init; }
    public IReadOnlyList<string> Scenarios { get; init; } = [];
    public bool Json { get; init; }
    public string? JUnit { get; init; }
    public string? Html { get; init; }
    public string? Data { get; init; }
}
