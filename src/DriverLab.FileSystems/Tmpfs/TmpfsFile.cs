using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Vfs;
using DriverLab.Vfs.Helpers;

namespace DriverLab.FileSystems.Tmpfs;

/// <summary>A regular file.</summary>
/// <remarks>Linux mm/shmem.c: shmem_setattr(), shmem_fallocate().</remarks>
internal sealed class TmpfsFile(TmpfsSuperBlock sb, Mode mode) : TmpfsInode(sb, mode)
{
    private const uint HugePageSize = 2 << 20;

    public override SysResult<OpenFile> Open(Caller caller, in VfsPath path, OpenFlags flags) => new TmpfsOpenFile(path, flags);

    /// <remarks>Linux mm/shmem.c: shmem_is_huge().</remarks>
    private bool IsHuge => Tmpfs.Huge != TmpfsHuge.Never && Tmpfs.Quirks.HugePages switch
    {
        HugePages.AllOptions => true,
        HugePages.FromWholeSize => Tmpfs.Huge == TmpfsHuge.Always || Tmpfs.Huge == TmpfsHuge.WithinSize && Size > HugePageSize - Limits.PAGE_SIZE,
        HugePages.FromTwoPages => Tmpfs.Huge == TmpfsHuge.Always || Tmpfs.Huge == TmpfsHuge.WithinSize && Size > Limits.PAGE_SIZE,
        HugePages.None => false,
    };

    public override Errno GetAttr(Caller caller, in VfsPath path, StatxMask mask, AtFlags flags, out Statx stat)
    {
        var error = base.GetAttr(caller, path, mask, flags, out stat);
        stat.BlockSize = IsHuge ? HugePageSize : stat.BlockSize;
        return error;
    }

    protected override Errno Charge(long pages)
    {
        // Whether there is a huge page, and for how much of the file, is the memory's affair.
        if (Tmpfs.Huge is TmpfsHuge.Always or TmpfsHuge.WithinSize && Tmpfs.Quirks.HugePages != HugePages.None)
            throw new NotModelledException("content of tmpfs files with huge pages");
        return base.Charge(pages);
    }

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

    private const long LastPage = long.MaxValue - Limits.PAGE_SIZE + 1;

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
        if (Tmpfs.Quirks.FallocateStopsAtLastPage && offset + length > LastPage)
            return Errno.EFBIG;
        long first = offset / Limits.PAGE_SIZE, end = (offset + length - 1) / Limits.PAGE_SIZE + 1; // the largest length must not overflow
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

    protected override bool EmptyReadsCount => true;

    // A page fault makes a page of a hole, also when it only reads.
    public override Errno MapRead(long offset, Span<byte> buffer) =>
        ((TmpfsFile)Inode).FillHoles(offset, buffer.Length) == Errno.OK ? base.MapRead(offset, buffer) : Errno.EFAULT;

    public override SysResult<long> LSeek(Caller caller, long offset, SeekWhence whence)
    {
        if (whence is not (SeekWhence.SEEK_DATA or SeekWhence.SEEK_HOLE))
            return base.LSeek(caller, offset, whence);
        var found = File.SeekHoleData(offset, whence == SeekWhence.SEEK_DATA);
        if (found.IsOk)
            Position = found.Value;
        return found;
    }

    public override SysResult<int> ReadForKernel(Caller caller, Span<byte> buffer, ref long position)
    {
        if (((TmpfsSuperBlock)Inode.Sb).Quirks.KernelReadsFillHoles && ((TmpfsFile)Inode).FillHoles(position, buffer.Length, out long filled) is var error and not Errno.OK)
        {
            if (filled <= position)
                return error;
            buffer = buffer[..(int)(filled - position)];
        }
        return Read(caller, buffer, ref position);
    }

    public override Errno Fallocate(Caller caller, FallocFlags mode, long offset, long length)
    {
        var error = ((TmpfsFile)Inode).Fallocate(mode, offset, length);
        if (error != Errno.OK || !((TmpfsSuperBlock)Inode.Sb).Quirks.FallocateIsModification)
            return error;
        error = Attributes.FileRemovePrivs(caller, this);
        if (error == Errno.OK)
            Files.FileUpdateTime(this);
        return error;
    }
}
