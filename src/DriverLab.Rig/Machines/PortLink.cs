using System.Threading.Channels;
using DriverLab.Guest.Wire;

namespace DriverLab.Rig.Machines;

/// <summary>The host's end of the port: a thread that writes frames in order, a thread that reads them. Sending never blocks the caller.</summary>
internal sealed class PortLink : IDisposable
{
    private readonly Channel<(byte[] Frame, ManualResetEventSlim? Gate)> outgoing = Channel.CreateUnbounded<(byte[], ManualResetEventSlim?)>(new() { SingleReader = true });
    private readonly Stream input;
    private readonly Stream output;
    private readonly Action<FrameHeader, byte[]> onFrame;
    private readonly Action<string> onBroken;
    private readonly bool midStream;

    /// <summary>Over the two directions of the port.</summary>
    /// <param name="input">To the guest.</param>
    /// <param name="output">From the guest.</param>
    /// <param name="onFrame">Takes each frame.</param>
    /// <param name="onBroken">Told why the stream ended.</param>
    /// <param name="midStream">The guest may be in the middle of a frame, which is lost: frames begin with the guest's hello.</param>
    public PortLink(Stream input, Stream output, Action<FrameHeader, byte[]> onFrame, Action<string> onBroken, bool midStream)
    {
        this.midStream = midStream;
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
        _ = outgoing.Writer.TryWrite((frame, null));
    }

    /// <summary>Holds back every frame queued after this until the gate opens.</summary>
    public void Hold(ManualResetEventSlim gate) => outgoing.Writer.TryWrite(([], gate));

    /// <summary>Ends the writer; the reader ends with the stream.</summary>
    public void Dispose() => outgoing.Writer.TryComplete();

    private void Write()
    {
        try
        {
            foreach (var (frame, gate) in outgoing.Reader.ReadAllAsync().ToBlockingEnumerable())
            {
                gate?.Wait();
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
            for (bool synchronised = !midStream; ; synchronised = true)
            {
                if (synchronised)
                    output.ReadExactly(head);
                else
                    FindHello(head);
                if (!FrameHeader.TryRead(head, out var header))
                {
                    why = $"bytes {Convert.ToHexString(head)} are no frame header";
                    break;
                }
                var payload = header.Length == 0 ? [] : new byte[header.Length];
                if (synchronised)
                    output.ReadExactly(payload);
                else
                {
                    HelloStart.CopyTo(payload);
                    output.ReadExactly(payload.AsSpan(HelloStart.Length));
                }
                onFrame(header, payload);
            }
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            why = e is EndOfStreamException ? why : e.Message;
        }
        onBroken(why);
    }

    private static ReadOnlySpan<byte> HelloStart => "nonce="u8;

    /// <summary>Drops bytes until a hello's header, and the first word of its text, have been read.</summary>
    private void FindHello(Span<byte> head)
    {
        Span<byte> window = stackalloc byte[FrameHeader.Size + HelloStart.Length];
        output.ReadExactly(window);
        while (!(FrameHeader.TryRead(window, out var header) && header.Kind == FrameKind.Hello && header.Length > HelloStart.Length && window[FrameHeader.Size..].SequenceEqual(HelloStart)))
        {
            window[1..].CopyTo(window);
            output.ReadExactly(window[^1..]);
        }
        window[..FrameHeader.Size].CopyTo(head);
    }
}
