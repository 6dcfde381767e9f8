using DriverLab.Linux;
using DriverLab.Linux.Abi;

namespace DriverLab.Vfs;

/// <summary>The buffer between the ends of an open FIFO. A call that would have to wait throws <see cref="WouldHangException"/>: no other task can act meanwhile.</summary>
/// <remarks>Linux fs/pipe.c: fifo_open(), pipe_read(), pipe_write().</remarks>
internal sealed class Pipe
{
    private const int Slots = 16;
    private readonly Queue<Slot> _slots = new();
    private Slot? _last;

    public int Readers { get; set; }
    public int Writers { get; set; }
    public bool IsEmpty => _slots.Count == 0;

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
        int taken = 0;
        while (taken < buffer.Length && _slots.TryPeek(out var slot))
        {
            int count = Math.Min(buffer.Length - taken, slot.End - slot.Start);
            slot.Page.AsSpan(slot.Start, count).CopyTo(buffer[taken..]);
            taken += count;
            slot.Start += count;
            if (slot.Start == slot.End)
                _ = _slots.Dequeue();
        }
        return taken;
    }

    /// <summary>Takes in as much as fits: what goes over whole pages behind the last bytes when their page has room for it, the rest a page a slot.</summary>
    /// <returns>How much; up to a page goes whole or not at all.</returns>
    public int Put(ReadOnlySpan<byte> data)
    {
        int put = 0, odd = data.Length % Limits.PAGE_SIZE;
        if (odd > 0 && !IsEmpty && _last!.End + odd <= Limits.PAGE_SIZE)
            put = _last.Append(data[..odd]);
        for (; put < data.Length && _slots.Count < Slots; _slots.Enqueue(_last))
        {
            _last = new Slot();
            put += _last.Append(data[put..Math.Min(data.Length, put + Limits.PAGE_SIZE)]);
        }
        return put;
    }

    private sealed class Slot
    {
        public readonly byte[] Page = new byte[Limits.PAGE_SIZE];
        public int Start, End;

        public int Append(ReadOnlySpan<byte> data)
        {
            data.CopyTo(Page.AsSpan(End));
            End += data.Length;
            return data.Length;
        }
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
