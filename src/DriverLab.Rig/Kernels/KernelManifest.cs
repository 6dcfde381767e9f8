using System.Text;
using DriverLab.Rig.Cache;

namespace DriverLab.Rig.Kernels;

/// <summary>What a cached kernel consists of: <c>key=value</c> lines, an empty line, then <c>hash  path</c> for every file.</summary>
internal sealed record KernelManifest(string Release, string Package, IReadOnlyDictionary<string, string> Hashes)
{
    /// <summary>Name of the file inside an entry; it is written last, so an entry without it is not finished.</summary>
    public const string FileName = "manifest";

    /// <summary>Describes the files below a folder.</summary>
    public static async Task<KernelManifest> OfFolderAsync(string folder, string release, string package, CancellationToken cancellation)
    {
        var hashes = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (string file in Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories))
            hashes[Path.GetRelativePath(folder, file)] = await FileHash.OfAsync(file, cancellation).ConfigureAwait(false);
        return new(release, package, hashes);
    }

    /// <summary>The text of the manifest.</summary>
    public string Write()
    {
        var text = new StringBuilder().Append("release=").Append(Release).Append("\npackage=").Append(Package).Append("\n\n");
        foreach (var (path, hash) in Hashes.OrderBy(pair => pair.Key, StringComparer.Ordinal))
            _ = text.Append(hash).Append("  ").Append(path).Append('\n');
        return text.ToString();
    }

    /// <summary>Reads the text; null when it is damaged.</summary>
    public static KernelManifest? Parse(string text)
    {
        string? release = null, package = null;
        var hashes = new Dictionary<string, string>();
        foreach (string line in text.Split('\n'))
        {
            if (line.StartsWith("release=", StringComparison.Ordinal))
                release = line[8..];
            else if (line.StartsWith("package=", StringComparison.Ordinal))
                package = line[8..];
            else if (line.Length > 66 && line[64] == ' ')
                hashes[line[66..]] = line[..64];
            else if (line.Length > 0)
                return null;
        }
        return release is null || package is null || hashes.Count == 0 ? null : new(release, package, hashes);
    }

    /// <summary>The first of these files that is missing or differs from its hash; null when all are whole.</summary>
    public async Task<string?> FirstDamagedAsync(string folder, IEnumerable<string> paths, CancellationToken cancellation)
    {
        foreach (string path in paths)
        {
            string file = Path.Combine(folder, path);
            if (!File.Exists(file) || !Hashes.TryGetValue(path, out string? hash) || await FileHash.OfAsync(file, cancellation).ConfigureAwait(false) != hash)
                return path;
        }
        return null;
    }
}
