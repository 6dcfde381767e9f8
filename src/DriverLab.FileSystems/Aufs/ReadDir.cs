using DriverLab.FileSystems.Layers;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Simulation;
using DriverLab.Vfs;

namespace DriverLab.FileSystems.Aufs;

/// <summary>Reads the raw entries of a directory of one branch.</summary>
internal static class BranchListing
{
    /// <summary>On a branch that is not written to the access time stays.</summary>
    public static Errno Read(AufsSuperBlock sb, Branch branch, Dentry directory, DirContext context) =>
        DirectoryReader.Read(sb.Kernel, branch.At(directory), context, branch.IsWritable ? OpenFlags.O_RDONLY : OpenFlags.O_NOATIME);
}

/// <summary>The names of a directory as the branches show them: those of the top one in its order, then what only the next has, and so on. A whiteout hides what comes after it.</summary>
/// <remarks>aufs fs/aufs/vdir.c: fillvdir(), au_do_read_vdir().</remarks>
internal sealed class Merge(AufsSuperBlock sb) : DirContext
{
    private readonly List<(byte[] Name, ulong Ino)> _whiteouts = [];
    private Branch _branch = null!;
    private SuperBlock _real = null!;
    private int _layer;

    public MergeList Entries { get; } = new();

    /// <summary>Whiteouts and names of aufs's own, for <c>shwh</c>.</summary>
    public IReadOnlyList<(byte[] Name, ulong Ino)> Reserved => _whiteouts;

    /// <summary>Reads all branches that a directory is on.</summary>
    public static Errno Read(AufsSuperBlock sb, ReadOnlySpan<BranchEntry> directories, out Merge merge)
    {
        merge = new(sb);
        foreach (var directory in directories)
        {
            var error = merge.Add(directory);
            if (error != Errno.OK)
                return error;
        }
        return Errno.OK;
    }

    /// <summary>Takes the entries of one more branch.</summary>
    public Errno Add(in BranchEntry directory)
    {
        _branch = directory.Branch;
        _real = directory.Dentry.Sb;
        var error = BranchListing.Read(sb, _branch, directory.Dentry, this);
        _layer++;
        return error;
    }

    public override bool Emit(ReadOnlySpan<byte> name, ulong ino, DirentType type)
    {
        if (!Whiteouts.IsReserved(name))
        {
            int index = Entries.Add(name, ino, type, _layer, isLowest: false);
            if (index >= 0 && !IsDot(name))
                Entries.Discovered(index).Ino = sb.NumberFor(_real, ino);
            if (index >= 0 && name.Length > AufsSuperBlock.NameLimit)
                Entries.Discovered(index).Type = DirentType.DT_UNKNOWN;
            return true;
        }
        _whiteouts.Add((name.ToArray(), ino));
        if (!_branch.HasWhiteouts || sb.Core.IsMutated(Mutation.WhiteoutsListed))
            return true;
        int hidden = Entries.Add(name[Whiteouts.Prefix.Length..], ino, type, _layer, isLowest: false);
        if (hidden >= 0)
            Entries.Discovered(hidden).IsHidden = true;
        return true;
    }

    public static bool IsDot(ReadOnlySpan<byte> name) => name.SequenceEqual("."u8) || name.SequenceEqual(".."u8);

    /// <summary>Is there nothing to see?</summary>
    /// <returns>ENOTEMPTY, or what reading says.</returns>
    public static Errno CheckEmpty(AufsSuperBlock sb, ReadOnlySpan<BranchEntry> directories)
    {
        var error = Read(sb, directories, out var merge);
        for (int i = 0; i < merge.Entries.Count && error == Errno.OK; i++)
        {
            ref var entry = ref merge.Entries.Discovered(i);
            if (!entry.IsHidden && !IsDot(merge.Entries.NameOf(entry)))
                error = Errno.ENOTEMPTY;
        }
        return error;
    }

    /// <summary>Does a lower branch have a name that the top one's whiteouts do not hide?</summary>
    /// <returns>ENOTEMPTY, or what reading says.</returns>
    /// <remarks>aufs fs/aufs/vdir.c: au_test_empty_lower().</remarks>
    public static Errno CheckEmptyBelow(AufsSuperBlock sb, ReadOnlySpan<BranchEntry> directories, Branch top)
    {
        var names = new NameCollector();
        var hidden = new HashSet<string>();
        foreach (var directory in directories)
        {
            names.Names.Clear();
            var error = BranchListing.Read(sb, directory.Branch, directory.Dentry, names);
            if (error != Errno.OK)
                return error;
            foreach (var name in names.Names)
            {
                bool isReserved = Whiteouts.IsReserved(name);
                if (isReserved && directory.Branch.HasWhiteouts)
                    _ = hidden.Add(Convert.ToHexString(name.AsSpan(Whiteouts.Prefix.Length)));
                else if (!isReserved && !ReferenceEquals(directory.Branch, top) && !hidden.Contains(Convert.ToHexString(name)))
                    return Errno.ENOTEMPTY;
            }
        }
        return Errno.OK;
    }
}

/// <summary>The list of a directory as it was when it was made; positions are bytes of the kernel's records.</summary>
/// <remarks>aufs fs/aufs/vdir.c: struct au_vdir; a record is number (8), type (1), length (1), name, rounded up to 8, and does not cross a block of <c>rdblk</c> bytes.</remarks>
internal sealed class Listing
{
    private const int RecordHead = 10;

    private readonly List<(long Position, byte[] Name, ulong Ino, DirentType Type)> _records = [];

    /// <summary>Behind the last record.</summary>
    public long End { get; private set; }

    public long Version { get; private init; }
    public long MadeAtNs { get; private init; }

    public int Count => _records.Count;
    public (long Position, byte[] Name, ulong Ino, DirentType Type) this[int index] => _records[index];

    /// <summary>Index of the first record at a position or behind it.</summary>
    public int IndexOf(long position)
    {
        int low = 0, high = _records.Count;
        while (low < high)
        {
            int middle = (low + high) / 2;
            if (_records[middle].Position < position)
                low = middle + 1;
            else
                high = middle;
        }
        return low;
    }

    /// <summary>The directory's list: the shared one as long as nothing changed through the union and it is young enough, else a new one.</summary>
    public static SysResult<Listing> Get(AufsDentry dentry)
    {
        var directory = (AufsDirectory)dentry.Inode!;
        var sb = dentry.Sb;
        long keptNs = Math.Max(sb.Options.RdCacheSeconds * 1_000_000_000L, 1);
        if (directory.Listing is { } known && known.Version == directory.Version && sb.Core.NowNs < known.MadeAtNs + keptNs)
            return known;
        var error = Merge.Read(sb, dentry.Entries, out var merge);
        if (error != Errno.OK)
            return error;
        return directory.Listing = new(dentry, directory, merge);
    }

    private Listing(AufsDentry dentry, AufsDirectory directory, Merge merge)
    {
        var sb = dentry.Sb;
        Version = directory.Version;
        MadeAtNs = sb.Core.NowNs;
        for (int i = 0; i < merge.Entries.Count; i++)
        {
            ref var entry = ref merge.Entries.Discovered(i);
            if (entry.IsHidden)
                continue;
            var name = merge.Entries.NameOf(entry);
            ulong ino = !Merge.IsDot(name) ? entry.Ino : name.Length == 1 ? directory.Ino : dentry.Parent.Inode!.Ino;
            Append(sb.Options, name.ToArray(), ino, entry.Type);
        }
        if (!sb.Options.ShowWhiteouts)
            return;
        foreach (var (name, ino) in merge.Reserved)
            Append(sb.Options, name, ino, DirentType.DT_UNKNOWN);
    }

    private void Append(AufsOptions options, byte[] name, ulong ino, DirentType type)
    {
        int size = (RecordHead + name.Length + 7) & ~7;
        int block = options.RdBlock > 0 ? options.RdBlock : AufsOptions.DefaultRdBlock;
        if (End % block + size > block)
            End += block - End % block;
        _records.Add((End, name, ino, type));
        End += size;
    }
}

/// <summary>An open directory.</summary>
/// <remarks>aufs fs/aufs/dir.c: aufs_iterate_shared(), aufs_llseek().</remarks>
internal sealed class AufsDirectoryFile(VfsPath path, OpenFlags flags) : AufsOpenFileBase(path, flags)
{
    private Listing? _listing;

    public override SysResult<int> Read(Caller caller, Span<byte> buffer, ref long position) => Errno.EISDIR;

    public override Errno Fsync(Caller caller, bool dataOnly) => Errno.OK;

    public override Errno Iterate(Caller caller, DirContext context)
    {
        if (context.Position == 0 || _listing is null)
        {
            var listing = Listing.Get(Dentry);
            if (!listing.IsOk)
                return listing.Error;
            _listing = listing.Value;
        }
        for (int i = _listing.IndexOf(context.Position); i < _listing.Count; i++)
        {
            var (position, name, ino, type) = _listing[i];
            context.Position = position;
            if (!context.Emit(name, ino, type))
                return Errno.OK;
            context.Position = _listing.End;
        }
        return Errno.OK;
    }

    /// <returns>EINVAL (before the start).</returns>
    public override SysResult<long> LSeek(Caller caller, long offset, SeekWhence whence)
    {
        switch (whence)
        {
            case SeekWhence.SEEK_CUR:
                offset += Position;
                break;
            case SeekWhence.SEEK_END:
                if (_listing is null)
                {
                    var listing = Listing.Get(Dentry);
                    if (!listing.IsOk)
                        return listing.Error;
                    _listing = listing.Value;
                }
                offset += _listing.End;
                break;
            case SeekWhence.SEEK_SET:
                break;
            default:
                return Errno.EINVAL;
        }
        if (offset < 0)
            return Errno.EINVAL;
        return Position = offset;
    }
}
