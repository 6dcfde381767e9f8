using System.Globalization;
using DriverLab.Linux;

namespace DriverLab.StorageDrivers;

/// <summary>Options of one layer (Docker's <c>--storage-opt</c>).</summary>
/// <param name="SizeBytes">The most that the layer may hold, in bytes; null for no limit.</param>
public sealed record LayerOptions(long? SizeBytes = null)
{
    /// <summary>No options.</summary>
    public static readonly LayerOptions None = new();

    /// <summary>Reads <c>key=value</c> words. The only key is <c>size</c>, in any case: a number with an optional b, k, m, g or t, powers of 1024.</summary>
    /// <returns>EINVAL: an unknown key, a value that is no size.</returns>
    public static DriverResult<LayerOptions> Parse(IEnumerable<string> words)
    {
        var options = None;
        foreach (string word in words)
        {
            int equals = word.IndexOf('=');
            string key = equals < 0 ? word : word[..equals];
            if (!key.Equals("size", StringComparison.OrdinalIgnoreCase))
                return new DriverError("option", word, Errno.EINVAL, "the only option of a layer is size");
            if (equals < 0 || !TryParseSize(word.AsSpan(equals + 1), out long bytes))
                return new DriverError("option", word, Errno.EINVAL, "expected size=NUMBER with an optional k, m, g or t");
            options = new LayerOptions(bytes);
        }
        return options;
    }

    /// <summary>Reads <c>10g</c>, <c>512M</c>, <c>4096</c>, <c>1.5g</c>.</summary>
    public static bool TryParseSize(ReadOnlySpan<char> text, out long bytes)
    {
        bytes = 0;
        text = text.Trim();
        if (text.Length > 1 && text[^1] is 'b' or 'B' && !char.IsAsciiDigit(text[^2]))
            text = text[..^1];
        int shift = text.Length == 0 ? -1 : "bkmgt".IndexOf(char.ToLowerInvariant(text[^1]));
        if (shift >= 0)
            text = text[..^1];
        if (!decimal.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out decimal number) || number <= 0)
            return false;
        decimal scaled = number;
        for (int i = 0; i < shift; i++)
        {
            scaled *= 1024;
            if (scaled > long.MaxValue)
                return false;
        }
        if (scaled > long.MaxValue)
            return false;
        bytes = (long)scaled;
        return true;
    }
}
