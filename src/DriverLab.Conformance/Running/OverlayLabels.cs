using System.Globalization;
using System.Text;

namespace DriverLab.Conformance.Running;

/// <summary>
/// Names and values that overlayfs chooses freely, as labels by first sight: temporary names (<c>#2f</c>, a counter of the whole kernel), index entries and file handles (inode number
/// and generation of the layer), UUIDs (random). Equal ones get equal labels, so identity is compared; of a handle the type, flags and length are compared too.
/// </summary>
public sealed class OverlayLabels
{
    private static readonly System.Buffers.SearchValues<byte> s_hexDigits = System.Buffers.SearchValues.Create("0123456789abcdef"u8);
    private readonly Dictionary<string, string> _labels = [];
    private readonly Dictionary<string, int> _counts = [];

    /// <summary>The name of a directory entry as it is shown.</summary>
    public string Name(ReadOnlySpan<byte> name)
    {
        if (IsTemporary(name))
            return Label("#", name);
        if (name.Length >= 42 && name.StartsWith("00fb"u8) && IsHex(name))
            return Label("index-", name);
        return Render.Name(name);
    }

    /// <summary>The value of an extended attribute as it is shown.</summary>
    public string Xattr(ReadOnlySpan<byte> name, ReadOnlySpan<byte> value)
    {
        bool isHandle = name.EndsWith(".overlay.origin"u8) || name.EndsWith(".overlay.upper"u8);
        if (isHandle && value.Length >= 21 && value[1] == 0xfb)
            return string.Create(CultureInfo.InvariantCulture, $"{Label("handle-", value)}(type={value[4]:x2} flags={value[3]} length={value.Length})");
        if (name.EndsWith(".overlay.uuid"u8) && value.Length == 16)
            return Label("uuid-", value);
        return Render.Data(value);
    }

    /// <summary>Byte order, but temporary names by their number, so that their labels do not depend on where the counter stands.</summary>
    public static int Compare(byte[] a, byte[] b) =>
        IsTemporary(a) && IsTemporary(b) && a.Length != b.Length ? a.Length.CompareTo(b.Length) : a.AsSpan().SequenceCompareTo(b);

    private static bool IsTemporary(ReadOnlySpan<byte> name) => name.Length is > 1 and < 10 && name[0] == '#' && IsHex(name[1..]);

    private static bool IsHex(ReadOnlySpan<byte> text) => text.IndexOfAnyExcept(s_hexDigits) < 0;

    private string Label(string kind, ReadOnlySpan<byte> bytes)
    {
        string key = kind + Encoding.Latin1.GetString(bytes);
        if (_labels.TryGetValue(key, out var label))
            return label;
        int number = _counts.GetValueOrDefault(kind) + 1;
        _counts[kind] = number;
        _labels.Add(key, label = kind + number.ToString(CultureInfo.InvariantCulture));
        return label;
    }
}
