using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.StorageDrivers.Files;

namespace DriverLab.StorageDrivers.Layers;

/// <summary>Finds what differs between two trees by walking both: what Docker calls the naive diff.</summary>
/// <remarks>
/// <para>Two entries differ when type, mode, owner, device number or extended attributes differ, or, but for directories, size or modification time. Times of the same second are
/// equal when one of them has no nanoseconds: a tar unpacked with whole seconds must not make every file look changed. So a change within the same second that keeps the
/// size, or one whose time was set back, is missed; content is never read. A directory counts as modified also when something inside changed. Everything
/// under a deleted, replaced or new name is one deletion, or additions. The root itself is never listed.</para>
/// <para>Unlike Docker, which compares security.capability alone, all attributes that travel in layers are compared.</para>
/// </remarks>
internal sealed class TreeChanges : IDisposable
{
    private const int Deepest = 400;
    private readonly IKernel _task;
    private readonly List<Change> _changes = [];

    private TreeChanges(IKernel kernel) => _task = kernel.Fork();

    /// <summary>Names of files with more than one link in the new tree, by inode; filled by <see cref="Find"/>.</summary>
    public Dictionary<InodeKey, List<byte[]>> Links { get; } = [];

    /// <summary>The changes in byte order of their paths.</summary>
    public IReadOnlyList<Change> Changes => _changes;

    /// <summary>Compares a tree with the one before; a null old tree is an empty one.</summary>
    public static DriverResult<TreeChanges> Find(IKernel kernel, string newRoot, string? oldRoot)
    {
        var walk = new TreeChanges(kernel);
        bool isKept = false;
        try
        {
            var error = walk._task.RunFor(() => walk.CompareRoots(ByteText.Bytes(newRoot), oldRoot is null ? null : ByteText.Bytes(oldRoot)));
            if (error is not null)
                return error;
            walk._changes.Sort(static (a, b) => a.Path.AsSpan().SequenceCompareTo(b.Path));
            isKept = true;
            return walk;
        }
        finally
        {
            if (!isKept)
                walk.Dispose();
        }
    }

    private DriverError? CompareRoots(byte[] newRoot, byte[]? oldRoot)
    {
        const OpenFlags root = OpenFlags.O_RDONLY | OpenFlags.O_DIRECTORY | OpenFlags.O_CLOEXEC;
        var now = _task.OpenAt(Fd.Cwd, newRoot, root, Mode.None);
        if (!now.IsOk)
            return DriverError.Of(now.Error, "open", newRoot);
        if (oldRoot is null)
            return AddAll(now.Value, "/"u8.ToArray(), 0);
        var then = _task.OpenAt(Fd.Cwd, oldRoot, root, Mode.None);
        return then.IsOk ? Compare(now.Value, then.Value, "/"u8.ToArray(), 0) : DriverError.Of(then.Error, "open", oldRoot);
    }

    private DriverError? Compare(Fd now, Fd then, byte[] path, int depth)
    {
        var nowListed = _task.List(now);
        var thenListed = _task.List(then);
        if (!nowListed.IsOk || !thenListed.IsOk)
            return DriverError.Of(nowListed.IsOk ? thenListed.Error : nowListed.Error, "getdents64", path);
        var (a, b) = (nowListed.Value, thenListed.Value);
        for (int i = 0, j = 0; i < a.Count || j < b.Count;)
        {
            int order = i == a.Count ? 1 : j == b.Count ? -1 : a[i].Name.AsSpan().SequenceCompareTo(b[j].Name);
            DriverError? error = null;
            if (order > 0)
                _changes.Add(new Change(ChangeKind.Delete, ByteText.Join(path, b[j].Name)));
            else if (order < 0)
                error = Added(now, a[i].Name, ByteText.Join(path, a[i].Name), ChangeKind.Add, depth);
            else
                error = Both(now, then, a[i].Name, ByteText.Join(path, a[i].Name), depth);
            if (error is not null)
                return error;
            i += order <= 0 ? 1 : 0;
            j += order >= 0 ? 1 : 0;
        }
        return null;
    }

    private DriverError? Both(Fd now, Fd then, byte[] name, byte[] path, int depth)
    {
        Statx b = default;
        var error = _task.LStatAt(now, name, out var a);
        if (error == Errno.OK)
            error = _task.LStatAt(then, name, out b);
        if (error != Errno.OK)
            return DriverError.Of(error, "statx", path);
        Remember(a, path);
        if (a.Key == b.Key && a.MntId == b.MntId)
            return null;
        if (a.IsDirectory && !b.IsDirectory)
            return Added(now, name, path, ChangeKind.Modify, depth);
        var same = Same(now, then, name, a, b);
        if (!same.IsOk)
            return DriverError.Of(same.Error, "listxattr", path);
        int before = _changes.Count;
        if (!same.Value)
            _changes.Add(new Change(ChangeKind.Modify, path));
        if (!a.IsDirectory)
            return null;
        if (Descend(now, name, path, depth, (child, at) => OpenPair(then, name, path, child, at)) is { } failed)
            return failed;
        if (same.Value && _changes.Count > before)
            _changes.Add(new Change(ChangeKind.Modify, path));
        return null;
    }

    private DriverError? OpenPair(Fd then, byte[] name, byte[] path, Fd child, int depth) =>
        Descend(then, name, path, depth - 1, (old, at) => Compare(child, old, path, at));

    private DriverError? Added(Fd now, byte[] name, byte[] path, ChangeKind kind, int depth)
    {
        var error = _task.LStatAt(now, name, out var stat);
        if (error != Errno.OK)
            return DriverError.Of(error, "statx", path);
        Remember(stat, path);
        _changes.Add(new Change(kind, path));
        return stat.IsDirectory ? Descend(now, name, path, depth, (child, at) => AddAll(child, path, at)) : null;
    }

    private DriverError? AddAll(Fd directory, byte[] path, int depth)
    {
        var listed = _task.List(directory);
        if (!listed.IsOk)
            return DriverError.Of(listed.Error, "getdents64", path);
        foreach (var entry in listed.Value)
            if (Added(directory, entry.Name, ByteText.Join(path, entry.Name), ChangeKind.Add, depth) is { } error)
                return error;
        return null;
    }

    private DriverError? Descend(Fd parent, byte[] name, byte[] path, int depth, Func<Fd, int, DriverError?> body)
    {
        if (depth == Deepest)
            return new DriverError("openat", ByteText.Show(path), Errno.ENAMETOOLONG, $"a tree deeper than {Deepest} directories");
        var opened = _task.OpenAt(parent, name, KernelFiles.Listing, Mode.None);
        if (!opened.IsOk)
            return DriverError.Of(opened.Error, "openat", path);
        var error = body(opened.Value, depth + 1);
        _ = _task.Close(opened.Value); // nothing was written
        return error;
    }

    private SysResult<bool> Same(Fd now, Fd then, byte[] name, in Statx a, in Statx b)
    {
        if (a.Mode != b.Mode || a.Uid != b.Uid || a.Gid != b.Gid || a.Rdev != b.Rdev)
            return false;
        if (!a.IsDirectory && (a.Size != b.Size || !SameTime(a.Mtime, b.Mtime)))
            return false;
        var nowXattrs = EntryXattrs.Read(_task, now, name);
        var thenXattrs = EntryXattrs.Read(_task, then, name);
        if (!nowXattrs.IsOk || !thenXattrs.IsOk)
            return nowXattrs.IsOk ? thenXattrs.Error : nowXattrs.Error;
        return EntryXattrs.Equal(nowXattrs.Value, thenXattrs.Value);
    }

    private static bool SameTime(in StatxTimestamp a, in StatxTimestamp b) =>
        a.Seconds == b.Seconds && (a.Nanoseconds == b.Nanoseconds || a.Nanoseconds == 0 || b.Nanoseconds == 0);

    private void Remember(in Statx stat, byte[] path)
    {
        if (stat.Nlink < 2 || stat.IsDirectory)
            return;
        if (!Links.TryGetValue(stat.Key, out var names))
            Links.Add(stat.Key, names = []);
        names.Add(path);
    }

    public void Dispose() => _task.Dispose();
}
