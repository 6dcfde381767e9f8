using System.Text;

namespace DriverLab.StorageDrivers;

/// <summary>Byte paths: joining, splitting, and printing without loss.</summary>
public static class ByteText
{
    /// <summary>Orders names and paths byte by byte, so that a directory comes before what is in it.</summary>
    public static readonly IComparer<byte[]> Order = Comparer<byte[]>.Create((a, b) => a.AsSpan().SequenceCompareTo(b));

    /// <summary>Hashes and compares names and paths by content.</summary>
    public static readonly IEqualityComparer<byte[]> Equality = new ContentEquality();

    /// <summary>The path as text: UTF-8 as it is, bytes that are not UTF-8, controls and backslashes as <c>\xNN</c>.</summary>
    public static string Show(ReadOnlySpan<byte> path)
    {
        var text = new StringBuilder(path.Length);
        while (!path.IsEmpty)
        {
            var status = Rune.DecodeFromUtf8(path, out var rune, out int used);
            if (status == System.Buffers.OperationStatus.Done && !Rune.IsControl(rune) && rune.Value != '\\')
                _ = text.Append(rune.ToString());
            else
                foreach (byte b in path[..used])
                    _ = text.Append("\\x").Append(b.ToString("x2"));
            path = path[used..];
        }
        return text.ToString();
    }

    /// <summary>The bytes of a text path, in UTF-8.</summary>
    public static byte[] Bytes(string text) => Encoding.UTF8.GetBytes(text);

    /// <summary>One path under another, with one slash between them.</summary>
    public static byte[] Join(ReadOnlySpan<byte> directory, ReadOnlySpan<byte> name)
    {
        bool slash = directory.Length > 0 && directory[^1] != (byte)'/';
        var path = new byte[directory.Length + (slash ? 1 : 0) + name.Length];
        directory.CopyTo(path);
        if (slash)
            path[directory.Length] = (byte)'/';
        name.CopyTo(path.AsSpan(path.Length - name.Length));
        return path;
    }

    /// <summary>The path without its last component: <c>/a/b</c> gives <c>/a</c>, <c>/a</c> gives <c>/</c>, <c>a</c> gives nothing.</summary>
    public static ReadOnlySpan<byte> Parent(ReadOnlySpan<byte> path)
    {
        int slash = path.LastIndexOf((byte)'/');
        return slash < 0 ? [] : slash == 0 ? path[..1] : path[..slash];
    }

    /// <summary>The last component.</summary>
    public static ReadOnlySpan<byte> Name(ReadOnlySpan<byte> path) => path[(path.LastIndexOf((byte)'/') + 1)..];

    private sealed class ContentEquality : IEqualityComparer<byte[]>
    {
        public bool Equals(byte[]? x, byte[]? y) => x.AsSpan().SequenceEqual(y);

        public int GetHashCode(byte[] obj)
        {
            // FNV-1a: not the run-time's hash, so that nothing can come to depend on a per-process seed.
            uint hash = 2166136261;
            foreach (byte b in obj)
                hash = (hash ^ b) * 16777619;
            return (int)hash;
        }
    }
}
