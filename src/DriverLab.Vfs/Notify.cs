using System.Runtime.InteropServices;
using DriverLab.Linux;
using DriverLab.Linux.Abi;

namespace DriverLab.Vfs;

/// <summary>Tells watches what happens to files. Costs one look at a counter as long as nobody watches anything.</summary>
/// <remarks>Linux fs/notify/fsnotify.c: fsnotify(), __fsnotify_parent(); include/linux/fsnotify.h.</remarks>
internal static class Notify
{
    private const InotifyMask ISDIR = InotifyMask.IN_ISDIR;

    /// <summary>Something happened to a named object: its directory hears it with the name, then the object itself.</summary>
    public static void Entry(Dentry dentry, InotifyMask mask) => Tell(dentry, mask, isUnlinked: false, toDirectory: true);

    /// <summary>Something happened through an open file: as <see cref="Entry"/>, but watches with IN_EXCL_UNLINK do not hear it once the name is gone.</summary>
    /// <remarks>Linux fs/notify/fsnotify.c: fsnotify_handle_inode_event(): only events of files carry a path.</remarks>
    public static void File(Dentry dentry, InotifyMask mask)
    {
        var core = dentry.Sb.Core;
        if (core.Watches == 0)
            return;
        bool isContentOfSpecial = (mask & (InotifyMask.IN_ACCESS | InotifyMask.IN_MODIFY)) != 0 && dentry.Inode is { IsSpecial: true };
        Tell(dentry, mask, dentry.IsUnlinked, toDirectory: !isContentOfSpecial || core.Quirks.DirectoriesHearSpecialFiles);
    }

    private static void Tell(Dentry dentry, InotifyMask mask, bool isUnlinked, bool toDirectory)
    {
        if (dentry.Sb.Core.Watches == 0 || dentry.Inode is not { } inode)
            return;
        if (inode.IsDirectory)
            mask |= ISDIR;
        if (toDirectory && !dentry.IsRoot && dentry.Parent.Inode is { } parent)
            Deliver(parent, mask, dentry.Name, 0, isUnlinked);
        Deliver(inode, mask, default, 0, isUnlinked);
    }

    /// <summary>Something happened to an inode that its directories do not hear.</summary>
    public static void Self(Inode inode, InotifyMask mask)
    {
        if (inode.Sb.Core.Watches > 0)
            Deliver(inode, inode.IsDirectory ? mask | ISDIR : mask, default, 0, false);
    }

    /// <summary>A name appeared in or disappeared from a directory.</summary>
    public static void Name(Inode directory, Dentry dentry, InotifyMask mask)
    {
        if (directory.Sb.Core.Watches > 0)
            Deliver(directory, dentry.IsDirectory ? mask | ISDIR : mask, dentry.Name, 0, false);
    }

    /// <summary>A name moved.</summary>
    public static void Move(Inode oldDirectory, ReadOnlySpan<byte> oldName, Inode newDirectory, ReadOnlySpan<byte> newName, Inode moved, Inode? replaced)
    {
        var core = moved.Sb.Core;
        if (core.Watches == 0)
            return;
        uint cookie = core.NextCookie();
        var dir = moved.IsDirectory ? ISDIR : 0;
        Deliver(oldDirectory, InotifyMask.IN_MOVED_FROM | dir, oldName, cookie, false);
        Deliver(newDirectory, InotifyMask.IN_MOVED_TO | dir, newName, cookie, false);
        if (replaced is not null)
            Self(replaced, InotifyMask.IN_ATTRIB);
        Deliver(moved, InotifyMask.IN_MOVE_SELF, default, 0, false);
    }

    /// <summary>The inode is gone, or its file system: its watches end.</summary>
    public static void End(Inode inode, InotifyMask mask)
    {
        if (inode.WatchList is not { } watches)
            return;
        if (mask == InotifyMask.IN_UNMOUNT && inode.IsDirectory)
            mask |= ISDIR;
        foreach (var watch in watches.ToArray())
        {
            watch.Deliver(mask, default, 0);
            watch.Remove();
        }
    }

    /// <summary>Nobody uses the entry, which is no name any more: where that counts, watches of an inode without names end here, though it is open by another entry.</summary>
    /// <remarks>Linux fs/dcache.c: dentry_unlink_inode().</remarks>
    public static void EntryGone(Dentry dentry)
    {
        if (dentry.Sb.Core.Watches > 0 && !dentry.IsInUse && dentry.Inode is { Nlink: 0 } inode && dentry.Sb.Core.Quirks.LastFreeEntryEndsWatches)
            End(inode, InotifyMask.IN_DELETE_SELF);
    }

    private static void Deliver(Inode inode, InotifyMask mask, ReadOnlySpan<byte> name, uint cookie, bool isUnlinked)
    {
        if (inode.WatchList is not { } watches)
            return;
        foreach (var watch in watches.ToArray())
        {
            if (!isUnlinked || (watch.Mask & InotifyMask.IN_EXCL_UNLINK) == 0)
                watch.Deliver(mask, name, cookie);
        }
    }
}

/// <summary>One watch of an inotify descriptor.</summary>
internal sealed class Watch(InotifyFile owner, int number, Inode inode, InotifyMask mask)
{
    public int Number { get; } = number;
    public Inode Inode { get; } = inode;
    public InotifyMask Mask { get; set; } = mask;

    public void Deliver(InotifyMask mask, ReadOnlySpan<byte> name, uint cookie)
    {
        const InotifyMask always = InotifyMask.IN_UNMOUNT;
        if (((Mask & InotifyMask.IN_ALL_EVENTS | always) & mask) == 0)
            return;
        owner.Queue(Number, mask, cookie, name);
        if ((Mask & InotifyMask.IN_ONESHOT) != 0)
            Remove();
    }

    /// <summary>Ends the watch and says so.</summary>
    public void Remove()
    {
        if (!Detach())
            return; // it was for one event, which has come
        owner.Forget(Number);
        owner.Queue(Number, InotifyMask.IN_IGNORED, 0, default);
    }

    /// <summary>Ends the watch without a word.</summary>
    /// <returns>False when it had ended.</returns>
    public bool Detach()
    {
        if (Inode.WatchList is not { } list || !list.Remove(this))
            return false;
        if (list.Count == 0)
        {
            Inode.WatchList = null;
            _ = Inode.Sb.Core.WatchedInodes.Remove(Inode);
        }
        Inode.Sb.Core.Watches--;
        return true;
    }
}

/// <summary>An inotify descriptor: watches and a queue of events.</summary>
/// <remarks>Linux fs/notify/inotify/inotify_user.c, inotify_fsnotify.c.</remarks>
internal sealed class InotifyFile(VfsCore core, OpenFlags flags) : OpenFile(core.AnonPlace("inotify"), flags)
{
    private const InotifyMask Known = InotifyMask.IN_ALL_EVENTS | InotifyMask.IN_UNMOUNT | InotifyMask.IN_Q_OVERFLOW | InotifyMask.IN_IGNORED | InotifyMask.IN_ONLYDIR | InotifyMask.IN_DONT_FOLLOW
        | InotifyMask.IN_EXCL_UNLINK | InotifyMask.IN_MASK_CREATE | InotifyMask.IN_MASK_ADD | InotifyMask.IN_ISDIR | InotifyMask.IN_ONESHOT;

    private readonly record struct Event(int Watch, InotifyMask Mask, uint Cookie, byte[] Name)
    {
        /// <summary>Room that the name takes, with its end.</summary>
        public int NameBytes => Name.Length == 0 ? 0 : (Name.Length + 16) / 16 * 16;
    }

    private readonly SortedDictionary<int, Watch> _watches = [];
    private readonly LinkedList<Event> _queue = [];
    private int _lastNumber;

    public override bool IsSeekable => false;

    /// <summary>Moves nothing.</summary>
    public override SysResult<long> LSeek(Caller caller, long offset, SeekWhence whence) => core.Quirks.NoLSeekIsEspipe ? Position : Errno.ESPIPE;

    /// <summary>Is this a mask that a watch can have?</summary>
    public static bool IsMask(InotifyMask mask) => mask != 0 && (mask & ~Known) == 0;

    /// <summary>Watches an inode, or changes what is watched of it.</summary>
    /// <returns>EEXIST (IN_MASK_CREATE).</returns>
    public SysResult<int> Add(Inode inode, InotifyMask mask)
    {
        const InotifyMask kept = InotifyMask.IN_ALL_EVENTS | InotifyMask.IN_ONESHOT | InotifyMask.IN_EXCL_UNLINK;
        foreach (var known in _watches.Values)
        {
            if (!ReferenceEquals(known.Inode, inode))
                continue;
            if ((mask & InotifyMask.IN_MASK_CREATE) != 0)
                return Errno.EEXIST;
            known.Mask = ((mask & InotifyMask.IN_MASK_ADD) != 0 ? known.Mask : 0) | mask & kept;
            return known.Number;
        }
        var watch = new Watch(this, ++_lastNumber, inode, mask & kept);
        _watches.Add(watch.Number, watch);
        if (inode.WatchList is null)
            core.WatchedInodes.Add(inode);
        (inode.WatchList ??= []).Add(watch);
        core.Watches++;
        return watch.Number;
    }

    /// <summary>Ends a watch.</summary>
    /// <returns>EINVAL.</returns>
    public Errno Remove(int number)
    {
        if (!_watches.TryGetValue(number, out var watch))
            return Errno.EINVAL;
        watch.Remove();
        return Errno.OK;
    }

    public void Forget(int number) => _ = _watches.Remove(number);

    /// <summary>Adds an event, unless the last one says the same.</summary>
    public void Queue(int watch, InotifyMask mask, uint cookie, ReadOnlySpan<byte> name)
    {
        if (_queue.Last is { } last && last.Value.Watch == watch && last.Value.Mask == mask && (mask & InotifyMask.IN_IGNORED) == 0 && name.SequenceEqual(last.Value.Name))
            return;
        _ = _queue.AddLast(new Event(watch, mask, cookie, name.ToArray()));
    }

    /// <summary>As many events as fit.</summary>
    /// <returns>EAGAIN, EINTR, EINVAL (no room for the first).</returns>
    public override SysResult<int> Read(Caller caller, Span<byte> buffer, ref long position)
    {
        int written = 0;
        if (_queue.Count == 0)
        {
            if ((Flags & OpenFlags.O_NONBLOCK) != 0)
                return Errno.EAGAIN;
            if (!core.World.Scheduler.WaitInterruptible(_queue, static q => q.Count > 0, "an event of inotify"))
                return Errno.EINTR;
        }
        while (_queue.First is { } first)
        {
            var e = first.Value;
            int padded = e.NameBytes;
            if (buffer.Length - written < 16 + padded)
                return written > 0 ? written : Errno.EINVAL;
            MemoryMarshal.Write(buffer[written..], new InotifyEvent(e.Watch, e.Mask, e.Cookie, (uint)padded));
            var name = buffer.Slice(written + 16, padded);
            name.Clear();
            e.Name.CopyTo(name);
            written += 16 + padded;
            _queue.RemoveFirst();
        }
        return written;
    }

    /// <remarks>Linux fs/notify/inotify/inotify_user.c: inotify_ioctl().</remarks>
    public override SysResult<int> Ioctl(Caller caller, uint request, Span<byte> argument)
        => request != FileRequests.FIONREAD ? Errno.ENOTTY : MemoryMarshal.TryWrite(argument, _queue.Sum(static e => 16 + e.NameBytes)) ? 0 : Errno.EFAULT;

    public override SysResult<int> Ioctl(Caller caller, uint request, long value) => Ioctl(caller, request, []);

    protected override void Release()
    {
        foreach (var watch in _watches.Values)
            _ = watch.Detach();
        _watches.Clear();
    }
}

/// <summary>inotify's calls, for the system calls.</summary>
public static class Inotify
{
    /// <summary>inotify_init1(2).</summary>
    /// <returns>EINVAL.</returns>
    public static SysResult<OpenFile> Init(VfsCore core, InotifyFlags flags)
    {
        if ((flags & ~(InotifyFlags.IN_NONBLOCK | InotifyFlags.IN_CLOEXEC)) != 0)
            return Errno.EINVAL;
        var file = new InotifyFile(core, (OpenFlags)(flags & InotifyFlags.IN_NONBLOCK));
        file.Path.Hold();
        return file;
    }

    /// <summary>The checks of a watch that come before its path.</summary>
    /// <returns>EINVAL, EBADF.</returns>
    public static Errno Check(OpenFile? file, InotifyMask mask)
    {
        if (!InotifyFile.IsMask(mask))
            return Errno.EINVAL;
        if (file is null)
            return Errno.EBADF;
        const InotifyMask both = InotifyMask.IN_MASK_ADD | InotifyMask.IN_MASK_CREATE;
        return (mask & both) == both || file is not InotifyFile ? Errno.EINVAL : Errno.OK;
    }

    /// <summary>inotify_add_watch(2), the place found.</summary>
    /// <returns>EACCES, EEXIST.</returns>
    public static SysResult<int> Add(Caller caller, OpenFile file, Inode inode, InotifyMask mask)
    {
        var error = Permissions.Check(inode, caller, AccessMode.R_OK);
        return error != Errno.OK ? error : ((InotifyFile)file).Add(inode, mask);
    }

    /// <summary>inotify_rm_watch(2).</summary>
    /// <returns>EBADF, EINVAL.</returns>
    public static Errno Remove(OpenFile? file, int watch) => file is null ? Errno.EBADF : file is InotifyFile inotify ? inotify.Remove(watch) : Errno.EINVAL;
}
