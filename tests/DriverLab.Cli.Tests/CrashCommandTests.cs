using System.Diagnostics;
using DriverLab.Block.Crash;
using DriverLab.DeviceMapper.Targets.LogWrites;
using DriverLab.Rig;
using DriverLab.Rig.Images;
using DriverLab.Rig.Machines;
using DriverLab.Testing;

namespace DriverLab.Cli.Tests;

/// <summary>What a real ext4 wrote, as device-mapper's log-writes logged it in a machine, swept for power cuts: e2fsck accepts every state, and every file that sync had promised is there.</summary>
[Category("rig")]
[NonParallelizable]
public sealed class CrashCommandTests
{
    private const string Work = """
        set -e
        /sbin/modprobe dm-log-writes
        mkdir -p /t /m; mount -t tmpfs none /t; cd /t
        truncate -s 8M disk; truncate -s 32M log
        mkfs.ext4 -q disk; cp disk base
        losetup /dev/loop0 disk; losetup /dev/loop1 log
        dmsetup create logged --table "0 16384 log-writes /dev/loop0 /dev/loop1"
        mount /dev/dm-0 /m
        for i in 1 2 3; do
          echo content$i > /m/f$i; sync; dmsetup message logged 0 mark f$i
        done
        mkdir /m/dir; mv /m/f1 /m/dir/f1; sync; dmsetup message logged 0 mark moved
        umount /m; dmsetup remove logged; losetup -d /dev/loop1; losetup -d /dev/loop0
        """;

    private string _folder = null!;

    [OneTimeSetUp]
    public async Task Record()
    {
        _folder = Directory.CreateTempSubdirectory("driverlab-test-").FullName;
        try
        {
            var rig = RealKernels.OfUser();
            var entry = await rig.Kernels.GetAsync("6.1", null, default);
            var options = await rig.PrepareAsync(entry, new ImageRecipe { Tools = ["dmsetup", "e2fsprogs"] });
            await using var machine = await rig.StartAsync(options);
            using var said = new MemoryStream();
            int status = await machine.ExecAsync(["sh", "-c", Work], bytes => said.Write(bytes), default);
            Assert.That(status, Is.Zero, System.Text.Encoding.UTF8.GetString(said.ToArray()));
            foreach (string name in (string[])["base", "log"])
            {
                await using var file = File.Create(Path.Combine(_folder, name));
                await machine.GetFileAsync("/t/" + name, bytes => file.Write(bytes), default);
            }
        }
        catch (RigException e) when (e is not MachineException)
        {
            NoRig.Ignore(e);
            throw;
        }
    }

    [OneTimeTearDown]
    public void Remove() => Directory.Delete(_folder, recursive: true);

    private string At(string name) => Path.Combine(_folder, name);

    private static async Task<(int Code, string Output, string Error)> Run(params string[] arguments)
    {
        var (output, error) = (new StringWriter(), new StringWriter());
        int code = await CommandLine.RunAsync(arguments, output, error);
        return (code, output.ToString(), error.ToString());
    }

    [Test]
    public async Task The_log_is_read_as_the_kernel_wrote_it()
    {
        var (code, output, error) = await Run("crash", "list", At("log"));
        Assert.That(code, Is.Zero, error);
        string[] lines = output.Split('\n');
        Assert.That(lines.Where(line => line.StartsWith("mark ", StringComparison.Ordinal)), Is.EqualTo((string[])["mark f1", "mark f2", "mark f3", "mark moved", "mark dm-log-writes-end"]));
        Assert.That(lines.Count(line => line.StartsWith('#')), Is.GreaterThan(30));
        Assert.That(lines, Does.Contain("flush"));

        // What we write out ourselves is read as the same.
        await using var file = File.OpenRead(At("log"));
        var log = LogWritesFile.Read(file);
        using var again = new MemoryStream();
        LogWritesFile.Write(log, 0, again);
        again.Position = 0;
        var copy = LogWritesFile.Read(again);
        Assert.That(copy.Writes.OrderBy(w => (w.Sector, w.Number)).Select(w => (w.Sector, w.Sectors, w.Kind)), Is.EqualTo(log.Writes.OrderBy(w => (w.Sector, w.Number)).Select(w => (w.Sector, w.Sectors, w.Kind))));
        Assert.That(copy.Marks.Select(mark => mark.Text), Is.EqualTo(log.Marks.Select(mark => mark.Text)));
    }

    [Test]
    public async Task Every_state_is_repaired_by_e2fsck()
    {
        var (code, output, error) = await Run("crash", "sweep", At("log"), "--image", At("base"), "--check", "e2fsck -fy {} || test $? -le 1", "--atomic", "1024", "--states", "100");
        Assert.That(code, Is.Zero, output + error);
        Assert.That(output, Does.Match("^100 states of [0-9]+ writes and [0-9]+ flushes: all accepted\n$"));
    }

    [Test]
    public async Task A_superblock_torn_at_its_checksum_is_found()
    {
        var (code, output, _) = await Run("crash", "sweep", At("log"), "--image", At("base"), "--check", "e2fsck -fy {} || test $? -le 1", "--states", "20", "--keep", At("kept"));
        Assert.That(code, Is.EqualTo(1));
        Assert.That(output, Does.Contain("not accepted: state").And.Contain("write of 2 sectors at 2 of disk 0").And.Contain("only the first 1 sectors are there").And.Contain("Superblock checksum does not match"));
        Assert.That(new FileInfo(Directory.GetFiles(At("kept"))[0]).Length, Is.EqualTo(8 << 20));
    }

    [Test]
    public void What_sync_promised_is_in_every_state()
    {
        using var file = File.OpenRead(At("log"));
        var log = LogWritesFile.Read(file);
        int read = 0;
        var report = new CrashSweep(log, (16384, File.ReadAllBytes(At("base")))).Run(new() { AtomicBytes = 1024, Reorderings = 4, MaxStates = 150 }, state =>
        {
            string[] promised = [.. log.Marks.Where(mark => mark.At <= state.Cut).Select(mark => mark.Text)];
            if (promised.Length == 0)
                return null;
            string image = At($"{Environment.CurrentManagedThreadId}.img");
            using (var stream = File.Create(image))
                state.CopyTo(0, stream);
            _ = Shell($"e2fsck -fy '{image}'");
            foreach (string name in promised.Where(name => name.Length == 2))
            {
                _ = Interlocked.Increment(ref read);
                string content = Shell($"debugfs -R 'cat /{name}' '{image}' 2>/dev/null; debugfs -R 'cat /dir/{name}' '{image}' 2>/dev/null");
                if (content != $"content{name[1]}\n")
                    return $"{name} is promised and holds '{content}'";
            }
            return null;
        });
        Assert.That(report.Failures.Select(f => $"{f.Witness}: {f.WitnessMessage}"), Is.Empty);
        Assert.That(read, Is.GreaterThan(50));
    }

    [TestCase("no log of log-writes: its magic is 0x", "base")]
    [TestCase("Could not find file", "none")]
    public async Task A_file_that_is_no_log_is_refused(string sentence, string name)
    {
        var (code, output, error) = await Run("crash", "sweep", At(name), "--check", "true");
        Assert.That((code, output), Is.EqualTo((2, "")));
        Assert.That(error, Does.Contain(sentence).And.Contain(At(name)));
    }

    [Test]
    public async Task A_log_that_ends_early_is_refused_where_it_ends()
    {
        await File.WriteAllBytesAsync(At("short"), (await File.ReadAllBytesAsync(At("log")))[..1600]);
        var (code, _, error) = await Run("crash", "list", At("short"));
        Assert.That(code, Is.EqualTo(2));
        Assert.That(error, Does.Contain("the log ends at 1600, in the data of entry 0, which goes to"));
    }

    private static string Shell(string command)
    {
        var start = new ProcessStartInfo("sh", ["-c", command]) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["PATH"] = $"{Environment.GetEnvironmentVariable("PATH")}:/usr/sbin:/sbin";
        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        _ = errors.Result;
        return output;
    }
}
