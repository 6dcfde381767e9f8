using System.Collections.Concurrent;
using DriverLab.Conformance.Running;
using DriverLab.Conformance.Scenarios;
using DriverLab.Linux;
using DriverLab.Rig;
using DriverLab.Rig.Cache;
using DriverLab.Rig.Images.Layers;

namespace DriverLab.Cli.Targets;

/// <summary>The archives of Debian's packages and of empty file systems for scenarios that need them; fetched or made when the first of these comes. Where they cannot be had, the scenarios are skipped and say so.</summary>
/// <param name="progress">Told what is fetched, and why nothing can be.</param>
internal sealed class LayerArchives(IProgress<string>? progress) : ILayerAssets
{
    private readonly ConcurrentDictionary<string, string?> _files = new();

    /// <summary>True when a scenario wants archives.</summary>
    public static bool IsNeeded(Scenario scenario) => scenario.Needs.Contains(ILayerAssets.Need);

    /// <summary>The archives that a scenario names.</summary>
    public static IReadOnlyList<string> Of(Scenario scenario) => IsNeeded(scenario) ? ILayerAssets.NamesIn(scenario) : [];

    /// <summary>How long a scenario takes, roughly: the full Debian layers hold five times what the slim ones do.</summary>
    public static int Weight(Scenario scenario) => Of(scenario).Count(static name => name.StartsWith("debian", StringComparison.Ordinal));

    /// <summary>The file of an archive, or null.</summary>
    public static async Task<string?> FileAsync(string name, IProgress<string>? progress, CancellationToken cancellation)
    {
        try
        {
            string? file = name.StartsWith(DiskArchives.Prefix, StringComparison.Ordinal)
                ? await new DiskArchives(RigCache.OfUser()).GetAsync(name, progress, cancellation)
                : Path.Combine(await new DebianLayers(RigCache.OfUser()).GetAsync(progress, cancellation), name + ".tar");
            return File.Exists(file) ? file : null;
        }
        catch (RigException e)
        {
            progress?.Report($"scenarios that need {name} are skipped: {e.Message}");
            return null;
        }
    }

    /// <inheritdoc/>
    public Stream? Open(string name, IKernel outside)
    {
        string? file = _files.GetOrAdd(name, wanted => FileAsync(wanted, progress, CancellationToken.None).GetAwaiter().GetResult());
        return file is null ? null : new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.Read, 1 << 16);
    }
}
