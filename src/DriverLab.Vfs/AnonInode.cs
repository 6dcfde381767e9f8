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

    /// <summary>The mount that nobody sees.</summary>
    public static Mount NewMount(VfsCore core)
    {
        var sb = new AnonSuperBlock(core, new AnonInodeFileSystem());
        return new(sb, sb.Root, MountFlags.None);
    }

    /// <summary>The place of descriptors of a kind.</summary>
    public static VfsPath PlaceOf(Mount mount, string name) => new(mount, ((AnonSuperBlock)mount.Sb).EntryOf(name));

    private sealed class AnonSuperBlock : SuperBlock
    {
        private const long ANON_INODE_FS_MAGIC = 0x09041934;

        public AnonSuperBlock(VfsCore core, FileSystemType type) : base(core, type, core.NewAnonymousDev(), ANON_INODE_FS_MAGIC, MountFlags.None)
        {
            Root = NewDentry(null, []);
            Root.Instantiate(new AnonDirectory(this) { Ino = core.NextIno() });
            _inode = new AnonInode(this) { Ino = core.NextIno() };
        }

        private readonly AnonInode _inode;

        public override bool NamesAreWhole => true;

        /// <summary>An entry of the one inode.</summary>
        public Dentry EntryOf(string name)
        {
            var entry = NewDentry(Root, System.Text.Encoding.ASCII.GetBytes("anon_inode:" + name));
            entry.Instantiate(_inode);
            entry.Rehash();
            return entry;
        }

        public override Errno StatFs(Dentry dentry, out StatFs result) => Helpers.Simple.StatFs(this, out result);
    }

    private sealed class AnonDirectory(SuperBlock sb) : Inode(sb, Mode.S_IFDIR);

    private sealed class AnonInode(SuperBlock sb) : Inode(sb, Mode.S_IRUSR | Mode.S_IWUSR)
    {
        public override SysResult<OpenFile> Open(Caller caller, in VfsPath path, OpenFlags flags) => Errno.ENXIO;

        public override Errno SetAttr(Caller caller, Dentry dentry, ref Iattr attr) =>
            Sb.Core.Quirks.AnonInodesRefuseChanges ? Errno.EOPNOTSUPP : base.SetAttr(caller, dentry, ref attr);
    }
}
