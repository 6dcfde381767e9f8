using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Simulation;
using DriverLab.Vfs;

namespace DriverLab.Emulator;

/// <summary>Calls that make, remove and move names.</summary>
/// <remarks>Linux fs/namei.c: do_mkdirat(), do_mknodat(), do_unlinkat(), do_rmdir(), do_linkat(), do_symlinkat(), do_renameat2().</remarks>
public partial class EmulatedTask
{
    private Errno StartCreate(Fd directory, ReadOnlySpan<byte> path, bool wantDirectory, out VfsPath parent, out Dentry dentry)
    {
        parent = default;
        dentry = null!;
        var error = Start(directory, path, LookupFlags.None, out var start);
        return error != Errno.OK ? error : PathWalk.Create(Caller, start, path, wantDirectory, out parent, out dentry);
    }

    /// <inheritdoc/>
    public Errno MkdirAt(Fd directory, ReadOnlySpan<byte> path, Mode mode)
    {
        var error = StartCreate(directory, path, wantDirectory: true, out var parent, out var dentry);
        return error != Errno.OK ? error : Namei.VfsMkdir(Caller.Through(parent.Mount), parent.Inode, dentry, State.Core.IsMutated(Mutation.MkdirIgnoresUmask) ? mode : Caller.WithoutUmask(parent.Inode, mode));
    }

    /// <inheritdoc/>
    public Errno MknodAt(Fd directory, ReadOnlySpan<byte> path, Mode mode, DevT device)
    {
        var type = mode & Mode.S_IFMT;
        if (type == Mode.S_IFDIR)
            return Errno.EPERM;
        if (type is not (0 or Mode.S_IFREG or Mode.S_IFCHR or Mode.S_IFBLK or Mode.S_IFIFO or Mode.S_IFSOCK))
            return Errno.EINVAL;
        var error = StartCreate(directory, path, wantDirectory: false, out var parent, out var dentry);
        if (error != Errno.OK)
            return error;
        // Set-group-ID goes by the mode that was asked for, not by what the umask leaves of it.
        var permissions = Caller.WithoutUmask(parent.Inode, Permissions.StripSgid(parent.Inode, mode, Caller.Through(parent.Mount).Credentials)) & Mode.S_IALLUGO;
        if (type is 0 or Mode.S_IFREG)
            return Namei.VfsCreate(Caller.Through(parent.Mount), parent.Inode, dentry, permissions);
        bool isDevice = type is Mode.S_IFCHR or Mode.S_IFBLK;
        return Namei.VfsMknod(Caller.Through(parent.Mount), parent.Inode, dentry, type | permissions, isDevice ? DevT.Decode(device.Encoded) : default);
    }

    /// <inheritdoc/>
    public Errno SymlinkAt(ReadOnlySpan<byte> target, Fd directory, ReadOnlySpan<byte> path)
    {
        var error = PathWalk.CheckName(target, LookupFlags.None);
        if (error == Errno.OK)
            error = StartCreate(directory, path, wantDirectory: false, out var parent, out var dentry) is var e and not Errno.OK ? e : Namei.VfsSymlink(Caller.Through(parent.Mount), parent.Inode, dentry, target);
        return error;
    }

    /// <inheritdoc/>
    public Errno LinkAt(Fd oldDirectory, ReadOnlySpan<byte> oldPath, Fd newDirectory, ReadOnlySpan<byte> newPath, AtFlags flags)
    {
        if ((flags & ~(AtFlags.AT_SYMLINK_FOLLOW | AtFlags.AT_EMPTY_PATH)) != 0)
            return Errno.EINVAL;
        var lookup = (flags & AtFlags.AT_SYMLINK_FOLLOW) != 0 ? LookupFlags.LOOKUP_FOLLOW : LookupFlags.None;
        if ((flags & AtFlags.AT_EMPTY_PATH) != 0)
        {
            if (!Caller.Credentials.Capable(Capabilities.CAP_DAC_READ_SEARCH) && !MayLinkEmptyPath(oldDirectory, oldPath))
                return Errno.ENOENT;
            lookup |= LookupFlags.LOOKUP_EMPTY;
        }
        var error = Lookup(oldDirectory, oldPath, lookup, out var old);
        if (error == Errno.OK)
            error = StartCreate(newDirectory, newPath, wantDirectory: false, out var parent, out var dentry) is var e and not Errno.OK ? e
                : !ReferenceEquals(old.Mount, parent.Mount) ? Errno.EXDEV
                : Permissions.MayLink(old.Inode, Caller.Through(old.Mount)) is var denied and not Errno.OK ? denied
                : Namei.VfsLink(Caller.Through(parent.Mount), old.Dentry, parent.Inode, dentry);
        return error;
    }

    // A path that is not empty is walked as without the flag.
    private bool MayLinkEmptyPath(Fd directory, ReadOnlySpan<byte> path) =>
        Quirks.EmptyPathLinksOwnFiles && (!path.IsEmpty || Caller.Files.Get(directory.Value) is not { } file || ReferenceEquals(file.OpenedBy, Caller.Credentials));

    /// <inheritdoc/>
    public Errno UnlinkAt(Fd directory, ReadOnlySpan<byte> path, AtFlags flags)
    {
        if ((flags & ~AtFlags.AT_REMOVEDIR) != 0)
            return Errno.EINVAL;
        bool isRmdir = flags != 0;
        var error = Start(directory, path, LookupFlags.None, out var start);
        if (error != Errno.OK)
            return error;
        error = PathWalk.Parent(Caller, start, path, out var parent, out var last, out var type, out bool trailingSlash);
        if (error != Errno.OK)
            return error;
        if (type != LastType.Norm)
            return !isRmdir ? Errno.EISDIR : type switch { LastType.DotDot => Errno.ENOTEMPTY, LastType.Dot => Errno.EINVAL, _ => Errno.EBUSY };
        error = parent.Mount.WantWrite();
        if (error != Errno.OK)
            return error;
        var found = Namei.LookupPositive(Caller, parent.Dentry, last);
        if (!found.IsOk)
            return found.Error;
        if (isRmdir)
            return Namei.VfsRmdir(Caller.Through(parent.Mount), parent.Inode, found.Value);
        if (trailingSlash)
            return found.Value.IsDirectory ? Errno.EISDIR : Errno.ENOTDIR;
        return Namei.VfsUnlink(Caller.Through(parent.Mount), parent.Inode, found.Value);
    }

    /// <inheritdoc/>
    public SysResult<int> ReadLinkAt(Fd directory, ReadOnlySpan<byte> path, Span<byte> buffer)
    {
        if (buffer.IsEmpty)
            return Errno.EINVAL;
        var error = Lookup(directory, path, LookupFlags.LOOKUP_EMPTY, out var place);
        if (error != Errno.OK)
            return error;
        if (!place.Inode.IsSymlink)
            return path.IsEmpty ? Errno.ENOENT : Errno.EINVAL;
        Files.TouchAtime(place);
        var target = place.Inode.GetLink(Caller, place.Dentry);
        if (!target.IsOk)
            return target.Error;
        if (target.Value.IsJump)
            return ReadJump(target.Value.Jump, buffer);
        var text = target.Value.Text.Span;
        text = text[..Math.Min(text.Length, buffer.Length)];
        text.CopyTo(buffer);
        return text.Length;
    }

    private SysResult<int> ReadJump(in VfsPath place, Span<byte> buffer)
    {
        Span<byte> room = stackalloc byte[Limits.PATH_MAX];
        var printed = PathWalk.PrintHeld(place, Caller.Root, room);
        if (!printed.IsOk)
            return printed.Error == Errno.ERANGE ? Errno.ENAMETOOLONG : printed;
        var text = room[^printed.Value..];
        int length = Math.Min(text.Length, buffer.Length);
        text[..length].CopyTo(buffer);
        return length;
    }

    /// <inheritdoc/>
    public Errno RenameAt2(Fd oldDirectory, ReadOnlySpan<byte> oldPath, Fd newDirectory, ReadOnlySpan<byte> newPath, RenameFlags flags)
    {
        const RenameFlags known = RenameFlags.RENAME_NOREPLACE | RenameFlags.RENAME_EXCHANGE | RenameFlags.RENAME_WHITEOUT;
        bool exchange = (flags & RenameFlags.RENAME_EXCHANGE) != 0, noReplace = (flags & RenameFlags.RENAME_NOREPLACE) != 0 && !State.Core.IsMutated(Mutation.NoReplaceIgnored);
        if ((flags & ~known) != 0 || exchange && (flags & ~RenameFlags.RENAME_EXCHANGE) != 0)
            return Errno.EINVAL;
        var error = Start(oldDirectory, oldPath, LookupFlags.None, out var oldStart);
        return error != Errno.OK ? error : Rename(oldStart, oldPath, newDirectory, newPath, flags, exchange, noReplace);
    }

    private Errno RenameWalk(in VfsPath start, ReadOnlySpan<byte> path, out VfsPath parent, out ReadOnlySpan<byte> last, out LastType type, out bool slash) =>
        PathWalk.Parent(Caller, start, path, out parent, out last, out type, out slash);

    private Errno Rename(in VfsPath oldStart, ReadOnlySpan<byte> oldPath, Fd newDirectory, ReadOnlySpan<byte> newPath, RenameFlags flags, bool exchange, bool noReplace)
    {
        var error = RenameWalk(oldStart, oldPath, out var oldParent, out var oldLast, out var oldType, out bool oldSlash);
        if (error != Errno.OK)
            return error;
        error = Start(newDirectory, newPath, LookupFlags.None, out var newStart);
        if (error != Errno.OK)
            return error;
        error = RenameWalk(newStart, newPath, out var newParent, out var newLast, out var newType, out bool newSlash);
        if (error != Errno.OK)
            return error;
        if (!ReferenceEquals(oldParent.Mount, newParent.Mount))
            return Errno.EXDEV;
        if (oldType != LastType.Norm)
            return Errno.EBUSY;
        if (newType != LastType.Norm)
            return noReplace ? Errno.EEXIST : Errno.EBUSY;
        error = oldParent.Mount.WantWrite();
        if (error != Errno.OK)
            return error;
        var old = Namei.LookupPositive(Caller, oldParent.Dentry, oldLast);
        if (!old.IsOk)
            return old.Error;
        var target = Namei.LookupHash(Caller, newParent.Dentry, newLast);
        if (!target.IsOk)
            return target.Error;
        if (noReplace && target.Value.IsPositive)
            return Errno.EEXIST;
        if (exchange && target.Value.IsNegative)
            return Errno.ENOENT;
        var ancestors = Namei.CheckAncestors(old.Value, oldParent.Dentry, target.Value, newParent.Dentry, exchange);
        if (ancestors != Errno.OK && State.Core.Quirks.RenameChecksAncestorsFirst)
            return ancestors;
        if (exchange && !target.Value.IsDirectory && newSlash || !old.Value.IsDirectory && (oldSlash || !exchange && newSlash))
            return Errno.ENOTDIR;
        return ancestors != Errno.OK ? ancestors : Namei.VfsRename(Caller.Through(oldParent.Mount), oldParent.Inode, old.Value, newParent.Inode, target.Value, flags);
    }
}
