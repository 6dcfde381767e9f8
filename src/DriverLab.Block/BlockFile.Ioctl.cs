using System.Runtime.InteropServices;
using DriverLab.Block.Partitions;
using DriverLab.Linux;
using DriverLab.Linux.Ioctl;

namespace DriverLab.Block;

public sealed partial class BlockFile
{
    /// <summary>ioctl(2) with a structure; an empty one is an address where the caller has nothing.</summary>
    /// <returns>As each member of <see cref="BlkKernel"/> says, EFAULT where the kernel copies the structure and there is none; for a request unknown here what the driver says, ENOTTY without one.</returns>
    /// <remarks>Linux block/ioctl.c: blkdev_ioctl(), blkdev_common_ioctl().</remarks>
    public SysResult<int> Ioctl(uint request, Span<byte> argument, IBlockCaller caller)
    {
        ref readonly var limits = ref Device.Limits;
        switch (request)
        {
            case Blk.BLKGETSIZE64: return Put(argument, Device.CapacityBytes);
            case Blk.BLKGETSIZE: return Put(argument, Device.CapacitySectors);
            case Blk.BLKSSZGET: return Put(argument, limits.LogicalBlockSize);
            case Blk.BLKPBSZGET: return Put(argument, limits.PhysicalBlockSize);
            case Blk.BLKIOMIN: return Put(argument, limits.IoMin);
            case Blk.BLKIOOPT: return Put(argument, limits.IoOpt);
            case Blk.BLKALIGNOFF: return Put(argument, limits.Misaligned ? -1 : (int)limits.AlignmentOffset);
            case Blk.BLKDISCARDZEROES: return Put(argument, 0u);
            case Blk.BLKSECTGET: return Put(argument, (ushort)Math.Min(limits.MaxSectors, ushort.MaxValue));
            case Blk.BLKROTATIONAL: return Put(argument, (ushort)(limits.NonRotational ? 0 : 1));
            case Blk.BLKRAGET or Blk.BLKFRAGET: return Put(argument, Device.ReadAheadSectors);
            case Blk.BLKROGET: return Put(argument, Device.IsReadOnly ? 1 : 0);
            case Blk.BLKBSZGET: return Put(argument, Device.Cache.BlockBytes);
            case Blk.BLKGETDISKSEQ when Device.Layer.Quirks.DisksAreCounted: return Put(argument, Device.DiskSequence);
            case Blk.BLKBSZSET: return Done(SetBlockSize(argument, caller));
            case Blk.BLKROSET: return Done(SetReadOnly(argument, caller));
            case Blk.BLKDISCARD: return Done(Discard(argument));
            case Blk.BLKSECDISCARD: return Done(SecureDiscard(argument));
            case Blk.BLKZEROOUT: return Done(ZeroOut(argument));
            case Blk.BLKGETZONESZ or Blk.BLKGETNRZONES: return Put(argument, 0u);
            case Blk.BLKREPORTZONE or Blk.BLKRESETZONE or Blk.BLKOPENZONE or Blk.BLKCLOSEZONE or Blk.BLKFINISHZONE: return Errno.ENOTTY; // no device that is modelled has zones
            case Blk.IOC_PR_REGISTER or Blk.IOC_PR_RESERVE or Blk.IOC_PR_RELEASE or Blk.IOC_PR_PREEMPT or Blk.IOC_PR_PREEMPT_ABORT or Blk.IOC_PR_CLEAR: return Reserve(argument, caller);
            case Blk.HDIO_GETGEO: return !Device.HasGeometry ? Errno.ENOTTY : argument.Length < 16 ? Errno.EFAULT : Geometry(argument[..16]);
            case Blk.BLKFLSBUF or Blk.BLKRRPART or Blk.BLKRASET or Blk.BLKFRASET: return Ioctl(request, 0L, caller);
            case Blk.BLKPG: return Done(ChangePartitions(argument, caller));
            default: return Device.Ioctl(request, argument, _forWriting, _exclusive, caller);
        }
    }

    /// <summary>ioctl(2) with a number.</summary>
    /// <returns>EACCES (no CAP_SYS_ADMIN), then as each member of <see cref="BlkKernel"/> says; for a request unknown here what the driver says, ENOTTY without one.</returns>
    public SysResult<int> Ioctl(uint request, long value, IBlockCaller caller)
    {
        switch (request)
        {
            case Blk.BLKFLSBUF:
                return Done(FlushBuffers(caller));
            case Blk.BLKRASET or Blk.BLKFRASET:
                if (!caller.IsSysAdmin)
                    return Errno.EACCES;
                Device.ReadAheadSectors = (long)(unchecked((ulong)value * 512) / PageCache.PageBytes * (PageCache.PageBytes / 512));
                return 0;
            case Blk.BLKRRPART:
                return Done(RereadPartitions(caller));
            case Blk.BLKRAGET or Blk.BLKFRAGET or Blk.HDIO_GETGEO or Blk.BLKREPORTZONE or Blk.BLKRESETZONE or Blk.BLKOPENZONE or Blk.BLKCLOSEZONE or Blk.BLKFINISHZONE when value == 0:
                return Errno.EINVAL; // of these a null pointer is looked at
            case Blk.BLKBSZSET when value == 0:
                return caller.IsSysAdmin ? Errno.EINVAL : Errno.EACCES;
            default:
                return TakesStructure(request) ? Ioctl(request, [], caller) : Device.Ioctl(request, value, _forWriting, _exclusive, caller);
        }
    }

    private static bool TakesStructure(uint request) => request is Blk.BLKGETSIZE64 or Blk.BLKGETSIZE or Blk.BLKSSZGET or Blk.BLKPBSZGET or Blk.BLKIOMIN or Blk.BLKIOOPT or Blk.BLKALIGNOFF or Blk.BLKDISCARDZEROES
        or Blk.BLKSECTGET or Blk.BLKROTATIONAL or Blk.BLKRAGET or Blk.BLKFRAGET or Blk.BLKROGET or Blk.BLKBSZGET or Blk.BLKGETDISKSEQ or Blk.BLKBSZSET or Blk.BLKROSET or Blk.BLKDISCARD or Blk.BLKSECDISCARD
        or Blk.BLKZEROOUT or Blk.HDIO_GETGEO or Blk.BLKPG or Blk.BLKGETZONESZ or Blk.BLKGETNRZONES or Blk.BLKREPORTZONE or Blk.BLKRESETZONE or Blk.BLKOPENZONE or Blk.BLKCLOSEZONE or Blk.BLKFINISHZONE
        or Blk.IOC_PR_REGISTER or Blk.IOC_PR_RESERVE or Blk.IOC_PR_RELEASE or Blk.IOC_PR_PREEMPT or Blk.IOC_PR_PREEMPT_ABORT or Blk.IOC_PR_CLEAR;

    private static SysResult<int> Put<T>(Span<byte> argument, T value) where T : unmanaged => MemoryMarshal.TryWrite(argument, value) ? 0 : Errno.EFAULT;

    private static SysResult<int> Done(Errno error) => error == Errno.OK ? 0 : error;

    private static Errno Take(ReadOnlySpan<byte> argument, out (ulong Start, ulong Length) range)
    {
        range = default;
        if (argument.Length < 16)
            return Errno.EFAULT;
        range = (MemoryMarshal.Read<ulong>(argument), MemoryMarshal.Read<ulong>(argument[8..]));
        return Errno.OK;
    }

    /// <summary>Persistent reservations, which no disk that is modelled has.</summary>
    /// <remarks>Linux block/ioctl.c: blkdev_pr_allowed().</remarks>
    private Errno Reserve(ReadOnlySpan<byte> argument, IBlockCaller caller)
    {
        bool writersMay = Device.Layer.Quirks.WritersReserve;
        if ((writersMay && Device is Partition) || (!caller.IsSysAdmin && !(writersMay && _forWriting)))
            return Errno.EPERM;
        return Device.Reserve(!argument.IsEmpty);
    }

    /// <summary>No heads, no sectors, no cylinders, from sector 0.</summary>
    private static SysResult<int> Geometry(Span<byte> argument)
    {
        argument.Clear();
        return 0;
    }

    private Errno FlushBuffers(IBlockCaller caller)
    {
        if (!caller.IsSysAdmin)
            return Errno.EACCES;
        if (AnsweredByDriver(Blk.BLKFLSBUF, caller) is { } answer)
            return answer;
        _ = Device.Cache.WriteBack();
        Device.Cache.DropClean();
        return Errno.OK;
    }

    /// <summary>What the driver says of a request that the block layer knows, where it is asked; null when it does not know the request.</summary>
    /// <remarks>Linux 5.10 block/ioctl.c: __blkdev_driver_ioctl(), is_unrecognized_ioctl().</remarks>
    private Errno? AnsweredByDriver(uint request, IBlockCaller caller)
    {
        if (!Device.Layer.Quirks.DriverIsAskedFirst)
            return null;
        var error = Device.Ioctl(request, 0L, _forWriting, _exclusive, caller).Error;
        return error is Errno.EINVAL or Errno.ENOTTY ? null : error;
    }

    /// <remarks>Linux block/ioctl.c: blkdev_common_ioctl(); block/genhd.c: disk_scan_partitions().</remarks>
    private Errno RereadPartitions(IBlockCaller caller)
    {
        if (Device.Layer.Quirks.RereadLooksFirst && !Device.IsScanned)
            return Errno.EINVAL;
        if (!caller.IsSysAdmin)
            return Errno.EACCES;
        if (!_exclusive && Device.Parts is not { OpenCount: > 0 } && !Device.MayClaim(this))
            return Errno.EBUSY;
        return Device.RereadPartitions();
    }

    /// <remarks>Linux block/ioctl.c: blkpg_do_ioctl().</remarks>
    private Errno ChangePartitions(ReadOnlySpan<byte> argument, IBlockCaller caller)
    {
        if (argument.IsEmpty)
            return Errno.EFAULT;
        if (argument.Length != Blk.BlkpgArgumentBytes + Blk.BlkpgPartitionBytes)
            return NotModelledException.Throw("BLKPG with a structure that lies elsewhere");
        if (!caller.IsSysAdmin)
            return Errno.EACCES;
        var partition = argument[Blk.BlkpgArgumentBytes..];
        long start = MemoryMarshal.Read<long>(partition), length = MemoryMarshal.Read<long>(partition[8..]);
        int number = MemoryMarshal.Read<int>(partition[16..]);
        if (Device is Partition || number <= 0)
            return Errno.EINVAL;
        var operation = (BlkpgOperation)MemoryMarshal.Read<int>(argument);
        if (operation == BlkpgOperation.BLKPG_DEL_PARTITION)
            return Device.PartsOfUser.Delete(number);
        if (start < 0 || length <= 0 || long.MaxValue - length < start || ((start | length) & (Device.Limits.LogicalBlockSize - 1)) != 0)
            return Errno.EINVAL;
        var entry = new PartitionEntry(number, start >> 9, length >> 9);
        if (!Device.Layer.Quirks.PartitionsMayLieBeyondTheEnd && (entry.Start >= Device.CapacitySectors || entry.Start + entry.Sectors > Device.CapacitySectors))
            return Errno.EINVAL;
        return operation switch
        {
            BlkpgOperation.BLKPG_ADD_PARTITION => Device.TakesPartitions ? Device.PartsOfUser.AddOne(entry) : Errno.EINVAL,
            BlkpgOperation.BLKPG_RESIZE_PARTITION => Device.PartsOfUser.Resize(entry),
            _ => Errno.EINVAL,
        };
    }

    private Errno SetBlockSize(ReadOnlySpan<byte> argument, IBlockCaller caller)
    {
        if (!caller.IsSysAdmin)
            return Errno.EACCES;
        if (!MemoryMarshal.TryRead(argument, out int bytes))
            return Errno.EFAULT;
        if (!_exclusive && !Device.MayClaim(this))
            return Errno.EBUSY;
        return Device.Cache.SetBlockSize(bytes);
    }

    private Errno SetReadOnly(ReadOnlySpan<byte> argument, IBlockCaller caller)
    {
        if (!caller.IsSysAdmin)
            return Errno.EACCES;
        if (AnsweredByDriver(Blk.BLKROSET, caller) is { } answer)
            return answer;
        if (!MemoryMarshal.TryRead(argument, out int value))
            return Errno.EFAULT;
        bool readOnly = value != 0;
        var error = Device.OnSetReadOnly(readOnly);
        if (error != Errno.OK)
            return error;
        if (Device.Layer.Quirks.OneReadOnlyState)
            Device.DiskReadOnly = readOnly;
        else
            Device.UserReadOnly = readOnly;
        return Errno.OK;
    }

    /// <remarks>Linux block/ioctl.c: blk_ioctl_discard().</remarks>
    private Errno Discard(ReadOnlySpan<byte> argument)
    {
        bool argumentFirst = Device.Layer.Quirks.DiscardChecksFirst;
        if (!_forWriting && !argumentFirst)
            return Errno.EBADF;
        if (argument.IsEmpty && argumentFirst)
            return Errno.EFAULT;
        if (Device.Limits.MaxDiscardSectors == 0)
            return Errno.EOPNOTSUPP;
        if (!_forWriting)
            return Errno.EBADF;
        if (Take(argument, out var range) is var fault and not Errno.OK)
            return fault;
        if (Device.Layer.Quirks.DiscardChecksFirst && Device.IsReadOnly)
            return Errno.EPERM;
        if (Device.Layer.Quirks.DiscardChecksFirst && ((range.Start | range.Length) & (Device.Limits.LogicalBlockSize - 1)) != 0)
            return Errno.EINVAL;
        if (CheckRange(range) is var error and not Errno.OK && !(Device.Layer.Quirks.DiscardRangeWraps && Wraps(range)))
            return error;
        if (range.Length > (ulong)Device.CapacityBytes)
            throw new WouldHangException("the end of a discard of 2^55 sectors");
        if (DropDiscarded(range) is var busy and not Errno.OK)
            return busy;
        return Device.IssueDiscard((long)(range.Start >> 9), (long)(range.Length >> 9));
    }

    private Errno SecureDiscard(ReadOnlySpan<byte> argument)
    {
        if (!_forWriting)
            return Errno.EBADF;
        if (Device.Layer.Quirks.SecureDiscardIsADiscard)
        {
            if (Device.Limits.MaxDiscardSectors == 0)
                return Errno.EOPNOTSUPP;
            if (Take(argument, out var range) is var fault and not Errno.OK)
                return fault;
            if (CheckRange(range) is var error and not Errno.OK)
                return error;
            if (DropDiscarded(range) is var busy and not Errno.OK)
                return busy;
            if (Device.IsReadOnly)
                return Errno.EPERM;
        }
        return Device.Limits.MaxSecureEraseSectors == 0 ? Errno.EOPNOTSUPP : NotModelledException.Throw("BLKSECDISCARD on a device that can");
    }

    private Errno ZeroOut(ReadOnlySpan<byte> argument)
    {
        if (!_forWriting)
            return Errno.EBADF;
        if (Take(argument, out var range) is var fault and not Errno.OK)
            return fault;
        if (range.Length == 0)
            return Errno.EINVAL;
        if (CheckRange(range) is var error and not Errno.OK)
            return error;
        if (DropCached((long)range.Start, (long)(range.Start + range.Length)) is var busy and not Errno.OK)
            return busy;
        return Device.IssueZeroOut((long)(range.Start >> 9), (long)(range.Length >> 9), ZeroOutFlags.NoUnmap);
    }

    private Errno CheckRange((ulong Start, ulong Length) range)
    {
        if (((range.Start | range.Length) & 511) != 0)
            return Errno.EINVAL;
        ulong end = unchecked(range.Start + range.Length);
        return end < range.Start || end > (ulong)Device.CapacityBytes ? Errno.EINVAL : Errno.OK;
    }

    /// <summary>Where the length is not checked first, nothing from the start on ends at -1, which is the end of the device.</summary>
    private Errno DropDiscarded((ulong Start, ulong Length) range)
    {
        ulong end = unchecked(range.Start + range.Length);
        return DropCached(unchecked((long)range.Start), end == 0 && !Device.Layer.Quirks.DiscardChecksFirst ? long.MaxValue >> 1 : unchecked((long)end));
    }

    /// <summary>Whole sectors whose end lies within the device only because it overflowed.</summary>
    private bool Wraps((ulong Start, ulong Length) range)
        => ((range.Start | range.Length) & 511) == 0 && unchecked(range.Start + range.Length) is var end && end < range.Start && end <= (ulong)Device.CapacityBytes;
}
