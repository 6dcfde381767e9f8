using System.Runtime.InteropServices;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Vfs;
using DriverLab.Vfs.Helpers;

namespace DriverLab.FileSystems.Tmpfs;

/// <summary>A regular file.</summary>
/// <remarks>Linux mm/shmem.c: shmem_setattr(), shmem_fallocate().</remarks>
internal sealed class TmpfsFile(TmpfsSuperBlock sb, Mode mode) : TmpfsInode(sb, mode)
{
    public override SysResult<OpenFile> Open(Caller caller, in VfsPath path, OpenFlags flags) => new TmpfsOpenFile(path, flags);

    public override Errno SetAttr(Caller caller, Dentry dentry, ref Iattr attr)
    {
        var error = Attributes.SetAttrPrepare(caller, dentry, ref attr);
        if (error != Errno.OK)
            return error;
        Attributes.SetAttrCopy(caller, this, attr);
        if (attr.Has(AttrValid.ATTR_SIZE))
        {
            Resize(attr.Size);
            Simple.Touch(this); // also when the size stays as it is
        }
        return Errno.OK;
    }

    /// <summary>Makes room, or a hole.</summary>
    /// <returns>EOPNOTSUPP (mode), EFBIG, ENOSPC.</returns>
    public Errno Fallocate(FallocFlags mode, long offset, long length)
    {
        if ((mode & ~(FallocFlags.FALLOC_FL_KEEP_SIZE | FallocFlags.FALLOC_FL_PUNCH_HOLE)) != 0)
            return Errno.EOPNOTSUPP;
        if ((mode & FallocFlags.FALLOC_FL_PUNCH_HOLE) != 0)
        {
            Punch(offset, offset + length);
            Simple.Touch(this);
            return Errno.OK;
        }
        long first = offset / Limits.PAGE_SIZE, end = (offset + length + Limits.PAGE_SIZE - 1) / Limits.PAGE_SIZE;
        if (!Tmpfs.CouldHold((ulong)(end - first)))
            return Errno.ENOSPC;
        var error = Preallocate(first, end);
        if (error != Errno.OK)
            return error;
        if ((mode & FallocFlags.FALLOC_FL_KEEP_SIZE) == 0 && offset + length > Size)
            Size = offset + length;
        CtimeNs = Sb.Core.NowNs;
        return Errno.OK;
    }
}

/// <summary>An open regular file.</summary>
internal sealed class TmpfsOpenFile(VfsPath path, OpenFlags flags) : MemoryOpenFile(path, flags)
{
    public override bool SupportsDirect => ((TmpfsSuperBlock)Inode.Sb).Quirks.HasDirectIo;

    public override bool SupportsFallocate => true;

    public override SysResult<long> LSeek(Caller caller, long offset, SeekWhence whence)
    {
        if (whence is not (SeekWhence.SEEK_DATA or SeekWhence.SEEK_HOLE))
            return base.LSeek(caller, offset, whence);
        var found = File.SeekHoleData(offset, whence == SeekWhence.SEEK_DATA);
        if (found.IsOk)
            Position = found.Value;
        return found;
    }

    public override Errno Fallocate(Caller caller, FallocFlags mode, long offset, long length)
    {
        var error = ((TmpfsFile)Inode).Fallocate(mode, offset, length);
        return error != Errno.OK ? error : Attributes.FileRemovePrivs(caller, this);
    }

    public override SysResult<int> Ioctl(Caller caller, uint request, Span<byte> argument) => InodeFlagsIoctl.Run(caller, this, request, argument);
}

/// <summary>An open directory that lists its dentries, with the inode-flag ioctls.</summary>
internal static class InodeFlagsIoctl
{
    private const uint FS_IOC_GETFLAGS = 0x80086601, FS_IOC_SETFLAGS = 0x40086602;
    private const uint FS_IMMUTABLE_FL = 0x10, FS_APPEND_FL = 0x20, FS_NODUMP_FL = 0x40, FS_NOATIME_FL = 0x80;
    private static readonly (uint User, InodeFlags Kernel)[] s_flags =
    [
        (FS_IMMUTABLE_FL, InodeFlags.S_IMMUTABLE),
        (FS_APPEND_FL, InodeFlags.S_APPEND),
        (FS_NODUMP_FL, InodeFlags.I_NODUMP),
        (FS_NOATIME_FL, InodeFlags.S_NOATIME),
    ];

    /// <summary>FS_IOC_GETFLAGS and FS_IOC_SETFLAGS.</summary>
    /// <returns>ENOTTY, EROFS, EPERM (not the owner; immutable and append-only without CAP_LINUX_IMMUTABLE), EOPNOTSUPP (other flags).</returns>
    /// <remarks>Linux fs/file_attr.c: ioctl_setflags(), vfs_fileattr_set(); mm/shmem.c: shmem_fileattr_set().</remarks>
    public static SysResult<int> Run(Caller caller, OpenFile file, uint request, Span<byte> argument)
    {
        var inode = file.Inode;
        if (request is not (FS_IOC_GETFLAGS or FS_IOC_SETFLAGS) || !((TmpfsSuperBlock)inode.Sb).Quirks.HasBirthTime)
            return Errno.ENOTTY;
        uint current = 0;
        foreach (var (user, kernel) in s_flags)
            current |= (inode.Flags & kernel) != 0 ? user : 0;
        if (argument.Length < 4)
            return Errno.EFAULT;
        if (request == FS_IOC_GETFLAGS)
        {
            MemoryMarshal.Write(argument, current);
            return 0;
        }
        uint wanted = MemoryMarshal.Read<uint>(argument);
        var error = file.Path.Mount.WantWrite();
        if (error != Errno.OK)
            return error;
        if (!Permissions.OwnerOrCapable(inode, caller.Credentials))
            return Errno.EPERM;
        if (((wanted ^ current) & (FS_IMMUTABLE_FL | FS_APPEND_FL)) != 0 && !caller.Credentials.Capable(Capabilities.CAP_LINUX_IMMUTABLE))
            return Errno.EPERM;
        if ((wanted & ~(FS_IMMUTABLE_FL | FS_APPEND_FL | FS_NODUMP_FL | FS_NOATIME_FL)) != 0)
            return Errno.EOPNOTSUPP;
        foreach (var (user, kernel) in s_flags)
            inode.Flags = (wanted & user) != 0 ? inode.Flags | kernel : inode.Flags & ~kernel;
        inode.CtimeNs = inode.Sb.Core.NowNs;
        return 0;
    }
}
