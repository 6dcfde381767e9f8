using System.Globalization;
using DriverLab.Rig.Kernels;
using DriverLab.Rig.Processes;

namespace DriverLab.Rig.Cache;

/// <summary>How much of the cache goes.</summary>
public enum PruneDepth
{
    /// <summary>What is made again within seconds: saved machines, guest images, leftovers of interrupted runs.</summary>
    Made,
    /// <summary>Also kernels that their line does not use any more.</summary>
    Superseded,
    /// <summary>Everything, kernels and apt's lists included: the next run fetches anew.</summary>
    Everything,
}

/// <summary>One kind of what was removed.</summary>
/// <param name="What">The kind, in words.</param>
/// <param name="Entries">How many.</param>
/// <param name="Bytes">The disk space that they took.</param>
public sealed record Pruned(string What, int Entries, long Bytes);

/// <summary>Frees the cache's disk space. Machines that run keep what they have mapped; what another run is making at this moment is left alone.</summary>
public sealed class CachePruner(RigCache cache, KernelStore kernels)
{
    /// <summary>What is made of Debian's packages, each entry under a lock that is named after it.</summary>
    private static readonly Part[] s_made = [new("layers", "layers", "layers-"), new("guest tools", "tools", "tools-"), new("root file systems", "roots", "root-"), new("modules of ZFS", "zfs", "zfs-")];

    private sealed record Part(string What, string Folder, string LockPrefix)
    {
        public string LockOf(string path) => LockPrefix + Path.GetFileName(path).Split('.')[0];
    }

    /// <summary>Removes what the depth says, and tells what it was.</summary>
    public async Task<IReadOnlyList<Pruned>> PruneAsync(PruneDepth depth, CancellationToken cancellation)
    {
        var removed = new List<Pruned>
        {
            await RemoveUnheldAsync("saved machines", Folders("machines").Select(folder => (folder, "machine-" + Path.GetFileNameWithoutExtension(folder))), cancellation).ConfigureAwait(false),
            await RemoveAsync("guest images", Files("images").Where(file => !RigCache.IsBeingWritten(file)), cancellation).ConfigureAwait(false),
            await RemoveAsync("folders of ended runs", Folders("runs").Where(RigCache.IsOfEndedRun), cancellation).ConfigureAwait(false),
            await RemoveUnheldAsync("interrupted fetches", Folders("kernels").Select(folder => (Path.Combine(folder, "fetch"), "kernel-" + Path.GetFileName(folder))).Where(fetch => Directory.Exists(fetch.Item1)), cancellation).ConfigureAwait(false),
            await RemoveUnheldAsync("work of ended runs", s_made.SelectMany(part => Folders(part.Folder).Where(folder => folder.EndsWith(".work", StringComparison.Ordinal)).Select(folder => (folder, part.LockOf(folder)))), cancellation).ConfigureAwait(false),
        };
        if (depth >= PruneDepth.Superseded)
        {
            var old = kernels.Cached().Where(kernel => depth == PruneDepth.Everything || kernel.Version != kernels.Current(kernel.Line)).Select(kernel => kernel.Folder);
            removed.Add(await RemoveAsync(depth == PruneDepth.Everything ? "kernels" : "superseded kernels", old, cancellation).ConfigureAwait(false));
        }
        if (depth == PruneDepth.Everything)
        {
            removed.Add(await RemoveAsync("apt's lists", Folders("apt"), cancellation).ConfigureAwait(false));
            removed.Add(await RemoveAsync("guest programs", Folders("guest"), cancellation).ConfigureAwait(false));
            foreach (var part in s_made)
                removed.Add(await RemoveUnheldAsync(part.What, Folders(part.Folder).Concat(Files(part.Folder)).Select(path => (path, part.LockOf(path))), cancellation).ConfigureAwait(false));
        }
        return removed;
    }

    /// <summary>Removes what no other run is making at this moment: such a run holds the lock.</summary>
    private async Task<Pruned> RemoveUnheldAsync(string what, IEnumerable<(string Path, string Lock)> entries, CancellationToken cancellation)
    {
        var removed = new Pruned(what, 0, 0);
        foreach (var (path, name) in entries)
        {
            if (cache.TryLock(name) is not { } held)
                continue;
            using (held)
            {
                var one = await RemoveAsync(what, [path], cancellation).ConfigureAwait(false);
                removed = removed with { Entries = removed.Entries + one.Entries, Bytes = removed.Bytes + one.Bytes };
            }
        }
        return removed;
    }

    private static async Task<Pruned> RemoveAsync(string what, IEnumerable<string> paths, CancellationToken cancellation)
    {
        string[] all = [.. paths];
        long bytes = await DiskUse.OfAsync(all, cancellation).ConfigureAwait(false);
        foreach (string path in all)
            RigCache.Remove(path);
        return new(what, all.Length, bytes);
    }

    private string[] Folders(string part) => Directory.Exists(cache.PathOf(part)) ? Directory.GetDirectories(cache.PathOf(part)) : [];

    private string[] Files(string part) => Directory.Exists(cache.PathOf(part)) ? Directory.GetFiles(cache.PathOf(part)) : [];
}

/// <summary>Disk space as it is taken, holes left out.</summary>
internal static class DiskUse
{
    /// <summary>Bytes that files and folders take together; those that are gone count nothing.</summary>
    public static async Task<long> OfAsync(IReadOnlyCollection<string> paths, CancellationToken cancellation)
    {
        if (paths.Count == 0)
            return 0;
        var result = await Tool.RunAsync("du", ["-s", "-c", "-B1", "--", .. paths], null, cancellation).ConfigureAwait(false);
        string total = result.Output.TrimEnd().Split('\n')[^1];
        return long.TryParse(total.Split('\t')[0], CultureInfo.InvariantCulture, out long bytes) ? bytes : 0;
    }
}
