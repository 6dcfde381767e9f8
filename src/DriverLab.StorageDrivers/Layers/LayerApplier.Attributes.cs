using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.StorageDrivers.Files;
using DriverLab.StorageDrivers.Layers.Tar;

namespace DriverLab.StorageDrivers.Layers;

internal sealed partial class LayerApplier
{
    /// <summary>The bits that open(2) sets as they are given.</summary>
    private const Mode Ordinary = Mode.S_IRWXU | Mode.S_IRWXG | Mode.S_IRWXO;

    /// <summary>Paths of the directories that the two answers below are of.</summary>
    private byte[]? _modesOf, _ownersOf;
    private bool _keepsModes;
    private (uint Uid, uint Gid) _owner;

    /// <summary>What the file that was just made has by being made.</summary>
    private bool _hasMode, _hasOwner;

    /// <summary>True when a new file of the current directory has the mode that it is opened with: the task has no umask, and the directory no default access list.</summary>
    private bool NewFilesKeepModes()
    {
        if (!ReferenceEquals(_modesOf, _tree.CurrentPath))
            (_modesOf, _keepsModes) = (_tree.CurrentPath, Task.GetXattr(s_here, "system.posix_acl_default"u8, [], AtFlags.AT_SYMLINK_NOFOLLOW).Error == Errno.ENODATA);
        return _keepsModes;
    }

    /// <summary>The owner that new files of the current directory have, learnt from the first one: the group may be the directory's, by its mode or its mount.</summary>
    private (uint Uid, uint Gid)? NewFilesBelongTo(Fd file)
    {
        if (!ReferenceEquals(_ownersOf, _tree.CurrentPath))
        {
            if (Task.FStat(file, out var stat) != Errno.OK)
                return null;
            (_ownersOf, _owner) = (_tree.CurrentPath, (stat.Uid, stat.Gid));
        }
        return _owner;
    }

    /// <summary>Owner, then mode (chown clears setuid), then attributes (chown clears security.capability), then times; a directory's times wait for the end.</summary>
    private DriverError? SetAttributes(TarEntry entry, byte[] name, byte[] path)
    {
        if (entry.Type == TarType.Directory)
            (_modesOf, _ownersOf, _hasMode, _hasOwner) = (null, null, false, false); // what is in it may be made in another way from now on
        var error = _hasOwner ? Errno.OK : Task.FchownAt(Fd.Cwd, name, entry.Uid, entry.Gid, AtFlags.AT_SYMLINK_NOFOLLOW);
        if (error != Errno.OK)
            return DriverError.Of(error, "fchownat", entry.Name);
        if (entry.Type != TarType.Symlink && !_hasMode && (error = Task.FchmodAt(Fd.Cwd, name, entry.Permissions)) != Errno.OK)
            return DriverError.Of(error, "fchmodat", entry.Name);
        if (SetXattrs(entry.Xattrs, name) is not Errno.OK and var failed)
            return DriverError.Of(failed, "setxattr", entry.Name);
        if (entry.Type != TarType.Directory)
            return DriverError.Of(Task.UtimensAt(Fd.Cwd, name, entry.Mtime, entry.Mtime, AtFlags.AT_SYMLINK_NOFOLLOW), "utimensat", entry.Name);
        _directoryTimes[path] = entry.Mtime;
        return null;
    }

    private Errno SetXattrs(IReadOnlyList<Xattr> xattrs, byte[] name)
    {
        foreach (var xattr in xattrs)
        {
            if (Whiteouts.IsOverlayPrivate(xattr.Name))
            {
                _droppedXattrs++;
                continue;
            }
            var error = Task.SetXattr(name, xattr.Name, xattr.Value, XattrFlags.None, AtFlags.AT_SYMLINK_NOFOLLOW);
            // Not every file system has attributes, nor every type of file user ones; Docker unpacks such layers too.
            if (error is Errno.EOPNOTSUPP or Errno.EPERM)
                _droppedXattrs++;
            else if (error != Errno.OK)
                return error;
        }
        return Errno.OK;
    }

    /// <summary>A directory over a directory replaces its attributes: those that the entry does not bring go.</summary>
    private DriverError? RemoveOldXattrs(TarEntry entry, byte[] name)
    {
        var names = Task.XattrNames(name);
        if (!names.IsOk)
            return DriverError.Of(names.Error, "listxattr", entry.Name);
        foreach (byte[] old in names.Value)
        {
            if (!Whiteouts.Travels(old) || entry.Xattrs.Any(x => x.Name.AsSpan().SequenceEqual(old)))
                continue;
            var error = Task.RemoveXattr(name, old, AtFlags.AT_SYMLINK_NOFOLLOW);
            if (error is not (Errno.OK or Errno.ENODATA))
                return DriverError.Of(error, "removexattr", entry.Name);
        }
        return null;
    }

    /// <inheritdoc/>
    Errno IMissingDirectories.Make(Fd parent, byte[] name, byte[] path, bool obstructed)
    {
        bool hidden = _whiteouts.Contains(path);
        if (obstructed && !hidden)
            return Errno.ENOTDIR;
        Statx below = default;
        bool copies = !hidden && EnterLower(path, out below);
        if (_lowerError is not null)
            return Errno.EIO;
        if (_onlyWhereLowerIs && !copies)
            return Errno.ENOENT;
        var error = hidden ? TakeWhiteout(parent, name) : Errno.OK;
        if (error == Errno.OK)
            error = Task.MkdirAt(parent, name, Mode.S_IRWXU);
        if (error == Errno.OK)
            error = Task.Fchdir(parent); // so that the calls below take the bare name
        if (error != Errno.OK)
            return error;
        _ = _whiteouts.Remove(path);
        AddMade(path);
        return copies ? CopyLower(name, path, below) : hidden ? Closed(name) : Task.FchmodAt(parent, name, (Mode)0x1ED);
    }

    /// <summary>A directory in place of a whiteout: nothing lower shows through it.</summary>
    private Errno Closed(byte[] name)
    {
        var error = Task.FchmodAt(Fd.Cwd, name, (Mode)0x1ED);
        return error == Errno.OK ? PutOpaque(name) : error;
    }

    /// <summary>Gives a directory that the archive lacks the attributes that it has below; the merged view takes a directory's attributes from its top layer.</summary>
    private Errno CopyLower(byte[] name, byte[] path, in Statx below)
    {
        var error = Task.FchownAt(Fd.Cwd, name, below.Uid, below.Gid, AtFlags.AT_SYMLINK_NOFOLLOW);
        if (error == Errno.OK)
            error = Task.FchmodAt(Fd.Cwd, name, below.Mode & Mode.S_IALLUGO);
        if (error != Errno.OK)
            return error;
        var xattrs = EntryXattrs.ReadHere(_lower!.Task, s_here);
        if (!xattrs.IsOk)
            return xattrs.Error;
        _directoryTimes[path] = below.ModificationTime;
        return SetXattrs(xattrs.Value, name);
    }

    private bool EnterLower(byte[] path, out Statx stat)
    {
        stat = default;
        return Lower() is { } lower
            && lower.Enter([.. RootedTree.Split(path)], null, followLast: false) == Errno.OK
            && lower.Task.FStat(lower.Current, out stat) == Errno.OK;
    }

    /// <summary>The merged tree below, opened when first asked for.</summary>
    private RootedTree? Lower()
    {
        if (_lower is not null || _lowerRoot is null || _lowerError is not null)
            return _lower;
        Task.Outside(() =>
        {
            var root = _lowerRoot();
            var tree = root.IsOk ? RootedTree.Open(_kernel, ByteText.Bytes(root.Value)) : root.Error!;
            _lowerError = tree.Error;
            _lower = tree.IsOk ? tree.Value : null;
        });
        return _lower;
    }

    private DriverError? SetDirectoryTimes()
    {
        foreach (var (path, mtime) in _directoryTimes.OrderBy(static pair => pair.Key, ByteText.Order))
        {
            var components = RootedTree.Split(path);
            byte[] name = components.Count == 0 ? s_here : components[^1];
            var error = _tree.Enter(components.Count == 0 ? [] : [.. components[..^1]], null);
            if (error == Errno.OK)
                error = Task.UtimensAt(Fd.Cwd, name, mtime, mtime, AtFlags.AT_SYMLINK_NOFOLLOW);
            if (error != Errno.OK)
                return DriverError.Of(error, "utimensat", path);
        }
        return null;
    }
}
