using System.Text;

namespace DriverLab.Cli.Output;

/// <summary>Bytes to a text writer: those of the console go to it untouched, others are decoded.</summary>
internal sealed class WriterStream(TextWriter writer) : Stream
{
    private readonly Stream? _raw = ReferenceEquals(writer, Console.Out) ? Console.OpenStandardOutput() : ReferenceEquals(writer, Console.Error) ? Console.OpenStandardError() : null;
    private readonly Decoder _decoder = Encoding.UTF8.GetDecoder();

    public override bool CanRead => false;
    public override bool CanSeek => false;
    public override bool CanWrite => true;
    public override long Length => throw new NotSupportedException();
    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        if (_raw is not null)
        {
            _raw.Write(buffer);
            return;
        }
        var text = new char[buffer.Length + 1];
        writer.Write(text, 0, _decoder.GetChars(buffer, text, flush: false));
    }

    public override void Flush()
    {
        _raw?.Flush();
        writer.Flush();
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
    public override void SetLength(long value) => throw new NotSupportedException();
}
