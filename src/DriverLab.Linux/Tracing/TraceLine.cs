using System.Globalization;
using System.Text;
using DriverLab.Linux.Abi;

namespace DriverLab.Linux.Tracing;

/// <summary>Writes one call as text, argument by argument, into a buffer of its own.</summary>
internal sealed class TraceLine
{
    private const int ShownBytes = 32;
    private byte[] _buffer = new byte[512];
    private int _length;
    private bool _first;

    internal ReadOnlySpan<byte> Text => _buffer.AsSpan(0, _length);

    internal TraceLine Begin(ReadOnlySpan<byte> name)
    {
        (_length, _first) = (0, true);
        return Raw(name).Raw("("u8);
    }

    internal TraceLine End() => Raw(")"u8);

    internal TraceLine Fd(Fd fd) => fd == Linux.Fd.Cwd ? Argument().Raw("AT_FDCWD"u8) : Number(fd.Value);

    internal TraceLine Number(long value)
    {
        _ = Argument();
        return Decimal(value);
    }

    internal TraceLine Number(long? value) => value is { } number ? Number(number) : Argument().Raw("NULL"u8);

    internal TraceLine Hex(uint value)
    {
        _ = Argument().Raw("0x"u8);
        return Format(value, "x");
    }

    internal TraceLine Mode(Mode mode)
    {
        _ = Argument().Raw("0"u8);
        return Raw(Encoding.ASCII.GetBytes(Convert.ToString((int)mode, 8)));
    }

    internal TraceLine Path(ReadOnlySpan<byte> path) => Argument().Quoted(path, path.Length);

    internal TraceLine Data(ReadOnlySpan<byte> data)
    {
        _ = Argument().Quoted(data, ShownBytes);
        return Number(data.Length);
    }

    internal TraceLine Time(Timespec time) => time.Nanoseconds switch
    {
        Timespec.UTIME_NOW => Argument().Raw("UTIME_NOW"u8),
        Timespec.UTIME_OMIT => Argument().Raw("UTIME_OMIT"u8),
        _ => Argument().Decimal(time.Seconds).Raw("."u8).Format(time.Nanoseconds, "d9"),
    };

    /// <summary>Names joined by a bar, as C writes them; a remainder without a name as a number.</summary>
    internal TraceLine Flags<T>(T flags) where T : struct, Enum
    {
        string names = flags.ToString();
        return Argument().Raw(names == "None" ? "0"u8 : Encoding.UTF8.GetBytes(names.Replace(", ", "|", StringComparison.Ordinal)));
    }

    internal TraceLine Open(OpenFlags flags)
    {
        _ = Argument().Raw(AccessMode(flags));
        return Rest(flags);
    }

    internal TraceLine At(AtFlags flags, bool remove, bool effective)
    {
        if (flags == AtFlags.None)
            return Number(0);
        var rest = flags & ~AtFlags.AT_REMOVEDIR;
        string name = effective ? "AT_EACCESS" : remove ? "AT_REMOVEDIR" : "0x200";
        string text = rest == AtFlags.None ? "" : rest.ToString().Replace(", ", "|", StringComparison.Ordinal);
        if (rest != flags)
            text = text.Length == 0 ? name : $"{name}|{text}";
        return Argument().Raw(Encoding.UTF8.GetBytes(text));
    }

    internal TraceLine Result(Errno error) => error == Errno.OK ? Raw(" = 0"u8) : Raw(" = -1 "u8).Raw(Encoding.ASCII.GetBytes(error.ToString()));

    internal TraceLine Result(long value) => Raw(" = "u8).Decimal(value);

    internal TraceLine ResultFlags(OpenFlags flags)
    {
        _ = Raw(" = "u8).Raw(AccessMode(flags));
        return Rest(flags);
    }

    internal TraceLine Output(ReadOnlySpan<byte> data) => Raw(" "u8).Quoted(data, ShownBytes);

    internal TraceLine Raw(ReadOnlySpan<byte> text)
    {
        Reserve(text.Length);
        text.CopyTo(_buffer.AsSpan(_length));
        _length += text.Length;
        return this;
    }

    private TraceLine Argument()
    {
        if (!_first)
            _ = Raw(", "u8);
        _first = false;
        return this;
    }

    private TraceLine Rest(OpenFlags flags)
    {
        flags &= ~OpenFlags.O_ACCMODE;
        return flags == 0 ? this : Raw("|"u8).Raw(Encoding.ASCII.GetBytes(flags.ToString().Replace(", ", "|", StringComparison.Ordinal)));
    }

    private static ReadOnlySpan<byte> AccessMode(OpenFlags flags) => (flags & OpenFlags.O_ACCMODE) switch
    {
        OpenFlags.O_RDONLY => "O_RDONLY"u8,
        OpenFlags.O_WRONLY => "O_WRONLY"u8,
        OpenFlags.O_RDWR => "O_RDWR"u8,
        _ => "O_ACCMODE"u8,
    };

    /// <summary>A C string: printable ASCII as it is, the rest as \xNN; three dots when cut.</summary>
    private TraceLine Quoted(ReadOnlySpan<byte> bytes, int shown)
    {
        var visible = bytes[..Math.Min(shown, bytes.Length)];
        Reserve(visible.Length * 4 + 8);
        _buffer[_length++] = (byte)'"';
        foreach (byte b in visible)
        {
            if (b is (byte)'"' or (byte)'\\')
            {
                _buffer[_length++] = (byte)'\\';
                _buffer[_length++] = b;
            }
            else if (b is >= 0x20 and < 0x7f)
            {
                _buffer[_length++] = b;
            }
            else
            {
                _ = b == (byte)'\n' ? Raw("\\n"u8) : Raw("\\x"u8).Format(b, "x2");
            }
        }
        _ = Raw("\""u8);
        return visible.Length < bytes.Length ? Raw("..."u8) : this;
    }

    private TraceLine Decimal(long value) => Format(value, "d");

    private TraceLine Format<T>(T value, string format) where T : IUtf8SpanFormattable
    {
        Reserve(32);
        _ = value.TryFormat(_buffer.AsSpan(_length), out int written, format, CultureInfo.InvariantCulture);
        _length += written;
        return this;
    }

    private void Reserve(int bytes)
    {
        if (_buffer.Length - _length < bytes)
            Array.Resize(ref _buffer, Math.Max(_buffer.Length * 2, _length + bytes));
    }
}
