using System.Globalization;
using DriverLab.Linux;

namespace DriverLab.Conformance.Scenarios;

/// <summary>Numbers, modes and time spans as scenarios write them.</summary>
public static class Numbers
{
    /// <summary>Reads lines of uid_map as <c>INSIDE:OUTSIDE:COUNT,…</c>.</summary>
    public static bool TryExtents(string text, out IdMapExtent[] extents)
    {
        extents = [];
        var result = new List<IdMapExtent>();
        foreach (string part in text.Split(',', StringSplitOptions.RemoveEmptyEntries))
        {
            var fields = part.Split(':');
            if (fields.Length != 3 || !uint.TryParse(fields[0], out uint inside) || !uint.TryParse(fields[1], out uint outside) || !uint.TryParse(fields[2], out uint count))
                return false;
            result.Add(new(inside, outside, count));
        }
        extents = [.. result];
        return true;
    }

    /// <summary>Reads a whole number: decimal, 0x hexadecimal or 0o octal, with a minus sign, and K, M, G, T for powers of 1024.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out long value)
    {
        value = 0;
        bool negative = text is ['-', ..];
        if (negative)
            text = text[1..];
        int shift = text.Length > 1 ? text[^1] switch { 'K' => 10, 'M' => 20, 'G' => 30, 'T' => 40, _ => 0 } : 0;
        if (shift > 0)
            text = text[..^1];
        ulong digits;
        if (text.StartsWith("0x", StringComparison.Ordinal))
        {
            if (!ulong.TryParse(text[2..], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out digits))
                return false;
        }
        else if (text.StartsWith("0o", StringComparison.Ordinal))
        {
            if (!TryOctal(text[2..], out digits))
                return false;
        }
        else if (!ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out digits))
            return false;
        value = (long)(digits << shift);
        if ((ulong)value >> shift != digits && shift > 0)
            return false;
        if (negative)
            value = -value;
        return true;
    }

    /// <summary>Reads an octal mode up to 0177777, with or without a leading 0 or 0o.</summary>
    public static bool TryMode(ReadOnlySpan<char> text, out ushort mode)
    {
        if (text.StartsWith("0o", StringComparison.Ordinal))
            text = text[2..];
        bool ok = TryOctal(text, out ulong value) && value <= ushort.MaxValue;
        mode = ok ? (ushort)value : (ushort)0;
        return ok;
    }

    /// <summary>Reads a time span with its unit; the value is in nanoseconds.</summary>
    public static bool TryDuration(ReadOnlySpan<char> text, out long nanoseconds)
    {
        var (unit, cut) = text switch
        {
            [.., 'n', 's'] => (1L, 2),
            [.., 'u', 's'] => (1_000L, 2),
            [.., 'm', 's'] => (1_000_000L, 2),
            [.., 's'] => (1_000_000_000L, 1),
            _ => (0L, 0),
        };
        nanoseconds = 0;
        if (unit == 0 || !long.TryParse(text[..^cut], NumberStyles.None, CultureInfo.InvariantCulture, out long count))
            return false;
        nanoseconds = count * unit;
        return true;
    }

    private static bool TryOctal(ReadOnlySpan<char> text, out ulong value)
    {
        value = 0;
        if (text.IsEmpty || text.Length > 21)
            return false;
        foreach (char c in text)
        {
            if (c is < '0' or > '7')
                return false;
            value = (value << 3) | (uint)(c - '0');
        }
        return true;
    }
}
