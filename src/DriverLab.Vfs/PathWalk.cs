using DriverLab.Linux;
using DriverLab.Linux.Abi;

namespace DriverLab.Vfs;

/// <summary>How a path is walked.</summary>
[Flags]
public enum LookupFlags
{
    None = 0,
    /// <summary>Follow a symbolic link in the last component.</summary>
    LOOKUP_FOLLOW = 1,
    /// <summary>The result must be a directory.</summary>
    LOOKUP_DIRECTORY = 2,
    /// <summary>The result is what covers the place, also when the path ends in a dot.</summary>
    LOOKUP_MOUNTPOINT = 0x80,
    /// <summary>An empty path means the starting point.</summary>
    LOOKUP_EMPTY = 0x4000,
}

/// <summary>What the last component of a path is.</summary>
public enum LastType : byte
{
    /// <summary>A name.</summary>
    Norm,
    /// <summary>There is none: the path was slashes only.</summary>
    Root,
    Dot,
    DotDot,
}

/// <summary>Turns paths into places: components, <c>..</c>, mounts, symbolic links.</summary>
/// <remarks>Linux fs/namei.c: path_lookupat(), path_parentat(), filename_create().</remarks>
public static class PathWalk
{
    /// <summary>Walks a path as the caller sees it, from its root or working directory; what kern_path() and filename_lookup() do.</summary>
    /// <returns>The walk's errors, as <see cref="IKernel"/> lists them.</returns>
    public static Errno Lookup(Caller caller, ReadOnlySpan<byte> path, LookupFlags flags, out VfsPath result) => Lookup(caller, caller.Cwd, path, flags, out result);

    /// <summary>As above, with relative paths starting at <paramref name="start"/>.</summary>
    public static Errno Lookup(Caller caller, in VfsPath start, ReadOnlySpan<byte> path, LookupFlags flags, out VfsPath result) =>
        Lookup(caller, start, path, flags, keepsExpiry: false, out result);

    /// <summary>As above; <paramref name="keepsExpiry"/> for umount, whose own walk is no use of the mount.</summary>
    internal static Errno Lookup(Caller caller, in VfsPath start, ReadOnlySpan<byte> path, LookupFlags flags, bool keepsExpiry, out VfsPath result,
        ResolveFlags resolve = ResolveFlags.None)
    {
        result = default;
        var error = CheckName(path, flags);
        if (error != Errno.OK)
            return error;
        var walker = new PathWalker(caller, start, resolve);
        error = walker.Lookup(path, flags);
        if (error == Errno.ESTALE)
        {
            // Once more: what is cached might have been wrong.
            walker = new PathWalker(caller, start, resolve);
            error = walker.Lookup(path, flags);
        }
        // A walk that fails has left the quick mode first, and so has used the mount where it ended.
        walker.Current.Mount.ExpiryMark &= keepsExpiry && error == Errno.OK;
        if (error == Errno.OK)
            result = walker.Current;
        return error;
    }

    /// <summary>Walks to the directory of the last component, which is not looked up.</summary>
    /// <param name="caller">Who asks.</param>
    /// <param name="start">Where a relative path starts.</param>
    /// <param name="path">The path.</param>
    /// <param name="parent">The directory.</param>
    /// <param name="last">The last component.</param>
    /// <param name="type">What it is.</param>
    /// <param name="trailingSlash">True when slashes follow it.</param>
    public static Errno Parent(Caller caller, in VfsPath start, ReadOnlySpan<byte> path, out VfsPath parent, out ReadOnlySpan<byte> last, out LastType type, out bool trailingSlash)
    {
        parent = default;
        last = default;
        type = default;
        trailingSlash = false;
        var error = CheckName(path, LookupFlags.None);
        if (error != Errno.OK)
            return error;
        var walker = new PathWalker(caller, start);
        error = walker.LinkPathWalk(path, out last, out type, out trailingSlash);
        if (error == Errno.ESTALE)
        {
            walker = new PathWalker(caller, start);
            error = walker.LinkPathWalk(path, out last, out type, out trailingSlash);
        }
        parent = walker.Current;
        parent.Mount.ExpiryMark = false;
        return error;
    }

    /// <summary>Prepares the creation of a name: walks to its directory and makes a negative entry.</summary>
    /// <returns>(walk), EEXIST, ENOENT (trailing slash, unless a directory is wanted), EROFS.</returns>
    public static Errno Create(Caller caller, in VfsPath start, ReadOnlySpan<byte> path, bool wantDirectory, out VfsPath parent, out Dentry dentry)
    {
        dentry = null!;
        var error = Parent(caller, start, path, out parent, out var last, out var type, out bool trailingSlash);
        if (error != Errno.OK)
            return error;
        if (type != LastType.Norm)
            return Errno.EEXIST;
        if (trailingSlash && !wantDirectory)
        {
            var existing = Namei.LookupPositive(caller, parent.Dentry, last);
            return existing.IsOk ? Errno.EEXIST : existing.Error;
        }
        var found = Namei.LookupHash(caller, parent.Dentry, last);
        if (!found.IsOk)
            return found.Error;
        dentry = found.Value;
        return dentry.IsPositive ? Errno.EEXIST : parent.Mount.WantWrite();
    }

    /// <summary>Empty and too long paths, before anything else is looked at.</summary>
    /// <returns>ENAMETOOLONG, ENOENT.</returns>
    /// <remarks>Linux fs/namei.c: getname_flags().</remarks>
    public static Errno CheckName(ReadOnlySpan<byte> path, LookupFlags flags)
    {
        if (path.Length >= Limits.PATH_MAX)
            return Errno.ENAMETOOLONG;
        return path.IsEmpty && (flags & LookupFlags.LOOKUP_EMPTY) == 0 ? Errno.ENOENT : Errno.OK;
    }

    /// <summary>The path of an open place, with <c> (deleted)</c> behind the name of one that has been removed; at the end of the buffer.</summary>
    /// <returns>The number of bytes, or ERANGE.</returns>
    /// <remarks>Linux fs/d_path.c: d_path().</remarks>
    public static SysResult<int> PrintHeld(in VfsPath path, in VfsPath root, Span<byte> buffer)
    {
        var deleted = path.Dentry.IsUnlinked ? " (deleted)"u8 : default;
        deleted.CopyTo(buffer[^deleted.Length..]);
        var printed = Print(path, root, buffer[..^deleted.Length], out _);
        return printed.IsOk ? printed.Value + deleted.Length : printed;
    }

    /// <summary>The path of a place as seen from a root, appended to a buffer from its end.</summary>
    /// <param name="path">The place.</param>
    /// <param name="root">Where the path starts.</param>
    /// <param name="buffer">Room; the path is put at the end of it.</param>
    /// <param name="reachable">False when the root was not met on the way up.</param>
    /// <returns>The number of bytes, or ERANGE.</returns>
    /// <remarks>Linux fs/d_path.c: prepend_path().</remarks>
    public static SysResult<int> Print(in VfsPath path, in VfsPath root, Span<byte> buffer, out bool reachable)
    {
        var (mount, dentry) = path;
        int at = buffer.Length;
        reachable = true;
        if (dentry.Sb.NamesAreWhole)
        {
            dentry.Name.CopyTo(buffer[^dentry.Name.Length..]);
            return dentry.Name.Length;
        }
        while (!(ReferenceEquals(dentry, root.Dentry) && ReferenceEquals(mount, root.Mount)))
        {
            if (ReferenceEquals(dentry, mount.Root))
            {
                if (mount.Parent is null)
                {
                    reachable = false;
                    break;
                }
                (mount, dentry) = (mount.Parent, mount.Mountpoint!);
                continue;
            }
            if (dentry.IsRoot)
            {
                // Outside of what the mount shows: no name counts.
                reachable = false;
                at = buffer.Length;
                break;
            }
            if (dentry.Name.Length + 1 > at)
                return Errno.ERANGE;
            at -= dentry.Name.Length;
            dentry.Name.CopyTo(buffer[at..]);
            buffer[--at] = (byte)'/';
            dentry = dentry.Parent;
        }
        if (at == buffer.Length)
        {
            if (at == 0)
                return Errno.ERANGE;
            buffer[--at] = (byte)'/';
        }
        return buffer.Length - at;
    }
}
