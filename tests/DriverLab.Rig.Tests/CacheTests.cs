using DriverLab.Rig.Cache;

namespace DriverLab.Rig.Tests;

/// <summary>The cache folder: whole entries, locks, and sentences when it cannot be written.</summary>
public class CacheTests
{
    [Test]
    public async Task A_lock_is_held_by_one_and_freed_by_disposing()
    {
        using var folder = new TemporaryFolder();
        var cache = new RigCache(folder.Path);
        var first = await cache.LockAsync("x", null, default);
        var told = new List<string>();
        var waiting = cache.LockAsync("x", new Told(told), default);
        await Task.Delay(250);
        Assert.That(waiting.IsCompleted, Is.False);
        Assert.That(told, Is.EqualTo(new[] { "waiting for another run that holds x" }), "told once");
        first.Dispose();
        (await waiting).Dispose();
        using var limit = new CancellationTokenSource(200);
        using var held = await cache.LockAsync("x", null, default);
        _ = Assert.CatchAsync<OperationCanceledException>(() => cache.LockAsync("x", null, limit.Token));
    }

    [Test]
    public void A_file_appears_whole_or_not_at_all_and_leftovers_of_killed_runs_go()
    {
        using var folder = new TemporaryFolder();
        string file = Path.Combine(folder.Path, "entry");
        string dead = folder.Write("entry.999999999.tmp", "half"), alive = folder.Write($"entry.{Environment.ProcessId}9.tmp", "half");
        _ = Assert.Throws<InvalidOperationException>(() => RigCache.Commit(file, stream =>
        {
            stream.WriteByte(1);
            throw new InvalidOperationException();
        }));
        Assert.That(Directory.GetFiles(folder.Path), Is.SubsetOf(new[] { alive }));
        RigCache.Commit(file, stream => stream.WriteByte(7));
        Assert.That(File.ReadAllBytes(file), Is.EqualTo(new byte[] { 7 }));
        Assert.That(File.Exists(dead), Is.False);
    }

    [Test]
    public void A_cache_that_cannot_be_made_is_told_with_a_way_out() =>
        Assert.That(Assert.Throws<RigException>(() => _ = new RigCache("/proc/driverlab"))!.Message, Does.StartWith("the cache folder /proc/driverlab cannot be made").And.Contain("DRIVERLAB_CACHE=DIR"));

    [Test]
    public void A_cache_that_cannot_be_written_is_told_with_a_way_out() =>
        Assert.That(Assert.Throws<RigException>(() => RigCache.Commit("/proc/driverlab", _ => { }))!.Message, Does.StartWith("the cache cannot be written at /proc/driverlab").And.Contain("DRIVERLAB_CACHE=DIR"));

    [Test]
    public async Task The_doctors_findings_name_a_remedy_for_what_is_missing()
    {
        using var folder = new TemporaryFolder();
        foreach (var finding in await RigEnvironment.InspectAsync(new RigCache(folder.Path), default))
        {
            TestContext.Out.WriteLine(finding);
            Assert.That(finding.Remedy.Length > 0, Is.EqualTo(!finding.Ok), finding.What);
        }
    }

    private sealed class Told(List<string> lines) : IProgress<string>
    {
        public void Report(string value) => lines.Add(value);
    }
}
