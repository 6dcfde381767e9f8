using System.Globalization;
using System.Text;
using DriverLab.FileSystems.Layers;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Vfs;

namespace DriverLab.FileSystems.Aufs;

/// <summary>The names by which a branch says that something is gone: <c>.wh.NAME</c>, and <c>.wh..wh..opq</c> in a directory that hides what is below.</summary>
/// <remarks>aufs fs/aufs/whout.c. All whiteouts of a branch are links of one empty file, <c>.wh..wh.aufs</c>, unless <c>nolwh</c>.</remarks>
internal static class Whiteouts
{
    public static ReadOnlySpan<byte> Prefix => ".wh."u8;
    public static ReadOnlySpan<byte> OpaqueName => ".wh..wh..opq"u8;
    public static ReadOnlySpan<byte> BaseName => ".wh..wh.aufs"u8;
    public static ReadOnlySpan<byte> PlinkName => ".wh..wh.plnk"u8;
    public static ReadOnlySpan<byte> OrphanName => ".wh..wh.orph"u8;

    /// <summary>Names that are not for users.</summary>
    public static bool IsReserved(ReadOnlySpan<byte> name) => name.StartsWith(Prefix);

    public static byte[] NameOf(ReadOnlySpan<byte> name) => [.. Prefix, .. name];

    /// <summary>A name on the branch for something that is not ready yet, or not gone yet.</summary>
    public static byte[] TempName(AufsSuperBlock sb, ReadOnlySpan<byte> name) =>
        [.. Prefix, .. Prefix, .. name, .. Encoding.ASCII.GetBytes("." + sb.Type.NextTemp().ToString("x4", CultureInfo.InvariantCulture))];

    /// <summary>The whiteout of a name in a directory of a branch, or null.</summary>
    /// <returns>EIO (not a regular file).</returns>
    public static Errno Find(AufsSuperBlock sb, Dentry directory, ReadOnlySpan<byte> whiteoutName, out Dentry? whiteout)
    {
        whiteout = null;
        var found = Namei.LookupOne(sb.Kernel, directory, whiteoutName);
        if (!found.IsOk)
            return found.Error == Errno.ENAMETOOLONG ? Errno.OK : found.Error;
        if (found.Value.IsNegative)
            return Errno.OK;
        if (!found.Value.Inode!.IsRegular)
        {
            sb.Log("au_wh_test", $"I/O Error, {Encoding.Latin1.GetString(whiteoutName)} Invalid whiteout entry type 0{Convert.ToString((int)found.Value.Inode.Mode, 8)}.");
            return Errno.EIO;
        }
        whiteout = found.Value;
        return Errno.OK;
    }

    /// <summary>Makes the whiteout of a name.</summary>
    /// <returns>What linking or creating says; EIO when a whiteout is there already.</returns>
    public static Errno Create(AufsSuperBlock sb, Caller caller, Branch branch, Dentry directory, ReadOnlySpan<byte> name) => Make(sb, caller, branch, directory, NameOf(name));

    /// <summary>Marks a directory of a branch as hiding what is below.</summary>
    public static Errno MarkOpaque(AufsSuperBlock sb, Caller caller, Branch branch, Dentry directory) => Make(sb, caller, branch, directory, OpaqueName);

    private static Errno Make(AufsSuperBlock sb, Caller caller, Branch branch, Dentry directory, ReadOnlySpan<byte> whiteoutName)
    {
        var entry = Namei.LookupOne(sb.Kernel, directory, whiteoutName);
        if (!entry.IsOk)
            return entry.Error;
        if (entry.Value.IsPositive)
            return entry.Value.Inode!.IsRegular ? Errno.OK : Errno.EIO;
        if (branch.WhiteoutBase is not { } source || source.Inode!.Nlink == 0)
            return Namei.VfsCreate(caller, directory.Inode!, entry.Value, Permissions);
        var error = Namei.VfsLink(sb.Kernel, source, directory.Inode!, entry.Value);
        if (error != Errno.EMLINK)
            return error;
        // Full: this whiteout is a file of its own, and those that follow are links of a new base.
        error = Namei.VfsCreate(sb.Kernel, directory.Inode!, entry.Value, Permissions);
        return error == Errno.OK ? RenewBase(sb, branch) : error;
    }

    private const Mode Permissions = (Mode)0x124; // 0444

    private static Errno RenewBase(AufsSuperBlock sb, Branch branch)
    {
        var error = Namei.VfsUnlink(sb.Kernel, branch.Root.Inode!, branch.WhiteoutBase!);
        branch.WhiteoutBase = null;
        return error == Errno.OK ? MakeBase(sb, branch) : error;
    }

    /// <summary>Removes the whiteout of a name, if there is one.</summary>
    public static Errno Remove(AufsSuperBlock sb, Dentry directory, ReadOnlySpan<byte> whiteoutName)
    {
        var entry = Namei.LookupOne(sb.Kernel, directory, whiteoutName);
        if (!entry.IsOk || entry.Value.IsNegative)
            return entry.Error;
        return Namei.VfsUnlink(sb.Kernel, directory.Inode!, entry.Value);
    }

    /// <summary>Moves an entry of a branch out of the way, to a temporary name in the same directory.</summary>
    public static Errno MoveAway(AufsSuperBlock sb, Dentry directory, Dentry entry)
    {
        var temp = Namei.LookupOne(sb.Kernel, directory, TempName(sb, entry.Name));
        return temp.IsOk ? Namei.VfsRename(sb.Kernel, directory.Inode!, entry, directory.Inode!, temp.Value, RenameFlags.None) : temp.Error;
    }

    /// <summary>Removes a directory of a branch with all that is left in it: whiteouts, the opaque mark, names of aufs's own.</summary>
    /// <returns>ENOTEMPTY (something else is in it).</returns>
    /// <remarks>aufs fs/aufs/whout.c: au_whtmp_rmdir().</remarks>
    public static Errno RemoveTree(AufsSuperBlock sb, Branch branch, Dentry parent, Dentry directory)
    {
        var names = new NameCollector();
        var error = BranchListing.Read(sb, branch, directory, names);
        if (error == Errno.OK && names.Names.Exists(static n => !IsReserved(n)))
            return Errno.ENOTEMPTY; // a name beside its own whiteout, which no listing shows
        foreach (var name in names.Names)
        {
            if (error == Errno.OK)
                error = Remove(sb, directory, name);
        }
        return error == Errno.OK ? Namei.VfsRmdir(sb.Kernel, parent.Inode!, directory) : error;
    }

    // ---- what stands at the root of a writable branch -----------------------------------------------------------------------------------------

    /// <summary>Makes or finds the base whiteout and the directories for pseudo-links and orphans; what options rule out is removed.</summary>
    /// <returns>EEXIST (a name is taken by something of another type), then what the branch says.</returns>
    /// <remarks>aufs fs/aufs/whout.c: au_wh_init().</remarks>
    public static Errno Prepare(AufsSuperBlock sb, Branch branch)
    {
        bool links = (branch.Attributes & BranchAttributes.NoLinkWh) == 0;
        var error = links ? MakeBase(sb, branch) : Remove(sb, branch.Root, BaseName);
        if (error == Errno.OK)
            error = PreparePlinks(sb, branch);
        if (error == Errno.OK)
            error = MakeDirectory(sb, branch, OrphanName, out _);
        if (error != Errno.OK)
            sb.Log("au_wh_init", $"an error({-(int)error}) on the writable branch {Encoding.Latin1.GetString(PathOf(sb, branch))}({branch.Root.Sb.Type.Name})");
        return error;
    }

    /// <summary>The directory of pseudo-links, as <c>plink</c> and <c>noplink</c> want it.</summary>
    public static Errno PreparePlinks(AufsSuperBlock sb, Branch branch)
    {
        branch.PlinkDirectory = null;
        if (sb.Options.NoPlink)
            return RemoveDirectory(sb, branch, PlinkName);
        var error = MakeDirectory(sb, branch, PlinkName, out var directory);
        branch.PlinkDirectory = directory;
        return error;
    }

    private static Errno MakeBase(AufsSuperBlock sb, Branch branch)
    {
        var entry = Namei.LookupOne(sb.Kernel, branch.Root, BaseName);
        if (!entry.IsOk)
            return entry.Error;
        var error = Errno.OK;
        if (entry.Value.IsNegative)
            error = Namei.VfsCreate(sb.Kernel, branch.Root.Inode!, entry.Value, Permissions);
        else if (!entry.Value.Inode!.IsRegular)
        {
            sb.Log("au_wh_init_rw", $"unknown {Encoding.Latin1.GetString(branch.Root.Name)}/{Encoding.Latin1.GetString(BaseName)} exists");
            return Errno.EEXIST;
        }
        branch.WhiteoutBase = error == Errno.OK ? entry.Value : null;
        return error;
    }

    private static Errno MakeDirectory(AufsSuperBlock sb, Branch branch, ReadOnlySpan<byte> name, out Dentry? directory)
    {
        directory = null;
        var entry = Namei.LookupOne(sb.Kernel, branch.Root, name);
        if (!entry.IsOk)
            return entry.Error;
        var error = Errno.OK;
        if (entry.Value.IsNegative)
            error = Namei.VfsMkdir(sb.Kernel, branch.Root.Inode!, entry.Value, Mode.S_IRWXU);
        else if (!entry.Value.IsDirectory)
        {
            sb.Log("au_whdir", $"unknown {Encoding.Latin1.GetString(name)} exists");
            return Errno.EEXIST;
        }
        directory = error == Errno.OK ? entry.Value : null;
        return error;
    }

    private static Errno RemoveDirectory(AufsSuperBlock sb, Branch branch, ReadOnlySpan<byte> name)
    {
        var entry = Namei.LookupOne(sb.Kernel, branch.Root, name);
        if (!entry.IsOk || !entry.Value.IsDirectory)
            return entry.Error;
        var error = Namei.VfsRmdir(sb.Kernel, branch.Root.Inode!, entry.Value);
        if (error != Errno.OK)
            sb.Log("au_wh_clean", $"failed removing {Encoding.Latin1.GetString(name)} ({-(int)error}), ignored.");
        return Errno.OK;
    }

    /// <summary>The branch is written to no longer: what <see cref="Prepare"/> made goes, as far as it is empty.</summary>
    public static void Clean(AufsSuperBlock sb, Branch branch)
    {
        _ = Remove(sb, branch.Root, BaseName); // a branch that has become read-only keeps it
        _ = RemoveDirectory(sb, branch, PlinkName); // says in the log what it cannot do
        _ = RemoveDirectory(sb, branch, OrphanName);
        branch.WhiteoutBase = branch.PlinkDirectory = null;
    }

    /// <summary>The path of a branch's root as whoever mounted the union sees it now.</summary>
    public static byte[] PathOf(AufsSuperBlock sb, Branch branch) => PathOf(sb.Kernel.Root, branch);

    /// <summary>The path of a branch's root as seen from a root.</summary>
    public static byte[] PathOf(in VfsPath from, Branch branch)
    {
        Span<byte> buffer = stackalloc byte[Limits.PATH_MAX];
        var length = PathWalk.Print(branch.Path, from, buffer, out _);
        return length.IsOk ? buffer[^length.Value..].ToArray() : [];
    }
}
