using System.Collections.Concurrent;
using DriverLab.Linux;
using DriverLab.Rig;
using DriverLab.Rig.Machines;
using DriverLab.Testing;

namespace DriverLab.Contracts.Tests;

/// <summary>Debian's kernel of a line in a machine that all tests share; each has a task of its own, and every call is a round trip.</summary>
/// <param name="Line">The line, such as <c>6.12</c>.</param>
public sealed record GuestKernelKind(string Line) : KernelKind($"guest {Line}")
{
    /// <inheritdoc/>
    public override IKernel NewTask()
    {
        try
        {
            return GuestMachines.Get(Line).NewTask();
        }
        catch (RigException e) when (e is not MachineException)
        {
            NoRig.Ignore(e);
            throw;
        }
    }
}

/// <summary>Machines by kernel line, started when first asked for, ended with the last test.</summary>
[SetUpFixture]
public sealed class GuestMachines
{
    private static readonly ConcurrentDictionary<string, Lazy<Machine>> s_machines = new();

    internal static Machine Get(string line) => s_machines.GetOrAdd(line, static line => new(() => Machine.StartAsync(line).GetAwaiter().GetResult())).Value;

    [OneTimeTearDown]
    public async Task EndAll()
    {
        foreach (var machine in s_machines.Values)
        {
            if (machine.IsValueCreated)
                await machine.Value.DisposeAsync();
        }
        s_machines.Clear();
    }
}
