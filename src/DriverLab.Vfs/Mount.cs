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
        Id = sb.Core.NewMountId();
        sb.ActiveCount++;
        root.Inode!.Hold();
    }

    /// <summary>Number in /proc/self/mountinfo.</summary>
    public int Id { get; }
    public SuperBlock Sb { get; }

    /// <summary>The directory (for a bind mount perhaps a file) that shows at the mount point.</summary>
    public Dentry Root { get; }

    /// <summary>The source as given to mount(2), which /proc/mounts shows.</summary>
    public byte[] Source { get; internal set; } = "none"u8.ToArray();

    /// <summary>MS_RDONLY, MS_NOSUID, … of this mount alone.</summary>
    public MountFlags Flags { get; set; }

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
    public int Writers { get; internal set; }

    /// <summary>Unmounted lazily: dies with its last user.</summary>
    public bool IsDetached { get; internal set; }

    /// <summary>Set by the first MNT_EXPIRE, cleared by use.</summary>
    internal bool ExpiryMark { get; set; }

    /// <summary>Peer group of a shared mount; 0 when not shared.</summary>
    public int PeerGroup { get; internal set; }

    /// <summary>Peer group that a slave receives from; 0 when not a slave.</summary>
    public int MasterGroup { get; internal set; }

    /// <summary>MS_UNBINDABLE.</summary>
    public bool IsUnbindable { get; internal set; }

    private bool _isDead;

    public bool IsReadOnly => (Flags & MountFlags.MS_RDONLY) != 0 || Sb.IsReadOnly;

    /// <summary>May something be changed through this mount?</summary>
    /// <returns>EROFS.</returns>
    /// <remarks>Linux fs/namespace.c: mnt_want_write().</remarks>
    public Errno WantWrite() => IsReadOnly && !Sb.Core.IsMutated(Mutation.ReadOnlyMountWrites) ? Errno.EROFS : Errno.OK;

    /// <summary>A copy that no namespace shows, for a stacked file system's layers. Give it back with <see cref="Kill"/>.</summary>
    /// <returns>EINVAL (unbindable, not mounted here).</returns>
    /// <remarks>Linux fs/namespace.c: clone_private_mount().</remarks>
    public static SysResult<Mount> ClonePrivate(in VfsPath path)
    {
        if (path.Mount.IsUnbindable)
            return Errno.EINVAL;
        return new Mount(path.Mount.Sb, path.Dentry, path.Mount.Flags);
    }

    /// <summary>Ends a mount that is in no namespace.</summary>
    /// <remarks>Linux fs/namespace.c: cleanup_mnt().</remarks>
    public void Kill()
    {
        if (_isDead)
            return;
        _isDead = true;
        Root.Inode!.Release();
        Sb.Deactivate();
    }
}
