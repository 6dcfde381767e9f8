using DriverLab.Linux;
using DriverLab.Linux.Abi;

namespace DriverLab.Vfs;

/// <summary>A file system on a block device that the kernel has and DriverLab does not model yet: the errors that come before the device is read are right, the rest is a gap.</summary>
/// <remarks>Linux fs/super.c: get_tree_bdev(); block/bdev.c: lookup_bdev().</remarks>
public sealed class UnmodelledFileSystem(string name) : FileSystemType
{
    /// <inheritdoc/>
    public override string Name => name;

    /// <inheritdoc/>
    public override bool RequiresDevice => true;

    /// <summary>A module that is loaded by the first mount, so that /proc/filesystems does not show it before.</summary>
    public override bool IsListed => false;

    /// <inheritdoc/>
    public override SysResult<Dentry> Mount(MountContext context)
    {
        var error = LookupDevice(context, out _);
        return error != Errno.OK ? error : NotModelledException.Throw($"the file system {name}");
    }

    /// <summary>The device that a mount's source names.</summary>
    /// <returns>EINVAL (no source), (walk), ENOTBLK, EACCES (nodev mount).</returns>
    public static Errno LookupDevice(MountContext context, out DevT device)
    {
        device = default;
        if (context.Source.Length == 0)
            return Errno.EINVAL;
        var error = PathWalk.Lookup(context.Caller, context.Source, LookupFlags.LOOKUP_FOLLOW, out var path);
        if (error != Errno.OK)
            return error;
        device = path.Inode.Rdev;
        if (path.Inode.Type != Mode.S_IFBLK)
            return Errno.ENOTBLK;
        return (path.Mount.Flags & MountFlags.MS_NODEV) != 0 ? Errno.EACCES : Errno.OK;
    }
}
