using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Text;
using DriverLab.Conformance.Running;
using DriverLab.Rig.Cache;
using DriverLab.Rig.Kernels;
using DriverLab.Rig.Processes;

namespace DriverLab.Rig.Images.Layers;

/// <summary>A Debian root file system in three layers.</summary>
/// <param name="Name">Its name; the archives are <c>NAME-1</c> to <c>NAME-3</c>.</param>
/// <param name="Base">Packages of the first layer.</param>
/// <param name="Added">Packages of the second layer.</param>
public sealed record LayerSet(string Name, ImmutableArray<string> Base, ImmutableArray<string> Added)
{
    /// <summary>Shells, tools and C library, then perl, certificates, time zones and 3,000 small files: about 6,500 entries and 28 MB.</summary>
    public static readonly LayerSet Debian = new(
        "debian",
        [
            "base-files", "base-passwd", "bash", "coreutils", "dash", "debianutils", "diffutils", "dpkg", "findutils", "grep", "gzip", "hostname", "libc-bin", "libc6", "libtinfo6", "login",
            "ncurses-base", "sed", "tar",
        ],
        ["ca-certificates", "node-core-js", "perl-base", "tzdata"]);

    /// <summary>A few tools and the time zones: about 1,400 entries and 2 MB, for drivers that copy.</summary>
    public static readonly LayerSet Slim = new("slim", ["base-files", "base-passwd", "dash", "debianutils", "hostname", "sed"], ["tzdata"]);

    /// <summary>As <see cref="Debian"/>, with kernel headers, modules of perl and python and more small files: over 10,000 entries; for tests that ask for it, not for scenarios.</summary>
    public static readonly LayerSet Large = new("large", Debian.Base, [.. Debian.Added, "libpython3.11-stdlib", "linux-libc-dev", "node-es-abstract", "perl-modules-5.36"]);

    /// <summary>What scenarios name.</summary>
    public static readonly ImmutableArray<LayerSet> All = [Debian, Slim];
}

/// <summary>
/// Layers of real files: Debian's packages, fetched by apt with their signatures checked, put together as tars in the user's cache. The third layer deletes, replaces, links and adds what
/// packages do not carry: whiteouts, opaque directories, hard links, attributes, device nodes, long and odd names.
/// </summary>
/// <remarks>The same package versions give the same bytes. As in Debian's slim images, translations, manuals and documentation are left out.</remarks>
/// <param name="cache">Where archives are kept.</param>
/// <param name="sets">What is made; scenarios' layers when left out.</param>
public sealed class DebianLayers(RigCache cache, params ImmutableArray<LayerSet> sets)
{
    private readonly ImmutableArray<LayerSet> _sets = sets.IsDefaultOrEmpty ? LayerSet.All : sets;

    /// <summary>Change it when the layers' content changes.</summary>
    private const int Layout = 1;

    private static readonly string[] s_suites = ["bookworm", "bookworm-security"];

    /// <summary>Folders that this process has found whole: their archives are not read again for every run.</summary>
    private static readonly ConcurrentDictionary<string, bool> s_whole = new();

    /// <summary>The archives of all sets, as files for a guest's image; they are made when the cache has none.</summary>
    public async Task<ImmutableArray<ImageFile>> ImageFilesAsync(IProgress<string>? progress, CancellationToken cancellation)
    {
        string folder = await GetAsync(progress, cancellation).ConfigureAwait(false);
        return [.. Directory.GetFiles(folder, "*.tar").Order(StringComparer.Ordinal).Select(file => new ImageFile($"{KernelLayerAssets.GuestFolder}/{Path.GetFileName(file)}", file))];
    }

    /// <summary>The archives of all sets, for a kernel that runs in this process.</summary>
    public async Task<ILayerAssets> AssetsAsync(IProgress<string>? progress, CancellationToken cancellation) =>
        new FolderLayerAssets(await GetAsync(progress, cancellation).ConfigureAwait(false));

    /// <summary>The folder with the archives, <c>NAME-N.tar</c>.</summary>
    /// <exception cref="RigException">Packages cannot be fetched.</exception>
    public async Task<string> GetAsync(IProgress<string>? progress, CancellationToken cancellation)
    {
        string digest = FileHash.Of(Encoding.UTF8.GetBytes($"layout {Layout}\n" + string.Join('\n', _sets.Select(set => $"{set.Name}: {string.Join(' ', set.Base)} | {string.Join(' ', set.Added)}"))));
        string folder = cache.PathOf("layers", digest[..16]);
        if (s_whole.ContainsKey(folder))
            return folder;
        using (await cache.LockAsync("layers-" + digest[..16], progress, cancellation).ConfigureAwait(false))
        {
            if (!s_whole.ContainsKey(folder) && !await IsWholeAsync(folder, cancellation).ConfigureAwait(false))
                await MakeAsync(folder, progress, cancellation).ConfigureAwait(false);
            s_whole[folder] = true;
        }
        return folder;
    }

    private async Task MakeAsync(string folder, IProgress<string>? progress, CancellationToken cancellation)
    {
        string work = cache.Folder("layers", Path.GetFileName(folder) + ".work"), made = Path.Combine(work, "made");
        RigCache.Remove(made);
        _ = Directory.CreateDirectory(made);
        var packages = await FetchAsync(work, progress, cancellation).ConfigureAwait(false);
        var sums = new StringBuilder();
        foreach (var set in _sets)
        {
            progress?.Report($"making the layers of {set.Name}");
            var builder = new LayerBuilder();
            foreach (var names in (ImmutableArray<string>[])[set.Base, set.Added])
            {
                foreach (string name in names)
                    builder.AddPackage(await Tool.BytesAsync("dpkg-deb", ["--fsys-tarfile", Path.Combine(work, packages[name].FileName)], cancellation).ConfigureAwait(false));
                builder.EndLayer();
            }
            DebianChanges.Apply(builder);
            builder.EndLayer();
            for (int i = 0; i < builder.Layers.Count; i++)
            {
                string file = Path.Combine(made, $"{set.Name}-{i + 1}.tar");
                await File.WriteAllBytesAsync(file, builder.Layers[i], cancellation).ConfigureAwait(false);
                _ = sums.Append(FileHash.Of(builder.Layers[i])).Append("  ").Append(Path.GetFileName(file)).Append('\n');
            }
        }
        await File.WriteAllLinesAsync(Path.Combine(made, "packages.txt"), packages.Values.Select(package => $"{package.Name} {package.Version} {package.Sha256}").Order(StringComparer.Ordinal), cancellation).ConfigureAwait(false);
        await File.WriteAllTextAsync(Path.Combine(made, "sha256sums"), sums.ToString(), cancellation).ConfigureAwait(false);
        RigCache.Remove(folder);
        Directory.Move(made, folder);
        RigCache.Remove(work);
    }

    private async Task<Dictionary<string, AptPackage>> FetchAsync(string work, IProgress<string>? progress, CancellationToken cancellation)
    {
        string[] names = [.. _sets.SelectMany(set => set.Base.Concat(set.Added)).Distinct().Order(StringComparer.Ordinal)];
        using (await cache.LockAsync("apt-" + string.Join('-', s_suites), progress, cancellation).ConfigureAwait(false))
        {
            var apt = new AptState(cache.Folder("apt", string.Join('-', s_suites)), Mirrors.OfHost(), s_suites);
            await apt.UpdateAsync(progress, cancellation).ConfigureAwait(false);
            var newest = (await apt.ShowAsync(names, cancellation).ConfigureAwait(false))
                .GroupBy(package => package.Name).ToDictionary(group => group.Key, group => group.MaxBy(package => package.Version, DebianVersion.Comparer)!);
            if (names.FirstOrDefault(name => !newest.ContainsKey(name)) is { } missing)
                throw new RigException($"package {missing} is not in Debian's {string.Join(", ", s_suites)}; the layers of scenarios cannot be made");
            foreach (var package in newest.Values)
                _ = await apt.DownloadAsync(package, work, progress, cancellation).ConfigureAwait(false);
            return newest;
        }
    }

    private static async Task<bool> IsWholeAsync(string folder, CancellationToken cancellation)
    {
        string sums = Path.Combine(folder, "sha256sums");
        if (!File.Exists(sums))
            return false;
        foreach (string line in await File.ReadAllLinesAsync(sums, cancellation).ConfigureAwait(false))
        {
            string file = Path.Combine(folder, line[66..]);
            if (!File.Exists(file) || await FileHash.OfAsync(file, cancellation).ConfigureAwait(false) != line[..64])
                return false;
        }
        return true;
    }

    /// <summary>Archives in a folder of this machine.</summary>
    private sealed class FolderLayerAssets(string folder) : ILayerAssets
    {
        public Stream? Open(string name, Linux.IKernel outside)
        {
            string file = Path.Combine(folder, name + ".tar");
            return File.Exists(file) ? new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.Read, 1 << 16) : null;
        }
    }
}
