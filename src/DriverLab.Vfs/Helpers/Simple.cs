using DriverLab.Linux;
using DriverLab.Linux.Abi;

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
        if (directory is null || (directory.Mode & Mode.S_ISGID) == 0)
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
}
