using DriverLab.Emulator;
using DriverLab.Linux;

namespace DriverLab.NUnit;

/// <summary>Runs a test on emulated kernels: in this process, without privileges, in no time, and the same each time.</summary>
/// <remarks>The parameter is an <see cref="IKernel"/> or an <see cref="EmulatedKernel"/>.</remarks>
/// <param name="kernels">Lines such as <c>6.12</c>.</param>
public sealed class EmulatedKernelAttribute(params string[] kernels) : KernelAttribute("emulated", kernels)
{
    private protected override IReadOnlyList<Type> Types => [typeof(IKernel), typeof(EmulatedKernel)];

    private protected override Task<Subject> StartAsync(string kernel, Type type)
    {
        if (!KernelVersion.TryParse(kernel, out var version))
            throw new ArgumentException($"'{kernel}' is no kernel line; expected for example 6.12");
        var emulated = new EmulatedKernel(new KernelProfile(kernel, version));
        return Task.FromResult(new Subject(emulated, () => $"emulated kernel {kernel}; its log:\n{string.Join('\n', emulated.World.Log.Lines)}", () =>
        {
            emulated.Dispose();
            return ValueTask.CompletedTask;
        }));
    }
}
