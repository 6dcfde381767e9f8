using DriverLab.Block;
using DriverLab.Block.Devices;
using DriverLab.DeviceMapper;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Vfs;
using static DriverLab.Emulator.Devices.BlockSysfs;

namespace DriverLab.Emulator.Devices;

/// <summary>The files of a device's folder queue in /sys, in the order of their names.</summary>
/// <remarks>Linux block/blk-sysfs.c: queue_attrs, blk_mq_queue_attrs; Documentation/ABI/stable/sysfs-block. What says since when a file is there was seen on the kernels of both sides.</remarks>
internal sealed class QueueAttributes(KernelProfile profile)
{
    internal const Mode Writable = (Mode)0x1A4;
    private const Mode ReadOnly = (Mode)0x124;

    private readonly Attribute[] _attributes = [.. s_all.Where(a => profile.AtLeast(a.Major, a.Minor))];

    /// <summary>Devices that take bios have no files about requests (seen on 6.12, not on 6.1).</summary>
    private readonly bool _hasOwnSets = profile.AtLeast(6, 12);

    /// <summary>The files of a disk.</summary>
    public IEnumerable<SysfsFile> Of(BlockDevice device) => _attributes.Where(a => !a.OfRequests || device.IsRequestBased || !_hasOwnSets)
        .Select(a => new SysfsFile(a.Name, _ => a.Text is { } text ? text(device, profile) + "\n" : throw new NotModelledException($"/sys/block/{device.Name}/queue/{a.Name}")) { Mode = a.Mode });

    private sealed record Attribute(string Name, Func<BlockDevice, KernelProfile, string>? Text, Mode Mode = ReadOnly, int Major = 0, int Minor = 0, bool OfRequests = false);

    private static readonly Attribute[] s_all =
    [
        new("add_random", static (d, _) => Flag(d.Limits.AddRandom), Writable),
        new("async_depth", null, Writable, 7, OfRequests: true),
        Zero("atomic_write_boundary_bytes", 6, 11),
        Zero("atomic_write_max_bytes", 6, 11),
        Zero("atomic_write_unit_max_bytes", 6, 11),
        Zero("atomic_write_unit_min_bytes", 6, 11),
        new("chunk_sectors", static (d, _) => Number(d.Limits.ChunkSectors)),
        Zero("dax"),
        new("discard_granularity", static (d, _) => Number(d.Limits.DiscardGranularity)),
        new("discard_max_bytes", static (d, _) => Bytes(d.Limits.MaxDiscardSectors), Writable),
        new("discard_max_hw_bytes", static (d, _) => Bytes(d.Limits.MaxHwDiscardSectors)),
        Zero("discard_zeroes_data"),
        new("dma_alignment", static (_, _) => "511", Major: 6),
        new("fua", static (d, _) => Flag(d.Limits.Fua)),
        new("hw_sector_size", static (d, _) => Number(d.Limits.LogicalBlockSize)),
        new("io_poll", static (d, _) => Flag(d.Limits.Poll), Writable),
        new("io_poll_delay", static (d, p) => d.IsRequestBased || p.AtLeast(6, 12) ? "-1" : "0", Writable),
        new("iostats", static (d, p) => Flag(d.IsRequestBased || (d is MappedDevice && p.AtLeast(6, 12))), Writable),
        new("iostats_passthrough", static (_, _) => "0", Writable, 6, 13),
        new("logical_block_size", static (d, _) => Number(d.Limits.LogicalBlockSize)),
        new("max_discard_segments", static (d, _) => Number(d.Limits.MaxDiscardSegments)),
        new("max_hw_sectors_kb", static (d, _) => Number(d.Limits.MaxHwSectors >> 1)),
        Zero("max_integrity_segments"),
        new("max_sectors_kb", static (d, _) => Number(d.Limits.MaxSectors >> 1), Writable),
        new("max_segment_size", static (d, _) => Number(d.Limits.MaxSegmentSize)),
        new("max_segments", static (d, _) => Number(d.Limits.MaxSegments)),
        Zero("max_write_streams", 6, 16),
        new("minimum_io_size", static (d, _) => Number(d.Limits.IoMin)),
        new("nomerges", static (d, p) => d is LoopDevice { Merges: false } && !p.AtLeast(6, 0) ? "2" : "0", Writable),
        new("nr_requests", null, Writable, OfRequests: true),
        Zero("nr_zones"),
        new("optimal_io_size", static (d, _) => Number(d.Limits.IoOpt)),
        new("physical_block_size", static (d, _) => Number(d.Limits.PhysicalBlockSize)),
        new("read_ahead_kb", static (d, _) => Number(d.ReadAheadSectors >> 1), Writable),
        new("rotational", static (d, _) => Flag(!d.Limits.NonRotational), Writable),
        new("rq_affinity", null, Writable, OfRequests: true),
        new("scheduler", null, Writable, OfRequests: true),
        new("stable_writes", static (d, _) => Flag(d.Limits.StableWrites), Writable),
        new("virt_boundary_mask", static (_, _) => "0", Major: 6),
        new("wbt_lat_usec", null, Writable, OfRequests: true),
        new("write_cache", static (d, _) => d.Limits.WriteCache ? "write back" : "write through", Writable),
        Zero("write_same_max_bytes"),
        Zero("write_stream_granularity", 6, 16),
        new("write_zeroes_max_bytes", static (d, _) => Bytes(d.Limits.MaxWriteZeroesSectors)),
        new("write_zeroes_unmap_max_bytes", static (_, _) => "0", Writable, 6, 17),
        Zero("write_zeroes_unmap_max_hw_bytes", 6, 17),
        Zero("zone_append_max_bytes"),
        Zero("zone_write_granularity"),
        new("zoned", static (_, _) => "none"),
    ];

    /// <summary>Of what no modelled device can do.</summary>
    private static Attribute Zero(string name, int major = 0, int minor = 0) => new(name, static (_, _) => "0", ReadOnly, major, minor);

    private static string Bytes(uint sectors) => Number((long)sectors << 9);
}
