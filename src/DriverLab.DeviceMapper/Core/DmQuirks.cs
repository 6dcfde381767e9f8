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

    /// <summary>Names "control", "." and ".." are refused, and the log says what is wrong with a name (6.5: "dm: don't allow device names that conflict with the control node").</summary>
    public bool RefusesSpecialNames { get; init; }

    /// <summary>
    /// The rows of a table that is loaded must be aligned and lie behind each other, and the log says what is wrong with them (6.5: "dm ioctl: structs and parameter strings must not overlap" and its
    /// neighbours; seen on 6.12.118, not on 6.1.192).
    /// </summary>
    public bool ControlIsStrict { get; init; }

    /// <summary>
    /// A row of a status that fits, but whose end does not when it is aligned, says that there was no room and names no next row (seen on 5.10.262, 6.1.192, 6.12.118, 7.2.12 and 7.3.4, not on
    /// 6.16.12 and 6.17.13).
    /// </summary>
    public bool RowsEndAligned { get; init; }

    /// <summary>
    /// Devices are listed in the order of a hash of their names, all of them and without uuids (seen on 5.10.262, not on 6.1.192; 5.13: "dm ioctl: replace device hash with red-black tree", "dm ioctl:
    /// return UUID in DM_LIST_DEVICES_CMD result", "dm ioctl: filter the returned values according to name or uuid prefix").
    /// </summary>
    public bool DevicesAreHashed { get; init; }

    /// <summary>The versions of target types need as much room as they take, where older kernels want seven bytes more for each (seen on 7.3.4, not on 7.2.12).</summary>
    public bool VersionsFitExactly { get; init; }

    /// <summary>The log tells neither of a wrong size of a request nor of a device that is named twice (seen on 5.10.262, not on 6.1.192).</summary>
    public bool ControlIsTerse { get; init; }

    /// <summary>A path that names no device gives the walk's own error, not ENODEV (6.5: "dm: remove dm_get_dev_t").</summary>
    public bool PathErrorsPass { get; init; }

    /// <summary>A table may not name its own device (6.5).</summary>
    public bool RefusesSelf { get; init; }

    /// <summary>Workers get the processor between the pieces of a bio that is split (seen on 5.10.262 with one processor, not on 6.1).</summary>
    public bool WorkersRunBetweenPieces { get; init; }

    /// <summary>A data block that becomes free counts as free at once only if it was free at the last commit (seen on 5.10.262, not on 6.1; 5.13 counts what a range of changes frees: dm-space-map-common.c).</summary>
    public bool FreedBlocksAreLookedUp { get; init; }

    /// <summary>A block that nobody uses is given up once more: the log speaks of the count and not of the block (seen on 5.10.262, not on 6.1.192).</summary>
    public bool CountsBelowZeroAreTold { get; init; }

    /// <summary>Each change of a bitmap goes into the index tree of the data space map at once, not at the commit (until 5.12; 5.13: "dm space map disk: cache a small number of index entries").</summary>
    public bool BitmapIndexIsWrittenThrough { get; init; }

    /// <summary>That there is a metadata snapshot already is found out after a block was taken for the copy (seen on 6.16.12 and 6.17.13; mended on 5.10.262, 6.1.192, 6.12.118 and from 7.2 on).</summary>
    public bool HeldRootIsSeenLate { get; init; }

    /// <summary>A thin device's largest discard is counted in its blocks (6.4: "dm thin: speed up cell_defer_no_holder()" and its neighbours), not 16 GiB.</summary>
    public bool ThinDiscardsByBlocks { get; init; }

    /// <summary>flakey knows error_reads and the random corruptions (6.6: "dm flakey: introduce random_read_corrupt and random_write_corrupt options").</summary>
    public bool FlakeyCorruptsAtRandom { get; init; }

    /// <summary>flakey corrupts no read that a request-based driver has served: the end of a request leaves nothing to look at (until "dm-flakey: make corrupting read bios work"; seen on 6.1.192, not on 6.12.118).</summary>
    public bool FlakeyMissesRequestReads { get; init; }

    /// <summary>Version of the target delay: 1.5.0 since 6.16 or a little before (not on 6.12), 1.4.0 since 6.7.</summary>
    public (uint Major, uint Minor, uint Patch) DelayVersion { get; init; }

    /// <summary>linear and striped are a minor version on, 1.5.0 and 1.7.0 (6.16 or a little before, not on 6.12).</summary>
    public bool LinearIsNewer { get; init; }

    /// <summary>Version of the targets thin and thin-pool: 1.24.0 since 6.17 (not on 6.16), 1.23.0 since 6.4.</summary>
    public (uint Major, uint Minor, uint Patch) ThinVersion { get; init; }

    /// <summary>flakey refuses what is given twice and what does not go together, and says which interval and how many parameters (6.16 or a little before, not on 6.12).</summary>
    public bool FlakeyIsPrecise { get; init; }

    /// <summary>A message to a device without a table is taken and goes nowhere (seen on 6.16.12 and 6.17.13; EINVAL on 6.12 and 7.2).</summary>
    public bool MessagesWithoutTableVanish { get; init; }

    /// <summary>A refused table row's sentence ends with the error's name (5.17: "dm table: print error code").</summary>
    public bool RefusalsNameError { get; init; }

    /// <summary>The disk is there from the creation on (until 5.15; 5.16: "dm: delay registering the gendisk").</summary>
    public bool DiskAtCreation { get; init; }

    /// <summary>A first table whose limits are refused is looked at once: the type that it set stays, and later tables are not checked before they are resumed (seen on 5.10, not on 6.1).</summary>
    public bool LimitsCheckedOnce { get; init; }

    /// <summary>
    /// Stacking a row that takes discards of a granularity below a sector divides by zero. A snapshot with discard_zeroes_cow is such a row: it gives its chunk size in sectors where bytes are
    /// wanted. Seen on 6.16.12, 6.17.13, 7.2.12 and 7.3.4; up to 6.12 the kernel looks first.
    /// </summary>
    public bool TinyGranularityCrashes { get; init; }

    /// <summary>An alignment offset counts within a physical block only (6.11: limits are validated when they are set, blk_validate_limits()).</summary>
    public bool AlignmentWithinBlock { get; init; }

    /// <summary>A striped row says that requests do not cross chunks (seen on 6.12.118 and newer, not on 6.1.192).</summary>
    public bool StripesLimitRequests { get; init; }

    /// <summary>A striped row takes discards of as many whole chunks of each leg as a leg takes (seen on 7.2 and 7.3, not on 6.17).</summary>
    public bool StripesAddDiscards { get; init; }

    /// <summary>Completions are polled for where nothing below objects, as in a table without devices (6.11: features are part of the limits; seen on 6.12, not on 6.1).</summary>
    public bool PollingIsStacked { get; init; }

    /// <summary>Counts of neighbouring data blocks are changed as one (5.13).</summary>
    public bool CountsRuns { get; init; }

    /// <summary>A device is not suspended when what is dirty in its cache cannot be written (6.8: bdev_freeze()).</summary>
    public bool FreezingCanFail { get; init; }

    /// <summary>The quirks of a kernel.</summary>
    public static DmQuirks For(KernelProfile profile) => new()
    {
        Interface = profile.AtLeast(6, 16) ? (4u, 50u, 0u) : profile.AtLeast(6, 14) ? (4u, 49u, 0u) : profile.AtLeast(6, 4) ? (4u, 48u, 0u) : profile.AtLeast(5, 18) ? (4u, 47u, 0u) : (4u, 43u, 0u),
        DelayVersion = profile.AtLeast(6, 16) ? (1u, 5u, 0u) : profile.AtLeast(6, 7) ? (1u, 4u, 0u) : profile.AtLeast(5, 18) ? (1u, 3u, 0u) : (1u, 2u, 1u),
        LinearIsNewer = profile.AtLeast(6, 16),
        ThinVersion = profile.AtLeast(6, 17) ? (1u, 24u, 0u) : profile.AtLeast(6, 4) ? (1u, 23u, 0u) : (1u, 22u, 0u),
        FlakeyIsPrecise = profile.AtLeast(6, 16),
        HeldRootIsSeenLate = profile.AtLeast(6, 16) && !profile.AtLeast(6, 18),
        MessagesWithoutTableVanish = profile.AtLeast(6, 16) && !profile.AtLeast(6, 18),
        RefusalsNameError = profile.AtLeast(5, 17),
        DiskAtCreation = !profile.AtLeast(5, 16),
        FreezingCanFail = profile.AtLeast(6, 8),
        CountsRuns = profile.AtLeast(5, 13),
        LimitsCheckedOnce = !profile.AtLeast(5, 16),
        TinyGranularityCrashes = profile.AtLeast(6, 16),
        ZeroAndErrorDiscard = profile.AtLeast(6, 4),
        ErrorHasDevices = profile.AtLeast(6, 7),
        RefusesSpecialNames = profile.AtLeast(6, 5),
        ControlIsStrict = profile.AtLeast(6, 5),
        RowsEndAligned = !profile.AtLeast(6, 16) || profile.AtLeast(6, 18),
        DevicesAreHashed = !profile.AtLeast(5, 13),
        VersionsFitExactly = profile.AtLeast(7, 3),
        ControlIsTerse = !profile.AtLeast(5, 11),
        PathErrorsPass = profile.AtLeast(6, 5),
        RefusesSelf = profile.AtLeast(6, 5),
        WorkersRunBetweenPieces = !profile.AtLeast(5, 15),
        FreedBlocksAreLookedUp = !profile.AtLeast(5, 13),
        CountsBelowZeroAreTold = !profile.AtLeast(5, 13),
        BitmapIndexIsWrittenThrough = !profile.AtLeast(5, 13),
        ThinDiscardsByBlocks = profile.AtLeast(6, 4),
        AlignmentWithinBlock = profile.AtLeast(6, 11),
        FlakeyMissesRequestReads = !profile.AtLeast(6, 12),
        StripesLimitRequests = profile.AtLeast(6, 12),
        StripesAddDiscards = profile.AtLeast(7, 0),
        PollingIsStacked = profile.AtLeast(6, 11),
        FlakeyCorruptsAtRandom = profile.AtLeast(6, 6),
    };
}
