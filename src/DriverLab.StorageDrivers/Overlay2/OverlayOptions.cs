using DriverLab.Linux;
using DriverLab.StorageDrivers.Files;
using DriverLab.StorageDrivers.Layers.Tar;

namespace DriverLab.StorageDrivers.Overlay2;

/// <summary>How an overlay2 driver is set up.</summary>
/// <param name="Home">Its directory, absolute.</param>
/// <param name="Ids">Where link ids come from.</param>
public sealed record OverlayOptions(string Home, IdSource Ids)
{
    /// <summary>What archives may contain.</summary>
    public TarLimits Limits { get; init; } = TarLimits.Default;

    /// <summary><c>overlay2.size</c>: the most that a container's layer may hold that was made without a size of its own, in bytes; null for no limit.</summary>
    public long? SizeBytes { get; init; }

    /// <summary>Reads <c>key=value</c> words.</summary>
    /// <returns>EINVAL: an unknown key, a value that is none.</returns>
    public static DriverResult<OverlayOptions> Parse(string home, IdSource ids, IEnumerable<string> words)
    {
        if (home is not ['/', ..])
            return new DriverError("init", home, Errno.EINVAL, "the home must be an absolute path");
        var options = new OverlayOptions(home, ids);
        foreach (string word in words)
        {
            int equals = word.IndexOf('=');
            string key = (equals < 0 ? word : word[..equals]).ToLowerInvariant();
            string value = equals < 0 ? "" : word[(equals + 1)..];
            switch (key)
            {
                case "overlay2.override_kernel_check" when value is "true" or "false" or "1" or "0":
                    break; // deprecated and without effect, as in Docker
                case "overlay2.override_kernel_check":
                    return new DriverError("option", word, Errno.EINVAL, "expected true or false");
                case "overlay2.size" when LayerOptions.TryParseSize(value, out long bytes):
                    options = options with { SizeBytes = bytes };
                    break;
                default:
                    return new DriverError("option", word, Errno.EINVAL, "overlay2 knows overlay2.size and overlay2.override_kernel_check");
            }
        }
        return options;
    }
}
