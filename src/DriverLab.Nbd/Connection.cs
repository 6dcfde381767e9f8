using System.Buffers.Binary;
using System.Net.Sockets;
using DriverLab.Block;
using DriverLab.Linux;

namespace DriverLab.Nbd;

/// <summary>The transmission phase with one client. One thread receives and submits; what ends later, through the kernel's background work, is sent from the thread pool.</summary>
internal sealed class Connection : IThreadPoolWorkItem
{
    private const int InputBytes = 512 << 10, OutputBytes = 256 << 10, CopiedBytes = 16 << 10, LargePayload = 64 << 10;
    private const long MostWaitingBytes = 128L << 20;
    private static readonly byte[] s_zeros = new byte[1 << 20];
    private static readonly int[] s_sizes = [8 << 10, 64 << 10, 1 << 20, NbdProtocol.LargestPayload];

    private readonly NbdChannel _channel;
    private readonly NbdExport _export;
    private readonly DeviceGate _gate;
    private readonly bool _structured, _allocation;
    private readonly Action<string> _onTrouble;
    private readonly byte[] _input = GC.AllocateUninitializedArray<byte>(InputBytes, pinned: true), _output = GC.AllocateUninitializedArray<byte>(OutputBytes, pinned: true);
    private readonly Stack<NbdRequest>[] _pool = [new(), new(), new(), new()];
    private readonly object _room = new();
    private readonly Lock _sending = new();
    private bool _inside;
    private NbdRequest? _ended;
    private int _start, _end, _underWay;
    private long _waitingBytes, _lastPayload;

    public Connection(NbdChannel channel, NbdExport export, DeviceGate gate, Handshake agreed, Action<string> onTrouble)
    {
        (_channel, _export, _gate, _onTrouble) = (channel, export, gate, onTrouble);
        (_structured, _allocation) = (agreed.Structured, agreed.Allocation);
    }

    /// <summary>For the gate: connections to be told that something ended.</summary>
    internal Connection? NextWoken;

    /// <summary>For the gate: this one is in its list, or on its way to a thread.</summary>
    internal bool IsWoken;

    public BlockDevice Device => _export.Device;

    /// <summary>Serves until the client disconnects, goes away or breaks the protocol.</summary>
    public void Serve()
    {
        try
        {
            bool goOn = true;
            while (goOn && Receive(NbdProtocol.RequestSize))
            {
                Enter();
                while (goOn && _end - _start >= NbdProtocol.RequestSize)
                    goOn = TakeRequest();
                var ended = TakeEnded();
                Leave();
                Send(ended);
                WaitForRoom();
            }
        }
        finally
        {
            if (_inside)
                Leave();
            WaitUntilEnded();
        }
    }

    /// <summary>Sends what ended while nobody of this connection was inside.</summary>
    public void Execute()
    {
        _gate.Enter(this);
        IsWoken = false;
        var ended = TakeEnded();
        _gate.Leave();
        try
        {
            Send(ended);
        }
        catch (Exception e) when (e is SocketException or IOException or ObjectDisposedException)
        {
            // The receiving thread sees the same.
        }
    }

    /// <summary>A request has its result. Called inside the gate.</summary>
    public void Finish(NbdRequest request)
    {
        request.MakeReply(_structured);
        request.Next = _ended;
        _ended = request;
        _gate.Ended(this);
    }

    /// <summary>Receives until so many bytes are there; false at the end of the stream.</summary>
    private bool Receive(int bytes)
    {
        if (_start == _end)
            _start = _end = 0;
        else if (InputBytes - _start < bytes)
        {
            Buffer.BlockCopy(_input, _start, _input, 0, _end - _start);
            (_start, _end) = (0, _end - _start);
        }
        while (_end - _start < bytes)
        {
            // After a large write another is likely: its payload goes to where it is written from, without a stop here.
            int n = _channel.Receive(_lastPayload > LargePayload ? _input.AsSpan(_end, bytes - (_end - _start)) : _input.AsSpan(_end));
            if (n == 0)
                return false;
            _end += n;
        }
        return true;
    }

    /// <summary>Takes one request out of the input and starts it. Inside the gate.</summary>
    /// <returns>False when the client said goodbye.</returns>
    private bool TakeRequest()
    {
        var head = _input.AsSpan(_start, NbdProtocol.RequestSize);
        if (BinaryPrimitives.ReadUInt32BigEndian(head) != NbdProtocol.RequestMagic)
            throw new NbdException($"bytes {Convert.ToHexString(head)} are no request");
        var command = (NbdCommand)BinaryPrimitives.ReadUInt16BigEndian(head[6..]);
        uint length = BinaryPrimitives.ReadUInt32BigEndian(head[24..]);
        if (command == NbdCommand.Disconnect)
            return false;
        bool carries = command is NbdCommand.Read or NbdCommand.Write;
        if (command == NbdCommand.Write && length > NbdProtocol.LargestPayload)
            throw new NbdException($"a write of {length} bytes; at most {NbdProtocol.LargestPayload} were offered");
        var request = Rent(carries && length <= NbdProtocol.LargestPayload ? (int)length : 0);
        request.Flags = (NbdCommandFlags)BinaryPrimitives.ReadUInt16BigEndian(head[4..]);
        request.Command = command;
        request.Cookie = BinaryPrimitives.ReadUInt64BigEndian(head[8..]);
        request.Offset = BinaryPrimitives.ReadInt64BigEndian(head[16..]);
        request.Length = length;
        request.ReplyLength = 0;
        _start += NbdProtocol.RequestSize;
        _lastPayload = command == NbdCommand.Write ? length : 0;
        if (command == NbdCommand.Write)
            ReadPayload(request);
        if (Check(request) is var error && error != NbdError.None)
            request.Refuse(error);
        else
            Carry(request);
        return true;
    }

    private void ReadPayload(NbdRequest request)
    {
        var payload = request.Payload;
        int there = Math.Min(payload.Length, _end - _start);
        _input.AsSpan(_start, there).CopyTo(payload);
        _start += there;
        if (there == payload.Length)
            return;
        // The rest is on its way: others may go in, and answers go out, meanwhile.
        var ended = TakeEnded();
        Leave();
        Send(ended);
        while (there < payload.Length)
        {
            int n = _channel.Receive(payload[there..]);
            if (n == 0)
                throw new NbdException("the client went away in the middle of a write");
            there += n;
        }
        Enter();
    }

    private NbdError Check(NbdRequest request)
    {
        const NbdCommandFlags reading = NbdCommandFlags.DontFragment, writing = NbdCommandFlags.Fua, zeroing = NbdCommandFlags.Fua | NbdCommandFlags.NoHole;
        var (allowed, changes) = request.Command switch
        {
            NbdCommand.Read => (_structured ? reading | NbdCommandFlags.Fua : NbdCommandFlags.Fua, false),
            NbdCommand.Write => (writing, true),
            NbdCommand.Trim => (writing, true),
            NbdCommand.WriteZeroes => (zeroing, true),
            NbdCommand.Flush => (NbdCommandFlags.None, false),
            NbdCommand.BlockStatus when _allocation => (NbdCommandFlags.ReqOne, false),
            _ => ((NbdCommandFlags)0xFFFF, false),
        };
        if (allowed == (NbdCommandFlags)0xFFFF || (request.Flags & ~allowed) != 0)
            return NbdError.Invalid;
        if (request.Command == NbdCommand.Flush)
            return request.Offset != 0 || request.Length != 0 ? NbdError.Invalid : NbdError.None;
        if (changes && _export.IsReadOnly)
            return NbdError.NotPermitted;
        if (request.Length == 0 || (request.Command == NbdCommand.Read && request.Length > NbdProtocol.LargestPayload))
            return NbdError.Invalid;
        if (request.Offset < 0 || request.Offset > Device.CapacityBytes || request.Length > Device.CapacityBytes - request.Offset)
            return changes ? NbdError.NoSpace : NbdError.Invalid;
        long block = Device.Limits.LogicalBlockSize;
        return ((request.Offset | request.Length) & (block - 1)) != 0 ? NbdError.Invalid : NbdError.None;
    }

    private void Carry(NbdRequest request)
    {
        request.Begin();
        try
        {
            switch (request.Command)
            {
                case NbdCommand.Read when _structured && IsHole(request):
                    request.MakeHole();
                    break;
                case NbdCommand.Read:
                    request.Submit(Device, BioOp.Read, BioFlags.None, request.Offset >> 9, (int)(request.Length >> 9), request.Buffer, NbdRequest.PayloadOffset);
                    break;
                case NbdCommand.Write:
                    var fua = (request.Flags & NbdCommandFlags.Fua) != 0 ? BioFlags.Fua : BioFlags.None;
                    request.Submit(Device, BioOp.Write, fua, request.Offset >> 9, (int)(request.Length >> 9), request.Buffer, NbdRequest.PayloadOffset);
                    break;
                case NbdCommand.Flush:
                    request.Submit(Device, BioOp.Write, BioFlags.PreFlush, 0, 0, null, 0);
                    break;
                case NbdCommand.Trim:
                    if (Device.Limits.MaxDiscardSectors != 0)
                        InParts(request, BioOp.Discard, BioFlags.None, Device.Limits.MaxDiscardSectors);
                    break;
                case NbdCommand.WriteZeroes:
                    Zero(request);
                    break;
                case NbdCommand.BlockStatus:
                    Status(request);
                    break;
                case NbdCommand.Disconnect or NbdCommand.Cache:
                default:
                    request.Error = NbdError.Invalid;
                    break;
            }
        }
        catch (Exception e) when (e is WouldHangException or NotModelledException)
        {
            request.Error = e is NotModelledException ? NbdError.NotSupported : NbdError.Io;
            _onTrouble($"{_export.Name}: {request.Command} at {request.Offset}: {e.Message}");
        }
        request.Submitted();
    }

    private void Zero(NbdRequest request)
    {
        var keep = (request.Flags & NbdCommandFlags.NoHole) != 0 ? BioFlags.NoUnmap : BioFlags.None;
        if (Device.Limits.MaxWriteZeroesSectors != 0)
        {
            InParts(request, BioOp.WriteZeroes, keep, Math.Min(Device.Limits.MaxWriteZeroesSectors, QueueLimits.MaxBioSectors));
            return;
        }
        int most = s_zeros.Length >> 9;
        for (long sector = request.Offset >> 9, end = (request.Offset + request.Length) >> 9; sector < end; sector += most)
            request.Submit(Device, BioOp.Write, BioFlags.None, sector, (int)Math.Min(most, end - sector), s_zeros, 0);
    }

    private void InParts(NbdRequest request, BioOp op, BioFlags flags, uint mostSectors)
    {
        long most = Math.Max(1, Math.Min(mostSectors, QueueLimits.MaxBioSectors) & ~((Device.Limits.LogicalBlockSize >> 9) - 1L));
        for (long sector = request.Offset >> 9, end = (request.Offset + request.Length) >> 9; sector < end; sector += most)
            request.Submit(Device, op, flags, sector, (int)Math.Min(most, end - sector), null, 0);
    }

    private bool IsHole(NbdRequest request) =>
        Device is IReportsAllocation map && !map.IsAllocated(request.Offset >> 9, request.Length >> 9, out long sectors) && sectors >= request.Length >> 9;

    private void Status(NbdRequest request)
    {
        const int most = 512;
        Span<(long Sectors, bool Allocated)> runs = stackalloc (long, bool)[most];
        int count = 0, limit = (request.Flags & NbdCommandFlags.ReqOne) != 0 ? 1 : most;
        for (long sector = request.Offset >> 9, left = request.Length >> 9; left > 0 && count < limit;)
        {
            long sectors = left;
            bool allocated = Device is not IReportsAllocation map || map.IsAllocated(sector, left, out sectors);
            sectors = Math.Min(sectors, left);
            if (count > 0 && runs[count - 1].Allocated == allocated)
                runs[count - 1].Sectors += sectors;
            else
                runs[count++] = (sectors, allocated);
            sector += sectors;
            left -= sectors;
        }
        var descriptors = request.MakeBlockStatus(count);
        for (int i = 0; i < count; i++)
        {
            BinaryPrimitives.WriteUInt32BigEndian(descriptors[(8 * i)..], (uint)(runs[i].Sectors << 9));
            BinaryPrimitives.WriteUInt32BigEndian(descriptors[((8 * i) + 4)..], runs[i].Allocated ? 0 : NbdProtocol.StateHole | NbdProtocol.StateZero);
        }
    }

    private NbdRequest? TakeEnded()
    {
        _gate.RunDue();
        var ended = _ended;
        _ended = null;
        return ended;
    }

    /// <summary>Sends replies: small ones together, large ones from where they are.</summary>
    private void Send(NbdRequest? ended)
    {
        if (ended is null)
            return;
        lock (_sending)
        {
            int filled = 0;
            while (ended is not null)
            {
                var next = ended.Next;
                var reply = ended.Buffer.AsSpan(ended.ReplyStart, ended.ReplyLength);
                if (filled + reply.Length > OutputBytes || reply.Length > CopiedBytes)
                {
                    _channel.Send(_output.AsSpan(0, filled));
                    filled = 0;
                }
                if (reply.Length > CopiedBytes)
                    _channel.Send(reply);
                else
                {
                    reply.CopyTo(_output.AsSpan(filled));
                    filled += reply.Length;
                }
                Return(ended);
                ended = next;
            }
            _channel.Send(_output.AsSpan(0, filled));
        }
    }

    private void Enter()
    {
        _gate.Enter(this);
        _inside = true;
    }

    private void Leave()
    {
        _inside = false;
        _gate.Leave();
    }

    /// <summary>A client that sends without reading its replies must wait.</summary>
    private void WaitForRoom()
    {
        lock (_room)
        {
            while (_waitingBytes > MostWaitingBytes)
                _ = Monitor.Wait(_room);
        }
    }

    /// <summary>What is under way when a client leaves gets its end, so that its buffers are not written to later; a device that hangs is not waited for.</summary>
    private void WaitUntilEnded()
    {
        lock (_room)
        {
            while (_underWay > 0 && Monitor.Wait(_room, TimeSpan.FromSeconds(5)))
            {
            }
        }
    }

    private NbdRequest Rent(int payloadBytes)
    {
        int size = SizeClass(payloadBytes);
        lock (_room)
        {
            _underWay++;
            _waitingBytes += s_sizes[size];
            if (_pool[size].TryPop(out var request))
                return request;
        }
        return new(this, s_sizes[size]);
    }

    private void Return(NbdRequest request)
    {
        int size = SizeClass(request.PayloadBytes);
        lock (_room)
        {
            // The largest are kept for a client that goes on with them, not for every one that ever came.
            if (size < s_sizes.Length - 1 || _pool[size].Count < 4)
                _pool[size].Push(request);
            _underWay--;
            _waitingBytes -= s_sizes[size];
            Monitor.PulseAll(_room);
        }
    }

    private static int SizeClass(int bytes)
    {
        int size = 0;
        while (s_sizes[size] < bytes)
            size++;
        return size;
    }
}
