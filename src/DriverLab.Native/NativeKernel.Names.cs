using System.Runtime.CompilerServices;
using DriverLab.Linux;
using DriverLab.Linux.Abi;

namespace DriverLab.Native;

[SkipLocalsInit]
public sealed unsafe partial class NativeKernel
{
    /// <inheritdoc/>
    public Errno MkdirAt(Fd directory, ReadOnlySpan<byte> path, Mode mode)
        => Error(_task.Call(Nr.Mkdirat, directory.Value, CPath.Of(path, out CPath s1), (nint)mode));

    /// <inheritdoc/>
    public Errno MknodAt(Fd directory, ReadOnlySpan<byte> path, Mode mode, DevT device)
        => Error(_task.Call(Nr.Mknodat, directory.Value, CPath.Of(path, out CPath s1), (nint)mode, (nint)device.Encoded));

    /// <inheritdoc/>
    public Errno UnlinkAt(Fd directory, ReadOnlySpan<byte> path, AtFlags flags)
        => Error(_task.Call(Nr.Unlinkat, directory.Value, CPath.Of(path, out CPath s1), (nint)flags));

    /// <inheritdoc/>
    public Errno LinkAt(Fd oldDirectory, ReadOnlySpan<byte> oldPath, Fd newDirectory, ReadOnlySpan<byte> newPath, AtFlags flags)
        => Error(_task.Call(Nr.Linkat, oldDirectory.Value, CPath.Of(oldPath, out CPath s1), newDirectory.Value, CPath.Of(newPath, out CPath s2), (nint)flags));

    /// <inheritdoc/>
    public Errno SymlinkAt(ReadOnlySpan<byte> target, Fd directory, ReadOnlySpan<byte> path)
        => Error(_task.Call(Nr.Symlinkat, CPath.Of(target, out CPath s1), directory.Value, CPath.Of(path, out CPath s2)));

    /// <inheritdoc/>
    public SysResult<int> ReadLinkAt(Fd directory, ReadOnlySpan<byte> path, Span<byte> buffer)
    {
        fixed (byte* p = buffer)
            return Count(_task.Call(Nr.Readlinkat, directory.Value, CPath.Of(path, out CPath s1), (nint)p, buffer.Length));
    }

    /// <inheritdoc/>
    public Errno RenameAt2(Fd oldDirectory, ReadOnlySpan<byte> oldPath, Fd newDirectory, ReadOnlySpan<byte> newPath, RenameFlags flags)
        => Error(_task.Call(Nr.Renameat2, oldDirectory.Value, CPath.Of(oldPath, out CPath s1), newDirectory.Value, CPath.Of(newPath, out CPath s2), (nint)flags));

    /// <inheritdoc/>
    public Errno Statx(Fd directory, ReadOnlySpan<byte> path, AtFlags flags, StatxMask mask, out Statx result)
    {
        result = default;
        fixed (Statx* p = &result)
            return Error(_task.Call(Nr.Statx, directory.Value, CPath.Of(path, out CPath s1), (nint)flags, (nint)mask, (nint)p));
    }

    /// <inheritdoc/>
    public Errno FaccessAt(Fd directory, ReadOnlySpan<byte> path, AccessMode mode, AtFlags flags)
        => Error(_task.Call(Nr.Faccessat2, directory.Value, CPath.Of(path, out CPath s1), (nint)mode, (nint)flags));

    /// <inheritdoc/>
    public Errno FchmodAt(Fd directory, ReadOnlySpan<byte> path, Mode mode)
        => Error(_task.Call(Nr.Fchmodat, directory.Value, CPath.Of(path, out CPath s1), (nint)mode));

    /// <inheritdoc/>
    public Errno Fchmod(Fd fd, Mode mode) => Error(_task.Call(Nr.Fchmod, fd.Value, (nint)mode));

    /// <inheritdoc/>
    public Errno FchownAt(Fd directory, ReadOnlySpan<byte> path, uint uid, uint gid, AtFlags flags)
        => Error(_task.Call(Nr.Fchownat, directory.Value, CPath.Of(path, out CPath s1), (nint)uid, (nint)gid, (nint)flags));

    /// <inheritdoc/>
    public Errno UtimensAt(Fd directory, ReadOnlySpan<byte> path, Timespec atime, Timespec mtime, AtFlags flags)
    {
        Timespec* times = stackalloc Timespec[2] { atime, mtime };
        return Error(_task.Call(Nr.Utimensat, directory.Value, CPath.Of(path, out CPath s1), (nint)times, (nint)flags));
    }

    /// <inheritdoc/>
    public Errno StatFs(ReadOnlySpan<byte> path, out StatFs result)
    {
        result = default;
        fixed (StatFs* p = &result)
            return Error(_task.Call(Nr.Statfs, CPath.Of(path, out CPath s1), (nint)p));
    }

    /// <inheritdoc/>
    public Errno FStatFs(Fd fd, out StatFs result)
    {
        result = default;
        fixed (StatFs* p = &result)
            return Error(_task.Call(Nr.Fstatfs, fd.Value, (nint)p));
    }
}
