using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Vfs;

namespace DriverLab.FileSystems.Aufs;

/// <summary>A directory of the union. What each operation does is in a file of its own: Lookup, Create, Remove, Rename, ReadDir.</summary>
/// <remarks>aufs fs/aufs/i_op.c: aufs_iop.</remarks>
internal sealed class AufsDirectory(AufsSuperBlock sb, Mode mode) : AufsInode(sb, mode)
{
    /// <summary>The list that opens share.</summary>
    public Listing? Listing { get; set; }

    /// <summary>Counts changes through the union.</summary>
    public long Version { get; set; }

    /// <summary>Something changed in it through the union.</summary>
    public void NoteChange()
    {
        Version++;
        CopyAttributes();
    }

    public override Errno Lookup(Caller caller, Dentry dentry) => BranchLookup.Run((AufsDentry)dentry);

    public override Errno Create(Caller caller, Dentry dentry, Mode mode, bool exclusive) =>
        Creation.NewObject(caller, (AufsDentry)dentry, new((mode & Mode.S_IALLUGO) | Mode.S_IFREG));

    public override Errno Mkdir(Caller caller, Dentry dentry, Mode mode) => Creation.NewObject(caller, (AufsDentry)dentry, new((mode & Mode.S_IALLUGO) | Mode.S_IFDIR));

    public override Errno Mknod(Caller caller, Dentry dentry, Mode mode, DevT device) => Creation.NewObject(caller, (AufsDentry)dentry, new(mode, device));

    public override Errno Symlink(Caller caller, Dentry dentry, ReadOnlySpan<byte> target) =>
        Creation.NewObject(caller, (AufsDentry)dentry, new(Mode.S_IFLNK | Mode.S_IRWXUGO, default, target.ToArray()));

    public override Errno Link(Caller caller, Dentry old, Dentry dentry) => Creation.Link((AufsDentry)old, (AufsDentry)dentry);

    public override Errno Unlink(Caller caller, Dentry dentry) => Removal.Unlink(caller, (AufsDentry)dentry);

    public override Errno Rmdir(Caller caller, Dentry dentry) => Removal.Rmdir(caller, (AufsDentry)dentry);

    public override Errno Rename(Caller caller, Dentry old, Inode newDirectory, Dentry target, RenameFlags flags) =>
        new Renaming(caller, (AufsDentry)old, (AufsDentry)target, flags).Run();

    public override Errno Tmpfile(Caller caller, Dentry dentry, Mode mode) => Creation.TmpFile(caller, (AufsDentry)dentry, mode);

    public override SysResult<OpenFile> Open(Caller caller, in VfsPath path, OpenFlags flags)
    {
        var dentry = (AufsDentry)path.Dentry;
        if (IsDead)
            return Errno.ESTALE;
        if (!dentry.IsUnlinked)
        {
            var error = OpenRules.Apply(dentry, this);
            if (error != Errno.OK)
                return error;
        }
        return new AufsDirectoryFile(path, flags);
    }
}
