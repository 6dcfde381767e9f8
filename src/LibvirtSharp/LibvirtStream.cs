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

    // The library frees a stream under a call that is under way: the last user of the handle frees it.
    private readonly Lock _gate = new();
    private int _users;
    private bool _closed;

    private nint Enter()
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_closed, this);
            _users++;
            return _handle;
        }
    }

    private void Leave()
    {
        lock (_gate)
        {
            if (--_users == 0 && _closed)
                Free();
        }
    }

    private void Free()
    {
        nint handle = Interlocked.Exchange(ref _handle, 0);
        if (handle != 0)
            _ = Native.virStreamFree(handle); // cannot fail for a handle of ours
    }

    private static int Moved(int bytes) => bytes >= 0 ? bytes : throw new IOException("the domain's stream ended", LibvirtException.Last());

    public override bool CanRead => true;
    public override bool CanWrite => true;
    public override bool CanSeek => false;
    public override long Length => throw new NotSupportedException();
    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    /// <exception cref="IOException">The domain or the connection has gone; the cause is libvirt's.</exception>
    public override int Read(Span<byte> buffer)
    {
        nint handle = Enter();
        try
        {
            fixed (byte* data = buffer)
                return Moved(Native.virStreamRecv(handle, data, (nuint)buffer.Length));
        }
        finally
        {
            Leave();
        }
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    /// <exception cref="IOException">The domain or the connection has gone; the cause is libvirt's.</exception>
    public override void Write(ReadOnlySpan<byte> buffer)
    {
        nint handle = Enter();
        try
        {
            while (buffer.Length > 0)
            {
                fixed (byte* data = buffer)
                    buffer = buffer[Moved(Native.virStreamSend(handle, data, (nuint)buffer.Length))..];
            }
        }
        finally
        {
            Leave();
        }
    }

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override void Flush() { }
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
    public override void SetLength(long value) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        lock (_gate)
        {
            if (!_closed)
            {
                _closed = true;
                _ = Native.virStreamAbort(_handle); // wakes a reader; the other side may be gone already
                if (_users == 0)
                    Free();
            }
        }
        base.Dispose(disposing);
    }
}
