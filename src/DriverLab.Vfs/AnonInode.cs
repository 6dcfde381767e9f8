using DriverLab.Linux;
using DriverLab.Linux.Abi;

namespace DriverLab.Vfs;

/// <summary>The file system of descriptors that are no files: one inode without a type for all of them.</summary>
/// <remarks>Linux fs/anon_inodes.c.</remarks>
internal sealed class AnonSuperBlock : HiddenSuperBlock
{
    private const long ANON_INODE_FS_MAGIC = 0x09041934;

    private readonly AnonInode _inode;

    public AnonSuperBlock(VfsCore core) : base(core, "anon_inodefs", ANON_INODE_FS_MAGIC) => _inode = new AnonInode(this) { Ino = core.NextIno() };

    /// <summary>The place of descriptors of a kind.</summary>
    public VfsPath PlaceOf(string kind) => NewPlace("anon_inode:" + kind, _inode);

    private sealed class AnonInode(SuperBlock sb) : Inode(sb, Mode.S_IRUSR | Mode.S_IWUSR)
    {
        public override SysResult<OpenFile> Open(Caller caller, in VfsPath path, OpenFlags flags) => Errno.ENXIO;

        public override Errno SetAttr(Caller caller, Dentry dentry, ref Iattr attr) =>
            Sb.Core.Quirks.AnonInodesRefuseChanges ? Errno.EOPNOTSUPP : base.SetAttr(caller, dentry, ref attr);
    }
}
