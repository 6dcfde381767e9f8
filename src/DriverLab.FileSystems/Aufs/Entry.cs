using DriverLab.Linux;
using DriverLab.Vfs;

namespace DriverLab.FileSystems.Aufs;

/// <summary>A name in the union, and what it is made of on each branch.</summary>
/// <remarks>aufs fs/aufs/dentry.h: struct au_dinfo.</remarks>
internal sealed class AufsDentry : Dentry
{
    public AufsDentry(AufsSuperBlock sb, Dentry? parent, byte[] name) : base(sb, parent, name) => SetFlag(DentryFlags.Revalidates, true);

    public new AufsSuperBlock Sb => (AufsSuperBlock)base.Sb;
    public new AufsDentry Parent => (AufsDentry)base.Parent;
    public new AufsInode? Inode => (AufsInode?)base.Inode;

    /// <summary>The objects of this name, top branch first. One for anything but a directory.</summary>
    public BranchEntry[] Entries { get; set; } = [];

    /// <summary>The branch whose whiteout ended the search; null without one.</summary>
    public Branch? WhiteoutBranch { get; set; }

    /// <summary>The branch on which the directory is marked as hiding what is below.</summary>
    public Branch? OpaqueBranch { get; set; }

    /// <summary>The entry on a branch, or null.</summary>
    public Dentry? On(Branch branch)
    {
        foreach (var entry in Entries)
        {
            if (ReferenceEquals(entry.Branch, branch))
                return entry.Dentry;
        }
        return null;
    }

    public BranchEntry Top => Entries[0];

    /// <summary>Puts an entry in, in the order of the branches.</summary>
    public void Set(Branch branch, Dentry dentry) => Entries = BranchEntries.With(Sb, Entries, new(branch, dentry));

    /// <summary>Takes the entry of a branch out.</summary>
    public void Remove(Branch branch) => Entries = Array.FindAll(Entries, e => !ReferenceEquals(e.Branch, branch));

    /// <summary>Is what the name was found to be still true on the branches? Only what it is made of is looked at: a new object over a lower one goes unnoticed.</summary>
    /// <remarks>aufs fs/aufs/dentry.c: aufs_d_revalidate(), h_d_revalidate().</remarks>
    public override SysResult<bool> Revalidate(Caller caller)
    {
        if (IsRoot)
            return true;
        if (Sb.Options.Udba == Udba.None)
            return true;
        if (Inode is not { } inode)
            return IsStillNegative();
        // The last link of a file can go while a name that noplink cut off is still cached.
        if (inode.Reals.Length == 0)
            return false;
        foreach (var entry in Entries)
        {
            if (!IsCurrent(entry))
            {
                inode.ForgetIfGone();
                return false;
            }
        }
        inode.CopyAttributes();
        return true;
    }

    private bool IsCurrent(in BranchEntry entry) =>
        entry.Dentry.IsHashed && ReferenceEquals(entry.Dentry.Parent, Parent.On(entry.Branch)) && entry.Dentry.Name.SequenceEqual(Name);

    private bool IsStillNegative()
    {
        if (Parent.Entries is not [var top, ..] || !top.Branch.IsWritable || WhiteoutBranch is not null)
            return true;
        var found = Namei.LookupHash(Sb.Kernel, top.Dentry, Name);
        return !found.IsOk || found.Value.IsNegative;
    }
}

/// <summary>Lists of entries in the order of the branches.</summary>
internal static class BranchEntries
{
    /// <summary>The list with an entry more, or with that branch's entry replaced.</summary>
    public static BranchEntry[] With(AufsSuperBlock sb, BranchEntry[] entries, BranchEntry added)
    {
        int index = sb.IndexOf(added.Branch);
        var result = new List<BranchEntry>(entries.Length + 1);
        foreach (var entry in entries)
        {
            if (!ReferenceEquals(entry.Branch, added.Branch))
                result.Add(entry);
        }
        int at = result.FindIndex(e => sb.IndexOf(e.Branch) > index);
        result.Insert(at < 0 ? result.Count : at, added);
        return [.. result];
    }
}
