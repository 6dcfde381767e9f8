namespace DriverLab.Rig.Kernels;

/// <summary>Orders Debian version strings.</summary>
/// <remarks>Debian Policy 5.6.12: epoch, upstream version, revision; digits compare as numbers, <c>~</c> sorts before the end, letters before other characters.</remarks>
public sealed class DebianVersion : IComparer<string>
{
    /// <summary>The one comparer.</summary>
    public static DebianVersion Comparer { get; } = new();

    /// <inheritdoc/>
    public int Compare(string? x, string? y)
    {
        var (epochX, upstreamX, revisionX) = Split(x ?? "");
        var (epochY, upstreamY, revisionY) = Split(y ?? "");
        int result = epochX.CompareTo(epochY);
        if (result == 0)
            result = ComparePart(upstreamX, upstreamY);
        return result != 0 ? result : ComparePart(revisionX, revisionY);
    }

    private static (int Epoch, string Upstream, string Revision) Split(string version)
    {
        int colon = version.IndexOf(':');
        int epoch = colon > 0 && int.TryParse(version.AsSpan(0, colon), out int number) ? number : 0;
        string rest = version[(colon + 1)..];
        int dash = rest.LastIndexOf('-');
        return dash < 0 ? (epoch, rest, "") : (epoch, rest[..dash], rest[(dash + 1)..]);
    }

    private static int ComparePart(ReadOnlySpan<char> a, ReadOnlySpan<char> b)
    {
        while (a.Length > 0 || b.Length > 0)
        {
            while ((a.Length > 0 && !char.IsAsciiDigit(a[0])) || (b.Length > 0 && !char.IsAsciiDigit(b[0])))
            {
                int difference = Order(a) - Order(b);
                if (difference != 0)
                    return Math.Sign(difference);
                a = a.Length > 0 ? a[1..] : a;
                b = b.Length > 0 ? b[1..] : b;
            }
            int result = CompareNumbers(ref a, ref b);
            if (result != 0)
                return result;
        }
        return 0;
    }

    private static int Order(ReadOnlySpan<char> text) => text.Length == 0 || char.IsAsciiDigit(text[0]) ? 0
        : text[0] == '~' ? -1
        : char.IsAsciiLetter(text[0]) ? text[0]
        : text[0] + 256;

    private static int CompareNumbers(ref ReadOnlySpan<char> a, ref ReadOnlySpan<char> b)
    {
        var x = Digits(ref a);
        var y = Digits(ref b);
        return x.Length != y.Length ? Math.Sign(x.Length - y.Length) : Math.Sign(x.SequenceCompareTo(y));
    }

    private static ReadOnlySpan<char> Digits(ref ReadOnlySpan<char> text)
    {
        int end = 0;
        while (end < text.Length && char.IsAsciiDigit(text[end]))
            end++;
        var digits = text[..end].TrimStart('0');
        text = text[end..];
        return digits;
    }
}
