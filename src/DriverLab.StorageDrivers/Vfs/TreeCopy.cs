using System.Buffers;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.StorageDrivers.Files;
using DriverLab.StorageDrivers.Layers;

namespace DriverLab.StorageDrivers.Vfs;

/// <summary>Which attributes a copy keeps.</summary>
public enum CopiedXattrs
{
    /// <summary>security.capability alone, as Docker's vfs does; user attributes and ACLs are lost.</summary>
    Docker,
    /// <summary>All that travel in layers.</summary>
    All,
    /// <summary>All that travel in layers, and overlayfs's opaque marks: for a copy of an upper directory.</summary>
    Upper,
}

/// <summary>Copies a whole tree: hard links stay links, modes, owners and times are kept, directories' times set when they are full; FIFOs, sockets and devices are made anew.</summary>
/// <remarks>Contents by FICLONE, else copy_file_range(2), else read and write; what a file system refused once is not asked again in the same copy.</remarks>
internal sealed class TreeCopy : IDisposable
{
    private const uint FICLONE = 0x40049409; // _IOW(0x94, 9, int), Linux include/uapi/linux/fs.h
    private const int Deepest = 400;
    private readonly IKernel _task;
    private readonly CopiedXattrs _xattrs;
    private readonly Dictionary<InodeKey, byte[]> _links = [];
    private Fd _target = Fd.None;
    private bool _clones = true;
    private bool _copiesRanges = true;
    private bool _linksFiles;

    private TreeCopy(IKernel kernel, CopiedXattrs xattrs)
    {
        _task = kernel.Fork();
        _ = _task.Umask(Mode.None); // modes come out as given
        _xattrs = xattrs;
    }

    /// <summary>Copies what is in one directory into another, which is empty, and gives that the first one's attributes.</summary>
    public static DriverError? Copy(IKernel kernel, string source, string target, CopiedXattrs xattrs) => Run(kernel, source, target, xattrs, linksFiles: false);

    /// <summary>The same tree again with every regular file a hard link: what is changed in either is changed in both, so neither may be written in place.</summary>
    public static DriverError? Link(IKernel kernel, string source, string target) => Run(kernel, source, target, CopiedXattrs.All, linksFiles: true);

    private static DriverError? Run(IKernel kernel, string source, string target, CopiedXattrs xattrs, bool linksFiles)
    {
        using var copy = new TreeCopy(kernel, xattrs) { _linksFiles = linksFiles };
        return copy._task.RunFor(() => copy.CopyTree(source, target));
    }

    private DriverError? CopyTree(string source, string target)
    {
        var from = _task.OpenAt(Fd.Cwd, ByteText.Bytes(source), KernelFiles.Listing, Mode.None);
        if (!from.IsOk)
            return new DriverError("open", source, from.Error);
        var to = _task.OpenAt(Fd.Cwd, ByteText.Bytes(target), KernelFiles.Listing, Mode.None);
        if (!to.IsOk)
            return new DriverError("open", target, to.Error);
        _target = to.Value;
        var error = _task.FStat(from.Value, out var stat);
        return DriverError.Of(error, "statx", ByteText.Bytes(source))
            ?? CopyInside(from.Value, to.Value, [], 0)
            ?? DriverError.Of(CopyAttributes(from.Value, to.Value, "."u8.ToArray(), stat), "copy", ByteText.Bytes(target));
    }

    private DriverError? CopyInside(Fd from, Fd to, byte[] path, int depth)
    {
        if (depth == Deepest)
            return new DriverError("copy", ByteText.Show(path), Errno.ENAMETOOLONG, $"a tree deeper than {Deepest} directories");
        var listed = _task.List(from);
        if (!listed.IsOk)
            return DriverError.Of(listed.Error, "getdents64", path);
        foreach (var entry in listed.Value)
            if (CopyEntry(from, to, entry.Name, ByteText.Join(path, entry.Name), depth) is { } error)
                return error;
        return null;
    }

    private DriverError? CopyEntry(Fd from, Fd to, byte[] name, byte[] path, int depth)
    {
        var error = _task.LStatAt(from, name, out var stat);
        if (error != Errno.OK)
            return DriverError.Of(error, "statx", path);
        if (_linksFiles && stat.IsRegular)
            return DriverError.Of(_task.LinkAt(from, name, to, name, AtFlags.None), "linkat", path);
        if (stat.Nlink > 1 && !stat.IsDirectory)
        {
            if (_links.TryGetValue(stat.Key, out var first))
                return DriverError.Of(_task.LinkAt(_target, first, to, name, AtFlags.None), "linkat", path);
            _links.Add(stat.Key, path);
        }
        var failed = stat.Type switch
        {
            Mode.S_IFDIR => CopyDirectory(from, to, name, path, depth),
            Mode.S_IFREG => CopyFile(from, to, name, path, (long)stat.Size),
            Mode.S_IFLNK => CopyLink(from, to, name, path),
            _ => DriverError.Of(_task.MknodAt(to, name, stat.Mode, stat.Rdev), "mknodat", path),
        };
        return failed ?? DriverError.Of(CopyAttributes(from, to, name, stat), "copy", path);
    }

    private DriverError? CopyDirectory(Fd from, Fd to, byte[] name, byte[] path, int depth)
    {
        var error = _task.MkdirAt(to, name, Mode.S_IRWXU);
        if (error != Errno.OK)
            return DriverError.Of(error, "mkdirat", path);
        var source = _task.OpenAt(from, name, KernelFiles.Listing, Mode.None);
        if (!source.IsOk)
            return DriverError.Of(source.Error, "openat", path);
        var target = _task.OpenAt(to, name, KernelFiles.Listing, Mode.None);
        var failed = target.IsOk ? CopyInside(source.Value, target.Value, path, depth + 1) : DriverError.Of(target.Error, "openat", path);
        _ = _task.Close(source.Value); // nothing was written
        _ = _task.Close(target.Value);
        return failed;
    }

    private DriverError? CopyLink(Fd from, Fd to, byte[] name, byte[] path)
    {
        var target = _task.ReadLink(from, name);
        return target.IsOk ? DriverError.Of(_task.SymlinkAt(target.Value, to, name), "symlinkat", path) : DriverError.Of(target.Error, "readlinkat", path);
    }

    private DriverError? CopyFile(Fd from, Fd to, byte[] name, byte[] path, long size)
    {
        var source = _task.OpenAt(from, name, OpenFlags.O_RDONLY | OpenFlags.O_NOFOLLOW | OpenFlags.O_CLOEXEC, Mode.None);
        if (!source.IsOk)
            return DriverError.Of(source.Error, "openat", path);
        const OpenFlags create = OpenFlags.O_WRONLY | OpenFlags.O_CREAT | OpenFlags.O_EXCL | OpenFlags.O_NOFOLLOW | OpenFlags.O_CLOEXEC;
        var target = _task.OpenAt(to, name, create, Mode.S_IRUSR | Mode.S_IWUSR);
        var error = !target.IsOk || size == 0 ? target.Error : CopyContent(source.Value, target.Value);
        var closed = target.IsOk ? _task.Close(target.Value) : Errno.OK;
        _ = _task.Close(source.Value); // nothing was written
        return DriverError.Of(error == Errno.OK ? closed : error, "copy", path);
    }

    private Errno CopyContent(Fd source, Fd target)
    {
        if (_clones)
        {
            var cloned = _task.Ioctl(target, FICLONE, source.Value);
            if (cloned.IsOk)
                return Errno.OK;
            _clones = false;
        }
        while (_copiesRanges)
        {
            var copied = _task.CopyFileRange(source, null, target, null, 1 << 30);
            if (copied is { IsOk: true, Value: > 0 })
                continue;
            if (copied.IsOk)
                return Errno.OK;
            _copiesRanges = false; // goes on below, from where the positions stand
        }
        var buffer = ArrayPool<byte>.Shared.Rent(1 << 16);
        Errno error;
        SysResult<int> got;
        do
        {
            got = _task.Read(source, buffer);
            error = got.IsOk ? _task.WriteFully(target, buffer.AsSpan(0, got.Value)) : got.Error;
        }
        while (error == Errno.OK && got.Value > 0);
        ArrayPool<byte>.Shared.Return(buffer);
        return error;
    }

    /// <summary>Owner, mode, attributes, times, in the order in which one does not undo another.</summary>
    private Errno CopyAttributes(Fd from, Fd to, byte[] name, in Statx stat)
    {
        var error = _task.FchownAt(to, name, stat.Uid, stat.Gid, AtFlags.AT_SYMLINK_NOFOLLOW);
        if (error == Errno.OK && !stat.IsSymlink)
            error = _task.FchmodAt(to, name, stat.Mode & Mode.S_IALLUGO);
        if (error == Errno.OK)
            error = CopyXattrs(from, to, name);
        return error == Errno.OK ? _task.UtimensAt(to, name, stat.AccessTime, stat.ModificationTime, AtFlags.AT_SYMLINK_NOFOLLOW) : error;
    }

    private Errno CopyXattrs(Fd from, Fd to, byte[] name)
    {
        var xattrs = EntryXattrs.Read(_task, from, name, withMarks: _xattrs == CopiedXattrs.Upper);
        if (!xattrs.IsOk)
            return xattrs.Error;
        if (_xattrs == CopiedXattrs.Docker)
            _ = xattrs.Value.RemoveAll(static x => !x.Name.AsSpan().SequenceEqual("security.capability"u8));
        if (xattrs.Value.Count == 0)
            return Errno.OK;
        var error = _task.Fchdir(to);
        foreach (var xattr in xattrs.Value)
            if (error == Errno.OK)
                error = _task.SetXattr(name, xattr.Name, xattr.Value, XattrFlags.None, AtFlags.AT_SYMLINK_NOFOLLOW);
        return error;
    }

    public void Dispose() => _task.Dispose();
}
