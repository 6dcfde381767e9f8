using System.Globalization;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Vfs;

namespace DriverLab.FileSystems.Aufs;

/// <summary>One union: its branches, options, inode numbers, and who has what open.</summary>
/// <remarks>aufs fs/aufs/super.h: struct au_sbinfo; fs/aufs/super.c: aufs_sop.</remarks>
internal sealed class AufsSuperBlock : SuperBlock
{
    /// <summary>Longest name: 255 less what a temporary whiteout's name adds.</summary>
    public const int NameLimit = 242;
    public const int MaxBranches = 127;
    private const int FirstBranchId = 64;

    private readonly Dictionary<ulong, AufsInode> _inodes = [];
    private readonly HashSet<AufsInode> _unnumbered = [];
    private readonly List<Branch> _branches = [];
    private int _lastBranchId = FirstBranchId - 1;

    public AufsSuperBlock(VfsCore core, AufsFileSystem type, MountFlags flags, Caller mounter) : base(core, type, core.NewAnonymousDev(), FsMagic.AUFS, flags)
    {
        Kernel = mounter.With(Credentials.Root);
        Policies = new Policies(this);
        Id = core.World.Stream("aufs").Next();
        type.Instances.Add(this);
    }

    public new AufsFileSystem Type => (AufsFileSystem)base.Type;

    /// <summary>Acts on the branches where the caller's rights have been asked before.</summary>
    public Caller Kernel { get; }

    public AufsOptions Options { get; } = new();
    public InodeNumbers Numbers { get; } = new();
    public Policies Policies { get; }

    /// <summary>The number that names this union in <c>si=</c> and in sysfs.</summary>
    public ulong Id { get; }

    public string IdText => Id.ToString("x16", CultureInfo.InvariantCulture);

    /// <summary>Files and directories that are open, for branches that are to go.</summary>
    public HashSet<AufsOpenFileBase> OpenFiles { get; } = [];

    public override int NameMax => NameLimit;

    public override bool HasPosixAcl => Options.Acl;

    public override Dentry NewDentry(Dentry? parent, byte[] name) => new AufsDentry(this, parent, name);

    /// <summary>Writes into the kernel log, with the function that says it.</summary>
    public void Log(string function, string text) => Core.Log.Add($"aufs {function}: {text}");

    /// <summary>Somebody holds its control file.</summary>
    public bool IsInMaintenance { get; set; }

    /// <summary>The path by which the table of inode numbers was made; empty without one.</summary>
    public byte[] XinoPath { get; private set; } = [];

    public bool HasXino => XinoPath.Length > 0;

    public void SetXino(byte[] path) => XinoPath = path;

    /// <summary>True when some union has its table under this path already.</summary>
    public static bool IsXino(VfsCore core, byte[] path) => core.SuperBlocks.OfType<AufsSuperBlock>().Any(sb => sb.XinoPath.AsSpan().SequenceEqual(path));

    /// <summary>Tells people that what happens here loses data, or looks as if it had worked.</summary>
    public void Warn(string hazard) => Core.World.Hazards.Add(hazard);

    /// <summary>The real kernel crashes here.</summary>
    public KernelOopsException Oops(string what)
    {
        Warn("crash: " + what);
        return new(what);
    }

    // ---- branches -----------------------------------------------------------------------------------------------------------------------------

    /// <summary>The branches, top first.</summary>
    public IReadOnlyList<Branch> Branches => _branches;

    public int IndexOf(Branch branch) => _branches.IndexOf(branch);

    /// <summary>True when a branch or one above it can be written to.</summary>
    public bool HasWritableFrom(Branch branch) => _branches.Find(b => b.IsWritable || ReferenceEquals(b, branch)) is { IsWritable: true };

    public int NextBranchId()
    {
        // They come round after 127, and those in use are skipped.
        do
            _lastBranchId = _lastBranchId == MaxBranches ? 1 : _lastBranchId + 1;
        while (_branches.Exists(b => b.Id == _lastBranchId));
        return _lastBranchId;
    }

    /// <summary>The branch with this root, or null.</summary>
    public Branch? FindBranch(Dentry root) => _branches.Find(b => ReferenceEquals(b.Root, root));

    public void InsertBranch(int index, Branch branch) => _branches.Insert(index, branch);

    public void RemoveBranch(Branch branch)
    {
        branch.IsGone = true;
        _ = _branches.Remove(branch);
    }

    // ---- life ---------------------------------------------------------------------------------------------------------------------------------

    /// <summary>The root directory, before the first branch is there.</summary>
    public void MakeRoot()
    {
        var root = new AufsDentry(this, null, []);
        root.Instantiate(new AufsDirectory(this, Mode.S_IFDIR) { Ino = InodeNumbers.Root });
        Root = root;
    }

    public new AufsDentry Root
    {
        get => (AufsDentry)base.Root;
        private set => base.Root = value;
    }

    public void Abandon()
    {
        Put();
        Core.FreeAnonymousDev(Dev);
        _ = Core.SuperBlocks.Remove(this);
    }

    public override Errno SyncFs(bool wait)
    {
        foreach (var branch in _branches)
        {
            if (branch.IsWritable)
                _ = branch.Path.Mount.Sb.SyncFs(wait); // all of them, whatever one says
        }
        return Errno.OK;
    }

    public override void Put()
    {
        PseudoLinks.Forget(this);
        foreach (var inode in _inodes.Values)
            inode.LetGo();
        foreach (var inode in _unnumbered)
            inode.LetGo();
        Root.Inode?.LetGo();
        _inodes.Clear();
        _unnumbered.Clear();
        foreach (var branch in _branches)
            branch.Path.Release();
        _branches.Clear();
        _ = Type.Instances.Remove(this);
    }

    public override Errno CheckRemount(MountContext context)
    {
        Pending = new MountProcedure(Type, Core);
        return Pending.ParseAll(context);
    }

    /// <summary>Options of a remount between parsing and applying.</summary>
    private MountProcedure? Pending { get; set; }

    public override Errno Remount(MountContext context)
    {
        var procedure = Pending ?? new MountProcedure(Type, Core);
        Pending = null;
        return procedure.Change(this, context);
    }

    public override Errno StatFs(Dentry dentry, out StatFs result)
    {
        var error = Options.Sum ? Sum(out result) : _branches[0].Root.Sb.StatFs(_branches[0].Root, out result);
        if (error != Errno.OK)
            return error;
        result.Type = FsMagic.AUFS;
        result.FsId0 = result.FsId1 = 0;
        result.NameLength = NameLimit;
        return Errno.OK;
    }

    /// <remarks>aufs fs/aufs/super.c: au_statfs_sum(). In the smallest block size of the branches.</remarks>
    private Errno Sum(out StatFs result)
    {
        result = default;
        var seen = new HashSet<SuperBlock>(ReferenceEqualityComparer.Instance);
        ulong blocks = 0, free = 0, available = 0, files = 0, filesFree = 0;
        long blockSize = long.MaxValue;
        foreach (var branch in _branches)
        {
            if (!seen.Add(branch.Root.Sb))
                continue;
            var error = branch.Root.Sb.StatFs(branch.Root, out result);
            if (error != Errno.OK)
                return error;
            (blocks, free, available) = (blocks + result.Blocks * (ulong)result.BlockSize, free + result.BlocksFree * (ulong)result.BlockSize, available + result.BlocksAvailable * (ulong)result.BlockSize);
            (files, filesFree) = (files + result.Files, filesFree + result.FilesFree);
            blockSize = Math.Min(blockSize, result.BlockSize);
        }
        result.BlockSize = result.FragmentSize = blockSize;
        (result.Blocks, result.BlocksFree, result.BlocksAvailable) = (blocks / (ulong)blockSize, free / (ulong)blockSize, available / (ulong)blockSize);
        (result.Files, result.FilesFree) = (files, filesFree);
        return Errno.OK;
    }

    public override void ShowOptions(MountOptionWriter writer, Dentry root) => DriverLab.FileSystems.Aufs.ShowOptions.Append(this, writer);

    // ---- inodes -------------------------------------------------------------------------------------------------------------------------------

    /// <summary>The inode that stands for objects on the branches, an existing one if the table of numbers leads to it.</summary>
    public AufsInode GetInode(BranchEntry[] entries)
    {
        var top = entries[0];
        ulong ino = Options.NoXino ? Numbers.Count() : Numbers.Find(top.Inode.Sb, top.Inode.Ino);
        if (ino != 0 && !Options.NoXino && _inodes.TryGetValue(ino, out var known) && known.Has(top.Branch, top.Inode) && known.Type == top.Inode.Type)
        {
            if (known is AufsDirectory directory && !known.Reals.SequenceEqual(entries))
            {
                known.SetReals(entries);
                directory.NoteChange(); // what was listed of other branches
            }
            return known;
        }
        if (ino == 0 || _inodes.ContainsKey(ino))
            ino = Numbers.New();
        var inode = AufsInode.OfMode(this, top.Inode.Mode);
        inode.Ino = ino;
        _inodes[ino] = inode;
        inode.SetReals(entries);
        inode.CopyAttributes();
        return inode;
    }

    /// <summary>An object that was just made.</summary>
    public AufsInode NewInode(Branch branch, Dentry real) => GetInode([new(branch, real)]);

    /// <summary>The inode has neither names nor users any more: its number is free.</summary>
    public void RemoveInode(AufsInode inode)
    {
        if (!_inodes.TryGetValue(inode.Ino, out var known) || !ReferenceEquals(known, inode))
            return;
        _ = _inodes.Remove(inode.Ino);
        if (Options.NoXino)
            return;
        foreach (var entry in inode.Reals)
        {
            if (Numbers.Find(entry.Inode.Sb, entry.Inode.Ino) == inode.Ino)
                Numbers.Forget(entry.Inode);
        }
        Numbers.Free(inode.Ino);
    }

    /// <summary>All inodes in memory but the root's.</summary>
    public IEnumerable<AufsInode> Inodes => _inodes.Values;

    /// <summary>The number that a listing shows for an object of a branch.</summary>
    public ulong NumberFor(SuperBlock sb, ulong realIno)
    {
        if (Options.NoXino)
            return Numbers.Count();
        ulong ino = Numbers.Find(sb, realIno);
        if (ino != 0)
            return ino;
        ino = Numbers.New();
        Numbers.Set(sb, realIno, ino);
        return ino;
    }
}
