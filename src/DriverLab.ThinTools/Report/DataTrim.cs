using System.Runtime.InteropServices;
using DriverLab.Formats;
using DriverLab.Formats.PersistentData;
using DriverLab.ThinTools.Check;
using DriverLab.ThinTools.Io;
using DriverLab.ThinTools.Model;
using DriverLab.ThinTools.Trees;

namespace DriverLab.ThinTools.Report;

/// <summary>Gives the data blocks that nobody maps back to what is below the data device.</summary>
public static class DataTrim
{
    /// <summary>The free ranges of data blocks, by the data space map of metadata that a check finds sound.</summary>
    /// <exception cref="ThinToolException">The metadata is damaged; discarding by it could lose data.</exception>
    public static IReadOnlyList<(ulong Begin, ulong End)> FreeRanges(MetadataDevice device)
    {
        var (report, check) = MetadataCheck.RunForCounts(device);
        if (report.Worst is Severity.Fatal || check.DataMap is null)
            throw new ThinToolException($"{device.Name} is damaged: {report.Damages.First(damage => damage.Severity == Severity.Fatal)}; discarding by it could lose data");
        var ranges = new List<(ulong Begin, ulong End)>();
        var bitmap = new byte[MetadataBlock.Size];
        for (int i = 0; i < check.DataMap.Entries.Count; i++)
        {
            ulong first = (ulong)i * SpaceMapBitmap.EntriesPerBlock;
            int count = (int)Math.Min(SpaceMapBitmap.EntriesPerBlock, check.DataMap.Root.BlockCount.Value - first);
            device.Read(check.DataMap.Entries[i].BitmapBlock.Value, bitmap);
            for (int j = 0; j < count; j++)
            {
                if (SpaceMapBitmap.Get(bitmap, j) != 0)
                    continue;
                ulong block = first + (ulong)j;
                if (ranges is [.., var last] && last.End == block)
                    ranges[^1] = (last.Begin, block + 1);
                else
                    ranges.Add((block, block + 1));
            }
        }
        return ranges;
    }

    /// <summary>Discards the free ranges of a block device, or makes holes of them in a file.</summary>
    /// <returns>Bytes given back.</returns>
    public static ulong Run(FileDevice metadata, string dataPath)
    {
        ulong blockBytes = ThinMetadata.Open(metadata).Superblock.DataBlockSizeSectors.Value * 512UL;
        var ranges = FreeRanges(metadata);
        using var data = FileDevice.Open(dataPath, OpenFlags.Write | OpenFlags.Exclusive);
        bool isDevice = (File.GetAttributes(dataPath) & FileAttributes.Device) != 0;
        ulong total = 0;
        foreach (var (begin, end) in ranges)
        {
            ulong from = begin * blockBytes, to = Math.Min(end * blockBytes, data.LengthBytes);
            if (from >= to)
                continue;
            Discard(data, isDevice, from, to - from);
            total += to - from;
        }
        return total;
    }

    private static unsafe void Discard(FileDevice data, bool isDevice, ulong from, ulong length)
    {
        int fd = (int)data.Handle.DangerousGetHandle();
        ulong* range = stackalloc ulong[] { from, length };
        int result = isDevice ? Libc.Ioctl(fd, Libc.BLKDISCARD, range) : Libc.Fallocate(fd, Libc.FALLOC_FL_KEEP_SIZE | Libc.FALLOC_FL_PUNCH_HOLE, (long)from, (long)length);
        if (result != 0)
            throw new ThinToolException($"{data.Name}: bytes {from} to {from + length - 1} cannot be discarded: {Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError())}");
    }
}
