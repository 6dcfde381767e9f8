using DriverLab.StorageDrivers;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace DriverLab.Docker;

/// <summary>Opens the driver that a daemon initialises: it names the home and the options.</summary>
/// <param name="home">The driver's directory, below the daemon's data root.</param>
/// <param name="options">The daemon's <c>--storage-opt</c> words.</param>
public delegate DriverResult<IStorageDriver> OpenDriver(string home, IReadOnlyList<string> options);

/// <summary>Serves a storage driver to dockerd as a graphdriver plugin: HTTP/1.1 and JSON on a unix socket.</summary>
public sealed class GraphDriverServer : IAsyncDisposable
{
    private readonly SocketServer _server;

    private GraphDriverServer(SocketServer server) => _server = server;

    /// <summary>Starts serving; returns when the socket takes connections.</summary>
    /// <param name="socket">The socket's path, for dockerd <c>/run/docker/plugins/NAME.sock</c>; made with mode 0600. A socket that a killed server left is replaced, one that answers is not.</param>
    /// <param name="open">Opens the driver when the daemon says Init.</param>
    /// <param name="cancellation">Ends the start.</param>
    /// <exception cref="IOException">Another server answers on the socket, something else stands there, or its directory cannot be written.</exception>
    public static async Task<GraphDriverServer> StartAsync(string socket, OpenDriver open, CancellationToken cancellation) =>
        new(await SocketServer.StartAsync(socket, HttpProtocols.Http1, static builder => _ = builder.WebHost.ConfigureKestrel(static kestrel =>
        {
            kestrel.Limits.MaxRequestBodySize = null; // a layer may be of any size; what it holds is bounded by the driver
            kestrel.AllowSynchronousIO = true; // drivers read and write streams synchronously
        }), application => application.Run(new GraphDriverPlugin(open).HandleAsync), cancellation));

    /// <summary>Stops after the calls that are under way, and removes the socket.</summary>
    public ValueTask DisposeAsync() => _server.DisposeAsync();
}
