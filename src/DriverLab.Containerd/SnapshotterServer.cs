using DriverLab.StorageDrivers.Snapshots;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;

namespace DriverLab.Containerd;

/// <summary>Serves a <see cref="SnapshotStore"/> to containerd on a unix socket, as a proxy plugin of type <c>snapshot</c>.</summary>
public sealed class SnapshotterServer : IAsyncDisposable
{
    private readonly SocketServer _server;

    private SnapshotterServer(SocketServer server) => _server = server;

    /// <summary>Starts serving; returns when the socket takes connections.</summary>
    /// <param name="socket">The socket's path; made with mode 0600. A socket that a killed server left is replaced, one that answers is not.</param>
    /// <param name="store">What is served; it belongs to the caller.</param>
    /// <param name="cancellation">Ends the start.</param>
    /// <exception cref="IOException">Another server answers on the socket, something else stands there, or its directory cannot be written.</exception>
    public static async Task<SnapshotterServer> StartAsync(string socket, SnapshotStore store, CancellationToken cancellation) =>
        new(await SocketServer.StartAsync(socket, HttpProtocols.Http2, builder =>
        {
            _ = builder.Services.AddSingleton(store);
            _ = builder.Services.AddGrpc(static grpc => grpc.MaxReceiveMessageSize = 16 << 20); // containerd's own limit
        }, static application => _ = application.MapGrpcService<SnapshotsService>(), cancellation));

    /// <summary>Stops after the calls that are under way, and removes the socket.</summary>
    public ValueTask DisposeAsync() => _server.DisposeAsync();
}
