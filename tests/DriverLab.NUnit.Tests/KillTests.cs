using System.Diagnostics;
using System.Globalization;
using DriverLab.Rig.Cache;
using DriverLab.Rig.Machines;

namespace DriverLab.NUnit.Tests;

/// <summary>A test host that is killed leaves no process, no file, no socket and no mount, at whatever moment it dies.</summary>
[NonParallelizable]
[Category("rig")]
public class KillTests
{
    private const string Marker = "DRIVERLAB_KILL_TEST";

    /// <summary>What the killed test host does: one machine after another, with snapshots. Runs only inside of the host that is killed.</summary>
    [Test]
    [Explicit("run by the tests below in a process of its own")]
    public async Task Victim()
    {
        while (Environment.GetEnvironmentVariable(Marker) is not null)
        {
            await using var machine = await Machine.StartAsync("6.1");
            await machine.SnapshotAsync("a");
            await machine.RunAsync("echo x > /tmp/x");
            await machine.RevertAsync("a");
            await File.AppendAllTextAsync(Environment.GetEnvironmentVariable(Marker)!, "round\n");
        }
    }

    [Test]
    public Task Nothing_is_left_after_a_few_kills() => KillAsync(6);

    [Test]
    [Category("long")]
    public Task Nothing_is_left_after_fifty_kills() => KillAsync(50);

    private static async Task KillAsync(int times)
    {
        var user = RigCache.OfUser();
        string root = Directory.CreateTempSubdirectory("driverlab-kill").FullName, cache = Path.Combine(root, "cache"), temporary = Path.Combine(root, "tmp");
        try
        {
            _ = Directory.CreateDirectory(cache);
            _ = Directory.CreateDirectory(temporary);
            // A cache of our own, in which every file counts; what is large comes from the user's.
            foreach (string part in (string[])["kernels", "guest", "accelerator", "apt"])
                _ = Directory.CreateSymbolicLink(Path.Combine(cache, part), user.Folder(part));
            await RunVictimAsync(cache, temporary, TimeSpan.FromMinutes(5), untilRound: 1); // makes image and saved machine
            var before = Count(cache, temporary);
            var random = new Random(times);
            for (int i = 0; i < times; i++)
                await RunVictimAsync(cache, temporary, TimeSpan.FromMilliseconds(random.Next(1, 1500)), untilRound: i % 2);
            var after = Count(cache, temporary);
            Assert.That(after.Files, Is.EquivalentTo(before.Files));
            Assert.That(after.Mounts, Is.EqualTo(before.Mounts));
            Assert.That(after.Sockets, Is.Zero);
        }
        finally
        {
            Directory.Delete(root, true);
        }
    }

    /// <summary>Starts a test host, lets it do some rounds and then some time more, kills it, and waits until what it started has followed it.</summary>
    private static async Task RunVictimAsync(string cache, string temporary, TimeSpan more, int untilRound)
    {
        string marker = Path.Combine(temporary, Guid.NewGuid().ToString("n"));
        var start = new ProcessStartInfo(Environment.ProcessPath!) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (string word in Environment.ProcessPath!.EndsWith("dotnet", StringComparison.Ordinal) ? [typeof(KillTests).Assembly.Location, "--filter", "FullyQualifiedName=DriverLab.NUnit.Tests.KillTests.Victim"] : new[] { "--filter", "FullyQualifiedName=DriverLab.NUnit.Tests.KillTests.Victim" })
            start.ArgumentList.Add(word);
        start.Environment[Marker] = marker;
        start.Environment["DRIVERLAB_CACHE"] = cache;
        start.Environment["TMPDIR"] = temporary;
        start.Environment["DOTNET_EnableDiagnostics"] = "0"; // the runtime's own sockets in TMPDIR are not ours
        using var host = Process.Start(start)!;
        var output = host.StandardOutput.ReadToEndAsync();
        var errors = host.StandardError.ReadToEndAsync();
        var limit = Stopwatch.StartNew();
        while (!host.HasExited && limit.Elapsed < TimeSpan.FromMinutes(6) && Rounds(marker) < untilRound)
            await Task.Delay(20);
        if (untilRound == 0 && !host.HasExited)
            await Task.Delay(more);
        else if (!host.HasExited && more < TimeSpan.FromMinutes(1))
            await Task.Delay(more);
        Assert.That(host.HasExited, Is.False, () => $"the test host ended by itself:\n{output.Result}{errors.Result}");
        host.Kill();
        await host.WaitForExitAsync();
        for (limit.Restart(); Family(marker).Length > 0 && limit.Elapsed < TimeSpan.FromSeconds(10);)
            await Task.Delay(20);
        Assert.That(Family(marker), Is.Empty, "processes that outlived the test host");
        File.Delete(marker);
    }

    private static int Rounds(string marker) => File.Exists(marker) ? File.ReadAllLines(marker).Length : 0;

    /// <summary>Processes that inherited the marker.</summary>
    private static string[] Family(string marker)
    {
        var found = new List<string>();
        foreach (string folder in Directory.GetDirectories("/proc").Where(folder => int.TryParse(Path.GetFileName(folder), out _)))
        {
            try
            {
                if (File.ReadAllText(folder + "/environ").Contains(marker, StringComparison.Ordinal))
                    found.Add(File.ReadAllText(folder + "/cmdline").Replace('\0', ' '));
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // It ended meanwhile, or is another user's.
            }
        }
        return [.. found];
    }

    private static (string[] Files, int Mounts, int Sockets) Count(string cache, string temporary)
    {
        string[] parts = ["images", "machines", "runs", "locks"];
        string[] files = [.. parts.Select(part => Path.Combine(cache, part)).Where(Directory.Exists).SelectMany(folder => Directory.GetFileSystemEntries(folder, "*", SearchOption.AllDirectories)),
            .. Directory.GetFileSystemEntries(temporary, "*", SearchOption.AllDirectories)];
        int sockets = File.ReadLines("/proc/net/unix").Count(line => line.Contains("@driverlab-", StringComparison.Ordinal) && !IsAlive(line));
        return (files, File.ReadAllLines("/proc/self/mountinfo").Length, sockets);
    }

    /// <summary>Names of control sockets carry the process that made them; other runs on this machine have theirs.</summary>
    private static bool IsAlive(string line)
    {
        string name = line[(line.IndexOf("@driverlab-", StringComparison.Ordinal) + "@driverlab-".Length)..];
        return Directory.Exists("/proc/" + name.Split('-')[0].ToString(CultureInfo.InvariantCulture));
    }
}
