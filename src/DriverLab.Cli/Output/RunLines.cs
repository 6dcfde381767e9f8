using System.Text.Json;
using DriverLab.Conformance.Reports;

namespace DriverLab.Cli.Output;

/// <summary>A run as JSON: one object a line, the last one the summary. Names are stable.</summary>
internal static class RunLines
{
    public static void Write(ReportModel model, TextWriter output)
    {
        output.WriteLine(JsonLines.Line(w =>
        {
            w.WriteStartObject("facts");
            foreach (var (name, value) in model.Facts)
                w.WriteString(name, value);
            w.WriteEndObject();
            w.WriteString("shard", model.Shard);
        }));
        foreach (var (kernel, reason) in model.Missing)
        {
            output.WriteLine(JsonLines.Object("missing", w =>
            {
                w.WriteString("kernel", kernel);
                w.WriteString("reason", reason);
            }));
        }
        foreach (var c in model.Cases)
            output.WriteLine(JsonLines.Object("case", w => Case(w, c)));
        foreach (var use in model.Ledger)
        {
            output.WriteLine(JsonLines.Object("ledger", w =>
            {
                w.WriteString("id", use.Id);
                w.WriteString("scenario", use.Scenario);
                w.WriteString("kernels", use.Kernels);
                w.WriteBoolean("seen", use.Seen);
            }));
        }
        foreach (var one in model.Coverage)
        {
            output.WriteLine(JsonLines.Object("coverage", w =>
            {
                w.WriteString("call", one.Call);
                w.WriteString("outcome", one.Outcome);
                w.WriteNumber("seen", one.Seen);
                w.WriteNumber("matched", one.Matched);
            }));
        }
        output.WriteLine(JsonLines.Object("summary", w =>
        {
            w.WriteNumber("same", model.Count(CaseVerdict.Same));
            w.WriteNumber("different", model.Count(CaseVerdict.Different));
            w.WriteNumber("gap", model.Count(CaseVerdict.Gap));
            w.WriteNumber("skipped", model.Count(CaseVerdict.Skipped));
            w.WriteNumber("seconds", Math.Round(model.Seconds, 3));
        }));
    }

    private static void Case(Utf8JsonWriter w, CaseResult c)
    {
        w.WriteString("kernel", c.Kernel);
        w.WriteString("suite", c.Suite);
        w.WriteString("scenario", c.Scenario);
        w.WriteString("verdict", c.Verdict.ToString().ToLowerInvariant());
        if (c.Reason is not null)
            w.WriteString("reason", c.Reason);
        if (c.Difference is { } d)
        {
            w.WriteNumber("step", d.Step);
            w.WriteNumber("line", d.Line);
            w.WriteString("call", d.Call);
            w.WriteString("real", d.Real);
            w.WriteString("emulated", d.Emulated);
            w.WriteString("layer", d.Layer);
            w.WriteString("explanation", d.Explanation);
            if (d.LedgerId is not null)
                w.WriteString("ledger", d.LedgerId);
        }
        w.WriteNumber("steps", c.Steps);
        w.WriteNumber("seconds", Math.Round(c.Seconds, 3));
        w.WriteNumber("kernelSeconds", Math.Round(c.KernelSeconds, 3));
        w.WriteString("reproduce", c.Reproduce);
        if (c.Trace.Count > 0)
            Trace(w, c);
    }

    /// <summary>What a page about the case shows: the scenario's text and both sides of each step.</summary>
    private static void Trace(Utf8JsonWriter w, CaseResult c)
    {
        w.WriteString("source", c.Source);
        w.WriteStartArray("trace");
        foreach (var row in c.Trace)
        {
            w.WriteStartObject();
            w.WriteNumber("step", row.Step);
            w.WriteString("actor", row.Actor);
            w.WriteString("call", row.Call);
            w.WriteString("real", row.Real);
            w.WriteString("emulated", row.Emulated);
            w.WriteBoolean("differs", row.Differs);
            w.WriteEndObject();
        }
        w.WriteEndArray();
    }
}
