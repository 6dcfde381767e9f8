using System.Globalization;
using System.Text;
using DriverLab.Linux.Abi;

namespace DriverLab.Conformance.Running;

/// <summary>
/// Names and values that overlayfs chooses freely, as labels by first sight: temporary names (<c>#2f</c>, a counter of the whole kernel), index entries and file handles (inode number
/// and generation of the layer), UUIDs (random). Equal ones get equal labels, so identity is compared; of a handle the type, flags and length are compared too.
/// </summary>
public sealed class OverlayLabels
{
    private static readonly System.Buffers.SearchValues<byte> s_hexDigits = System.Buffers.SearchValues.Create("0123456789abcdef"u8);
    private const string Handle = "handle-";

    private readonly Dictionary<string, string> _labels = [];
    private readonly Dictionary<string, int> _counts = [];

    /// <summary>The name of a directory entry as it is shown.</summary>
    public string Name(ReadOnlySpan<byte> name)
    {
        if (IsTemporary(name))
            return Label("#", name);
        return IsIndex(name) ? $"index({Label(Handle, Convert.FromHexString(name))})" : Render.Name(name);
    }

    /// <summary>A line of the kernel's log, with index entries by the names that they are shown with.</summary>
    internal string InLog(string line)
    {
        const string folder = "index/";
        for (int at = line.IndexOf(folder, StringComparison.Ordinal); at >= 0; at = line.IndexOf(folder, at + 1, StringComparison.Ordinal))
        {
            byte[] behind = Encoding.Latin1.GetBytes(line[(at + folder.Length)..]);
            int length = behind.AsSpan().IndexOfAnyExcept(s_hexDigits);
            var name = behind.AsSpan(0, length < 0 ? behind.Length : length);
            if (IsIndex(name))
                line = string.Concat(line.AsSpan(0, at + folder.Length), Name(name), line.AsSpan(at + folder.Length + name.Length));
        }
        return line;
    }

    /// <summary>
    /// Puts a directory's entries into an order that both sides have: byte order, but temporary names by their number, and index entries by the labels of the handles that they are named
    /// after. Where such a handle has no label yet, what the entry is decides.
    /// </summary>
    /// <param name="names">The entries.</param>
    /// <param name="describe">What an entry is, without anything that a side chooses freely.</param>
    internal void Sort(List<DirectoryEntry> names, Func<byte[], string> describe)
    {
        if (!names.Exists(static entry => IsIndex(entry.Name)))
        {
            names.Sort(static (a, b) => Compare(a.Name, b.Name));
            return;
        }
        foreach (byte[] unknown in names.Select(static entry => entry.Name).Where(name => IsIndex(name) && !_labels.ContainsKey(Key(Handle, Convert.FromHexString(name)))).OrderBy(describe, StringComparer.Ordinal))
            _ = Name(unknown);
        names.Sort((a, b) => IsIndex(a.Name) && IsIndex(b.Name) ? Number(a.Name).CompareTo(Number(b.Name)) : Compare(a.Name, b.Name));

        int Number(byte[] name) => int.Parse(Label(Handle, Convert.FromHexString(name)).AsSpan(Handle.Length), CultureInfo.InvariantCulture);
    }

    /// <summary>The value of an extended attribute as it is shown.</summary>
    public string Xattr(ReadOnlySpan<byte> name, ReadOnlySpan<byte> value)
    {
        bool isHandle = name.EndsWith(".overlay.origin"u8) || name.EndsWith(".overlay.upper"u8);
        if (isHandle && value.Length >= 21 && value[1] == 0xfb)
            return string.Create(CultureInfo.InvariantCulture, $"{Label(Handle, value)}(type={value[4]:x2} flags={value[3]} length={value.Length})");
        if (name.EndsWith(".overlay.uuid"u8) && value.Length == 16)
            return Label("uuid-", value);
        return Render.Data(value);
    }

    // Byte order, but temporary names by their number: their labels must not depend on where the counter stands.
    private static int Compare(byte[] a, byte[] b) =>
        IsTemporary(a) && IsTemporary(b) && a.Length != b.Length ? a.Length.CompareTo(b.Length) : a.AsSpan().SequenceCompareTo(b);

    // The index entry of an inode is named after its handle, in hexadecimal digits; the same bytes are in the attribute "origin". fs/overlayfs/namei.c, ovl_get_index_name.
    private static bool IsIndex(ReadOnlySpan<byte> name) => name.Length >= 42 && name.Length % 2 == 0 && name.StartsWith("00fb"u8) && IsHex(name);

    private static bool IsTemporary(ReadOnlySpan<byte> name) => name.Length is > 1 and < 10 && name[0] == '#' && IsHex(name[1..]);

    private static bool IsHex(ReadOnlySpan<byte> text) => text.IndexOfAnyExcept(s_hexDigits) < 0;

    private static string Key(string kind, ReadOnlySpan<byte> bytes) => kind + Encoding.Latin1.GetString(bytes);

    private string Label(string kind, ReadOnlySpan<byte> bytes)
    {
        string key = Key(kind, bytes);
        if (_labels.TryGetValue(key, out var label))
            return label;
        int number = _counts.GetValueOrDefault(kind) + 1;
        _counts[kind] = number;
        _labels.Add(key, label = kind + number.ToString(CultureInfo.InvariantCulture));
        return label;
    }
}
