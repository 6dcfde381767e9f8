using System.Globalization;
using System.Text;
using DriverLab.Linux;

namespace DriverLab.DeviceMapper;

/// <summary>How device-mapper reads the words of tables and messages.</summary>
public static class DmText
{
    /// <summary>Splits at white space; a backslash takes the next character as it is.</summary>
    /// <remarks>Linux drivers/md/dm-table.c: dm_split_args().</remarks>
    public static string[] Split(string text)
    {
        var words = new List<string>();
        for (int at = 0; ;)
        {
            while (at < text.Length && IsSpace(text[at]))
                at++;
            if (at == text.Length)
                return [.. words];
            int start = at;
            bool isEscaped = false;
            for (; at < text.Length && !IsSpace(text[at]); at++)
            {
                if (text[at] != '\\' || at + 1 == text.Length)
                    continue;
                isEscaped = true;
                at++;
            }
            words.Add(isEscaped ? Unescape(text.AsSpan(start..at)) : text[start..at]);
        }
    }

    private static string Unescape(ReadOnlySpan<char> word)
    {
        var plain = new StringBuilder(word.Length);
        for (int at = 0; at < word.Length; at++)
        {
            if (word[at] == '\\' && at + 1 < word.Length)
                at++;
            _ = plain.Append(word[at]);
        }
        return plain.ToString();
    }

    private static bool IsSpace(char c) => c is ' ' or '\t' or '\n' or '\v' or '\f' or '\r' or '\u00a0';

    /// <summary>Reads a whole word as a decimal number without a sign, as sscanf's <c>%llu%c</c> does.</summary>
    public static bool TrySector(string word, out long sectors)
    {
        sectors = 0;
        if (word.Length == 0)
            return false;
        ulong value = 0;
        foreach (char c in word)
        {
            if (!char.IsAsciiDigit(c))
                return false;
            value = unchecked(value * 10 + (uint)(c - '0'));
        }
        sectors = unchecked((long)value);
        return true;
    }

    /// <summary>Reads a whole word as sscanf's <c>%u%c</c> does: digits only, and what exceeds 32 bits is cut off.</summary>
    public static bool TryNumber(string word, out uint value)
    {
        bool isNumber = TrySector(word, out long number);
        value = unchecked((uint)number);
        return isNumber;
    }

    /// <summary>Reads a whole word as a decimal number of 64 bits, as kstrtoull does: a plus sign is allowed.</summary>
    public static bool TryULong(string word, out ulong value)
        => ulong.TryParse(word.StartsWith('+') ? word.AsSpan(1) : word, NumberStyles.None, CultureInfo.InvariantCulture, out value);

    /// <summary>Reads a whole word as a decimal number of 32 bits, as kstrtouint does: a plus sign is allowed.</summary>
    public static bool TryUInt(string word, out uint value)
        => uint.TryParse(word.StartsWith('+') ? word.AsSpan(1) : word, NumberStyles.None, CultureInfo.InvariantCulture, out value);

    /// <summary>Reads <c>major:minor</c>.</summary>
    public static bool TryDevice(string word, out uint major, out uint minor)
    {
        minor = major = 0;
        int colon = word.IndexOf(':', StringComparison.Ordinal);
        return colon > 0 && TryDigits(word.AsSpan(0, colon), out major) && TryDigits(word.AsSpan(colon + 1), out minor);
    }

    /// <summary>Reads the further names that the kernel takes for its root device: <c>major:minor:offset</c> and a bare hexadecimal number.</summary>
    /// <remarks>Linux 6.1 init/do_mounts.c: name_to_dev_t().</remarks>
    public static bool TryBootName(string word, out DevT number)
    {
        number = DevT.Zero;
        string[] parts = word.Split(':');
        if (parts.Length == 3 && TryDigits(parts[0], out uint major) && TryDigits(parts[1], out uint minor) && TryDigits(parts[2], out _))
            number = new(major, minor);
        else if (uint.TryParse(word, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out uint encoded))
            number = DevT.Decode(encoded);
        else
            return false;
        return true;
    }

    private static bool TryDigits(ReadOnlySpan<char> word, out uint value) => uint.TryParse(word, NumberStyles.None, CultureInfo.InvariantCulture, out value);

    /// <summary>A string of the caller's bytes, one character a byte.</summary>
    public static string Decode(ReadOnlySpan<byte> bytes) => Encoding.Latin1.GetString(bytes);

    /// <summary>The text of an error as the kernel's <c>%pe</c> prints it.</summary>
    public static string Symbol(Errno error) => $"-{error}";
}
