using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using DriverLab.Testing;

namespace DriverLab.Labs.Tests;

/// <summary>A lab that stays up: the commands of <c>driverlab lab</c> one after the other, as a user types them.</summary>
[Category("rig")]
[NonParallelizable]
public class KeeperTests
{
    private const string File_ = """
        lab: kept
        machines:
          box:
            kernel: "6.1"
            memory: 256M
            disks: [{name: d, size: 32M}, {name: m, size: 16M, kind: ram}]
        steps:
          - say: the disks are there
            run: for d in d m; do blockdev --getsize64 /dev/lab/$d; done
            expect: {output: "33554432\n16777216"}
        """;

    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(2);

    private string _folder = "", _lab = "";

    [SetUp]
    public void MakeFolder()
    {
        _folder = Directory.CreateTempSubdirectory("driverlab-labs").FullName;
        _lab = Path.Combine(_folder, "kept.yaml");
        File.WriteAllText(_lab, File_);
        Environment.SetEnvironmentVariable("DRIVERLAB_STATE", Path.Combine(_folder, "state"));
    }

    [TearDown]
    public async Task RemoveFolder()
    {
        _ = await Run("lab", "down", "kept");
        Environment.SetEnvironmentVariable("DRIVERLAB_STATE", null);
        Directory.Delete(_folder, true);
    }

    [Test]
    public async Task A_lab_is_up_until_it_is_taken_down()
    {
        var up = await Run("lab", "up", "--steps", _lab);
        if (up.Code == 3 && up.Error.Contains("not installed", StringComparison.Ordinal))
            NoRig.Ignore(up.Error);
        Assert.That(up.Code, Is.Zero, up.Error);
        Assert.That(up.Output, Does.Contain("== the disks are there").And.Not.Contain("NOT AS EXPECTED"));
        Assert.That((await Run("lab", "up", _lab)).Error, Does.Contain("a lab named kept is up already"));

        var state = JsonDocument.Parse((await Run("lab", "list")).Output).RootElement;
        Assert.That((state.GetProperty("lab").GetString(), state.GetProperty("state").GetString()), Is.EqualTo(("kept", "up")));

        var exec = await Run("lab", "exec", "kept", "--", "sh", "-c", "echo out; echo err >&2; exit 9");
        Assert.That((exec.Code, exec.Output), Is.EqualTo((9, "out\n")));
        Assert.That(exec.Error, Does.Contain("err"));

        string here = Path.Combine(_folder, "here");
        await File.WriteAllTextAsync(here, "copied both ways");
        var copied = await Run("lab", "cp", "kept", here, ":/root/there");
        Assert.That(copied.Code, Is.Zero, copied.Error);
        Assert.That(copied.Error, Does.Contain("copied 0.0 of 0.0 MB"), "progress");
        Assert.That((await Run("lab", "cp", _lab, "box:/root/there", here + "2")).Code, Is.Zero);
        Assert.That(await File.ReadAllTextAsync(here + "2"), Is.EqualTo("copied both ways"));

        Assert.That((await Run("lab", "exec", "kept", "--", "sh", "-c", "echo before > /dev/lab/m")).Code, Is.Zero);
        Assert.That((await Run("lab", "exec", "kept", "--", "sync")).Code, Is.Zero);
        Assert.That((await Run("lab", "snapshot", "kept", "s")).Code, Is.Zero);
        Assert.That((await Run("lab", "exec", "kept", "--", "sh", "-c", "echo after > /dev/lab/m; sync; rm /root/there")).Code, Is.Zero);
        var clock = Stopwatch.StartNew();
        Assert.That((await Run("lab", "revert", "kept", "s")).Code, Is.Zero);
        TestContext.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"revert {clock.Elapsed.TotalSeconds:0.00} s"));
        Assert.That((await Run("lab", "exec", "kept", "--", "sh", "-c", "echo 3 > /proc/sys/vm/drop_caches; head -1 /dev/lab/m; cat /root/there")).Output, Is.EqualTo("before\ncopied both ways"));
        Assert.That((await Run("lab", "revert", "kept", "none")).Error, Does.Contain("there is no snapshot 'none'; expected one of s"));

        Assert.That((await Run("lab", "logs", "kept")).Output, Does.Contain("box: 6.1."));
        Assert.That((await Run("lab", "console", "kept")).Code, Is.Zero);
        await SshAsync();

        Assert.That((await Run("lab", "down", "kept")).Code, Is.Zero);
        Assert.That((await Run("lab", "list")).Output, Is.Empty);
        Assert.That((await Run("lab", "exec", "kept", "--", "true")).Error, Does.Contain("there is no lab kept up; none is"));
        Assert.That(Directory.GetFileSystemEntries(Path.Combine(_folder, "state"), "*", SearchOption.AllDirectories), Has.Length.LessThanOrEqualTo(1), "only the folder of labs is left");
    }

    [Test]
    [Category("long")]
    public async Task A_Debian_root_is_reached_by_ssh()
    {
        await File.WriteAllTextAsync(_lab, File_.Replace("memory: 256M", "root: debian-ext4", StringComparison.Ordinal));
        var up = await Run("lab", "up", _lab);
        if (up.Error.Contains("not installed", StringComparison.Ordinal))
            NoRig.Ignore(up.Error);
        Assert.That(up.Code, Is.Zero, up.Error);
        await SshAsync();
    }

    [Test]
    [Category("long")]
    public async Task A_keeper_that_is_killed_takes_everything_along()
    {
        var up = await Run("lab", "up", _lab);
        if (up.Code == 3 && up.Error.Contains("not installed", StringComparison.Ordinal))
            NoRig.Ignore(up.Error);
        Assert.That(up.Code, Is.Zero, up.Error);
        int keeper = JsonDocument.Parse((await Run("lab", "list")).Output).RootElement.GetProperty("keeper").GetInt32();
        int[] children = [.. Children(keeper)];
        Assert.That(children, Is.Not.Empty);
        using (var process = Process.GetProcessById(keeper))
        {
            process.Kill();
            await process.WaitForExitAsync();
        }
        for (var limit = Stopwatch.StartNew(); children.Any(Lives) && limit.Elapsed < TimeSpan.FromSeconds(10);)
            await Task.Delay(20);
        Assert.That(children.Where(Lives), Is.Empty, "machines that outlived their keeper");
        var list = await Run("lab", "list");
        Assert.That((list.Code, list.Output), Is.EqualTo((0, "")));
        Assert.That(list.Error, Does.Contain("lab kept: its keeper is gone"));
        Assert.That(Directory.Exists(Path.Combine(_folder, "state/labs/kept")), Is.False);
    }

    [Test]
    [Category("long")]
    public async Task A_lab_that_does_not_come_up_leaves_nothing()
    {
        await File.WriteAllTextAsync(_lab, File_.Replace("steps:", "    setup: [{run: 'echo no such luck; exit 5'}]\nsteps:", StringComparison.Ordinal));
        var up = await Run("lab", "up", _lab);
        if (up.Error.Contains("not installed", StringComparison.Ordinal))
            NoRig.Ignore(up.Error);
        Assert.That(up.Code, Is.EqualTo(3));
        Assert.That(up.Error, Does.Contain($"machine box: commands ({_lab}:").And.Contain("(status 5): no such luck"));
        Assert.That((await Run("lab", "list")).Output, Is.Empty);
        Assert.That((await Run("lab", "up", Path.Combine(_folder, "none.yaml"))).Code, Is.EqualTo(2));
    }

    /// <summary>ssh and scp of the system, by the configuration that the lab wrote.</summary>
    private async Task SshAsync()
    {
        string config = (await Run("lab", "ssh", "kept", "--config")).Output.Trim();
        var shell = await System_("ssh", "-F", config, "box", "uname -r; exit 4");
        Assert.That((shell.Code, shell.Output.StartsWith("6.1.", StringComparison.Ordinal)), Is.EqualTo((4, true)), shell.Error);
        var terminal = await System_("ssh", "-tt", "-F", config, "box", "tty; cat /dev/lab/none");
        Assert.That(terminal.Code, Is.EqualTo(1), terminal.Error);
        Assert.That(terminal.Output, Does.StartWith("/dev/pts/0").And.Contain("/dev/lab/none"));
        string big = Path.Combine(_folder, "big");
        byte[] content = new byte[2_000_000];
        new Random(3).NextBytes(content);
        await File.WriteAllBytesAsync(big, content);
        var copied = await System_("scp", "-q", "-F", config, big, "box:/root/big");
        Assert.That(copied.Code, Is.Zero, copied.Error);
        copied = await System_("scp", "-q", "-F", config, "box:/root/big", big + "2");
        Assert.That((copied.Code, File.ReadAllBytes(big + "2").AsSpan().SequenceEqual(content)), Is.EqualTo((0, true)), copied.Error);
    }

    private static async Task<(int Code, string Output, string Error)> System_(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true })!;
        process.StandardInput.Close();
        var (output, error) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        try
        {
            // The way to the machine is a process of ssh's, which holds these pipes too.
            await Task.WhenAll(process.WaitForExitAsync(), output, error).WaitAsync(s_patience);
        }
        catch (TimeoutException)
        {
            process.Kill(entireProcessTree: true);
            Assert.Fail($"{program} {string.Join(' ', arguments)} has not ended after {s_patience.TotalSeconds} s, or what it started has not");
        }
        return (process.ExitCode, await output, await error);
    }

    private static async Task<(int Code, string Output, string Error)> Run(params string[] arguments)
    {
        var output = new StringWriter();
        var error = new StringWriter();
        int code = await Cli.CommandLine.RunAsync(arguments, output, error).WaitAsync(3 * s_patience);
        TestContext.Out.WriteLine($"$ driverlab {string.Join(' ', arguments)} -> {code}\n{output}{error}");
        return (code, output.ToString(), error.ToString());
    }

    private static IEnumerable<int> Children(int parent) =>
        Directory.GetDirectories("/proc").Select(folder => Path.GetFileName(folder)).Where(name => int.TryParse(name, out _)).Select(name => int.Parse(name, CultureInfo.InvariantCulture)).Where(id => ParentOf(id) == parent);

    private static int ParentOf(int id)
    {
        try
        {
            string stat = File.ReadAllText($"/proc/{id}/stat");
            return int.Parse(stat[(stat.LastIndexOf(')') + 2)..].Split(' ')[1], CultureInfo.InvariantCulture);
        }
        catch (IOException)
        {
            return -1;
        }
    }

    private static bool Lives(int id) => File.Exists($"/proc/{id}/stat") && ParentOf(id) >= 0 && !File.ReadAllText($"/proc/{id}/stat").Contains(") Z ", StringComparison.Ordinal);
}
