using DriverLab.Rig.Processes;
using LibvirtSharp;

namespace DriverLab.Rig.Machines;

/// <summary>A machine's process, as libvirt runs it: a transient domain whose channel and console come through libvirt's own connection, so that it may be on another host.</summary>
/// <remarks>It is destroyed when this connection ends. A restored domain has no such flag in libvirt; there the guest program sees its port close and powers off.</remarks>
internal sealed class LibvirtDomain : IMachineProcess
{
    private const int Shutdown = 0, Killed = 128 + 9;

    private readonly LibvirtConnection connection;
    private readonly Domain domain;
    private readonly IDisposable subscription;
    private readonly TaskCompletionSource<int> exited;

    private LibvirtDomain(LibvirtConnection connection, Domain domain, IDisposable subscription, TaskCompletionSource<int> exited)
    {
        (this.connection, this.domain, this.subscription, this.exited) = (connection, domain, subscription, exited);
        // Before the guest runs: a port without a host is closed to the guest, and a console without a reader is lost.
        Error = domain.OpenConsole();
        Input = Output = domain.OpenChannel(QemuCommand.PortName);
    }

    /// <summary>Starts a domain, or goes on with a saved one, and lets it run.</summary>
    /// <param name="uri">The connection.</param>
    /// <param name="name">The domain's name.</param>
    /// <param name="create">Makes the domain, paused.</param>
    /// <exception cref="RigException">libvirt refuses.</exception>
    public static Task<LibvirtDomain> StartAsync(string uri, string name, Action<LibvirtConnection> create) => Task.Run(() =>
    {
        LibvirtConnection? opened = null;
        IDisposable? watching = null;
        try
        {
            opened = LibvirtConnection.Open(uri);
            var ended = new TaskCompletionSource<int>(TaskCreationOptions.RunContinuationsAsynchronously);
            watching = opened.OnLifecycle(e =>
            {
                if (e.DomainName == name && e.Kind is DomainEventKind.Stopped or DomainEventKind.Crashed)
                    _ = ended.TrySetResult(e.Kind == DomainEventKind.Stopped && e.Detail == Shutdown ? 0 : Killed);
            });
            create(opened);
            return Run(opened, opened.Lookup(name), watching, ended);
        }
        catch (LibvirtException e)
        {
            watching?.Dispose();
            opened?.Dispose();
            throw LibvirtMachines.Refused(uri, e);
        }
    });

    private static LibvirtDomain Run(LibvirtConnection opened, Domain paused, IDisposable watching, TaskCompletionSource<int> ended)
    {
        try
        {
            var started = new LibvirtDomain(opened, paused, watching, ended);
            paused.Resume();
            return started;
        }
        catch
        {
            paused.Destroy();
            paused.Dispose();
            throw;
        }
    }

    /// <summary>QEMU may be on another host, and libvirt does not tell.</summary>
    public int Id => 0;

    public Stream Input { get; }

    public Stream Output { get; }

    public Stream Error { get; }

    public Task<int> Exited => exited.Task;

    public void Kill()
    {
        try
        {
            domain.Destroy();
        }
        catch (Exception e) when (e is LibvirtException or ObjectDisposedException)
        {
            // It has ended already, or the connection has, which comes to the same.
            _ = exited.TrySetResult(Killed);
        }
    }

    /// <summary>Stops the domain and writes it to a file of the hypervisor's host.</summary>
    public void Save(string file) => domain.Save(file);

    public async ValueTask DisposeAsync()
    {
        await Task.Run(Kill).ConfigureAwait(false);
        _ = await Task.WhenAny(exited.Task, Task.Delay(5000)).ConfigureAwait(false);
        await Output.DisposeAsync().ConfigureAwait(false);
        await Error.DisposeAsync().ConfigureAwait(false);
        subscription.Dispose();
        domain.Dispose();
        connection.Dispose();
    }
}
