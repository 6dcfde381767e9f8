using System.Globalization;

namespace DriverLab.Benchmarks;

/// <summary>The table of ratios.</summary>
internal static class Report
{
    public static void Print(IReadOnlyList<Measured> rows, TextWriter output)
    {
        output.WriteLine();
        output.WriteLine($"{"tree",-10} {"operation",-26} {"emulator",12} {"allocated",10} {"this kernel",12}  ratio (above 1: the emulator is faster)");
        foreach (var row in rows)
        {
            string host = row.HostNs is { } ns ? Time(ns) : "—";
            string ratio = row.Ratio is { } times ? string.Create(CultureInfo.InvariantCulture, $"{times:F1}") : row.WhyNoHost ?? "";
            output.WriteLine($"{row.Tree,-10} {row.Name,-26} {Time(row.EmulatorNs),12} {Bytes(row.EmulatorBytes),10} {host,12}  {ratio}");
        }
        output.WriteLine();
        int compared = rows.Count(row => row.Ratio is not null), faster = rows.Count(row => row.Ratio > 1);
        output.WriteLine($"the emulator is faster than this machine's kernel on {faster} of {compared} rows; in those of fuse-overl the kernel's overlay is replaced by fuse-overlayfs");
    }

    private static string Time(double ns) => ns < 10_000
        ? string.Create(CultureInfo.InvariantCulture, $"{ns:F0} ns")
        : string.Create(CultureInfo.InvariantCulture, $"{ns / 1000:F1} us");

    private static string Bytes(double bytes) => string.Create(CultureInfo.InvariantCulture, $"{bytes:F0} B");
}
