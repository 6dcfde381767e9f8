using DriverLab.Linux;
using DriverLab.Linux.Remote;
using DriverLab.Linux.Tracing;

namespace DriverLab.Contracts.Tests;

/// <summary>Another kind, traced, behind the protocol of single calls: both must change nothing.</summary>
public sealed record DecoratedKernelKind(KernelKind Inner) : KernelKind($"{Inner.Name}, traced and remote")
{
    /// <inheritdoc/>
    public override IKernel NewTask()
        => RemoteKernel.NewTask(new Loopback(new KernelCallServer(() => new TracingKernel(Inner.NewTask(), new TraceLog()))));

    private sealed class Loopback(KernelCallServer server) : ICallChannel
    {
        public ReadOnlyMemory<byte> Exchange(ReadOnlySpan<byte> request) => server.Handle(request);
    }
}
