using System.Diagnostics;
using DriverLab.Linux;
using DriverLab.Simulation;

namespace DriverLab.DeviceMapper.Tests;

/// <summary>Power cuts under thin pools: what survives is any subset of the writes since each disk's last flush. Every such state must be sound and hold what was synced.</summary>
public sealed class ThinCrashTests
{
    [Test]
    public void Every_cut_leaves_sound_metadata_and_all_that_was_synced([Values(1, 2, 3)] int seed) => Sweep(seed, steps: 60, states: 60, checks: 8);

    [Test]
    [Category("long")]
    public void A_hundred_thousand_cuts([Range(100, 299)] int seed) => Sweep(seed, steps: 120, states: 500, checks: 10);

    [Test]
    public void Disks_that_lie_about_flushes_are_noticed([Values(4, 5)] int seed)
        => Assert.That(() => Sweep(seed, steps: 60, states: 60, checks: 0, liar: true), Throws.InstanceOf<AssertionException>());

    private static void Sweep(int seed, int steps, int states, int checks, bool liar = false)
    {
        var lab = new ThinLab();
        int begin = lab.Log.Count;
        var work = new ThinWorkload(seed, lab);
        work.Run(steps);
        var random = Prng.FromSeed((ulong)seed, "cuts");
        for (int i = 0; i < states; i++)
        {
            int cut = begin + random.Next(lab.Log.Count - begin + 1);
            var (metadata, data) = (State(lab.Log, 0, ThinLab.MetadataBytes, cut, random, liar), State(lab.Log, 1, ThinLab.DataBlocks * ThinLab.BlockBytes, cut, random, liar));
            if (i < checks)
                CheckWithTools(metadata, seed, cut);
            CheckContent(work.Allowed(cut), metadata, data, seed, cut);
        }
    }

    /// <summary>A disk as a cut leaves it: all writes before its last flush, and any of those after it.</summary>
    private static byte[] State(List<DiskWrite> log, int disk, int bytes, int cut, Prng random, bool liar)
    {
        byte[] content = new byte[bytes];
        int lastFlush = liar ? -1 : log.FindLastIndex(cut - 1, w => w.Disk == disk && w.IsFlush);
        for (int i = 0; i < cut; i++)
        {
            var write = log[i];
            if (write.Disk == disk && !write.IsFlush && (i < lastFlush || random.Next(2) == 0))
                write.Data.CopyTo(content, write.Sector << 9);
        }
        return content;
    }

    private static void CheckContent(Dictionary<ulong, HashSet<byte>[]> allowed, byte[] metadata, byte[] data, int seed, int cut)
    {
        var lab = new ThinLab(metadata, data);
        Assert.That(lab.PoolStatus, Does.Contain(" rw ").And.Contain(" - "), () => $"seed {seed}, cut {cut}");
        byte[] sector = new byte[512];
        foreach (var (id, blocks) in allowed)
        {
            var file = lab.Open(id);
            for (int block = 0; block < blocks.Length; block++)
            {
                Assert.That(file.Read((long)block * ThinLab.BlockBytes, sector, direct: true).Value, Is.EqualTo(512));
                Assert.That(blocks[block], Does.Contain(sector[0]), () => $"seed {seed}, cut {cut}, device {id}, block {block}");
            }
        }
    }

    private static void CheckWithTools(byte[] metadata, int seed, int cut)
    {
        string image = Path.GetTempFileName();
        try
        {
            File.WriteAllBytes(image, metadata);
            ThinTools.Check(image, $"seed {seed}, cut {cut}");
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
