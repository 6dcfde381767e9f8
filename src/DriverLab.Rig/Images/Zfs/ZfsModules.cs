using System.Text;
using DriverLab.Rig.Cache;
using DriverLab.Rig.Kernels;
using DriverLab.Rig.Processes;

namespace DriverLab.Rig.Images.Zfs;

/// <summary>OpenZFS's modules for a kernel of Debian: built from the package <c>zfs-dkms</c> of that kernel's suite against its headers, in a root of its own that is gone afterwards, and kept in the cache.</summary>
/// <remarks>Debian has them as sources only, in its component contrib: the licences of Linux and OpenZFS do not go together in one binary package. Cache layout: <c>zfs/KEY/*.ko</c> and a list of their hashes.</remarks>
public sealed class ZfsModules(RigCache cache, KernelCatalogue catalogue)
{
    /// <summary>Name of the set of tools that wants these modules.</summary>
    public const string Name = "zfs";

    /// <summary>Change it when they are built in another way.</summary>
    private const int Layout = 1;

    private const string ListFile = "sha256";

    /// <summary>The folder with the modules; they are built when the cache has none, which takes some minutes.</summary>
    /// <exception cref="RigException">The kernel is not Debian's, mmdebstrap is missing, or the suite's OpenZFS does not build for this kernel.</exception>
    public async Task<string> GetAsync(KernelEntry kernel, IProgress<string>? progress, CancellationToken cancellation)
    {
        if (kernel.Package == "file")
            throw new RigException($"OpenZFS is built against the headers that Debian has for its kernels, and {kernel.Release} was given by a file; put zfs.ko into the folder of --modules instead");
        var suites = catalogue.Find(kernel.Line).Suites;
        string key = FileHash.Of(Encoding.UTF8.GetBytes($"layout {Layout}\n{string.Join(' ', suites)}\n{kernel.Release}\n{kernel.Package}\n"))[..32], folder = cache.PathOf("zfs", key);
        if (await IsWholeAsync(folder, cancellation).ConfigureAwait(false))
            return folder;
        using (await cache.LockAsync("zfs-" + key, progress, cancellation).ConfigureAwait(false))
        {
            if (!await IsWholeAsync(folder, cancellation).ConfigureAwait(false))
                await BuildAsync(folder, kernel, suites[0], progress, cancellation).ConfigureAwait(false);
        }
        return folder;
    }

    private async Task BuildAsync(string folder, KernelEntry kernel, string suite, IProgress<string>? progress, CancellationToken cancellation)
    {
        string mmdebstrap = Tool.Require("mmdebstrap", "mmdebstrap", "to build OpenZFS in a root of its own");
        string work = cache.Folder("zfs", Path.GetFileName(folder) + ".work"), built = Path.Combine(work, "built");
        RigCache.Remove(built);
        _ = Directory.CreateDirectory(built);
        try
        {
            progress?.Report($"building OpenZFS for {kernel.Release} in a Debian root of its own (some minutes, once)");
            var mirrors = Mirrors.OfHost();
            string stable = suite.Replace("-backports", "", StringComparison.Ordinal);
            string[] suites = suite == stable ? [stable, stable + "-security"] : [stable, stable + "-security", suite];
            string[] arguments =
            [
                "--quiet", Environment.IsPrivilegedProcess ? "--mode=root" : "--mode=unshare", "--variant=apt", "--format=null",
                $"--include=linux-headers-{kernel.Release}={kernel.Package},zfs-dkms", "--aptopt=Acquire::Retries \"3\"", "--aptopt=Acquire::Languages \"none\"",
                "--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/man/*",
                // Its installation builds for what is there; where it did not, it does now, and says why not.
                $"--customize-hook=chroot \"$1\" sh -c 'ls /lib/modules/{kernel.Release}/updates/dkms/zfs.ko* > /dev/null 2>&1 || dkms autoinstall -k {kernel.Release} || {{ tail -n 20 /var/lib/dkms/zfs/*/build/make.log; exit 1; }}'",
                $"--customize-hook=sync-out /lib/modules/{kernel.Release}/updates/dkms '{built}'",
                stable, "-", .. suites.Select(name => $"deb [signed-by={AptState.Keyring}] {mirrors.Of(name)} {name} main contrib"),
            ];
            var result = await Tool.RunAsync(mmdebstrap, arguments, work, cancellation).ConfigureAwait(false);
            if (result.ExitCode != 0 || !Directory.EnumerateFiles(built, "zfs.ko*").Any())
                throw new RigException($"OpenZFS of Debian's {stable} could not be built for {kernel.Release} (status {result.ExitCode}):\n{string.Join('\n', (result.Output + result.Error).TrimEnd().Split('\n').TakeLast(12))}");
            await File.WriteAllTextAsync(Path.Combine(built, ListFile), await ListAsync(built, cancellation).ConfigureAwait(false), cancellation).ConfigureAwait(false);
            RigCache.Remove(folder);
            Directory.Move(built, folder);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw RigCache.NotWritable(work, e);
        }
        finally
        {
            RigCache.Remove(work);
        }
    }

    private static async Task<bool> IsWholeAsync(string folder, CancellationToken cancellation) =>
        File.Exists(Path.Combine(folder, ListFile)) &&
        await File.ReadAllTextAsync(Path.Combine(folder, ListFile), cancellation).ConfigureAwait(false) == await ListAsync(folder, cancellation).ConfigureAwait(false);

    private static async Task<string> ListAsync(string folder, CancellationToken cancellation)
    {
        var text = new StringBuilder();
        foreach (string file in Directory.EnumerateFiles(folder, "*.ko*").Order(StringComparer.Ordinal))
            _ = text.Append(await FileHash.OfAsync(file, cancellation).ConfigureAwait(false)).Append("  ").Append(Path.GetFileName(file)).Append('\n');
        return text.ToString();
    }
}
