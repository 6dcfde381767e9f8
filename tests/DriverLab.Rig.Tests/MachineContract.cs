using DriverLab.Conformance.Running;
using DriverLab.Conformance.Scenarios;
using DriverLab.Rig.Machines;

namespace DriverLab.Rig.Tests;

/// <summary>What every kind of machine does; one fixture a kind.</summary>
[Category("rig")]
[NonParallelizable]
public abstract class MachineContract
{
    protected const string Line = "6.1";

    /// <summary>Boots, or goes on with the saved machine.</summary>
    private protected abstract Task<Machine> StartAsync(MachineOptions options, bool saved);

    private async Task<Machine> StartAsync(bool saved = false, Func<MachineOptions, MachineOptions>? change = null)
    {
        var options = await RigHost.OptionsAsync(Line) with { Accelerator = Accelerator.Software };
        return await StartAsync(change is null ? options : change(options), saved);
    }

    [Test]
    public async Task It_boots_answers_runs_programs_and_powers_off()
    {
        await using var machine = await StartAsync();
        Assert.That(machine.Restored, Is.False);
        Assert.That(machine.Hello.Release, Does.StartWith(Line + "."));
        Assert.That(machine.Hello.Complaints, Is.Empty);
        Assert.That(await machine.ShellAsync("echo $((6*7)); exit 3"), Is.EqualTo((3, "42\n")));

        await machine.PutFileAsync("/tmp/deep/file", new byte[3 << 20], 0x180, default);
        Assert.That((await machine.ShellAsync("stat -c '%s %a' /tmp/deep/file")).Output, Is.EqualTo("3145728 600\n"));

        using (var task = await Task.Run(machine.NewTask))
            Assert.That(task.Profile.Version.Line, Is.EqualTo(Line), "single calls are answered");

        var runs = new CollectingSink();
        var reader = new BatchReader(runs);
        await machine.RunProgramAsync(Batch.Encode([ScenarioParser.Parse("vfs/t", "t", "# T.\nsuite vfs\nmkdir /d\nunlink /d/missing\n")]), reader.Read, default);
        Assert.That(runs.Result!.Status, Is.EqualTo(RunStatus.Done));
        Assert.That(runs.Result.Lines.Select(line => line.Outcome), Has.Some.Contains("ENOENT"));
        await machine.PowerOffAsync(new CancellationTokenSource(30_000).Token);
    }

    [Test]
    public async Task A_saved_one_goes_on_fresh_each_time_and_in_parallel()
    {
        await (await StartAsync(saved: true)).DisposeAsync();
        var two = await Task.WhenAll(StartAsync(saved: true), StartAsync(saved: true));
        try
        {
            var said = new List<string>();
            foreach (var machine in two)
            {
                Assert.That(machine.Restored);
                var (_, output) = await machine.ShellAsync("test -e /tmp/mark && echo stale; touch /tmp/mark; date +%s; head -c 16 /dev/urandom | hexdump -v -e '1/1 \"%02x\"'");
                string[] lines = output.Split('\n');
                Assert.That(lines, Has.Length.EqualTo(2), output);
                Assert.That(long.Parse(lines[0], System.Globalization.CultureInfo.InvariantCulture), Is.EqualTo(DateTimeOffset.UtcNow.ToUnixTimeSeconds()).Within(5), "the clock is now");
                said.Add(lines[1]);
            }
            Assert.That(said, Is.Unique, "the random pool is not the saved one");
        }
        finally
        {
            foreach (var machine in two)
                await machine.DisposeAsync();
        }
    }

    [Test]
    public async Task A_kernel_that_oopses_is_a_panic_with_its_reason()
    {
        await using var machine = await StartAsync(saved: true);
        var panic = await Assert.ThrowsAsync<MachinePanicException>(() => machine.ShellAsync("echo c > /proc/sysrq-trigger"));
        Assert.That(panic!.Reason, Does.Contain("sysrq triggered crash"));
        Assert.That(panic.ConsoleTail, Does.Contain("sysrq_handle_crash"));
        _ = await Assert.ThrowsAsync<MachinePanicException>(() => machine.ShellAsync("true"));
    }

    [Test]
    public async Task A_guest_that_does_nothing_for_long_is_no_hang_and_one_that_is_stuck_is()
    {
        await using var machine = await StartAsync(saved: true, options => options with { ProgramSilence = TimeSpan.FromSeconds(3) });
        Assert.That((await machine.ShellAsync("sleep 6; echo done")).Output, Is.EqualTo("done\n"), "a command may be silent");
        var stuck = ScenarioParser.Parse("vfs/stuck", "t", "# Reads a FIFO that nobody writes.\nsuite vfs\nmknod /f fifo\nfd = open /f O_RDONLY\n");
        var hang = await Assert.ThrowsAsync<MachineHangException>(() => machine.RunProgramAsync(Batch.Encode([stuck]), _ => { }, default));
        Assert.That(hang!.Message, Does.StartWith("the program made no progress for 3 s although the guest answers pings"));
    }
}

/// <summary>QEMU as a child of this process.</summary>
public sealed class QemuMachineTests : MachineContract
{
    private protected override async Task<Machine> StartAsync(MachineOptions options, bool saved) => await RigHost.Kernels.StartAsync(options with { FromSaved = saved }, RigHost.Progress);
}

/// <summary>QEMU as a domain of libvirt.</summary>
[Category("long")]
public sealed class LibvirtMachineTests : MachineContract
{
    private LibvirtDaemon? daemon;

    [OneTimeSetUp]
    public async Task StartDaemon() => daemon = await LibvirtDaemon.StartAsync();

    [OneTimeTearDown]
    public void StopDaemon() => daemon?.Dispose();

    private LibvirtMachines Machines => new(RigHost.Kernels.Cache, daemon!.Uri);

    private protected override async Task<Machine> StartAsync(MachineOptions options, bool saved) =>
        saved ? await Machines.StartAsync(options, Accelerator.Software, RigHost.Progress, default) : await Machines.BootAsync(options, Accelerator.Software, default);

    [Test]
    public async Task A_domain_that_somebody_destroys_is_a_lost_machine()
    {
        await using var machine = await StartAsync(await RigHost.OptionsAsync(Line), saved: true);
        using var connection = LibvirtSharp.LibvirtConnection.Open(daemon!.Uri);
        var sleeping = machine.ShellAsync("sleep 600");
        foreach (var domain in connection.ListDomains())
        {
            using (domain)
                domain.Destroy();
        }
        var lost = await Assert.ThrowsAsync<MachineLostException>(() => sleeping);
        Assert.That(lost!.ExitCode, Is.EqualTo(128 + 9));
    }

    [Test]
    public async Task Another_host_is_reached_by_ssh()
    {
        using var far = await LibvirtDaemon.StartAsync(ssh: true);
        var machines = new LibvirtMachines(RigHost.Kernels.Cache, far.UriBySsh);
        await using var machine = await machines.StartAsync(await RigHost.OptionsAsync(Line), Accelerator.Software, RigHost.Progress, default);
        Assert.That(machine.Restored);
        Assert.That(await machine.ShellAsync("echo $((6*7)); exit 3"), Is.EqualTo((3, "42\n")));
        byte[] content = new byte[1 << 20];
        new Random(1).NextBytes(content);
        await machine.PutFileAsync("/tmp/file", content, 0x180, default);
        Assert.That((await machine.ShellAsync("sha256sum < /tmp/file")).Output, Does.StartWith(Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(content))));
    }

    [Test]
    public async Task Disks_are_refused_with_a_way_out()
    {
        var options = await RigHost.OptionsAsync(Line) with { Disks = [new("d", 1 << 20, DiskFormat.Null, "")] };
        Assert.That((await Assert.ThrowsAsync<RigUsageException>(() => Machines.BootAsync(options, Accelerator.Software, default)))!.Message, Does.Contain("machines of libvirt take none; use --machine qemu"));
    }
}

/// <summary>What is said when libvirt is not there; needs no libvirtd.</summary>
public class LibvirtAbsentTests
{
    [Test]
    public async Task A_libvirtd_that_is_not_there_is_told_with_a_way_out()
    {
        if (Directory.GetFiles("/usr/lib/x86_64-linux-gnu", "libvirt.so.0*").Length == 0)
            Assert.Ignore("no libvirt0 here");
        using var folder = new TemporaryFolder();
        var kernel = new Kernels.KernelEntry("6.1", "6.1.0", "file", folder.Write("vmlinuz", "k"), null, "digest", new("6.1", new(6, 1)));
        var machines = new LibvirtMachines(new Cache.RigCache(folder.Path), "qemu+unix:///system?socket=/nonexistent/socket");
        var refused = await Assert.ThrowsAsync<RigException>(() => machines.BootAsync(new(kernel, new("x", "y")), Accelerator.Software, default));
        Assert.That(refused!.Message, Does.Contain("no connection to 'qemu+unix:///system?socket=/nonexistent/socket'").And.Contain("is libvirtd running there?").And.Contain("--machine qemu needs none"));
    }
}
