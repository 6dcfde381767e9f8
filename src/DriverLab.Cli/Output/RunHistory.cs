using System.Globalization;
using System.Text.Json;
using DriverLab.Conformance.Comparison;
using DriverLab.Conformance.Reports;

namespace DriverLab.Cli.Output;

/// <summary>One run of the past.</summary>
/// <param name="When">Its end.</param>
/// <param name="Version">The command's version.</param>
/// <param name="Same">Scenarios that agreed, over all kernels.</param>
/// <param name="Different">Those that did not.</param>
/// <param name="Gap">Those that the emulator does not model.</param>
/// <param name="Skipped">Those that were not run.</param>
/// <param name="Seconds">Wall time.</param>
internal sealed record RunPoint(DateTimeOffset When, string Version, int Same, int Different, int Gap, int Skipped, double Seconds);

/// <summary>A file with a line of JSON for each run.</summary>
internal static class RunHistory
{
    /// <summary>Adds a run, and gives all, oldest first.</summary>
    /// <exception cref="DataException">A line is no run; nothing is added.</exception>
    public static IReadOnlyList<RunPoint> Add(string file, ReportModel model, DateTimeOffset now)
    {
        var runs = new List<RunPoint>();
        string[] lines = File.Exists(file) ? File.ReadAllLines(file) : [];
        for (int i = 0; i < lines.Length; i++)
        {
            if (lines[i].Length > 0)
                runs.Add(Parse(file, i + 1, lines[i]));
        }
        var run = new RunPoint(now, ConformRun.Version(), model.Count(CaseVerdict.Same), model.Count(CaseVerdict.Different), model.Count(CaseVerdict.Gap), model.Count(CaseVerdict.Skipped), Math.Round(model.Seconds, 1));
        File.AppendAllText(file, JsonLines.Line(w =>
        {
            w.WriteString("when", run.When.ToString("yyyy-MM-ddTHH:mm:ssZ", CultureInfo.InvariantCulture));
            w.WriteString("version", run.Version);
            w.WriteNumber("same", run.Same);
            w.WriteNumber("different", run.Different);
            w.WriteNumber("gap", run.Gap);
            w.WriteNumber("skipped", run.Skipped);
            w.WriteNumber("seconds", run.Seconds);
        }) + "\n");
        return [.. runs, run];
    }

    private static RunPoint Parse(string file, int number, string line)
    {
        try
        {
            using var document = JsonDocument.Parse(line);
            var e = document.RootElement;
            return new(DateTimeOffset.Parse(e.GetProperty("when").GetString()!, CultureInfo.InvariantCulture), e.GetProperty("version").GetString()!, e.GetProperty("same").GetInt32(),
                e.GetProperty("different").GetInt32(), e.GetProperty("gap").GetInt32(), e.GetProperty("skipped").GetInt32(), e.GetProperty("seconds").GetDouble());
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or FormatException or ArgumentException)
        {
            throw new DataException(file, number, $"this is no run ({e.Message}); expected what --history wrote");
        }
    }
}
