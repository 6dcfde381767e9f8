using System.Text;
using System.Text.RegularExpressions;
using DriverLab.Rig.Cache;
using DriverLab.Rig.Processes;

namespace DriverLab.Rig.Kernels;

/// <summary>One fetch of one line of kernels into the cache. The caller holds the line's lock.</summary>
/// <remarks>
/// Newer Debian kernels are split into image, modules and base packages, and the names move: what is needed is found by looking for the files after unpacking, and packages are taken
/// along when the image's dependencies carry the same release in their name.
/// </remarks>
internal sealed partial class KernelFetch(RigCache cache, KernelLine line, string? pin)
{
    /// <summary>Fetches, unpacks and commits; returns the package version, which is the entry's name.</summary>
    public async Task<string> RunAsync(IProgress<string>? progress, CancellationToken cancellation)
    {
        try
        {
            return await FetchAsync(progress, cancellation).ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw RigCache.NotWritable(cache.PathOf("kernels", line.Line), e);
        }
    }

    private async Task<string> FetchAsync(IProgress<string>? progress, CancellationToken cancellation)
    {
        string work = cache.Folder("kernels", line.Line, "fetch");
        IReadOnlyList<AptPackage> packages;
        string image;
        AptState apt;
        using (await cache.LockAsync("apt-" + string.Join('-', line.Suites), progress, cancellation).ConfigureAwait(false))
        {
            apt = new AptState(cache.Folder("apt", string.Join('-', line.Suites)), Mirrors.OfHost(), line.Suites);
            await apt.UpdateAsync(progress, cancellation).ConfigureAwait(false);
            packages = await ChooseAsync(apt, cancellation).ConfigureAwait(false);
            image = packages[0].Version;
            foreach (var package in packages)
                _ = await apt.DownloadAsync(package, work, progress, cancellation).ConfigureAwait(false);
        }
        string tree = Path.Combine(work, "tree"), entry = Path.Combine(work, "entry");
        RigCache.Remove(tree);
        RigCache.Remove(entry);
        _ = Directory.CreateDirectory(entry);
        progress?.Report($"unpacking kernel {image}");
        foreach (var package in packages)
            _ = await Tool.OutputAsync("dpkg-deb", ["-x", Path.Combine(work, package.FileName), tree], null, cancellation).ConfigureAwait(false);
        string release = Arrange(tree, entry);
        var manifest = await KernelManifest.OfFolderAsync(entry, release, image, cancellation).ConfigureAwait(false);
        await File.WriteAllTextAsync(Path.Combine(entry, KernelManifest.FileName), manifest.Write(), cancellation).ConfigureAwait(false);
        string target = cache.PathOf("kernels", line.Line, image);
        RigCache.Remove(target);
        Directory.Move(entry, target);
        RigCache.Remove(work);
        return image;
    }

    /// <summary>The image package first, then those that its dependencies name with the same release.</summary>
    private async Task<IReadOnlyList<AptPackage>> ChooseAsync(AptState apt, CancellationToken cancellation)
    {
        var names = await apt.NamesAsync("linux-image-" + line.Line, cancellation).ConfigureAwait(false);
        var images = await apt.ShowAsync([.. names.Where(IsImage)], cancellation).ConfigureAwait(false);
        var chosen = images.Where(package => pin is null || package.Version == pin).MaxBy(package => package.Version, DebianVersion.Comparer);
        if (chosen is null)
        {
            string found = images.Count == 0 ? "none" : string.Join(", ", images.Select(package => package.Version).Distinct().Order(DebianVersion.Comparer).TakeLast(5));
            throw new RigException($"kernel {line.Line}{(pin is null ? "" : "=" + pin)} is not in Debian's {string.Join(", ", line.Suites)} any more (cloud images found there: {found}); use another line, or --kernel-image FILE");
        }
        string release = chosen.Name["linux-image-".Length..];
        var more = DependencyNames().Matches(chosen.Depends).Select(match => match.Value).Where(name => name != chosen.Name && name.EndsWith(release, StringComparison.Ordinal)).Distinct();
        var rest = await apt.ShowAsync([.. more], cancellation).ConfigureAwait(false);
        return [chosen, .. rest.Where(package => package.Version == chosen.Version)];
    }

    private bool IsImage(string name)
    {
        string rest = name["linux-image-".Length..];
        return rest.Length > line.Line.Length && rest[line.Line.Length] is '.' or '-' or '+' && rest.EndsWith("-cloud-amd64", StringComparison.Ordinal) && char.IsAsciiDigit(rest[line.Line.Length + 1]);
    }

    /// <summary>Finds image, configuration and modules wherever the packages put them, and moves them to their places. Returns the release.</summary>
    private string Arrange(string tree, string entry)
    {
        string modules = Directory.EnumerateDirectories(tree, "kernel", SearchOption.AllDirectories).FirstOrDefault(folder => folder.Contains("/lib/modules/", StringComparison.Ordinal))
            ?? throw Missing("modules", tree);
        string folder = Path.GetDirectoryName(modules)!;
        string release = Path.GetFileName(folder);
        File.Move(FindFile(tree, "vmlinuz-" + release, "vmlinuz") ?? throw Missing("vmlinuz", tree), Path.Combine(entry, "vmlinuz"));
        File.Move(FindFile(tree, "config-" + release, "config") ?? throw Missing("config", tree), Path.Combine(entry, "config"));
        Directory.Move(folder, Path.Combine(entry, "modules"));
        return release;
    }

    private static string? FindFile(string tree, params ReadOnlySpan<string> names)
    {
        foreach (string name in names)
        {
            if (Directory.EnumerateFiles(tree, name, SearchOption.AllDirectories).FirstOrDefault() is { } file)
                return file;
        }
        return null;
    }

    private RigException Missing(string what, string tree) =>
        new($"the packages of kernel {line.Line} hold no {what} (unpacked in {tree}); Debian may have split them anew: name the files with --kernel-image, --modules and --config");

    [GeneratedRegex(@"linux-[a-z0-9.+~-]+", RegexOptions.None, matchTimeoutMilliseconds: 1000)]
    private static partial Regex DependencyNames();
}
