using DriverLab.Conformance.Running;
using DriverLab.Conformance.Scenarios;
using DriverLab.Linux;
using DriverLab.Rig;
using DriverLab.Rig.Cache;
using DriverLab.Rig.Images.Layers;

namespace DriverLab.Cli.Targets;

/// <summary>The archives of Debian's packages for scenarios that need them; fetched when the first of these comes. Where they cannot be had, the scenarios are skipped and say so.</summary>
/// <param name="progress">Told what is fetched, and why nothing can be.</param>
internal sealed class LayerArchives(IProgress<string>? progress) : ILayerAssets
{
    private readonly Lazy<string?> _folder = new(() => FolderAsync(progress, CancellationToken.None).GetAwaiter().GetResult());

    /// <summary>True when a scenario wants archives.</summary>
    public static bool IsNeeded(Scenario scenario) => scenario.Needs.Contains(ILayerAssets.Need);

    /// <summary>The archives that a scenario names.</summary>
    public static IReadOnlyList<string> Of(Scenario scenario) => IsNeeded(scenario) ? ILayerAssets.NamesIn(scenario) : [];

    /// <summary>How long a scenario takes, roughly: the full Debian layers hold five times what the slim ones do.</summary>
    public static int Weight(Scenario scenario) => Of(scenario).Count(static name => name.StartsWith("debian", StringComparison.Ordinal));

    /// <summary>The folder with the archives, or null.</summary>
    public static async Task<string?> FolderAsync(IProgress<string>? progress, CancellationToken cancellation)
    {
        try
        {
            return await new DebianLayers(RigCache.OfUser()).GetAsync(progress, cancellation);
        }
        catch (RigException e)
        {
            progress?.Report($"scenarios that need layers are skipped: {e.Message}");
            return null;
        }
    }

    /// <inheritdoc/>
    public Stream? Open(string name, IKernel outside)
    {
        string file = Path.Combine(_folder.Value ?? "", name + ".tar");
        return _folder.Value is not null && File.Exists(file) ? new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.Read, 1 << 16) : null;
    }
}
