using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.StorageDrivers.Files;

namespace DriverLab.StorageDrivers.Layers;

/// <summary>What a tar will hold: an entry of the tree, or a mark for what is not in it.</summary>
internal enum LayerItemKind
{
    Entry,
    Whiteout,
    Opaque,
}

/// <summary>One thing to put into a tar.</summary>
/// <param name="Kind">What.</param>
/// <param name="Path">Its path below the root, no leading slash; for marks the path of what is marked.</param>
internal readonly record struct LayerItem(LayerItemKind Kind, byte[] Path)
{
    /// <summary>The name in the archive, without the slash that directories get.</summary>
    public byte[] TarName => Kind switch
    {
        LayerItemKind.Entry => Path,
        LayerItemKind.Whiteout => ByteText.Join(ByteText.Parent(Path), [.. Whiteouts.Prefix, .. ByteText.Name(Path)]),
        LayerItemKind.Opaque => ByteText.Join(Path, Whiteouts.Opaque),
    };

    /// <summary>In byte order of archive names: parents come before what is in them.</summary>
    public static void Sort(List<LayerItem> items)
    {
        var names = items.ConvertAll(static item => (Name: item.TarName, Item: item));
        names.Sort(static (a, b) => a.Name.AsSpan().SequenceCompareTo(b.Name));
        items.Clear();
        foreach (var (_, item) in names)
            items.Add(item);
    }

    /// <summary>The items of a naive diff: changed entries and, unlike Docker, the unchanged names of a hard-linked file of which any name changed, with the directories they are
    /// in; otherwise the link would be lost.</summary>
    public static List<LayerItem> FromChanges(TreeChanges found)
    {
        var entries = new HashSet<byte[]>(ByteText.Equality);
        var items = new List<LayerItem>();
        void Add(ReadOnlySpan<byte> path)
        {
            byte[] below = path.TrimStart((byte)'/').ToArray();
            if (below.Length > 0 && entries.Add(below))
                items.Add(new LayerItem(LayerItemKind.Entry, below));
        }
        foreach (var change in found.Changes)
            if (change.Kind == ChangeKind.Delete)
                items.Add(new LayerItem(LayerItemKind.Whiteout, change.Path[1..]));
            else
                Add(change.Path);
        foreach (var names in found.Links.Values)
        {
            if (!names.Exists(name => entries.Contains(name[1..])))
                continue;
            foreach (byte[] name in names)
            {
                Add(name);
                for (var parent = ByteText.Parent(name); parent.Length > 1; parent = ByteText.Parent(parent))
                    Add(parent);
            }
        }
        Sort(items);
        return items;
    }
}

/// <summary>Reads the upper directory of a union: whiteouts and opaque marks become items, all else is an entry.</summary>
internal static class UpperTree
{
    private const int Deepest = 400;

    /// <summary>The items in byte order of their archive names.</summary>
    public static DriverResult<List<LayerItem>> Items(IKernel kernel, string root, TreeFormat format)
    {
        using var task = kernel.Fork();
        var items = new List<LayerItem>();
        byte[] path = ByteText.Bytes(root);
        var opened = task.OpenAt(Fd.Cwd, path, KernelFiles.Listing, Mode.None);
        var error = opened.IsOk ? task.RunFor(() => Walk(task, opened.Value, [], format, items, 0)) : DriverError.Of(opened.Error, "open", path);
        if (error is not null)
            return error;
        LayerItem.Sort(items);
        return items;
    }

    private static DriverError? Walk(IKernel task, Fd directory, byte[] path, TreeFormat format, List<LayerItem> items, int depth)
    {
        var listed = task.List(directory);
        if (!listed.IsOk)
            return DriverError.Of(listed.Error, "getdents64", path);
        foreach (var entry in listed.Value)
        {
            if (format.HidesByName && entry.Name.AsSpan().StartsWith(Whiteouts.Prefix))
            {
                AddMark(path, entry.Name, items);
                continue;
            }
            byte[] entryPath = ByteText.Join(path, entry.Name);
            bool isDirectory = entry.Type == DirentType.DT_DIR, isWhiteout = false;
            if (entry.Type is DirentType.DT_UNKNOWN or DirentType.DT_CHR) // what the listing tells of all others is enough
            {
                var error = task.LStatAt(directory, entry.Name, out var stat);
                if (error != Errno.OK)
                    return DriverError.Of(error, "statx", entryPath);
                (isDirectory, isWhiteout) = (stat.IsDirectory, !format.HidesByName && stat.IsWhiteout);
            }
            items.Add(new LayerItem(isWhiteout ? LayerItemKind.Whiteout : LayerItemKind.Entry, entryPath));
            if (isDirectory && Inside(task, directory, entry.Name, entryPath, format, items, depth) is { } failed)
                return failed;
        }
        return null;
    }

    /// <summary>A name of aufs's: a whiteout, an opaque mark, or one that is its own business.</summary>
    private static void AddMark(byte[] path, byte[] name, List<LayerItem> items)
    {
        if (!name.AsSpan().StartsWith(Whiteouts.MetaPrefix))
            items.Add(new LayerItem(LayerItemKind.Whiteout, ByteText.Join(path, name.AsSpan(Whiteouts.Prefix.Length))));
        else if (name.AsSpan().SequenceEqual(Whiteouts.Opaque) && path.Length > 0)
            items.Add(new LayerItem(LayerItemKind.Opaque, path));
    }

    private static DriverError? Inside(IKernel task, Fd parent, byte[] name, byte[] path, TreeFormat format, List<LayerItem> items, int depth)
    {
        if (depth == Deepest)
            return new DriverError("openat", ByteText.Show(path), Errno.ENAMETOOLONG, $"a tree deeper than {Deepest} directories");
        var opened = task.OpenAt(parent, name, KernelFiles.Listing, Mode.None);
        if (!opened.IsOk)
            return DriverError.Of(opened.Error, "openat", path);
        Span<byte> mark = stackalloc byte[4];
        var got = format.MarkPrefix is null ? Errno.ENODATA : task.FGetXattr(opened.Value, format.OpaqueXattr, mark);
        if (got is { IsOk: true, Value: 1 } && mark[0] == (byte)'y')
            items.Add(new LayerItem(LayerItemKind.Opaque, path));
        var error = Walk(task, opened.Value, path, format, items, depth + 1);
        _ = task.Close(opened.Value); // nothing was written
        return error;
    }
}
