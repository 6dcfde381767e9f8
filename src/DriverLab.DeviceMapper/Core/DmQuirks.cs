using DriverLab.Linux;

namespace DriverLab.DeviceMapper;

/// <summary>Where device-mapper differs between kernels.</summary>
public sealed record DmQuirks
{
    /// <summary>Version of the control interface: major, minor, patch.</summary>
    public (uint Major, uint Minor, uint Patch) Interface { get; init; }

    /// <summary>zero and error take discards (6.4: "dm zero: add discard support", "dm error: add discard support").</summary>
    public bool ZeroAndErrorDiscard { get; init; }

    /// <summary>error names its devices, so that it can stand above zoned ones (6.7: "dm error: Add support for zoned block devices").</summary>
    public bool ErrorHasDevices { get; init; }

    /// <summary>Names "control", "." and ".." are refused (6.5: "dm: don't allow device names that conflict with the control node").</summary>
    public bool RefusesSpecialNames { get; init; }

    /// <summary>A path that names no device gives the walk's own error, not ENODEV (6.5: "dm: remove dm_get_dev_t").</summary>
    public bool PathErrorsPass { get; init; }

    /// <summary>A table may not name its own device (6.5).</summary>
    public bool RefusesSelf { get; init; }

    /// <summary>The search for a free data block starts at the first one after each commit (until 5.12; 5.13: "dm space maps: don't reset space map allocation cursor when committing").</summary>
    public bool DataCursorRestarts { get; init; }

    /// <summary>A thin device's largest discard is counted in its blocks (6.4: "dm thin: speed up cell_defer_no_holder()" and its neighbours), not 16 GiB.</summary>
    public bool ThinDiscardsByBlocks { get; init; }

    /// <summary>delay may use a thread of its own (6.7: "dm delay: for short delays, use kthread instead of timers and wq").</summary>
    public bool DelayHasThread { get; init; }

    /// <summary>flakey knows error_reads and the random corruptions (6.6: "dm flakey: introduce random_read_corrupt and random_write_corrupt options").</summary>
    public bool FlakeyCorruptsAtRandom { get; init; }

    /// <summary>flakey corrupts no read that a request-based driver has served: the end of a request leaves nothing to look at (until "dm-flakey: make corrupting read bios work"; seen on 6.1.192, not on 6.12.118).</summary>
    public bool FlakeyMissesRequestReads { get; init; }

    /// <summary>An alignment offset counts within a physical block only (6.11: limits are validated when they are set, blk_validate_limits()).</summary>
    public bool AlignmentWithinBlock { get; init; }

    /// <summary>The quirks of a kernel.</summary>
    public static DmQuirks For(KernelProfile profile) => new()
    {
        Interface = profile.AtLeast(6, 14) ? (4u, 49u, 0u) : profile.AtLeast(6, 4) ? (4u, 48u, 0u) : profile.AtLeast(5, 18) ? (4u, 47u, 0u) : (4u, 43u, 0u),
        ZeroAndErrorDiscard = profile.AtLeast(6, 4),
        ErrorHasDevices = profile.AtLeast(6, 7),
        RefusesSpecialNames = profile.AtLeast(6, 5),
        PathErrorsPass = profile.AtLeast(6, 5),
        RefusesSelf = profile.AtLeast(6, 5),
        DataCursorRestarts = !profile.AtLeast(5, 13),
        ThinDiscardsByBlocks = profile.AtLeast(6, 4),
        AlignmentWithinBlock = profile.AtLeast(6, 11),
        FlakeyMissesRequestReads = !profile.AtLeast(6, 12),
        DelayHasThread = profile.AtLeast(6, 7),
        FlakeyCorruptsAtRandom = profile.AtLeast(6, 6),
    };
}
