using System.Diagnostics;
using System.Globalization;
using System.Runtime.CompilerServices;
using DriverLab.Block;
using DriverLab.Linux.Ioctl;

namespace DriverLab.Benchmarks;

/// <summary>
/// Random bios of 4 KiB through a thin device in process, on one thread: on fresh, provisioned and snapshotted blocks, beside the RAM disk below; and the cost of a bio as the number of mappings grows.
/// The machine's own kernel is no peer here: user space cannot submit a bio.
/// </summary>
internal sealed class ThinIo
{
    private const int Sectors = 8, BlockSectors = ThinBench.BlockSectors, Rounds = 5;
    private const int Blocks = 8192;
    private readonly ThinBench _bench = new();
    private readonly byte[] _page = new byte[Sectors * 512];

    // ---- states of a block -------------------------------------------------------------------------------------------------------

    /// <summary>Millions of bios in a second of one core, by processor time so that other work on the machine counts less; each round on devices of its own; the best of several rounds.</summary>
    public static void Print(TextWriter output)
    {
        var bench = new ThinIo();
        var disk = bench._bench.AddDisk(Blocks * (long)BlockSectors);
        bench._bench.Pool(bench._bench.AddDisk(65536), bench._bench.AddDisk(4 * Blocks * (long)BlockSectors), 4 * Blocks * (long)BlockSectors, "1 no_discard_passdown");
        var offsets = Shuffled(Blocks);
        var rows = new Dictionary<string, (double Ns, double Bytes)>();
        for (int round = 0; round < Rounds; round++)
            bench.Round(disk, round, offsets, rows);
        output.WriteLine($"{"4 KiB at random, 64 KiB blocks, 512 MiB",-44} {"million/s",10} {"ns each",9} {"allocated",10}");
        foreach (var (name, (ns, bytes)) in rows)
            output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{name,-44} {1000 / ns,10:F2} {ns,9:F0} {bytes,8:F0} B"));
    }

    private void Round(BlockDevice disk, int round, int[] offsets, Dictionary<string, (double Ns, double Bytes)> rows)
    {
        int id = 2 * round, snapshot = id + 1;
        _bench.Message($"create_thin {id}");
        var thin = _bench.Thin($"t{id}", id, Blocks * (long)BlockSectors);
        Note("RAM disk: read", disk, BioOp.Read);
        Note("RAM disk: write", disk, BioOp.Write);
        Note("thin, nothing mapped: read", thin, BioOp.Read);
        Note("thin, nothing mapped: first write to a block", thin, BioOp.Write);
        Note("thin, provisioned: read", thin, BioOp.Read);
        Note("thin, provisioned: write", thin, BioOp.Write);
        _bench.Snapshot($"t{id}", id, snapshot);
        Note("thin, after a snapshot: read", thin, BioOp.Read);
        Note("thin, after a snapshot: first write to a block", thin, BioOp.Write);
        Note("thin, after a snapshot: next writes", thin, BioOp.Write);
        _bench.Remove($"t{id}");
        _bench.Message($"delete {snapshot}");
        _bench.Message($"delete {id}");

        void Note(string name, BlockDevice device, BioOp op)
        {
            var cost = Measure(device, op, offsets, BlockSectors);
            if (!rows.TryGetValue(name, out var best) || cost.Ns < best.Ns)
                rows[name] = cost;
        }
    }

    // ---- as the number of mappings grows -----------------------------------------------------------------------------------------

    /// <summary>
    /// Cost of provisioning, of overwriting and of reading from 10^4 mappings on; the data go nowhere, so that only the mapping is measured. Beside it what the same look-ups cost in .NET's hash table and in
    /// a plain array of as many numbers: the machine's memory is slower the more of it is in use.
    /// </summary>
    public static void PrintScale(TextWriter output, int most)
    {
        output.WriteLine($"{"mappings",12} {"provision ns",13} {"read ns",9} {"write ns",9} {"snapshot ns",12} {"metadata MiB",13} {"memory MiB",11} {"hash table ns",14} {"array ns",9}   4 KiB bios, at random but for provisioning; snapshot: the whole create_snap");
        // The runtime compiles meanwhile.
        for (int i = 0; i < 3; i++)
            new ThinIo().Scale(100_000, TextWriter.Null);
        for (int count = 10_000; count <= most; count *= 10)
        {
            new ThinIo().Scale(count, output);
            GC.Collect();
        }
    }

    private void Scale(int count, TextWriter output)
    {
        long sectors = (long)count * BlockSectors;
        var nothing = _bench.Make("nothing", new DmRow(0, sectors * 2, "zero", ""));
        _bench.Pool(_bench.AddDisk(Math.Max(65536, count / 10L)), nothing, sectors * 2, "1 skip_block_zeroing");
        _bench.Message("create_thin 0");
        var thin = _bench.Thin("t0", 0, sectors);
        double start = ProcessorNs();
        for (int block = 0; block < count; block++)
        {
            Transfer(thin, BioOp.Write, block * (long)BlockSectors);
            if ((block & 0x3FFF) == 0x3FFF)
                _ = thin.IssueFlush();
        }
        double provision = (ProcessorNs() - start) / count;
        var offsets = RandomBlocks(count, 300_000);
        _ = Measure(thin, BioOp.Read, offsets, BlockSectors);
        double read = Measure(thin, BioOp.Read, offsets, BlockSectors).Ns, write = Measure(thin, BioOp.Write, offsets, BlockSectors).Ns;
        start = ProcessorNs();
        _bench.Snapshot("t0", 0, 1);
        double snapshot = ProcessorNs() - start;
        using var self = Process.GetCurrentProcess();
        long memory = self.WorkingSet64 / 1048576;
        var (table, array) = PlainLookups(count, offsets);
        output.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{count,12:N0} {provision,13:F0} {read,9:F0} {write,9:F0} {snapshot,12:F0} {UsedMetadata() * 4096.0 / 1048576,13:F0} {memory,11} {table,14:F0} {array,9:F1}"));
        output.Flush();
    }

    /// <summary>Nanoseconds of one look-up in a hash table and in an array, each begun when the one before has ended.</summary>
    private static (double Table, double Array) PlainLookups(int count, int[] offsets)
    {
        var array = new long[count];
        var table = new Dictionary<long, long>(count);
        for (int i = 0; i < count; i++)
            table.Add(i, array[i] = 0);
        long last = 0;
        double start = ProcessorNs();
        foreach (int offset in offsets)
            last = table[offset + last];
        double ofTable = ProcessorNs() - start;
        start = ProcessorNs();
        foreach (int offset in offsets)
            last = array[offset + last];
        double ofArray = ProcessorNs() - start;
        GC.KeepAlive(last);
        return (ofTable / offsets.Length, ofArray / offsets.Length);
    }

    private long UsedMetadata()
    {
        return long.Parse(_bench.PoolStatus().Split(' ')[1].Split('/')[0], CultureInfo.InvariantCulture);
    }

    // ---- bios --------------------------------------------------------------------------------------------------------------------

    /// <summary>What this process has used of processors: one thread does all the work.</summary>
    private static double ProcessorNs() => Environment.CpuUsage.TotalTime.TotalNanoseconds;

    private (double Ns, double Bytes) Measure(BlockDevice device, BioOp op, int[] blocks, int stride)
    {
        GC.Collect();
        long before = GC.GetAllocatedBytesForCurrentThread();
        double start = ProcessorNs();
        foreach (int block in blocks)
            Transfer(device, op, block * (long)stride);
        double ns = (ProcessorNs() - start) / blocks.Length;
        return (ns, (double)(GC.GetAllocatedBytesForCurrentThread() - before) / blocks.Length);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Transfer(BlockDevice device, BioOp op, long sector)
    {
        var bio = _bench.Layer.AllocBio();
        bio.Device = device;
        bio.Op = op;
        bio.Sector = sector;
        bio.Sectors = Sectors;
        bio.Data = _page;
        if (_bench.Layer.SubmitAndWait(bio) is var status && status != BlkStatus.OK)
            throw new InvalidOperationException($"bio: {status}");
    }

    /// <summary>Every block once, in an order by chance that is the same each time.</summary>
    private static int[] Shuffled(int count)
    {
        int[] blocks = [.. Enumerable.Range(0, count)];
        new Random(1).Shuffle(blocks);
        return blocks;
    }

    private static int[] RandomBlocks(int blocks, int count)
    {
        var random = new Random(2);
        return [.. Enumerable.Range(0, count).Select(_ => random.Next(blocks))];
    }
}
