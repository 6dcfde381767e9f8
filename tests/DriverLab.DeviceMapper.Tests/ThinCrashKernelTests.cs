using System.Text;
using DriverLab.Block.Crash;
using DriverLab.Conformance.Running;
using DriverLab.Testing;

namespace DriverLab.DeviceMapper.Tests;

/// <summary>What a power cut leaves of the emulator's disks, given to a real kernel: it takes the pool as it is, and reads of every block what was synced or written since.</summary>
[Category("rig")]
[NonParallelizable]
public sealed class ThinCrashKernelTests
{
    [TestCase("6.1", 11, 6)]
    [TestCase("6.12", 12, 6)]
    public Task A_real_kernel_takes_what_a_cut_left(string line, int seed, int states) => Sample(line, seed, states);

    [Category("long")]
    [TestCase("5.10", 21, 60)]
    [TestCase("6.1", 22, 60)]
    [TestCase("6.12", 23, 60)]
    [TestCase("7.3", 24, 60)]
    public Task Real_kernels_take_more_of_them(string line, int seed, int states) => Sample(line, seed, states);

    private static async Task Sample(string line, int seed, int count)
    {
        var lab = new ThinLab();
        var work = new ThinWorkload(seed, lab);
        long begin = lab.Log.Now;
        work.Run(60);
        var sweep = new CrashSweep(lab.Log, [.. ThinLab.Sectors.Select(static s => (s, ReadOnlyMemory<byte>.Empty))]);
        var options = new CrashSweepOptions { Seed = (ulong)seed, Reorderings = 2, AtomicBytes = 4096 };
        int all = sweep.States(options).Count(s => s.Cut >= begin), number = 0;
        var (text, expected, states) = (new StringBuilder("suite dm\nneeds loop, dm-thin-pool\n"), new List<(HashSet<byte> Tags, string What)>(), new List<string>());
        foreach (var state in sweep.States(options).Where(s => s.Cut >= begin))
        {
            if ((long)(number + 1) * count / all == (long)number++ * count / all)
                continue;
            Append(text, expected, states.Count, state, work.Allowed(state.Cut), $"seed {seed}, {state}");
            states.Add(state.ToString());
        }
        Assert.That(states, Has.Count.EqualTo(count).And.Unique);
        var lines = await GuestScenario.RunAsync(line, text.ToString());

        var pools = lines.Where((l, i) => i > 0 && lines[i - 1].Op == "dm status pool").ToList();
        Assert.That(pools, Has.Count.EqualTo(count));
        for (int i = 0; i < count; i++)
            Assert.That(pools[i].ToString(), Does.Contain(" rw ").And.Contain(" queue_if_no_space - "), () => $"seed {seed}, {states[i]}");
        var reads = lines.Where(static l => l.Op.StartsWith("pread ", StringComparison.Ordinal)).ToList();
        Assert.That(reads, Has.Count.EqualTo(expected.Count));
        for (int i = 0; i < reads.Count; i++)
            Assert.That(expected[i].Tags.Select(static t => "ok 512 " + Render.Data(Enumerable.Repeat(t, 512).ToArray())), Does.Contain(reads[i].Outcome), expected[i].What);
        TestContext.Out.WriteLine($"{line}, seed {seed}: {count} of {all} states, {reads.Count} blocks read");
    }

    /// <summary>The steps that give one state to a kernel: its disks as loop devices, the pool, each thin device with what its blocks hold.</summary>
    private static void Append(StringBuilder text, List<(HashSet<byte> Tags, string What)> expected, int number, CrashState state, Dictionary<ulong, HashSet<byte>[]> allowed, string what)
    {
        string[] disks = ["m", "d"];
        for (int disk = 0; disk < disks.Length; disk++)
        {
            string name = $"{disks[disk]}{number}";
            _ = text.AppendLine($"write /{name} \"\" ; truncate /{name} {ThinLab.Sectors[disk] << 9}").AppendLine($"fd = open /{name} O_RDWR");
            using var content = new MemoryStream();
            state.CopyTo(disk, content);
            byte[] bytes = content.ToArray();
            for (int at = 0; at < bytes.Length; at += 4096)
            {
                var page = bytes.AsSpan(at, Math.Min(4096, bytes.Length - at));
                if (page.ContainsAnyExcept((byte)0))
                    _ = text.AppendLine($"pwrite fd {GuestScenario.Word(page)} {at}");
            }
            _ = text.AppendLine("close fd").AppendLine($"{name} = loop attach /{name}");
        }
        _ = text.AppendLine($"p = dm create pool \"0 {ThinLab.DataBlocks * 128} thin-pool $m{number} $d{number} 128 0\"").AppendLine("dm status pool");
        foreach (var (id, blocks) in allowed)
        {
            _ = text.AppendLine($"t = dm create t \"0 {ThinLab.DataBlocks * 128} thin $p {id}\"").AppendLine("f = open $t O_RDONLY|O_DIRECT");
            for (int block = 0; block < blocks.Length; block++)
            {
                _ = text.AppendLine($"pread f 512 {(long)block * ThinLab.BlockBytes}");
                expected.Add((blocks[block], $"{what}, device {id}, block {block}"));
            }
            _ = text.AppendLine("close f").AppendLine("dm remove t");
        }
        _ = text.AppendLine("dm remove pool").AppendLine($"loop detach $m{number}").AppendLine($"loop detach $d{number}").AppendLine($"unlink /m{number}").AppendLine($"unlink /d{number}");
    }
}
