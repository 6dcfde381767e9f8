using System.Text;
using DriverLab.Linux;

namespace DriverLab.Vfs;

/// <summary>Numbers in mount options, as the kernel reads them.</summary>
/// <remarks>Linux fs/fs_parser.c; lib/kstrtox.c; lib/cmdline.c: memparse().</remarks>
public static class OptionValue
{
    /// <summary>An octal number of 32 bits (fs_param_is_u32 with base 8).</summary>
    public static bool TryOctal(ReadOnlySpan<byte> text, out uint value)
    {
        value = 0;
        foreach (byte digit in text)
        {
            if (digit is < (byte)'0' or > (byte)'7' || value > uint.MaxValue >> 3)
                return false;
            value = value << 3 | (uint)(digit - '0');
        }
        return !text.IsEmpty;
    }

    /// <summary>A number of 32 bits; <c>0x</c> is hexadecimal and <c>0</c> octal.</summary>
    public static bool TryUnsigned(ReadOnlySpan<byte> text, out uint value)
    {
        value = 0;
        if (!TryReadNumber(text, out ulong number, out var rest) || !rest.IsEmpty || number > uint.MaxValue)
            return false;
        value = (uint)number;
        return true;
    }

    /// <summary>A number with a suffix K, M, G, T, P or E, and what follows it.</summary>
    public static ulong MemParse(ReadOnlySpan<byte> text, out ReadOnlySpan<byte> rest)
    {
        _ = TryReadNumber(text, out ulong number, out rest);
        if (rest.IsEmpty)
            return number;
        int power = "KMGTPE"u8.IndexOf((byte)(rest[0] & ~0x20)) + 1;
        if (power > 0)
            rest = rest[1..];
        return number << (10 * power);
    }

    /// <summary>Says in the kernel log that an option's value is bad.</summary>
    /// <returns>EINVAL.</returns>
    public static Errno BadValue(this MountContext context, string fileSystem, ReadOnlySpan<byte> option) =>
        context.Complain($"{fileSystem}: Bad value for '{Encoding.Latin1.GetString(option)}'");

    /// <summary>Says in the kernel log that an option is not known.</summary>
    /// <returns>EINVAL.</returns>
    public static Errno UnknownParameter(this MountContext context, string fileSystem, ReadOnlySpan<byte> option) =>
        context.Complain($"{fileSystem}: Unknown parameter '{Encoding.Latin1.GetString(option)}'");

    /// <summary>Writes a line into the kernel log.</summary>
    /// <returns>EINVAL.</returns>
    public static Errno Complain(this MountContext context, string line)
    {
        context.Core.MountLog(line);
        return Errno.EINVAL;
    }

    private static bool TryReadNumber(ReadOnlySpan<byte> text, out ulong number, out ReadOnlySpan<byte> rest)
    {
        uint radix = 10;
        rest = text;
        if (text.Length > 2 && text[0] == '0' && (text[1] | 0x20) == 'x' && DigitOf(text[2]) < 16)
        {
            radix = 16;
            rest = text[2..];
        }
        else if (text.Length > 0 && text[0] == '0')
            radix = 8;
        number = 0;
        int start = rest.Length;
        while (rest.Length > 0 && DigitOf(rest[0]) < radix)
        {
            number = number * radix + DigitOf(rest[0]);
            rest = rest[1..];
        }
        return rest.Length < start;
    }

    private static uint DigitOf(byte b) => b switch
    {
        >= (byte)'0' and <= (byte)'9' => (uint)(b - '0'),
        >= (byte)'a' and <= (byte)'f' => (uint)(b - 'a' + 10),
        >= (byte)'A' and <= (byte)'F' => (uint)(b - 'A' + 10),
        _ => uint.MaxValue,
    };
}
