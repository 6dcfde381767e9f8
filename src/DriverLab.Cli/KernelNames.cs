using DriverLab.Rig;

namespace DriverLab.Cli;

/// <summary>Turns what <c>--kernels</c> takes into names of kernels.</summary>
internal static class KernelNames
{
    /// <summary><c>all</c> is every line of the catalogue, whether or not it can be had now; <c>cached</c> those that need no network; else a list between commas.</summary>
    /// <exception cref="UsageException">Nothing is named.</exception>
    public static IReadOnlyList<string> Expand(IReadOnlyList<string> values) => [.. values.SelectMany(value => value switch
    {
        "all" => RealKernels.OfUser().Catalogue.Lines.Select(line => line.Line),
        "cached" => Cached(),
        _ => List(value),
    }).Distinct()];

    private static IEnumerable<string> Cached()
    {
        var kernels = RealKernels.OfUser();
        var lines = kernels.Catalogue.Lines.Select(line => line.Line).Where(line => kernels.Kernels.Current(line) is not null).ToList();
        return lines.Count > 0 ? lines : throw new UsageException("no kernel is cached yet; fetch some with: driverlab kernel fetch all");
    }

    private static string[] List(string value)
    {
        string[] names = value.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        return names.Length > 0 ? names : throw new UsageException($"--kernels '{value}' names no kernel; expected all, cached, or a list such as 6.1,6.12");
    }
}
