using System.Buffers;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.StorageDrivers.Files;
using DriverLab.StorageDrivers.Layers.Tar;

namespace DriverLab.StorageDrivers.Layers;

/// <summary>Writes chosen entries of a tree, and marks for deletions, as a tar.</summary>
/// <remarks>
/// Sockets are left out; a second name of a file becomes a hard link to its first in the archive; times keep their nanoseconds in pax records, which Docker cuts off. A file that
/// vanished since the items were collected is skipped, one that shrank is filled with zeroes: containers may be running.
/// </remarks>
internal sealed class LayerExport
{
    private readonly RootedTree _tree;
    private readonly TarWriter _tar;
    private readonly Dictionary<InodeKey, byte[]> _firstNames = [];

    private LayerExport(RootedTree tree, TarWriter tar) => (_tree, _tar) = (tree, tar);

    /// <summary>Writes a whole archive with its end marker.</summary>
    public static DriverError? Write(IKernel kernel, string root, List<LayerItem> items, Stream stream)
    {
        var tree = RootedTree.Open(kernel, ByteText.Bytes(root));
        if (tree.Error is { } failed)
            return failed;
        using var opened = tree.Value;
        var tar = new TarWriter(OutsideStream.Buffered(opened.Task, stream));
        var export = new LayerExport(opened, tar);
        return opened.Task.RunFor(() => export.WriteItems(items));
    }

    private DriverError? WriteItems(List<LayerItem> items)
    {
        foreach (var item in items)
            if (WriteItem(item) is { } error)
                return error;
        _tar.Finish();
        return null;
    }

    private DriverError? WriteItem(LayerItem item)
    {
        if (item.Kind != LayerItemKind.Entry)
        {
            _tar.WriteEntry(new TarEntry { Name = item.TarName, Type = TarType.File });
            return null;
        }
        byte[] name = ByteText.Name(item.Path).ToArray();
        Statx stat = default;
        var parent = ByteText.Parent(item.Path);
        var error = _tree.IsEntered(parent) ? Errno.OK : _tree.Enter([.. RootedTree.Split(parent)], null);
        if (error == Errno.OK)
            error = _tree.Task.LStatAt(Fd.Cwd, name, out stat);
        return error switch
        {
            Errno.OK => WriteEntry(item.Path, name, stat),
            Errno.ENOENT or Errno.ENOTDIR => null,
            _ => DriverError.Of(error, "statx", item.Path),
        };
    }

    private DriverError? WriteEntry(byte[] path, byte[] name, in Statx stat)
    {
        if (TreeEntry.TypeOf(stat.Mode) is not { } type)
            return null;
        byte[]? first = null;
        if (stat.Nlink > 1 && type != TarType.Directory && !_firstNames.TryGetValue(stat.Key, out first))
            _firstNames.Add(stat.Key, path);
        byte[] target = [];
        List<Xattr> xattrs = [];
        if (first is not null)
            (type, target) = (TarType.HardLink, first);
        else
        {
            var read = EntryXattrs.ReadHere(_tree.Task, name);
            if (!read.IsOk)
                return DriverError.Of(read.Error, "listxattr", path);
            xattrs = read.Value;
            if (type == TarType.Symlink)
            {
                var link = _tree.Task.ReadLink(Fd.Cwd, name);
                if (!link.IsOk)
                    return DriverError.Of(link.Error, "readlinkat", path);
                target = link.Value;
            }
        }
        var entry = TreeEntry.Of(path, type, stat, target, xattrs);
        return type == TarType.File ? WriteFile(entry, path, name) : Only(entry);
    }

    private DriverError? Only(TarEntry entry)
    {
        _tar.WriteEntry(entry);
        return null;
    }

    private DriverError? WriteFile(TarEntry entry, byte[] path, byte[] name)
    {
        var opened = _tree.Task.OpenAt(Fd.Cwd, name, OpenFlags.O_RDONLY | OpenFlags.O_NOFOLLOW | OpenFlags.O_CLOEXEC, Mode.None);
        if (!opened.IsOk)
            return DriverError.Of(opened.Error, "openat", path);
        _tar.WriteEntry(entry);
        var buffer = ArrayPool<byte>.Shared.Rent(1 << 16);
        DriverError? error = null;
        for (long left = entry.Size; left > 0 && error is null;)
        {
            var chunk = buffer.AsSpan(0, (int)Math.Min(left, buffer.Length));
            var got = _tree.Task.Read(opened.Value, chunk);
            error = DriverError.Of(got.Error, "read", path);
            if (got is { IsOk: true, Value: 0 })
                chunk.Clear(); // shrank since it was measured
            else
                chunk = chunk[..got.Value];
            _tar.WriteContent(chunk);
            left -= chunk.Length;
        }
        ArrayPool<byte>.Shared.Return(buffer);
        _ = _tree.Task.Close(opened.Value); // nothing was written
        return error;
    }
}
