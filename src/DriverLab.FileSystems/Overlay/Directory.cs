using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Vfs;

namespace DriverLab.FileSystems.Overlay;

/// <summary>A directory of the union. What each operation does is in a file of its own: Lookup, Create, Remove, Rename, ReadDir.</summary>
/// <remarks>Linux fs/overlayfs/dir.c: ovl_dir_inode_operations.</remarks>
internal sealed class OverlayDirectory(OverlaySuperBlock sb, Mode mode) : OverlayInode(sb, mode)
{
    /// <summary>The listing that opens share as long as the directory does not change.</summary>
    public MergedListing? Listing { get; set; }

    /// <summary>Numbers that differ from those of the upper objects, of a directory that is read from the upper layer alone; null until it is read.</summary>
    public ImpureNumbers? Numbers { get; set; }

    public override Errno Lookup(Caller caller, Dentry dentry) => new LayerLookup(Overlay).Run((OverlayDentry)dentry);

    public override Errno Create(Caller caller, Dentry dentry, Mode mode, bool exclusive) =>
        Creation.NewObject(caller, (OverlayDentry)dentry, new((mode & Mode.S_IALLUGO) | Mode.S_IFREG));

    public override Errno Mkdir(Caller caller, Dentry dentry, Mode mode) =>
        Creation.NewObject(caller, (OverlayDentry)dentry, new((mode & Mode.S_IALLUGO) | Mode.S_IFDIR));

    /// <summary>Whiteouts cannot be made from above.</summary>
    public override Errno Mknod(Caller caller, Dentry dentry, Mode mode, DevT device)
    {
        if ((mode & Mode.S_IFMT) == Mode.S_IFCHR && device == DevT.Zero)
            return Errno.EPERM;
        return Creation.NewObject(caller, (OverlayDentry)dentry, new(mode, device));
    }

    public override Errno Symlink(Caller caller, Dentry dentry, ReadOnlySpan<byte> target) =>
        Creation.NewObject(caller, (OverlayDentry)dentry, new(Mode.S_IFLNK | Mode.S_IRWXUGO, default, target.ToArray()));

    public override Errno Link(Caller caller, Dentry old, Dentry dentry) => Creation.Link((OverlayDentry)old, (OverlayDentry)dentry);

    public override Errno Unlink(Caller caller, Dentry dentry) => Removal.Remove((OverlayDentry)dentry, isDirectory: false);

    public override Errno Rmdir(Caller caller, Dentry dentry) => Removal.Remove((OverlayDentry)dentry, isDirectory: true);

    public override Errno Rename(Caller caller, Dentry old, Inode newDirectory, Dentry target, RenameFlags flags) =>
        new Renaming((OverlayDentry)old, (OverlayDentry)target, flags).Run();

    public override Errno Tmpfile(Caller caller, Dentry dentry, Mode mode) =>
        Overlay.Quirks.TmpFile ? Creation.TmpFile(caller, (OverlayDentry)dentry, mode) : Errno.EOPNOTSUPP;

    public override SysResult<OpenFile> Open(Caller caller, in VfsPath path, OpenFlags flags)
    {
        var real = Overlay.Open(RealPath, OpenFlags.O_RDONLY | OpenFlags.O_DIRECTORY);
        return real.IsOk ? new OverlayDirectoryFile(path, flags, real.Value) : real.Error;
    }
}
