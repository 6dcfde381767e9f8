using System.CommandLine;
using System.Globalization;
using DriverLab.Cli.Output;
using DriverLab.Cli.Targets;
using DriverLab.Conformance.Coverage;
using DriverLab.Conformance.Golden;
using DriverLab.Conformance.Running;

namespace DriverLab.Cli.Commands;

/// <summary><c>driverlab coverage</c>: the errors that real kernels were seen to give, and the documented ones that nobody has seen.</summary>
internal static class CoverageCommand
{
    public static Command Create(TextWriter output, TextWriter error)
    {
        var data = new Option<string?>("--data") { Description = "The folder with Scenarios, Ledger and Golden." };
        var suites = new Option<string[]>("--suite") { Description = "Only this suite; may be repeated.", DefaultValueFactory = _ => [] };
        var json = new Option<bool>("--json") { Description = "One JSON object a line on stdout; the last one is the summary." };
        var command = new Command("coverage", "Which (call, errno) pairs were recorded from real kernels and matched by the emulator; which documented ones never.") { suites, json, data };
        command.SetAction(parsed =>
        {
            var folder = DataFolder.Find(parsed.GetValue(data));
            var store = new GoldenStore(folder.Golden);
            var scenarios = folder.Load(parsed.GetValue(suites)!, []);
            var byName = scenarios.ToDictionary(static s => s.Name);
            var coverage = new ErrnoCoverage();
            foreach (var comparison in store.Verify(store.Lines, scenarios, folder.Comparer(), line => new EmulatedTarget(store.Profile(line)).Run).Where(static c => c.Real.Status == RunStatus.Done))
                coverage.Add(byName[comparison.Scenario], comparison);
            var missing = coverage.NeverSeen(Interface());
            if (parsed.GetValue(json))
                WriteJson(coverage, missing, output);
            else
                WriteText(coverage, missing, output);
            error.WriteLine($"recorded kernels: {string.Join(", ", store.Lines)}");
        });
        return command;
    }

    /// <summary>The documented interface, as it was when this command was built.</summary>
    private static string Interface()
    {
        using var stream = typeof(CoverageCommand).Assembly.GetManifestResourceStream("IKernel.cs") ?? throw new InvalidOperationException("the interface's text is not in this command");
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }

    private static void WriteText(ErrnoCoverage coverage, IReadOnlyList<(string Call, string Errno)> missing, TextWriter output)
    {
        foreach (var (call, outcomes) in coverage.Calls)
            output.WriteLine($"{call,-20} {string.Join(' ', outcomes.Select(static o => o.Value.Seen == o.Value.Matched ? o.Key : string.Create(CultureInfo.InvariantCulture, $"{o.Key}({o.Value.Matched}/{o.Value.Seen})")))}");
        output.WriteLine();
        output.WriteLine("documented, never seen on a real kernel:");
        foreach (var group in missing.GroupBy(static m => m.Call))
            output.WriteLine($"  {group.Key,-32} {string.Join(' ', group.Select(static m => m.Errno))}");
        output.WriteLine($"{coverage.Seen} pairs of call and errno seen on real kernels, {coverage.Matched} matched always; {missing.Count} documented pairs never seen");
    }

    private static void WriteJson(ErrnoCoverage coverage, IReadOnlyList<(string Call, string Errno)> missing, TextWriter output)
    {
        foreach (var (call, outcomes) in coverage.Calls)
        {
            foreach (var (outcome, (seen, matched)) in outcomes)
                output.WriteLine(JsonLines.Object("pair", w =>
                {
                    w.WriteString("call", call);
                    w.WriteString("outcome", outcome);
                    w.WriteNumber("seen", seen);
                    w.WriteNumber("matched", matched);
                }));
        }
        foreach (var (call, errno) in missing)
            output.WriteLine(JsonLines.Object("never_seen", w =>
            {
                w.WriteString("call", call);
                w.WriteString("errno", errno);
            }));
        output.WriteLine(JsonLines.Object("summary", w =>
        {
            w.WriteNumber("pairs", coverage.Seen);
            w.WriteNumber("matched", coverage.Matched);
            w.WriteNumber("never_seen", missing.Count);
        }));
    }
}
