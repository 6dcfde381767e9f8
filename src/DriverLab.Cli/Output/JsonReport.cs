using System.Text.Json;
using DriverLab.Conformance.Comparison;
using DriverLab.Conformance.Reports;

namespace DriverLab.Cli.Output;

/// <summary>Reads what <see cref="JsonLines"/> wrote.</summary>
internal static class JsonReport
{
    /// <summary>The report in a file.</summary>
    /// <exception cref="UsageException">The file cannot be read.</exception>
    /// <exception cref="DataException">It is no whole report; file and line are named.</exception>
    public static ReportModel Read(string file)
    {
        string[] lines;
        try
        {
            lines = File.ReadAllLines(file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UsageException($"report {file} cannot be read: {e.Message}");
        }
        var report = new Parts();
        for (int i = 0; i < lines.Length; i++)
        {
            if (lines[i].Length == 0)
                continue;
            try
            {
                using var line = JsonDocument.Parse(lines[i]);
                report.Add(line.RootElement);
            }
            catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or ArgumentException)
            {
                throw new DataException(file, i + 1, $"this is no line of a report ({e.Message}); expected what 'driverlab conform --json' prints");
            }
        }
        return report.Model ?? throw new DataException(file, Math.Max(1, lines.Length), "the report has no summary: the run that wrote it did not end");
    }

    private sealed class Parts
    {
        private readonly List<(string, string)> _facts = [];
        private readonly List<(string, string)> _missing = [];
        private readonly List<CaseResult> _cases = [];
        private readonly List<LedgerUse> _ledger = [];
        private readonly List<CallCoverage> _coverage = [];
        private string _shard = "1/1";

        public ReportModel? Model { get; private set; }

        public void Add(JsonElement line)
        {
            if (line.TryGetProperty("facts", out var facts))
            {
                _facts.AddRange(facts.EnumerateObject().Select(f => (f.Name, f.Value.GetString()!)));
                _shard = Text(line, "shard");
            }
            else if (line.TryGetProperty("missing", out var missing))
                _missing.Add((Text(missing, "kernel"), Text(missing, "reason")));
            else if (line.TryGetProperty("case", out var one))
                _cases.Add(Case(one));
            else if (line.TryGetProperty("ledger", out var use))
                _ledger.Add(new(Text(use, "id"), Text(use, "scenario"), Text(use, "kernels"), use.GetProperty("seen").GetBoolean()));
            else if (line.TryGetProperty("coverage", out var covered))
                _coverage.Add(new(Text(covered, "call"), Text(covered, "outcome"), covered.GetProperty("seen").GetInt32(), covered.GetProperty("matched").GetInt32()));
            else
                Model = new(_facts, _cases, line.GetProperty("summary").GetProperty("seconds").GetDouble()) { Shard = _shard, Ledger = _ledger, Coverage = _coverage, Missing = _missing };
        }

        private static CaseResult Case(JsonElement e) => new()
        {
            Kernel = Text(e, "kernel"),
            Suite = Text(e, "suite"),
            Scenario = Text(e, "scenario"),
            Verdict = Enum.Parse<CaseVerdict>(Text(e, "verdict"), ignoreCase: true),
            Reason = Optional(e, "reason"),
            Steps = e.GetProperty("steps").GetInt32(),
            Seconds = e.GetProperty("seconds").GetDouble(),
            KernelSeconds = e.GetProperty("kernelSeconds").GetDouble(),
            Reproduce = Text(e, "reproduce"),
            Difference = e.TryGetProperty("step", out var step) ? Difference(e, step.GetInt32()) : null,
            Source = Optional(e, "source") ?? "",
            Trace = e.TryGetProperty("trace", out var trace) ? [.. trace.EnumerateArray().Select(Row)] : [],
        };

        private static DifferenceView Difference(JsonElement e, int step) => new()
        {
            Step = step,
            Line = e.GetProperty("line").GetInt32(),
            Call = Text(e, "call"),
            Real = Text(e, "real"),
            Emulated = Text(e, "emulated"),
            Layer = Text(e, "layer"),
            Explanation = Text(e, "explanation"),
            LedgerId = Optional(e, "ledger"),
        };

        private static TraceRow Row(JsonElement e) =>
            new(e.GetProperty("step").GetInt32(), Text(e, "actor"), Text(e, "call"), Text(e, "real"), Text(e, "emulated"), e.GetProperty("differs").GetBoolean());

        private static string Text(JsonElement e, string name) => e.GetProperty(name).GetString()!;

        private static string? Optional(JsonElement e, string name) => e.TryGetProperty(name, out var value) ? value.GetString() : null;
    }
}
