using DriverLab.Linux;

namespace DriverLab.StorageDrivers.Files;

/// <summary>An open file of a kernel as a stream: for libraries that want one. What the kernel refuses is an <see cref="IOException"/> that names the errno.</summary>
/// <param name="kernel">The task that has the descriptor.</param>
/// <param name="fd">The descriptor, closed with the stream.</param>
public sealed class DescriptorStream(IKernel kernel, Fd fd) : ForwardStream
{
    private bool _closed;

    /// <inheritdoc/>
    public override bool CanWrite => true;

    /// <inheritdoc/>
    public override int Read(Span<byte> buffer)
    {
        var got = kernel.Read(fd, buffer);
        return got.IsOk ? got.Value : throw Failed("read", got.Error);
    }

    /// <inheritdoc/>
    public override void Write(ReadOnlySpan<byte> buffer)
    {
        var error = kernel.WriteFully(fd, buffer);
        if (error != Errno.OK)
            throw Failed("write", error);
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing && !_closed)
            _ = kernel.Close(fd); // who needs to know syncs before
        _closed = true;
        base.Dispose(disposing);
    }

    private static KernelIOException Failed(string call, Errno errno) => new(call, errno);
}

/// <summary>A kernel refused a read or write of a <see cref="DescriptorStream"/>.</summary>
public sealed class KernelIOException(string call, Errno errno) : IOException($"{call}: {errno}")
{
    /// <summary>What the kernel said.</summary>
    public Errno Errno => errno;
}
