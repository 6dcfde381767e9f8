using DriverLab.Emulator;
using DriverLab.Linux;

namespace DriverLab.Benchmarks;

/// <summary>Emulated kernels for measuring.</summary>
internal static class Emulators
{
    /// <summary>A booted kernel of the 6.12 line.</summary>
    public static EmulatedKernel Boot() => new(new KernelProfile("6.12", new KernelVersion(6, 12)));
}
