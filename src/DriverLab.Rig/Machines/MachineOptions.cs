using System.Collections.Immutable;
using DriverLab.Rig.Images;
using DriverLab.Rig.Kernels;

namespace DriverLab.Rig.Machines;

/// <summary>How a machine is made.</summary>
/// <param name="Kernel">The kernel that it boots.</param>
/// <param name="Image">The initramfs that it boots with.</param>
public sealed record MachineOptions(KernelEntry Kernel, GuestImage Image)
{
    /// <summary>Memory in MiB.</summary>
    public int MemoryMiB { get; init; } = 512;

    /// <summary>Processors.</summary>
    public int Cpus { get; init; } = 1;

    /// <summary>Disks, in the order in which the guest sees them: <c>/dev/vda</c>, <c>/dev/vdb</c> and so on.</summary>
    public ImmutableArray<MachineDisk> Disks { get; init; } = [];

    /// <summary>What runs the guest's instructions; null probes once and remembers.</summary>
    public Accelerator? Accelerator { get; init; }

    /// <summary>More words for the kernel's command line.</summary>
    public string CommandLine { get; init; } = "";

    /// <summary>True to start from a saved machine, which is made the first time: fresh state in a fraction of a second. False boots.</summary>
    public bool FromSaved { get; init; }

    /// <summary>True when moments of it are to be kept: its memory is a file of this process then, which can be copied.</summary>
    public bool Snapshots { get; init; }

    /// <summary>Until the guest's first word: longest time without a sign of life on console or port.</summary>
    public TimeSpan BootSilence { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>While a request runs: longest time in which the guest's user space does not answer a ping.</summary>
    public TimeSpan PingSilence { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>While a program runs: longest time without a trace line, although pings are answered.</summary>
    public TimeSpan ProgramSilence { get; init; } = TimeSpan.FromSeconds(60);
}
