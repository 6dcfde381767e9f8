using DriverLab.StorageDrivers.Snapshots;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace DriverLab.Containerd;

/// <summary>Serves a <see cref="SnapshotStore"/> to containerd on a unix socket, as a proxy plugin of type <c>snapshot</c>.</summary>
public sealed class SnapshotterServer : IAsyncDisposable
{
    private readonly WebApplication _application;
    private readonly string _socket;

    private SnapshotterServer(WebApplication application, string socket) => (_application, _socket) = (application, socket);

    /// <summary>Starts serving; returns when the socket takes connections.</summary>
    /// <param name="socket">The socket's path; made with mode 0600. A socket that a killed server left is replaced, one that answers is not.</param>
    /// <param name="store">What is served; it belongs to the caller.</param>
    /// <param name="cancellation">Ends the start.</param>
    /// <exception cref="IOException">Another server answers on the socket, something else stands there, or its directory cannot be written.</exception>
    public static async Task<SnapshotterServer> StartAsync(string socket, SnapshotStore store, CancellationToken cancellation)
    {
        SocketFile.RemoveStale(socket);
        var builder = WebApplication.CreateSlimBuilder();
        _ = builder.Logging.ClearProviders();
        _ = builder.WebHost.ConfigureKestrel(kestrel => kestrel.ListenUnixSocket(socket, listen => listen.Protocols = HttpProtocols.Http2));
        _ = builder.Services.AddSingleton(store);
        _ = builder.Services.AddGrpc(static grpc => grpc.MaxReceiveMessageSize = 16 << 20); // containerd's own limit
        var application = builder.Build();
        _ = application.MapGrpcService<SnapshotsService>();
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
        return new SnapshotterServer(application, socket);
    }

    /// <summary>Stops after the calls that are under way, and removes the socket.</summary>
    public async ValueTask DisposeAsync()
    {
        await _application.StopAsync(CancellationToken.None);
        await _application.DisposeAsync();
        File.Delete(_socket);
    }
}
