using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Simulation;

namespace DriverLab.Vfs.Helpers;

/// <summary>What file systems that live in the dentry cache are built of.</summary>
/// <remarks>Linux fs/libfs.c: simple_*(); fs/inode.c: inode_init_owner().</remarks>
public static class Simple
{
    /// <summary>Gives a new inode its owner: the caller's ids, or the directory's group under a set-group-ID directory; directories inherit that bit.</summary>
    /// <remarks>Linux fs/inode.c: inode_init_owner(). The bit of an executable file is stripped before, by <see cref="Permissions.StripSgid"/>.</remarks>
    public static void InitOwner(Inode inode, Caller caller, Inode? directory)
    {
        inode.Uid = caller.Credentials.Fsuid;
        inode.Gid = caller.Credentials.Fsgid;
        if (directory is null || (directory.Mode & Mode.S_ISGID) == 0 || inode.Sb.Core.IsMutated(Mutation.SetgidNotInherited))
            return;
        inode.Gid = directory.Gid;
        if (inode.IsDirectory)
            inode.Mode |= Mode.S_ISGID;
    }

    /// <summary>Checks, sets the size field, stores the rest.</summary>
    /// <remarks>Linux fs/libfs.c: simple_setattr().</remarks>
    public static Errno SetAttr(Caller caller, Dentry dentry, ref Iattr attr)
    {
        var inode = dentry.Inode!;
        var error = Attributes.SetAttrPrepare(caller, dentry, ref attr);
        if (error != Errno.OK)
            return error;
        if (attr.Has(AttrValid.ATTR_SIZE))
            inode.Size = attr.Size;
        Attributes.SetAttrCopy(caller, inode, attr);
        return Errno.OK;
    }

    /// <summary>statfs with a magic, a block size and a longest name, and nothing else.</summary>
    public static Errno StatFs(SuperBlock sb, out StatFs result)
    {
        result = new StatFs { Type = sb.Magic, BlockSize = sb.BlockSize, FragmentSize = sb.BlockSize, NameLength = sb.NameMax };
        return Errno.OK;
    }

    /// <summary>lseek within a file of a known size.</summary>
    /// <returns>EINVAL (before the start, over the largest size, whence), ENXIO (SEEK_DATA, SEEK_HOLE at or beyond the end).</returns>
    /// <remarks>Linux fs/read_write.c: generic_file_llseek_size().</remarks>
    public static SysResult<long> LSeek(OpenFile file, long offset, SeekWhence whence, long maxBytes, long size)
    {
        long target;
        switch (whence)
        {
            case SeekWhence.SEEK_SET:
                target = offset;
                break;
            case SeekWhence.SEEK_CUR:
                if (offset == 0)
                    return file.Position;
                target = unchecked(file.Position + offset);
                break;
            case SeekWhence.SEEK_END:
                target = unchecked(size + offset);
                break;
            case SeekWhence.SEEK_DATA or SeekWhence.SEEK_HOLE:
                if ((ulong)offset >= (ulong)size)
                    return Errno.ENXIO;
                target = whence == SeekWhence.SEEK_HOLE ? size : offset;
                break;
            default:
                return Errno.EINVAL;
        }
        if (target < 0 || target > maxBytes)
            return Errno.EINVAL;
        file.Position = target;
        return target;
    }

    // ---- names in the dentry cache ----------------------------------------------------------------------------------------------------------

    /// <summary>Whatever is not in the cache does not exist.</summary>
    /// <returns>ENAMETOOLONG.</returns>
    /// <remarks>Linux fs/libfs.c: simple_lookup().</remarks>
    public static Errno Lookup(Dentry dentry)
    {
        if (dentry.Name.Length > Limits.NAME_MAX)
            return Errno.ENAMETOOLONG;
        dentry.Add(null);
        return Errno.OK;
    }

    /// <summary>Puts a new inode at a negative entry; the directory changed now.</summary>
    public static void Instantiate(Inode directory, Dentry dentry, Inode inode)
    {
        Touch(directory);
        dentry.Instantiate(inode);
        dentry.Rehash();
    }

    /// <summary>Adds a name.</summary>
    /// <remarks>Linux fs/libfs.c: simple_link().</remarks>
    public static void Link(Inode directory, Dentry old, Dentry dentry)
    {
        var inode = old.Inode!;
        if (!inode.Sb.Core.IsMutated(Mutation.LinkKeepsChangeTime))
            inode.CtimeNs = inode.Sb.Core.NowNs;
        inode.Nlink++;
        Instantiate(directory, dentry, inode);
    }

    /// <summary>Takes a name away.</summary>
    /// <remarks>Linux fs/libfs.c: simple_unlink().</remarks>
    public static void Unlink(Inode directory, Dentry dentry)
    {
        Touch(directory);
        dentry.Inode!.CtimeNs = directory.CtimeNs;
        if (!directory.Sb.Core.IsMutated(Mutation.UnlinkKeepsLinkCount))
            dentry.Inode.Nlink--;
    }

    /// <summary>Takes an empty directory away.</summary>
    /// <returns>ENOTEMPTY.</returns>
    /// <remarks>Linux fs/libfs.c: simple_rmdir().</remarks>
    public static Errno Rmdir(Inode directory, Dentry dentry)
    {
        if (dentry.HasPositiveChild)
            return Errno.ENOTEMPTY;
        dentry.Inode!.Nlink--;
        Unlink(directory, dentry);
        directory.Nlink--;
        return Errno.OK;
    }

    /// <summary>Moves or exchanges.</summary>
    /// <returns>EINVAL (flags), ENOTEMPTY.</returns>
    /// <remarks>Linux fs/libfs.c: simple_rename().</remarks>
    public static Errno Rename(Inode oldDirectory, Dentry old, Inode newDirectory, Dentry target, RenameFlags flags)
    {
        var known = RenameFlags.RENAME_NOREPLACE | (oldDirectory.Sb.Core.Quirks.SimpleExchangeAndTmpfile ? RenameFlags.RENAME_EXCHANGE : 0);
        if ((flags & ~known) != 0)
            return Errno.EINVAL;
        if ((flags & RenameFlags.RENAME_EXCHANGE) != 0)
        {
            RenameExchange(oldDirectory, old, newDirectory, target);
            return Errno.OK;
        }
        if (target.HasPositiveChild)
            return Errno.ENOTEMPTY;
        bool isDirectory = old.IsDirectory;
        if (target.IsPositive)
        {
            Unlink(newDirectory, target);
            if (isDirectory)
            {
                target.Inode!.Nlink--;
                oldDirectory.Nlink--;
            }
        }
        else if (isDirectory)
        {
            oldDirectory.Nlink--;
            newDirectory.Nlink++;
        }
        RenameTimes(oldDirectory, old, newDirectory, target);
        return Errno.OK;
    }

    /// <summary>Link counts and times of an exchange.</summary>
    /// <remarks>Linux fs/libfs.c: simple_rename_exchange().</remarks>
    public static void RenameExchange(Inode oldDirectory, Dentry old, Inode newDirectory, Dentry target)
    {
        if (!ReferenceEquals(oldDirectory, newDirectory) && old.IsDirectory != target.IsDirectory)
        {
            oldDirectory.Nlink += old.IsDirectory ? uint.MaxValue : 1;
            newDirectory.Nlink += old.IsDirectory ? 1 : uint.MaxValue;
        }
        RenameTimes(oldDirectory, old, newDirectory, target);
    }

    /// <summary>Both directories and both files changed now.</summary>
    /// <remarks>Linux fs/libfs.c: simple_rename_timestamp().</remarks>
    public static void RenameTimes(Inode oldDirectory, Dentry old, Inode newDirectory, Dentry target)
    {
        Touch(oldDirectory);
        Touch(newDirectory);
        old.Inode!.CtimeNs = oldDirectory.CtimeNs;
        if (target.Inode is { } replaced)
            replaced.CtimeNs = oldDirectory.CtimeNs;
    }

    /// <summary>Content and attributes of a directory changed now.</summary>
    public static void Touch(Inode inode) => inode.MtimeNs = inode.CtimeNs = inode.Sb.Core.NowNs;
}
