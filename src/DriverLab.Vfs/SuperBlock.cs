using DriverLab.Linux;
using DriverLab.Linux.Abi;

namespace DriverLab.Vfs;

/// <summary>One mounted instance of a file system.</summary>
/// <remarks>Linux include/linux/fs.h: struct super_block, struct super_operations, struct export_operations.</remarks>
public abstract class SuperBlock
{
    /// <summary>Makes an instance; <see cref="Root"/> is set by the file system before mount returns.</summary>
    protected SuperBlock(VfsCore core, FileSystemType type, DevT dev, long magic, MountFlags flags)
    {
        Core = core;
        Type = type;
        Dev = dev;
        Magic = magic;
        Flags = flags;
        Children = new DentryHash();
        core.SuperBlocks.Add(this);
    }

    /// <summary>The kernel's VFS state.</summary>
    public VfsCore Core { get; }
    public FileSystemType Type { get; }

    /// <summary>The user name space that it was mounted from: what its owners mean, and who may change it.</summary>
    /// <remarks>Linux struct super_block: s_user_ns.</remarks>
    public UserNamespace UserSpace { get; internal set; } = UserNamespace.Initial;

    /// <summary>st_dev of its files; <see cref="VfsCore.NewAnonymousDev"/> gives one to a file system without a device.</summary>
    public DevT Dev { get; }

    /// <summary>f_type of statfs.</summary>
    public long Magic { get; }

    /// <summary>MS_RDONLY, MS_SYNCHRONOUS, MS_LAZYTIME … as they are now.</summary>
    public MountFlags Flags { get; set; }

    public bool IsReadOnly => (Flags & MountFlags.MS_RDONLY) != 0;

    /// <summary>The root directory.</summary>
    public Dentry Root { get; protected set; } = null!;

    /// <summary>Largest file size in bytes.</summary>
    public long MaxBytes { get; protected init; } = long.MaxValue;

    /// <summary>Longest name in bytes.</summary>
    public virtual int NameMax => Limits.NAME_MAX;

    /// <summary>A path is told as the name of its entry alone, such as <c>anon_inode:inotify</c>.</summary>
    /// <remarks>Linux struct dentry_operations: d_dname.</remarks>
    public virtual bool NamesAreWhole => false;

    /// <summary>Block size in bytes (st_blksize).</summary>
    public int BlockSize { get; protected init; } = Limits.PAGE_SIZE;

    /// <summary>The size of a block that the kernel keeps with the file system itself: 0 where it never sets one.</summary>
    public virtual int OwnBlockSize => BlockSize;

    /// <summary>0 for a plain file system, one more than its deepest layer for a stacked one; 2 is the most Linux allows.</summary>
    public int StackDepth { get; protected set; }

    /// <summary>The file system's UUID; all zero when it has none.</summary>
    public UInt128 Uuid { get; protected set; }

    /// <summary>Knows POSIX access control lists (SB_POSIXACL).</summary>
    public virtual bool HasPosixAcl => false;

    /// <summary>Whether a list makes sense is found out by the file system below, when it is stored there.</summary>
    public virtual bool LeavesAclsToLayers => false;

    /// <summary>Every hashed entry of this instance is in the dentry cache (ramfs, tmpfs): a miss means that the name does not exist, and <see cref="Inode.Lookup"/> is only
    /// asked when a name is about to be created.</summary>
    public virtual bool CacheIsComplete => false;

    /// <summary>Whoever makes an instance is who it belongs to.</summary>
    internal void BelongTo(Caller mounter)
    {
        if (ActiveCount == 0)
            UserSpace = mounter.Credentials.Space;
    }

    /// <summary>Mounts and other users of this instance; the last one gone puts it.</summary>
    public int ActiveCount { get; set; }

    internal DentryHash Children { get; }

    /// <summary>Makes the entry object; a file system with state of its own in each entry returns a subclass.</summary>
    public virtual Dentry NewDentry(Dentry? parent, byte[] name) => new(this, parent, name);

    /// <summary>statfs.</summary>
    public virtual Errno StatFs(Dentry dentry, out StatFs result)
    {
        result = default;
        return Errno.ENOSYS;
    }

    /// <summary>Remount: parses the options, before anything is looked at or changed.</summary>
    public virtual Errno CheckRemount(MountContext context) => Errno.OK;

    /// <summary>Some removed name has stayed as a negative entry.</summary>
    internal bool KeepsNegatives { get; set; }

    /// <summary>Remount: what nobody uses leaves the cache.</summary>
    /// <remarks>Linux fs/super.c: reconfigure_super(), before it looks for writers.</remarks>
    internal void ShrinkCache()
    {
        if (KeepsNegatives || !CacheIsComplete)
            Root.Shrink();
        KeepsNegatives = false;
    }

    /// <summary>Remount: takes over new options. The flags are those asked for; the VFS stores them after success.</summary>
    public virtual Errno Remount(MountContext context) => Errno.OK;

    /// <summary>Unlinked inodes that are still in use; they keep a file system from becoming read-only.</summary>
    public int OrphanCount { get; internal set; }

    /// <summary>Files that have, or had, whole pages in memory.</summary>
    internal HashSet<Helpers.MemoryFile> FilesWithPages { get; } = [];

    /// <summary>Files open for writing on all its mounts, also those that nobody sees; they keep it from becoming read-only.</summary>
    /// <remarks>Linux fs/namespace.c: sb_prepare_remount_readonly().</remarks>
    internal int Writers { get; set; }

    /// <summary>Writes back everything (sync, syncfs, umount, remount read-only).</summary>
    public virtual Errno SyncFs(bool wait) => Errno.OK;

    /// <summary>Called once after the last mount is gone.</summary>
    public virtual void Put() { }

    /// <summary>Appends the file system's own options as /proc/mounts shows them, each as <c>,name=value</c>; escapes as <see cref="MountOptionWriter"/> does.</summary>
    public virtual void ShowOptions(MountOptionWriter writer, Dentry root) { }

    // ---- file handles (export) -------------------------------------------------------------------------------------------------------

    /// <summary>True when handles can be made and decoded.</summary>
    public virtual bool HasFileHandles => false;

    /// <summary>True when handles can be made at least, to tell objects apart (AT_HANDLE_FID).</summary>
    public virtual bool HasHandleIds => HasFileHandles;

    /// <summary>True when directories have handles that find their place too (AT_HANDLE_CONNECTABLE).</summary>
    public virtual bool HasConnectableHandles => false;

    /// <summary>Writes a handle for an inode.</summary>
    /// <returns>The handle's length in bytes; EOPNOTSUPP without handles, EOVERFLOW when the buffer is too small.</returns>
    public virtual SysResult<int> EncodeHandle(Inode inode, Span<byte> handle, out byte handleType)
    {
        handleType = 0;
        return Errno.EOPNOTSUPP;
    }

    /// <summary>Finds the entry of a handle.</summary>
    /// <returns>ESTALE when the inode is gone.</returns>
    public virtual SysResult<Dentry> DecodeHandle(ReadOnlySpan<byte> handle, int handleType) => Errno.ESTALE;

    /// <summary>Mount or another holder goes away.</summary>
    public void Deactivate()
    {
        if (--ActiveCount > 0)
            return;
        _ = SyncFs(true); // umount does not report it either
        if (Core.Watches > 0)
            Core.EndWatches(this);
        Put();
        foreach (var file in FilesWithPages)
            file.ReleasePages();
        Core.FreeAnonymousDev(Dev);
        _ = Core.SuperBlocks.Remove(this);
    }
}

/// <summary>A file that a file system or a driver provides in /sys.</summary>
/// <param name="Path">Its path below /sys, without a leading slash.</param>
/// <param name="Content">What it holds when it is opened; null for a directory that is there with nothing in it.</param>
public readonly record struct SysfsFile(string Path, Func<Caller, string>? Content)
{
    /// <summary>Permissions: 0444 when nothing can be written to it.</summary>
    public Mode Mode { get; init; } = (Mode)0x124;

    /// <summary>What writing to it does, with some bytes and a page at the most; null where that is not modelled.</summary>
    public Func<ReadOnlyMemory<byte>, Errno>? Store { get; init; }

    /// <summary>Where a symbolic link leads; null for what is none.</summary>
    public string? Target { get; init; }
}

/// <summary>A part of the kernel that fills a part of /sys.</summary>
public interface ISysfsSource
{
    /// <summary>The files in a directory, and for each directory in it at least one file somewhere below; others may be among them.</summary>
    /// <param name="path">The directory's path below /sys, without slashes at its ends; empty for all there is.</param>
    IEnumerable<SysfsFile> FilesBelow(string path);

    /// <summary>True when nothing is in a directory but what <see cref="FilesBelow"/> tells: other names are ENOENT, and it can be listed.</summary>
    bool KnowsAllOf(string path);

    /// <summary>True when a file or directory would be told of if it were there, though not all of its directory is known.</summary>
    bool WouldKnow(string path);
}

/// <summary>A kind of file system, by the name that mount(2) uses.</summary>
/// <remarks>Linux include/linux/fs.h: struct file_system_type.</remarks>
public abstract class FileSystemType
{
    /// <summary>The name, for example <c>tmpfs</c>.</summary>
    public abstract string Name { get; }

    /// <summary>Needs a block device as its source (FS_REQUIRES_DEV).</summary>
    public virtual bool RequiresDevice => false;

    /// <summary>Can be mounted by the superuser of any user name space (FS_USERNS_MOUNT).</summary>
    public virtual bool IsForUserNamespaces(VfsCore core) => false;

    /// <summary>Its mounts can have a map of owners (FS_ALLOW_IDMAP).</summary>
    public virtual bool AllowsMappings(VfsCore core) => false;

    /// <summary>Its mounts tell the source that they were given.</summary>
    public virtual bool KeepsSource(VfsCore core) => true;

    /// <summary>/proc/filesystems shows it.</summary>
    public virtual bool IsListed => true;

    /// <summary>Moves dentries in <see cref="Inode.Rename"/> itself (FS_RENAME_DOES_D_MOVE).</summary>
    public virtual bool RenameDoesMove => false;

    /// <summary>The subtype is part of the name after a dot (FS_HAS_SUBTYPE).</summary>
    public virtual bool HasSubtype => false;

    /// <summary>The files that it provides in /sys, as they are at the moment.</summary>
    public virtual IEnumerable<SysfsFile> SysfsFiles => [];

    /// <summary>Its directory /proc/fs/NAME, or null when it has none.</summary>
    public virtual Inode? MakeProcDirectory(SuperBlock proc) => null;

    /// <summary>Begins the description of an instance for fsopen(2) and fspick(2). The default collects an option string.</summary>
    public virtual IFsContext NewContext(VfsCore core, bool reconfigures) => new LegacyFsContext(this, core);

    /// <summary>Makes or finds the instance and returns the directory that becomes the mount's root, mostly <see cref="SuperBlock.Root"/>.</summary>
    public abstract SysResult<Dentry> Mount(MountContext context);
}
