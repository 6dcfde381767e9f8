using DriverLab.Linux;
using DriverLab.Linux.Abi;

namespace DriverLab.Conformance.Running;

/// <summary>A file of the kernel under test as a stream: read or written front to back.</summary>
internal sealed class KernelStream : Stream
{
    private readonly IKernel _task;
    private readonly Fd _fd;
    private readonly bool _writes;
    private long _position;

    private KernelStream(IKernel task, Fd fd, bool writes) => (_task, _fd, _writes) = (task, fd, writes);

    /// <summary>Opens a file for reading; null with the error when that fails.</summary>
    public static KernelStream? Open(IKernel task, ReadOnlySpan<byte> path, out Errno error) => Open(task, path, OpenFlags.O_RDONLY, out error);

    /// <summary>Creates or empties a file for writing; null with the error when that fails.</summary>
    public static KernelStream? Create(IKernel task, ReadOnlySpan<byte> path, out Errno error) =>
        Open(task, path, OpenFlags.O_WRONLY | OpenFlags.O_CREAT | OpenFlags.O_TRUNC, out error);

    private static KernelStream? Open(IKernel task, ReadOnlySpan<byte> path, OpenFlags flags, out Errno error)
    {
        var opened = task.OpenAt(Fd.Cwd, path, flags | OpenFlags.O_CLOEXEC, (Mode)0x1A4);
        error = opened.Error;
        return opened.IsOk ? new KernelStream(task, opened.Value, flags != OpenFlags.O_RDONLY) : null;
    }

    public override bool CanRead => !_writes;

    public override bool CanWrite => _writes;

    public override bool CanSeek => false;

    /// <summary>Bytes read or written so far.</summary>
    public override long Length => _position;

    public override long Position { get => _position; set => throw new InvalidOperationException("the stream goes forward only"); }

    public override int Read(Span<byte> buffer)
    {
        var got = _task.Read(_fd, buffer);
        if (!got.IsOk)
            throw new ScenarioRunException($"read {got.Error} after {_position} bytes");
        _position += got.Value;
        return got.Value;
    }

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        while (!buffer.IsEmpty)
        {
            var written = _task.Write(_fd, buffer);
            if (!written.IsOk)
                throw new ScenarioRunException($"write {written.Error} after {_position} bytes");
            _position += written.Value;
            buffer = buffer[written.Value..];
        }
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new InvalidOperationException("the stream goes forward only");

    public override void SetLength(long value) => throw new InvalidOperationException("the stream goes forward only");

    protected override void Dispose(bool disposing)
    {
        if (disposing)
            _ = _task.Close(_fd); // a write that failed has thrown before
        base.Dispose(disposing);
    }
}
