using DriverLab.Linux;
using DriverLab.Linux.Abi;

namespace DriverLab.Vfs;

/// <summary>State and attribute bits of an inode.</summary>
[Flags]
public enum InodeFlags : uint
{
    None = 0,
    S_SYNC = 1,
    S_NOATIME = 2,
    S_APPEND = 4,
    S_IMMUTABLE = 8,
    /// <summary>A removed directory that somebody still holds.</summary>
    S_DEAD = 16,
    S_NOCMTIME = 128,
    /// <summary>An O_TMPFILE without O_EXCL: link may give it its first name.</summary>
    I_LINKABLE = 1 << 20,
    /// <summary>chattr +d: left out of dumps.</summary>
    I_NODUMP = 1 << 23,
    /// <summary>Counted in <see cref="SuperBlock.OrphanCount"/>.</summary>
    I_ORPHAN = 1 << 22,
    /// <summary>Freed; nothing may touch it any more.</summary>
    I_FREED = 1 << 21,
}

/// <summary>What a symbolic link leads to: text to walk, or a place to jump to (the magic links of /proc).</summary>
public readonly record struct LinkTarget(ReadOnlyMemory<byte> Text, VfsPath Jump)
{
    /// <summary>True for a magic link.</summary>
    public bool IsJump => Jump.IsValid;
}

/// <summary>
/// A file, directory, link or special file of a file system, without its name. File systems derive one class per kind; a virtual that is not overridden
/// answers what Linux answers when the operation is missing.
/// </summary>
/// <remarks>
/// Operations run after the checks of <see cref="Namei"/>, <see cref="Attributes"/>, <see cref="Xattrs"/> and <see cref="Files"/>; call those, not these, from outside
/// the file system. Linux include/linux/fs.h: struct inode, struct inode_operations.
/// </remarks>
public abstract class Inode
{
    /// <summary>Creates an inode with one link and all times now; <see cref="Helpers.Simple.InitOwner"/> gives it its owner.</summary>
    protected Inode(SuperBlock sb, Mode mode)
    {
        Sb = sb;
        Mode = mode;
        Nlink = 1;
        AtimeNs = MtimeNs = CtimeNs = sb.Core.NowNs;
        Sequence = sb.Core.NextInode();
    }

    /// <summary>Grows with each inode that is made.</summary>
    internal long Sequence { get; }

    /// <summary>Takes owner, mode, times and size over from the inode below: what a stacked file system shows as its own.</summary>
    /// <remarks>Linux include/linux/fs_stack.h: fsstack_copy_attr_all().</remarks>
    protected void TakeAttributes(Inode below)
    {
        Uid = below.Uid;
        Gid = below.Gid;
        Mode = below.Mode;
        AtimeNs = below.AtimeNs;
        MtimeNs = below.MtimeNs;
        CtimeNs = below.CtimeNs;
        Size = below.Size;
    }

    /// <summary>The file system instance.</summary>
    public readonly SuperBlock Sb;
    public ulong Ino;
    /// <summary>Length in bytes.</summary>
    public long Size;
    /// <summary>Last access, nanoseconds since the epoch.</summary>
    public long AtimeNs;
    /// <summary>Last change of the content, nanoseconds since the epoch.</summary>
    public long MtimeNs;
    /// <summary>Last change of content or attributes, nanoseconds since the epoch.</summary>
    public long CtimeNs;
    /// <summary>Allocated space in units of 512 bytes.</summary>
    public long Blocks;
    /// <summary>The device that a device node names.</summary>
    public DevT Rdev;
    public uint Uid;
    public uint Gid;
    public uint Nlink;
    public InodeFlags Flags;
    private int _users;

    /// <summary>FS_IOC_FIEMAP comes to this inode, if only to be sent on.</summary>
    public virtual bool AsksForExtents => false;

    /// <summary>Advisory locks; null as long as there was never one.</summary>
    internal FileLocks? Locks;

    /// <summary>Access control lists; null when there are none.</summary>
    public virtual PosixAcls? Acls { get; set; }

    /// <summary>Watches of inotify; null when there are none.</summary>
    internal List<Watch>? WatchList;

    /// <summary>Some inotify descriptor watches it.</summary>
    public bool IsWatched => WatchList is { Count: > 0 };

    /// <summary>Type and permission bits.</summary>
    public Mode Mode;

    /// <summary>The type bits.</summary>
    public Mode Type => Mode & Mode.S_IFMT;
    public bool IsDirectory => Type == Mode.S_IFDIR;
    public bool IsRegular => Type == Mode.S_IFREG;
    public bool IsSymlink => Type == Mode.S_IFLNK;
    /// <summary>A device, a FIFO or a socket: writing to it writes nothing to its file system.</summary>
    /// <remarks>Linux include/linux/fs.h: special_file().</remarks>
    public bool IsSpecial => Type is Mode.S_IFCHR or Mode.S_IFBLK or Mode.S_IFIFO or Mode.S_IFSOCK;
    /// <summary>A character device 0:0, which stacked file systems read as "this name is gone".</summary>
    public bool IsWhiteout => Type == Mode.S_IFCHR && Rdev == DevT.Zero;
    public bool IsDead => (Flags & InodeFlags.S_DEAD) != 0;
    public bool IsImmutable => (Flags & InodeFlags.S_IMMUTABLE) != 0;
    public bool IsAppend => (Flags & InodeFlags.S_APPEND) != 0;
    /// <summary>The type as directory entries show it.</summary>
    public DirentType DirentType => (DirentType)((uint)Type >> 12);

    /// <summary>The entry of a directory, the one it has; null until it has one.</summary>
    public Dentry? Alias { get; internal set; }

    // ---- life ----------------------------------------------------------------------------------------------------------------------

    /// <summary>Open files, working directories and mounts that keep an unlinked inode alive.</summary>
    public int Users => _users;

    /// <summary>Keeps the inode alive.</summary>
    public void Hold() => _users++;

    /// <summary>Undoes one <see cref="Hold"/>; the last one frees an unlinked inode.</summary>
    public void Release()
    {
        _users--;
        DropIfUnused();
    }

    /// <summary>Frees the inode when it has neither links nor users; counts it as an orphan while it has users but no links.</summary>
    public void DropIfUnused()
    {
        if ((Flags & InodeFlags.I_FREED) != 0)
            return;
        bool wasOrphan = (Flags & InodeFlags.I_ORPHAN) != 0;
        bool isOrphan = Nlink == 0 && _users > 0;
        if (isOrphan != wasOrphan)
        {
            Flags ^= InodeFlags.I_ORPHAN;
            Sb.OrphanCount += isOrphan ? 1 : -1;
        }
        if (Nlink != 0 || _users > 0)
            return;
        Flags |= InodeFlags.I_FREED;
        Notify.End(this, InotifyMask.IN_DELETE_SELF);
        Evict();
    }

    /// <summary>Access lists can be set; to others that is said before anything else is looked at.</summary>
    public virtual bool MayHaveAcl => Sb.HasPosixAcl;

    /// <summary>Frees what an unlinked, unused inode occupied.</summary>
    protected virtual void Evict() { }

    // ---- directory operations ------------------------------------------------------------------------------------------------------

    /// <summary>Looks a name up: ends with <see cref="Dentry.Add"/> of the inode, or of null when there is none (that is success).</summary>
    /// <param name="caller">Who asks.</param>
    /// <param name="dentry">A new, unhashed entry with parent and name.</param>
    public virtual Errno Lookup(Caller caller, Dentry dentry) => Errno.ENOTDIR;

    /// <summary>Makes a regular file and instantiates the negative entry with it. The mode has its type bits and the umask taken off.</summary>
    public virtual Errno Create(Caller caller, Dentry dentry, Mode mode, bool exclusive) => Errno.EACCES;

    /// <summary>Makes a directory.</summary>
    public virtual Errno Mkdir(Caller caller, Dentry dentry, Mode mode) => Errno.EPERM;

    /// <summary>Makes a special or regular file.</summary>
    public virtual Errno Mknod(Caller caller, Dentry dentry, Mode mode, DevT device) => Errno.EPERM;

    /// <summary>Makes a symbolic link.</summary>
    public virtual Errno Symlink(Caller caller, Dentry dentry, ReadOnlySpan<byte> target) => Errno.EPERM;

    /// <summary>Gives <paramref name="old"/>'s inode the name of <paramref name="dentry"/> in this directory.</summary>
    public virtual Errno Link(Caller caller, Dentry old, Dentry dentry) => Errno.EPERM;

    /// <summary>Removes a name of something that is not a directory. The VFS drops the entry afterwards.</summary>
    public virtual Errno Unlink(Caller caller, Dentry dentry) => Errno.EPERM;

    /// <summary>Removes a directory; ENOTEMPTY is up to the file system.</summary>
    public virtual Errno Rmdir(Caller caller, Dentry dentry) => Errno.EPERM;

    /// <summary>Moves an entry of this directory. The VFS moves or exchanges the dentries afterwards, unless <see cref="FileSystemType.RenameDoesMove"/>.</summary>
    public virtual Errno Rename(Caller caller, Dentry old, Inode newDirectory, Dentry target, RenameFlags flags) => Errno.EPERM;

    /// <summary>Makes a nameless file: instantiates the unhashed entry with an inode of no links.</summary>
    public virtual Errno Tmpfile(Caller caller, Dentry dentry, Mode mode) => Errno.EOPNOTSUPP;

    // ---- operations on any inode ---------------------------------------------------------------------------------------------------

    /// <summary>Where a symbolic link leads.</summary>
    public virtual SysResult<LinkTarget> GetLink(Caller caller, Dentry dentry) => Errno.EINVAL;

    /// <summary>May the caller do this? The default compares mode, owner and capabilities.</summary>
    public virtual Errno Permission(Caller caller, AccessMode mask) => Permissions.Generic(this, caller.Credentials, mask);

    /// <summary>Changes attributes, all checks but <see cref="Attributes.SetAttrPrepare"/> done. The default is simple_setattr().</summary>
    public virtual Errno SetAttr(Caller caller, Dentry dentry, ref Iattr attr) => Helpers.Simple.SetAttr(caller, dentry, ref attr);

    /// <summary>Fills in what statx reports. The default copies the fields.</summary>
    public virtual Errno GetAttr(Caller caller, in VfsPath path, StatxMask mask, AtFlags flags, out Statx stat)
    {
        Attributes.FillAttr(this, out stat);
        return Errno.OK;
    }

    /// <summary>Notes an access now, when the mount's rules let it through (<c>Files.TouchAtime</c> has asked).</summary>
    public virtual void UpdateAtime(long nowNs) => AtimeNs = nowNs;

    /// <summary>Opens: makes the open file of this kind. The default has no operations at all. Device nodes never come here.</summary>
    public virtual SysResult<OpenFile> Open(Caller caller, in VfsPath path, OpenFlags flags) => new OpenFile(path, flags);

    /// <summary>True when another inode has the flags, or has none: that who asks is the owner counts first.</summary>
    public virtual bool AsksForFileAttr => false;

    /// <summary>The flags of chattr(1).</summary>
    public virtual Errno GetFileAttr(Caller caller, Dentry dentry, out uint flags)
    {
        flags = 0;
        return Errno.ENOTTY;
    }

    /// <summary>Sets the flags of chattr(1); owner and privileges have been looked at.</summary>
    /// <param name="caller">Who sets.</param>
    /// <param name="dentry">By which entry.</param>
    /// <param name="flags">The flags.</param>
    /// <param name="hasMore">More is asked for that only FS_IOC_FSSETXATTR knows: other flags, sizes of extents, a project.</param>
    public virtual Errno SetFileAttr(Caller caller, Dentry dentry, uint flags, bool hasMore) => Errno.ENOTTY;

    // ---- extended attributes: names arrive whole, with their prefix -------------------------------------------------------------------

    /// <summary>Value of an attribute. An empty buffer asks for the size; ERANGE when it is too small, ENODATA when there is none.</summary>
    public virtual SysResult<int> GetXattr(Caller caller, Dentry dentry, ReadOnlySpan<byte> name, Span<byte> value) => Errno.EOPNOTSUPP;

    /// <summary>Sets an attribute. EEXIST and ENODATA as the flags say.</summary>
    public virtual Errno SetXattr(Caller caller, Dentry dentry, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, XattrFlags flags) => Errno.EOPNOTSUPP;

    /// <summary>Removes an attribute, or ENODATA.</summary>
    public virtual Errno RemoveXattr(Caller caller, Dentry dentry, ReadOnlySpan<byte> name) => Errno.EOPNOTSUPP;

    /// <summary>The file system has an operation that lists attributes; where it has none there are no attributes to copy from or to.</summary>
    public virtual bool ListsXattrs => false;

    /// <summary>Names of all attributes that the caller may see, each ended by a NUL. An empty buffer asks for the size.</summary>
    public virtual SysResult<int> ListXattr(Caller caller, Dentry dentry, Span<byte> names) => 0;
}
