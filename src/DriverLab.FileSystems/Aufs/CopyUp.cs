using System.Text;
using DriverLab.FileSystems.Layers;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Simulation;
using DriverLab.Vfs;

namespace DriverLab.FileSystems.Aufs;

/// <summary>Brings an object to a writable branch: the directories above it first, each alone, then itself under a temporary name that is renamed when all is there.</summary>
/// <remarks>aufs fs/aufs/cpup.c: au_cpup_single(), au_cpup_dirs(); i_op.c: au_pin_and_icpup(). The rename is visible: it stamps the directory.</remarks>
internal static class CopyUp
{
    /// <summary>The object is going to be changed: makes sure that it is on a writable branch under this name.</summary>
    /// <returns>EROFS, EIO (a hard link that was broken by <c>noplink</c>), then what the branch says.</returns>
    public static Errno ForChange(AufsDentry dentry, AufsInode inode)
    {
        var top = inode.Top.Branch;
        if (dentry.IsRoot)
            return top.IsWritable ? Errno.OK : Errno.EROFS;
        if (dentry.IsUnlinked || inode.Nlink == 0 && !inode.IsDirectory)
            return top.IsWritable ? Errno.OK : Hidden(dentry, inode);
        bool isAtTop = ReferenceEquals(dentry.Top.Branch, top);
        if (isAtTop && top.IsWritable)
            return Errno.OK;
        if (!isAtTop && top.IsWritable)
            return LinkUp(dentry, inode);
        var target = dentry.Sb.Policies.ForCopyUp(dentry);
        return target.IsOk ? To(dentry, target.Value) : target.Error;
    }

    /// <summary>Brings an object to a branch above the one it is on.</summary>
    public static Errno To(AufsDentry dentry, Branch branch)
    {
        var inode = dentry.Inode!;
        if (dentry.On(branch) is not null)
            return Errno.OK;
        if (!inode.IsDirectory && Array.Exists(inode.Reals, r => ReferenceEquals(r.Branch, branch)))
            return LinkUp(dentry, inode);
        var error = Parents(dentry, branch);
        return error == Errno.OK ? Whole(dentry, branch) : error;
    }

    private static Errno Whole(AufsDentry dentry, Branch branch)
    {
        var inode = dentry.Inode!;
        var directory = dentry.Parent.On(branch)!;
        var error = One(inode, dentry.Top, dentry.Name, branch, directory, out var copy);
        if (error == Errno.OK && ReferenceEquals(dentry.WhiteoutBranch, branch))
            error = ReplaceWhiteout(dentry, branch, directory, copy!);
        return error == Errno.OK ? Appear(dentry, inode, branch, copy!) : error;
    }

    /// <summary>A directory comes down to a branch whose whiteout hid what is below: from now on its mark does.</summary>
    private static Errno ReplaceWhiteout(AufsDentry dentry, Branch branch, Dentry directory, Dentry copy)
    {
        var sb = dentry.Sb;
        var error = Whiteouts.MarkOpaque(sb, sb.Kernel, branch, copy);
        if (error == Errno.OK)
            error = Whiteouts.Remove(sb, directory, Whiteouts.NameOf(dentry.Name));
        if (error != Errno.OK)
            return error;
        dentry.WhiteoutBranch = null;
        dentry.OpaqueBranch = branch;
        return Errno.OK;
    }

    /// <summary>Makes sure that the directory of a name is on a branch.</summary>
    public static Errno Parents(AufsDentry dentry, Branch branch)
    {
        while (dentry.Parent.On(branch) is null)
        {
            var next = dentry.Parent;
            while (next.Parent.On(branch) is null)
                next = next.Parent;
            var error = Whole(next, branch);
            if (error != Errno.OK)
                return error;
        }
        return Errno.OK;
    }

    private static Errno Appear(AufsDentry dentry, AufsInode inode, Branch branch, Dentry copy)
    {
        if (inode.IsDirectory)
            dentry.Set(branch, copy);
        else
            dentry.Entries = [new(branch, copy)];
        bool links = !inode.IsDirectory && inode.Nlink > 1 && branch.PlinkDirectory is not null;
        inode.IsPseudoLinked |= links;
        inode.SetReal(branch, copy);
        inode.CopyAttributes();
        if (inode.IsDirectory)
            ((AufsDirectory)inode).Version++;
        dentry.Parent.Inode!.CopyAttributes();
        return links ? PseudoLinks.Add(inode, branch, copy) : Errno.OK;
    }

    // ---- one object -----------------------------------------------------------------------------------------------------------------------------

    /// <summary>Copies a lower object to another name only: a link that was never made on the branch. The old name is served through the pseudo-link.</summary>
    public static Errno AsName(AufsDentry source, ReadOnlySpan<byte> name, Branch branch, Dentry directory, out Dentry? copy)
    {
        var inode = source.Inode!;
        var error = One(inode, source.Top, name, branch, directory, out copy);
        if (error != Errno.OK)
            return error;
        inode.IsPseudoLinked = branch.PlinkDirectory is not null;
        inode.SetReal(branch, copy!);
        inode.CopyAttributes();
        return inode.IsPseudoLinked ? PseudoLinks.Add(inode, branch, copy!) : Errno.OK;
    }

    private static Errno One(AufsInode inode, in BranchEntry source, ReadOnlySpan<byte> name, Branch branch, Dentry directory, out Dentry? copy)
    {
        copy = null;
        var sb = inode.Aufs;
        var temp = Namei.LookupOne(sb.Kernel, directory, Whiteouts.TempName(sb, name));
        if (!temp.IsOk)
            return temp.Error;
        var error = MakeAndFill(sb, inode, source, branch, directory, temp.Value);
        if (error == Errno.OK)
        {
            var entry = Namei.LookupOne(sb.Kernel, directory, name);
            error = entry.IsOk ? Namei.VfsRename(sb.Kernel, directory.Inode!, temp.Value, directory.Inode!, entry.Value, RenameFlags.None) : entry.Error;
        }
        if (error == Errno.OK)
            copy = temp.Value;
        else if (temp.Value.IsPositive)
            Discard(sb, inode, directory, temp.Value);
        return error;
    }

    private static void Discard(AufsSuperBlock sb, AufsInode inode, Dentry directory, Dentry temp)
    {
        var error = inode.IsDirectory ? Namei.VfsRmdir(sb.Kernel, directory.Inode!, temp) : Namei.VfsUnlink(sb.Kernel, directory.Inode!, temp);
        if (error != Errno.OK)
            sb.Log("au_cpup_single", $"I/O Error, failed removing broken entry({-(int)error}, {-(int)error})");
    }

    private static Errno MakeAndFill(AufsSuperBlock sb, AufsInode inode, in BranchEntry source, Branch branch, Dentry directory, Dentry temp)
    {
        var error = Make(sb, source, directory.Inode!, temp);
        if (error == Errno.OK && inode.IsRegular)
            error = CopyData(sb, source, branch.At(temp));
        if (error != Errno.OK)
            return error;
        error = source.Inode.GetAttr(sb.Kernel, source.Path, StatxMask.STATX_BASIC_STATS, AtFlags.None, out var stat);
        if (error == Errno.OK)
            error = CopyAttributes.Xattrs(sb.Kernel, source.Dentry, temp, _ => !sb.Core.IsMutated(Mutation.CopyUpLosesXattrs), (name, refusal) => Ignores(branch.Attributes, name));
        return error == Errno.OK ? CopyAttributes.OwnerModeTimes(sb.Kernel, temp, stat) : error;
    }

    private static Errno Make(AufsSuperBlock sb, in BranchEntry source, Inode directory, Dentry temp)
    {
        var mode = source.Inode.Mode & Mode.S_IALLUGO;
        switch (source.Inode.Type)
        {
            case Mode.S_IFREG:
                return Namei.VfsCreate(sb.Kernel, directory, temp, mode);
            case Mode.S_IFDIR:
                return Namei.VfsMkdir(sb.Kernel, directory, temp, mode);
            case Mode.S_IFLNK:
                var link = source.Inode.GetLink(sb.Kernel, source.Dentry);
                return link.IsOk ? Namei.VfsSymlink(sb.Kernel, directory, temp, link.Value.Text.Span) : link.Error;
            default:
                return Namei.VfsMknod(sb.Kernel, directory, temp, source.Inode.Mode, source.Inode.Rdev);
        }
    }

    private static Errno CopyData(AufsSuperBlock sb, in BranchEntry source, in VfsPath target)
    {
        if (source.Inode.Size == 0)
            return Errno.OK;
        var from = Files.DentryOpen(sb.Kernel, source.Path, OpenFlags.O_RDONLY | OpenFlags.O_LARGEFILE | OpenFlags.O_NOATIME);
        if (!from.IsOk)
            return from.Error;
        var to = Files.DentryOpen(sb.Kernel, target, OpenFlags.O_WRONLY | OpenFlags.O_LARGEFILE);
        var error = to.Error;
        if (to.IsOk)
        {
            error = CopyContent.CopyWithoutZeros(sb.Kernel, from.Value, to.Value, source.Inode.Size);
            to.Value.Put();
        }
        from.Value.Put();
        return error == Errno.OK ? CopyAttributes.Size(sb.Kernel, target.Dentry, source.Inode.Size) : error;
    }

    /// <summary>May this attribute stay behind when the branch refuses it?</summary>
    /// <remarks>aufs fs/aufs/xattr.c: au_ignore(); only the target's <c>icex</c> attributes count.</remarks>
    private static bool Ignores(BranchAttributes attributes, ReadOnlySpan<byte> name)
    {
        var needed = name.StartsWith("security."u8) ? BranchAttributes.IcexSec
            : name.StartsWith("system."u8) ? BranchAttributes.IcexSys
            : name.StartsWith("trusted."u8) ? BranchAttributes.IcexTr
            : name.StartsWith("user."u8) ? BranchAttributes.IcexUsr : BranchAttributes.IcexOth;
        return (attributes & needed) != 0;
    }

    // ---- special cases --------------------------------------------------------------------------------------------------------------------------

    /// <summary>The object is on a writable branch, but not under this name: a hard link. Pseudo-linked names are linked there; others are lost.</summary>
    /// <returns>EIO.</returns>
    public static Errno LinkUp(AufsDentry dentry, AufsInode inode)
    {
        var sb = dentry.Sb;
        var top = inode.Top;
        if (!inode.IsPseudoLinked || sb.Options.NoPlink)
        {
            sb.Log("au_cpup_single", $"I/O Error, hi{top.Inode.Ino}(i{inode.Ino}) exists on b{sb.IndexOf(top.Branch)} but plink is disabled");
            return Errno.EIO;
        }
        var error = Parents(dentry, top.Branch);
        if (error != Errno.OK)
            return error;
        var directory = dentry.Parent.On(top.Branch)!;
        error = PseudoLinks.LinkName(inode, directory, dentry.Name, out var made);
        if (error != Errno.OK)
            return error;
        dentry.Entries = [new(top.Branch, made!)];
        return Errno.OK;
    }

    /// <summary>The name is gone but a descriptor is left: the copy never has a name for others to see.</summary>
    /// <remarks>aufs fs/aufs/file.c: au_ready_to_write_wh(). With the directory removed too, the kernel dereferences a null pointer (seen on 6.1).</remarks>
    private static Errno Hidden(AufsDentry dentry, AufsInode inode)
    {
        var sb = dentry.Sb;
        if (dentry.Parent.Inode is { IsDead: true } || dentry.Parent.IsUnlinked)
            throw sb.Oops("an open lower file is copied up whose name and directory are both removed (null pointer)");
        var target = sb.Policies.ForCopyUp(dentry);
        if (!target.IsOk)
            return target.Error;
        var branch = target.Value;
        var error = Parents(dentry, branch);
        if (error != Errno.OK)
            return error;
        var directory = dentry.Parent.On(branch)!;
        var temp = Namei.LookupOne(sb.Kernel, directory, Whiteouts.TempName(sb, dentry.Name));
        if (!temp.IsOk)
            return temp.Error;
        error = MakeAndFill(sb, inode, inode.Top, branch, directory, temp.Value);
        var real = temp.Value.Inode;
        real?.Hold(); // until the inode of the union has it
        if (error == Errno.OK)
        {
            inode.IsHiddenCopy = true;
            inode.SetReal(branch, temp.Value);
            dentry.Entries = [new(branch, temp.Value)];
        }
        if (real is not null)
        {
            var removed = Namei.VfsUnlink(sb.Kernel, directory.Inode!, temp.Value);
            if (removed != Errno.OK)
                sb.Log("au_cpup_wh", $"failed removing {Encoding.Latin1.GetString(temp.Value.Name)} ({-(int)removed})");
            real.Release();
        }
        inode.CopyAttributes();
        return error;
    }
}
