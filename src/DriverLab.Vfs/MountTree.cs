using DriverLab.Linux;

namespace DriverLab.Vfs;

/// <summary>Copies, attaches and takes away trees of mounts. What reaches other mounts is in <see cref="Propagation"/>.</summary>
/// <remarks>Linux fs/namespace.c: copy_tree(), attach_recursive_mnt(), umount_tree().</remarks>
public static class MountTree
{
    /// <summary>The mount and everything on it, each before what hangs on it.</summary>
    public static IEnumerable<Mount> Walk(Mount top)
    {
        yield return top;
        foreach (var child in top.Children.ToArray())
        {
            foreach (var mount in Walk(child))
                yield return mount;
        }
    }

    // ---- copying -----------------------------------------------------------------------------------------------------------------------------

    /// <summary>A copy that shows the tree from <paramref name="root"/> on and hangs nowhere. Copies of shared mounts are their peers, copies of slaves are slaves too.</summary>
    public static Mount Copy(Mount source, Dentry root, bool recursive, bool keepUnbindable, Dictionary<Mount, Mount>? copies = null) =>
        Copy(source, root, recursive, keepUnbindable, Propagation.Join, copies);

    internal static Mount Copy(Mount source, Dentry root, bool recursive, bool keepUnbindable, Action<Mount, Mount> join, Dictionary<Mount, Mount>? copies = null)
    {
        var copy = new Mount(source.Sb, root, source.Flags) 
        {
            IsUnbindable = source.IsUnbindable && !source.Sb.Core.Quirks.CopiesAreBindable, Source = source.Source, Mapping = source.Mapping,
            IsLocked = source.IsLocked, HasLockedFlags = source.HasLockedFlags, LockedFlags = source.LockedFlags,
        };
        join(source, copy);
        copies?.Add(source, copy);
        if (!recursive)
            return copy;
        foreach (var child in source.Children)
        {
            if (!root.IsAncestorOf(child.Mountpoint!) || child.IsUnbindable && !keepUnbindable)
                continue;
            Hang(Copy(child, child.Root, true, keepUnbindable, join, copies), copy, child.Mountpoint!);
        }
        return copy;
    }

    /// <summary>A copy whose top may be moved and taken away, whatever its source may.</summary>
    /// <remarks>Linux fs/namespace.c: __do_loopback().</remarks>
    internal static Mount CopyUnlocked(Mount source, Dentry root, bool recursive)
    {
        var copy = Copy(source, root, recursive, keepUnbindable: false);
        copy.IsLocked = false;
        return copy;
    }

    /// <summary>Locks a tree that goes to a less privileged name space.</summary>
    /// <remarks>Linux fs/namespace.c: lock_mnt_tree().</remarks>
    internal static void Lock(Mount tree)
    {
        foreach (var mount in Walk(tree))
            (mount.IsLocked, mount.HasLockedFlags, mount.LockedFlags) = (true, true, mount.Flags);
    }

    /// <summary>Something locked is mounted below the entry.</summary>
    /// <remarks>Linux fs/namespace.c: has_locked_children().</remarks>
    internal static bool HasLockedChildren(Mount mount, Dentry root) => mount.Children.Exists(c => c.IsLocked && root.IsAncestorOf(c.Mountpoint!));

    // ---- attaching -----------------------------------------------------------------------------------------------------------------------------

    /// <summary>Hangs a tree at a place, and copies of it wherever that place propagates to.</summary>
    /// <returns>ENOSPC (too many mounts).</returns>
    public static Errno Attach(Mount tree, Mount parent, Dentry mountpoint)
    {
        var space = parent.Namespace!;
        if (space.All.Count + Walk(tree).Count() > space.MaxMounts)
            return Errno.ENOSPC;
        HangShared(tree, parent, mountpoint);
        return Errno.OK;
    }

    /// <summary>Moves a tree that is attached to another place.</summary>
    public static Errno Move(Mount tree, Mount parent, Dentry mountpoint)
    {
        Unhang(tree);
        HangShared(tree, parent, mountpoint);
        return Errno.OK;
    }

    private static void HangShared(Mount tree, Mount parent, Dentry mountpoint)
    {
        var copies = parent.IsShared ? Propagation.CopiesOf(tree, parent, mountpoint) : [];
        Graft(tree, parent, mountpoint);
        foreach (var (copy, receiver) in copies)
        {
            if (!ReferenceEquals(receiver.Namespace!.UserSpace, parent.Namespace!.UserSpace))
                Lock(copy);
            copy.IsLocked = false;
        }
        if (!parent.Sb.Core.Quirks.MountsListedById)
            copies.Reverse();
        foreach (var (copy, receiver) in copies)
            Graft(copy, receiver, mountpoint);
    }

    private static void Graft(Mount tree, Mount parent, Dentry mountpoint)
    {
        Hang(tree, parent, mountpoint);
        foreach (var mount in Walk(tree))
        {
            if (ReferenceEquals(mount.Namespace, parent.Namespace))
                continue;
            _ = mount.Namespace?.All.Remove(mount);
            parent.Namespace!.Adopt(mount);
        }
    }

    internal static void Hang(Mount mount, Mount parent, Dentry mountpoint)
    {
        var core = mount.Sb.Core;
        // What was mounted on this place through the same parent now shows through the newcomer, which covers it.
        mount.Parent = parent;
        mount.Mountpoint = mountpoint;
        parent.Children.Add(mount);
        if (core.MountHash.Remove((parent, mountpoint), out var covered))
        {
            _ = parent.Children.Remove(covered);
            covered.Parent = mount;
            covered.Mountpoint = mount.Root;
            mount.Children.Add(covered);
            core.MountHash.Add((mount, mount.Root), covered);
            mount.Root.SetFlag(DentryFlags.Mounted, true);
        }
        core.MountHash.Add((parent, mountpoint), mount);
        _ = core.AttachedMounts.Add(mount);
        mountpoint.SetFlag(DentryFlags.Mounted, true);
    }

    internal static void Unhang(Mount mount)
    {
        var core = mount.Sb.Core;
        var (parent, mountpoint) = (mount.Parent!, mount.Mountpoint!);
        _ = core.MountHash.Remove((parent, mountpoint));
        _ = parent.Children.Remove(mount);
        _ = core.AttachedMounts.Remove(mount);
        if (!core.AttachedMounts.Any(m => ReferenceEquals(m.Mountpoint, mountpoint)))
            mountpoint.SetFlag(DentryFlags.Mounted, false);
        mount.Parent = null;
        mount.Mountpoint = null;
    }

    // ---- taking away -----------------------------------------------------------------------------------------------------------------------------

    /// <summary>Takes a tree out of its namespace; each mount dies now or with its last user.</summary>
    /// <param name="tree">The top.</param>
    /// <param name="propagate">Also from where its parents propagate to.</param>
    public static void Umount(Mount tree, bool propagate)
    {
        Mount[] going = [.. Walk(tree).Reverse()];
        var copies = propagate ? Propagation.CopiesThatGo(going) : [];
        foreach (var mount in copies)
            Take(mount);
        foreach (var mount in going)
            Take(mount);
    }

    private static void Take(Mount mount)
    {
        // What covers a mount that only came by propagation stays, one floor lower.
        var (parent, mountpoint) = (mount.Parent, mount.Mountpoint);
        var covers = mount.Children.ToArray();
        foreach (var cover in covers)
            Unhang(cover);
        if (parent is not null)
            Unhang(mount);
        foreach (var cover in covers)
            Hang(cover, parent!, mountpoint!);
        _ = mount.Namespace?.All.Remove(mount);
        mount.Namespace = null;
        mount.IsDetached = true;
        Propagation.SetType(mount, Linux.Abi.MountFlags.MS_PRIVATE);
        if (mount.Users == 0)
            mount.Kill();
    }

    /// <summary>Takes away, lazily and in every namespace, what is mounted on an entry that has just been removed.</summary>
    /// <remarks>Linux fs/namespace.c: __detach_mounts().</remarks>
    public static void DetachAt(Dentry dentry)
    {
        if (!dentry.IsMountpoint)
            return;
        foreach (var mount in dentry.Sb.Core.AttachedMounts.Where(m => ReferenceEquals(m.Mountpoint, dentry)).ToArray())
        {
            if (mount.Parent is not null)
                Umount(mount, propagate: false);
        }
    }
}
