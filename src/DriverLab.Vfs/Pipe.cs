using System.Runtime.InteropServices;
using DriverLab.Linux;
using DriverLab.Linux.Abi;

namespace DriverLab.Vfs;

/// <summary>The buffer between the ends of an open FIFO.</summary>
/// <remarks>Linux fs/pipe.c: fifo_open(), wait_for_partner(), pipe_read(), pipe_write().</remarks>
internal sealed class Pipe
{
    private const int Slots = 16;
    private readonly Queue<Slot> _slots = new();
    private Slot? _last;
    private int _readersSoFar, _writersSoFar;

    public int Readers { get; private set; }
    public int Writers { get; private set; }
    public bool IsEmpty => _slots.Count == 0;

    /// <summary>How much waits to be read, in bytes.</summary>
    public int Bytes => _slots.Sum(static s => s.End - s.Start);
    public bool IsFull => _slots.Count == Slots;

    /// <summary>Opens one end, or both. One end alone waits for somebody to open the other, who may have gone again when the wait is over.</summary>
    /// <returns>ENXIO (for writing without a reader, O_NONBLOCK), EINTR.</returns>
    public static SysResult<OpenFile> Open(VfsCore core, in VfsPath path, OpenFlags flags)
    {
        var inode = path.Inode;
        if (!core.Pipes.TryGetValue(inode, out var pipe))
            pipe = new Pipe();
        var file = new PipeFile(path, flags, pipe);
        bool waits = (flags & OpenFlags.O_NONBLOCK) == 0;
        if (!file.CanRead && pipe.Readers == 0 && !waits)
            return Errno.ENXIO;
        core.Pipes[inode] = pipe;
        pipe.Add(file);
        if (!waits || (file.CanRead ? file.CanWrite || pipe.Writers > 0 : pipe.Readers > 0))
            return file;
        path.Hold();
        int met = pipe.PartnersOf(file);
        bool came = core.World.Scheduler.WaitInterruptible((pipe, file, met), static s => s.pipe.PartnersOf(s.file) != s.met, file.CanRead ? "a writer of the FIFO" : "a reader of the FIFO");
        path.Release();
        if (came)
            return file;
        pipe.Remove(file);
        return Errno.EINTR;
    }

    private int PartnersOf(PipeFile file) => file.CanRead ? _writersSoFar : _readersSoFar;

    private void Add(PipeFile file)
    {
        int reads = file.CanRead ? 1 : 0, writes = file.CanWrite ? 1 : 0;
        (Readers, Writers, _readersSoFar, _writersSoFar) = (Readers + reads, Writers + writes, _readersSoFar + reads, _writersSoFar + writes);
    }

    public void Remove(PipeFile file)
    {
        Readers -= file.CanRead ? 1 : 0;
        Writers -= file.CanWrite ? 1 : 0;
        if (Readers == 0 && Writers == 0)
            _ = file.Inode.Sb.Core.Pipes.Remove(file.Inode); // what was not read is lost
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
    /// <param name="data">The bytes.</param>
    /// <param name="isRest">True when the call has put in bytes before.</param>
    /// <returns>How much; up to a page goes whole or not at all.</returns>
    public int Put(ReadOnlySpan<byte> data, bool isRest)
    {
        int put = 0, odd = data.Length % Limits.PAGE_SIZE;
        if (!isRest && odd > 0 && !IsEmpty && _last!.End + odd <= Limits.PAGE_SIZE)
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
        if (pipe is { IsEmpty: true, Writers: > 0 })
        {
            if (!Waits)
                return Errno.EAGAIN;
            if (!Inode.Sb.Core.World.Scheduler.WaitInterruptible(pipe, static p => !p.IsEmpty || p.Writers == 0, "data in the FIFO"))
                return Errno.EINTR;
        }
        return pipe.Take(buffer);
    }

    public override SysResult<int> Write(Caller caller, ReadOnlySpan<byte> data, ref long position)
    {
        if (data.IsEmpty)
            return 0;
        int written = 0;
        while (pipe.Readers > 0)
        {
            written += pipe.Put(data[written..], written > 0);
            if (written == data.Length || written > 0 && !Waits)
                return written;
            if (!Waits)
                return Errno.EAGAIN;
            if (!Inode.Sb.Core.World.Scheduler.WaitInterruptible(pipe, static p => !p.IsFull || p.Readers == 0, "room in the FIFO"))
                return written > 0 ? written : Errno.EINTR;
        }
        return written > 0 ? written : Errno.EPIPE;
    }

    /// <remarks>Linux fs/pipe.c: pipe_ioctl().</remarks>
    public override SysResult<int> Ioctl(Caller caller, uint request, Span<byte> argument)
        => request != FileRequests.FIONREAD ? Errno.ENOTTY : MemoryMarshal.TryWrite(argument, pipe.Bytes) ? 0 : Errno.EFAULT;

    public override SysResult<int> Ioctl(Caller caller, uint request, long value) => Ioctl(caller, request, []);

    protected override void Release() => pipe.Remove(this);
}
