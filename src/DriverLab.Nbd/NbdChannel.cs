using System.Diagnostics;
using System.Net.Security;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;

namespace DriverLab.Nbd;

/// <summary>Bytes to and from one client: a socket as it is, or with TLS on it once the client has asked for that. One thread receives while another sends.</summary>
internal sealed partial class NbdChannel(Socket socket) : IDisposable
{
    private const int MostVain = 10;
    private const nuint OutputQueue = 0x5411; // SIOCOUTQ

    private static readonly long s_mostLookingOut = Stopwatch.Frequency / 10_000; // 100 µs
    private static int s_lookingOut;

    private SslStream? _tls;
    private int _vain, _pause;

    public bool IsSecure => _tls is not null;

    /// <summary>Goes on with TLS, as the server; nothing may be under way.</summary>
    /// <exception cref="NbdException">The client does not agree.</exception>
    public void StartTls(X509Certificate2 certificate)
    {
        var tls = new SslStream(new NetworkStream(socket, ownsSocket: false));
        try
        {
            tls.AuthenticateAsServer(certificate);
        }
        catch (Exception e) when (e is AuthenticationException or IOException)
        {
            tls.Dispose();
            throw new NbdException($"TLS with a client failed: {e.Message}", e);
        }
        _tls = tls;
    }

    /// <summary>Waits for at least one byte; 0 at the end.</summary>
    public int Receive(Span<byte> into)
    {
        if (_tls is { } tls)
            return tls.Read(into);
        LookOut();
        return socket.Receive(into);
    }

    /// <summary>
    /// Looks for the next request for a moment before sleeping: to be woken on an idle processor takes longer than all the rest of a request.
    /// That is for a client that waits for each answer. One that sends ahead is better served with many requests at once, after a sleep; it is known by answers that it has not read yet (over TCP: not acknowledged).
    /// Looking is given up for ever longer while it is in vain; one thread does it at a time, where there is a processor to spare.
    /// </summary>
    private void LookOut()
    {
        if (_pause > 0)
        {
            _pause--;
            return;
        }
        if (Environment.ProcessorCount == 1 || Interlocked.CompareExchange(ref s_lookingOut, 1, 0) != 0)
            return;
        bool came;
        try
        {
            long until = Stopwatch.GetTimestamp() + s_mostLookingOut;
            while (!(came = socket.Available > 0) && Stopwatch.GetTimestamp() < until)
            {
            }
        }
        finally
        {
            Volatile.Write(ref s_lookingOut, 0);
        }
        bool helped = came && ioctl(socket.SafeHandle, OutputQueue, out int unread) == 0 && unread == 0;
        _vain = helped ? 0 : Math.Min(_vain + 1, MostVain);
        _pause = (1 << _vain) - 1;
    }

    [LibraryImport("libc")]
    private static partial int ioctl(SafeSocketHandle socket, nuint request, out int value);

    /// <summary>Sends all.</summary>
    public void Send(ReadOnlySpan<byte> bytes)
    {
        if (_tls is { } tls)
        {
            tls.Write(bytes);
            return;
        }
        while (bytes.Length > 0)
            bytes = bytes[socket.Send(bytes)..];
    }

    public void Dispose() => _tls?.Dispose();
}
