using System.Buffers.Binary;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Simulation;
using DriverLab.Vfs;
using DriverLab.Vfs.Helpers;

namespace DriverLab.FileSystems.Tmpfs;

/// <summary>tmpfs.</summary>
/// <remarks>Linux mm/shmem.c.</remarks>
public sealed class TmpFileSystem : FileSystemType
{
    /// <inheritdoc/>
    public override string Name => "tmpfs";

    /// <inheritdoc/>
    public override bool IsForUserNamespaces(VfsCore core) => true;

    /// <inheritdoc/>
    public override bool AllowsMappings(VfsCore core) => core.Quirks.TmpfsAllowsMappings;

    /// <inheritdoc/>
    public override SysResult<Dentry> Mount(MountContext context)
    {
        var quirks = TmpfsQuirks.Of(context.Core.Profile);
        var options = TmpfsOptions.Parse(context, quirks);
        return options.IsOk ? Make(context, options.Value, quirks) : options.Error;
    }

    /// <returns>EINVAL (strict_encoding without casefold), told in the kernel log whoever mounts.</returns>
    private SysResult<Dentry> Make(MountContext context, TmpfsOptions options, TmpfsQuirks quirks)
    {
        if (!options.IsStrict || options.HasEncoding)
            return new TmpfsSuperBlock(context, this, options, quirks).Root;
        context.Core.Log.Add("tmpfs: strict_encoding option without encoding is forbidden");
        return Errno.EINVAL;
    }

    /// <inheritdoc/>
    public override IFsContext NewContext(VfsCore core, bool reconfigures) => new TmpfsContext(this, core);

    private sealed class TmpfsContext(TmpFileSystem type, VfsCore core) : IFsContext
    {
        private readonly TmpfsOptions _options = new();
        private readonly TmpfsQuirks _quirks = TmpfsQuirks.Of(core.Profile);

        public Errno? Parse(in FsParameter parameter)
        {
            if (parameter.Text == "source")
                return null;
            var context = new MountContext(core, parameter.Caller, [], 0, []);
            // What is no string is refused with the words for an empty one.
            bool isText = parameter.Kind is FsConfigCommand.FSCONFIG_SET_STRING or FsConfigCommand.FSCONFIG_SET_FLAG;
            return isText ? _options.ParseOne(context, _quirks, parameter.Name, parameter.Value, parameter.Value is not null) : _options.ParseOne(context, _quirks, parameter.Name, [], hasValue: true);
        }

        public SysResult<Dentry> GetTree(MountContext context) => type.Make(context, _options, _quirks);

        public Errno Reconfigure(MountContext context, SuperBlock sb) => ((TmpfsSuperBlock)sb).Apply(context, _options);
    }
}

/// <summary>One tmpfs: limits, accounts and numbers.</summary>
internal sealed class TmpfsSuperBlock : SuperBlock
{
    /// <summary>What an inode is charged for, in bytes.</summary>
    public const ulong InodeSpace = 1024;

    private static readonly Mode s_defaultMode = Mode.S_ISVTX | Mode.S_IRWXUGO;
    private readonly Dictionary<ulong, TmpfsInode> _byHandle = [];
    private readonly Simulation.Prng _generations;
    private readonly Mode _mode;
    private readonly uint _uid, _gid;
    private readonly bool _noSwap;
    private bool _hasFullNumbers;
    private string? _policy;
    private TmpfsOptions? _wanted;
    private ulong _maxBlocks, _usedBlocks, _maxInodes, _freeInodeSpace, _nextIno;

    public TmpfsSuperBlock(MountContext context, FileSystemType type, TmpfsOptions options, TmpfsQuirks quirks)
        : base(context.Core, type, context.Core.NewAnonymousDev(), FsMagic.TMPFS, context.Flags)
    {
        Quirks = quirks;
        _generations = Core.World.Stream($"tmpfs {Dev}");
        Uuid = NewUuid();
        _maxBlocks = options.Blocks ?? DefaultBlocks;
        _maxInodes = options.Inodes ?? DefaultBlocks;
        _freeInodeSpace = _maxInodes * InodeSpace;
        _mode = options.Mode ?? s_defaultMode;
        _uid = options.Uid ?? context.Caller.Credentials.Fsuid;
        _gid = options.Gid ?? context.Caller.Credentials.Fsgid;
        _noSwap = options.NoSwap;
        _hasFullNumbers = options.HasFullNumbers ?? quirks.HasInode64;
        _policy = options.MemoryPolicy;
        Huge = options.Huge ?? TmpfsHuge.Never;
        HasEncoding = options.HasEncoding;
        _ = ChargeInode(); // a new instance has room for its root unless nr_inodes says 0, which is no limit
        Root = NewDentry(null, []);
        Root.Instantiate(new TmpfsDirectory(this, Mode.S_IFDIR | _mode) { Uid = _uid, Gid = _gid });
    }

    private UInt128 NewUuid()
    {
        Span<byte> uuid = stackalloc byte[16];
        Core.World.Stream("tmpfs uuid").Fill(uuid);
        uuid[6] = (byte)((uuid[6] & 0x0f) | 0x40);
        uuid[8] = (byte)((uuid[8] & 0x3f) | 0x80);
        return System.Buffers.Binary.BinaryPrimitives.ReadUInt128BigEndian(uuid);
    }

    public TmpfsQuirks Quirks { get; }

    /// <summary>When files are made of huge pages.</summary>
    public TmpfsHuge Huge { get; private set; }

    /// <summary>Directories may be made to disregard case.</summary>
    public bool HasEncoding { get; }

    public override bool CacheIsComplete => true;

    public override bool HasPosixAcl => Quirks.HasAcl;

    private ulong DefaultBlocks => (ulong)Core.TotalRamPages / 2;

    public ulong NextNumber() => ++_nextIno;

    public uint NextGeneration() => (uint)_generations.Next();

    // ---- accounts ----------------------------------------------------------------------------------------------------------------------------

    /// <summary>Takes pages out of the limit.</summary>
    /// <returns>ENOSPC.</returns>
    public Errno ChargeBlocks(ulong pages)
    {
        if (_maxBlocks != 0 && _usedBlocks + pages > _maxBlocks && !Core.IsMutated(Mutation.TmpfsWithoutLimit))
            return Errno.ENOSPC;
        _usedBlocks += pages;
        return Errno.OK;
    }

    public void UnchargeBlocks(ulong pages) => _usedBlocks -= pages;

    /// <summary>Whether so many pages could ever fit.</summary>
    public bool CouldHold(ulong pages) => _maxBlocks == 0 || pages <= _maxBlocks;

    /// <summary>Takes an inode, or another link of one, out of the limit.</summary>
    /// <returns>ENOSPC.</returns>
    public Errno ChargeInode() => ChargeInodeSpace(InodeSpace);

    public void UnchargeInode() => _freeInodeSpace += InodeSpace;

    /// <summary>Takes bytes out of the inodes' account.</summary>
    /// <returns>ENOSPC.</returns>
    public Errno ChargeInodeSpace(ulong bytes)
    {
        if (_maxInodes != 0 && _freeInodeSpace < bytes && !Core.IsMutated(Mutation.TmpfsInodesWithoutLimit))
            return Errno.ENOSPC;
        _freeInodeSpace -= bytes;
        return Errno.OK;
    }

    public void UnchargeInodeSpace(ulong bytes) => _freeInodeSpace += bytes;

    public override Errno StatFs(Dentry dentry, out StatFs result)
    {
        _ = Simple.StatFs(this, out result);
        if (_maxBlocks != 0)
        {
            result.Blocks = _maxBlocks;
            result.BlocksFree = result.BlocksAvailable = _maxBlocks - _usedBlocks;
        }
        if (_maxInodes != 0)
        {
            result.Files = _maxInodes;
            result.FilesFree = _freeInodeSpace / InodeSpace;
        }
        return Errno.OK;
    }

    // ---- options ------------------------------------------------------------------------------------------------------------------------------

    public override Errno CheckRemount(MountContext context)
    {
        var options = TmpfsOptions.Parse(context, Quirks);
        _wanted = options.IsOk ? options.Value : null;
        return options.Error;
    }

    public override Errno Remount(MountContext context) => Apply(context, _wanted!);

    public Errno Apply(MountContext context, TmpfsOptions options)
    {
        ulong usedSpace = _maxInodes * InodeSpace - _freeInodeSpace;
        if (options.Blocks is > 0 and var blocks)
        {
            if (_maxBlocks == 0)
                return context.Complain("tmpfs: Cannot retroactively limit size");
            if (_usedBlocks > blocks)
                return context.Complain("tmpfs: Too small a size for current use");
        }
        if (options.Inodes is > 0 and var inodes)
        {
            if (_maxInodes == 0)
                return context.Complain("tmpfs: Cannot retroactively limit inodes");
            if (inodes * InodeSpace < usedSpace)
                return context.Complain("tmpfs: Too few inodes for current use");
        }
        if (options.NoSwap && !_noSwap)
            return context.Complain("tmpfs: Cannot disable swap on remount");
        if (!options.NoSwap && _noSwap && Quirks.NoSwapIsRepeated)
            return context.Complain("tmpfs: Cannot enable swap on remount if it was disabled on first mount");
        _hasFullNumbers = options.HasFullNumbers ?? _hasFullNumbers;
        _policy = options.MemoryPolicy ?? _policy;
        Huge = options.Huge ?? Huge;
        _maxBlocks = options.Blocks ?? _maxBlocks;
        if (options.Inodes is { } limit)
        {
            _maxInodes = limit;
            _freeInodeSpace = limit * InodeSpace - usedSpace;
        }
        return Errno.OK;
    }

    public override void ShowOptions(MountOptionWriter writer, Dentry root)
    {
        if (_maxBlocks != DefaultBlocks)
            writer.Text($",size={_maxBlocks * 4}k");
        if (_maxInodes != DefaultBlocks)
            writer.Text($",nr_inodes={_maxInodes}");
        if (_mode != s_defaultMode)
            writer.Text($",mode={Convert.ToString((int)_mode, 8).PadLeft(3, '0')}");
        if (_uid != 0)
            writer.Text($",uid={_uid}");
        if (_gid != 0)
            writer.Text($",gid={_gid}");
        if (Quirks.HasInode64 || _hasFullNumbers)
            writer.Text(_hasFullNumbers ? ",inode64" : ",inode32");
        if (Huge != TmpfsHuge.Never)
            writer.Text(",huge=" + (Huge == TmpfsHuge.Always ? "always" : Huge == TmpfsHuge.WithinSize ? "within_size" : "advise"));
        if (_policy is not null)
            writer.Text(",mpol=" + _policy);
        if (_noSwap)
            writer.Text(",noswap");
    }

    // ---- file handles: generation and inode number, 12 bytes of type 1 -------------------------------------------------------------------------

    public override bool HasFileHandles => true;

    public override SysResult<int> EncodeHandle(Inode inode, Span<byte> handle, out byte handleType)
    {
        handleType = 1;
        if (handle.Length < 12)
            return Errno.EOVERFLOW;
        var file = (TmpfsInode)inode;
        _ = _byHandle.TryAdd(file.Ino, file);
        BinaryPrimitives.WriteUInt32LittleEndian(handle, file.Generation);
        BinaryPrimitives.WriteUInt64LittleEndian(handle[4..], file.Ino);
        return 12;
    }

    public override SysResult<Dentry> DecodeHandle(ReadOnlySpan<byte> handle, int handleType)
    {
        if (handle.Length < 12) // the type is not looked at
            return Errno.ESTALE;
        ulong ino = BinaryPrimitives.ReadUInt64LittleEndian(handle[4..]);
        if (!_byHandle.TryGetValue(ino, out var inode) || inode.Generation != BinaryPrimitives.ReadUInt32LittleEndian(handle))
            return Errno.ESTALE;
        return inode.FindAlias() is { } alias ? alias : Errno.ESTALE;
    }

    public void Forget(TmpfsInode inode)
    {
        if (_byHandle.TryGetValue(inode.Ino, out var known) && ReferenceEquals(known, inode))
            _ = _byHandle.Remove(inode.Ino);
    }
}
