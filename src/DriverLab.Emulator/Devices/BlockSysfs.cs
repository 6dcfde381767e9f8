using System.Globalization;
using DriverLab.Block;
using DriverLab.Block.Devices;
using DriverLab.Block.Partitions;
using DriverLab.DeviceMapper;
using DriverLab.Linux.Ioctl;
using DriverLab.Vfs;

namespace DriverLab.Emulator.Devices;

/// <summary>The folders of block devices in /sys: what the queue takes, and what loop and device-mapper add.</summary>
/// <remarks>
/// /sys/block/NAME and /sys/dev/block/MAJOR:MINOR lead to /sys/devices/virtual/block/NAME. Its folders queue, loop and dm are whole; of the folder itself only what is named here is modelled.
/// Linux block/genhd.c: disk_attrs; block/blk-sysfs.c: queue_attrs; drivers/block/loop.c: loop_attrs; drivers/md/dm-sysfs.c.
/// </remarks>
internal sealed class BlockSysfs(KernelState kernel) : ISysfsSource
{
    private const string Links = "block", Numbers = "dev/block", Folders = "devices/virtual/block";

    private readonly QueueAttributes _queue = new(kernel.Profile);

    public bool KnowsAllOf(string path) => path is Links or Numbers || (path.StartsWith(Folders + "/", StringComparison.Ordinal) && path[(path.LastIndexOf('/') + 1)..] is "queue" or "loop" or "dm");

    public bool WouldKnow(string path)
    {
        if (path.Split('/') is not [.., var disk, var name] || !path.StartsWith(Folders + "/", StringComparison.Ordinal))
            return false;
        return name is "queue" or "loop" or "dm" || (name.StartsWith(disk + "p", StringComparison.Ordinal) && name.Length > disk.Length + 1);
    }

    public IEnumerable<SysfsFile> FilesBelow(string path)
    {
        foreach (var device in kernel.Block.Devices.All)
        {
            if (device is not Partition && Overlaps(path, Links))
                yield return new($"{Links}/{device.Name}", null) { Target = $"../{Folders}/{device.Name}" };
            if (Overlaps(path, Numbers))
                yield return new($"{Numbers}/{device.Number}", null) { Target = $"../../{FolderOf(device)}" };
            string folder = FolderOf(device);
            if (IsWithin(path, folder))
                foreach (var file in FilesOf(device))
                    yield return file with { Path = $"{folder}/{file.Path}" };
            else if (Overlaps(path, folder))
                yield return File($"{folder}/dev", $"{device.Number}");
        }
    }

    /// <summary>True when one of two paths leads to the other.</summary>
    private static bool Overlaps(string path, string other) => path.Length == 0 || IsWithin(path, other) || IsWithin(other, path);

    private static bool IsWithin(string path, string folder) =>
        path.StartsWith(folder, StringComparison.Ordinal) && (path.Length == folder.Length || path[folder.Length] == '/');

    private static string FolderOf(BlockDevice device) => device is Partition part ? $"{Folders}/{part.Whole.Name}/{part.Name}" : $"{Folders}/{device.Name}";

    private IEnumerable<SysfsFile> FilesOf(BlockDevice device)
    {
        yield return File("alignment_offset", Number(AlignmentOffset(device)));
        yield return File("dev", $"{device.Number}");
        yield return File("discard_alignment", Number(DiscardAlignment(device)));
        yield return File("ro", Flag(device.IsReadOnly));
        yield return File("size", Number(device.CapacitySectors));
        if (device is Partition part)
        {
            yield return File("partition", Number(part.Entry.Number));
            yield return File("start", Number(part.Entry.Start));
            yield break;
        }
        yield return File("removable", "0");
        foreach (var file in _queue.Of(device))
            yield return file with { Path = $"queue/{file.Path}" };
        foreach (var file in device switch
        {
            LoopDevice { IsBound: true } loop => FilesOf(loop),
            MappedDevice mapped => FilesOf(mapped),
            _ => [],
        })
            yield return file;
    }

    private static long AlignmentOffset(BlockDevice device) => device.Limits.Misaligned ? -1 : device.Limits.AlignmentOffset;

    /// <remarks>Since 5.19 a disk tells its alignment offset under this name too. Linux block/genhd.c: disk_discard_alignment_show().</remarks>
    private long DiscardAlignment(BlockDevice device) =>
        kernel.Profile.AtLeast(5, 19) && device is not Partition ? AlignmentOffset(device) : device.Limits.DiscardMisaligned ? -1 : device.Limits.DiscardAlignment;

    private static SysfsFile[] FilesOf(LoopDevice loop)
    {
        var info = loop.Info;
        return
        [
            File("loop/autoclear", Flag((info.Flags & LoopFlags.LO_FLAGS_AUTOCLEAR) != 0)),
            new("loop/backing_file", reader => ((BackingFile)loop.Backing!).PathFor(reader) + "\n"),
            File("loop/dio", Flag((info.Flags & LoopFlags.LO_FLAGS_DIRECT_IO) != 0)),
            File("loop/offset", Number((long)info.Offset)),
            File("loop/partscan", Flag((info.Flags & LoopFlags.LO_FLAGS_PARTSCAN) != 0)),
            File("loop/sizelimit", Number((long)info.SizeLimit)),
        ];
    }

    private static SysfsFile[] FilesOf(MappedDevice device) =>
    [
        File("dm/name", device.DmName),
        File("dm/rq_based_seq_io_merge_deadline", "0") with { Mode = QueueAttributes.Writable },
        File("dm/suspended", Flag(device.IsSuspended)),
        File("dm/use_blk_mq", "1"),
        File("dm/uuid", device.Uuid),
    ];

    internal static SysfsFile File(string path, string text) => new(path, _ => text + "\n");

    internal static string Flag(bool value) => value ? "1" : "0";

    internal static string Number(long value) => value.ToString(CultureInfo.InvariantCulture);
}
