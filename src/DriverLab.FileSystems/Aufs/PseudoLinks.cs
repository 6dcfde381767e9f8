using System.Globalization;
using System.Text;
using DriverLab.FileSystems.Layers;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Vfs;

namespace DriverLab.FileSystems.Aufs;

/// <summary>Hard links of a lower branch after one of their names was copied up: the copy gets a name in <c>.wh..wh.plnk</c>, from which the others are linked when they are used.</summary>
/// <remarks>aufs fs/aufs/plink.c.</remarks>
internal static class PseudoLinks
{
    /// <summary>The copy is on a branch that has become read-only and lost its directory of pseudo-links, and this name is not linked there: looking it up crashes the kernel.</summary>
    public static bool IsOutOfReach(AufsInode inode, Branch nameIsOn) =>
        inode.IsPseudoLinked && !inode.Aufs.Options.NoPlink && !ReferenceEquals(inode.Top.Branch, nameIsOn) && inode.Top.Branch.PlinkDirectory is null;

    /// <summary>Keeps a copy under a name of the two inode numbers.</summary>
    public static Errno Add(AufsInode inode, Branch branch, Dentry copy)
    {
        var sb = inode.Aufs;
        var entry = Namei.LookupOne(sb.Kernel, branch.PlinkDirectory!, NameOf(inode, copy.Inode!));
        if (!entry.IsOk)
            return entry.Error;
        return entry.Value.IsPositive ? Errno.OK : Namei.VfsLink(sb.Kernel, copy, branch.PlinkDirectory!.Inode!, entry.Value);
    }

    private static byte[] NameOf(AufsInode inode, Inode real) => Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{inode.Ino}.{real.Ino}"));

    /// <summary>Gives the copy another name on its branch; the directory's times stay.</summary>
    public static Errno LinkName(AufsInode inode, Dentry directory, ReadOnlySpan<byte> name, out Dentry? made)
    {
        made = null;
        var sb = inode.Aufs;
        var top = inode.Top;
        var error = directory.Inode!.GetAttr(sb.Kernel, top.Branch.At(directory), StatxMask.STATX_BASIC_STATS, AtFlags.None, out var before);
        if (error != Errno.OK)
            return error;
        var temp = Namei.LookupOne(sb.Kernel, directory, Whiteouts.TempName(sb, name));
        var entry = Namei.LookupOne(sb.Kernel, directory, name);
        if (!temp.IsOk || !entry.IsOk)
            return temp.IsOk ? entry.Error : temp.Error;
        error = Namei.VfsLink(sb.Kernel, Source(inode, top), directory.Inode, temp.Value);
        if (error == Errno.OK)
            error = Namei.VfsRename(sb.Kernel, directory.Inode, temp.Value, directory.Inode, entry.Value, RenameFlags.None);
        if (error != Errno.OK)
            return error;
        CopyAttributes.Times(sb.Kernel, directory, before);
        made = temp.Value;
        inode.SetReal(top.Branch, made);
        inode.CopyAttributes();
        return Errno.OK;
    }

    // The name that the inode was reached by last may be gone; the one among the pseudo-links is not.
    private static Dentry Source(AufsInode inode, in BranchEntry top)
    {
        if (top.Dentry.IsHashed || top.Branch.PlinkDirectory is not { } directory)
            return top.Dentry;
        var kept = Namei.LookupOne(inode.Aufs.Kernel, directory, NameOf(inode, top.Inode));
        return kept is { IsOk: true, Value.IsPositive: true } ? kept.Value : top.Dentry;
    }

    /// <summary>The union goes: links that were never made are lost.</summary>
    /// <remarks>aufs fs/aufs/plink.c: au_plink_put().</remarks>
    public static void Forget(AufsSuperBlock sb)
    {
        foreach (var inode in sb.Inodes)
        {
            // Names that are linked count on the branch, and so does the entry among the pseudo-links.
            if (inode.IsPseudoLinked && inode.Nlink >= inode.Top.Inode.Nlink)
            {
                sb.Log("au_plink_put", "pseudo-link is not flushed");
                sb.Warn("hard links: names of a changed file that were not linked are the old lower file again");
                break;
            }
        }
    }
}
