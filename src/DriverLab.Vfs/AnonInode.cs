using DriverLab.Linux;
using DriverLab.Linux.Abi;

namespace DriverLab.Vfs;

/// <summary>The file system of descriptors that are no files: one inode without a type for all of them.</summary>
/// <remarks>Linux fs/anon_inodes.c.</remarks>
internal sealed class AnonInodeFileSystem : FileSystemType
{
    private AnonInodeFileSystem() { }

    public override string Name => "anon_inodefs";

    public override SysResult<Dentry> Mount(MountContext context) => Errno.EINVAL;

    /// <summary>The place that all such descriptors have.</summary>
    public static VfsPath NewPlace(VfsCore core)
    {
        var sb = new AnonSuperBlock(core, new AnonInodeFileSystem());
        return new(new Mount(sb, sb.Root, MountFlags.None), sb.Inode);
    }

    private sealed class AnonSuperBlock : SuperBlock
    {
        private const long ANON_INODE_FS_MAGIC = 0x09041934;

        public AnonSuperBlock(VfsCore core, FileSystemType type) : base(core, type, core.NewAnonymousDev(), ANON_INODE_FS_MAGIC, MountFlags.None)
        {
            Root = NewDentry(null, []);
            Root.Instantiate(new AnonDirectory(this) { Ino = core.NextIno() });
            Inode = NewDentry(Root, "anon_inode"u8.ToArray());
            Inode.Instantiate(new AnonInode(this) { Ino = core.NextIno() });
            Inode.Rehash();
        }

        /// <summary>The entry of the one inode.</summary>
        public Dentry Inode { get; }

        public override Errno StatFs(Dentry dentry, out StatFs result) => Helpers.Simple.StatFs(this, out result);
    }

    private sealed class AnonDirectory(SuperBlock sb) : Inode(sb, Mode.S_IFDIR);

    private sealed class AnonInode(SuperBlock sb) : Inode(sb, Mode.S_IRUSR | Mode.S_IWUSR);
}
