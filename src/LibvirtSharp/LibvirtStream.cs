namespace LibvirtSharp;

/// <summary>A console or channel of a domain as a .NET stream: blocking reads and writes, bytes as they come.</summary>
internal sealed unsafe class LibvirtStream : Stream
{
    private nint _handle;

    private LibvirtStream(nint handle) => _handle = handle;

    public static LibvirtStream Open(LibvirtConnection connection, Func<nint, int> attach)
    {
        nint handle = Native.Check(Native.virStreamNew(connection.Handle, 0));
        if (attach(handle) >= 0)
            return new(handle);
        var reason = LibvirtException.Last();
        _ = Native.virStreamFree(handle); // never attached
        throw reason;
    }

    private nint Handle => _handle != 0 ? _handle : throw new ObjectDisposedException(nameof(LibvirtStream));

    public override bool CanRead => true;
    public override bool CanWrite => true;
    public override bool CanSeek => false;
    public override long Length => throw new NotSupportedException();
    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    public override int Read(Span<byte> buffer)
    {
        fixed (byte* data = buffer)
            return Native.Check(Native.virStreamRecv(Handle, data, (nuint)buffer.Length));
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        while (buffer.Length > 0)
        {
            fixed (byte* data = buffer)
                buffer = buffer[Native.Check(Native.virStreamSend(Handle, data, (nuint)buffer.Length))..];
        }
    }

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override void Flush() { }
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
    public override void SetLength(long value) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        nint handle = Interlocked.Exchange(ref _handle, 0);
        if (handle != 0)
        {
            _ = Native.virStreamAbort(handle); // the other side may be gone already
            _ = Native.virStreamFree(handle);
        }
        base.Dispose(disposing);
    }
}
