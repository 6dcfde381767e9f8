using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;

namespace DriverLab.Nbd;

/// <summary>Bytes to and from one client: a socket as it is, or with TLS on it once the client has asked for that. One thread receives while another sends.</summary>
internal sealed class NbdChannel(Socket socket) : IDisposable
{
    private SslStream? _tls;

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
    public int Receive(Span<byte> into) => _tls is { } tls ? tls.Read(into) : socket.Receive(into);

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
