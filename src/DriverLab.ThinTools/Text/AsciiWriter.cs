using System.Runtime.CompilerServices;

namespace DriverLab.ThinTools.Text;

/// <summary>Writes ASCII to a stream through a large buffer, numbers without a string on the way.</summary>
internal sealed class AsciiWriter(Stream stream) : IDisposable
{
    private const int LongestNumber = 20;
    private readonly byte[] _buffer = new byte[256 * 1024];
    private int _used;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Put(ReadOnlySpan<byte> text)
    {
        if (text.Length > _buffer.Length - _used)
            Flush();
        text.CopyTo(_buffer.AsSpan(_used));
        _used += text.Length;
    }

    public void Put(ulong number)
    {
        if (LongestNumber > _buffer.Length - _used)
            Flush();
        _ = number.TryFormat(_buffer.AsSpan(_used), out int written);
        _used += written;
    }

    /// <summary>A short text of any characters.</summary>
    public void Put(string text) => Put(System.Text.Encoding.UTF8.GetBytes(text));

    public void Flush()
    {
        stream.Write(_buffer.AsSpan(0, _used));
        _used = 0;
    }

    /// <summary>Writes what is left; the stream stays open.</summary>
    public void Dispose()
    {
        Flush();
        stream.Flush();
    }
}
