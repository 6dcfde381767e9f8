using DriverLab.Linux;
using DriverLab.Linux.Abi;

namespace DriverLab.Vfs;

/// <summary>pivot_root(2).</summary>
public static partial class MountCalls
{
    /// <summary>Makes a mount the root of the namespace's tasks, and hangs the old root below it.</summary>
    /// <param name="caller">Who asks.</param>
    /// <param name="newRoot">Path of the new root, a mount point.</param>
    /// <param name="putOld">Path of a directory at or below it.</param>
    /// <param name="tasks">All tasks: those whose root or working directory is the old root move along.</param>
    /// <returns>As <see cref="IKernel.PivotRoot"/>.</returns>
    /// <remarks>Linux fs/namespace.c: SYSCALL pivot_root, chroot_fs_refs().</remarks>
    public static Errno PivotRoot(Caller caller, ReadOnlySpan<byte> newRoot, ReadOnlySpan<byte> putOld, IEnumerable<Caller> tasks)
    {
        bool walksFirst = caller.Mounts.Core.Quirks.PivotWalksFirst, mayMount = MayMount(caller);
        if (!walksFirst && !mayMount)
            return Errno.EPERM;
        const LookupFlags lookup = LookupFlags.LOOKUP_FOLLOW | LookupFlags.LOOKUP_DIRECTORY;
        var error = PathWalk.Lookup(caller, newRoot, lookup, out var next);
        if (error != Errno.OK)
            return error;
        error = PathWalk.Lookup(caller, putOld, lookup, out var place);
        if (error != Errno.OK)
            return error;
        if (!mayMount)
            return Errno.EPERM;
        place = Topmost(place);
        if (IsMissing(place))
            return Errno.ENOENT;
        var root = caller.Root;
        error = CheckPivot(caller, next, place, root);
        if (error != Errno.OK)
            return error;
        var (top, old) = (next.Mount, root.Mount);
        var (parent, mountpoint) = (old.Parent!, old.Mountpoint!);
        MountTree.Unhang(top);
        MountTree.Unhang(old);
        (top.IsLocked, old.IsLocked) = (old.IsLocked, false);
        MountTree.Hang(old, place.Mount, place.Dentry);
        MountTree.Hang(top, parent, mountpoint);
        foreach (var task in tasks)
        {
            if (task.Root == root)
                task.SetRoot(next);
            if (task.Cwd == root)
                task.SetCwd(next);
        }
        return Errno.OK;
    }

    private static Errno CheckPivot(Caller caller, in VfsPath next, in VfsPath place, in VfsPath root)
    {
        if (place.Mount.IsShared || next.Mount.Parent is { IsShared: true } || root.Mount.Parent is { IsShared: true })
            return Errno.EINVAL;
        if (!IsHere(caller, root.Mount) || !IsHere(caller, next.Mount))
            return Errno.EINVAL;
        if (next.Mount.IsLocked)
            return Errno.EINVAL;
        if (next.Dentry.IsUnlinked)
            return Errno.ENOENT;
        if (ReferenceEquals(next.Mount, root.Mount) || ReferenceEquals(place.Mount, root.Mount))
            return Errno.EBUSY;
        if (!root.IsMountRoot || root.Mount.Parent is null || !next.IsMountRoot || next.Mount.Parent is null)
            return Errno.EINVAL;
        return IsReachable(place.Mount, place.Dentry, next) && IsReachable(next.Mount, next.Dentry, root) ? Errno.OK : Errno.EINVAL;
    }

    /// <summary>True when the way up from a place meets another.</summary>
    /// <remarks>Linux fs/namespace.c: is_path_reachable().</remarks>
    internal static bool IsReachable(Mount mount, Dentry dentry, in VfsPath root)
    {
        while (!ReferenceEquals(mount, root.Mount) && mount.Parent is not null)
            (mount, dentry) = (mount.Parent, mount.Mountpoint!);
        return ReferenceEquals(mount, root.Mount) && root.Dentry.IsAncestorOf(dentry);
    }
}
