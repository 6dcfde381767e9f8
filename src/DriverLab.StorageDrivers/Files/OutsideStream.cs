using DriverLab.Linux;

namespace DriverLab.StorageDrivers.Files;

/// <summary>The caller's stream for code that runs as a task: read and written on the caller's thread, in large pieces.</summary>
/// <param name="task">The task that the code runs as.</param>
/// <param name="inner">The caller's stream; it stays open.</param>
internal sealed class OutsideStream(IKernel task, Stream inner) : ForwardStream
{
    private const int PieceBytes = 1 << 17;
    private byte[] _piece = [];
    private int _length;

    public override bool CanRead => inner.CanRead;

    public override bool CanWrite => inner.CanWrite;

    /// <summary>A buffered stream over the caller's: each piece costs one hand-over. What is known to be short gets a short buffer.</summary>
    public static Stream Buffered(IKernel task, Stream inner)
    {
        long left = inner is { CanRead: true, CanSeek: true } ? inner.Length - inner.Position : 0;
        return new BufferedStream(new OutsideStream(task, inner), left > 0 ? (int)Math.Min(left, PieceBytes) : PieceBytes);
    }

    public override int Read(Span<byte> buffer)
    {
        if (_piece.Length < buffer.Length)
            _piece = new byte[buffer.Length];
        int wanted = buffer.Length;
        task.Outside(() => _length = inner.Read(_piece, 0, wanted));
        _piece.AsSpan(0, _length).CopyTo(buffer);
        return _length;
    }

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        if (_piece.Length < buffer.Length)
            _piece = new byte[buffer.Length];
        buffer.CopyTo(_piece);
        int length = buffer.Length;
        task.Outside(() => inner.Write(_piece, 0, length));
    }

    public override void Flush() => task.Outside(inner.Flush);
}
