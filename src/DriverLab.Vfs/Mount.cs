using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Simulation;

namespace DriverLab.Vfs;

/// <summary>A file system instance, or a part of one, at a place in the tree.</summary>
/// <remarks>Linux fs/mount.h: struct mount.</remarks>
public sealed class Mount
{
    /// <summary>The flags that belong to a mount rather than to its super block.</summary>
    public const MountFlags OwnFlags = MountFlags.MS_RDONLY | MountFlags.MS_NOSUID | MountFlags.MS_NODEV | MountFlags.MS_NOEXEC | MountFlags.MS_NOATIME
        | MountFlags.MS_NODIRATIME | MountFlags.MS_RELATIME | MountFlags.MS_NOSYMFOLLOW;

    /// <summary>A mount that hangs nowhere yet.</summary>
    public Mount(SuperBlock sb, Dentry root, MountFlags flags)
    {
        Sb = sb;
        Root = root;
        Flags = flags & OwnFlags;
        Id = sb.Core.MountIds.Take();
        Unique = sb.Core.NextUniqueMount();
        sb.ActiveCount++;
        root.Hold();
    }

    /// <summary>Number in /proc/self/mountinfo.</summary>
    public int Id { get; }

    /// <summary>Number that no other mount has had: mountinfo's order since 6.8.</summary>
    public ulong Unique { get; }

    public SuperBlock Sb { get; }

    /// <summary>The directory (for a bind mount perhaps a file) that shows at the mount point.</summary>
    public Dentry Root { get; }

    /// <summary>True when an entry lies in what the mount shows: a bind mount's part of the tree can be left by a rename.</summary>
    /// <remarks>Linux fs/namei.c: path_connected().</remarks>
    internal bool Reaches(Dentry dentry) => ReferenceEquals(Root, Sb.Root) || Root.IsAncestorOf(dentry);

    /// <summary>The source as given to mount(2), which /proc/mounts shows.</summary>
    public byte[] Source { get; internal set; } = "none"u8.ToArray();

    /// <summary>MS_RDONLY, MS_NOSUID, … of this mount alone.</summary>
    public MountFlags Flags { get; set; }

    /// <summary>How owners are shown here; null as they are.</summary>
    public MountMapping? Mapping { get; internal set; }

    /// <summary>Belongs to what a more privileged name space mounted: it can neither be moved nor unmounted alone.</summary>
    /// <remarks>Linux include/linux/mount.h: MNT_LOCKED.</remarks>
    internal bool IsLocked { get; set; }

    /// <summary>Its flags come from a more privileged name space and cannot be taken off.</summary>
    /// <remarks>Linux include/linux/mount.h: MNT_LOCK_READONLY, MNT_LOCK_ATIME, …</remarks>
    internal bool HasLockedFlags { get; set; }

    /// <summary>The flags that are being asked for would take off locked ones.</summary>
    /// <remarks>Linux fs/namespace.c: can_change_locked_flags().</remarks>
    internal bool Unlocks(MountFlags wanted)
    {
        const MountFlags kept = MountFlags.MS_RDONLY | MountFlags.MS_NODEV | MountFlags.MS_NOSUID | MountFlags.MS_NOEXEC;
        const MountFlags atime = MountFlags.MS_NOATIME | MountFlags.MS_NODIRATIME | MountFlags.MS_RELATIME;
        return HasLockedFlags && ((LockedFlags & kept & ~wanted) != 0 || ((LockedFlags ^ wanted) & atime) != 0);
    }

    /// <summary>The flags at the moment when they were locked.</summary>
    internal MountFlags LockedFlags { get; set; }

    /// <summary>The namespace it is in; null when detached or private to the kernel.</summary>
    public MountNamespace? Namespace { get; internal set; }

    /// <summary>The mount below; null for the root of a namespace.</summary>
    public Mount? Parent { get; internal set; }

    /// <summary>Where on the mount below.</summary>
    public Dentry? Mountpoint { get; internal set; }

    /// <summary>Mounts on this one, in the order they came.</summary>
    public List<Mount> Children { get; } = [];

    /// <summary>Open files, working directories and roots on it: umount says EBUSY while there are any.</summary>
    public int Users { get; internal set; }

    /// <summary>Files open for writing: remount read-only says EBUSY while there are any.</summary>
    public int Writers { get; private set; }

    /// <summary>One more file is open for writing, here and on the file system.</summary>
    /// <remarks>Linux fs/namespace.c: mnt_get_write_access().</remarks>
    internal void GetWriteAccess()
    {
        Writers++;
        Sb.Writers++;
    }

    /// <summary>One less is open for writing.</summary>
    internal void PutWriteAccess()
    {
        Writers--;
        Sb.Writers--;
    }

    /// <summary>Unmounted lazily: dies with its last user.</summary>
    public bool IsDetached { get; internal set; }

    /// <summary>Set by the first MNT_EXPIRE, cleared by use.</summary>
    internal bool ExpiryMark { get; set; }

    /// <summary>The mounts it shares events with, itself among them; null when it is not shared.</summary>
    internal PeerGroup? Peers { get; set; }

    /// <summary>The mount it receives events from; null when it is no slave.</summary>
    internal Mount? Master { get; set; }

    /// <summary>The mounts that receive events from it, newest first.</summary>
    internal List<Mount> Slaves { get; } = [];

    /// <summary>Number of the peer group of a shared mount; 0 when not shared.</summary>
    public int SharedGroup => Peers?.Id ?? 0;

    /// <summary>Number of the peer group that a slave receives from; 0 when not a slave.</summary>
    public int MasterGroup => Master?.SharedGroup ?? 0;

    /// <summary>Number of the nearest group above a slave with a member within sight of a root; 0 when there is none.</summary>
    public int DominatingGroup(in VfsPath root) => Propagation.DominatingGroup(this, root);

    /// <summary>Sends what happens on it to others.</summary>
    public bool IsShared => Peers is not null;

    /// <summary>MS_UNBINDABLE.</summary>
    public bool IsUnbindable { get; internal set; }

    /// <summary>In no namespace but its own: what fsmount and open_tree made and nobody has hung up yet.</summary>
    public bool IsAnonymous => Namespace is { IsAnonymous: true };

    private bool _isDead;

    public bool IsReadOnly => (Flags & MountFlags.MS_RDONLY) != 0 || Sb.IsReadOnly;

    /// <summary>May something be changed through this mount?</summary>
    /// <returns>EROFS.</returns>
    /// <remarks>Linux fs/namespace.c: mnt_want_write().</remarks>
    public Errno WantWrite() => IsReadOnly && !Sb.Core.IsMutated(Mutation.ReadOnlyMountWrites) ? Errno.EROFS : Errno.OK;

    /// <summary>A copy that no namespace shows, for a stacked file system's layers. Give it back with <see cref="Kill"/>.</summary>
    /// <returns>EINVAL (unbindable, not mounted where the caller lives nor the top of a tree that hangs nowhere yet, locked mounts would be uncovered).</returns>
    /// <remarks>Linux fs/namespace.c: clone_private_mount().</remarks>
    public static SysResult<Mount> ClonePrivate(Caller caller, in VfsPath path)
    {
        var mount = path.Mount;
        bool isAllowed = ReferenceEquals(mount.Namespace, caller.Mounts) || mount.IsAnonymous && mount.Parent is null && mount.Sb.Core.Quirks.ClonesDetachedTrees;
        if (mount.IsUnbindable || !isAllowed || MountTree.HasLockedChildren(mount, path.Dentry))
            return Errno.EINVAL;
        return new Mount(mount.Sb, path.Dentry, mount.Flags) { Mapping = mount.Mapping };
    }

    /// <summary>Ends a mount that is in no namespace.</summary>
    /// <remarks>Linux fs/namespace.c: cleanup_mnt().</remarks>
    public void Kill()
    {
        if (_isDead)
            return;
        _isDead = true;
        Sb.Core.MountIds.Give(Id);
        Root.Release();
        Sb.Deactivate();
    }
}

/// <summary>Mounts that share what happens on them, in the order of their ring: a copy comes right behind its source.</summary>
internal sealed class PeerGroup(int id)
{
    public int Id { get; } = id;
    public List<Mount> Members { get; } = [];
}
