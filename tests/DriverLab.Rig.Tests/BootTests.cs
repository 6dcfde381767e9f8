using System.Diagnostics;
using DriverLab.Rig.Machines;

namespace DriverLab.Rig.Tests;

/// <summary>Machines that boot, answer, and fail in the three ways that are told apart.</summary>
[Category("rig")]
[NonParallelizable]
public class BootTests
{
    [TestCase("6.1")]
    [TestCase("6.12")]
    public async Task A_kernel_boots_answers_and_powers_off(string line)
    {
        await using var machine = await RigHost.BootAsync(line);
        TestContext.Out.WriteLine($"{machine.Hello.Release}: ready after {machine.BootTime.TotalSeconds:0.00} s, {machine.Accelerator.Name} ({machine.Accelerator.Why}); guest uptime {machine.Hello.UptimeSeconds}");
        TestContext.Out.WriteLine("modules: " + string.Join(' ', machine.Hello.Modules));
        Assert.That(machine.Hello.Release, Does.StartWith(line));
        Assert.That(machine.Hello.Complaints, Is.Empty);
        Assert.That(machine.Hello.Modules, Does.Contain("overlay").And.Contain("dm_thin_pool").And.Contain("loop"));

        var (status, output) = await machine.ShellAsync("uname -r; ls /dev/mapper/control /dev/loop-control; date +%Y; free -m | head -2; exit 3");
        TestContext.Out.WriteLine(output);
        Assert.That(status, Is.EqualTo(3));
        Assert.That(output, Does.StartWith(machine.Hello.Release + "\n/dev/loop-control\n/dev/mapper/control\n" + DateTime.UtcNow.Year));

        await machine.PowerOffAsync(new CancellationTokenSource(10_000).Token);
    }
}
