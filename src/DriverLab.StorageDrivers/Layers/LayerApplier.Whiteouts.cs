using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.StorageDrivers.Files;
using DriverLab.StorageDrivers.Layers.Tar;

namespace DriverLab.StorageDrivers.Layers;

internal sealed partial class LayerApplier
{
    private bool _rootIsOpaque;
    private bool _onlyWhereLowerIs;

    private DriverError? ApplyWhiteout(TarEntry entry, byte[][] parent, byte[] name)
    {
        bool opaque = name.AsSpan().SequenceEqual(Whiteouts.Opaque);
        if (!opaque && name.AsSpan().StartsWith(Whiteouts.MetaPrefix))
        {
            _droppedNodes++; // aufs's own files
            return null;
        }
        byte[] target = name[Whiteouts.Prefix.Length..];
        if (!opaque && (target.Length == 0 || target.AsSpan().SequenceEqual("."u8) || target.AsSpan().SequenceEqual(".."u8)))
            return Refuse(entry, Errno.EINVAL, "a whiteout of no name");
        // A whiteout alone makes no directory: where nothing lower is, there is nothing to hide.
        _onlyWhereLowerIs = true;
        var error = _tree.Enter(parent, KeepsMarks ? this : null, followLast: !opaque);
        _onlyWhereLowerIs = false;
        if (error is Errno.ENOENT or Errno.ENOTDIR)
            return _lowerError;
        if (error != Errno.OK)
            return DriverError.Of(error, "openat", entry.Name);
        return KeepTimes(entry) ?? (opaque ? ApplyOpaque(entry) : KeepsMarks ? HideLower(entry, target) : RemoveLower(entry, target));
    }

    private DriverError? ApplyOpaque(TarEntry entry)
    {
        var error = RemoveOthers(_tree.Current, _tree.CurrentPath);
        if (error != Errno.OK || !KeepsMarks)
            return DriverError.Of(error, "unlinkat", entry.Name);
        if (_tree.CurrentPath.Length > 0)
            return MarkOpaque(s_here, entry.Name);
        _rootIsOpaque = true;
        return null;
    }

    /// <summary>In a complete tree: removes what the layers below had there and spares what this archive brought.</summary>
    private DriverError? RemoveLower(TarEntry entry, byte[] target)
    {
        var error = RemoveOther(_tree.Current, target, ByteText.Join(_tree.CurrentPath, target));
        return DriverError.Of(error, "unlinkat", entry.Name);
    }

    /// <summary>In an upper directory: puts a whiteout there, or makes the archive's own directory opaque.</summary>
    private DriverError? HideLower(TarEntry entry, byte[] target)
    {
        byte[] path = ByteText.Join(_tree.CurrentPath, target);
        var found = Task.LStatAt(Fd.Cwd, target, out var stat);
        if (_made.Contains(path) || _touched.Contains(path))
            return found == Errno.OK && stat.IsDirectory ? MarkOpaque(target, entry.Name) : null;
        if (found == Errno.OK && RemoveHere(target, path, stat) is not Errno.OK and var error)
            return DriverError.Of(error, "unlinkat", entry.Name);
        _ = _whiteouts.Add(path);
        return DriverError.Of(PutWhiteout(target), "mknodat", entry.Name);
    }

    private DriverError? MarkOpaque(byte[] name, byte[] entryName) =>
        DriverError.Of(PutOpaque(name), "setxattr", entryName);

    /// <summary>A whiteout of a name of the current directory: a 0:0 device, or for aufs a file beside it.</summary>
    private Errno PutWhiteout(byte[] name) =>
        _format.HidesByName ? MakeEmpty([.. Whiteouts.Prefix, .. name]) : Task.MknodAt(Fd.Cwd, name, Mode.S_IFCHR, DevT.Zero);

    /// <summary>Takes it away again, for something else of that name.</summary>
    private Errno TakeWhiteout(Fd directory, byte[] name)
    {
        var error = Task.UnlinkAt(directory, _format.HidesByName ? [.. Whiteouts.Prefix, .. name] : name, AtFlags.None);
        return error == Errno.ENOENT ? Errno.OK : error;
    }

    private Errno PutOpaque(byte[] name) => _format.HidesByName
        ? MakeEmpty(ByteText.Join(name, Whiteouts.Opaque))
        : Task.SetXattr(name, _format.OpaqueXattr, "y"u8, XattrFlags.None, AtFlags.AT_SYMLINK_NOFOLLOW);

    private Errno MakeEmpty(byte[] name)
    {
        var error = Task.MknodAt(Fd.Cwd, name, Mode.S_IFREG | Mode.S_IRUSR | Mode.S_IRGRP | Mode.S_IROTH, default);
        return error == Errno.EEXIST ? Errno.OK : error;
    }

    private Errno RemoveOther(Fd directory, byte[] name, byte[] path)
    {
        if (!_made.Contains(path) && !_touched.Contains(path))
            return TreeRemoval.Remove(Task, directory, name);
        var opened = Task.OpenAt(directory, name, KernelFiles.Listing, Mode.None);
        if (!opened.IsOk)
            return opened.Error is Errno.ENOTDIR or Errno.ELOOP or Errno.ENOENT ? Errno.OK : opened.Error;
        var error = RemoveOthers(opened.Value, path);
        _ = Task.Close(opened.Value); // nothing was written
        return error;
    }

    /// <summary>A name that says what is hidden, where names do: those of this archive stay.</summary>
    private bool IsMark(byte[] path, byte[] name) => _format.HidesByName && name.AsSpan().StartsWith(Whiteouts.Prefix)
        && (name.AsSpan().SequenceEqual(Whiteouts.Opaque) || _whiteouts.Contains(ByteText.Join(path, name.AsSpan(Whiteouts.Prefix.Length))));

    /// <summary>Removes from a directory what this archive did not bring; the directory may be open as O_PATH.</summary>
    private Errno RemoveOthers(Fd directory, byte[] path)
    {
        var opened = Task.OpenAt(directory, s_here, KernelFiles.Listing, Mode.None);
        if (!opened.IsOk)
            return opened.Error;
        var listed = Task.List(opened.Value);
        var error = listed.Error;
        for (int i = 0; error == Errno.OK && i < listed.Value.Count; i++)
        {
            byte[] child = ByteText.Join(path, listed.Value[i].Name);
            if (!_whiteouts.Contains(child) && !IsMark(path, listed.Value[i].Name))
                error = RemoveOther(opened.Value, listed.Value[i].Name, child);
        }
        _ = Task.Close(opened.Value); // nothing was written
        return error;
    }

    /// <summary>Unions always merge roots, whatever their marks say; so an opaque root becomes a whiteout for each lower name that the archive does not bring.</summary>
    private DriverError? WhiteOutLowerRoot()
    {
        if (!_rootIsOpaque || Lower() is not { } lower)
            return _lowerError;
        var error = lower.Enter([], null);
        var opened = lower.Task.OpenAt(lower.Current, s_here, KernelFiles.Listing, Mode.None);
        if (error != Errno.OK || !opened.IsOk)
            return DriverError.Of(error == Errno.OK ? opened.Error : error, "open", "/"u8);
        var names = lower.Task.List(opened.Value);
        _ = lower.Task.Close(opened.Value); // nothing was written
        error = names.IsOk ? _tree.Enter([], null) : names.Error;
        for (int i = 0; error == Errno.OK && i < names.Value.Count; i++)
        {
            byte[] name = names.Value[i].Name;
            var found = Task.LStatAt(Fd.Cwd, name, out var stat);
            if (found == Errno.ENOENT)
                error = PutWhiteout(name);
            else if (found == Errno.OK && stat.IsDirectory)
                error = PutOpaque(name);
            else
                error = found;
        }
        return DriverError.Of(error, "mknodat", "/.wh..wh..opq"u8);
    }
}
