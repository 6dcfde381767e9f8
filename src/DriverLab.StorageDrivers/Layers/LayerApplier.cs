using System.Buffers;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.StorageDrivers.Files;
using DriverLab.StorageDrivers.Layers.Tar;

namespace DriverLab.StorageDrivers.Layers;

/// <summary>Unpacks a layer's tar over a directory tree: whiteouts honoured, nothing outside the tree ever touched whatever the archive says.</summary>
/// <remarks>
/// <para>Rules, each with its tests: (1) every parent is walked component by component inside the root (<see cref="RootedTree"/>); (2) the root stays a directory; (3) whiteouts obey
/// rule 1, delete a link and not its target, refuse empty, <c>.</c> and <c>..</c>, and an opaque mark does not go through a link; (4) a hard link's last component is not followed and
/// brings no attributes; (5) nothing from the tree is run; (6) names are bytes of one component when the kernel sees them; (7) sizes and counts are bounded
/// (<see cref="TarLimits"/>); (8) new directories are closed until their mode is set; (9) what is read back is never followed; (10) overlayfs's own attributes and 0:0 devices are dropped.</para>
/// <para>Layer semantics of OCI image-spec layer.md: a whiteout hides lower entries only and works wherever it stands in the archive; a directory over a directory replaces its attributes;
/// anything else is removed, then made. Missing parents are made, with the attributes that the layers below give them, otherwise 0755 of user 0.
    /// Unlike Docker, a directory that the archive does not bring keeps its modification time.</para>
/// </remarks>
internal sealed partial class LayerApplier : IMissingDirectories, IDisposable
{
    private static readonly byte[] s_here = "."u8.ToArray();

    private readonly RootedTree _tree;
    private readonly TarReader _tar;
    private readonly TreeFormat _format;
    private readonly Func<DriverResult<string>>? _lowerRoot;
    private readonly IKernel _kernel;
    private readonly HashSet<byte[]> _made = new(ByteText.Equality);
    private readonly HashSet<byte[]> _touched = new(ByteText.Equality);
    private byte[] _lastTouched = [];
    private readonly HashSet<byte[]> _whiteouts = new(ByteText.Equality);
    private readonly Dictionary<byte[], Timespec> _directoryTimes = new(ByteText.Equality);
    private RootedTree? _lower;
    private DriverError? _lowerError;
    private long _bytes;
    private long _entries;
    private int _droppedXattrs;
    private int _droppedNodes;

    private LayerApplier(IKernel kernel, RootedTree tree, TarReader tar, TreeFormat format, Func<DriverResult<string>>? lowerRoot) =>
        (_kernel, _tree, _tar, _format, _lowerRoot) = (kernel, tree, tar, format, lowerRoot);

    private IKernel Task => _tree.Task;

    private bool KeepsMarks => _format.KeepsMarks;

    /// <summary>Applies an archive.</summary>
    /// <param name="kernel">The task; the applier works in a fork of it.</param>
    /// <param name="root">The directory to unpack over.</param>
    /// <param name="archive">The tar, read to its end.</param>
    /// <param name="format">How deletions stand in the tree.</param>
    /// <param name="limits">What is accepted.</param>
    /// <param name="lowerRoot">For an upper directory: gives the merged tree below it, asked at the first parent that the archive lacks.</param>
    public static DriverResult<ApplyResult> Apply(IKernel kernel, string root, Stream archive, TreeFormat format, TarLimits limits, Func<DriverResult<string>>? lowerRoot = null)
    {
        var tree = RootedTree.Open(kernel, ByteText.Bytes(root));
        if (tree.Error is { } error)
            return error;
        var outside = OutsideStream.Buffered(tree.Value.Task, archive);
        using var applier = new LayerApplier(kernel, tree.Value, new TarReader(outside, limits), format, lowerRoot);
        return applier.Task.RunFor(applier.Run);
    }

    private DriverResult<ApplyResult> Run()
    {
        while (true)
        {
            var next = _tar.Next();
            if (next.Error is { } bad)
                return bad;
            if (next.Value is not { } entry)
                break;
            _entries++;
            if (ApplyEntry(entry) is { } error)
                return error;
        }
        return (WhiteOutLowerRoot() ?? SetDirectoryTimes()) is { } late ? late : new ApplyResult(_bytes, _entries, _droppedXattrs, _droppedNodes);
    }

    private DriverError? ApplyEntry(TarEntry entry)
    {
        if (entry.Name.Length >= Limits.PATH_MAX)
            return Refuse(entry, Errno.ENAMETOOLONG, $"a path of {entry.Name.Length} bytes");
        if (entry.Type is TarType.File or TarType.Symlink && _tree.IsEntered(ByteText.Parent(entry.Name)) && IsPlain(entry.Name))
            return KeepTimes(entry) ?? ApplyNamed(entry, [], ByteText.Name(entry.Name).ToArray());
        var components = RootedTree.Split(entry.Name);
        if (components.Count == 0)
            return ApplyRoot(entry);
        for (int i = 0; i < components.Count - 1; i++)
            if (components[i].AsSpan().StartsWith(Whiteouts.Prefix))
                return Refuse(entry, Errno.EINVAL, "a directory cannot have a whiteout's name");
        byte[] name = components[^1];
        byte[][] parent = [.. components[..^1]];
        if (name.AsSpan().StartsWith(Whiteouts.Prefix))
            return ApplyWhiteout(entry, parent, name);
        return DriverError.Of(_tree.Enter(parent, this), "openat", entry.Name) ?? _lowerError ?? KeepTimes(entry) ?? ApplyNamed(entry, parent, name);
    }

    /// <summary>True for a path of which all but the last component is what has been entered, and the last needs no second look: most entries follow another one of their directory.</summary>
    private static bool IsPlain(ReadOnlySpan<byte> path) => path.IndexOf(Whiteouts.Prefix) < 0 && ByteText.Name(path) is [not (byte)'.', ..];

    /// <summary>An entry for the root itself sets its attributes; it can be nothing but a directory.</summary>
    private DriverError? ApplyRoot(TarEntry entry)
    {
        if (entry.Type != TarType.Directory)
            return Refuse(entry, Errno.EINVAL, "the root can only be a directory");
        var error = _tree.Enter([], null);
        return DriverError.Of(error, "fchdir", entry.Name) ?? RemoveOldXattrs(entry, s_here) ?? SetAttributes(entry, s_here, []);
    }

    /// <summary>A directory that the archive does not bring keeps its time although names in it change; so complete trees and upper directories come out the same.</summary>
    private DriverError? KeepTimes(TarEntry entry)
    {
        if (_directoryTimes.ContainsKey(_tree.CurrentPath))
            return null;
        var error = Task.FStat(_tree.Current, out var stat);
        _directoryTimes.Add(_tree.CurrentPath, stat.ModificationTime);
        return DriverError.Of(error, "statx", entry.Name);
    }

    private DriverError? ApplyNamed(TarEntry entry, byte[][] parent, byte[] name)
    {
        byte[] path = ByteText.Join(_tree.CurrentPath, name);
        if (entry.Type == TarType.Char && entry.Device == DevT.Zero)
        {
            _droppedNodes++; // overlayfs would take it for a whiteout
            return null;
        }
        if (entry.Type == TarType.HardLink)
            return ApplyHardLink(entry, parent, name, path);
        bool directory = entry.Type == TarType.Directory;
        bool hidesLower = _whiteouts.Remove(path);
        if (hidesLower && TakeWhiteout(_tree.Current, name) is not Errno.OK and var stuck)
            return DriverError.Of(stuck, "unlinkat", entry.Name);
        (_hasMode, _hasOwner) = (false, false);
        var error = Make(entry, name);
        if (error is { Errno: Errno.EEXIST }) // most names are new: what may have this one is looked at only now
        {
            var kept = Clear(name, path, directory);
            if (!kept.IsOk)
                return DriverError.Of(kept.Error, "unlinkat", entry.Name);
            error = kept.Value ? RemoveOldXattrs(entry, name) : Make(entry, name);
        }
        AddMade(path);
        error ??= SetAttributes(entry, name, path);
        // A whiteout beside a directory of the same name says that nothing of the lower one shows through the new one.
        return error is null && hidesLower && directory ? MarkOpaque(name, entry.Name) : error;
    }

    /// <summary>Removes what has the name, unless it is a directory and stays one.</summary>
    /// <returns>True when a directory was kept.</returns>
    private SysResult<bool> Clear(byte[] name, byte[] path, bool directory)
    {
        var error = Task.LStatAt(Fd.Cwd, name, out var stat);
        if (error == Errno.ENOENT)
            return false;
        if (error != Errno.OK)
            return error;
        if (directory && stat.IsDirectory)
            return true;
        error = RemoveHere(name, path, stat);
        return error == Errno.OK ? false : error;
    }

    /// <summary>Removes a name of the current directory with what is under it.</summary>
    private Errno RemoveHere(byte[] name, byte[] path, in Statx stat)
    {
        var error = TreeRemoval.Remove(Task, _tree.Current, name);
        if (stat.IsDirectory)
        {
            byte[] under = [.. path, (byte)'/'];
            bool IsUnder(byte[] p) => p.AsSpan().StartsWith(under);
            _ = _made.RemoveWhere(IsUnder);
            _ = _whiteouts.RemoveWhere(IsUnder);
            _ = _directoryTimes.Remove(path);
            foreach (byte[] gone in _directoryTimes.Keys.Where(IsUnder).ToArray())
                _ = _directoryTimes.Remove(gone);
        }
        return error;
    }

    private DriverError? Make(TarEntry entry, byte[] name)
    {
        var (call, error) = entry.Type switch
        {
            TarType.Directory => ("mkdirat", Task.MkdirAt(Fd.Cwd, name, Mode.S_IRWXU)),
            TarType.Symlink => ("symlinkat", Task.SymlinkAt(entry.LinkName, Fd.Cwd, name)),
            TarType.Char => ("mknodat", Task.MknodAt(Fd.Cwd, name, Mode.S_IFCHR, entry.Device)),
            TarType.Block => ("mknodat", Task.MknodAt(Fd.Cwd, name, Mode.S_IFBLK, entry.Device)),
            TarType.Fifo => ("mknodat", Task.MknodAt(Fd.Cwd, name, Mode.S_IFIFO, default)),
            TarType.File or TarType.HardLink => ("", Errno.OK),
        };
        return entry.Type == TarType.File ? MakeFile(entry, name) : DriverError.Of(error, call, entry.Name);
    }

    private const int SmallestPiece = 1 << 12, LargestPiece = 1 << 20;

    private DriverError? MakeFile(TarEntry entry, byte[] name)
    {
        const OpenFlags create = OpenFlags.O_WRONLY | OpenFlags.O_CREAT | OpenFlags.O_EXCL | OpenFlags.O_NOFOLLOW | OpenFlags.O_CLOEXEC;
        bool hasMode = NewFilesKeepModes() && (entry.Permissions & ~Ordinary) == 0;
        var opened = Task.OpenAt(Fd.Cwd, name, create, hasMode ? entry.Permissions : Mode.S_IRUSR | Mode.S_IWUSR);
        if (!opened.IsOk)
            return DriverError.Of(opened.Error, "openat", entry.Name);
        (_hasMode, _hasOwner) = (hasMode, NewFilesBelongTo(opened.Value) == (entry.Uid, entry.Gid));
        // Each piece costs a hand-over to the task's thread.
        var buffer = ArrayPool<byte>.Shared.Rent((int)Math.Clamp(entry.Size, SmallestPiece, LargestPiece));
        DriverError? error = null;
        while (error is null)
        {
            var got = _tar.Read(buffer);
            error = got.Error;
            if (got is not { IsOk: true, Value: > 0 })
                break;
            error = DriverError.Of(Task.WriteFully(opened.Value, buffer.AsSpan(0, got.Value)), "write", entry.Name);
            _bytes += got.Value;
        }
        ArrayPool<byte>.Shared.Return(buffer);
        var closed = Task.Close(opened.Value);
        return error ?? DriverError.Of(closed, "close", entry.Name);
    }

    /// <summary>A second name of a file: its parent is walked inside the root, the last component is taken as it is, even when it is a symbolic link.</summary>
    private DriverError? ApplyHardLink(TarEntry entry, byte[][] parent, byte[] name, byte[] path)
    {
        var target = RootedTree.Split(entry.LinkName);
        if (target.Count == 0)
            return Refuse(entry, Errno.EINVAL, "a hard link to the root");
        Statx old = default;
        SysResult<Fd> source = Errno.OK;
        var error = _tree.Enter([.. target[..^1]], null);
        if (error == Errno.OK)
            error = Task.LStatAt(Fd.Cwd, target[^1], out old);
        if (error == Errno.OK)
            error = (source = Task.Dup(_tree.Current)).Error;
        if (error != Errno.OK)
            return new DriverError("linkat", ByteText.Show(entry.Name), error, $"its other name {ByteText.Show(entry.LinkName)}");
        if ((error = _tree.Enter(parent, null)) == Errno.OK)
            error = old.IsDirectory ? Errno.EPERM : Link(source.Value, target[^1], old, name, path);
        _ = Task.Close(source.Value); // O_PATH: nothing to flush
        return DriverError.Of(error, "linkat", entry.Name);
    }

    private Errno Link(Fd source, byte[] target, in Statx old, byte[] name, byte[] path)
    {
        if (Task.LStatAt(Fd.Cwd, name, out var present) == Errno.OK)
        {
            if (present.Key == old.Key)
                return Errno.OK; // already a name of that file
            if (RemoveHere(name, path, present) is not Errno.OK and var error)
                return error;
        }
        AddMade(path);
        if (_whiteouts.Remove(path) && TakeWhiteout(_tree.Current, name) is not Errno.OK and var stuck)
            return stuck;
        return Task.LinkAt(source, target, Fd.Cwd, name, AtFlags.None);
    }

    /// <summary>Notes a path as this archive's own: a whiteout in the same archive spares it.</summary>
    private void AddMade(byte[] path)
    {
        _ = _made.Add(path);
        var above = ByteText.Parent(path);
        if (above.SequenceEqual(_lastTouched))
            return;
        _lastTouched = above.ToArray();
        for (; above.Length > 0 && _touched.Add(above.ToArray()); above = ByteText.Parent(above))
        {
        }
    }

    private static DriverError Refuse(TarEntry entry, Errno errno, string why) => new("tar", ByteText.Show(entry.Name), errno, why);

    public void Dispose()
    {
        _lower?.Dispose();
        _tree.Dispose();
    }
}
