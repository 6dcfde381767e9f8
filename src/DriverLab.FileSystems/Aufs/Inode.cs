using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Vfs;

namespace DriverLab.FileSystems.Aufs;

/// <summary>An object of the union: the inodes on the branches that it stands for, and a copy of the attributes of the top one.</summary>
/// <remarks>aufs fs/aufs/inode.h: struct au_iinfo; fs/aufs/i_op.c.</remarks>
internal abstract class AufsInode : Inode
{
    private protected AufsInode(AufsSuperBlock sb, Mode mode) : base(sb, mode)
    {
        Aufs = sb;
        Flags |= InodeFlags.S_NOATIME;
    }

    public readonly AufsSuperBlock Aufs;

    /// <summary>The objects on the branches, top first; what was copied up keeps the lower ones behind.</summary>
    public BranchEntry[] Reals { get; private set; } = [];

    public BranchEntry Top => Reals[0];

    /// <summary>The top object was copied for descriptors of an unlinked name, and has none itself.</summary>
    public bool IsHiddenCopy { get; set; }

    /// <summary>Kept as a pseudo-link: all lower names of it are this object.</summary>
    public bool IsPseudoLinked { get; set; }

    /// <summary>A working directory, a mount or a watch is on it.</summary>
    public bool IsPinned => Users > 0 || IsWatched;

    public static AufsInode OfMode(AufsSuperBlock sb, Mode mode) => (mode & Mode.S_IFMT) switch
    {
        Mode.S_IFDIR => new AufsDirectory(sb, mode),
        Mode.S_IFREG => new AufsFile(sb, mode),
        Mode.S_IFLNK => new AufsSymlink(sb, mode),
        _ => new AufsSpecial(sb, mode),
    };

    // ---- the objects on the branches ------------------------------------------------------------------------------------------------------

    /// <summary>True when the object of a branch is one of this inode's.</summary>
    public bool Has(Branch branch, Inode real) => Array.Exists(Reals, r => ReferenceEquals(r.Branch, branch) && ReferenceEquals(r.Inode, real));

    /// <summary>Takes the list over; numbers of the objects become this inode's.</summary>
    public void SetReals(BranchEntry[] reals)
    {
        foreach (var entry in reals)
            entry.Inode.Hold();
        foreach (var entry in Reals)
            entry.Inode.Release();
        Reals = reals;
        if (!Aufs.Options.NoXino && !IsHiddenCopy)
        {
            foreach (var entry in reals)
                Aufs.Numbers.Set(entry.Inode.Sb, entry.Inode.Ino, Ino);
        }
    }

    /// <summary>Puts an object in, in the order of the branches.</summary>
    public void SetReal(Branch branch, Dentry dentry) => SetReals(BranchEntries.With(Aufs, Reals, new(branch, dentry)));

    /// <summary>Takes a branch's object out.</summary>
    public void RemoveReal(Branch branch) => SetReals(Array.FindAll(Reals, r => !ReferenceEquals(r.Branch, branch)));

    /// <summary>Leaves only what is on a branch.</summary>
    public void KeepOnly(Branch branch) => SetReals(Array.FindAll(Reals, r => ReferenceEquals(r.Branch, branch)));

    /// <summary>Gives everything back when the union goes.</summary>
    public void LetGo()
    {
        foreach (var entry in Reals)
            entry.Inode.Release();
        Reals = [];
    }

    /// <summary>Something else took the object away on its branch.</summary>
    public void ForgetIfGone()
    {
        if (Reals.Length > 0 && Top.Inode.Nlink > 0)
            return;
        Nlink = 0;
        DropIfUnused();
    }

    protected override void Evict()
    {
        Aufs.RemoveInode(this);
        LetGo();
    }

    /// <summary>Takes attributes over from the top object. The link count of a pseudo-linked file stays: its names are still spread.</summary>
    /// <remarks>aufs fs/aufs/inode.c: au_cpup_attr_all(), au_cpup_attr_nlink().</remarks>
    public void CopyAttributes()
    {
        const InodeFlags copied = InodeFlags.S_SYNC | InodeFlags.S_APPEND | InodeFlags.S_IMMUTABLE;
        if (Reals.Length == 0)
            return;
        var real = Top.Inode;
        TakeAttributes(real);
        Blocks = real.Blocks;
        Rdev = real.Rdev;
        Flags = Flags & ~copied | real.Flags & copied;
        if (IsDirectory)
            Nlink = IsDead ? 0 : DirectoryLinks();
        else if (!IsPseudoLinked && real.Nlink != 0)
            Nlink = real.Nlink;
    }

    private uint DirectoryLinks()
    {
        uint links = 2;
        foreach (var entry in Reals)
            links += Math.Max(entry.Inode.Nlink, 2) - 2;
        return links;
    }

    // ---- attributes -------------------------------------------------------------------------------------------------------------------------

    /// <returns>ESTALE (a removed directory).</returns>
    /// <remarks>aufs fs/aufs/i_op.c: aufs_getattr().</remarks>
    public override Errno GetAttr(Caller caller, in VfsPath path, StatxMask mask, AtFlags flags, out Statx stat)
    {
        stat = default;
        if (IsDead || Reals.Length == 0)
            return Errno.ESTALE;
        var real = Top;
        if (path.Dentry is AufsDentry { IsUnlinked: false } dentry && Aufs.Options.Udba != Udba.None && dentry.Entries.Length > 0 && !dentry.Top.Dentry.IsHashed && !dentry.IsRoot)
            return Errno.ESTALE;
        var error = real.Inode.GetAttr(Aufs.Kernel, real.Path, mask, flags, out stat);
        if (error != Errno.OK)
            return error;
        CopyAttributes();
        stat.Ino = Ino;
        stat.Nlink = Nlink;
        stat.DevMajor = Aufs.Dev.Major;
        stat.DevMinor = Aufs.Dev.Minor;
        return Errno.OK;
    }

    /// <summary>Checks, copies up, and changes the object on the branch.</summary>
    /// <remarks>aufs fs/aufs/i_op.c: aufs_setattr().</remarks>
    public override Errno SetAttr(Caller caller, Dentry dentry, ref Iattr attr)
    {
        var privileges = attr.Valid & AttrValid.ATTR_KILL_PRIV;
        attr.Valid &= ~privileges;
        var error = Attributes.SetAttrPrepare(caller, dentry, ref attr);
        if (error == Errno.OK)
            error = CopyUp.ForChange((AufsDentry)dentry, this);
        if (error != Errno.OK)
            return error;
        attr.Valid = attr.Valid & ~(AttrValid.ATTR_FILE | AttrValid.ATTR_OPEN) | privileges;
        attr.File = null;
        error = Attributes.NotifyChange(Aufs.Kernel, Top.Dentry, ref attr);
        CopyAttributes();
        return error;
    }

    /// <summary>A directory must allow it on every branch, unless <c>dirperm1</c>; writing is asked of the top only, and needs a writable branch there or above.</summary>
    /// <returns>EACCES, EPERM, EROFS.</returns>
    /// <remarks>aufs fs/aufs/i_op.c: aufs_permission().</remarks>
    public override Errno Permission(Caller caller, AccessMode mask)
    {
        if (Reals.Length == 0)
            return Errno.ESTALE;
        bool writes = (mask & AccessMode.W_OK) != 0;
        var error = Errno.OK;
        if (!IsDirectory || writes || Aufs.Options.DirPerm1)
            error = Ask(Top, caller, mask);
        else
            foreach (var entry in Reals)
            {
                error = Ask(entry, caller, mask);
                if (error != Errno.OK)
                    break;
            }
        if (error != Errno.OK || !writes || Type is not (Mode.S_IFREG or Mode.S_IFDIR or Mode.S_IFLNK))
            return error;
        return Aufs.HasWritableFrom(Top.Branch) ? Errno.OK : Errno.EROFS;
    }

    private static Errno Ask(in BranchEntry entry, Caller caller, AccessMode mask) =>
        (mask & AccessMode.W_OK) != 0 && entry.Inode.IsImmutable ? Errno.EPERM : entry.Inode.Permission(caller, mask);

    /// <summary>Lists are enforced on the branches; the union knows of them only with <c>acl</c>.</summary>
    public override PosixAcls? Acls
    {
        get => Aufs.HasPosixAcl && Reals.Length > 0 ? Top.Inode.Acls : null;
        set => throw new InvalidOperationException("lists are set on the branches");
    }

    // ---- extended attributes ------------------------------------------------------------------------------------------------------------------

    public override SysResult<int> GetXattr(Caller caller, Dentry dentry, ReadOnlySpan<byte> name, Span<byte> value) => Top.Inode.GetXattr(caller, Top.Dentry, name, value);

    /// <inheritdoc/>
    public override bool ListsXattrs => true;

    public override SysResult<int> ListXattr(Caller caller, Dentry dentry, Span<byte> names) => Top.Inode.ListXattr(caller, Top.Dentry, names);

    /// <summary>Copies up before the branch is asked, so that a call that fails has copied all the same.</summary>
    public override Errno SetXattr(Caller caller, Dentry dentry, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, XattrFlags flags)
    {
        var error = CopyUp.ForChange((AufsDentry)dentry, this);
        if (error == Errno.OK)
            error = Xattrs.VfsSetXattr(Aufs.Kernel, Top.Dentry, name, value, flags);
        CopyAttributes();
        return error;
    }

    /// <summary>Does not remove: the attribute stays with an empty value. Access control lists do go.</summary>
    /// <remarks>Seen on 6.1: removing passes an empty value to the branch's setting.</remarks>
    public override Errno RemoveXattr(Caller caller, Dentry dentry, ReadOnlySpan<byte> name)
    {
        var error = CopyUp.ForChange((AufsDentry)dentry, this);
        if (error != Errno.OK)
            return error;
        if (!PosixAcl.IsName(name) && Top.Inode.GetXattr(Aufs.Kernel, Top.Dentry, name, default).IsOk)
            Aufs.Warn($"removexattr of {System.Text.Encoding.Latin1.GetString(name)} says ok and leaves the attribute with an empty value");
        error = PosixAcl.IsName(name) ? Xattrs.VfsRemoveXattr(Aufs.Kernel, Top.Dentry, name)
            : Xattrs.VfsSetXattr(Aufs.Kernel, Top.Dentry, name, default, XattrFlags.XATTR_REPLACE);
        CopyAttributes();
        return error;
    }
}

/// <summary>A symbolic link of the union.</summary>
internal sealed class AufsSymlink(AufsSuperBlock sb, Mode mode) : AufsInode(sb, mode)
{
    public override SysResult<LinkTarget> GetLink(Caller caller, Dentry dentry) => Top.Inode.GetLink(Aufs.Kernel, Top.Dentry);
}

/// <summary>A FIFO, socket or device node.</summary>
internal sealed class AufsSpecial(AufsSuperBlock sb, Mode mode) : AufsInode(sb, mode);
