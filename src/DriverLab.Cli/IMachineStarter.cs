using DriverLab.Rig;
using DriverLab.Rig.Machines;

namespace DriverLab.Cli;

/// <summary>A way to start machines that <c>rig bench</c> can measure.</summary>
internal interface IMachineStarter
{
    /// <summary><c>qemu</c> or <c>libvirt</c>.</summary>
    string Name { get; }

    Task<Accelerator> AcceleratorAsync(MachineOptions options, IProgress<string> progress, CancellationToken cancellation);

    /// <summary>Boots, saves and ends a machine; tells how long both took, and the bytes on disk.</summary>
    Task<(TimeSpan Boot, TimeSpan Save, long Bytes)> MakeAsync(MachineOptions options, Accelerator accelerator, IProgress<string> progress, CancellationToken cancellation);

    /// <summary>Goes on with the saved machine.</summary>
    Task<Machine> StartAsync(MachineOptions options, Accelerator accelerator, IProgress<string> progress, CancellationToken cancellation);
}

/// <summary>QEMU as a child of this process.</summary>
internal sealed class QemuStarter(RealKernels rig) : IMachineStarter
{
    public string Name => "qemu";

    public Task<Accelerator> AcceleratorAsync(MachineOptions options, IProgress<string> progress, CancellationToken cancellation) => rig.AcceleratorAsync(options, progress, cancellation);

    public Task<(TimeSpan Boot, TimeSpan Save, long Bytes)> MakeAsync(MachineOptions options, Accelerator accelerator, IProgress<string> progress, CancellationToken cancellation) =>
        rig.Saved.MakeAsync(options, accelerator, progress, cancellation);

    public async Task<Machine> StartAsync(MachineOptions options, Accelerator accelerator, IProgress<string> progress, CancellationToken cancellation) =>
        await rig.Saved.StartAsync(options, accelerator, progress, cancellation);
}

/// <summary>QEMU as a domain of libvirt.</summary>
internal sealed class LibvirtStarter(RealKernels rig, LibvirtMachines machines) : IMachineStarter
{
    public string Name => $"libvirt at {machines.Uri}";

    public Task<Accelerator> AcceleratorAsync(MachineOptions options, IProgress<string> progress, CancellationToken cancellation) => rig.AcceleratorAsync(options, progress, cancellation);

    public Task<(TimeSpan Boot, TimeSpan Save, long Bytes)> MakeAsync(MachineOptions options, Accelerator accelerator, IProgress<string> progress, CancellationToken cancellation) =>
        machines.MakeAsync(options, accelerator, progress, cancellation);

    public Task<Machine> StartAsync(MachineOptions options, Accelerator accelerator, IProgress<string> progress, CancellationToken cancellation) =>
        machines.StartAsync(options, accelerator, progress, cancellation);
}
