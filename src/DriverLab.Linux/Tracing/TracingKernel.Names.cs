using DriverLab.Linux.Abi;

namespace DriverLab.Linux.Tracing;

public sealed partial class TracingKernel
{
    /// <inheritdoc/>
    public Errno MkdirAt(Fd directory, ReadOnlySpan<byte> path, Mode mode)
    {
        Enter(_line.Begin("mkdirat"u8).Fd(directory).Path(path).Mode(mode));
        return Leave(_inner.MkdirAt(directory, path, mode));
    }

    /// <inheritdoc/>
    public Errno MknodAt(Fd directory, ReadOnlySpan<byte> path, Mode mode, DevT device)
    {
        Enter(_line.Begin("mknodat"u8).Fd(directory).Path(path).Mode(mode).Number(device.Major).Number(device.Minor));
        return Leave(_inner.MknodAt(directory, path, mode, device));
    }

    /// <inheritdoc/>
    public Errno UnlinkAt(Fd directory, ReadOnlySpan<byte> path, AtFlags flags)
    {
        Enter(_line.Begin("unlinkat"u8).Fd(directory).Path(path).At(flags, true, false));
        return Leave(_inner.UnlinkAt(directory, path, flags));
    }

    /// <inheritdoc/>
    public Errno LinkAt(Fd oldDirectory, ReadOnlySpan<byte> oldPath, Fd newDirectory, ReadOnlySpan<byte> newPath, AtFlags flags)
    {
        Enter(_line.Begin("linkat"u8).Fd(oldDirectory).Path(oldPath).Fd(newDirectory).Path(newPath).At(flags, false, false));
        return Leave(_inner.LinkAt(oldDirectory, oldPath, newDirectory, newPath, flags));
    }

    /// <inheritdoc/>
    public Errno SymlinkAt(ReadOnlySpan<byte> target, Fd directory, ReadOnlySpan<byte> path)
    {
        Enter(_line.Begin("symlinkat"u8).Path(target).Fd(directory).Path(path));
        return Leave(_inner.SymlinkAt(target, directory, path));
    }

    /// <inheritdoc/>
    public SysResult<int> ReadLinkAt(Fd directory, ReadOnlySpan<byte> path, Span<byte> buffer)
    {
        Enter(_line.Begin("readlinkat"u8).Fd(directory).Path(path).Number(buffer.Length));
        return Leave(_inner.ReadLinkAt(directory, path, buffer), buffer);
    }

    /// <inheritdoc/>
    public Errno RenameAt2(Fd oldDirectory, ReadOnlySpan<byte> oldPath, Fd newDirectory, ReadOnlySpan<byte> newPath, RenameFlags flags)
    {
        Enter(_line.Begin("renameat2"u8).Fd(oldDirectory).Path(oldPath).Fd(newDirectory).Path(newPath).Flags(flags));
        return Leave(_inner.RenameAt2(oldDirectory, oldPath, newDirectory, newPath, flags));
    }

    /// <inheritdoc/>
    public Errno FaccessAt(Fd directory, ReadOnlySpan<byte> path, AccessMode mode, AtFlags flags)
    {
        Enter(_line.Begin("faccessat2"u8).Fd(directory).Path(path).Flags(mode).At(flags, false, true));
        return Leave(_inner.FaccessAt(directory, path, mode, flags));
    }

    /// <inheritdoc/>
    public Errno FchmodAt(Fd directory, ReadOnlySpan<byte> path, Mode mode)
    {
        Enter(_line.Begin("fchmodat"u8).Fd(directory).Path(path).Mode(mode));
        return Leave(_inner.FchmodAt(directory, path, mode));
    }

    /// <inheritdoc/>
    public Errno Fchmod(Fd fd, Mode mode)
    {
        Enter(_line.Begin("fchmod"u8).Fd(fd).Mode(mode));
        return Leave(_inner.Fchmod(fd, mode));
    }

    /// <inheritdoc/>
    public Errno FchownAt(Fd directory, ReadOnlySpan<byte> path, uint uid, uint gid, AtFlags flags)
    {
        Enter(_line.Begin("fchownat"u8).Fd(directory).Path(path).Number((int)uid).Number((int)gid).At(flags, false, false));
        return Leave(_inner.FchownAt(directory, path, uid, gid, flags));
    }

    /// <inheritdoc/>
    public Errno UtimensAt(Fd directory, ReadOnlySpan<byte> path, Timespec atime, Timespec mtime, AtFlags flags)
    {
        Enter(_line.Begin("utimensat"u8).Fd(directory).Path(path).Time(atime).Time(mtime).At(flags, false, false));
        return Leave(_inner.UtimensAt(directory, path, atime, mtime, flags));
    }
}
