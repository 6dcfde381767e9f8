using DriverLab.Conformance.Running;
using DriverLab.Guest.Transport;
using DriverLab.Linux;
using DriverLab.Linux.Remote;
using DriverLab.Native;

namespace DriverLab.Guest;

/// <summary>The one place where the guest's transport meets the scenario runner and the native kernel.</summary>
internal static class GuestServices
{
    /// <summary>Services over this machine's kernel. Each batch, and each client of single calls, gets a first task of its own, so that nothing is inherited from the one before.</summary>
    public static Services Create(Port port)
    {
        var calls = new KernelCallServer(() => NativeKernel.NewTask(new NativeTaskOptions { KeepDescriptor = port.Descriptor }));
        return new(
            (batch, send) =>
            {
                using var kernel = NativeKernel.NewTask(new NativeTaskOptions { KeepDescriptor = port.Descriptor });
                Batch.Run(batch.Span, kernel, message => send(message));
            },
            call => calls.Handle(call.Span));
    }
}
