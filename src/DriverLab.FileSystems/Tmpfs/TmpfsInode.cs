using System.Buffers.Binary;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Vfs;
using DriverLab.Vfs.Helpers;

namespace DriverLab.FileSystems.Tmpfs;

/// <summary>What every inode of tmpfs has: number, generation, birth time, attributes, inode flags.</summary>
/// <remarks>Linux mm/shmem.c: struct shmem_inode_info, shmem_getattr(), shmem_xattr_handler_set(), shmem_fileattr_set().</remarks>
internal abstract class TmpfsInode : MemoryFile
{
    private SimpleXattrs _xattrs;
    private readonly long _birthNs;
    private FileEntries _entries;

    protected TmpfsInode(TmpfsSuperBlock sb, Mode mode) : base(sb, mode)
    {
        Ino = sb.NextNumber();
        Generation = sb.NextGeneration();
        _birthNs = CtimeNs;
    }

    public readonly uint Generation;

    /// <summary>The instance.</summary>
    protected TmpfsSuperBlock Tmpfs => System.Runtime.CompilerServices.Unsafe.As<TmpfsSuperBlock>(Sb);

    /// <summary>Remembers an entry, for file handles.</summary>
    public void NamedBy(Dentry dentry)
    {
        if (!IsDirectory)
            _entries.Note(dentry);
    }

    /// <summary>The entry that a handle leads to: the newest one with a name, else one that somebody holds.</summary>
    /// <remarks>Linux mm/shmem.c: shmem_find_alias().</remarks>
    public Dentry? FindAlias() => IsDirectory ? Alias : _entries.NewestHashed ?? _entries.Newest;

    protected override Errno Charge(long pages)
    {
        var error = Tmpfs.ChargeBlocks((ulong)pages);
        if (error == Errno.OK)
            Blocks += pages * (Limits.PAGE_SIZE / Limits.SECTOR_SIZE);
        return error;
    }

    protected override void Uncharge(long pages)
    {
        Tmpfs.UnchargeBlocks((ulong)pages);
        Blocks -= pages * (Limits.PAGE_SIZE / Limits.SECTOR_SIZE);
    }

    protected override void Evict()
    {
        base.Evict();
        while (!_xattrs.IsEmpty)
            RemoveFirstXattr();
        Tmpfs.Forget(this);
        Tmpfs.UnchargeInode();
    }

    public override Errno GetAttr(Caller caller, in VfsPath path, StatxMask mask, AtFlags flags, out Statx stat)
    {
        Attributes.FillAttr(this, out stat);
        if (Tmpfs.Quirks.HasMultigrainTimes && (mask & (StatxMask.STATX_MTIME | StatxMask.STATX_CTIME)) == 0)
        {
            stat.Mask &= ~(StatxMask.STATX_MTIME | StatxMask.STATX_CTIME);
            stat.Mtime = stat.Ctime = default;
        }
        if (!Tmpfs.Quirks.HasBirthTime)
            return Errno.OK;
        Attributes.FillFlags(this, ref stat);
        stat.AttributesMask |= StatxAttributes.STATX_ATTR_NODUMP;
        if ((Flags & InodeFlags.I_NODUMP) != 0)
            stat.Attributes |= StatxAttributes.STATX_ATTR_NODUMP;
        if ((mask & StatxMask.STATX_BTIME) != 0)
        {
            stat.Mask |= StatxMask.STATX_BTIME;
            stat.Btime = StatxTimestamp.FromNs(_birthNs);
        }
        return Errno.OK;
    }

    private bool HasFileAttr => Tmpfs.Quirks.HasBirthTime && (IsRegular || IsDirectory || IsSymlink);

    public override Errno GetFileAttr(Caller caller, Dentry dentry, out uint flags)
    {
        flags = FileAttrs.Of(Flags);
        return HasFileAttr ? Errno.OK : Errno.ENOTTY;
    }

    public override Errno SetFileAttr(Caller caller, Dentry dentry, uint flags, bool hasMore)
    {
        const uint settable = FileAttrs.FS_IMMUTABLE_FL | FileAttrs.FS_APPEND_FL | FileAttrs.FS_NODUMP_FL | FileAttrs.FS_NOATIME_FL;
        if (hasMore || (flags & ~(Tmpfs.HasEncoding ? settable | FileAttrs.FS_CASEFOLD_FL : settable)) != 0)
            return Errno.EOPNOTSUPP;
        if ((flags & FileAttrs.FS_CASEFOLD_FL) != 0)
            return !IsDirectory ? Errno.ENOTDIR : dentry.HasPositiveChild ? Errno.ENOTEMPTY : NotModelledException.Throw("directories that disregard case");
        Flags = FileAttrs.With(Flags, flags);
        CtimeNs = Sb.Core.NowNs;
        return Errno.OK;
    }

    /// <summary>Takes over what a new object has from its directory: nodump and noatime.</summary>
    /// <remarks>Linux mm/shmem.c: shmem_get_inode(), SHMEM_FL_INHERITED.</remarks>
    public void InheritFlags(TmpfsInode directory)
    {
        if (Tmpfs.Quirks.HasBirthTime)
            Flags |= directory.Flags & (InodeFlags.I_NODUMP | InodeFlags.S_NOATIME);
    }

    // ---- extended attributes -----------------------------------------------------------------------------------------------------------------

    public override SysResult<int> GetXattr(Caller caller, Dentry dentry, ReadOnlySpan<byte> name, Span<byte> value)
    {
        if (_xattrs.IsEmpty && name.SequenceEqual(DriverLab.Vfs.Xattrs.SecurityCapability))
            return Errno.ENODATA;
        var error = CheckName(name);
        if (error != Errno.OK)
            return error;
        return PosixAcl.IsName(name) ? SimpleAcl.Get(this, name, value) : _xattrs.Get(name, value);
    }

    public override Errno SetXattr(Caller caller, Dentry dentry, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, XattrFlags flags)
    {
        var error = CheckName(name);
        if (error != Errno.OK)
            return error;
        if (PosixAcl.IsName(name))
            return SimpleAcl.Set(caller, this, name, value);
        bool takesSpace = Tmpfs.Quirks.HasUserXattrs; // since 6.6 all of them take inode space
        if (takesSpace)
        {
            error = Tmpfs.ChargeInodeSpace(SpaceOf(name, value.Length));
            if (error != Errno.OK)
                return error;
        }
        var before = takesSpace ? _xattrs.Get(name, default) : Errno.ENODATA;
        error = _xattrs.Set(name, value, flags, Sb.Core.Quirks.SimpleXattrsAreSorted);
        if (takesSpace && error != Errno.OK)
            Tmpfs.UnchargeInodeSpace(SpaceOf(name, value.Length));
        else if (before.IsOk)
            Tmpfs.UnchargeInodeSpace(SpaceOf(name, before.Value));
        if (error == Errno.OK && Tmpfs.Quirks.XattrsStampChange)
            CtimeNs = Sb.Core.NowNs;
        return error;
    }

    public override Errno RemoveXattr(Caller caller, Dentry dentry, ReadOnlySpan<byte> name)
    {
        var error = CheckName(name);
        if (error != Errno.OK)
            return error;
        if (PosixAcl.IsName(name))
            return SimpleAcl.Set(caller, this, name, default);
        error = _xattrs.Remove(name, out int size);
        if (error != Errno.OK)
            return error;
        if (Tmpfs.Quirks.HasUserXattrs)
            Tmpfs.UnchargeInodeSpace(SpaceOf(name, size));
        CtimeNs = Sb.Core.NowNs;
        return Errno.OK;
    }

    /// <inheritdoc/>
    public override bool ListsXattrs => true;

    public override SysResult<int> ListXattr(Caller caller, Dentry dentry, Span<byte> names)
    {
        var lists = SimpleAcl.List(this, names);
        if (!lists.IsOk || lists.Value == 0)
            return lists.IsOk ? _xattrs.List(caller, names) : lists;
        if (!names.IsEmpty && lists.Value == names.Length)
            return _xattrs.List(caller, default) is { IsOk: true, Value: 0 } ? lists : Errno.ERANGE;
        var rest = _xattrs.List(caller, names.IsEmpty ? names : names[lists.Value..]);
        return rest.IsOk ? lists.Value + rest.Value : rest;
    }

    // Which prefixes have a handler, and whether something follows them.
    private Errno CheckName(ReadOnlySpan<byte> name)
    {
        if (name.SequenceEqual("system.posix_acl_access"u8) || name.SequenceEqual("system.posix_acl_default"u8))
            return Tmpfs.Quirks.HasAcl ? Errno.OK : Errno.EOPNOTSUPP;
        int prefix = name.StartsWith("security."u8) ? 9 : name.StartsWith("trusted."u8) ? 8 : Tmpfs.Quirks.HasUserXattrs && name.StartsWith("user."u8) ? 5 : 0;
        if (prefix == 0)
            return Errno.EOPNOTSUPP;
        return name.Length == prefix ? Errno.EINVAL : Errno.OK;
    }

    // fs/xattr.c, simple_xattr_space: 40 for the structure on every machine, the name without its NUL, the value.
    private static ulong SpaceOf(ReadOnlySpan<byte> name, int valueLength) => (ulong)(40 + name.Length + valueLength);

    private void RemoveFirstXattr()
    {
        byte[] name = _xattrs.FirstName;
        _ = _xattrs.Remove(name, out int size);
        if (Tmpfs.Quirks.HasUserXattrs)
            Tmpfs.UnchargeInodeSpace(SpaceOf(name, size));
    }
}

/// <summary>A device node, FIFO or socket.</summary>
internal sealed class TmpfsNode(TmpfsSuperBlock sb, Mode mode, DevT device) : TmpfsInode(sb, mode)
{
    public TmpfsNode WithDevice()
    {
        Rdev = device;
        return this;
    }
}

/// <summary>A symbolic link. Targets of 128 bytes or more occupy a page.</summary>
/// <remarks>Linux mm/shmem.c: shmem_symlink(), SHORT_SYMLINK_LEN.</remarks>
internal sealed class TmpfsLink : TmpfsInode
{
    private readonly byte[] _target;

    public TmpfsLink(TmpfsSuperBlock sb, byte[] target) : base(sb, Mode.S_IFLNK | Mode.S_IRWXUGO)
    {
        _target = target;
        Size = target.Length;
    }

    /// <summary>Takes a page for a long target.</summary>
    /// <returns>ENOSPC.</returns>
    public Errno ChargeTarget() => _target.Length + 1 <= 128 ? Errno.OK : Charge(1);

    protected override void Evict()
    {
        if (Blocks > 0)
            Uncharge(1);
        base.Evict();
    }

    public override SysResult<LinkTarget> GetLink(Caller caller, Dentry dentry) => new LinkTarget(_target, default);
}
