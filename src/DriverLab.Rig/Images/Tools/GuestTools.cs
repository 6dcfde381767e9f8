using System.Text;
using DriverLab.Rig.Cache;
using DriverLab.Rig.Kernels;
using DriverLab.Rig.Processes;

namespace DriverLab.Rig.Images.Tools;

/// <summary>Makes archives of tools that are put behind an initramfs: the programs, the libraries that they need and no others, all from Debian's packages with their signatures checked.</summary>
/// <remarks>
/// An archive is named by what it is made from and kept in the cache: <c>tools/KEY.cpio</c>, its hash and the packages' versions beside it. The kernel unpacks archives that follow each other
/// one after the other. Linux Documentation/driver-api/early-userspace/buffer-format.rst.
/// </remarks>
public sealed class GuestTools(RigCache cache)
{
    /// <summary>Change it when the layout inside of the archive changes.</summary>
    private const int Layout = 1;

    private static readonly string[] s_suites = ["bookworm", "bookworm-security"];
    private static readonly string[] s_libraryFolders = ["lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu"];

    /// <summary>The archive with these sets; made when the cache has no whole one.</summary>
    /// <param name="names">Names of sets.</param>
    /// <param name="progress">Told what is fetched and made.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <returns>The archive's file.</returns>
    /// <exception cref="RigUsageException">A set is not known.</exception>
    public async Task<string> GetAsync(IEnumerable<string> names, IProgress<string>? progress, CancellationToken cancellation)
    {
        ToolSet[] sets = [.. names.Distinct().Order(StringComparer.Ordinal).Select(ToolSet.Of)];
        string text = $"layout {Layout}\n{string.Join(' ', s_suites)}\n" + string.Concat(sets.Select(set => $"{set.Name}: {string.Join(' ', set.Packages)} | {string.Join(' ', set.Libraries)} | {string.Join(' ', set.Programs)}\n"));
        string key = FileHash.Of(Encoding.UTF8.GetBytes(text))[..32], file = cache.PathOf("tools", key + ".cpio");
        if (await IsWholeAsync(file, cancellation).ConfigureAwait(false))
            return file;
        using (await cache.LockAsync("tools-" + key, progress, cancellation).ConfigureAwait(false))
        {
            if (!await IsWholeAsync(file, cancellation).ConfigureAwait(false))
                await MakeAsync(file, key, sets, progress, cancellation).ConfigureAwait(false);
        }
        return file;
    }

    private async Task MakeAsync(string file, string key, ToolSet[] sets, IProgress<string>? progress, CancellationToken cancellation)
    {
        string work = cache.Folder("tools", key + ".work"), tree = Path.Combine(work, "tree");
        RigCache.Remove(tree);
        _ = Directory.CreateDirectory(tree);
        // The packages of all sets are fetched together, once, and kept: the next archive needs no network. ZFS's are in contrib, which not every mirror has.
        string[] wanted = [.. NamesOf(sets)];
        string[] components = sets.Contains(ToolSet.Zfs) ? ["main", "contrib"] : ["main"];
        string packageFolder = cache.Folder("tools", "packages");
        string[] names = [.. NamesOf(ToolSet.All.Where(set => set != ToolSet.Zfs || sets.Contains(set)))];
        var packages = (await FetchAsync(names, components, packageFolder, progress, cancellation).ConfigureAwait(false)).Where(package => wanted.Contains(package.Name)).ToList();
        foreach (var package in packages)
            _ = await Tool.OutputAsync("dpkg-deb", ["-x", Path.Combine(packageFolder, package.FileName), tree], null, cancellation).ConfigureAwait(false);
        progress?.Report($"making the archive of tools: {string.Join(", ", sets.Select(set => set.Name))}");
        RigCache.Commit(file, stream => Write(stream, tree, sets));
        string hash = await FileHash.OfAsync(file, cancellation).ConfigureAwait(false);
        RigCache.Commit(file + ".packages", stream => stream.Write(Encoding.UTF8.GetBytes(string.Concat(packages.Select(package => $"{package.Name} {package.Version} {package.Sha256}\n")))));
        RigCache.Commit(file + ".sha256", stream => stream.Write(Encoding.ASCII.GetBytes(hash)));
        RigCache.Remove(work);
    }

    /// <summary>Writes programs to /sbin, their libraries to /lib/x86_64-linux-gnu, and the loader to where they look for it.</summary>
    private static void Write(Stream stream, string tree, ToolSet[] sets)
    {
        using var buffered = new BufferedStream(stream, 1 << 20);
        var cpio = new CpioWriter(buffered);
        var waiting = new Queue<string>();
        var written = new Dictionary<string, string>();
        var libraries = new SortedSet<string>(StringComparer.Ordinal);
        foreach (string program in sets.SelectMany(set => set.Programs).Distinct())
        {
            string target = program.StartsWith("usr/lib/", StringComparison.Ordinal) || program.StartsWith("lib/", StringComparison.Ordinal) ? program : "sbin/" + Path.GetFileName(program);
            string real = RealFile(tree, program);
            if (written.TryGetValue(real, out string? first))
            {
                cpio.AddLink(target, "/" + first);
                continue;
            }
            written.Add(real, target);
            cpio.AddFile(target, Take(real, waiting, libraries), 0x1ED);
        }
        while (waiting.TryDequeue(out string? library))
        {
            string name = library.TrimStart('/'), path = name.Contains('/') ? name : s_libraryFolders.Select(folder => Path.Combine(folder, name)).FirstOrDefault(candidate => Path.Exists(Path.Combine(tree, candidate)))
                ?? throw new RigException($"no package of the tools {string.Join(", ", sets.Select(set => set.Name))} has the library {name}, which a program needs");
            cpio.AddFile(name.Contains('/') ? name : "lib/x86_64-linux-gnu/" + name, Take(RealFile(tree, path), waiting, libraries), 0x1ED);
        }
        cpio.Finish();
    }

    /// <summary>A file's bytes; what it needs and is not there yet is put in the queue.</summary>
    private static byte[] Take(string file, Queue<string> waiting, SortedSet<string> known)
    {
        byte[] content = File.ReadAllBytes(file);
        var (needed, loader) = ElfFile.Read(content);
        foreach (string name in loader is null ? needed : needed.Append(loader))
        {
            // The loader is also a library by its name; it is found by its path.
            if (!(loader is null && name.StartsWith("ld-linux", StringComparison.Ordinal)) && !(loader is not null && name != loader && name == Path.GetFileName(loader)) && known.Add(name))
                waiting.Enqueue(name);
        }
        return content;
    }

    /// <summary>Follows symbolic links inside of the unpacked tree.</summary>
    private static string RealFile(string tree, string path)
    {
        for (int hop = 0; hop < 8; hop++)
        {
            string full = Path.Combine(tree, path);
            if (new FileInfo(full).LinkTarget is not { } target)
                return File.Exists(full) ? full : throw new RigException($"the packages of the tools have no {path}");
            path = target.StartsWith('/') ? target.TrimStart('/') : Path.GetRelativePath("/", Path.GetFullPath(Path.Combine("/", Path.GetDirectoryName(path)!, target)));
        }
        throw new RigException($"{path} is a symbolic link that goes round in circles");
    }

    private static IEnumerable<string> NamesOf(IEnumerable<ToolSet> sets) => sets.SelectMany(set => set.Packages.Concat(set.Libraries)).Distinct().Order(StringComparer.Ordinal);

    private async Task<IReadOnlyList<AptPackage>> FetchAsync(string[] names, string[] components, string work, IProgress<string>? progress, CancellationToken cancellation)
    {
        string lists = string.Join('-', [.. s_suites, .. components.Where(component => component != "main")]);
        using (await cache.LockAsync("apt-" + lists, progress, cancellation).ConfigureAwait(false))
        {
            var apt = new AptState(cache.Folder("apt", lists), Mirrors.OfHost(), s_suites, components);
            await apt.UpdateAsync(progress, cancellation).ConfigureAwait(false);
            var newest = (await apt.ShowAsync(names, cancellation).ConfigureAwait(false))
                .GroupBy(package => package.Name).ToDictionary(group => group.Key, group => group.MaxBy(package => package.Version, DebianVersion.Comparer)!);
            if (names.FirstOrDefault(name => !newest.ContainsKey(name)) is { } missing)
                throw new RigException($"package {missing} is not in Debian's {string.Join(", ", s_suites)}; the tools of guests cannot be made");
            await apt.DownloadAsync([.. newest.Values], work, progress, cancellation).ConfigureAwait(false);
            return [.. names.Select(name => newest[name])];
        }
    }

    private static async Task<bool> IsWholeAsync(string file, CancellationToken cancellation) =>
        File.Exists(file) && File.Exists(file + ".sha256") &&
        await File.ReadAllTextAsync(file + ".sha256", cancellation).ConfigureAwait(false) == await FileHash.OfAsync(file, cancellation).ConfigureAwait(false);
}
