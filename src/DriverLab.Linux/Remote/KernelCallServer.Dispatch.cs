using System.Runtime.InteropServices;
using DriverLab.Linux.Abi;

namespace DriverLab.Linux.Remote;

public sealed partial class KernelCallServer
{
    private static Done Dispatch(IKernel kernel, in CallView call, Span<byte> room) => (int)call.Op switch
    {
        < 20 => Task(kernel, in call, room),
        < 60 => Descriptor(kernel, in call, room),
        < 80 => Name(kernel, in call, room),
        < 100 => Attribute(kernel, in call, room),
        < 120 => Xattr(kernel, in call, room),
        < 130 => Mount(kernel, in call),
        < 150 => MountTree(kernel, in call),
        _ => File(kernel, in call, room),
    };

    private static Done Task(IKernel kernel, in CallView call, Span<byte> room) => call.Op switch
    {
        KernelOp.SetIds => kernel.SetIds(new UserIds(call.UInt(0), call.UInt(1), MemoryMarshal.Cast<byte, uint>(call.A).ToArray())),
        KernelOp.Umask => new Done((long)kernel.Umask((Mode)call.UInt(0)), Errno.OK, 0),
        KernelOp.Unshare => kernel.Unshare((CloneFlags)call.UInt(0)),
        KernelOp.Chdir => kernel.Chdir(call.A),
        KernelOp.Fchdir => kernel.Fchdir(call.Fd(0)),
        KernelOp.Chroot => kernel.Chroot(call.A),
        KernelOp.GetCwd => Done.Filled(kernel.GetCwd(room), room.Length),
        KernelOp.UserNamespace => kernel.UserNamespace(Maps(in call)),
        _ => default,
    };

    private static UserMaps Maps(in CallView call) => new(MemoryMarshal.Cast<byte, IdMapExtent>(call.A).ToArray(), MemoryMarshal.Cast<byte, IdMapExtent>(call.B).ToArray());

    private static Done Descriptor(IKernel kernel, in CallView call, Span<byte> room) => call.Op switch
    {
        KernelOp.OpenAt => kernel.OpenAt(call.Fd(0), call.A, (OpenFlags)call.Int(1), (Mode)call.UInt(2)),
        KernelOp.Close => kernel.Close(call.Fd(0)),
        KernelOp.Dup => kernel.Dup(call.Fd(0)),
        KernelOp.Read => Done.Filled(kernel.Read(call.Fd(0), room), room.Length),
        KernelOp.Write => kernel.Write(call.Fd(0), call.A),
        KernelOp.PRead => Done.Filled(kernel.PRead(call.Fd(0), room, call.Number(1)), room.Length),
        KernelOp.PWrite => kernel.PWrite(call.Fd(0), call.A, call.Number(1)),
        KernelOp.LSeek => kernel.LSeek(call.Fd(0), call.Number(1), (SeekWhence)call.Int(2)),
        KernelOp.FTruncate => kernel.FTruncate(call.Fd(0), call.Number(1)),
        KernelOp.Truncate => kernel.Truncate(call.A, call.Number(0)),
        KernelOp.Fallocate => kernel.Fallocate(call.Fd(0), (FallocFlags)call.Int(1), call.Number(2), call.Number(3)),
        KernelOp.Fsync => kernel.Fsync(call.Fd(0)),
        KernelOp.Fdatasync => kernel.Fdatasync(call.Fd(0)),
        KernelOp.Syncfs => kernel.Syncfs(call.Fd(0)),
        KernelOp.Sync => Void(kernel.Sync),
        KernelOp.CopyFileRange => kernel.CopyFileRange(call.Fd(0), (call.Number(5) & 1) != 0 ? call.Number(1) : null,
            call.Fd(2), (call.Number(5) & 2) != 0 ? call.Number(3) : null, call.Number(4)),
        KernelOp.GetDents => Done.Filled(kernel.GetDents(call.Fd(0), room), room.Length),
        KernelOp.Ioctl => Ioctl(kernel, in call, room),
        KernelOp.IoctlValue => kernel.Ioctl(call.Fd(0), call.UInt(1), call.Number(2)),
        KernelOp.GetStatusFlags => kernel.GetStatusFlags(call.Fd(0)),
        KernelOp.SetStatusFlags => kernel.SetStatusFlags(call.Fd(0), (OpenFlags)call.Int(1)),
        _ => default,
    };

    private static Done Name(IKernel kernel, in CallView call, Span<byte> room) => call.Op switch
    {
        KernelOp.MkdirAt => kernel.MkdirAt(call.Fd(0), call.A, (Mode)call.UInt(1)),
        KernelOp.MknodAt => kernel.MknodAt(call.Fd(0), call.A, (Mode)call.UInt(1), new DevT(call.UInt(2), call.UInt(3))),
        KernelOp.UnlinkAt => kernel.UnlinkAt(call.Fd(0), call.A, (AtFlags)call.Int(1)),
        KernelOp.LinkAt => kernel.LinkAt(call.Fd(0), call.A, call.Fd(1), call.B, (AtFlags)call.Int(2)),
        KernelOp.SymlinkAt => kernel.SymlinkAt(call.A, call.Fd(0), call.B),
        KernelOp.ReadLinkAt => Done.Filled(kernel.ReadLinkAt(call.Fd(0), call.A, room), room.Length),
        KernelOp.RenameAt2 => kernel.RenameAt2(call.Fd(0), call.A, call.Fd(1), call.B, (RenameFlags)call.UInt(2)),
        _ => default,
    };

    private static Done Attribute(IKernel kernel, in CallView call, Span<byte> room) => call.Op switch
    {
        KernelOp.Statx => Structure(kernel.Statx(call.Fd(0), call.A, (AtFlags)call.Int(1), (StatxMask)call.UInt(2), out var statx), in statx, room),
        KernelOp.FaccessAt => kernel.FaccessAt(call.Fd(0), call.A, (AccessMode)call.Int(1), (AtFlags)call.Int(2)),
        KernelOp.FchmodAt => kernel.FchmodAt(call.Fd(0), call.A, (Mode)call.UInt(1)),
        KernelOp.Fchmod => kernel.Fchmod(call.Fd(0), (Mode)call.UInt(1)),
        KernelOp.FchownAt => kernel.FchownAt(call.Fd(0), call.A, call.UInt(1), call.UInt(2), (AtFlags)call.Int(3)),
        KernelOp.UtimensAt => kernel.UtimensAt(call.Fd(0), call.A, new Timespec(call.Number(1), call.Number(2)), new Timespec(call.Number(3), call.Number(4)), (AtFlags)call.Int(5)),
        KernelOp.StatFs => Structure(kernel.StatFs(call.A, out var statfs), in statfs, room),
        KernelOp.FStatFs => Structure(kernel.FStatFs(call.Fd(0), out var fstatfs), in fstatfs, room),
        _ => default,
    };

    private static Done Xattr(IKernel kernel, in CallView call, Span<byte> room) => call.Op switch
    {
        KernelOp.GetXattr => Done.Filled(kernel.GetXattr(call.A, call.B, room, (AtFlags)call.Int(0)), room.Length),
        KernelOp.FGetXattr => Done.Filled(kernel.FGetXattr(call.Fd(0), call.A, room), room.Length),
        KernelOp.SetXattr => kernel.SetXattr(call.A, call.B, call.C, (XattrFlags)call.Int(0), (AtFlags)call.Int(1)),
        KernelOp.FSetXattr => kernel.FSetXattr(call.Fd(0), call.A, call.B, (XattrFlags)call.Int(1)),
        KernelOp.ListXattr => Done.Filled(kernel.ListXattr(call.A, room, (AtFlags)call.Int(0)), room.Length),
        KernelOp.FListXattr => Done.Filled(kernel.FListXattr(call.Fd(0), room), room.Length),
        KernelOp.RemoveXattr => kernel.RemoveXattr(call.A, call.B, (AtFlags)call.Int(0)),
        KernelOp.FRemoveXattr => kernel.FRemoveXattr(call.Fd(0), call.A),
        _ => default,
    };

    private static Done Mount(IKernel kernel, in CallView call)
    {
        switch (call.Op)
        {
            case KernelOp.Mount:
                return kernel.Mount(call.A, call.B, call.C, (MountFlags)call.UInt(0), call.D);
            case KernelOp.Umount:
                return kernel.Umount(call.A, (UmountFlags)call.Int(0));
            case KernelOp.ClockGetTime:
                return new Done(kernel.ClockGetTimeNs((ClockId)call.Int(0)), Errno.OK, 0);
            case KernelOp.Sleep:
                kernel.Sleep(call.Number(0));
                return Errno.OK;
            default:
                return default;
        }
    }

    /// <summary>What the kernel left in the structure goes back even when it failed.</summary>
    private static Done Ioctl(IKernel kernel, in CallView call, Span<byte> room)
    {
        if (room.Length != call.A.Length)
            return default;
        call.A.CopyTo(room);
        var result = kernel.Ioctl(call.Fd(0), call.UInt(1), room);
        return new Done(result.Value, result.Error, room.Length);
    }

    private static Done Structure<T>(Errno error, in T value, Span<byte> room) where T : unmanaged
        => error == Errno.OK && MemoryMarshal.TryWrite(room, in value) ? new Done(0, error, room.Length) : error;

    private static Done Void(Action call)
    {
        call();
        return Errno.OK;
    }
}
