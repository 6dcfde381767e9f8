using System.Threading.Channels;
using DriverLab.Guest.Wire;

namespace DriverLab.Rig.Machines;

/// <summary>The host's end of the port: a thread that writes frames in order, a thread that reads them. Sending never blocks the caller.</summary>
internal sealed class PortLink : IDisposable
{
    private readonly Channel<byte[]> outgoing = Channel.CreateUnbounded<byte[]>(new() { SingleReader = true });
    private readonly Stream input;
    private readonly Stream output;
    private readonly Action<FrameHeader, byte[]> onFrame;
    private readonly Action<string> onBroken;

    public PortLink(Stream input, Stream output, Action<FrameHeader, byte[]> onFrame, Action<string> onBroken)
    {
        this.input = input;
        this.output = new BufferedStream(output, 64 << 10);
        this.onFrame = onFrame;
        this.onBroken = onBroken;
        new Thread(Write) { IsBackground = true, Name = "port writer" }.Start();
        new Thread(Read) { IsBackground = true, Name = "port reader" }.Start();
    }

    /// <summary>Queues a frame.</summary>
    public void Send(FrameKind kind, uint id, ReadOnlyMemory<byte> payload)
    {
        var frame = new byte[FrameHeader.Size + payload.Length];
        new FrameHeader(payload.Length, kind, id).Write(frame);
        payload.CopyTo(frame.AsMemory(FrameHeader.Size));
        _ = outgoing.Writer.TryWrite(frame);
    }

    /// <summary>Ends the writer; the reader ends with the stream.</summary>
    public void Dispose() => outgoing.Writer.TryComplete();

    private void Write()
    {
        try
        {
            foreach (byte[] frame in outgoing.Reader.ReadAllAsync().ToBlockingEnumerable())
            {
                input.Write(frame);
                input.Flush();
            }
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            // The reader sees the same end and reports it.
        }
    }

    private void Read()
    {
        var head = new byte[FrameHeader.Size];
        string why = "end of stream";
        try
        {
            while (true)
            {
                output.ReadExactly(head);
                if (!FrameHeader.TryRead(head, out var header))
                {
                    why = $"bytes {Convert.ToHexString(head)} are no frame header";
                    break;
                }
                var payload = header.Length == 0 ? [] : new byte[header.Length];
                output.ReadExactly(payload);
                onFrame(header, payload);
            }
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            why = e is EndOfStreamException ? why : e.Message;
        }
        onBroken(why);
    }
}
