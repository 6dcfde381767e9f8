using System.Diagnostics;
using DriverLab.Block.Crash;

namespace DriverLab.DeviceMapper.Tests;

/// <summary>Power cuts under thin pools: what survives is any subset of the writes since each disk's last flush. Every such state must be sound and hold what was synced.</summary>
public sealed class ThinCrashTests
{
    [Test]
    public void Every_cut_leaves_sound_metadata_and_all_that_was_synced([Values(1, 2, 3)] int seed) => Sweep(seed, steps: 60, reorderings: 2, parts: 6, checks: 8);

    [Test]
    [Category("long")]
    public void A_hundred_thousand_cuts([Range(100, 299)] int seed) => Sweep(seed, steps: 120, reorderings: 4, parts: 3, checks: 10);

    [Test]
    public void Disks_that_lie_about_flushes_are_noticed([Values(4, 5)] int seed)
        => Assert.That(() => Sweep(seed, steps: 60, reorderings: 40, parts: 1, checks: 0, lies: true), Throws.InstanceOf<AssertionException>());

    /// <param name="seed">Seed of the workload and of what is sampled.</param>
    /// <param name="steps">Length of the workload.</param>
    /// <param name="reorderings">Sampled orders between two flushes.</param>
    /// <param name="parts">Every so manieth state is looked at.</param>
    /// <param name="checks">Images that thin_check sees too, spread over all.</param>
    /// <param name="lies">True for disks that do not flush.</param>
    private static void Sweep(int seed, int steps, int reorderings, int parts, int checks, bool lies = false)
    {
        var lab = new ThinLab(lies: lies);
        var work = new ThinWorkload(seed, lab);
        long begin = lab.Log.Now;
        work.Run(steps);
        var sweep = new CrashSweep(lab.Log, [.. ThinLab.Sectors.Select(static s => (s, ReadOnlyMemory<byte>.Empty))]);
        // The metadata's blocks are 4096 bytes with one checksum: dm-thin takes for granted that a disk does not tear them.
        var options = new CrashSweepOptions { Seed = (ulong)seed, Reorderings = reorderings, AtomicBytes = 4096, Part = seed % parts, Parts = parts };
        long every = checks == 0 ? long.MaxValue : Math.Max(1, sweep.States(options).LongCount() / checks), states = 0;
        foreach (var state in sweep.States(options).Where(s => s.Cut >= begin))
        {
            if (states++ % every == every - 1)
                CheckWithTools(state, seed);
            CheckContent(work.Allowed(state.Cut), state, seed);
        }
        Assert.That(states, Is.GreaterThan(checks));
        TestContext.Out.WriteLine($"seed {seed}: {states} states");
    }

    private static void CheckContent(Dictionary<ulong, HashSet<byte>[]> allowed, CrashState state, int seed)
    {
        var lab = new ThinLab((disk, layer) => state.Disk(disk, layer, new(202, (uint)disk), $"left{disk}"));
        Assert.That(lab.PoolStatus, Does.Contain(" rw ").And.Contain(" - "), () => $"seed {seed}, {state}");
        byte[] sector = new byte[512];
        foreach (var (id, blocks) in allowed)
        {
            var file = lab.Open(id);
            for (int block = 0; block < blocks.Length; block++)
            {
                Assert.That(file.Read((long)block * ThinLab.BlockBytes, sector, direct: true).Value, Is.EqualTo(512));
                Assert.That(blocks[block], Does.Contain(sector[0]), () => $"seed {seed}, device {id}, block {block}, {state}");
            }
        }
    }

    private static void CheckWithTools(CrashState state, int seed)
    {
        string image = Path.GetTempFileName();
        try
        {
            using (var file = File.Create(image))
                state.CopyTo(0, file);
            ThinTools.Check(image, $"seed {seed}, {state}");
        }
        finally
        {
            File.Delete(image);
        }
    }
}

/// <summary>Debian's thin-provisioning-tools (build/packages.txt).</summary>
internal static class ThinTools
{
    /// <summary>Fails the test with what thin_check says unless it accepts an image.</summary>
    public static void Check(string image, string what)
    {
        var (code, output) = Run("thin_check", image);
        Assert.That(code, Is.Zero, () => $"{what}: thin_check says: {output}");
    }

    public static (int Code, string Output) Run(string tool, params string[] arguments)
    {
        var start = new ProcessStartInfo(tool, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["PATH"] = $"{Environment.GetEnvironmentVariable("PATH")}:/usr/sbin:/sbin";
        if (!File.Exists(Path.Combine("/usr/sbin", tool)))
            Assert.Fail($"{tool} is not installed; ./build.sh test installs it, or: apt-get install thin-provisioning-tools");
        start.FileName = Path.Combine("/usr/sbin", tool);
        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output + errors.Result);
    }
}
