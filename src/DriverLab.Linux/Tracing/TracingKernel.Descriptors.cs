using DriverLab.Linux.Abi;

namespace DriverLab.Linux.Tracing;

public sealed partial class TracingKernel
{
    /// <inheritdoc/>
    public SysResult<Fd> OpenAt(Fd directory, ReadOnlySpan<byte> path, OpenFlags flags, Mode mode)
    {
        Enter(_line.Begin("openat"u8).Fd(directory).Path(path).Open(flags).Mode(mode));
        return Leave(_inner.OpenAt(directory, path, flags, mode));
    }

    /// <inheritdoc/>
    public Errno Close(Fd fd)
    {
        Enter(_line.Begin("close"u8).Fd(fd));
        return Leave(_inner.Close(fd));
    }

    /// <inheritdoc/>
    public SysResult<Fd> Dup(Fd fd)
    {
        Enter(_line.Begin("dup"u8).Fd(fd));
        return Leave(_inner.Dup(fd));
    }

    /// <inheritdoc/>
    public SysResult<int> Read(Fd fd, Span<byte> buffer)
    {
        Enter(_line.Begin("read"u8).Fd(fd).Number(buffer.Length));
        return Leave(_inner.Read(fd, buffer), buffer);
    }

    /// <inheritdoc/>
    public SysResult<int> Write(Fd fd, ReadOnlySpan<byte> data)
    {
        Enter(_line.Begin("write"u8).Fd(fd).Data(data));
        return Leave(_inner.Write(fd, data));
    }

    /// <inheritdoc/>
    public SysResult<int> PRead(Fd fd, Span<byte> buffer, long offset)
    {
        Enter(_line.Begin("pread64"u8).Fd(fd).Number(buffer.Length).Number(offset));
        return Leave(_inner.PRead(fd, buffer, offset), buffer);
    }

    /// <inheritdoc/>
    public SysResult<int> PWrite(Fd fd, ReadOnlySpan<byte> data, long offset)
    {
        Enter(_line.Begin("pwrite64"u8).Fd(fd).Data(data).Number(offset));
        return Leave(_inner.PWrite(fd, data, offset));
    }

    /// <inheritdoc/>
    public SysResult<long> LSeek(Fd fd, long offset, SeekWhence whence)
    {
        Enter(_line.Begin("lseek"u8).Fd(fd).Number(offset).Flags(whence));
        return Leave(_inner.LSeek(fd, offset, whence));
    }

    /// <inheritdoc/>
    public Errno FTruncate(Fd fd, long length)
    {
        Enter(_line.Begin("ftruncate"u8).Fd(fd).Number(length));
        return Leave(_inner.FTruncate(fd, length));
    }

    /// <inheritdoc/>
    public Errno Truncate(ReadOnlySpan<byte> path, long length)
    {
        Enter(_line.Begin("truncate"u8).Path(path).Number(length));
        return Leave(_inner.Truncate(path, length));
    }

    /// <inheritdoc/>
    public Errno Fallocate(Fd fd, FallocFlags mode, long offset, long length)
    {
        Enter(_line.Begin("fallocate"u8).Fd(fd).Flags(mode).Number(offset).Number(length));
        return Leave(_inner.Fallocate(fd, mode, offset, length));
    }

    /// <inheritdoc/>
    public Errno Fsync(Fd fd)
    {
        Enter(_line.Begin("fsync"u8).Fd(fd));
        return Leave(_inner.Fsync(fd));
    }

    /// <inheritdoc/>
    public Errno Fdatasync(Fd fd)
    {
        Enter(_line.Begin("fdatasync"u8).Fd(fd));
        return Leave(_inner.Fdatasync(fd));
    }

    /// <inheritdoc/>
    public Errno Syncfs(Fd fd)
    {
        Enter(_line.Begin("syncfs"u8).Fd(fd));
        return Leave(_inner.Syncfs(fd));
    }

    /// <inheritdoc/>
    public SysResult<long> CopyFileRange(Fd source, long? sourceOffset, Fd target, long? targetOffset, long length)
    {
        Enter(_line.Begin("copy_file_range"u8).Fd(source).Number(sourceOffset).Fd(target).Number(targetOffset).Number(length));
        return Leave(_inner.CopyFileRange(source, sourceOffset, target, targetOffset, length));
    }

    /// <inheritdoc/>
    public SysResult<int> GetDents(Fd fd, Span<byte> buffer)
    {
        Enter(_line.Begin("getdents64"u8).Fd(fd).Number(buffer.Length));
        return Leave(_inner.GetDents(fd, buffer));
    }

    /// <inheritdoc/>
    public SysResult<int> Ioctl(Fd fd, uint request, Span<byte> argument)
    {
        Enter(_line.Begin("ioctl"u8).Fd(fd).Hex(request).Data(argument));
        return Leave(_inner.Ioctl(fd, request, argument));
    }

    /// <inheritdoc/>
    public SysResult<int> Ioctl(Fd fd, uint request, long value)
    {
        Enter(_line.Begin("ioctl"u8).Fd(fd).Hex(request).Number(value));
        return Leave(_inner.Ioctl(fd, request, value));
    }

    /// <inheritdoc/>
    public Errno SetStatusFlags(Fd fd, OpenFlags flags)
    {
        Enter(_line.Begin("fcntl(F_SETFL)"u8).Fd(fd).Open(flags));
        return Leave(_inner.SetStatusFlags(fd, flags));
    }
}
