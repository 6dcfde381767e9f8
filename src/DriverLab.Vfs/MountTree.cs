using DriverLab.Linux;

namespace DriverLab.Vfs;

/// <summary>Copies, attaches and takes away trees of mounts, with propagation between peers and to slaves.</summary>
/// <remarks>Linux fs/namespace.c: copy_tree(), attach_recursive_mnt(), umount_tree(); fs/pnode.c: propagate_mnt(), propagate_umount(), change_mnt_propagation().</remarks>
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

    /// <summary>A copy that shows the tree from <paramref name="root"/> on and hangs nowhere.</summary>
    public static Mount Copy(Mount source, Dentry root, bool recursive, bool keepUnbindable, Dictionary<Mount, Mount>? copies = null)
    {
        var copy = Clone(source, root);
        copies?.Add(source, copy);
        if (!recursive)
            return copy;
        foreach (var child in source.Children)
        {
            if (!root.IsAncestorOf(child.Mountpoint!) || child.IsUnbindable && !keepUnbindable)
                continue;
            Hang(Copy(child, child.Root, true, keepUnbindable, copies), copy, child.Mountpoint!);
        }
        return copy;
    }

    private static Mount Clone(Mount source, Dentry root) => new(source.Sb, root, source.Flags)
    {
        PeerGroup = source.PeerGroup,
        MasterGroup = source.MasterGroup,
        IsUnbindable = source.IsUnbindable,
        Source = source.Source,
    };

    // ---- attaching -----------------------------------------------------------------------------------------------------------------------------

    /// <summary>Hangs a tree at a place, and copies of it wherever that place propagates to.</summary>
    /// <returns>ENOSPC (too many mounts).</returns>
    public static Errno Attach(Mount tree, Mount parent, Dentry mountpoint)
    {
        var space = parent.Namespace!;
        if (space.All.Count + Walk(tree).Count() > space.MaxMounts)
            return Errno.ENOSPC;
        if (parent.PeerGroup != 0)
            Propagate(tree, parent, mountpoint);
        Graft(tree, parent, mountpoint);
        return Errno.OK;
    }

    private static void Propagate(Mount tree, Mount parent, Dentry mountpoint)
    {
        foreach (var mount in Walk(tree))
        {
            if (mount.PeerGroup == 0)
                mount.PeerGroup = mount.Sb.Core.NewPeerGroup();
        }
        foreach (var receiver in Receivers(parent))
        {
            if (!receiver.Root.IsAncestorOf(mountpoint))
                continue;
            var copy = Copy(tree, tree.Root, recursive: true, keepUnbindable: true);
            bool isPeer = receiver.PeerGroup == parent.PeerGroup;
            foreach (var mount in Walk(copy))
            {
                if (isPeer)
                    continue;
                mount.MasterGroup = mount.PeerGroup;
                mount.PeerGroup = receiver.PeerGroup != 0 ? mount.Sb.Core.NewPeerGroup() : 0;
            }
            Graft(copy, receiver, mountpoint);
        }
    }

    /// <summary>The mounts that a mount propagates to: its peers, the slaves of the group, theirs, in the order of their ids.</summary>
    private static List<Mount> Receivers(Mount source)
    {
        var all = source.Sb.Core.AttachedMounts;
        var groups = new HashSet<int> { source.PeerGroup };
        for (bool more = true; more;)
        {
            more = false;
            foreach (var mount in all)
            {
                if (mount.PeerGroup != 0 && groups.Contains(mount.MasterGroup))
                    more |= groups.Add(mount.PeerGroup);
            }
        }
        return [.. all.Where(m => !ReferenceEquals(m, source) && (m.PeerGroup != 0 && groups.Contains(m.PeerGroup) || groups.Contains(m.MasterGroup))).OrderBy(m => m.Id)];
    }

    private static void Graft(Mount tree, Mount parent, Dentry mountpoint)
    {
        Hang(tree, parent, mountpoint);
        foreach (var mount in Walk(tree))
        {
            if (!ReferenceEquals(mount.Namespace, parent.Namespace))
                parent.Namespace!.Adopt(mount);
        }
    }

    /// <summary>Moves a tree that is attached to another place.</summary>
    public static Errno Move(Mount tree, Mount parent, Dentry mountpoint)
    {
        Unhang(tree);
        if (parent.PeerGroup != 0)
            Propagate(tree, parent, mountpoint);
        Graft(tree, parent, mountpoint);
        return Errno.OK;
    }

    private static void Hang(Mount mount, Mount parent, Dentry mountpoint)
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

    private static void Unhang(Mount mount)
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

    /// <summary>Takes a tree out of its namespace, and what propagation made of its mounts; each mount dies now or with its last user.</summary>
    public static void Umount(Mount tree, bool propagate)
    {
        var going = Walk(tree).Reverse().ToList();
        if (propagate)
            AddPropagated(going);
        foreach (var mount in going)
        {
            KeepWhatCovers(mount);
            if (mount.Parent is not null)
                Unhang(mount);
            _ = mount.Namespace?.All.Remove(mount);
            mount.Namespace = null;
            mount.IsDetached = true;
            if (mount.Users == 0)
                mount.Kill();
        }
    }

    /// <summary>Adds what is mounted at the same places below the peers and slaves of the parents, unless something stays mounted on it.</summary>
    /// <param name="going">The mounts that go, each before what it hangs on.</param>
    /// <remarks>Linux fs/pnode.c: propagate_umount(). Whatever is mounted at such a place goes, a copy or not.</remarks>
    private static void AddPropagated(List<Mount> going)
    {
        var set = new HashSet<Mount>(going);
        for (int i = 0; i < going.Count; i++)
        {
            var mount = going[i];
            if (mount.Parent is not { PeerGroup: not 0 } parent)
                continue;
            foreach (var receiver in Receivers(parent))
            {
                if (mount.Sb.Core.MountHash.TryGetValue((receiver, mount.Mountpoint!), out var copy) && !set.Contains(copy)
                    && copy.Children.TrueForAll(c => set.Contains(c) || ReferenceEquals(c.Mountpoint, copy.Root)))
                {
                    _ = set.Add(copy);
                    going.Add(copy);
                }
            }
        }
    }

    /// <summary>What is mounted on the root of a mount that goes, and stays, comes into its place.</summary>
    private static void KeepWhatCovers(Mount mount)
    {
        if (mount.Parent is not { } parent || mount.Children.Find(c => ReferenceEquals(c.Mountpoint, mount.Root)) is not { } cover)
            return;
        var mountpoint = mount.Mountpoint!;
        Unhang(cover);
        Unhang(mount);
        Hang(cover, parent, mountpoint);
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

    // ---- propagation types -------------------------------------------------------------------------------------------------------------------

    /// <summary>Makes a mount shared, private, a slave or unbindable.</summary>
    public static void SetPropagation(Mount mount, Linux.Abi.MountFlags type)
    {
        var core = mount.Sb.Core;
        if (type == Linux.Abi.MountFlags.MS_SHARED)
        {
            mount.IsUnbindable = false;
            if (mount.PeerGroup == 0)
                mount.PeerGroup = core.NewPeerGroup();
            return;
        }
        int group = mount.PeerGroup;
        bool hasPeers = group != 0 && core.AttachedMounts.Any(m => m.PeerGroup == group && !ReferenceEquals(m, mount));
        mount.PeerGroup = 0;
        if (group != 0 && !hasPeers)
        {
            // The group's last mount: its slaves are passed on to its own master.
            foreach (var slave in core.AttachedMounts.Where(m => m.MasterGroup == group))
                slave.MasterGroup = mount.MasterGroup;
        }
        if (type == Linux.Abi.MountFlags.MS_SLAVE)
            mount.MasterGroup = hasPeers ? group : mount.MasterGroup;
        else
        {
            mount.MasterGroup = 0;
            mount.IsUnbindable = type == Linux.Abi.MountFlags.MS_UNBINDABLE; // a slave stays what it was
        }
    }
}
