using System.Text;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Vfs;

namespace DriverLab.FileSystems.Aufs;

/// <summary>A branch as options name it.</summary>
/// <param name="Path">Its root.</param>
/// <param name="Text">The path as typed, for messages.</param>
/// <param name="Permission">What it is for.</param>
/// <param name="Attributes">Its attributes.</param>
/// <param name="Index">Where it goes: 0 is the top, -1 the end.</param>
/// <param name="IsRemount">A branch that is there already is no error.</param>
internal readonly record struct NewBranch(VfsPath Path, string Text, BranchPermission Permission, BranchAttributes Attributes, int Index, bool IsRemount);

/// <summary>Adds, deletes and modifies branches, with what is open.</summary>
/// <remarks>aufs fs/aufs/branch.c: au_br_add(), test_add(), au_br_del(), au_br_mod().</remarks>
internal static class BranchChanges
{
    private static readonly string[] s_unsupported = ["proc", "sysfs", "configfs", "debugfs", "securityfs", "aufs", "ecryptfs"];

    // ---- adding ---------------------------------------------------------------------------------------------------------------------------------

    /// <returns>EINVAL, ENOSPC, EDOM, ENOENT, then what the branch says.</returns>
    public static Errno Add(AufsSuperBlock sb, in NewBranch wanted)
    {
        if (sb.FindBranch(wanted.Path.Dentry) is not null)
            return wanted.IsRemount ? Errno.OK : Refuse(sb, $"{wanted.Text} duplicated");
        int index = wanted.Index < 0 ? sb.Branches.Count : wanted.Index;
        var error = Test(sb, wanted, index);
        if (error != Errno.OK)
            return error;
        var branch = new Branch(sb.NextBranchId(), wanted.Path, wanted.Permission, wanted.Attributes);
        if (branch.IsWritable)
            error = Whiteouts.Prepare(sb, branch);
        if (error != Errno.OK)
            return error;
        branch.Path.Hold();
        sb.InsertBranch(index, branch);
        BranchRefresh.Run(sb);
        return Errno.OK;
    }

    private static Errno Test(AufsSuperBlock sb, in NewBranch wanted, int index)
    {
        var (mount, root) = wanted.Path;
        if (sb.Branches.Count >= AufsSuperBlock.MaxBranches)
            return Refuse(sb, $"number of branches exceeded {wanted.Text}", Errno.ENOSPC);
        if (index > sb.Branches.Count)
            return Refuse(sb, $"bad index {(wanted.Index == int.MaxValue ? -1 : wanted.Index)}", Errno.EDOM);
        if (root.IsUnlinked)
            return Refuse(sb, $"no existence {wanted.Text}", Errno.ENOENT);
        if (ReferenceEquals(root.Sb, sb))
            return Refuse(sb, $"{wanted.Text} must be outside");
        string type = root.Sb.Type.Name;
        if (s_unsupported.Contains(type))
            return Refuse(sb, $"unsupported filesystem, {wanted.Text} ({type})");
        if (root.Sb.StackDepth > 0)
            return Refuse(sb, $"already stacked, {wanted.Text} ({type})");
        if (wanted.Permission == BranchPermission.Rw && mount.IsReadOnly)
        {
            sb.Log("test_br", $"write permission for readonly mount or inode, {wanted.Text}");
            return Errno.EINVAL;
        }
        foreach (var other in sb.Branches)
        {
            if (ReferenceEquals(other.Root.Sb, root.Sb) && (other.Root.IsAncestorOf(root) || root.IsAncestorOf(other.Root)))
                return Refuse(sb, $"{wanted.Text} is overlapped");
        }
        if (sb.Branches.Count > 0 && !sb.Options.NoWarnPerm)
            WarnAboutPermissions(sb, wanted, sb.Branches[0].Root.Inode!, root.Inode!);
        return Errno.OK;
    }

    private static Errno Refuse(AufsSuperBlock sb, string text, Errno error = Errno.EINVAL)
    {
        sb.Log("test_add", text);
        return error;
    }

    private static void WarnAboutPermissions(AufsSuperBlock sb, in NewBranch wanted, Inode top, Inode added)
    {
        const Mode bits = Mode.S_IALLUGO;
        if ((top.Mode & bits) == (added.Mode & bits) && top.Uid == added.Uid && top.Gid == added.Gid)
            return;
        sb.Log("test_add", $"uid/gid/perm {wanted.Text} {added.Uid}/{added.Gid}/0{Octal(added)}, {top.Uid}/{top.Gid}/0{Octal(top)}");
    }

    private static string Octal(Inode inode) => Convert.ToString((int)(inode.Mode & Mode.S_IALLUGO), 8);

    // ---- deleting -------------------------------------------------------------------------------------------------------------------------------

    /// <returns>ENOENT (no branch, at mount), EBUSY (the last one, or something on it is in use).</returns>
    public static Errno Delete(AufsSuperBlock sb, in VfsPath path, string text, bool isRemount)
    {
        if (sb.FindBranch(path.Dentry) is not { } branch)
        {
            if (isRemount)
                return Errno.OK;
            sb.Log("au_br_del", $"{text} no such branch");
            return Errno.ENOENT;
        }
        if (sb.Branches.Count == 1 || IsBusy(sb, branch))
            return Errno.EBUSY;
        sb.RemoveBranch(branch);
        BranchRefresh.Run(sb);
        branch.Path.Release();
        sb.Policies.Forget();
        return Errno.OK;
    }

    private static bool IsBusy(AufsSuperBlock sb, Branch branch)
    {
        int files = 0;
        foreach (var file in sb.OpenFiles)
        {
            var inode = (AufsInode)file.Inode;
            if (inode.IsDirectory ? !file.Dentry.IsRoot && file.Dentry.On(branch) is not null : ReferenceEquals(inode.Top.Branch, branch))
                files++;
        }
        if (files > 0)
        {
            if (sb.Options.Verbose)
                sb.Log("au_br_del", $"{files} file(s) opened");
            return true;
        }
        foreach (var inode in sb.Inodes)
        {
            if (!inode.IsPinned || inode.Reals.Length != 1 || !ReferenceEquals(inode.Top.Branch, branch))
                continue;
            if (sb.Options.Verbose)
                sb.Log("test_inode_busy", $"busy i{inode.Ino}");
            return true;
        }
        return false;
    }

    // ---- modifying ------------------------------------------------------------------------------------------------------------------------------

    /// <returns>ENOENT (no branch), EBUSY (a file of it that is open was mapped), EINVAL (a read-only mount).</returns>
    public static Errno Modify(AufsSuperBlock sb, in VfsPath path, string text, BranchPermission permission, BranchAttributes attributes)
    {
        if (sb.FindBranch(path.Dentry) is not { } branch)
        {
            sb.Log("au_br_mod", $"{text} no such branch");
            return Errno.ENOENT;
        }
        bool becomesWritable = permission == BranchPermission.Rw, isWritable = branch.Permission == BranchPermission.Rw;
        if (isWritable && !becomesWritable)
        {
            foreach (var file in sb.OpenFiles)
            {
                if (file.WasMapped && ReferenceEquals(((AufsInode)file.Inode).Top.Branch, branch))
                    return Errno.EBUSY;
            }
            Whiteouts.Clean(sb, branch);
        }
        if (becomesWritable && branch.Path.Mount.IsReadOnly)
        {
            sb.Log("test_br", $"write permission for readonly mount or inode, {text}");
            return Errno.EINVAL;
        }
        bool changesLinks = ((branch.Attributes ^ attributes) & BranchAttributes.NoLinkWh) != 0;
        (branch.Permission, branch.Attributes) = (permission, attributes);
        var error = becomesWritable && (!isWritable || changesLinks) ? Whiteouts.Prepare(sb, branch) : Errno.OK;
        if (branch.WhiteoutBase is not null && (attributes & BranchAttributes.NoLinkWh) != 0)
            branch.WhiteoutBase = null;
        sb.Policies.Forget();
        BranchRefresh.Run(sb);
        return error;
    }

    /// <summary>plink and noplink.</summary>
    public static Errno SetPlink(AufsSuperBlock sb, bool on)
    {
        if (sb.Options.NoPlink == !on)
            return Errno.OK;
        sb.Options.NoPlink = !on;
        if (!on)
            PseudoLinks.Forget(sb);
        foreach (var branch in sb.Branches)
        {
            if (!branch.IsWritable)
                continue;
            var error = Whiteouts.PreparePlinks(sb, branch);
            if (error != Errno.OK)
                return error;
        }
        return Errno.OK;
    }
}

/// <summary>Makes what is in memory fit the branches as they are now: entries that can be kept are, the others are looked up again when somebody asks.</summary>
/// <remarks>aufs fs/aufs/super.c: aufs_remount_refresh().</remarks>
internal static class BranchRefresh
{
    public static void Run(AufsSuperBlock sb)
    {
        var root = sb.Root;
        root.Entries = [.. sb.Branches.Select(static b => new BranchEntry(b, b.Root))];
        root.Inode!.SetReals(root.Entries);
        ((AufsDirectory)root.Inode).NoteChange();
        foreach (var file in sb.OpenFiles)
        {
            if (file.Dentry.IsUnlinked)
                file.Dentry.Entries = WithoutGone(file.Dentry.Entries);
        }
        Children(root);
        foreach (var inode in sb.Inodes.ToArray())
        {
            if (Array.TrueForAll(inode.Reals, static r => r.Branch.IsGone))
            {
                inode.Nlink = 0; // nothing of it is left, and nobody uses it: that would have kept the branch
                inode.DropIfUnused();
            }
            else if (Array.Exists(inode.Reals, static r => r.Branch.IsGone))
                inode.SetReals(WithoutGone(inode.Reals));
        }
    }

    private static BranchEntry[] WithoutGone(BranchEntry[] entries) => Array.FindAll(entries, static e => !e.Branch.IsGone);

    private static void Children(AufsDentry directory)
    {
        var children = new List<AufsDentry>();
        for (var child = directory.NewestChild; child is not null; child = child.NextChild)
            children.Add((AufsDentry)child);
        foreach (var child in children)
        {
            if (!BranchLookup.Again(child))
                child.Invalidate();
            else if (child.IsDirectory)
            {
                ((AufsDirectory)child.Inode!).NoteChange();
                Children(child);
            }
        }
    }
}
