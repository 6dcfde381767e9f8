using System.Buffers.Binary;

namespace DriverLab.Linux.Remote;

/// <summary>Carries one request to a <see cref="KernelCallServer"/> and brings its reply.</summary>
public interface ICallChannel
{
    /// <summary>Sends the request and waits for the reply. The reply may be used until the next exchange.</summary>
    /// <exception cref="RemoteKernelException">The connection ended.</exception>
    ReadOnlyMemory<byte> Exchange(ReadOnlySpan<byte> request);
}

/// <summary>The connection to a remote kernel failed, or it refused a request: trouble of the rig, never a kernel's outcome.</summary>
public sealed class RemoteKernelException(string message) : Exception(message);

/// <summary>A channel over a stream: each message behind its length in 4 little-endian bytes.</summary>
public sealed class StreamCallChannel(Stream stream) : ICallChannel
{
    private const int MaxFrame = CallHeader.Size + 4 * CallHeader.MaxBytes;
    private byte[] _reply = new byte[4096];

    /// <inheritdoc/>
    public ReadOnlyMemory<byte> Exchange(ReadOnlySpan<byte> request)
    {
        WriteFrame(stream, request);
        return TryReadFrame(stream, ref _reply, out int length) ? _reply.AsMemory(0, length) : throw new RemoteKernelException("the remote kernel closed the connection");
    }

    internal static void WriteFrame(Stream stream, ReadOnlySpan<byte> message)
    {
        Span<byte> head = stackalloc byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(head, message.Length);
        stream.Write(head);
        stream.Write(message);
        stream.Flush();
    }

    /// <summary>Reads a frame into the buffer, which grows; false when the stream ended or is out of step.</summary>
    internal static bool TryReadFrame(Stream stream, ref byte[] buffer, out int length)
    {
        Span<byte> head = stackalloc byte[4];
        length = 0;
        if (stream.ReadAtLeast(head, 4, throwOnEndOfStream: false) < 4)
            return false;
        length = BinaryPrimitives.ReadInt32LittleEndian(head);
        if (length is < 0 or > MaxFrame)
            return false;
        if (buffer.Length < length)
            buffer = new byte[length];
        return stream.ReadAtLeast(buffer.AsSpan(0, length), length, throwOnEndOfStream: false) == length;
    }
}
