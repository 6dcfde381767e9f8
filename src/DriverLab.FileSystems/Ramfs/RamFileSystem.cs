using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Vfs;
using DriverLab.Vfs.Helpers;

namespace DriverLab.FileSystems.Ramfs;

/// <summary>ramfs: files in memory without limits. One option, <c>mode=</c>; others are ignored.</summary>
/// <remarks>Linux fs/ramfs/inode.c, file-mmu.c.</remarks>
public sealed class RamFileSystem : FileSystemType
{
    /// <inheritdoc/>
    public override string Name => "ramfs";

    /// <inheritdoc/>
    public override bool IsForUserNamespaces(VfsCore core) => true;

    /// <summary>It takes the source for one more option that it does not know (seen on 5.10, not on 6.1).</summary>
    public override bool KeepsSource(VfsCore core) => core.Profile.AtLeast(5, 12);

    /// <inheritdoc/>
    public override SysResult<Dentry> Mount(MountContext context)
    {
        var error = ReadMode(context, this, out var mode);
        return error == Errno.OK ? new RamSuperBlock(context, this, mode).Root : error;
    }

    /// <summary>Reads the options; a remount does so too, and forgets them.</summary>
    internal static Errno ReadMode(MountContext context, FileSystemType type, out Mode mode)
    {
        mode = (Mode)0x1ED; // 0755
        var options = new OptionReader(context.Data);
        while (options.MoveNext())
        {
            if (context.TakeGeneric(options.Name))
                continue;
            if (options.Name.SequenceEqual("source"u8) && type.KeepsSource(context.Core) && context.TakeSource(options.HasValue) is var error and not Errno.OK)
                return error;
            if (!options.Name.SequenceEqual("mode"u8))
                continue;
            if (!OptionValue.TryOctal(options.Value, out uint value))
                return context.BadValue("ramfs", options.Name);
            mode = (Mode)(value & 0xFFF);
        }
        return Errno.OK;
    }

    /// <inheritdoc/>
    public override IFsContext NewContext(VfsCore core, bool reconfigures) => new RamContext(this, core);

    private sealed class RamContext(RamFileSystem type, VfsCore core) : IFsContext
    {
        private Mode _mode = (Mode)0x1ED; // 0755

        public Errno? Parse(in FsParameter parameter)
        {
            if (parameter.Text == "source" && type.KeepsSource(core))
                return null;
            if (parameter.Text != "mode")
                return Errno.OK;
            var text = parameter.Kind == FsConfigCommand.FSCONFIG_SET_STRING ? parameter.Value : null;
            if (!OptionValue.TryOctal(text, out uint value))
                return new MountContext(core, parameter.Caller, [], 0, []).BadValue("ramfs", parameter.Name);
            _mode = (Mode)(value & 0xFFF);
            return Errno.OK;
        }

        public SysResult<Dentry> GetTree(MountContext context) => new RamSuperBlock(context, type, _mode).Root;

        public Errno Reconfigure(MountContext context, SuperBlock sb) => Errno.OK;
    }
}

internal sealed class RamSuperBlock : SuperBlock
{
    private readonly Mode _mode;

    public RamSuperBlock(MountContext context, FileSystemType type, Mode mode)
        : base(context.Core, type, context.Core.NewAnonymousDev(), FsMagic.RAMFS, context.Flags)
    {
        _mode = mode;
        var root = new RamDirectory(this, Mode.S_IFDIR | mode);
        Simple.InitOwner(root, context.Caller, null);
        Root = NewDentry(null, []);
        Root.Instantiate(root);
    }

    public override Errno CheckRemount(MountContext context) => RamFileSystem.ReadMode(context, Type, out _);

    public override bool CacheIsComplete => true;

    public override Errno StatFs(Dentry dentry, out StatFs result) => Simple.StatFs(this, out result);

    public override void ShowOptions(MountOptionWriter writer, Dentry root)
    {
        if (_mode != (Mode)0x1ED)
            writer.Text($",mode={Convert.ToString((int)_mode, 8)}");
    }
}

internal sealed class RamDirectory : Inode
{
    public RamDirectory(SuperBlock sb, Mode mode) : base(sb, mode)
    {
        Ino = sb.Core.NextIno();
        Nlink = 2;
    }

    public override Errno Lookup(Caller caller, Dentry dentry) => Simple.Lookup(dentry);

    public override Errno Create(Caller caller, Dentry dentry, Mode mode, bool exclusive) => Mknod(caller, dentry, mode | Mode.S_IFREG, default);

    public override Errno Mknod(Caller caller, Dentry dentry, Mode mode, DevT device)
    {
        Inode inode = (mode & Mode.S_IFMT) == Mode.S_IFREG ? new RamFile(Sb, mode) : new RamNode(Sb, mode) { Rdev = device };
        Simple.InitOwner(inode, caller, this);
        Simple.Instantiate(this, dentry, inode);
        return Errno.OK;
    }

    public override Errno Mkdir(Caller caller, Dentry dentry, Mode mode)
    {
        var inode = new RamDirectory(Sb, mode);
        Simple.InitOwner(inode, caller, this);
        Simple.Instantiate(this, dentry, inode);
        Nlink++;
        return Errno.OK;
    }

    public override Errno Symlink(Caller caller, Dentry dentry, ReadOnlySpan<byte> target)
    {
        if (target.Length >= Limits.PAGE_SIZE)
            return Errno.ENAMETOOLONG;
        var inode = new RamLink(Sb, target.ToArray());
        Simple.InitOwner(inode, caller, this);
        Simple.Instantiate(this, dentry, inode);
        return Errno.OK;
    }

    public override Errno Link(Caller caller, Dentry old, Dentry dentry)
    {
        Simple.Link(this, old, dentry);
        return Errno.OK;
    }

    public override Errno Unlink(Caller caller, Dentry dentry)
    {
        Simple.Unlink(this, dentry);
        return Errno.OK;
    }

    public override Errno Rmdir(Caller caller, Dentry dentry) => Simple.Rmdir(this, dentry);

    public override Errno Rename(Caller caller, Dentry old, Inode newDirectory, Dentry target, RenameFlags flags) =>
        Simple.Rename(this, old, newDirectory, target, flags);

    public override Errno Tmpfile(Caller caller, Dentry dentry, Mode mode)
    {
        if (!Sb.Core.Quirks.SimpleExchangeAndTmpfile)
            return Errno.EOPNOTSUPP;
        var inode = new RamFile(Sb, mode) { Nlink = 0 };
        Simple.InitOwner(inode, caller, this);
        dentry.Instantiate(inode);
        return Errno.OK;
    }

    public override SysResult<OpenFile> Open(Caller caller, in VfsPath path, OpenFlags flags) => new DcacheDirectoryFile(path, flags);
}

internal sealed class RamFile : MemoryFile
{
    public RamFile(SuperBlock sb, Mode mode) : base(sb, mode) => Ino = sb.Core.NextIno();

    /// <summary>There is nothing behind the page cache that a hole could be read from again: pages that a read makes stay.</summary>
    protected override bool ReadsFillHoles => true;

    public override Errno GetAttr(Caller caller, in VfsPath path, StatxMask mask, AtFlags flags, out Statx stat)
    {
        Attributes.FillAttr(this, out stat);
        stat.Blocks = (ulong)Pages.Count * (Limits.PAGE_SIZE / Limits.SECTOR_SIZE);
        return Errno.OK;
    }
}

internal sealed class RamNode : Inode
{
    public RamNode(SuperBlock sb, Mode mode) : base(sb, mode) => Ino = sb.Core.NextIno();
}

internal sealed class RamLink : Inode
{
    private readonly byte[] _target;

    public RamLink(SuperBlock sb, byte[] target) : base(sb, Mode.S_IFLNK | Mode.S_IRWXUGO)
    {
        Ino = sb.Core.NextIno();
        _target = target;
        Size = target.Length;
    }

    public override SysResult<LinkTarget> GetLink(Caller caller, Dentry dentry) => new LinkTarget(_target, default);
}
