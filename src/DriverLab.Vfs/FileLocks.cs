using DriverLab.Linux;
using DriverLab.Linux.Abi;

namespace DriverLab.Vfs;

/// <summary>The advisory locks on one inode: whole-file ones of flock, and regions owned by a task (POSIX) or by an open file (OFD).</summary>
/// <remarks>Linux fs/locks.c: flock_lock_inode(), posix_lock_inode(), posix_locks_deadlock(), fcntl_getlk(), fcntl_setlk(), locks_remove_posix(), locks_remove_file().</remarks>
internal sealed class FileLocks
{
    // Last is the last byte, not the one behind it.
    private readonly record struct Region(object Owner, int Pid, LockType Type, long First, long Last);

    private readonly List<(OpenFile Owner, bool Exclusive)> _whole = [];

    /// <summary>A task that sleeps until no region is in the way.</summary>
    internal sealed record Waiter(object Owner, Func<object?> InTheWay);

    // Grouped by owner in the order in which owners came, then by first byte.
    private readonly List<Region> _regions = [];

    // ---- flock ---------------------------------------------------------------------------------------------------------------------------------

    /// <summary>flock(2) of an open file. A change of kind gives up the old lock first, also when the new one is refused then.</summary>
    /// <returns>EINVAL (operation), EBADF (neither readable nor writable), EAGAIN, EINTR.</returns>
    public static Errno Flock(OpenFile file, FlockOperation operation)
    {
        var kind = operation & ~FlockOperation.LOCK_NB;
        if (kind != FlockOperation.LOCK_UN && !file.CanRead && !file.CanWrite)
            return Errno.EBADF;
        var locks = file.Inode.Locks ??= new FileLocks();
        int own = locks._whole.FindIndex(l => ReferenceEquals(l.Owner, file));
        bool exclusive = kind == FlockOperation.LOCK_EX;
        if (kind != FlockOperation.LOCK_UN && own >= 0 && locks._whole[own].Exclusive == exclusive)
            return Errno.OK;
        if (own >= 0)
            locks._whole.RemoveAt(own);
        if (kind == FlockOperation.LOCK_UN)
            return Errno.OK;
        if (!locks.IsFree(exclusive))
        {
            if ((operation & FlockOperation.LOCK_NB) != 0)
                return Errno.EAGAIN;
            if (!file.Inode.Sb.Core.World.Scheduler.WaitInterruptible((locks, exclusive), static s => s.locks.IsFree(s.exclusive), "a flock to be given up"))
                return Errno.EINTR;
        }
        locks._whole.Add((file, exclusive));
        return Errno.OK;
    }

    private bool IsFree(bool exclusive)
    {
        foreach (var held in _whole)
        {
            if (exclusive || held.Exclusive)
                return false;
        }
        return true;
    }

    /// <summary>Is this an operation? Asked before the descriptor is looked at.</summary>
    /// <returns>EINVAL.</returns>
    public static bool IsOperation(FlockOperation operation) =>
        (operation & ~FlockOperation.LOCK_NB) is FlockOperation.LOCK_SH or FlockOperation.LOCK_EX or FlockOperation.LOCK_UN;

    // ---- regions -------------------------------------------------------------------------------------------------------------------------------

    /// <summary>fcntl(2) with a region.</summary>
    /// <returns>EINVAL, EOVERFLOW, EBADF, EAGAIN, EDEADLK (tasks would wait for each other), EINTR.</returns>
    public static Errno Fcntl(Caller caller, OpenFile file, LockCommand command, ref FileLock region)
    {
        if (!Enum.IsDefined(command))
            return Errno.EINVAL;
        bool isOpenFile = command >= LockCommand.F_OFD_GETLK, asks = command is LockCommand.F_GETLK or LockCommand.F_OFD_GETLK;
        if (asks && region.Type is not (LockType.F_RDLCK or LockType.F_WRLCK) && !(isOpenFile && region.Type == LockType.F_UNLCK && file.Inode.Sb.Core.Quirks.OfdGetsUnlocked))
            return Errno.EINVAL;
        var error = Bounds(file, region, out long first, out long last);
        if (error == Errno.OK && region.Type is < LockType.F_RDLCK or > LockType.F_UNLCK)
            error = Errno.EINVAL;
        if (error != Errno.OK)
            return error;
        if (!asks && (region.Type == LockType.F_RDLCK && !file.CanRead || region.Type == LockType.F_WRLCK && !file.CanWrite))
            return Errno.EBADF;
        if (isOpenFile && region.Pid != 0)
            return Errno.EINVAL;
        var locks = file.Inode.Locks ??= new FileLocks();
        var wanted = new Region(isOpenFile ? file : caller.Files, isOpenFile ? -1 : caller.Pid, region.Type, first, last);
        if (asks)
        {
            locks.Tell(wanted, ref region);
            return Errno.OK;
        }
        if (region.Type != LockType.F_UNLCK && locks.InTheWay(wanted) is not null)
        {
            error = command is LockCommand.F_SETLK or LockCommand.F_OFD_SETLK ? Errno.EAGAIN : locks.WaitFor(file.Inode.Sb.Core, wanted);
            if (error != Errno.OK)
                return error;
        }
        locks.Set(wanted);
        return Errno.OK;
    }

    /// <summary>The owner of the first region in the way.</summary>
    private object? InTheWay(in Region wanted)
    {
        foreach (var held in _regions)
        {
            if (Conflict(held, wanted))
                return held.Owner;
        }
        return null;
    }

    private Errno WaitFor(VfsCore core, Region wanted)
    {
        if (wanted.Owner is FdTable && Deadlocks(core.LockWaiters, wanted.Owner, InTheWay(wanted)))
            return Errno.EDEADLK;
        var waiter = new Waiter(wanted.Owner, () => InTheWay(wanted));
        core.LockWaiters.Add(waiter);
        bool isFree = core.World.Scheduler.WaitInterruptible(waiter, static w => w.InTheWay() is null, "a region of a file to be unlocked");
        _ = core.LockWaiters.Remove(waiter);
        return isFree ? Errno.OK : Errno.EINTR;
    }

    /// <summary>Does the owner in the way wait, through others, for the one who asks? Who waits for an open file's region is not known, and after eleven steps the kernel asks no more.</summary>
    private static bool Deadlocks(List<Waiter> waiters, object asks, object? inTheWay)
    {
        const int most = 11;
        for (int i = 0; i < most; i++)
        {
            if (waiters.Find(w => ReferenceEquals(w.Owner, inTheWay))?.InTheWay() is not FdTable next)
                return false;
            if (ReferenceEquals(next, asks))
                return true;
            inTheWay = next;
        }
        return false;
    }

    // Linux fs/locks.c: flock64_to_posix_lock().
    private static Errno Bounds(OpenFile file, in FileLock region, out long first, out long last)
    {
        first = last = 0;
        long origin = region.Whence switch { 0 => 0, 1 => file.Position, 2 => file.Inode.Size, _ => -1 };
        if (origin < 0)
            return Errno.EINVAL;
        if (region.Start > long.MaxValue - origin)
            return Errno.EOVERFLOW;
        first = origin + region.Start;
        if (first < 0)
            return Errno.EINVAL;
        last = long.MaxValue;
        if (region.Length > 0)
        {
            if (region.Length - 1 > long.MaxValue - first)
                return Errno.EOVERFLOW;
            last = first + region.Length - 1;
        }
        else if (region.Length < 0)
        {
            if (first + region.Length < 0)
                return Errno.EINVAL;
            last = first - 1;
            first += region.Length;
        }
        return Errno.OK;
    }

    private static bool Conflict(in Region held, in Region wanted) =>
        !ReferenceEquals(held.Owner, wanted.Owner) && held.First <= wanted.Last && wanted.First <= held.Last && (held.Type == LockType.F_WRLCK || wanted.Type == LockType.F_WRLCK);

    private void Tell(Region wanted, ref FileLock region)
    {
        foreach (var held in _regions)
        {
            bool isAnswer = wanted.Type == LockType.F_UNLCK
                ? ReferenceEquals(held.Owner, wanted.Owner) && held.First <= wanted.Last && wanted.First <= held.Last
                : Conflict(held, wanted);
            if (!isAnswer)
                continue;
            region = new(held.Type, 0, held.First, held.Last == long.MaxValue ? 0 : held.Last - held.First + 1, held.Pid);
            return;
        }
        region.Type = LockType.F_UNLCK;
    }

    // Cuts the new region out of what the owner holds, puts it in, and joins equal neighbours.
    private void Set(Region wanted)
    {
        int at = _regions.FindIndex(l => ReferenceEquals(l.Owner, wanted.Owner));
        var own = _regions.FindAll(l => ReferenceEquals(l.Owner, wanted.Owner));
        _ = _regions.RemoveAll(l => ReferenceEquals(l.Owner, wanted.Owner));
        var kept = new List<Region>();
        foreach (var held in own)
        {
            if (held.First < wanted.First)
                kept.Add(held with { Last = Math.Min(held.Last, wanted.First - 1) });
            if (held.Last > wanted.Last)
                kept.Add(held with { First = Math.Max(held.First, wanted.Last + 1) });
        }
        _ = kept.RemoveAll(r => r.First > r.Last);
        if (wanted.Type != LockType.F_UNLCK)
            kept.Add(wanted);
        kept.Sort(static (a, b) => a.First.CompareTo(b.First));
        for (int i = kept.Count - 1; i > 0; i--)
        {
            if (kept[i - 1].Type != kept[i].Type || kept[i - 1].Last + 1 != kept[i].First)
                continue;
            kept[i - 1] = kept[i - 1] with { Last = kept[i].Last };
            kept.RemoveAt(i);
        }
        _regions.InsertRange(at < 0 ? _regions.Count : at, kept);
    }

    // ---- the end of owners ---------------------------------------------------------------------------------------------------------------------

    /// <summary>A task closes a descriptor: all its regions of the file go, whichever descriptor took them.</summary>
    public void RemoveTask(FdTable files) => _regions.RemoveAll(r => ReferenceEquals(r.Owner, files));

    /// <summary>The last descriptor of an open file is closed.</summary>
    public void RemoveFile(OpenFile file)
    {
        _ = _whole.RemoveAll(l => ReferenceEquals(l.Owner, file));
        _ = _regions.RemoveAll(r => ReferenceEquals(r.Owner, file));
    }
}

/// <summary>flock(2) and the region commands of fcntl(2), for the system calls.</summary>
public static class Locks
{
    /// <summary>flock(2).</summary>
    /// <returns>EINVAL (operation), EBADF, EAGAIN, EINTR.</returns>
    public static Errno Flock(OpenFile? file, FlockOperation operation)
    {
        if (!FileLocks.IsOperation(operation))
            return Errno.EINVAL;
        return file is null ? Errno.EBADF : FileLocks.Flock(file, operation);
    }

    /// <summary>fcntl(2) F_GETLK and the like.</summary>
    public static Errno Fcntl(Caller caller, OpenFile file, LockCommand command, ref FileLock region) => FileLocks.Fcntl(caller, file, command, ref region);

    /// <summary>A descriptor of the task is closed.</summary>
    public static void Closing(Caller caller, OpenFile file) => file.Inode.Locks?.RemoveTask(caller.Files);
}
