using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.StorageDrivers.Layers;
using DriverLab.StorageDrivers.Layers.Tar;

namespace DriverLab.StorageDrivers.Files;

/// <summary>A directory tree as a tar and back with everything that a driver's home has: overlay's marks, whiteout devices, links, owners, times. Not for layers: nothing is dropped or refused.</summary>
public static class TreeArchive
{
    private const int Deepest = 400;

    /// <summary>Writes a tree.</summary>
    /// <param name="kernel">The task.</param>
    /// <param name="root">The tree; nothing may be mounted in it.</param>
    /// <param name="output">Takes the tar.</param>
    /// <returns>What the kernel says.</returns>
    public static DriverError? Save(IKernel kernel, string root, Stream output)
    {
        using var task = kernel.Fork();
        byte[] path = ByteText.Bytes(root);
        var opened = task.OpenAt(Fd.Cwd, path, KernelFiles.Listing, Mode.None);
        if (!opened.IsOk)
            return DriverError.Of(opened.Error, "open", path);
        var tar = new TarWriter(output);
        var error = SaveInside(task, opened.Value, [], tar, [], 0);
        if (error is null)
            tar.Finish();
        return error;
    }

    private static DriverError? SaveInside(IKernel task, Fd directory, byte[] path, TarWriter tar, Dictionary<InodeKey, byte[]> links, int depth)
    {
        var listed = task.List(directory);
        if (!listed.IsOk || depth == Deepest)
            return DriverError.Of(listed.IsOk ? Errno.ENAMETOOLONG : listed.Error, "getdents64", path);
        foreach (var entry in listed.Value)
        {
            byte[] below = ByteText.Join(path, entry.Name);
            var error = DriverError.Of(task.LStatAt(directory, entry.Name, out var stat), "statx", below) ?? SaveEntry(task, directory, entry.Name, below, stat, tar, links);
            if (error is not null)
                return error;
            if (!stat.IsDirectory)
                continue;
            var opened = task.OpenAt(directory, entry.Name, KernelFiles.Listing, Mode.None);
            if (!opened.IsOk)
                return DriverError.Of(opened.Error, "openat", below);
            error = SaveInside(task, opened.Value, below, tar, links, depth + 1);
            _ = task.Close(opened.Value); // nothing was written
            if (error is not null)
                return error;
        }
        return null;
    }

    private static DriverError? SaveEntry(IKernel task, Fd directory, byte[] name, byte[] path, in Statx stat, TarWriter tar, Dictionary<InodeKey, byte[]> links)
    {
        if (TreeEntry.TypeOf(stat.Mode) is not { } kind)
            return null;
        byte[] target = [];
        var xattrs = new List<Xattr>();
        if (stat.Nlink > 1 && kind != TarType.Directory && !links.TryAdd(stat.Key, path))
            (kind, target) = (TarType.HardLink, links[stat.Key]);
        else
        {
            var error = task.Fchdir(directory);
            var names = task.XattrNames(name);
            if (error != Errno.OK || !names.IsOk)
                return DriverError.Of(error == Errno.OK ? names.Error : error, "listxattr", path);
            foreach (byte[] xattr in names.Value)
                if (task.XattrValue(name, xattr) is { IsOk: true } value)
                    xattrs.Add(new Xattr(xattr, value.Value));
            if (kind == TarType.Symlink)
                target = task.ReadLink(directory, name).Value;
        }
        tar.WriteEntry(TreeEntry.Of(path, kind, stat, target, xattrs));
        return kind == TarType.File && stat.Size > 0 ? SaveContent(task, directory, name, path, (long)stat.Size, tar) : null;
    }

    private static DriverError? SaveContent(IKernel task, Fd directory, byte[] name, byte[] path, long size, TarWriter tar)
    {
        var opened = task.OpenAt(directory, name, OpenFlags.O_RDONLY | OpenFlags.O_NOFOLLOW | OpenFlags.O_CLOEXEC, Mode.None);
        if (!opened.IsOk)
            return DriverError.Of(opened.Error, "openat", path);
        var buffer = new byte[1 << 16];
        SysResult<int> got = Errno.OK;
        while (size > 0 && (got = task.Read(opened.Value, buffer.AsSpan(0, (int)Math.Min(size, buffer.Length)))) is { IsOk: true, Value: > 0 })
        {
            tar.WriteContent(buffer.AsSpan(0, got.Value));
            size -= got.Value;
        }
        _ = task.Close(opened.Value); // nothing was written
        return size == 0 ? null : new DriverError("read", ByteText.Show(path), got.IsOk ? Errno.EIO : got.Error, "the tree changed while it was saved");
    }

    /// <summary>Makes a tree again in an empty directory.</summary>
    /// <param name="kernel">The task.</param>
    /// <param name="root">The directory.</param>
    /// <param name="input">The tar that <see cref="Save"/> wrote.</param>
    /// <returns>EBADMSG (not such a tar), then what the kernel says.</returns>
    public static DriverError? Load(IKernel kernel, string root, Stream input)
    {
        using var task = kernel.Fork();
        _ = task.Umask(Mode.None); // modes come out as given
        if (task.Chdir(ByteText.Bytes(root)) is not Errno.OK and var failed)
            return DriverError.Of(failed, "chdir", ByteText.Bytes(root));
        var reader = new TarReader(input, TarLimits.Default);
        var times = new List<(byte[] Path, Timespec Time)>();
        while (true)
        {
            var next = reader.Next();
            if (!next.IsOk)
                return next.Error;
            if (next.Value is not { } entry)
                break;
            byte[] path = entry.Name.AsSpan().TrimEnd((byte)'/').ToArray();
            if ((Make(task, reader, entry, path) ?? SetAttributes(task, entry, path)) is { } error)
                return error;
            if (entry.Type != TarType.HardLink)
                times.Add((path, entry.Mtime));
        }
        foreach (var (path, time) in Enumerable.Reverse(times))
            if (task.UtimensAt(Fd.Cwd, path, time, time, AtFlags.AT_SYMLINK_NOFOLLOW) is not Errno.OK and var error)
                return DriverError.Of(error, "utimensat", path);
        return null;
    }

    private static DriverError? Make(IKernel task, TarReader reader, TarEntry entry, byte[] path) => entry.Type switch
    {
        TarType.Directory => DriverError.Of(task.MkdirAt(Fd.Cwd, path, Mode.S_IRWXU), "mkdir", path),
        TarType.Symlink => DriverError.Of(task.SymlinkAt(entry.LinkName, Fd.Cwd, path), "symlink", path),
        TarType.HardLink => DriverError.Of(task.LinkAt(Fd.Cwd, entry.LinkName, Fd.Cwd, path, AtFlags.None), "link", path),
        TarType.Char => DriverError.Of(task.MknodAt(Fd.Cwd, path, Mode.S_IFCHR, entry.Device), "mknod", path),
        TarType.Block => DriverError.Of(task.MknodAt(Fd.Cwd, path, Mode.S_IFBLK, entry.Device), "mknod", path),
        TarType.Fifo => DriverError.Of(task.MknodAt(Fd.Cwd, path, Mode.S_IFIFO, default), "mknod", path),
        TarType.File => MakeFile(task, reader, path),
    };

    private static DriverError? MakeFile(IKernel task, TarReader reader, byte[] path)
    {
        var opened = task.OpenAt(Fd.Cwd, path, OpenFlags.O_WRONLY | OpenFlags.O_CREAT | OpenFlags.O_EXCL | OpenFlags.O_CLOEXEC, Mode.S_IRUSR | Mode.S_IWUSR);
        if (!opened.IsOk)
            return DriverError.Of(opened.Error, "open", path);
        var buffer = new byte[1 << 16];
        DriverError? error = null;
        while (error is null && reader.Read(buffer) is { } got && (error = got.Error) is null && got.Value > 0)
            error = DriverError.Of(task.WriteFully(opened.Value, buffer.AsSpan(0, got.Value)), "write", path);
        _ = task.Close(opened.Value); // the tree is in memory
        return error;
    }

    private static DriverError? SetAttributes(IKernel task, TarEntry entry, byte[] path)
    {
        if (entry.Type == TarType.HardLink)
            return null;
        var error = task.FchownAt(Fd.Cwd, path, entry.Uid, entry.Gid, AtFlags.AT_SYMLINK_NOFOLLOW);
        if (error == Errno.OK && entry.Type != TarType.Symlink)
            error = task.FchmodAt(Fd.Cwd, path, entry.Permissions);
        foreach (var xattr in entry.Xattrs)
            if (error == Errno.OK)
                error = task.SetXattr(path, xattr.Name, xattr.Value, XattrFlags.None, AtFlags.AT_SYMLINK_NOFOLLOW);
        return DriverError.Of(error, "attributes", path);
    }
}
