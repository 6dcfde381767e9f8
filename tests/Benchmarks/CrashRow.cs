using System.Buffers.Binary;
using System.Globalization;
using DriverLab.Block;
using DriverLab.Block.Crash;
using DriverLab.Block.Devices;
using DriverLab.Linux;
using DriverLab.Simulation;

namespace DriverLab.Benchmarks;

/// <summary>Crash states of a small stack: built, brought up as a disk of a new block layer, read through bios and judged. Beside it, what it costs to write each state out as a whole image.</summary>
internal static class CrashRow
{
    private const int Records = 256, RecordBytes = 4096, FlushEvery = 8, DiskBytes = 1 << 20;
    private static readonly KernelProfile s_profile = new("6.12", new KernelVersion(6, 12));

    public static int Print(TextWriter output)
    {
        var (log, synced) = Workload();
        var sweep = new CrashSweep(log, (DiskBytes >> 9, ReadOnlyMemory<byte>.Empty));
        var options = new CrashSweepOptions { Reorderings = 64 };
        output.WriteLine($"{"states of 1 MiB, 256 records, a flush every 8",-46} {"states",9} {"states/s per core",18}");
        double ours = 0, copies = 0;
        for (int round = 0; round < 3; round++)
        {
            ours = Math.Max(ours, Measure(output, "brought up, read and judged", () => Judge(sweep, options, synced)));
            copies = Math.Max(copies, Measure(output, "written out whole", () => Copy(sweep, options)));
        }
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"ratio: {ours / copies:0.0}"));
        return 0;
    }

    private static double Measure(TextWriter output, string what, Func<long> run)
    {
        var begin = Environment.CpuUsage.TotalTime;
        long states = run();
        double rate = states / (Environment.CpuUsage.TotalTime - begin).TotalSeconds;
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  {what,-44} {states,9} {rate,18:0}"));
        return rate;
    }

    private static (WriteLog Log, List<(long At, int Records)> Synced) Workload()
    {
        var (layer, log, synced) = (new BlockLayer(new World(1), s_profile), new WriteLog(), new List<(long, int)>());
        var disk = new LoggedDisk(new RamDisk(layer, 0, DiskBytes >> 9), new(200, 0), "disk", log, 0);
        byte[] record = new byte[RecordBytes];
        for (int i = 0; i < Records; i++)
        {
            record.AsSpan().Fill((byte)i);
            BinaryPrimitives.WriteInt32LittleEndian(record, i + 1);
            Submit(layer, disk, BioOp.Write, i, record);
            if (i % FlushEvery != FlushEvery - 1)
                continue;
            var flush = layer.AllocBio();
            (flush.Device, flush.Op, flush.Flags) = (disk, BioOp.Flush, BioFlags.PreFlush);
            if (layer.SubmitAndWait(flush) != BlkStatus.OK)
                throw new InvalidOperationException("flush");
            synced.Add((log.Now, i + 1));
        }
        return (log, synced);
    }

    private static long Judge(CrashSweep sweep, CrashSweepOptions options, List<(long At, int Records)> synced)
    {
        byte[] record = new byte[512];
        var report = sweep.Run(options, state =>
        {
            var layer = new BlockLayer(new World(1), s_profile);
            var disk = state.Disk(0, layer, new(200, 0), "disk");
            int safe = synced.FindLast(s => s.At <= state.Cut).Records;
            for (int i = Math.Max(0, safe - FlushEvery); i < Math.Min(Records, safe + FlushEvery); i++)
            {
                Submit(layer, disk, BioOp.Read, i, record);
                int found = BinaryPrimitives.ReadInt32LittleEndian(record);
                if (found != i + 1 && (i < safe || found != 0))
                    return $"record {i}: found {found}";
            }
            return null;
        });
        return report.Failures.Count == 0 ? report.States : throw new InvalidOperationException(report.Failures[0].Message);
    }

    private static long Copy(CrashSweep sweep, CrashSweepOptions options)
    {
        byte[] image = new byte[DiskBytes];
        long states = 0;
        foreach (var state in sweep.States(options))
        {
            state.CopyTo(0, new MemoryStream(image));
            states++;
        }
        return states;
    }

    private static void Submit(BlockLayer layer, BlockDevice disk, BioOp op, int record, byte[] data)
    {
        var bio = layer.AllocBio();
        (bio.Device, bio.Op, bio.Sector, bio.Sectors, bio.Data) = (disk, op, record * (RecordBytes >> 9), data.Length >> 9, data);
        if (layer.SubmitAndWait(bio) != BlkStatus.OK)
            throw new InvalidOperationException($"{op} of record {record}");
    }
}
