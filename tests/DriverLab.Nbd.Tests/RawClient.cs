using System.Buffers.Binary;
using System.Net.Sockets;
using System.Text;

namespace DriverLab.Nbd.Tests;

/// <summary>A client that says exactly what a test wants.</summary>
internal sealed class RawClient : IDisposable
{
    private readonly Socket _socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified) { ReceiveTimeout = 60_000 };
    private readonly byte[] _head = new byte[64];

    public RawClient(string path)
    {
        _socket.Connect(new UnixDomainSocketEndPoint(path));
        Receive(_head.AsSpan(0, 18));
        Assert.That(Encoding.ASCII.GetString(_head, 0, 16), Is.EqualTo("NBDMAGICIHAVEOPT"));
        BinaryPrimitives.WriteUInt32BigEndian(_head, 3);
        Send(_head.AsSpan(0, 4));
    }

    /// <summary>Sends an option and takes one reply: its type and data.</summary>
    public (uint Type, byte[] Data) Option(uint option, params byte[] data)
    {
        SendOption(option, data);
        return OptionReply(option);
    }

    public void SendOption(uint option, params byte[] data)
    {
        byte[] message = new byte[16 + data.Length];
        "IHAVEOPT"u8.CopyTo(message);
        BinaryPrimitives.WriteUInt32BigEndian(message.AsSpan(8), option);
        BinaryPrimitives.WriteInt32BigEndian(message.AsSpan(12), data.Length);
        data.CopyTo(message, 16);
        Send(message);
    }

    public (uint Type, byte[] Data) OptionReply(uint option)
    {
        Receive(_head.AsSpan(0, 20));
        Assert.That(BinaryPrimitives.ReadUInt64BigEndian(_head), Is.EqualTo(0x3e889045565a9));
        Assert.That(BinaryPrimitives.ReadUInt32BigEndian(_head.AsSpan(8)), Is.EqualTo(option));
        uint type = BinaryPrimitives.ReadUInt32BigEndian(_head.AsSpan(12));
        byte[] reply = new byte[BinaryPrimitives.ReadUInt32BigEndian(_head.AsSpan(16))];
        Receive(reply);
        return (type, reply);
    }

    /// <summary>Takes an export with GO.</summary>
    public RawClient Go(string name = "disk", bool structured = false)
    {
        if (structured)
            Assert.That(Option(8).Type, Is.EqualTo(1));
        byte[] text = Encoding.UTF8.GetBytes(name), data = new byte[4 + text.Length + 2];
        BinaryPrimitives.WriteInt32BigEndian(data, text.Length);
        text.CopyTo(data, 4);
        SendOption(7, data);
        while (OptionReply(7) is var (type, _) && type != 1)
            Assert.That(type, Is.EqualTo(3), "an error instead of an export");
        return this;
    }

    public void Request(ushort command, ulong cookie, long offset, uint length, ushort flags = 0, ReadOnlySpan<byte> payload = default)
    {
        BinaryPrimitives.WriteUInt32BigEndian(_head, 0x25609513);
        BinaryPrimitives.WriteUInt16BigEndian(_head.AsSpan(4), flags);
        BinaryPrimitives.WriteUInt16BigEndian(_head.AsSpan(6), command);
        BinaryPrimitives.WriteUInt64BigEndian(_head.AsSpan(8), cookie);
        BinaryPrimitives.WriteInt64BigEndian(_head.AsSpan(16), offset);
        BinaryPrimitives.WriteUInt32BigEndian(_head.AsSpan(24), length);
        Send(_head.AsSpan(0, 28));
        Send(payload);
    }

    /// <summary>A simple reply: errno and cookie; data of a read goes to <paramref name="data"/>.</summary>
    public (uint Error, ulong Cookie) Simple(Span<byte> data = default)
    {
        Receive(_head.AsSpan(0, 16));
        if (BinaryPrimitives.ReadUInt32BigEndian(_head) != 0x67446698)
            Assert.Fail("no simple reply");
        var reply = (BinaryPrimitives.ReadUInt32BigEndian(_head.AsSpan(4)), BinaryPrimitives.ReadUInt64BigEndian(_head.AsSpan(8)));
        if (reply.Item1 == 0)
            Receive(data);
        return reply;
    }

    /// <summary>The head of a simple reply alone.</summary>
    public (uint Error, ulong Cookie) SimpleHead()
    {
        Receive(_head.AsSpan(0, 16));
        return (BinaryPrimitives.ReadUInt32BigEndian(_head.AsSpan(4)), BinaryPrimitives.ReadUInt64BigEndian(_head.AsSpan(8)));
    }

    public void ReceiveInto(Span<byte> data) => Receive(data);

    /// <summary>One chunk of a structured reply.</summary>
    public (ushort Flags, ushort Type, ulong Cookie, byte[] Data) Chunk()
    {
        Receive(_head.AsSpan(0, 20));
        Assert.That(BinaryPrimitives.ReadUInt32BigEndian(_head), Is.EqualTo(0x668e33ef));
        byte[] data = new byte[BinaryPrimitives.ReadUInt32BigEndian(_head.AsSpan(16))];
        var (flags, type, cookie) = (BinaryPrimitives.ReadUInt16BigEndian(_head.AsSpan(4)), BinaryPrimitives.ReadUInt16BigEndian(_head.AsSpan(6)), BinaryPrimitives.ReadUInt64BigEndian(_head.AsSpan(8)));
        Receive(data);
        return (flags, type, cookie, data);
    }

    public bool IsClosed()
    {
        try
        {
            return _socket.Receive(_head) == 0;
        }
        catch (SocketException)
        {
            return true;
        }
    }

    public void Send(ReadOnlySpan<byte> bytes)
    {
        while (bytes.Length > 0)
            bytes = bytes[_socket.Send(bytes)..];
    }

    public void Dispose() => _socket.Dispose();

    private void Receive(Span<byte> bytes)
    {
        while (bytes.Length > 0)
        {
            int n = _socket.Receive(bytes);
            if (n == 0)
                Assert.Fail("the server closed the connection");
            bytes = bytes[n..];
        }
    }
}
