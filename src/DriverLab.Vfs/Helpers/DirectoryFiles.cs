using DriverLab.Linux;
using DriverLab.Linux.Abi;

namespace DriverLab.Vfs.Helpers;

/// <summary>An open directory whose entries are its dentries.</summary>
public abstract class DentryDirectoryFile(VfsPath path, OpenFlags flags) : OpenFile(path, flags)
{
    /// <summary>The directory.</summary>
    protected Dentry Directory => Path.Dentry;

    /// <inheritdoc/>
    public override SysResult<int> Read(Caller caller, Span<byte> buffer, ref long position) => Errno.EISDIR;

    /// <inheritdoc/>
    public override Errno Fsync(Caller caller, bool dataOnly) => Errno.OK;

    /// <summary>Emits <c>.</c> and <c>..</c>; false when the receiver is full.</summary>
    /// <remarks>Linux include/linux/fs.h: dir_emit_dots().</remarks>
    public static bool EmitDots(OpenFile file, DirContext context)
    {
        if (context.Position == 0)
        {
            if (!context.Emit("."u8, file.Inode.Ino, DirentType.DT_DIR))
                return false;
            context.Position = 1;
        }
        if (context.Position == 1)
        {
            if (!context.Emit(".."u8, file.Path.Dentry.Parent.Inode!.Ino, DirentType.DT_DIR))
                return false;
            context.Position = 2;
        }
        return true;
    }

    /// <summary>Where SEEK_SET or SEEK_CUR leads.</summary>
    /// <returns>EINVAL.</returns>
    protected SysResult<long> Target(long offset, SeekWhence whence)
    {
        if (whence == SeekWhence.SEEK_CUR)
            offset += Position;
        return whence is SeekWhence.SEEK_SET or SeekWhence.SEEK_CUR && offset >= 0 ? offset : Errno.EINVAL;
    }
}

/// <summary>Newest entry first; a cursor in the list keeps the place, and positions count entries.</summary>
/// <remarks>Linux fs/libfs.c: dcache_readdir(), dcache_dir_lseek(), scan_positives(). Ramfs on all kernels, tmpfs before 6.6.</remarks>
public sealed class DcacheDirectoryFile(VfsPath path, OpenFlags flags) : DentryDirectoryFile(path, flags)
{
    private Dentry? _cursor;
    private bool _isPlaced;

    /// <inheritdoc/>
    public override Errno Iterate(Caller caller, DirContext context)
    {
        if (!EmitDots(this, context))
            return Errno.OK;
        Dentry? next;
        if (context.Position == 2)
            next = Directory.NewestChild;
        else if (_isPlaced && IsInList)
            next = _cursor!.NextChild;
        else
            return Errno.OK;
        while (true)
        {
            while (next is { IsPositive: false })
                next = next.NextChild;
            if (next is null || !context.Emit(next.Name, next.Inode!.Ino, next.Inode.DirentType))
                break;
            context.Position++;
            next = next.NextChild;
        }
        Unplace();
        if (next is not null)
            PlaceBefore(next);
        return Errno.OK;
    }

    /// <inheritdoc/>
    public override SysResult<long> LSeek(Caller caller, long offset, SeekWhence whence)
    {
        var target = Target(offset, whence);
        if (!target.IsOk || target.Value == Position)
            return target;
        Unplace();
        long count = target.Value - 2;
        if (count > 0)
        {
            var at = Directory.NewestChild;
            while (at is not null && (!at.IsPositive || --count > 0))
                at = at.NextChild;
            if (at is not null)
                PlaceAfter(at);
        }
        Position = target.Value;
        return target;
    }

    /// <inheritdoc/>
    protected override void Release() => Unplace();

    private bool IsInList => _cursor!.PreviousSibling is not null || ReferenceEquals(Directory.FirstChild, _cursor);

    private Dentry Cursor()
    {
        if (_cursor is null)
        {
            _cursor = new Dentry(Directory.Sb, Directory, []);
            _cursor.SetFlag(DentryFlags.Cursor, true);
        }
        return _cursor;
    }

    private void PlaceBefore(Dentry dentry)
    {
        Cursor().LinkBefore(Directory, dentry);
        _isPlaced = true;
    }

    private void PlaceAfter(Dentry dentry)
    {
        Cursor().LinkAfter(dentry);
        _isPlaced = true;
    }

    private void Unplace()
    {
        if (_isPlaced && IsInList)
            _cursor!.UnlinkSibling();
        _isPlaced = false;
    }
}

/// <summary>Entries have offsets of their own (<see cref="Dentry.DirOffset"/>) that stay while others come and go.</summary>
/// <remarks>Linux fs/libfs.c: offset_readdir(), offset_iterate_dir(), offset_dir_llseek(). Tmpfs since 6.6; newest first since 6.14 and its stable predecessors, oldest first before.</remarks>
public sealed class OffsetDirectoryFile(VfsPath path, OpenFlags flags) : DentryDirectoryFile(path, flags)
{
    /// <summary>Position behind the last entry.</summary>
    public const long End = int.MaxValue;

    private Dentry? _hint;

    /// <inheritdoc/>
    public override Errno Iterate(Caller caller, DirContext context)
    {
        if (!EmitDots(this, context))
            return Errno.OK;
        if (!Directory.Sb.Core.Quirks.OffsetsNewestFirst)
        {
            IterateAscending(context);
            return Errno.OK;
        }
        if (context.Position == End)
            return Errno.OK;
        var child = context.Position == 2 ? Directory.NewestChild : FindAtOrBelow(context.Position);
        while (child is not null)
        {
            context.Position = child.DirOffset;
            if (child.IsPositive && !context.Emit(child.Name, child.Inode!.Ino, child.Inode.DirentType))
            {
                _hint = child;
                return Errno.OK;
            }
            child = child.NextChild;
        }
        context.Position = End;
        return Errno.OK;
    }

    /// <inheritdoc/>
    public override SysResult<long> LSeek(Caller caller, long offset, SeekWhence whence)
    {
        var target = Target(offset, whence);
        if (target.IsOk)
            Position = target.Value;
        return target;
    }

    private Dentry? FindAtOrBelow(long position)
    {
        if (_hint is { IsHashed: true } hint && hint.DirOffset == position && ReferenceEquals(hint.Parent, Directory))
            return hint;
        Dentry? best = null;
        for (var child = Directory.NewestChild; child is not null; child = child.NextChild)
        {
            if (child.DirOffset <= position && (best is null || child.DirOffset > best.DirOffset))
                best = child;
        }
        return best ?? Directory.NewestChild; // nothing is left from there on: the listing begins again
    }

    private void IterateAscending(DirContext context)
    {
        while (true)
        {
            Dentry? best = null;
            for (var child = Directory.NewestChild; child is not null; child = child.NextChild)
            {
                if (child.IsPositive && child.DirOffset >= context.Position && (best is null || child.DirOffset < best.DirOffset))
                    best = child;
            }
            if (best is null || !context.Emit(best.Name, best.Inode!.Ino, best.Inode.DirentType))
                return;
            context.Position = best.DirOffset + 1;
        }
    }
}
