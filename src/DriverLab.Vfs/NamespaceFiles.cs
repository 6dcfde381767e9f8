using DriverLab.Linux;
using DriverLab.Linux.Abi;

namespace DriverLab.Vfs;

/// <summary>The file system of descriptors that stand for namespaces.</summary>
/// <remarks>Linux fs/nsfs.c.</remarks>
internal sealed class NamespaceFileSystem : FileSystemType
{
    private NamespaceFileSystem() { }

    public override string Name => "nsfs";

    public override SysResult<Dentry> Mount(MountContext context) => Errno.EINVAL;

    /// <summary>The mount that nobody sees.</summary>
    public static Mount NewMount(VfsCore core)
    {
        var sb = new NamespaceSuperBlock(core, new NamespaceFileSystem());
        return new(sb, sb.Root, MountFlags.None);
    }

    /// <summary>A descriptor of a mount namespace.</summary>
    public static OpenFile OpenMounts(Mount mount, MountNamespace space) => new MountsFile(new(mount, ((NamespaceSuperBlock)mount.Sb).EntryOf(space)), space);

    private sealed class NamespaceSuperBlock : SuperBlock
    {
        private const uint FirstNumber = 0xF0000001;
        private uint _given;

        public NamespaceSuperBlock(VfsCore core, FileSystemType type) : base(core, type, core.NewAnonymousDev(), FsMagic.NSFS, MountFlags.None)
        {
            Root = NewDentry(null, []);
            Root.Instantiate(new NamespaceDirectory(this) { Ino = core.NextIno() });
        }

        public override bool NamesAreWhole => true;

        public Dentry EntryOf(MountNamespace space)
        {
            uint number = FirstNumber + _given++;
            var entry = NewDentry(Root, System.Text.Encoding.ASCII.GetBytes($"mnt:[{number}]"));
            entry.Instantiate(new MountsInode(this, space) { Ino = number, Flags = InodeFlags.S_IMMUTABLE });
            entry.Rehash();
            return entry;
        }

        public override Errno StatFs(Dentry dentry, out StatFs result) => Helpers.Simple.StatFs(this, out result);

        public override SysResult<int> EncodeHandle(Inode inode, Span<byte> handle, out byte handleType)
        {
            handleType = 0;
            return NotModelledException.Throw("handles of namespaces");
        }

        public override bool HasFileHandles => true;
    }

    private sealed class NamespaceDirectory(SuperBlock sb) : Inode(sb, Mode.S_IFDIR);

    private sealed class MountsInode(SuperBlock sb, MountNamespace space) : Inode(sb, Mode.S_IFREG | Mode.S_IRUSR | Mode.S_IRGRP | Mode.S_IROTH)
    {
        public override bool ListsXattrs => true;

        public override SysResult<OpenFile> Open(Caller caller, in VfsPath path, OpenFlags flags) => new MountsFile(path, space);
    }

    /// <summary>Keeps the namespace, and all that is mounted there, as long as it is open.</summary>
    private sealed class MountsFile : OpenFile
    {
        private const uint NS_GET_NSTYPE = 0xb703, TypeMask = 0xff00;
        private const int CLONE_NEWNS = 0x20000;
        private readonly MountNamespace _space;

        public MountsFile(VfsPath path, MountNamespace space) : base(path, OpenFlags.O_RDONLY)
        {
            _space = space;
            space.Hold();
        }

        public override SysResult<int> Ioctl(Caller caller, uint request, long value) => request switch
        {
            NS_GET_NSTYPE => CLONE_NEWNS,
            _ when (request & TypeMask) == (NS_GET_NSTYPE & TypeMask) => NotModelledException.Throw("ioctls of namespaces"),
            _ => Errno.ENOTTY,
        };

        protected override void Release() => _space.Release();
    }
}
