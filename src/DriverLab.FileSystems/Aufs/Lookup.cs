using System.Text;
using DriverLab.Linux;
using DriverLab.Vfs;

namespace DriverLab.FileSystems.Aufs;

/// <summary>Finds what a name is made of: branch by branch from the top, in each first the whiteout, then the name, then for a directory the opaque mark.</summary>
/// <remarks>aufs fs/aufs/dentry.c: au_lkup_dentry(), au_do_lookup().</remarks>
internal static class BranchLookup
{
    /// <summary>What was found.</summary>
    public struct Result
    {
        public BranchEntry[] Entries;
        public Branch? Whiteout;
        public Branch? Opaque;
    }

    /// <summary>Looks a name up and ends with <see cref="Dentry.Add"/>.</summary>
    /// <returns>EPERM (a name of aufs's own), ENAMETOOLONG, EIO (whiteout of a wrong type, or name and whiteout on one branch).</returns>
    public static Errno Run(AufsDentry dentry)
    {
        var error = CheckName(dentry.Sb, dentry.Name);
        if (error != Errno.OK)
            return error;
        error = Find(dentry.Parent, dentry.Name, out var found);
        if (error != Errno.OK)
            return error;
        var inode = found.Entries.Length == 0 ? null : dentry.Sb.GetInode(found.Entries);
        if (inode is not null && PseudoLinks.IsOutOfReach(inode, found.Entries[0].Branch))
            throw dentry.Sb.Oops("a pseudo-link is looked up on a branch that has become read-only (null pointer)");
        Take(dentry, found);
        dentry.Add(inode);
        return Errno.OK;
    }

    private static void Take(AufsDentry dentry, in Result found)
    {
        dentry.Entries = found.Entries;
        dentry.WhiteoutBranch = found.Whiteout;
        dentry.OpaqueBranch = found.Opaque;
    }

    /// <returns>ENAMETOOLONG, EPERM.</returns>
    public static Errno CheckName(AufsSuperBlock sb, ReadOnlySpan<byte> name)
    {
        if (name.Length > AufsSuperBlock.NameLimit)
            return Errno.ENAMETOOLONG;
        return Whiteouts.IsReserved(name) && !sb.Options.ShowWhiteouts ? Errno.EPERM : Errno.OK;
    }

    /// <summary>Looks in the branches that a directory is on.</summary>
    public static Errno Find(AufsDentry parent, ReadOnlySpan<byte> name, out Result found) => Find(parent.Sb, parent.Entries, name, out found);

    /// <summary>Looks in some of them.</summary>
    public static Errno Find(AufsSuperBlock sb, ReadOnlySpan<BranchEntry> directories, ReadOnlySpan<byte> name, out Result found)
    {
        found = default;
        var entries = new List<BranchEntry>(1);
        var whiteoutName = Whiteouts.NameOf(name);
        var error = Errno.OK;
        foreach (var directory in directories)
        {
            bool isLast = false;
            Dentry? whiteout = null;
            if (directory.Branch.HasWhiteouts)
                error = Whiteouts.Find(sb, directory.Dentry, whiteoutName, out whiteout);
            if (error != Errno.OK)
                break;
            if (whiteout is not null)
            {
                found.Whiteout = directory.Branch;
                isLast = true;
            }
            error = FindOne(sb, directory, name, whiteout is not null, entries, ref found, ref isLast);
            if (error != Errno.OK || isLast)
                break;
        }
        found.Entries = [.. entries];
        return error;
    }

    private static Errno FindOne(AufsSuperBlock sb, in BranchEntry directory, ReadOnlySpan<byte> name, bool isHidden, List<BranchEntry> entries, ref Result found, ref bool isLast)
    {
        if (isHidden && sb.Options.Udba == Udba.None)
            return Errno.OK;
        var entry = Namei.LookupOne(sb.Kernel, directory.Dentry, name);
        if (!entry.IsOk)
            return entry.Error == Errno.ENAMETOOLONG ? Errno.OK : entry.Error;
        if (entry.Value.IsNegative)
            return Errno.OK;
        if (isHidden)
        {
            sb.Log("au_lkup_dentry", $"I/O Error, both of real entry and whiteout found, {Encoding.Latin1.GetString(name)}, err -5");
            return Errno.EIO;
        }
        // What lies under something of another type does not count, but does not end the search either.
        if (entries.Count > 0 && !entry.Value.IsDirectory)
            return Errno.OK;
        entries.Add(new(directory.Branch, entry.Value));
        if (!entry.Value.IsDirectory)
        {
            isLast = true;
            return Errno.OK;
        }
        if (!directory.Branch.HasWhiteouts)
            return Errno.OK;
        var error = Whiteouts.Find(sb, entry.Value, Whiteouts.OpaqueName, out var mark);
        if (mark is not null)
        {
            found.Opaque = directory.Branch;
            isLast = true;
        }
        return error;
    }

    /// <summary>Something of that name would show below a branch if nothing stood there.</summary>
    /// <remarks>aufs fs/aufs/i_op_del.c: au_wh_may_add() with au_lkup_dentry() below.</remarks>
    public static Errno ExistsBelow(AufsDentry parent, Branch branch, ReadOnlySpan<byte> name, out bool exists)
    {
        int index = parent.Sb.IndexOf(branch);
        var below = Array.FindAll(parent.Entries, e => parent.Sb.IndexOf(e.Branch) > index);
        var error = Find(parent.Sb, below, name, out var found);
        exists = found.Entries is { Length: > 0 };
        return error;
    }

    /// <summary>Would a directory of that name on a branch be merged with one below? What is no directory does not end the search, a whiteout does.</summary>
    public static Errno DirectoryBelow(AufsDentry parent, Branch branch, ReadOnlySpan<byte> name, out bool exists)
    {
        exists = false;
        var sb = parent.Sb;
        int index = sb.IndexOf(branch);
        foreach (var directory in parent.Entries)
        {
            if (sb.IndexOf(directory.Branch) <= index)
                continue;
            Dentry? whiteout = null;
            var error = directory.Branch.HasWhiteouts ? Whiteouts.Find(sb, directory.Dentry, Whiteouts.NameOf(name), out whiteout) : Errno.OK;
            if (error != Errno.OK || whiteout is not null)
                return error;
            var entry = Namei.LookupOne(sb.Kernel, directory.Dentry, name);
            exists = entry is { IsOk: true, Value.IsDirectory: true };
            if (exists)
                break;
        }
        return Errno.OK;
    }

    /// <summary>Looks a cached name up again after the branches have changed.</summary>
    /// <returns>False: it is something else now, and the entry has to go.</returns>
    public static bool Again(AufsDentry dentry)
    {
        if (dentry.Inode is not { } inode || Find(dentry.Parent, dentry.Name, out var found) != Errno.OK || found.Entries.Length == 0)
            return false;
        bool isSame = inode.IsDirectory ? found.Entries[0].Dentry.IsDirectory
            : inode.Has(found.Entries[0].Branch, found.Entries[0].Inode) && ReferenceEquals(found.Entries[0].Branch, dentry.Entries[0].Branch);
        if (!isSame || PseudoLinks.IsOutOfReach(inode, found.Entries[0].Branch))
            return false;
        Take(dentry, found);
        if (inode.IsDirectory)
            inode.SetReals(found.Entries);
        inode.CopyAttributes();
        return true;
    }
}
