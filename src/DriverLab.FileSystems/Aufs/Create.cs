using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Simulation;
using DriverLab.Vfs;

namespace DriverLab.FileSystems.Aufs;

/// <summary>What is to be made: mode with type, device number, target of a link.</summary>
internal readonly record struct NewObject(Mode Mode, DevT Device = default, byte[]? Target = null);

/// <summary>Makes new names on the branch that the policy chooses. The object comes first, then the whiteout that stood there goes.</summary>
/// <remarks>aufs fs/aufs/i_op_add.c.</remarks>
internal static class Creation
{
    /// <summary>Makes a file, directory, node or link owned by the caller.</summary>
    /// <returns>EPERM (a name of aufs's own), EROFS, then what the branch says.</returns>
    public static Errno NewObject(Caller caller, AufsDentry dentry, NewObject wanted)
    {
        var sb = dentry.Sb;
        bool isDirectory = (wanted.Mode & Mode.S_IFMT) == Mode.S_IFDIR;
        if (Whiteouts.IsReserved(dentry.Name))
            return Errno.EPERM;
        var chosen = sb.Policies.ForCreate(dentry, isDirectory);
        if (!chosen.IsOk)
            return chosen.Error;
        var branch = chosen.Value;
        var error = CopyUp.Parents(dentry, branch);
        if (error != Errno.OK)
            return error;
        var directory = dentry.Parent.On(branch)!;
        var entry = Namei.LookupOne(sb.Kernel, directory, dentry.Name);
        error = entry.IsOk ? Make(CreatorFor(sb, caller), directory.Inode!, entry.Value, wanted) : entry.Error;
        if (error != Errno.OK)
            return error;
        bool marks = isDirectory && !sb.Core.IsMutated(Mutation.OpaqueNotSet) && (sb.Options.AlwaysOpaque || ReferenceEquals(dentry.WhiteoutBranch, branch));
        if (marks)
            error = Whiteouts.MarkOpaque(sb, CreatorFor(sb, caller), branch, entry.Value);
        if (error == Errno.OK)
            error = DropWhiteout(dentry, branch, directory);
        if (error != Errno.OK)
        {
            // The name must not stand beside its whiteout.
            _ = isDirectory ? Whiteouts.RemoveTree(sb, branch, directory, entry.Value) : Namei.VfsUnlink(sb.Kernel, directory.Inode!, entry.Value);
            return error;
        }
        dentry.OpaqueBranch = marks ? branch : null;
        Attach(dentry, branch, entry.Value, sb.NewInode(branch, entry.Value));
        return Errno.OK;
    }

    /// <summary>The caller's ids with all rights: whether the caller may has been asked of the union.</summary>
    public static Caller CreatorFor(AufsSuperBlock sb, Caller caller) => sb.Kernel.With(sb.Kernel.Credentials.WithFsIds(caller.Credentials.Fsuid, caller.Credentials.Fsgid));

    private static Errno Make(Caller creator, Inode directory, Dentry entry, in NewObject wanted) => (wanted.Mode & Mode.S_IFMT) switch
    {
        Mode.S_IFREG => Namei.VfsCreate(creator, directory, entry, wanted.Mode),
        Mode.S_IFDIR => Namei.VfsMkdir(creator, directory, entry, wanted.Mode),
        Mode.S_IFLNK => Namei.VfsSymlink(creator, directory, entry, wanted.Target),
        _ => Namei.VfsMknod(creator, directory, entry, wanted.Mode, wanted.Device),
    };

    private static Errno DropWhiteout(AufsDentry dentry, Branch branch, Dentry directory)
    {
        if (!ReferenceEquals(dentry.WhiteoutBranch, branch))
            return Errno.OK;
        dentry.WhiteoutBranch = null;
        return Whiteouts.Remove(dentry.Sb, directory, Whiteouts.NameOf(dentry.Name));
    }

    private static void Attach(AufsDentry dentry, Branch branch, Dentry real, AufsInode inode)
    {
        dentry.Entries = [new(branch, real)];
        dentry.Instantiate(inode);
        dentry.Rehash();
        ((AufsDirectory)dentry.Parent.Inode!).NoteChange();
    }

    /// <summary>Gives an inode another name, on the branch where it is, or where it is copied up to. With pseudo-links a lower file is copied to the new name alone.</summary>
    /// <remarks>aufs fs/aufs/i_op_add.c: aufs_link(), au_cpup_or_link().</remarks>
    public static Errno Link(AufsDentry old, AufsDentry dentry)
    {
        var sb = dentry.Sb;
        var inode = old.Inode!;
        if (Whiteouts.IsReserved(dentry.Name))
            return Errno.EPERM;
        var chosen = inode.Top.Branch.IsWritable ? inode.Top.Branch : sb.Policies.ForCopyUp(old);
        if (!chosen.IsOk)
            return chosen.Error;
        var branch = chosen.Value;
        if (sb.Policies.NotHidden(dentry, branch) is not { } visible)
            return Errno.EROFS;
        branch = visible;
        var error = CopyUp.Parents(dentry, branch);
        if (error != Errno.OK)
            return error;
        var directory = dentry.Parent.On(branch)!;
        bool isThere = ReferenceEquals(inode.Top.Branch, branch);
        Dentry? made = null;
        if (!isThere && !sb.Options.NoPlink)
            return CopyToName(old, dentry, branch, directory);
        if (!isThere)
            error = CopyUp.To(old, branch);
        if (error != Errno.OK)
            return error;
        if (inode.IsPseudoLinked)
        {
            error = PseudoLinks.LinkName(inode, directory, dentry.Name, out made);
        }
        else
        {
            var entry = Namei.LookupOne(sb.Kernel, directory, dentry.Name);
            error = entry.IsOk ? Namei.VfsLink(sb.Kernel, inode.Top.Dentry, directory.Inode!, entry.Value) : entry.Error;
            made = entry.Value;
        }
        return error == Errno.OK ? AttachLink(inode, dentry, branch, directory, made!) : error;
    }

    private static Errno CopyToName(AufsDentry old, AufsDentry dentry, Branch branch, Dentry directory)
    {
        var inode = old.Inode!;
        var error = CopyUp.AsName(old, dentry.Name, branch, directory, out var copy);
        return error == Errno.OK ? AttachLink(inode, dentry, branch, directory, copy!) : error;
    }

    private static Errno AttachLink(AufsInode inode, AufsDentry dentry, Branch branch, Dentry directory, Dentry made)
    {
        var error = DropWhiteout(dentry, branch, directory);
        if (error != Errno.OK)
            return error;
        if (inode.IsPseudoLinked)
            inode.Nlink++;
        inode.CopyAttributes();
        Attach(dentry, branch, made, inode);
        return Errno.OK;
    }

    /// <summary>Makes a nameless file.</summary>
    public static Errno TmpFile(Caller caller, AufsDentry dentry, Mode mode)
    {
        var sb = dentry.Sb;
        var chosen = sb.Policies.ForCreate(dentry, isDirectory: false);
        if (!chosen.IsOk)
            return chosen.Error;
        var branch = chosen.Value;
        var error = CopyUp.Parents(dentry, branch);
        if (error != Errno.OK)
            return error;
        var made = Namei.VfsTmpfile(CreatorFor(sb, caller), dentry.Parent.On(branch)!, mode);
        if (!made.IsOk)
            return made.Error;
        var inode = sb.NewInode(branch, made.Value);
        inode.Nlink = 0;
        dentry.Entries = [new(branch, made.Value)];
        dentry.Instantiate(inode);
        return Errno.OK;
    }
}
