using DriverLab.Linux;
using DriverLab.Rig.Machines;

namespace DriverLab.NUnit;

/// <summary>Runs a test on real kernels, each in a machine of its own that goes on from a saved one in a fraction of a second.</summary>
/// <remarks>The parameter is a <see cref="Machine"/>, or an <see cref="IKernel"/>: a task of the superuser. Where QEMU or the kernel cannot be had, the test is ignored with the reason. Category <c>rig</c>.</remarks>
/// <example><code>
/// [RealKernel("6.1", "6.12")]
/// public void A_new_directory_has_two_links(IKernel kernel) { … }
/// </code></example>
/// <param name="kernels">Lines such as <c>6.12</c>, or pinned versions such as <c>6.12=6.12.117-1</c>.</param>
public sealed class RealKernelAttribute(params string[] kernels) : KernelAttribute("real", kernels)
{
    private protected override IReadOnlyList<Type> Types => [typeof(IKernel), typeof(Machine)];

    private protected override async Task<Subject> StartAsync(string kernel, Type type)
    {
        var machine = await Machine.StartAsync(kernel).ConfigureAwait(false);
        var task = type == typeof(IKernel) ? machine.NewTask() : null;
        return new(task ?? (object)machine, () => $"kernel {machine.Hello.Release}, {machine.Accelerator.Name}; its console:\n{machine.Console}", async () =>
        {
            task?.Dispose();
            await machine.DisposeAsync().ConfigureAwait(false);
        });
    }
}
