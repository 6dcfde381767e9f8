using DriverLab.Rig.Cache;
using DriverLab.Rig.Kernels;

namespace DriverLab.Rig.Tests;

/// <summary>Every line of the catalogue boots, is saved, and goes on from there. CI boots only a few lines (see the other fixtures); these are for the long run.</summary>
[Category("rig")]
[Category("long")]
[NonParallelizable]
public class LineTests
{
    public static IEnumerable<string> Lines => KernelCatalogue.BuiltIn().Lines.Select(line => line.Line);

    [TestCaseSource(nameof(Lines))]
    public async Task A_line_boots_is_saved_and_goes_on(string line)
    {
        try
        {
            _ = await RigHost.OptionsAsync(line);
        }
        catch (KernelGoneException e)
        {
            Assert.Ignore(e.Message); // the archive dropped the line: nothing here has failed, and it counts as skipped
        }
        await using (var booted = await RigHost.BootAsync(line))
            await Check(booted, line);
        for (int i = 0; i < 2; i++)
        {
            await using var saved = await RigHost.BootAsync(line, options => options with { FromSaved = true });
            Assert.That(saved.Restored, "from the saved machine");
            await Check(saved, line);
        }
    }

    // Busybox's shell would prefer a modprobe of its own, which knows nothing of where the modules are.
    private static async Task Check(Machines.Machine machine, string line)
    {
        Assert.That(machine.Hello.Release, Does.StartWith(line + "."));
        Assert.That(machine.Hello.Complaints, Is.Empty);
        Assert.That(machine.Hello.Modules, Does.Contain("overlay").And.Contain("dm_thin_pool").And.Contain("loop"));
        var (status, output) = await machine.ShellAsync("/sbin/modprobe btrfs && mkdir /m && mount -t tmpfs none /m && mkdir /m/l /m/u /m/w /m/o && echo one > /m/l/f && mount -t overlay -o lowerdir=/m/l,upperdir=/m/u,workdir=/m/w none /m/o && cat /m/o/f");
        Assert.That((status, output), Is.EqualTo((0, "one\n")));
    }
}
