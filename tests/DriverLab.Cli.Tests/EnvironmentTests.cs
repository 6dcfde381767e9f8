using System.Diagnostics;
using DriverLab.Testing;

namespace DriverLab.Cli.Tests;

/// <summary>The command as a process of its own in surroundings that lack something: what it says, how it ends, and that nothing stays behind.</summary>
[Category("rig")]
[NonParallelizable]
public class EnvironmentTests
{
    private string _folder = "";

    [SetUp]
    public void MakeFolder() => _folder = Directory.CreateTempSubdirectory("driverlab-env").FullName;

    [TearDown]
    public void RemoveFolder() => Directory.Delete(_folder, recursive: true);

    [Test]
    public async Task Without_QEMU_it_says_what_to_install()
    {
        var (code, _, error) = await Run("", "rig", "exec", "--kernel", "6.1", "--", "true").WithAsync("DRIVERLAB_QEMU", "/nonexistent/qemu");
        Assert.That(error, Does.Contain("/nonexistent/qemu is not installed, and it is needed to run guests; install it with: apt-get install qemu-system-x86"));
        Assert.That(code, Is.EqualTo(3));
    }

    [Test]
    public async Task A_QEMU_that_ends_at_once_is_a_lost_machine_with_its_words()
    {
        string fake = Path.Combine(_folder, "qemu");
        await File.WriteAllTextAsync(fake, "#!/bin/sh\n[ \"$1\" = --version ] && { echo QEMU emulator version 0; exit 0; }\necho qemu: no such machine >&2\nexit 1\n");
        using (var mode = Process.Start("chmod", ["755", fake]))
            await mode.WaitForExitAsync();
        var (code, _, error) = await Run("", "rig", "exec", "--kernel", "6.1", "--", "true").WithAsync("DRIVERLAB_QEMU", fake);
        Assert.That(error, Does.Contain("QEMU ended with status 1 although the guest was not told to stop").And.Contain("qemu: no such machine"));
        Assert.That(code, Is.EqualTo(3));
    }

    [Test]
    public async Task On_a_full_disk_it_says_where_and_what_to_do()
    {
        var kernel = await KernelAsync();
        var (code, _, error) = await Run($"mount -t tmpfs -o size=5m none '{_folder}'", "rig", "exec", "--kernel-image", kernel.Image, "--modules", kernel.Modules!, "--", "true").WithAsync("DRIVERLAB_CACHE", _folder);
        Assert.That(error, Does.Contain($"the cache cannot be written at {_folder}/images/").And.Contain("free space or permissions are needed there, or choose another folder with DRIVERLAB_CACHE=DIR"));
        Assert.That(code, Is.EqualTo(3));
    }

    [Test]
    public async Task Without_room_for_a_saved_machine_it_boots_and_says_so()
    {
        var kernel = await KernelAsync();
        var (code, output, error) = await Run($"mount -t tmpfs -o size=60m none '{_folder}'", "rig", "exec", "--kernel-image", kernel.Image, "--modules", kernel.Modules!, "--", "echo", "alive").WithAsync("DRIVERLAB_CACHE", _folder);
        Assert.That((code, output), Is.EqualTo((0, "alive\n")), error);
        Assert.That(error, Does.Contain("the machine could not be saved (").And.Contain("free space there (driverlab kernel prune)"));
    }

    [Test]
    public async Task A_cache_that_is_whole_and_read_only_is_enough()
    {
        // Makes everything that is needed, then goes on without being able to write.
        string cache = RigCacheRoot;
        var (made, _, complaint) = await Run("", "rig", "exec", "--kernel", "6.1", "--", "true");
        Assert.That(made, Is.Zero, complaint);
        var (code, output, error) = await Run($"mount --bind '{cache}' '{cache}' && mount -o remount,ro,bind '{cache}' && ! touch '{cache}/x' 2>/dev/null", "rig", "exec", "--kernel", "6.1", "--", "echo", "alive");
        Assert.That((code, output), Is.EqualTo((0, "alive\n")), error);
    }

    [Test]
    public async Task An_empty_cache_that_is_read_only_is_told()
    {
        var (code, _, error) = await Run($"mount -t tmpfs -o ro none '{_folder}'", "kernel", "fetch", "6.1").WithAsync("DRIVERLAB_CACHE", _folder);
        Assert.That(error, Does.Contain("the cache cannot be written at").And.Contain("DRIVERLAB_CACHE=DIR"));
        Assert.That(code, Is.EqualTo(3));
    }

    [TestCase(false), TestCase(true)]
    public async Task Ctrl_C_ends_it_and_everything_that_it_started(bool withMachine)
    {
        string runs = Path.Combine(RigCacheRoot, "runs");
        var (made, _, complaint) = await Run("", "rig", "exec", "--kernel", "6.1", "--", "true");
        Assert.That(made, Is.Zero, complaint);
        int files = Entries(runs);
        // A shell's background commands ignore the signal, and so would what they start.
        var start = new ProcessStartInfo("env", ["--default-signal=INT", "dotnet", Path.Combine(AppContext.BaseDirectory, "driverlab.dll"), "conform", "--kernel", "6.1"])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["DRIVERLAB_HOME"] = Rig.Images.GuestProgram.SourceRoot();
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync();
        var error = process.StandardError.ReadToEndAsync();
        int[] below = [];
        for (int i = 0; withMachine && below.Length == 0 && i < 600; i++)
        {
            await Task.Delay(100);
            below = Below(process.Id, "qemu");
        }
        await Task.Delay(500);
        Assert.That(below.Length > 0, Is.EqualTo(withMachine), "a machine was started");
        Signals.Send(process.Id, Signals.Interrupt);
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        await process.WaitForExitAsync(patience.Token);
        Assert.That((process.ExitCode, (await error).TrimEnd().Split('\n')[^1]), Is.EqualTo((130, "driverlab: cancelled")), await output);
        Assert.That(below.Where(id => Directory.Exists($"/proc/{id}")), Is.Empty, "processes that it started are still there");
        Assert.That(Entries(runs), Is.EqualTo(files));
    }

    /// <summary>How many entries a folder has; one that nothing has made yet has none.</summary>
    private static int Entries(string folder) => Directory.Exists(folder) ? Directory.EnumerateFileSystemEntries(folder).Count() : 0;

    /// <summary>Processes of a name that this one started.</summary>
    private static int[] Below(int process, string name) =>
        [.. Process.GetProcesses().Where(p => p.ProcessName.StartsWith(name, StringComparison.Ordinal)).Select(static p => p.Id).Where(id => ParentOf(id) == process)];

    /// <summary>The parent is the second field behind the name, which ends with the last bracket; null when the process has ended meanwhile, as those of other tests may.</summary>
    private static int? ParentOf(int process)
    {
        try
        {
            return int.Parse(File.ReadAllText($"/proc/{process}/stat").Split(')')[^1].Split(' ')[2], System.Globalization.CultureInfo.InvariantCulture);
        }
        catch (IOException)
        {
            return null;
        }
    }

    private static string RigCacheRoot => Rig.Cache.RigCache.OfUser().Root;

    private static async Task<Rig.Kernels.KernelEntry> KernelAsync()
    {
        try
        {
            return await Rig.RealKernels.OfUser().Kernels.GetAsync("6.1", null, default);
        }
        catch (Rig.RigException e)
        {
            NoRig.Ignore(e);
            throw;
        }
    }

    private static Started Run(string mounts, params string[] arguments) => new(mounts, arguments);

    /// <summary>A run of the command in a mount name space of its own, where <paramref name="mounts"/> was done first.</summary>
    private sealed class Started(string mounts, string[] arguments)
    {
        public System.Runtime.CompilerServices.TaskAwaiter<(int Code, string Output, string Error)> GetAwaiter() => WithAsync("DRIVERLAB_TEST", "1").GetAwaiter();

        public async Task<(int Code, string Output, string Error)> WithAsync(string variable, string value)
        {
            if (mounts.Length > 0 && !Environment.IsPrivilegedProcess)
                Assert.Ignore("not root: mounts of the test's own need name spaces");
            string[] command = ["dotnet", Path.Combine(AppContext.BaseDirectory, "driverlab.dll"), .. arguments];
            var start = mounts.Length > 0
                ? new ProcessStartInfo("unshare", ["--mount", "--propagation", "private", "sh", "-c", mounts + " && exec \"$@\"", "sh", .. command])
                : new ProcessStartInfo(command[0], command[1..]);
            (start.RedirectStandardOutput, start.RedirectStandardError, start.Environment[variable]) = (true, true, value);
            using var process = Process.Start(start)!;
            var output = process.StandardOutput.ReadToEndAsync();
            var error = process.StandardError.ReadToEndAsync();
            await process.WaitForExitAsync();
            return (process.ExitCode, await output, await error);
        }
    }
}
