using System.Buffers.Binary;
using DriverLab.Block;
using DriverLab.Linux;

namespace DriverLab.Nbd;

/// <summary>One request of a client, from its header to its reply; pooled with its buffer. The bios that carry it out end here.</summary>
internal sealed class NbdRequest(Connection connection, int payloadBytes) : BioCompletion
{
    /// <summary>Where the payload starts; the reply's header is put right before it.</summary>
    public const int PayloadOffset = 64;

    private int _pending;
    private bool _flushAfter;

    public NbdRequest? Next;
    public NbdCommand Command;
    public NbdCommandFlags Flags;
    public ulong Cookie;
    public long Offset;
    public uint Length;
    public NbdError Error;
    public readonly byte[] Buffer = GC.AllocateUninitializedArray<byte>(PayloadOffset + payloadBytes, pinned: true);

    /// <summary>The reply within <see cref="Buffer"/>.</summary>
    public int ReplyStart, ReplyLength;

    public int PayloadBytes => Buffer.Length - PayloadOffset;

    public Span<byte> Payload => Buffer.AsSpan(PayloadOffset, (int)Length);

    /// <summary>Starts: parts are added, then <see cref="Submitted"/> is called.</summary>
    public void Begin()
    {
        Error = NbdError.None;
        _pending = 1;
        _flushAfter = (Flags & NbdCommandFlags.Fua) != 0 && (Command is NbdCommand.Trim or NbdCommand.WriteZeroes);
    }

    /// <summary>Sends one bio as a part of this request.</summary>
    public void Submit(BlockDevice device, BioOp op, BioFlags flags, long sector, int sectors, byte[]? data, int dataOffset)
    {
        var bio = device.Layer.AllocBio();
        bio.Device = device;
        bio.Op = op;
        bio.Flags = flags;
        bio.Sector = sector;
        bio.Sectors = sectors;
        bio.Data = data;
        bio.DataOffset = dataOffset;
        bio.Completion = this;
        _pending++;
        device.Layer.Submit(bio);
    }

    /// <summary>All parts are under way.</summary>
    public void Submitted() => PartEnded();

    /// <summary>Ends a request that never got to the device.</summary>
    public void Refuse(NbdError error)
    {
        Error = error;
        connection.Finish(this);
    }

    /// <inheritdoc/>
    public override void EndIo(Bio bio)
    {
        // A discard that the driver does not know after all is no error; it is advice.
        if (bio.Status != BlkStatus.OK && Error == NbdError.None && !(bio is { Op: BioOp.Discard, Status: BlkStatus.NotSupported }))
            Error = ErrorOf(bio.Status);
        bio.Device.Layer.Free(bio);
        PartEnded();
    }

    private void PartEnded()
    {
        if (--_pending > 0)
            return;
        if (_flushAfter && Error == NbdError.None)
        {
            _flushAfter = false;
            _pending = 1;
            Submit(connection.Device, BioOp.Write, BioFlags.PreFlush, 0, 0, null, 0);
            PartEnded();
            return;
        }
        connection.Finish(this);
    }

    /// <summary>Puts the reply together.</summary>
    public void MakeReply(bool structured)
    {
        if (structured && (Command is NbdCommand.Read or NbdCommand.BlockStatus))
            MakeChunk();
        else
        {
            ReplyStart = PayloadOffset - NbdProtocol.SimpleReplySize;
            var head = Buffer.AsSpan(ReplyStart);
            BinaryPrimitives.WriteUInt32BigEndian(head, NbdProtocol.SimpleReplyMagic);
            BinaryPrimitives.WriteUInt32BigEndian(head[4..], (uint)Error);
            BinaryPrimitives.WriteUInt64BigEndian(head[8..], Cookie);
            ReplyLength = NbdProtocol.SimpleReplySize + (Command == NbdCommand.Read && Error == NbdError.None ? (int)Length : 0);
        }
    }

    /// <summary>A reply of one chunk that says that everything asked for is a hole.</summary>
    public void MakeHole()
    {
        var body = Chunk(NbdProtocol.ChunkHole, 12);
        BinaryPrimitives.WriteInt64BigEndian(body, Offset);
        BinaryPrimitives.WriteUInt32BigEndian(body[8..], Length);
    }

    /// <summary>Room for the descriptors of a block status reply, of which there are <paramref name="count"/>; 8 bytes each.</summary>
    public Span<byte> MakeBlockStatus(int count)
    {
        var body = Chunk(NbdProtocol.ChunkBlockStatus, 4 + (8 * count));
        BinaryPrimitives.WriteUInt32BigEndian(body, NbdProtocol.AllocationContext);
        return body[4..];
    }

    private void MakeChunk()
    {
        if (Error != NbdError.None)
        {
            var body = Chunk(NbdProtocol.ChunkError, 6);
            BinaryPrimitives.WriteUInt32BigEndian(body, (uint)Error);
            BinaryPrimitives.WriteUInt16BigEndian(body[4..], 0);
            return;
        }
        if (Command != NbdCommand.Read || ReplyLength > 0)
            return; // made already
        ReplyStart = PayloadOffset - 8 - NbdProtocol.ChunkSize;
        ReplyLength = NbdProtocol.ChunkSize + 8 + (int)Length;
        ChunkHead(NbdProtocol.ChunkData, 8 + (int)Length);
        BinaryPrimitives.WriteInt64BigEndian(Buffer.AsSpan(PayloadOffset - 8), Offset);
    }

    private Span<byte> Chunk(ushort type, int bytes)
    {
        ReplyStart = 0;
        ReplyLength = NbdProtocol.ChunkSize + bytes;
        ChunkHead(type, bytes);
        return Buffer.AsSpan(NbdProtocol.ChunkSize, bytes);
    }

    private void ChunkHead(ushort type, int bytes)
    {
        var head = Buffer.AsSpan(ReplyStart);
        BinaryPrimitives.WriteUInt32BigEndian(head, NbdProtocol.ChunkMagic);
        BinaryPrimitives.WriteUInt16BigEndian(head[4..], NbdProtocol.ChunkDone);
        BinaryPrimitives.WriteUInt16BigEndian(head[6..], type);
        BinaryPrimitives.WriteUInt64BigEndian(head[8..], Cookie);
        BinaryPrimitives.WriteInt32BigEndian(head[16..], bytes);
    }

    private static NbdError ErrorOf(BlkStatus status) => status.ToErrno() switch
    {
        Errno.ENOSPC => NbdError.NoSpace,
        Errno.EOPNOTSUPP => NbdError.NotSupported,
        Errno.ENOMEM => NbdError.NoMemory,
        _ => NbdError.Io,
    };
}
