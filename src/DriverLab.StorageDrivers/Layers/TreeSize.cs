using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.StorageDrivers.Files;

namespace DriverLab.StorageDrivers.Layers;

/// <summary>Adds up the sizes of regular files; a file with several names counts once.</summary>
internal static class TreeSize
{
    /// <summary>All regular files of a tree.</summary>
    public static DriverResult<long> OfTree(IKernel kernel, string root)
    {
        using var task = kernel.Fork();
        byte[] path = ByteText.Bytes(root);
        var opened = task.OpenAt(Fd.Cwd, path, KernelFiles.Listing, Mode.None);
        if (!opened.IsOk)
            return DriverError.Of(opened.Error, "open", path)!;
        var seen = new HashSet<InodeKey>();
        long inodes = 0;
        var sum = task.RunFor(() => Sum(task, opened.Value, seen, ref inodes));
        return sum.IsOk ? sum.Value : DriverError.Of(sum.Error, "getdents64", path)!;
    }

    /// <summary>The regular files among added and modified paths.</summary>
    public static DriverResult<long> OfChanges(IKernel kernel, string root, IReadOnlyList<Change> changes)
    {
        var tree = RootedTree.Open(kernel, ByteText.Bytes(root));
        if (tree.Error is { } failed)
            return failed;
        using var opened = tree.Value;
        return opened.Task.RunFor(() => OfChanges(opened, changes));
    }

    private static DriverResult<long> OfChanges(RootedTree opened, IReadOnlyList<Change> changes)
    {
        long bytes = 0;
        var seen = new HashSet<InodeKey>();
        foreach (var change in changes)
        {
            if (change.Kind == ChangeKind.Delete)
                continue;
            var components = RootedTree.Split(change.Path);
            var error = opened.Enter([.. components[..^1]], null);
            Statx stat = default;
            if (error == Errno.OK)
                error = opened.Task.LStatAt(Fd.Cwd, components[^1], out stat);
            if (error != Errno.OK)
                return DriverError.Of(error, "statx", change.Path)!;
            bytes += Count(stat, seen);
        }
        return bytes;
    }

    /// <summary>All inodes of a tree and the bytes of its regular files, the root included.</summary>
    public static DriverResult<LayerUsage> UsageOfTree(IKernel kernel, string root)
    {
        using var task = kernel.Fork();
        byte[] path = ByteText.Bytes(root);
        var opened = task.OpenAt(Fd.Cwd, path, KernelFiles.Listing, Mode.None);
        if (!opened.IsOk)
            return DriverError.Of(opened.Error, "open", path)!;
        var seen = new HashSet<InodeKey>();
        long inodes = 1;
        var sum = task.RunFor(() => Sum(task, opened.Value, seen, ref inodes));
        return sum.IsOk ? new LayerUsage(sum.Value, inodes) : DriverError.Of(sum.Error, "getdents64", path)!;
    }

    private static long Count(in Statx stat, HashSet<InodeKey> seen) =>
        stat.IsRegular && (stat.Nlink < 2 || seen.Add(stat.Key)) ? (long)stat.Size : 0;

    private static SysResult<long> Sum(IKernel task, Fd directory, HashSet<InodeKey> seen, ref long inodes)
    {
        var listed = task.List(directory);
        if (!listed.IsOk)
            return listed.Error;
        long bytes = 0;
        foreach (var entry in listed.Value)
        {
            var error = task.LStatAt(directory, entry.Name, out var stat);
            if (error != Errno.OK)
                return error;
            inodes += stat.IsDirectory || stat.Nlink < 2 || !seen.Contains(stat.Key) ? 1 : 0;
            bytes += Count(stat, seen);
            if (stat.Nlink > 1 && !stat.IsDirectory)
                _ = seen.Add(stat.Key);
            if (!stat.IsDirectory)
                continue;
            var opened = task.OpenAt(directory, entry.Name, KernelFiles.Listing, Mode.None);
            if (!opened.IsOk)
                return opened.Error;
            var inside = Sum(task, opened.Value, seen, ref inodes);
            _ = task.Close(opened.Value); // nothing was written
            if (!inside.IsOk)
                return inside.Error;
            bytes += inside.Value;
        }
        return bytes;
    }
}
