using DriverLab.Linux;
using DriverLab.Rig;
using DriverLab.Rig.Images;
using DriverLab.Rig.Machines;
using DriverLab.Testing;

namespace DriverLab.StorageDrivers.Tests;

/// <summary>Machines with real kernels, one a kernel line for all tests; each test has a task and a sandbox of its own in it.</summary>
[SetUpFixture]
public sealed class Guests
{
    private static readonly Dictionary<KernelKind, Machine> s_machines = [];

    /// <summary>Kernels of machines.</summary>
    public static bool Has(KernelKind kind) => kind is KernelKind.Guest61 or KernelKind.Guest612;

    /// <summary>The machine of a kernel, started by the first test that asks.</summary>
    public static Machine Of(KernelKind kind)
    {
        if (s_machines.TryGetValue(kind, out var known))
            return known;
        try
        {
            // Files and checkers of the drivers' own file systems come with it.
            var request = new MachineRequest { Recipe = new ImageRecipe { Tools = ["btrfs", "e2fsprogs", "thin", "xfsprogs"], SpareModules = [.. ImageRecipe.DefaultSpareModules, "quota_v2"] } };
            return s_machines[kind] = Machine.StartAsync(kind == KernelKind.Guest61 ? "6.1" : "6.12", request).GetAwaiter().GetResult();
        }
        catch (RigException e) when (e is not MachineException and not RigUsageException)
        {
            NoRig.Ignore(e);
            throw;
        }
    }

    /// <summary>A task of the superuser.</summary>
    public static IKernel NewTask(KernelKind kind) => Of(kind).NewTask();

    /// <summary>Runs a line of shell in a machine; another status than 0 fails the test.</summary>
    public static string Run(KernelKind kind, string shell)
    {
        var result = Of(kind).RunAsync(shell).GetAwaiter().GetResult();
        Assert.That(result.Status, Is.Zero, $"{shell}: {result.Output}{result.Errors}");
        return result.Output;
    }

    [OneTimeTearDown]
    public async Task End()
    {
        foreach (var machine in s_machines.Values)
            await machine.DisposeAsync();
        s_machines.Clear();
    }
}
