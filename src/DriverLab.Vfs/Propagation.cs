using DriverLab.Linux.Abi;

namespace DriverLab.Vfs;

/// <summary>
/// Shared subtrees: peers see each other's mounts, slaves see their master's. Peers form a ring, a slave names the peer that it was made from; both may hold for one mount.
/// </summary>
/// <remarks>Linux Documentation/filesystems/sharedsubtree.rst; fs/pnode.c: change_mnt_propagation(), propagate_mnt(), propagate_umount(), propagate_mount_busy().</remarks>
internal static class Propagation
{
    // ---- types --------------------------------------------------------------------------------------------------------------------------------

    /// <summary>Makes a mount shared, private, a slave or unbindable.</summary>
    public static void SetType(Mount mount, MountFlags type)
    {
        if (type == MountFlags.MS_SHARED)
        {
            MakeShared(mount);
            return;
        }
        MakeSlave(mount);
        if (type == MountFlags.MS_SLAVE)
            return;
        LeaveMaster(mount);
        mount.IsUnbindable = type == MountFlags.MS_UNBINDABLE;
    }

    /// <summary>Shared, in a group of its own unless it has one.</summary>
    public static void MakeShared(Mount mount)
    {
        mount.IsUnbindable = false;
        if (mount.Peers is not null)
            return;
        mount.Peers = new PeerGroup(mount.Sb.Core.GroupIds.Take());
        mount.Peers.Members.Add(mount);
    }

    // Out of the ring, to become the slave of a former peer; without peers, of the master it has, if any. Its own slaves move to the same mount.
    private static void MakeSlave(Mount mount)
    {
        var master = mount.Master;
        if (mount.Peers is { } peers)
        {
            int at = peers.Members.IndexOf(mount);
            _ = peers.Members.Remove(mount);
            if (peers.Members.Count > 0)
            {
                var next = peers.Members.Skip(at).Concat(peers.Members.Take(at));
                master = next.FirstOrDefault(p => ReferenceEquals(p.Root, mount.Root)) ?? next.First();
            }
            else
                mount.Sb.Core.GroupIds.Give(peers.Id);
            mount.Peers = null;
        }
        foreach (var slave in mount.Slaves)
            slave.Master = master;
        master?.Slaves.InsertRange(mount.Sb.Core.Quirks.SlavesMoveToFront ? 0 : master.Slaves.Count, mount.Slaves);
        mount.Slaves.Clear();
        LeaveMaster(mount); // also to be the newest slave of the same master
        mount.Master = master;
        master?.Slaves.Insert(0, mount);
    }

    private static void LeaveMaster(Mount mount)
    {
        _ = mount.Master?.Slaves.Remove(mount);
        mount.Master = null;
    }

    /// <summary>A copy shares what its source shares, and receives what it receives.</summary>
    public static void Join(Mount source, Mount copy)
    {
        if (source.Peers is { } peers)
        {
            peers.Members.Insert(peers.Members.IndexOf(source) + 1, copy);
            copy.Peers = peers;
        }
        if (source.Master is { } master)
        {
            copy.Master = master;
            master.Slaves.Insert(master.Slaves.IndexOf(source) + 1, copy);
        }
    }

    /// <summary>As <see cref="Join"/>, but a copy of what is shared is its slave.</summary>
    /// <remarks>Linux fs/namespace.c: clone_mnt() with CL_SHARED_TO_SLAVE.</remarks>
    public static void JoinAsReceiver(Mount source, Mount copy)
    {
        if (source.IsShared)
            JoinAsSlave(source, copy, shared: false);
        else
            Join(source, copy);
    }

    // A copy that only receives, and passes on what it receives when it is shared.
    private static void JoinAsSlave(Mount source, Mount copy, bool shared)
    {
        copy.Master = source;
        source.Slaves.Insert(0, copy);
        if (shared)
            MakeShared(copy);
    }

    // ---- mounting -----------------------------------------------------------------------------------------------------------------------------

    /// <summary>Makes a tree shared that is about to hang on a shared mount, and copies of it for every mount that receives.</summary>
    public static List<(Mount Copy, Mount Receiver)> CopiesOf(Mount tree, Mount parent, Dentry mountpoint)
    {
        var newlyShared = MountTree.Walk(tree).Where(m => !m.IsShared).ToHashSet();
        foreach (var mount in newlyShared)
            MakeShared(mount);
        var copies = new List<(Mount, Mount)>();
        var source = tree;
        foreach (var peer in OthersOf(parent))
        {
            if (!IsReceiver(peer, mountpoint))
                continue;
            source = MountTree.Copy(source, tree.Root, recursive: true, keepUnbindable: false, Join);
            copies.Add((source, peer));
        }
        CopyToSlaves(source, parent, mountpoint, copies, newlyShared, []); // of the last copy among the peers
        return copies;
    }

    // One copy for the first member of each group of slaves, peers of that copy for the others; then the slaves of that group receive from it. A part of the tree that receives from where it goes
    // to is not shared yet.
    private static void CopyToSlaves(Mount source, Mount parent, Dentry mountpoint, List<(Mount, Mount)> copies, HashSet<Mount> newlyShared, HashSet<Mount> seen)
    {
        foreach (var member in RingOf(parent))
        {
            foreach (var slave in member.Slaves.ToArray())
            {
                if (slave.Namespace is null || !seen.Add(slave))
                    continue;
                Mount? first = null;
                foreach (var receiver in RingOf(slave))
                {
                    _ = seen.Add(receiver);
                    if (!IsReceiver(receiver, mountpoint))
                        continue;
                    bool isFirst = first is null, shared = receiver.IsShared && !newlyShared.Contains(receiver);
                    first = MountTree.Copy(first ?? source, source.Root, recursive: true, keepUnbindable: false, isFirst ? (from, copy) => JoinAsSlave(from, copy, shared) : Join);
                    copies.Add((first, receiver));
                }
                CopyToSlaves(first ?? source, slave, mountpoint, copies, newlyShared, seen);
            }
        }
    }

    private static bool IsReceiver(Mount mount, Dentry mountpoint) => mount.Namespace is { IsAnonymous: false } && ReferenceEquals(mount.Sb, mountpoint.Sb) && mount.Root.IsAncestorOf(mountpoint);

    private static Mount[] RingOf(Mount mount) => [mount, .. OthersOf(mount)];

    private static IEnumerable<Mount> OthersOf(Mount mount)
    {
        if (mount.Peers is not { } peers)
            return [];
        int at = peers.Members.IndexOf(mount);
        return [.. peers.Members.Skip(at + 1), .. peers.Members.Take(at)];
    }

    // ---- unmounting ---------------------------------------------------------------------------------------------------------------------------

    /// <summary>All mounts that receive what happens on one: its peers, their slaves, and so on.</summary>
    private static List<Mount> ReceiversOf(Mount mount)
    {
        var result = new List<Mount>();
        var seen = new HashSet<Mount> { mount };
        Collect(mount, result, seen);
        return result;
    }

    private static void Collect(Mount mount, List<Mount> result, HashSet<Mount> seen)
    {
        foreach (var member in RingOf(mount))
        {
            if (seen.Add(member))
                result.Add(member);
            foreach (var slave in member.Slaves)
            {
                if (!seen.Add(slave))
                    continue;
                result.Add(slave);
                Collect(slave, result, seen);
            }
        }
    }

    /// <summary>The mounts at the same places of all receivers. One that carries mounts of its own stays; one that is only covered goes.</summary>
    /// <param name="going">The mounts that go, each after what hangs on it; the result is in the same order.</param>
    public static List<Mount> CopiesThatGo(IReadOnlyList<Mount> going)
    {
        var all = new HashSet<Mount>(going);
        Unlock(going[^1]);
        var candidates = new List<Mount>();
        foreach (var mount in going)
        {
            if (mount.Parent is { } parent)
                candidates.AddRange(ReceiversOf(parent).Select(receiver => CopyAt(receiver, mount)).OfType<Mount>().Where(copy => !all.Contains(copy)));
        }
        // One that goes can be what kept the one below it.
        var copies = new List<Mount>();
        for (int before = -1; before != copies.Count;)
        {
            before = copies.Count;
            foreach (var copy in candidates)
            {
                if (!all.Contains(copy) && copy.Children.TrueForAll(c => all.Contains(c) || ReferenceEquals(c.Mountpoint, copy.Root)))
                {
                    _ = all.Add(copy);
                    copies.Add(copy);
                }
            }
        }
        // What is locked goes only with what it hangs on.
        foreach (var copy in Enumerable.Reverse(copies))
        {
            if (copy.IsLocked && !all.Contains(copy.Parent!))
                _ = all.Remove(copy);
        }
        return copies.FindAll(all.Contains);
    }

    /// <summary>Copies of what a more privileged name space takes away need no lock any more.</summary>
    /// <remarks>Linux fs/pnode.c: propagate_mount_unlock().</remarks>
    private static void Unlock(Mount top)
    {
        if (top.Parent is not { } parent)
            return;
        foreach (var receiver in ReceiversOf(parent))
        {
            if (CopyAt(receiver, top) is { } copy)
                copy.IsLocked = false;
        }
    }

    private static Mount? CopyAt(Mount receiver, Mount mount) => mount.Sb.Core.MountHash.GetValueOrDefault((receiver, mount.Mountpoint!));

    /// <summary>Is the mount, or a copy that would go with it, in use?</summary>
    public static bool IsBusy(Mount mount)
    {
        if (mount.Children.Count > 0 || mount.Users > 0)
            return true;
        if (mount.Parent is not { } parent)
            return false;
        foreach (var receiver in ReceiversOf(parent))
        {
            if (CopyAt(receiver, mount) is { Users: > 0 } copy && copy.Children.TrueForAll(c => ReferenceEquals(c.Mountpoint, copy.Root)))
                return true;
        }
        return false;
    }

    // ---- telling ------------------------------------------------------------------------------------------------------------------------------

    /// <summary>The nearest group above a slave that has a member within sight of a root: propagate_from of mountinfo. 0 when there is none.</summary>
    /// <remarks>Linux fs/pnode.c: get_dominating_id().</remarks>
    public static int DominatingGroup(Mount mount, in VfsPath root)
    {
        for (var master = mount.Master; master is not null; master = master.Master)
        {
            foreach (var member in RingOf(master))
            {
                if (ReferenceEquals(member.Namespace, mount.Namespace) && MountCalls.IsReachable(member, member.Root, root))
                    return member.SharedGroup;
            }
        }
        return 0;
    }
}
