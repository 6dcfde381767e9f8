using System.Net.Sockets;

namespace DriverLab.Cli.Tests;

/// <summary><c>driverlab serve</c>: what it says when it is ready, what it leaves, and what it refuses. Real clients are in DriverLab.Doors.Tests.</summary>
public sealed class ServeCommandTests
{
    private string _folder = "";

    [SetUp]
    public void Begin()
    {
        if (!Environment.IsPrivilegedProcess)
            Assert.Ignore("serve needs root");
        _folder = Directory.CreateTempSubdirectory("driverlab-serve-").FullName;
    }

    [TearDown]
    public void End()
    {
        if (_folder.Length > 0)
            Directory.Delete(_folder, recursive: true);
    }

    private string Socket => Path.Combine(_folder, "s.sock");

    private string Root => Path.Combine(_folder, "root");

    private static async Task<(int Code, string Output, string Error)> Run(params string[] arguments)
    {
        var (output, error) = (new StringWriter(), new StringWriter());
        int code = await CommandLine.RunAsync(["serve", .. arguments], output, error);
        return (code, output.ToString(), error.ToString());
    }

    private async Task Fails(string sentence, params string[] arguments)
    {
        var (code, output, error) = await Run(arguments);
        Assert.That(code, Is.EqualTo(2), error);
        Assert.That(error, Does.Contain(sentence).And.Not.Contain("   at "));
        Assert.That(output, Is.Empty);
        Assert.That(File.Exists(Socket), Is.False);
    }

    [Test]
    public Task A_driver_that_the_machine_lacks_is_named() => File.Exists("/dev/mapper/control")
        ? Fails("expected a number", "snapshotter", "--socket", Socket, "--root", Root, "--driver", "devicemapper", "--opt", "dm.basesize=x")
        : Fails("devicemapper needs a kernel with device-mapper", "snapshotter", "--socket", Socket, "--root", Root, "--driver", "devicemapper");

    [Test]
    public Task A_driver_that_there_is_not_is_refused_with_the_list() =>
        Fails("devicemapper", "graphdriver", "--socket", Socket, "--driver", "zfs");

    [Test]
    public Task An_option_that_the_driver_does_not_know_is_refused() =>
        Fails("vfs knows size=NUMBER, vfs.xattrs=docker and vfs.xattrs=all", "snapshotter", "--socket", Socket, "--root", Root, "--driver", "vfs", "--opt", "vfs.nosuch=1");

    [Test]
    public async Task Something_else_at_the_sockets_place_stays()
    {
        await File.WriteAllTextAsync(Socket, "mine");
        var (code, _, error) = await Run("snapshotter", "--socket", Socket, "--root", Root, "--driver", "vfs");
        Assert.That(code, Is.EqualTo(2), error);
        Assert.That(error, Does.Contain($"cannot serve on {Socket}"));
        Assert.That(await File.ReadAllTextAsync(Socket), Is.EqualTo("mine"));
    }

    [TestCase("snapshotter")]
    [TestCase("graphdriver")]
    public async Task It_says_ready_serves_until_it_is_ended_and_leaves_no_socket(string door)
    {
        using var serving = Command("serve", door, "--socket", Socket, "--driver", "vfs", door == "snapshotter" ? "--root" : "--opt", door == "snapshotter" ? Root : "vfs.xattrs=all");
        Assert.That(await serving.StandardOutput.ReadLineAsync(), Is.EqualTo($"ready {Socket}"));
        using (var client = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified))
            await client.ConnectAsync(new UnixDomainSocketEndPoint(Socket));
        if (door == "snapshotter")
        {
            // The store is taken, for commands and for another server.
            var (code, _, error) = await Run("snapshotter", "--socket", Path.Combine(_folder, "other.sock"), "--root", Root, "--driver", "vfs");
            Assert.That((code, error.Contains("another driverlab has the store", StringComparison.Ordinal)), Is.EqualTo((2, true)), error);
        }
        Testing.Signals.Send(serving.Id, Testing.Signals.Term);
        string said = await serving.StandardError.ReadToEndAsync();
        await serving.WaitForExitAsync();
        Assert.That((serving.ExitCode, File.Exists(Socket)), Is.EqualTo((0, false)), said);
    }

    /// <summary>The command in a process of its own.</summary>
    private static System.Diagnostics.Process Command(params string[] arguments) => System.Diagnostics.Process.Start(
        new System.Diagnostics.ProcessStartInfo(Path.Combine(AppContext.BaseDirectory, "driverlab"), arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
}
