using System.Diagnostics;
using DriverLab.Rig.Machines;
using DriverLab.Testing;

namespace DriverLab.Rig.Tests;

/// <summary>The three ways in which a machine can be lost, told apart, each with the console's tail.</summary>
[Category("rig")]
[NonParallelizable]
public class FailureTests
{
    private const string Line = "6.1";

    [Test]
    public async Task A_kernel_that_oopses_is_a_panic_with_its_reason()
    {
        await using var machine = await RigHost.BootAsync(Line);
        var panic = await Assert.ThrowsAsync<MachinePanicException>(() => machine.ShellAsync("echo c > /proc/sysrq-trigger"));
        TestContext.Out.WriteLine(panic.Message);
        Assert.That(panic.Reason, Does.Contain("sysrq triggered crash"));
        Assert.That(panic.ConsoleTail, Does.Contain("sysrq_handle_crash"));

        // The rig survives it: the same request fails at once, and another machine boots.
        _ = await Assert.ThrowsAsync<MachinePanicException>(() => machine.ShellAsync("true"));
        await using var next = await RigHost.BootAsync(Line);
        Assert.That((await next.ShellAsync("echo alive")).Output, Is.EqualTo("alive\n"));
    }

    [Test]
    public async Task A_guest_that_stops_answering_is_a_hang()
    {
        await using var machine = await RigHost.BootAsync(Line, options => options with { PingSilence = TimeSpan.FromSeconds(3) });
        var sleeping = machine.ShellAsync("sleep 600");
        Signals.Send(machine.ProcessId, Signals.Stop);
        var hang = await Assert.ThrowsAsync<MachineHangException>(() => sleeping);
        Assert.That(hang.Message, Does.StartWith("the guest did not answer for 3 s (kernel 6.1.0-"));
        await Gone(machine.ProcessId);
    }

    [Test]
    public async Task A_guest_that_never_gets_ready_is_a_hang_of_the_boot()
    {
        // A shell on the console instead of the guest program.
        var hang = await Assert.ThrowsAsync<MachineHangException>(() => RigHost.BootAsync(Line, options => options with { CommandLine = "rdinit=/bin/sh", BootSilence = TimeSpan.FromSeconds(6) }));
        Assert.That(hang.Message, Does.StartWith("the guest gave no sign of life for 6 s while booting"));
    }

    [Test]
    public async Task A_kernel_without_init_is_a_panic_of_the_boot()
    {
        var panic = await Assert.ThrowsAsync<MachinePanicException>(() => RigHost.BootAsync(Line, options => options with { CommandLine = "rdinit=/missing root=/dev/none" }));
        Assert.That(panic.Reason, Does.Contain("Unable to mount root fs"));
    }

    [Test]
    public async Task A_QEMU_killed_from_outside_is_a_lost_connection()
    {
        await using var machine = await RigHost.BootAsync(Line);
        var sleeping = machine.ShellAsync("sleep 600");
        Signals.Send(machine.ProcessId, Signals.Kill);
        var lost = await Assert.ThrowsAsync<MachineLostException>(() => sleeping);
        Assert.That(lost.ExitCode, Is.EqualTo(128 + 9));
        Assert.That(lost.Message, Does.StartWith("QEMU was ended from outside (signal 9)"));
    }

    [Test]
    public async Task A_killed_host_leaves_no_QEMU_behind()
    {
        _ = await RigHost.OptionsAsync(Line);
        var start = new ProcessStartInfo(Environment.ProcessPath!) { RedirectStandardOutput = true, RedirectStandardError = true };
        if (Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet")
            start.ArgumentList.Add(typeof(Victim).Assembly.Location);
        start.Environment[Victim.Variable] = "1";
        using var victim = Process.Start(start)!;
        int qemu = 0;
        while (qemu == 0 && await victim.StandardOutput.ReadLineAsync() is { } said)
        {
            if (said.StartsWith(Victim.Mark, StringComparison.Ordinal))
                qemu = int.Parse(said[Victim.Mark.Length..], System.Globalization.CultureInfo.InvariantCulture);
        }
        Assert.That(qemu, Is.GreaterThan(0), "the victim booted a machine");
        Assert.That(Directory.Exists($"/proc/{qemu}"), "QEMU runs before the kill");
        victim.Kill();
        await victim.WaitForExitAsync();
        await Gone(qemu);
    }

    private static async Task Gone(int process)
    {
        for (int i = 0; i < 40 && Directory.Exists($"/proc/{process}"); i++)
            await Task.Delay(50);
        Assert.That(Directory.Exists($"/proc/{process}"), Is.False, $"process {process} is still there");
    }
}

/// <summary>The same test program started as a victim: boots a machine, tells QEMU's process id, and waits to be killed.</summary>
[SetUpFixture]
public class Victim
{
    internal const string Variable = "DRIVERLAB_TEST_VICTIM", Mark = "victim's qemu: ";

    [OneTimeSetUp]
    public async Task Wait()
    {
        if (Environment.GetEnvironmentVariable(Variable) is null)
            return;
        var machine = await RigHost.BootAsync("6.1");
        await using var output = Console.OpenStandardOutput();
        await output.WriteAsync(System.Text.Encoding.ASCII.GetBytes($"\n{Mark}{machine.ProcessId}\n"));
        await output.FlushAsync();
        await Task.Delay(Timeout.Infinite);
    }
}
