using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Simulation;
using DriverLab.Vfs;

namespace DriverLab.FileSystems.Aufs;

/// <summary>Removes names: first a whiteout is made if the name would show from below, then the object on the writable branch goes.</summary>
/// <remarks>aufs fs/aufs/i_op_del.c.</remarks>
internal static class Removal
{
    /// <returns>EROFS, then what the branch says.</returns>
    public static Errno Unlink(Caller caller, AufsDentry dentry)
    {
        if (!dentry.Top.Dentry.IsHashed)
            return Errno.OK; // udba=none: what is gone already is not missed
        var error = Prepare(caller, dentry, out var branch, out bool hasWhiteout);
        if (error != Errno.OK)
            return error;
        var sb = dentry.Sb;
        var inode = dentry.Inode!;
        var directory = dentry.Parent.On(branch)!;
        bool isThere = dentry.On(branch) is not null;
        if (isThere)
            error = Namei.VfsUnlink(sb.Kernel, directory.Inode!, dentry.On(branch)!);
        if (error != Errno.OK)
            return Revert(dentry, directory, hasWhiteout, error);
        DropLink(inode, isThere, dentry.Top.Branch);
        ((AufsDirectory)dentry.Parent.Inode!).NoteChange();
        return Errno.OK;
    }

    /// <summary>A name of something is gone.</summary>
    /// <param name="inode">What it led to.</param>
    /// <param name="wasOnBranch">An object was removed on a branch, not only hidden.</param>
    /// <param name="nameWasOn">The branch that the name was on: below the object's where a hard link was broken by noplink, and then other names are left.</param>
    public static void DropLink(AufsInode inode, bool wasOnBranch, Branch nameWasOn)
    {
        if (!inode.IsPseudoLinked && (wasOnBranch || !ReferenceEquals(nameWasOn, inode.Top.Branch)))
            inode.Nlink = inode.Top.Inode.Nlink;
        else if (inode.Nlink > 0)
            inode.Nlink--;
        uint links = inode.Nlink;
        inode.CopyAttributes();
        inode.Nlink = links;
    }

    /// <returns>ENOTEMPTY, EROFS, then what the branch says.</returns>
    public static Errno Rmdir(Caller caller, AufsDentry dentry)
    {
        var sb = dentry.Sb;
        var error = Merge.CheckEmpty(sb, dentry.Entries);
        if (error != Errno.OK)
            return error;
        error = Prepare(caller, dentry, out var branch, out bool hasWhiteout);
        if (error != Errno.OK)
            return error;
        var directory = dentry.Parent.On(branch)!;
        if (dentry.On(branch) is { } real)
        {
            error = Whiteouts.MoveAway(sb, directory, real);
            if (error == Errno.OK)
                error = Whiteouts.RemoveTree(sb, branch, directory, real);
            if (error != Errno.OK && Namei.LookupOne(sb.Kernel, directory, dentry.Name) is { IsOk: true, Value.IsNegative: true } place)
                _ = Namei.VfsRename(sb.Kernel, directory.Inode!, real, directory.Inode!, place.Value, RenameFlags.None); // the first error counts
        }
        if (error != Errno.OK)
            return Revert(dentry, directory, hasWhiteout, error);
        dentry.Inode!.Nlink = 0;
        ((AufsDirectory)dentry.Parent.Inode!).NoteChange();
        return Errno.OK;
    }

    private static Errno Revert(AufsDentry dentry, Dentry directory, bool hasWhiteout, Errno error)
    {
        if (hasWhiteout && Whiteouts.Remove(dentry.Sb, directory, Whiteouts.NameOf(dentry.Name)) is var failed && failed != Errno.OK)
        {
            dentry.Sb.Log("au_lock_hdir", $"I/O Error, failed reverting ({-(int)failed})");
            return Errno.EIO;
        }
        return error;
    }

    /// <summary>Chooses the branch, brings the directory there, and makes the whiteout if one is needed.</summary>
    private static Errno Prepare(Caller caller, AufsDentry dentry, out Branch branch, out bool hasWhiteout)
    {
        var sb = dentry.Sb;
        var top = dentry.Top.Branch;
        hasWhiteout = false;
        var chosen = top.IsWritable ? top : sb.Policies.ForCopyUp(dentry);
        branch = chosen.Value;
        if (!chosen.IsOk)
            return chosen.Error;
        bool needed = !top.IsWritable;
        var error = needed ? Errno.OK : BranchLookup.ExistsBelow(dentry.Parent, branch, dentry.Name, out needed);
        if (error == Errno.OK)
            error = CopyUp.Parents(dentry, branch);
        if (error != Errno.OK || !needed || sb.Core.IsMutated(Mutation.WhiteoutNotMade))
            return error;
        error = Whiteouts.Create(sb, Creation.CreatorFor(sb, caller), branch, dentry.Parent.On(branch)!, dentry.Name);
        hasWhiteout = error == Errno.OK;
        return error;
    }
}
