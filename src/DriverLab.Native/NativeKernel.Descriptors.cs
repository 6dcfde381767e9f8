using DriverLab.Linux;
using DriverLab.Linux.Abi;

namespace DriverLab.Native;

public sealed unsafe partial class NativeKernel
{
    private const int GetFlags = 3, SetFlags = 4;

    /// <inheritdoc/>
    public SysResult<Fd> OpenAt(Fd directory, ReadOnlySpan<byte> path, OpenFlags flags, Mode mode)
        => NewFd(_task.Call(Nr.Openat, directory.Value, CPath.Of(path, out CPath s1), (nint)flags, (nint)mode));

    /// <inheritdoc/>
    public Errno Close(Fd fd) => Error(_task.Call(Nr.Close, fd.Value));

    /// <inheritdoc/>
    public SysResult<Fd> Dup(Fd fd) => NewFd(_task.Call(Nr.Dup, fd.Value));

    /// <inheritdoc/>
    public SysResult<int> Read(Fd fd, Span<byte> buffer)
    {
        fixed (byte* p = buffer)
            return Count(_task.Call(Nr.Read, fd.Value, (nint)p, buffer.Length));
    }

    /// <inheritdoc/>
    public SysResult<int> Write(Fd fd, ReadOnlySpan<byte> data)
    {
        fixed (byte* p = data)
            return Count(_task.Call(Nr.Write, fd.Value, (nint)p, data.Length));
    }

    /// <inheritdoc/>
    public SysResult<int> PRead(Fd fd, Span<byte> buffer, long offset)
    {
        fixed (byte* p = buffer)
            return Count(_task.Call(Nr.Pread64, fd.Value, (nint)p, buffer.Length, (nint)offset));
    }

    /// <inheritdoc/>
    public SysResult<int> PWrite(Fd fd, ReadOnlySpan<byte> data, long offset)
    {
        fixed (byte* p = data)
            return Count(_task.Call(Nr.Pwrite64, fd.Value, (nint)p, data.Length, (nint)offset));
    }

    /// <inheritdoc/>
    public SysResult<long> LSeek(Fd fd, long offset, SeekWhence whence) => Long(_task.Call(Nr.Lseek, fd.Value, (nint)offset, (nint)whence));

    /// <inheritdoc/>
    public Errno FTruncate(Fd fd, long length) => Error(_task.Call(Nr.Ftruncate, fd.Value, (nint)length));

    /// <inheritdoc/>
    public Errno Truncate(ReadOnlySpan<byte> path, long length) => Error(_task.Call(Nr.Truncate, CPath.Of(path, out CPath s1), (nint)length));

    /// <inheritdoc/>
    public Errno Fallocate(Fd fd, FallocFlags mode, long offset, long length)
        => Error(_task.Call(Nr.Fallocate, fd.Value, (nint)mode, (nint)offset, (nint)length));

    /// <inheritdoc/>
    public Errno Fsync(Fd fd) => Error(_task.Call(Nr.Fsync, fd.Value));

    /// <inheritdoc/>
    public Errno Fdatasync(Fd fd) => Error(_task.Call(Nr.Fdatasync, fd.Value));

    /// <inheritdoc/>
    public Errno Syncfs(Fd fd) => Error(_task.Call(Nr.Syncfs, fd.Value));

    /// <inheritdoc/>
    public void Sync() => _ = _task.Call(Nr.Sync);

    /// <inheritdoc/>
    public SysResult<long> CopyFileRange(Fd source, long? sourceOffset, Fd target, long? targetOffset, long length)
    {
        long from = sourceOffset.GetValueOrDefault(), to = targetOffset.GetValueOrDefault();
        return Long(_task.Call(Nr.CopyFileRange, source.Value, sourceOffset.HasValue ? (nint)(&from) : 0, target.Value, targetOffset.HasValue ? (nint)(&to) : 0, (nint)length));
    }

    /// <inheritdoc/>
    public SysResult<int> GetDents(Fd fd, Span<byte> buffer)
    {
        fixed (byte* p = buffer)
            return Count(_task.Call(Nr.Getdents64, fd.Value, (nint)p, buffer.Length));
    }

    /// <inheritdoc/>
    public SysResult<int> Ioctl(Fd fd, uint request, Span<byte> argument)
    {
        fixed (byte* p = argument)
            return Count(_task.Call(Nr.Ioctl, fd.Value, (nint)request, (nint)p));
    }

    /// <inheritdoc/>
    public SysResult<int> Ioctl(Fd fd, uint request, long value) => Count(_task.Call(Nr.Ioctl, fd.Value, (nint)request, (nint)value));

    /// <inheritdoc/>
    public SysResult<OpenFlags> GetStatusFlags(Fd fd)
    {
        nint result = _task.Call(Nr.Fcntl, fd.Value, GetFlags);
        return result < 0 ? Error(result) : (OpenFlags)result;
    }

    /// <inheritdoc/>
    public Errno SetStatusFlags(Fd fd, OpenFlags flags) => Error(_task.Call(Nr.Fcntl, fd.Value, SetFlags, (nint)flags));

    private static SysResult<Fd> NewFd(nint result) => result < 0 ? Error(result) : new Fd((int)result);

    private static SysResult<long> Long(nint result) => result < 0 ? Error(result) : (long)result;
}
