using System.Diagnostics;

namespace DriverLab.Rig.Tests;

/// <summary>Machines that go on from a saved state.</summary>
[Category("rig")]
[NonParallelizable]
public class SavedMachineTests
{
    [TestCase("6.1")]
    [TestCase("6.12")]
    public async Task A_saved_machine_goes_on_fresh_each_time(string line)
    {
        var times = new List<double>();
        string? random = null;
        for (int i = 0; i < 4; i++)
        {
            long start = Stopwatch.GetTimestamp();
            await using var machine = await RigHost.BootAsync(line, options => options with { FromSaved = true });
            var (_, output) = await machine.ShellAsync("test -e /tmp/mark && echo stale; touch /tmp/mark; date +%s; head -c 16 /dev/urandom | hexdump -v -e '1/1 \"%02x\"'");
            times.Add(Stopwatch.GetElapsedTime(start).TotalSeconds);
            Assert.That(machine.Restored);
            string[] lines = output.Split('\n');
            Assert.That(lines, Has.Length.EqualTo(2), output);
            Assert.That(long.Parse(lines[0], System.Globalization.CultureInfo.InvariantCulture), Is.EqualTo(DateTimeOffset.UtcNow.ToUnixTimeSeconds()).Within(2), "the clock is now");
            Assert.That(lines[1], Is.Not.EqualTo(random), "the random pool is not the saved one");
            random = lines[1];
            Assert.That(machine.Hello.Modules, Does.Contain("overlay"));
        }
        TestContext.Out.WriteLine($"{line}: start to first answered command: {string.Join(' ', times.Select(time => $"{time:0.00}"))} s (the first may have booted)");
    }

    [Test]
    public async Task A_damaged_saved_machine_is_made_again()
    {
        using var folder = new TemporaryFolder();
        var options = await RigHost.OptionsAsync("6.1");
        var saved = new Machines.SavedMachines(new Cache.RigCache(folder.Path));
        var accelerator = Machines.Accelerator.Software;
        await (await saved.StartAsync(options, accelerator, null, default)).DisposeAsync();
        string state = Directory.GetFiles(folder.Path, "state", SearchOption.AllDirectories).Single();
        Assert.That(Directory.Exists(Path.Combine(folder.Path, "runs")), Is.False, "a run makes no file but the saved machine's");

        File.WriteAllText(state, "damaged");
        await using (var machine = await saved.StartAsync(options, accelerator, null, default))
            Assert.That((await machine.ShellAsync("echo alive")).Output, Is.EqualTo("alive\n"));

        // Also when the hashes are right and QEMU cannot make sense of it.
        File.WriteAllText(state, "nonsense");
        File.WriteAllText(Path.Combine(Path.GetDirectoryName(state)!, "manifest"), $"memory={new FileInfo(Path.Combine(Path.GetDirectoryName(state)!, "memory")).Length}\nstate={Cache.FileHash.Of(state)}\n");
        var told = new List<string>();
        await using (var machine = await saved.StartAsync(options, accelerator, new Told(told), default))
            Assert.That((await machine.ShellAsync("echo alive")).Output, Is.EqualTo("alive\n"));
        Assert.That(told, Has.Some.StartsWith("the saved machine is of no use"));
        await saved.TrimAsync(0, default);
        Assert.That(Directory.GetDirectories(Path.Combine(folder.Path, "machines")), Is.Empty);
    }

    private sealed class Told(List<string> lines) : IProgress<string>
    {
        public void Report(string value) => lines.Add(value);
    }
}
