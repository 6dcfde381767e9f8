using System.Buffers;
using DriverLab.Linux;
using DriverLab.Linux.Abi;

namespace DriverLab.Block;

/// <summary>An open file on a block device: what read, write, fsync, fallocate and ioctl do.</summary>
/// <remarks>
/// The VFS opens one for a block device's node and keeps file position and descriptor flags itself. Linux block/fops.c: def_blk_fops; the errors of each member are in order.
/// </remarks>
public sealed partial class BlockFile
{
    private readonly bool _forWriting, _exclusive;
    private uint _seenErrors;
    private object? _holder;
    private ReadAhead? _readAhead;

    private BlockFile(BlockDevice device, bool forWriting, bool exclusive)
    {
        Device = device;
        _forWriting = forWriting;
        _exclusive = exclusive;
        _holder = exclusive ? this : null;
    }

    /// <summary>The device.</summary>
    public BlockDevice Device { get; }

    /// <summary>Size of the device now, in bytes.</summary>
    public long Size => Device.CapacityBytes;

    /// <summary>Block size that stat reports, in bytes.</summary>
    public int BlockBytes => Device.Cache.BlockBytes;

    /// <summary>Opens a device by number.</summary>
    /// <returns>ENXIO (no such device), EBUSY (O_EXCL and claimed by another), what the driver says.</returns>
    public static SysResult<BlockFile> Open(BlockDeviceRegistry devices, DevT number, OpenFlags flags)
    {
        var found = devices.Get(number);
        if (!found.IsOk)
            return found.Error;
        bool forWriting = (flags & OpenFlags.O_ACCMODE) is OpenFlags.O_WRONLY or OpenFlags.O_RDWR;
        var file = new BlockFile(found.Value, forWriting, (flags & OpenFlags.O_EXCL) != 0);
        var error = found.Value.Open(forWriting, file._holder);
        if (error != Errno.OK)
            return error;
        file._seenErrors = file.Device.Cache.Errors.Sample();
        file._readAhead = file.Device.Cache.NewReadAhead();
        return file;
    }

    /// <summary>Closes the file; the device's last one writes back.</summary>
    public void Close()
    {
        Device.Close(_holder);
        _holder = null;
    }

    /// <summary>Reads at a position.</summary>
    /// <param name="position">Where, in bytes.</param>
    /// <param name="buffer">Where to.</param>
    /// <param name="direct">O_DIRECT: past the cache.</param>
    /// <returns>EINVAL (direct: position or length not a multiple of the logical block), EIO and other statuses. A count of bytes; 0 at the end.</returns>
    /// <remarks>Linux block/fops.c: blkdev_read_iter().</remarks>
    public SysResult<int> Read(long position, Span<byte> buffer, bool direct)
    {
        long size = Size;
        if (position >= size)
            return 0;
        if (buffer.Length > size - position)
            buffer = buffer[..(int)(size - position)];
        if (buffer.IsEmpty)
            return 0;
        if (!direct)
            return Device.Cache.Read(position, buffer, _readAhead);
        if (FlushRange(position, buffer.Length) is var error and not Errno.OK)
            return error;
        return IsAligned(position, buffer.Length) ? DirectRead(position, buffer) : Errno.EINVAL;
    }

    /// <summary>Writes at a position.</summary>
    /// <param name="position">Where, in bytes.</param>
    /// <param name="data">What.</param>
    /// <param name="direct">O_DIRECT: past the cache.</param>
    /// <param name="sync">O_SYNC or O_DSYNC: durable on return.</param>
    /// <returns>EPERM (read-only), ENOSPC (at or past the end), EINVAL (direct: alignment), EIO and other statuses. A count of bytes, short at the end.</returns>
    /// <remarks>Linux block/fops.c: blkdev_write_iter().</remarks>
    public SysResult<int> Write(long position, ReadOnlySpan<byte> data, bool direct, bool sync)
    {
        if (Device.IsReadOnly)
            return Errno.EPERM;
        if (data.IsEmpty)
            return 0;
        long size = Size;
        if (position >= size)
            return Errno.ENOSPC;
        if (data.Length > size - position)
            data = data[..(int)(size - position)];
        var result = direct ? DirectWriteChecked(position, data, sync) : Device.Cache.Write(position, data);
        if (result.IsOk && sync)
        {
            var error = Fsync();
            if (error != Errno.OK)
                return error;
        }
        return result;
    }

    private SysResult<int> DirectWriteChecked(long position, ReadOnlySpan<byte> data, bool sync)
    {
        if (FlushRange(position, data.Length) is var error and not Errno.OK)
            return error;
        // What is cached goes before anybody looks whether the request is a right one; what cannot go takes the write.
        if (!Device.Cache.DropCleanRange(PageStart(position), PageEnd(position + data.Length)))
            return WriteThrough(position, data);
        if (!IsAligned(position, data.Length))
            return Errno.EINVAL;
        return DirectWrite(position, data, sync ? BioFlags.Sync | BioFlags.Idle | BioFlags.Fua : BioFlags.Sync | BioFlags.Idle);
    }

    /// <summary>Direct I/O that a dirty page stands in the way of, as one does that nothing wrote while it lay beyond the end: through the cache after all.</summary>
    /// <remarks>Linux mm/filemap.c: generic_file_direct_write(); fs/libfs.c: direct_write_fallback().</remarks>
    private SysResult<int> WriteThrough(long position, ReadOnlySpan<byte> data)
    {
        var written = Device.Cache.Write(position, data);
        if (!written.IsOk)
            return written;
        if (FlushRange(position, written.Value) is var error and not Errno.OK)
            return error;
        _ = Device.Cache.DropCleanRange(PageStart(position), PageEnd(position + written.Value));
        return written;
    }

    private long PageStart(long position) => position & ~(Device.Cache.UnitBytes - 1L);

    private long PageEnd(long position) => (position + Device.Cache.UnitBytes - 1) & ~(Device.Cache.UnitBytes - 1L);

    private bool IsAligned(long position, int length) => ((position | (uint)length) & (Device.Limits.LogicalBlockSize - 1)) == 0;

    /// <summary>Writes back what is cached of a range before direct I/O goes past it.</summary>
    private Errno FlushRange(long position, int length)
    {
        if (Device.Cache.PageCount == 0)
            return Errno.OK;
        return Device.Cache.WriteBack(position, position + length) == BlkStatus.OK ? Errno.OK : Errno.EIO;
    }

    private SysResult<int> DirectRead(long position, Span<byte> buffer)
    {
        const int mostWaitedFor = 256 * PageCache.PageBytes; // Linux block/fops.c: blkdev_direct_IO(); longer ones are waited for in another way
        var layer = Device.Layer;
        var flags = layer.Quirks.DirectReadsAreSync && buffer.Length <= mostWaitedFor ? BioFlags.Sync : BioFlags.None;
        for (int done = 0; done < buffer.Length;)
        {
            int count = Math.Min(buffer.Length - done, BlockLayer.LargestBounce);
            byte[] bounce = ArrayPool<byte>.Shared.Rent(count);
            var status = layer.SubmitAndWait(DirectBio(BioOp.Read, flags, position + done, bounce, count));
            if (status == BlkStatus.OK)
                bounce.AsSpan(0, count).CopyTo(buffer[done..]);
            ArrayPool<byte>.Shared.Return(bounce);
            if (status != BlkStatus.OK)
                return status.ToErrno();
            done += count;
        }
        return buffer.Length;
    }

    private SysResult<int> DirectWrite(long position, ReadOnlySpan<byte> data, BioFlags flags)
    {
        var layer = Device.Layer;
        for (int done = 0; done < data.Length;)
        {
            int count = Math.Min(data.Length - done, BlockLayer.LargestBounce);
            byte[] bounce = ArrayPool<byte>.Shared.Rent(count);
            data.Slice(done, count).CopyTo(bounce);
            var status = layer.SubmitAndWait(DirectBio(BioOp.Write, flags, position + done, bounce, count));
            ArrayPool<byte>.Shared.Return(bounce);
            if (status != BlkStatus.OK)
                return status.ToErrno();
            done += count;
        }
        return data.Length;
    }

    private Bio DirectBio(BioOp op, BioFlags flags, long position, byte[] data, int count)
    {
        var bio = Device.Layer.AllocBio();
        bio.Device = Device;
        bio.Op = op;
        bio.Flags = flags;
        bio.Sector = position >> 9;
        bio.Sectors = count >> 9;
        bio.Data = data;
        return bio;
    }

    /// <summary>fsync(2): writes back and flushes the device's cache.</summary>
    /// <returns>EIO (once for each write error that this file has not reported), what the flush says except EOPNOTSUPP.</returns>
    /// <remarks>Linux block/fops.c: blkdev_fsync().</remarks>
    public Errno Fsync()
    {
        _ = Device.Cache.WriteBack();
        if (Device.Cache.Errors.Check(ref _seenErrors))
            return Errno.EIO;
        var error = Device.IssueFlush();
        return error == Errno.EOPNOTSUPP ? Errno.OK : error;
    }

    /// <summary>lseek(2) with the origins that a device knows.</summary>
    /// <returns>EINVAL (SEEK_DATA, SEEK_HOLE, before the start, beyond the end).</returns>
    public SysResult<long> Seek(long current, long offset, SeekWhence whence)
    {
        long origin;
        switch (whence)
        {
            case SeekWhence.SEEK_SET: origin = 0; break;
            case SeekWhence.SEEK_CUR when offset == 0: return current; // beyond the end too, when the device has become smaller
            case SeekWhence.SEEK_CUR: origin = current; break;
            case SeekWhence.SEEK_END: origin = Size; break;
            case SeekWhence.SEEK_DATA or SeekWhence.SEEK_HOLE:
            default: return Errno.EINVAL;
        }
        long target = unchecked(origin + offset);
        if (target < 0 || target > Size)
            return Errno.EINVAL;
        return target;
    }

    /// <summary>fallocate(2) past the generic checks.</summary>
    /// <returns>EOPNOTSUPP (mode), EINVAL (start at or beyond the end; end beyond it without KEEP_SIZE; not a multiple of the logical block), EOPNOTSUPP (mode), EPERM (read-only), EIO, EBUSY (a page of it is dirty, and another holds the device; older kernels: done, but a page is dirty that the range covers in part).</returns>
    /// <remarks>Linux block/fops.c: blkdev_fallocate().</remarks>
    public Errno Fallocate(FallocFlags mode, long start, long length)
    {
        const FallocFlags known = FallocFlags.FALLOC_FL_KEEP_SIZE | FallocFlags.FALLOC_FL_PUNCH_HOLE | FallocFlags.FALLOC_FL_ZERO_RANGE | FallocFlags.FALLOC_FL_NO_HIDE_STALE;
        if ((mode & ~known) != 0)
            return Errno.EOPNOTSUPP;
        long size = Size;
        if (start >= size)
            return Errno.EINVAL;
        if (length > size - start)
        {
            if ((mode & FallocFlags.FALLOC_FL_KEEP_SIZE) == 0)
                return Errno.EINVAL;
            length = size - start;
        }
        if (((start | length) & (Device.Limits.LogicalBlockSize - 1)) != 0)
            return Errno.EINVAL;
        bool punch = mode == (FallocFlags.FALLOC_FL_PUNCH_HOLE | FallocFlags.FALLOC_FL_KEEP_SIZE);
        bool zero = (mode & ~FallocFlags.FALLOC_FL_KEEP_SIZE) == FallocFlags.FALLOC_FL_ZERO_RANGE;
        if (!punch && !zero)
            return Errno.EOPNOTSUPP;
        if (DropCached(start, start + length) is var busy and not Errno.OK)
            return busy;
        var error = Device.IssueZeroOut(start >> 9, length >> 9, punch ? ZeroOutFlags.NoFallback : ZeroOutFlags.NoUnmap);
        return error == Errno.OK && Device.Layer.Quirks.FallocateLeavesNoDirtyPage && Device.Cache.IsDirty(start, start + length) ? Errno.EBUSY : error;
    }

    /// <summary>Drops what is cached of a range of bytes. Where another holds the device, only pages that are clean, as far as the range touches them.</summary>
    /// <returns>EBUSY (a page stays, because another holds the device and the page is dirty).</returns>
    /// <remarks>Linux block/bdev.c: truncate_bdev_range().</remarks>
    private Errno DropCached(long start, long end)
    {
        if (!_exclusive && !Device.MayClaim(this))
            return Device.Cache.DropCleanRange(start, end) ? Errno.OK : Errno.EBUSY;
        Device.Cache.WaitForWrites(); // a page goes only when its write has ended
        Device.Cache.DropRange(start, end);
        return Errno.OK;
    }
}
