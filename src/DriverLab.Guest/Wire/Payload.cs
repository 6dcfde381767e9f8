using System.Buffers.Binary;
using System.Text;

namespace DriverLab.Guest.Wire;

/// <summary>Encodings of the payloads that are more than text.</summary>
internal static class Payload
{
    /// <summary>Bytes of input that may be on their way to a command.</summary>
    public const int InputWindow = 256 << 10;

    /// <summary>A file to put: mode, append flag, path ended by NUL, content.</summary>
    public static byte[] File(string path, uint mode, bool append, ReadOnlySpan<byte> content)
    {
        byte[] name = Encoding.UTF8.GetBytes(path);
        var payload = new byte[4 + 1 + name.Length + 1 + content.Length];
        BinaryPrimitives.WriteUInt32LittleEndian(payload, mode);
        payload[4] = append ? (byte)1 : (byte)0;
        name.CopyTo(payload, 5);
        content.CopyTo(payload.AsSpan(5 + name.Length + 1));
        return payload;
    }

    /// <summary>Reads what <see cref="File"/> wrote.</summary>
    public static void ReadFile(ReadOnlySpan<byte> payload, out string path, out uint mode, out bool append, out ReadOnlySpan<byte> content)
    {
        mode = BinaryPrimitives.ReadUInt32LittleEndian(payload);
        append = payload[4] != 0;
        var rest = payload[5..];
        int end = rest.IndexOf((byte)0);
        path = Encoding.UTF8.GetString(rest[..end]);
        content = rest[(end + 1)..];
    }

    /// <summary>Words, each ended by NUL.</summary>
    public static byte[] Words(IEnumerable<string> words)
    {
        var text = new StringBuilder();
        foreach (string word in words)
            text.Append(word).Append('\0');
        return Encoding.UTF8.GetBytes(text.ToString());
    }

    /// <summary>Reads what <see cref="Words"/> wrote.</summary>
    public static string[] ReadWords(ReadOnlySpan<byte> payload)
    {
        string text = Encoding.UTF8.GetString(payload);
        return text.Length == 0 ? [] : text[..^1].Split('\0');
    }

    public static byte[] Number(int value)
    {
        var payload = new byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(payload, value);
        return payload;
    }

    public static byte[] Number(long value)
    {
        var payload = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(payload, value);
        return payload;
    }
}
