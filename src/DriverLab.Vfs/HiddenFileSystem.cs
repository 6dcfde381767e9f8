using DriverLab.Linux;
using DriverLab.Linux.Abi;

namespace DriverLab.Vfs;

/// <summary>A file system that the kernel mounts for itself: descriptors are on it that no path leads to.</summary>
/// <remarks>Linux fs/libfs.c: init_pseudo().</remarks>
internal sealed class HiddenFileSystem(string name) : FileSystemType
{
    public override string Name => name;

    public override SysResult<Dentry> Mount(MountContext context) => Errno.EINVAL;
}

/// <summary>The one instance of a hidden file system. Its entries are named in full, and hang side by side.</summary>
internal abstract class HiddenSuperBlock : SuperBlock
{
    protected HiddenSuperBlock(VfsCore core, string name, long magic) : base(core, new HiddenFileSystem(name), core.NewHiddenDev(), magic, MountFlags.None)
    {
        Root = NewDentry(null, []);
        Root.Instantiate(new Directory(this) { Ino = core.NextIno() });
        Mount = new(this, Root, MountFlags.None);
    }

    /// <summary>The mount that nobody sees.</summary>
    public Mount Mount { get; }

    public override bool NamesAreWhole => true;

    public override Errno StatFs(Dentry dentry, out StatFs result) => Helpers.Simple.StatFs(this, out result);

    /// <summary>The place of a new entry.</summary>
    protected VfsPath NewPlace(string name, Inode inode)
    {
        var entry = NewDentry(Root, System.Text.Encoding.ASCII.GetBytes(name));
        entry.Instantiate(inode);
        entry.Rehash();
        return new(Mount, entry);
    }

    private sealed class Directory(SuperBlock sb) : Inode(sb, Mode.S_IFDIR);
}
