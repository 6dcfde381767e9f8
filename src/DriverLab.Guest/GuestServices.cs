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
        // A saved machine has one ready: a thread's start is the most expensive thing that a machine without translated code does.
        NativeKernel? spare = NewTask();
        var calls = new KernelCallServer(FirstTask);
        return new(
            (batch, send) =>
            {
                using var kernel = FirstTask();
                Batch.Run(batch.Span, kernel, message => send(message));
            },
            call => calls.Handle(call.Span));

        NativeKernel NewTask() => NativeKernel.NewTask(new NativeTaskOptions { KeepDescriptor = port.Descriptor });

        NativeKernel FirstTask() => Interlocked.Exchange(ref spare, null) ?? NewTask();
    }
}
