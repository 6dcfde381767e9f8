namespace DriverLab.Rig.Machines;

/// <summary>A way to run machines: QEMU as a child of this process, or as a domain of libvirt.</summary>
public interface IMachineStarter
{
    /// <summary><c>qemu</c>, or <c>libvirt at URI</c>.</summary>
    string Name { get; }

    /// <summary>Boots a machine and waits for the guest's hello.</summary>
    /// <exception cref="RigException">What runs machines is missing, or refuses.</exception>
    /// <exception cref="MachineException">The guest did not get ready.</exception>
    Task<Machine> BootAsync(MachineOptions options, Accelerator accelerator, CancellationToken cancellation);

    /// <summary>Goes on with the saved machine, which is made the first time.</summary>
    /// <exception cref="RigException">What runs machines is missing, or refuses.</exception>
    /// <exception cref="MachineException">The guest did not get ready.</exception>
    Task<Machine> StartAsync(MachineOptions options, Accelerator accelerator, IProgress<string>? progress, CancellationToken cancellation);

    /// <summary>Boots, saves and ends a machine, whether or not there is a saved one.</summary>
    /// <returns>How long booting and saving took, and the disk space in bytes.</returns>
    Task<(TimeSpan Boot, TimeSpan Save, long Bytes)> MakeAsync(MachineOptions options, Accelerator accelerator, IProgress<string>? progress, CancellationToken cancellation);
}
