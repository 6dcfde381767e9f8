using DriverLab.Linux;
using DriverLab.Linux.Abi;

namespace DriverLab.Vfs;

/// <summary>The buffer between the ends of an open FIFO. A call that would have to wait throws <see cref="WouldHangException"/>: no other task can act meanwhile.</summary>
/// <remarks>Linux fs/pipe.c: fifo_open(), pipe_read(), pipe_write().</remarks>
internal sealed class Pipe
{
    private const int Capacity = 65536, PIPE_BUF = 4096;
    private readonly Queue<byte> _bytes = new();

    public int Readers { get; set; }
    public int Writers { get; set; }
    public int Free => Capacity - _bytes.Count;
    public bool IsEmpty => _bytes.Count == 0;

    /// <summary>Opens one end, or both.</summary>
    /// <returns>ENXIO (for writing without a reader, O_NONBLOCK).</returns>
    public static SysResult<OpenFile> Open(VfsCore core, in VfsPath path, OpenFlags flags)
    {
        var inode = path.Inode;
        var pipe = core.Pipes.TryGetValue(inode, out var open) ? open : new Pipe();
        var file = new PipeFile(path, flags, pipe);
        bool waits = (flags & OpenFlags.O_NONBLOCK) == 0;
        if (!file.CanRead && pipe.Readers == 0)
            return waits ? throw new WouldHangException("a reader of the FIFO") : Errno.ENXIO;
        if (!file.CanWrite && pipe.Writers == 0 && waits)
            throw new WouldHangException("a writer of the FIFO");
        pipe.Readers += file.CanRead ? 1 : 0;
        pipe.Writers += file.CanWrite ? 1 : 0;
        core.Pipes[inode] = pipe;
        return file;
    }

    public int Take(Span<byte> buffer)
    {
        int count = Math.Min(buffer.Length, _bytes.Count);
        for (int i = 0; i < count; i++)
            buffer[i] = _bytes.Dequeue();
        return count;
    }

    public int Put(ReadOnlySpan<byte> data)
    {
        // Up to PIPE_BUF bytes go whole or not at all.
        if (Free < data.Length && data.Length <= PIPE_BUF)
            return 0;
        int count = Math.Min(data.Length, Free);
        foreach (byte b in data[..count])
            _bytes.Enqueue(b);
        return count;
    }
}

/// <summary>An open end of a FIFO.</summary>
internal sealed class PipeFile(VfsPath path, OpenFlags flags, Pipe pipe) : OpenFile(path, flags)
{
    public override bool IsSeekable => false;

    private bool Waits => (Flags & OpenFlags.O_NONBLOCK) == 0;

    public override SysResult<int> Read(Caller caller, Span<byte> buffer, ref long position)
    {
        if (buffer.IsEmpty)
            return 0;
        if (!pipe.IsEmpty)
            return pipe.Take(buffer);
        if (pipe.Writers == 0)
            return 0;
        return Waits ? throw new WouldHangException("data in the FIFO") : Errno.EAGAIN;
    }

    public override SysResult<int> Write(Caller caller, ReadOnlySpan<byte> data, ref long position)
    {
        if (data.IsEmpty)
            return 0;
        if (pipe.Readers == 0)
            return Errno.EPIPE;
        int written = pipe.Put(data);
        if (written > 0 && (written == data.Length || !Waits))
            return written;
        return Waits ? throw new WouldHangException("room in the FIFO") : Errno.EAGAIN;
    }

    protected override void Release()
    {
        pipe.Readers -= CanRead ? 1 : 0;
        pipe.Writers -= CanWrite ? 1 : 0;
        if (pipe.Readers == 0 && pipe.Writers == 0)
            _ = Inode.Sb.Core.Pipes.Remove(Inode); // what was not read is lost
    }
}
