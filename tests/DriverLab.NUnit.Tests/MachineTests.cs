using System.Diagnostics;
using System.Globalization;
using System.Text;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Rig;
using DriverLab.Rig.Cache;
using DriverLab.Rig.Machines;
using DriverLab.Testing;

namespace DriverLab.NUnit.Tests;

/// <summary>A machine used from C#: commands, copies, snapshots with disks, kernel calls.</summary>
[NonParallelizable]
public class MachineTests
{
    [RealKernel("6.1")]
    public async Task Commands_have_input_output_errors_and_status(Machine machine)
    {
        var result = await machine.RunAsync("echo out; echo err >&2; exit 7");
        Assert.That(result, Is.EqualTo(new ExecResult(7, "out\n", "err\n")));

        using var output = new MemoryStream();
        byte[] input = new byte[3_000_000];
        new Random(1).NextBytes(input);
        int status = await machine.ExecAsync(["cat"], new ExecStreams(bytes => output.Write(bytes)) { Input = new MemoryStream(input) }, default);
        Assert.That((status, output.ToArray().AsSpan().SequenceEqual(input)), Is.EqualTo((0, true)));

        using var limit = new CancellationTokenSource(300);
        Assert.That(async () => await machine.ExecAsync(["sh", "-c", "echo $$ > /tmp/pid; sleep 1000"], new ExecStreams(_ => { }), limit.Token), Throws.InstanceOf<OperationCanceledException>());
        Assert.That((await machine.RunAsync("for i in 1 2 3 4 5 6 7 8 9 10; do kill -0 $(cat /tmp/pid) || exit 0; sleep 0.2; done; exit 1")).Status, Is.Zero, "a cancelled command is killed");
    }

    [RealKernel("6.1")]
    public async Task Files_and_folders_are_copied_both_ways(Machine machine)
    {
        string folder = Directory.CreateTempSubdirectory("driverlab").FullName;
        try
        {
            byte[] content = new byte[5_000_000];
            new Random(2).NextBytes(content);
            _ = Directory.CreateDirectory(Path.Combine(folder, "in/deep"));
            File.WriteAllBytes(Path.Combine(folder, "in/big"), content);
            File.WriteAllText(Path.Combine(folder, "in/deep/small"), "small");
            var told = new Told();
            await machine.CopyInAsync(Path.Combine(folder, "in/big"), "/root/a/b/big", told);
            Assert.That(told.Last, Is.EqualTo(new CopyProgress(content.Length, content.Length)));
            await machine.CopyOutAsync("/root/a/b/big", Path.Combine(folder, "back"), told);
            Assert.That(File.ReadAllBytes(Path.Combine(folder, "back")).AsSpan().SequenceEqual(content), Is.True);
            await machine.CopyInAsync(Path.Combine(folder, "in"), "/root/tree");
            Assert.That((await machine.RunAsync("cat /root/tree/deep/small")).Output, Is.EqualTo("small"));
            await machine.CopyOutAsync("/root/tree", Path.Combine(folder, "tree"));
            Assert.That(File.ReadAllText(Path.Combine(folder, "tree/deep/small")), Is.EqualTo("small"));
            Assert.That(async () => await machine.CopyOutAsync("/nope", Path.Combine(folder, "x")), Throws.TypeOf<GuestRequestException>().With.Message.Contains("No such file"));
            Assert.That(async () => await machine.CopyInAsync("/nope", "/root/x"), Throws.TypeOf<RigUsageException>());
        }
        finally
        {
            Directory.Delete(folder, true);
        }
    }

    [RealKernel("6.12")]
    public void Calls_reach_the_real_kernel(IKernel kernel)
    {
        Assert.That(kernel.Profile.Version.Line, Is.EqualTo("6.12"));
        Assert.That(kernel.MkdirAt(Fd.Cwd, "/tmp/made"u8, (Mode)0x1ED), Is.EqualTo(Errno.OK));
        Assert.That(kernel.MkdirAt(Fd.Cwd, "/tmp/made"u8, (Mode)0x1ED), Is.EqualTo(Errno.EEXIST));
    }

    [Test]
    [Category("rig")]
    public async Task Snapshots_bring_back_memory_and_disks_in_under_a_second()
    {
        using var file = new AnonymousFile(Path.GetTempPath());
        file.SetLength(64 << 20);
        Machine machine;
        try
        {
            machine = await Machine.StartAsync("6.1", new MachineRequest { Disks = [new("data", 64 << 20, DiskFormat.Raw, file.Path)], Cpus = 2, MemoryMiB = 256 });
        }
        catch (RigException e) when (e is not MachineException)
        {
            NoRig.Ignore(e);
            throw;
        }
        await using (machine)
        {
            async Task<string> Shell(string line)
            {
                var result = await machine.RunAsync(line);
                Assert.That(result.Status, Is.Zero, () => $"{line}: {result.Errors}{machine.Console}");
                return result.Output;
            }
            Assert.That(await Shell("cat /sys/block/vda/serial && echo && nproc"), Is.EqualTo("data\n2\n"));
            Assert.That(await Shell("mke2fs /dev/vda > /dev/null && mkdir /d && mount -t ext4 /dev/vda /d && echo one > /d/file && cat /d/file"), Is.EqualTo("one\n"));
            var clock = Stopwatch.StartNew();
            await machine.SnapshotAsync("one");
            var taken = clock.Elapsed;
            Assert.That(await Shell("echo two > /d/file; sync; echo three > /tmp/new; cat /d/file"), Is.EqualTo("two\n"));
            await machine.SnapshotAsync("two");
            clock.Restart();
            await machine.RevertAsync("one");
            TestContext.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"snapshot {taken.TotalSeconds:0.00} s, revert {clock.Elapsed.TotalSeconds:0.00} s"));
            Assert.That(await Shell("cat /d/file; ls /tmp/new 2>/dev/null || echo gone"), Is.EqualTo("one\ngone\n"));
            Assert.That(await Shell("echo four > /d/file; umount /d; mount -t ext4 /dev/vda /d; cat /d/file"), Is.EqualTo("four\n"));
            await machine.RevertAsync("two");
            Assert.That(await Shell("umount /d; mount -t ext4 /dev/vda /d; cat /d/file /tmp/new"), Is.EqualTo("two\nthree\n"));
            await machine.RevertAsync("one");
            Assert.That(await Shell("cat /d/file"), Is.EqualTo("one\n"), "a snapshot can be gone back to twice");
            Assert.That(machine.Snapshots, Is.EqualTo((string[])["one", "two"]));
            Assert.That(async () => await machine.RevertAsync("three"), Throws.TypeOf<RigUsageException>().With.Message.Contains("one of one, two"));
        }
    }

    [RealKernel("6.1")]
    public async Task A_snapshot_may_be_taken_while_commands_run(Machine machine)
    {
        using var output = new MemoryStream();
        var counting = machine.ExecAsync(["sh", "-c", "i=0; while [ $i -lt 3000 ]; do i=$((i+1)); echo line $i of many; done"], new ExecStreams(bytes => output.Write(bytes)), default);
        await machine.SnapshotAsync("middle");
        Assert.That(await counting, Is.Zero);
        Assert.That(Encoding.UTF8.GetString(output.ToArray()).Split('\n'), Has.Length.EqualTo(3001));
        await machine.RevertAsync("middle");
        Assert.That((await machine.RunAsync("echo here")).Output, Is.EqualTo("here\n"));
    }

    private sealed class Told : IProgress<CopyProgress>
    {
        public CopyProgress Last { get; private set; }

        public void Report(CopyProgress value) => Last = value;
    }
}
