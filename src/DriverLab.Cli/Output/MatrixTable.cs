using System.Globalization;
using System.Text;
using System.Text.Json;
using DriverLab.Conformance.Comparison;
using DriverLab.Conformance.Reports;

namespace DriverLab.Cli.Output;

/// <summary>The README's table of kernels: what agreed, and how fast a machine is. Made of what <c>conform --json</c> and <c>rig bench --json</c> printed, never typed.</summary>
internal static class MatrixTable
{
    private const string Begin = "<!-- matrix: made by 'driverlab report table', do not edit -->", End = "<!-- /matrix -->";

    /// <summary>The table as Markdown: a row a kernel.</summary>
    public static string Render(ReportModel report, IReadOnlyDictionary<string, JsonElement> machines)
    {
        var text = new StringBuilder("| kernel | same | listed | different | gap | skipped | boot | restore, median / worst of 20 | snapshot / revert | calls/s |\n|---|---|---|---|---|---|---|---|---|---|\n");
        var facts = report.Facts.ToDictionary(f => f.Name, f => f.Value);
        // A vanished entry of the ledger is a case of all its kernels, which is no row.
        foreach (string kernel in report.Kernels.Where(kernel => kernel != "*" && !kernel.Contains(' ', StringComparison.Ordinal)).OrderBy(kernel => Version.TryParse(kernel, out var version) ? version : new()))
        {
            if (report.Missing.FirstOrDefault(m => m.Kernel == kernel) is { Reason: { } reason })
            {
                _ = text.Append(CultureInfo.InvariantCulture, $"| {kernel} | missing: {reason.Split(": ")[0]} | | | | | | | | |\n");
                continue;
            }
            string name = facts.TryGetValue("kernel " + kernel, out string? fact) ? $"{kernel} ({fact.Split(" (")[0]})" : kernel;
            _ = text.Append(CultureInfo.InvariantCulture, $"| {name} | {Count(CaseVerdict.Same) - Listed()} | {Listed()} | {Count(CaseVerdict.Different)} | {Count(CaseVerdict.Gap)} | {Count(CaseVerdict.Skipped)} | {Machine(machines, kernel)} |\n");

            // Not equal, and known: an entry of the ledger says why.
            int Listed() => report.Cases.Count(c => c.Kernel == kernel && c.Verdict == CaseVerdict.Same && c.Reason?.StartsWith("known: ", StringComparison.Ordinal) == true);

            int Count(CaseVerdict verdict) => report.Cases.Count(c => c.Kernel == kernel && c.Verdict == verdict);
        }
        return text.ToString();
    }

    /// <summary>The measurements in a file of <c>rig bench --json</c>, by kernel line.</summary>
    /// <exception cref="UsageException">The file cannot be read, or is none.</exception>
    public static IReadOnlyDictionary<string, JsonElement> Machines(string? file)
    {
        var machines = new Dictionary<string, JsonElement>();
        try
        {
            foreach (string line in file is null ? [] : File.ReadLines(file))
            {
                using var document = JsonDocument.Parse(line);
                if (document.RootElement.TryGetProperty("rig", out var one))
                    machines[one.GetProperty("line").GetString()!] = one.Clone();
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException or KeyNotFoundException)
        {
            throw new UsageException($"{file} cannot be read as what 'driverlab rig bench --json' prints: {e.Message}");
        }
        return machines;
    }

    /// <summary>Puts the table between its two marks in a file.</summary>
    /// <exception cref="DataException">The file has no marks.</exception>
    public static void Into(string file, string table)
    {
        string text = File.ReadAllText(file);
        int begin = text.IndexOf(Begin, StringComparison.Ordinal), end = text.IndexOf(End, StringComparison.Ordinal);
        if (begin < 0 || end < begin)
            throw new DataException(file, 1, $"there is no place for the table; expected the lines '{Begin}' and '{End}'");
        File.WriteAllText(file, text[..(begin + Begin.Length)] + "\n" + table + text[end..]);
    }

    private static string Machine(IReadOnlyDictionary<string, JsonElement> machines, string kernel)
    {
        if (!machines.TryGetValue(kernel, out var m))
            return "| | | ";
        double[] restores = [.. m.GetProperty("restores_s").EnumerateArray().Select(e => e.GetDouble()).Order()];
        double median = (restores[(restores.Length - 1) / 2] + restores[restores.Length / 2]) / 2;
        return string.Create(CultureInfo.InvariantCulture, $"{m.GetProperty("boot_s").GetDouble():0.0} s | {median:0.00} / {restores[^1]:0.00} s | {m.GetProperty("snapshot_s").GetDouble():0.00} / {m.GetProperty("revert_s").GetDouble():0.00} s | {m.GetProperty("calls").GetInt32() / m.GetProperty("batch_s").GetDouble():0}");
    }
}
