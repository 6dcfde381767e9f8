using System.Buffers;
using System.Globalization;
using System.Text;

namespace DriverLab.Conformance.Scenarios;

/// <summary>Bytes as words of the scenario grammar: what is written here, <see cref="Lexer"/> reads back.</summary>
internal static class WordText
{
    /// <summary>Bytes that stand for themselves in a bare word, wherever they are.</summary>
    public static readonly SearchValues<byte> Bare = SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_/.,:+-@%|*~^"u8);

    /// <summary>The bytes in quotes. A long run of one byte is written as a repetition.</summary>
    public static string Quote(ReadOnlySpan<byte> bytes)
    {
        const int LongRun = 16;
        var text = new StringBuilder(bytes.Length + 2).Append('"');
        while (!bytes.IsEmpty)
        {
            int run = bytes.IndexOfAnyExcept(bytes[0]) is > 0 and var end ? end : bytes.Length;
            if (run >= LongRun)
            {
                _ = text.Append('{');
                Append(text, bytes[0]);
                _ = text.Append('*').Append(run).Append('}');
                bytes = bytes[run..];
                continue;
            }
            Append(text, bytes[0]);
            bytes = bytes[1..];
        }
        return text.Append('"').ToString();
    }

    private static void Append(StringBuilder text, byte b)
    {
        if (b is (byte)'\\' or (byte)'"' or (byte)'{' or (byte)'}' or (byte)'$' or (byte)';' or (byte)'#')
            _ = text.Append('\\').Append((char)b);
        else if (b is >= 0x20 and < 0x7f)
            _ = text.Append((char)b);
        else
            _ = text.Append(CultureInfo.InvariantCulture, $"\\x{b:x2}");
    }
}
