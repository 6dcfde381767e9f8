using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Logging;

namespace DriverLab;

/// <summary>A web server on a unix socket of mode 0600. Compiled into each project that serves HTTP.</summary>
internal sealed class SocketServer : IAsyncDisposable
{
    private readonly WebApplication _application;
    private readonly string _socket;

    private SocketServer(WebApplication application, string socket) => (_application, _socket) = (application, socket);

    /// <summary>Starts serving; returns when the socket takes connections.</summary>
    /// <param name="socket">The socket's path. One that a killed server left is replaced, one that answers is not.</param>
    /// <param name="protocols">What is spoken.</param>
    /// <param name="prepare">Adds services and limits.</param>
    /// <param name="map">Says what is served.</param>
    /// <param name="cancellation">Ends the start.</param>
    /// <exception cref="IOException">Another server answers on the socket, something else stands there, or its directory cannot be written.</exception>
    public static async Task<SocketServer> StartAsync(string socket, HttpProtocols protocols, Action<WebApplicationBuilder> prepare, Action<WebApplication> map, CancellationToken cancellation)
    {
        SocketFile.RemoveStale(socket);
        var builder = WebApplication.CreateSlimBuilder();
        _ = builder.Logging.ClearProviders();
        _ = builder.WebHost.ConfigureKestrel(kestrel => kestrel.ListenUnixSocket(socket, listen => listen.Protocols = protocols));
        prepare(builder);
        var application = builder.Build();
        map(application);
        try
        {
            await application.StartAsync(cancellation);
            File.SetUnixFileMode(socket, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        }
        catch
        {
            await application.DisposeAsync();
            throw;
        }
        return new SocketServer(application, socket);
    }

    /// <summary>Stops after the calls that are under way, and removes the socket.</summary>
    public async ValueTask DisposeAsync()
    {
        await _application.StopAsync(CancellationToken.None);
        await _application.DisposeAsync();
        File.Delete(_socket);
    }
}
