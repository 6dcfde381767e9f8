using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Vfs;
using DriverLab.Vfs.Helpers;

namespace DriverLab.FileSystems.Tmpfs;

/// <summary>A directory.</summary>
/// <remarks>Linux mm/shmem.c: shmem_mknod(), shmem_link(), shmem_unlink(), shmem_rename2(), shmem_symlink(), shmem_tmpfile().</remarks>
internal sealed class TmpfsDirectory : TmpfsInode
{
    /// <summary>What an entry adds to the size of its directory, in bytes.</summary>
    private const int BOGO_DIRENT_SIZE = 20;

    private uint _nextOffset;

    public TmpfsDirectory(TmpfsSuperBlock sb, Mode mode) : base(sb, mode)
    {
        Nlink = 2;
        Size = 2 * BOGO_DIRENT_SIZE;
        _nextOffset = sb.Quirks.FirstOffset;
    }

    public override Errno Lookup(Caller caller, Dentry dentry) => Simple.Lookup(dentry);

    public override Errno Create(Caller caller, Dentry dentry, Mode mode, bool exclusive) => Mknod(caller, dentry, mode | Mode.S_IFREG, default);

    public override Errno Mknod(Caller caller, Dentry dentry, Mode mode, DevT device)
    {
        var error = Tmpfs.ChargeInode();
        if (error != Errno.OK)
            return error;
        TmpfsInode inode = (mode & Mode.S_IFMT) == Mode.S_IFREG ? new TmpfsFile(Tmpfs, mode) : new TmpfsNode(Tmpfs, mode, device).WithDevice();
        AddName(caller, dentry, inode);
        return Errno.OK;
    }

    public override Errno Mkdir(Caller caller, Dentry dentry, Mode mode)
    {
        var error = Tmpfs.ChargeInode();
        if (error != Errno.OK)
            return error;
        AddName(caller, dentry, new TmpfsDirectory(Tmpfs, mode));
        Nlink++;
        return Errno.OK;
    }

    public override Errno Symlink(Caller caller, Dentry dentry, ReadOnlySpan<byte> target)
    {
        if (target.Length >= Limits.PAGE_SIZE)
            return Errno.ENAMETOOLONG;
        var error = Tmpfs.ChargeInode();
        if (error != Errno.OK)
            return error;
        var link = new TmpfsLink(Tmpfs, target.ToArray());
        error = link.ChargeTarget();
        if (error != Errno.OK)
        {
            Tmpfs.UnchargeInode();
            return error;
        }
        AddName(caller, dentry, link);
        return Errno.OK;
    }

    public override Errno Tmpfile(Caller caller, Dentry dentry, Mode mode)
    {
        var error = Tmpfs.ChargeInode();
        if (error != Errno.OK)
            return error;
        var inode = new TmpfsFile(Tmpfs, mode) { Nlink = 0 };
        Simple.InitOwner(inode, caller, this);
        inode.InheritFlags(this);
        SimpleAcl.Init(this, inode);
        dentry.Instantiate(inode);
        inode.NamedBy(dentry);
        return Errno.OK;
    }

    private void AddName(Caller caller, Dentry dentry, TmpfsInode inode)
    {
        Simple.InitOwner(inode, caller, this);
        inode.InheritFlags(this);
        SimpleAcl.Init(this, inode);
        TakeOffset(dentry);
        Size += BOGO_DIRENT_SIZE;
        Simple.Instantiate(this, dentry, inode);
        inode.NamedBy(dentry);
    }

    private void TakeOffset(Dentry dentry) => dentry.DirOffset = _nextOffset++;

    public override Errno Link(Caller caller, Dentry old, Dentry dentry)
    {
        var inode = (TmpfsInode)old.Inode!;
        if (inode.Nlink > 0)
        {
            var error = Tmpfs.ChargeInode();
            if (error != Errno.OK)
                return error;
        }
        TakeOffset(dentry);
        Size += BOGO_DIRENT_SIZE;
        Simple.Link(this, old, dentry);
        inode.NamedBy(dentry);
        return Errno.OK;
    }

    public override Errno Unlink(Caller caller, Dentry dentry)
    {
        RemoveName(dentry);
        return Errno.OK;
    }

    private void RemoveName(Dentry dentry)
    {
        var inode = dentry.Inode!;
        if (inode.Nlink > 1 && !inode.IsDirectory)
            Tmpfs.UnchargeInode();
        Size -= BOGO_DIRENT_SIZE;
        Simple.Unlink(this, dentry);
    }

    public override Errno Rmdir(Caller caller, Dentry dentry)
    {
        if (dentry.HasPositiveChild)
            return Errno.ENOTEMPTY;
        dentry.Inode!.Nlink--;
        Nlink--;
        RemoveName(dentry);
        return Errno.OK;
    }

    public override Errno Rename(Caller caller, Dentry old, Inode newDirectory, Dentry target, RenameFlags flags)
    {
        if ((flags & ~(RenameFlags.RENAME_NOREPLACE | RenameFlags.RENAME_EXCHANGE | RenameFlags.RENAME_WHITEOUT)) != 0)
            return Errno.EINVAL;
        var destination = (TmpfsDirectory)newDirectory;
        if ((flags & RenameFlags.RENAME_EXCHANGE) != 0)
        {
            (old.DirOffset, target.DirOffset) = (target.DirOffset, old.DirOffset);
            Simple.RenameExchange(this, old, newDirectory, target);
            return Errno.OK;
        }
        if (target.HasPositiveChild)
            return Errno.ENOTEMPTY;
        Dentry? whiteout = null;
        if ((flags & RenameFlags.RENAME_WHITEOUT) != 0)
        {
            var error = LeaveWhiteout(caller, old, out whiteout);
            if (error != Errno.OK)
                return error;
        }
        bool isDirectory = old.IsDirectory;
        bool keepsOffset = target.IsPositive && Tmpfs.Quirks.RenameKeepsOffset;
        if (keepsOffset)
            old.DirOffset = target.DirOffset;
        else
            destination.TakeOffset(old);
        if (whiteout is not null && !keepsOffset && ReferenceEquals(destination, this) && Tmpfs.Quirks.WhiteoutOffsetComesLast)
            (old.DirOffset, whiteout.DirOffset) = (whiteout.DirOffset, old.DirOffset);
        if (target.IsPositive)
        {
            destination.RemoveName(target);
            if (isDirectory)
            {
                target.Inode!.Nlink--;
                Nlink--;
            }
        }
        else if (isDirectory)
        {
            Nlink--;
            newDirectory.Nlink++;
        }
        Size -= BOGO_DIRENT_SIZE;
        destination.Size += BOGO_DIRENT_SIZE;
        Simple.RenameTimes(this, old, newDirectory, target);
        return Errno.OK;
    }

    private Errno LeaveWhiteout(Caller caller, Dentry old, out Dentry whiteout)
    {
        whiteout = Sb.NewDentry(old.Parent, old.Name.ToArray());
        whiteout.SetFlag(DentryFlags.StaysNegative, Tmpfs.Quirks.WhiteoutNamesStay);
        return Mknod(caller, whiteout, Mode.S_IFCHR, DevT.Zero);
    }

    public override SysResult<OpenFile> Open(Caller caller, in VfsPath path, OpenFlags flags) =>
        Tmpfs.Quirks.HasStableOffsets ? new OffsetDirectoryFile(path, flags) : new DcacheDirectoryFile(path, flags);
}
