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
            packages = await ChooseAsync(apt, progress, cancellation).ConfigureAwait(false);
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

    /// <summary>The newest image that can be had whole, then the packages that its dependencies name with the same release.</summary>
    /// <remarks>An archive may go on listing images whose modules it has dropped already: such an image is of no use, and the next older one is looked at.</remarks>
    private async Task<IReadOnlyList<AptPackage>> ChooseAsync(AptState apt, IProgress<string>? progress, CancellationToken cancellation)
    {
        var names = (await apt.NamesAsync("linux-", cancellation).ConfigureAwait(false)).ToHashSet();
        var images = await apt.ShowAsync([.. names.Where(IsImage)], cancellation).ConfigureAwait(false);
        string? torn = null;
        foreach (var image in images.Where(package => pin is null || package.Version == pin).OrderByDescending(package => package.Version, DebianVersion.Comparer))
        {
            string[] parts = Parts(image);
            var found = (await apt.ShowAsync([.. parts.Where(names.Contains)], cancellation).ConfigureAwait(false)).Where(package => package.Version == image.Version).ToList();
            string[] missing = [.. parts.Except(found.Select(package => package.Name))];
            if (missing.Length == 0)
            {
                if (torn is not null)
                    progress?.Report($"kernel {line.Line}: taking {image.Version}, because {torn}");
                return [image, .. found];
            }
            torn ??= $"{image.Name} {image.Version} needs {string.Join(" and ", missing)}, which the archive does not list";
        }
        throw new KernelGoneException(line.Line, Gone(images, torn));
    }

    /// <summary>Packages of the same release that an image depends on.</summary>
    internal static string[] Parts(AptPackage image)
    {
        string release = image.Name["linux-image-".Length..];
        return [.. DependencyNames().Matches(image.Depends).Select(match => match.Value).Where(name => name != image.Name && name.EndsWith(release, StringComparison.Ordinal)).Distinct()];
    }

    private string Gone(IReadOnlyList<AptPackage> images, string? torn)
    {
        string wanted = $"kernel {line.Line}{(pin is null ? "" : "=" + pin)}", suites = string.Join(", ", line.Suites);
        if (torn is not null)
            return $"{wanted} cannot be had whole from Debian's {suites}: {torn}; use another line, or --kernel-image FILE";
        string found = images.Count == 0 ? "none" : string.Join(", ", images.Select(package => package.Version).Distinct().Order(DebianVersion.Comparer).TakeLast(5));
        return $"{wanted} is not in Debian's {suites} any more (cloud images found there: {found}); use another line, or --kernel-image FILE";
    }

    private bool IsImage(string name)
    {
        if (!name.StartsWith("linux-image-" + line.Line, StringComparison.Ordinal))
            return false;
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
