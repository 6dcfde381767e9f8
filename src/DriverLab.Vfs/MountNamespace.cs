using DriverLab.Linux;

namespace DriverLab.Vfs;

/// <summary>The tree of mounts that a task sees.</summary>
/// <remarks>Linux fs/mount.h: struct mnt_namespace. </remarks>
public sealed partial class MountNamespace(VfsCore core)
{
    public VfsCore Core { get; } = core;

    /// <summary>The mount everything hangs from.</summary>
    public Mount Root { get; internal set; } = null!;

    /// <summary>All mounts, in the order of /proc/self/mountinfo.</summary>
    public List<Mount> All { get; } = [];

    /// <summary>Tasks that use it; the last one gone unmounts everything.</summary>
    public int Users { get; set; }

    /// <summary>Most mounts one namespace may hold (fs.mount-max).</summary>
    public int MaxMounts { get; set; } = 100_000;

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

    /// <summary>Takes away, lazily and in every namespace, what is mounted on an entry that has just been removed.</summary>
    /// <remarks>Linux fs/namespace.c: __detach_mounts().</remarks>
    public static void DetachAt(Dentry dentry)
    {
        if (dentry.IsMountpoint)
            _ = NotModelledException.Throw("removal of a mount point of another namespace");
    }
}
