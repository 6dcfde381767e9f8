namespace DriverLab.Vfs;

/// <summary>A place in the tree: a directory entry as seen through a mount.</summary>
/// <param name="Mount">The mount.</param>
/// <param name="Dentry">The entry, of the mount's super block.</param>
/// <remarks>Linux include/linux/path.h: struct path.</remarks>
public readonly record struct VfsPath(Mount Mount, Dentry Dentry)
{
    /// <summary>The inode; the entry must be positive.</summary>
    public Inode Inode => Dentry.Inode!;

    /// <summary>True for a path that was set.</summary>
    public bool IsValid => Dentry is not null;

    /// <summary>True when the entry is the root of its mount.</summary>
    public bool IsMountRoot => ReferenceEquals(Mount.Root, Dentry);

    /// <summary>Keeps the mount busy and the inode alive.</summary>
    public void Hold()
    {
        if (Dentry is null)
            return;
        Mount.Users++;
        Dentry.Hold();
    }

    /// <summary>Undoes one <see cref="Hold"/>.</summary>
    public void Release()
    {
        if (Dentry is null)
            return;
        Mount.Users--;
        Dentry.Release();
        if (Mount.Users == 0 && Mount.IsDetached)
            Mount.Kill();
    }
}
