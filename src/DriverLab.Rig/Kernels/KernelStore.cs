using System.Text;
using DriverLab.Linux;
using DriverLab.Rig.Cache;

namespace DriverLab.Rig.Kernels;

/// <summary>Gives kernels by line: from the cache when a whole entry is there, else from Debian.</summary>
/// <remarks>Cache layout: <c>kernels/LINE/VERSION/{vmlinuz,config,modules/,manifest}</c> and <c>kernels/LINE/current</c>, which names the version in use.</remarks>
public sealed class KernelStore
{
    /// <summary>Fetches a line (or one version of it) into the cache; returns the version.</summary>
    internal delegate Task<string> Fetch(KernelLine line, string? pin, IProgress<string>? progress, CancellationToken cancellation);

    private readonly RigCache cache;
    private readonly KernelCatalogue catalogue;

    /// <summary>Kernel lines that can be named.</summary>
    public KernelCatalogue Catalogue => catalogue;
    private readonly Fetch fetch;

    /// <summary>A store that fetches from Debian.</summary>
    public KernelStore(RigCache cache, KernelCatalogue catalogue)
        : this(cache, catalogue, (line, pin, progress, cancellation) => new KernelFetch(cache, line, pin).RunAsync(progress, cancellation)) { }

    internal KernelStore(RigCache cache, KernelCatalogue catalogue, Fetch fetch) => (this.cache, this.catalogue, this.fetch) = (cache, catalogue, fetch);

    /// <summary>A kernel by what the user calls it: a line (<c>6.12</c>), one packaged version (<c>6.12=6.12.118-1</c>), or that with its digest (<c>6.12=6.12.118-1@0123456789ab…</c>, see <see cref="KernelPin"/>).</summary>
    /// <remarks>The network is used only when the cache has no whole entry, or when <paramref name="update"/> asks for the newest.</remarks>
    /// <exception cref="RigUsageException">The line is not in the catalogue, or the pin is none.</exception>
    /// <exception cref="KernelGoneException">Debian has it no more.</exception>
    /// <exception cref="RigException">It cannot be fetched, or it is another kernel than the pin's digest says.</exception>
    public async Task<KernelEntry> GetAsync(string request, IProgress<string>? progress, CancellationToken cancellation, bool update = false)
    {
        var pin = KernelPin.Parse(request);
        var entry = await GetAsync(catalogue.Find(pin.Line), pin.Version, progress, update, cancellation).ConfigureAwait(false);
        return pin.Digest is null || entry.Digest.StartsWith(pin.Digest, StringComparison.Ordinal) ? entry
            : throw new RigException($"kernel {pin.Line} {entry.Package} has the digest {entry.Digest}, but the pin says {pin.Digest}: Debian changed the package, or the pin is of another one");
    }

    private async Task<KernelEntry> GetAsync(KernelLine line, string? pin, IProgress<string>? progress, bool update, CancellationToken cancellation)
    {
        if (!update && await OpenAsync(line, pin, progress, cancellation).ConfigureAwait(false) is { } ready)
            return ready;
        using (await cache.LockAsync("kernel-" + line.Line, progress, cancellation).ConfigureAwait(false))
        {
            // Another run may have fetched it while this one waited.
            if (!update && await OpenAsync(line, pin, progress, cancellation).ConfigureAwait(false) is { } fetched)
                return fetched;
            string version = await fetch(line, pin, progress, cancellation).ConfigureAwait(false);
            if (pin is null)
                RigCache.Commit(CurrentFile(line), stream => stream.Write(Encoding.UTF8.GetBytes(version)));
            return await OpenAsync(line, version, progress, cancellation).ConfigureAwait(false) ??
                throw new RigException($"kernel {line.Line} was fetched but its cache entry {cache.PathOf("kernels", line.Line, version)} is not whole; is another program changing the cache?");
        }
    }

    /// <summary>Versions in the cache, by line; what is there is not checked.</summary>
    public IReadOnlyList<(string Line, string Version, string Folder)> Cached()
    {
        string root = cache.PathOf("kernels");
        return !Directory.Exists(root)
            ? []
            : [.. Directory.GetDirectories(root).SelectMany(Directory.GetDirectories).Where(folder => File.Exists(Path.Combine(folder, KernelManifest.FileName)))
                .Select(folder => (Path.GetFileName(Path.GetDirectoryName(folder))!, Path.GetFileName(folder), folder)).Order()];
    }

    /// <summary>The version of a line that is used when none is named; null when none is cached.</summary>
    public string? Current(string line)
    {
        string file = CurrentFile(catalogue.Find(line));
        return File.Exists(file) ? File.ReadAllText(file).Trim() : null;
    }

    /// <summary>Checks every file of a cached kernel, modules included; an entry that is not whole is removed and fetched again.</summary>
    /// <returns>The same kernel, whole.</returns>
    public async Task<KernelEntry> VerifyAsync(KernelEntry kernel, IProgress<string>? progress, CancellationToken cancellation)
    {
        string folder = Path.GetDirectoryName(kernel.Image)!;
        string file = Path.Combine(folder, KernelManifest.FileName);
        if (kernel.Package == FromFiles || !File.Exists(file))
            return kernel;
        var manifest = KernelManifest.Parse(await File.ReadAllTextAsync(file, cancellation).ConfigureAwait(false));
        string? damaged = manifest is null ? KernelManifest.FileName : await manifest.FirstDamagedAsync(folder, manifest.Hashes.Keys, cancellation).ConfigureAwait(false);
        if (damaged is null)
            return kernel;
        progress?.Report($"kernel {kernel.Line}: cached file {damaged} is damaged; fetching the kernel again");
        RigCache.Remove(folder);
        return await GetAsync($"{kernel.Line}={kernel.Package}", progress, cancellation).ConfigureAwait(false);
    }

    /// <summary>A kernel from files that the user names.</summary>
    /// <param name="image">A bzImage.</param>
    /// <param name="modules">A folder such as <c>/lib/modules/6.1.0</c>; null for none.</param>
    /// <param name="config">The build configuration; null looks for <c>config-RELEASE</c> beside the image.</param>
    /// <param name="cancellation">Stops the reading.</param>
    /// <exception cref="RigUsageException">A file is missing or is not what it should be.</exception>
    public static async Task<KernelEntry> FromFilesAsync(string image, string? modules, string? config, CancellationToken cancellation)
    {
        var (release, version) = KernelImageHeader.Parse(KernelImageHeader.Version(image));
        if (modules is not null && !Directory.Exists(Path.Combine(modules, "kernel")))
            throw new RigUsageException($"--modules {modules} has no folder 'kernel'; expected a folder such as /lib/modules/{release}");
        if (config is not null && !File.Exists(config))
            throw new RigUsageException($"--config {config} does not exist; expected a kernel configuration such as /boot/config-{release}");
        string beside = Path.Combine(Path.GetDirectoryName(Path.GetFullPath(image))!, "config-" + release);
        string? options = config ?? (File.Exists(beside) ? beside : null);
        string text = options is null ? "" : await File.ReadAllTextAsync(options, cancellation).ConfigureAwait(false);
        string digest = FileHash.Of(Encoding.UTF8.GetBytes($"{await FileHash.OfAsync(image, cancellation).ConfigureAwait(false)} {Stamp(modules)} {text}"));
        return new(version.Line, release, FromFiles, Path.GetFullPath(image), modules is null ? null : Path.GetFullPath(modules), digest, new(release, version, KernelConfig.Parse(text)));
    }

    private const string FromFiles = "file";

    private string CurrentFile(KernelLine line) => cache.PathOf("kernels", line.Line, "current");

    private async Task<KernelEntry?> OpenAsync(KernelLine line, string? version, IProgress<string>? progress, CancellationToken cancellation)
    {
        if (version is null)
        {
            if (!File.Exists(CurrentFile(line)))
                return null;
            version = (await File.ReadAllTextAsync(CurrentFile(line), cancellation).ConfigureAwait(false)).Trim();
        }
        string folder = cache.PathOf("kernels", line.Line, version);
        string manifestFile = Path.Combine(folder, KernelManifest.FileName);
        if (version.Length == 0 || !File.Exists(manifestFile))
            return null;
        string text = await File.ReadAllTextAsync(manifestFile, cancellation).ConfigureAwait(false);
        var manifest = KernelManifest.Parse(text);
        string? damaged = manifest is null ? KernelManifest.FileName : await manifest.FirstDamagedAsync(folder, ["vmlinuz", "config"], cancellation).ConfigureAwait(false);
        if (damaged is not null)
        {
            progress?.Report($"kernel {line.Line}: cached file {damaged} is damaged; fetching the kernel again");
            RigCache.Remove(folder);
            return null;
        }
        string config = await File.ReadAllTextAsync(Path.Combine(folder, "config"), cancellation).ConfigureAwait(false);
        _ = KernelVersion.TryParse(manifest!.Package, out var number);
        string modules = Path.Combine(folder, "modules");
        return new(line.Line, manifest.Release, manifest.Package, Path.Combine(folder, "vmlinuz"), Directory.Exists(modules) ? modules : null,
            FileHash.Of(Encoding.UTF8.GetBytes(text)), new(line.Line, number, KernelConfig.Parse(config)));
    }

    /// <summary>Names, sizes and times of a folder's files: enough to notice that somebody rebuilt the modules.</summary>
    private static string Stamp(string? folder)
    {
        if (folder is null)
            return "none";
        var text = new StringBuilder();
        foreach (var file in new DirectoryInfo(folder).EnumerateFiles("*.ko*", SearchOption.AllDirectories).OrderBy(file => file.FullName, StringComparer.Ordinal))
            _ = text.Append(file.FullName).Append(file.Length).Append(file.LastWriteTimeUtc.Ticks);
        return FileHash.Of(Encoding.UTF8.GetBytes(text.ToString()));
    }
}
