namespace DriverLab.Vfs;

/// <summary>The tree of mounts that a task sees.</summary>
/// <remarks>Linux fs/mount.h: struct mnt_namespace; fs/namespace.c. mount(2) and umount(2) with their checks are in <see cref="MountCalls"/>.</remarks>
public sealed class MountNamespace
{
    /// <summary>A namespace with one mount, the root.</summary>
    public MountNamespace(VfsCore core, Mount root)
    {
        Core = core;
        Root = root;
        Adopt(root);
    }

    /// <summary>A namespace around a tree that hangs nowhere.</summary>
    internal static MountNamespace Anonymous(Mount root)
    {
        var result = new MountNamespace(root.Sb.Core, root) { IsAnonymous = true };
        foreach (var mount in MountTree.Walk(root).Skip(1))
            result.Adopt(mount);
        return result;
    }

    /// <summary>Belongs to no task: it holds a tree that was made and is not hung up anywhere yet.</summary>
    public bool IsAnonymous { get; private init; }

    public VfsCore Core { get; }

    /// <summary>Whose capabilities count for it.</summary>
    public UserNamespace UserSpace { get; private init; } = UserNamespace.Initial;

    /// <summary>The mount everything hangs from.</summary>
    public Mount Root { get; internal set; }

    /// <summary>All mounts, in the order of /proc/self/mountinfo.</summary>
    public List<Mount> All { get; } = [];

    /// <summary>Most mounts one namespace may hold (fs.mount-max).</summary>
    public int MaxMounts { get; set; } = 100_000;

    private int _users;

    /// <summary>A task begins to use it.</summary>
    public void Hold() => _users++;

    /// <summary>A task stops using it; the last one unmounts everything.</summary>
    public void Release()
    {
        if (--_users == 0)
            MountTree.Umount(Root, propagate: false);
    }

    /// <summary>True when something of this namespace is mounted on the entry, whichever mount it is seen through.</summary>
    /// <remarks>Linux fs/namespace.c: is_local_mountpoint().</remarks>
    public bool IsMountpoint(Dentry dentry)
    {
        if (!dentry.IsMountpoint)
            return false;
        foreach (var mount in All)
        {
            if (ReferenceEquals(mount.Mountpoint, dentry))
                return true;
        }
        return false;
    }

    /// <summary>A copy of the whole tree. The peers of shared mounts stay peers.</summary>
    /// <param name="caller">Whose root and working directory move over to the copies.</param>
    /// <param name="space">Whose it is. What another user name space gets only receives from what was shared, and all of it is locked.</param>
    /// <remarks>Linux fs/namespace.c: copy_mnt_ns(), lock_mnt_tree().</remarks>
    public MountNamespace Copy(Caller caller, UserNamespace? space = null)
    {
        space ??= UserSpace;
        bool isForOthers = !ReferenceEquals(space, UserSpace);
        var copies = new Dictionary<Mount, Mount>();
        var root = MountTree.Copy(Root, Root.Root, recursive: true, keepUnbindable: true, isForOthers ? Propagation.JoinAsReceiver : Propagation.Join, copies);
        if (isForOthers)
            MountTree.Lock(root);
        var result = new MountNamespace(Core, root) { UserSpace = space };
        foreach (var mount in MountTree.Walk(root).Skip(1))
            result.Adopt(mount);
        if (copies.TryGetValue(caller.Root.Mount, out var rootCopy))
            caller.SetRoot(new(rootCopy, caller.Root.Dentry));
        if (copies.TryGetValue(caller.Cwd.Mount, out var cwdCopy))
            caller.SetCwd(new(cwdCopy, caller.Cwd.Dentry));
        return result;
    }

    internal void Adopt(Mount mount)
    {
        mount.Namespace = this;
        int at = All.Count;
        if (Core.Quirks.MountsListedById)
        {
            while (at > 0 && All[at - 1].Unique > mount.Unique)
                at--;
        }
        All.Insert(at, mount);
    }
}
