using System.Buffers;
using System.Globalization;
using System.Text;
using DriverLab.Linux;
using DriverLab.Linux.Abi;

namespace DriverLab.Conformance.Running;

/// <summary>The canonical text of results: the same on every kernel when the kernel says the same.</summary>
public static class Render
{
    private const int LongestText = 60;

    /// <summary>What is shown as it is: printable ASCII without the backslash, and in quotes without the quote.</summary>
    private static readonly SearchValues<byte> s_plain = SearchValues.Create([.. Printable(), (byte)'"']), s_plainInQuotes = SearchValues.Create([.. Printable()]);
    private static readonly SearchValues<char> s_plainText = SearchValues.Create([.. Printable().Select(static b => (char)b), '"']);

    private static IEnumerable<byte> Printable() => Enumerable.Range(0x20, 0x7f - 0x20).Where(static b => b is not ('\\' or '"')).Select(static b => (byte)b);

    /// <summary><c>ok</c> or the error's name.</summary>
    public static string Of(Errno error) => error == Errno.OK ? "ok" : error.ToString();

    /// <summary><c>ok N</c> or the error's name.</summary>
    public static string Of(SysResult<int> result) => result.IsOk ? $"ok {result.Value}" : Of(result.Error);

    /// <summary><c>ok N</c> or the error's name.</summary>
    public static string Of(SysResult<long> result) => result.IsOk ? $"ok {result.Value}" : Of(result.Error);

    /// <summary>Data: short printable data in quotes, data of one byte as such, other data as a digest.</summary>
    public static string Data(ReadOnlySpan<byte> data)
    {
        if (data.IsEmpty)
            return "\"\"";
        if (data.Length > 8 && data.IndexOfAnyExcept(data[0]) < 0)
            return data[0] == 0 ? $"zeros*{data.Length}" : $"byte 0x{data[0]:x2}*{data.Length}";
        return data.Length <= LongestText ? Quote(data) : $"digest:{TestData.Digest(data):x16}*{data.Length}";
    }

    /// <summary>Bytes in quotes, escaped as the scenario grammar does.</summary>
    public static string Quote(ReadOnlySpan<byte> data) => $"\"{Escape(data, quote: true)}\"";

    /// <summary>A path or name: as it is, with unprintable bytes escaped.</summary>
    public static string Name(ReadOnlySpan<byte> name) => Escape(name, quote: false);

    /// <summary>A text that a trace line can hold: no tabs or newlines.</summary>
    public static string Text(string text) => !text.AsSpan().ContainsAnyExcept(s_plainText) ? text : Escape(Encoding.UTF8.GetBytes(text), quote: false);

    /// <summary>The type of an inode in three letters.</summary>
    public static string Type(Mode mode) => (mode & Mode.S_IFMT) switch
    {
        Mode.S_IFREG => "reg",
        Mode.S_IFDIR => "dir",
        Mode.S_IFLNK => "lnk",
        Mode.S_IFCHR => "chr",
        Mode.S_IFBLK => "blk",
        Mode.S_IFIFO => "fifo",
        Mode.S_IFSOCK => "sock",
        var other => $"type{(int)other:x}",
    };

    /// <summary>The permission bits in octal, four digits.</summary>
    public static string Permissions(Mode mode) => string.Create(4, (int)(mode & Mode.S_IALLUGO), static (text, bits) =>
    {
        for (int i = text.Length - 1; i >= 0; i--, bits >>= 3)
            text[i] = (char)('0' + (bits & 7));
    });

    /// <summary>The type of a directory entry.</summary>
    public static string Type(DirentType type) => type == DirentType.DT_UNKNOWN ? "unknown" : Type((Mode)((int)type << 12));

    private static string Escape(ReadOnlySpan<byte> data, bool quote)
    {
        if (!data.ContainsAnyExcept(quote ? s_plainInQuotes : s_plain))
            return Encoding.ASCII.GetString(data);
        var text = new StringBuilder(data.Length + 2);
        while (!data.IsEmpty)
        {
            if (data[0] is >= 0x20 and < 0x7f)
            {
                if (data[0] == '\\' || (quote && data[0] == '"'))
                    _ = text.Append('\\');
                _ = text.Append((char)data[0]);
                data = data[1..];
                continue;
            }
            if (data[0] > 0x7f && Rune.DecodeFromUtf8(data, out var rune, out int used) == OperationStatus.Done)
            {
                _ = text.Append(rune);
                data = data[used..];
                continue;
            }
            _ = data[0] switch
            {
                (byte)'\n' => text.Append("\\n"),
                (byte)'\t' => text.Append("\\t"),
                0 => text.Append("\\0"),
                var b => text.Append(CultureInfo.InvariantCulture, $"\\x{b:x2}"),
            };
            data = data[1..];
        }
        return text.ToString();
    }
}
