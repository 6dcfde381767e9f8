using DriverLab.Emulator;
using DriverLab.Linux;

namespace DriverLab.Contracts.Tests;

/// <summary>The emulator as a kernel line; every test has a world of its own.</summary>
/// <param name="Line">The line, such as <c>6.12</c>.</param>
public sealed record EmulatedKernelKind(string Line) : KernelKind($"emulated {Line}")
{
    /// <inheritdoc/>
    public override IKernel NewTask() =>
        new EmulatedKernel(new KernelProfile(Line, KernelVersion.TryParse(Line, out var version) ? version : throw new ArgumentException($"'{Line}' is no kernel line")));
}
