using System.Runtime.InteropServices;
using DriverLab.Linux.Abi;

namespace DriverLab.Linux.Remote;

public sealed partial class KernelCallServer
{
    private static Done MountTree(IKernel kernel, in CallView call) => call.Op switch
    {
        KernelOp.PivotRoot => kernel.PivotRoot(call.A, call.B),
        KernelOp.FsOpen => kernel.FsOpen(call.A, (FsOpenFlags)call.UInt(0)),
        KernelOp.FsPick => kernel.FsPick(call.Fd(0), call.A, (FsPickFlags)call.UInt(1)),
        KernelOp.FsConfig => kernel.FsConfig(call.Fd(0), (FsConfigCommand)call.UInt(1), call.A, call.B, call.Int(2)),
        KernelOp.FsMount => kernel.FsMount(call.Fd(0), (FsMountFlags)call.UInt(1), (MountAttributes)call.Number(2)),
        KernelOp.MoveMount => kernel.MoveMount(call.Fd(0), call.A, call.Fd(1), call.B, (MoveMountFlags)call.UInt(2)),
        KernelOp.OpenTree => kernel.OpenTree(call.Fd(0), call.A, (OpenTreeFlags)call.UInt(1)),
        KernelOp.MountSetattr => kernel.MountSetattr(call.Fd(0), call.A, (AtFlags)call.Int(1),
            new MountAttr((MountAttributes)call.Number(2), (MountAttributes)call.Number(3), (ulong)call.Number(4), (ulong)call.Number(5))),
        _ => default,
    };

    private static Done File(IKernel kernel, in CallView call, Span<byte> room) => call.Op switch
    {
        KernelOp.OpenAt2 => kernel.OpenAt2(call.Fd(0), call.A, new OpenHow((ulong)call.Number(1), (ulong)call.Number(2), (ResolveFlags)call.Number(3))),
        KernelOp.NameToHandleAt => NameToHandle(kernel, in call, room),
        KernelOp.OpenByHandleAt when call.A.Length == Marshal.SizeOf<FileHandle>() => kernel.OpenByHandleAt(call.Fd(0), MemoryMarshal.Read<FileHandle>(call.A), (OpenFlags)call.Int(1)),
        KernelOp.Flock => kernel.Flock(call.Fd(0), (FlockOperation)call.Int(1)),
        KernelOp.FcntlLock when call.A.Length == Marshal.SizeOf<FileLock>() => FcntlLock(kernel, in call, room),
        KernelOp.InotifyInit => kernel.InotifyInit((InotifyFlags)call.Int(0)),
        KernelOp.InotifyAddWatch => kernel.InotifyAddWatch(call.Fd(0), call.A, (InotifyMask)call.UInt(1)),
        KernelOp.InotifyRmWatch => kernel.InotifyRmWatch(call.Fd(0), call.Int(1)),
        KernelOp.Mmap => kernel.Mmap(call.Fd(0), (MapProtection)call.Int(1), (MapFlags)call.Int(2), call.Number(3), call.Int(4)),
        KernelOp.MapRead => new Done(0, kernel.MapRead(call.Int(0), call.Number(1), room), room.Length),
        KernelOp.MapWrite => kernel.MapWrite(call.Int(0), call.Number(1), call.A),
        KernelOp.Msync => kernel.Msync(call.Int(0), (MsyncFlags)call.Int(1)),
        KernelOp.Munmap => kernel.Munmap(call.Int(0)),
        KernelOp.Quotactl when call.B.Length == Marshal.SizeOf<DiskQuota>() => Quotactl(kernel, in call, room),
        _ => default,
    };

    /// <summary>The structure goes back after errors too: EOVERFLOW tells the length in it.</summary>
    private static Done NameToHandle(IKernel kernel, in CallView call, Span<byte> room)
    {
        if (call.B.Length != Marshal.SizeOf<FileHandle>() || room.Length != call.B.Length)
            return default;
        var handle = MemoryMarshal.Read<FileHandle>(call.B);
        var error = kernel.NameToHandleAt(call.Fd(0), call.A, ref handle, out long mountId, (AtFlags)call.Int(1));
        MemoryMarshal.Write(room, in handle);
        return new Done(mountId, error, room.Length);
    }

    private static Done FcntlLock(IKernel kernel, in CallView call, Span<byte> room)
    {
        if (room.Length != call.A.Length)
            return default;
        var region = MemoryMarshal.Read<FileLock>(call.A);
        var error = kernel.FcntlLock(call.Fd(0), (LockCommand)call.Int(1), ref region);
        MemoryMarshal.Write(room, in region);
        return new Done(0, error, room.Length);
    }

    private static Done Quotactl(IKernel kernel, in CallView call, Span<byte> room)
    {
        if (room.Length != call.B.Length)
            return default;
        var quota = MemoryMarshal.Read<DiskQuota>(call.B);
        var error = kernel.Quotactl((QuotaCommand)call.UInt(0), (QuotaType)call.UInt(1), call.A, call.UInt(2), ref quota);
        MemoryMarshal.Write(room, in quota);
        return new Done(0, error, room.Length);
    }
}
