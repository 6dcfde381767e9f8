using System.Buffers.Binary;

namespace DriverLab.Guest.Wire;

/// <summary>Head of a frame: length of the payload in bytes, kind, and the request's id; little endian, <see cref="Size"/> bytes.</summary>
internal readonly record struct FrameHeader(int Length, FrameKind Kind, uint Id)
{
    /// <summary>Bytes that the header takes.</summary>
    public const int Size = 12;

    /// <summary>Largest payload in bytes; a longer one means that the two sides lost step.</summary>
    public const int MaxLength = 64 << 20;

    private const ushort Magic = 0x4C44;

    /// <summary>Version of the protocol, told in the hello.</summary>
    public const int Version = 1;

    public void Write(Span<byte> to)
    {
        BinaryPrimitives.WriteUInt16LittleEndian(to, Magic);
        to[2] = (byte)Kind;
        to[3] = 0;
        BinaryPrimitives.WriteUInt32LittleEndian(to[4..], Id);
        BinaryPrimitives.WriteInt32LittleEndian(to[8..], Length);
    }

    /// <summary>Reads a header; false when these bytes are none.</summary>
    public static bool TryRead(ReadOnlySpan<byte> from, out FrameHeader header)
    {
        header = new(BinaryPrimitives.ReadInt32LittleEndian(from[8..]), (FrameKind)from[2], BinaryPrimitives.ReadUInt32LittleEndian(from[4..]));
        return BinaryPrimitives.ReadUInt16LittleEndian(from) == Magic && header.Length is >= 0 and <= MaxLength;
    }
}
