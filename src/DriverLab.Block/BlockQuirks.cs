using DriverLab.Linux;

namespace DriverLab.Block;

/// <summary>Where block layer, loop and RAM disk differ between kernels.</summary>
public sealed record BlockQuirks
{
    /// <summary>BLKDISCARD copies its range first, then asks whether the device can, and looks at its read-only state before it looks at the range (seen on 6.12, not on 6.1).</summary>
    public bool DiscardChecksFirst { get; init; }

    /// <summary>LOOP_CHANGE_FD drops what is cached of the old file (5.15: "loop: raise media_change event"; seen on 6.1, not on 5.10).</summary>
    public bool LoopChangeIsNewMedium { get; init; }

    /// <summary>
    /// The first open after a loop device got a file writes back what is cached and drops it, also when others have had the device open all the time (5.15: "loop: raise media_change event"; seen
    /// on 6.1.192, 6.16.12 and 6.17.13, not on 5.10.262, 6.12.118, 7.2.12 and 7.3.4).
    /// </summary>
    public bool LoopOpenLooksAnew { get; init; }

    /// <summary>LOOP_CLR_FD only marks the device; the last close detaches (6.10: "loop: Fix a race between loop detach and loop open").</summary>
    public bool LoopClearsAtClose { get; init; }

    /// <summary>The RAM disk frees pages on discard (6.10: "brd: implement discard support").</summary>
    public bool RamDiskDiscards { get; init; }

    /// <summary>LOOP_CHANGE_FD looks at the device before it looks for the new file (seen on 5.10.262, not on 6.1.192).</summary>
    public bool LoopChangeLooksFirst { get; init; }

    /// <summary>A loop device over a file discards in blocks of the size that the file system's super block holds, which may be 0; else of the one that statfs tells (seen on 5.10.262, not on 6.1.192).</summary>
    public bool LoopAsksSuperBlock { get; init; }

    /// <summary>Direct I/O of a loop device over a device needs blocks as large as that one's (seen on 6.1.192, not on 5.10.262).</summary>
    public bool LoopDirectFitsDevice { get; init; }

    /// <summary>BLKRRPART looks whether a disk is scanned at all before it looks who asks (seen on 5.10.262, not on 6.1.192).</summary>
    public bool RereadLooksFirst { get; init; }

    /// <summary>BLKRRPART says nothing of a table that cannot be read (seen on 5.10.262 and 6.1.192, not on 6.12.118).</summary>
    public bool RereadHidesErrors { get; init; }

    /// <summary>A loop device without a file counts as non-rotational (seen on 6.12, not on 6.1).</summary>
    public bool UnboundLoopIsNonRotational { get; init; }

    /// <summary>A loop device keeps its write cache when it is detached (seen on 6.12, not on 6.1).</summary>
    public bool LoopKeepsWriteCache { get; init; }

    /// <summary>Reading a loop device beyond the end of a file that has shrunk is an error, where 6.1 gives zeros (seen on 6.12.117).</summary>
    public bool LoopShortReadFails { get; init; }

    /// <summary>A loop device stops offering what the file's fallocate once refused (6.11: loop_clear_limits()).</summary>
    public bool LoopLearnsLimits { get; init; }

    /// <summary>LOOP_SET_BLOCK_SIZE takes 0 for the size that an attach without a size gives, which is that of a device below as long as the loop device is direct (6.11: loop_reconfigure_limits()).</summary>
    public bool LoopBlockSizeZeroIsDefault { get; init; }
    /// <summary>A block size that is refused has emptied the cache by then (seen on 6.12, not on 6.1).</summary>
    public bool LoopChecksBlockSizeLast { get; init; }

    /// <summary>A bio that is not made of whole logical blocks fails before a request is made of it, as that of a cached block at an end within a block (6.11: blk_mq_submit_bio(), bio_unaligned()).</summary>
    public bool RequestsAreWholeBlocks { get; init; }

    /// <summary>BLKPG does not look whether a partition ends on the disk (seen on 6.1.192, not on 6.12).</summary>
    public bool PartitionsMayLieBeyondTheEnd { get; init; }

    /// <summary>
    /// Direct I/O of a loop device needs an offset in whole sectors also where the file system names no alignment, and a file that was opened past the cache counts for the size of blocks, when none
    /// is asked for, as one that the caller wants to be used so (seen on 6.16.12 and 6.18, not on 6.12; loop_query_min_dio_size() came with 6.15).
    /// </summary>
    public bool LoopDirectNeedsSectors { get; init; }

    /// <summary>Largest logical block size, in bytes (6.15 lets it exceed a page).</summary>
    public uint LargestBlockSize { get; init; }

    /// <summary>A disk has one read-only state, which BLKROSET and the driver both change (until 5.10; 5.11: "block: add a hard-readonly flag to struct gendisk").</summary>
    public bool OneReadOnlyState { get; init; }

    /// <summary>The driver is asked before the block layer does what BLKFLSBUF and BLKROSET say (until 5.10; 5.11: "block: don't call into the driver for BLKFLSBUF", "block: don't call into the driver for BLKROSET").</summary>
    public bool DriverIsAskedFirst { get; init; }

    /// <summary>BLKSECDISCARD goes the way of BLKDISCARD, with its checks, before it says that a device cannot (5.10; BLKSECDISCARD has a way of its own since 5.19: "block: decouple REQ_OP_SECURE_ERASE from REQ_OP_DISCARD").</summary>
    public bool SecureDiscardIsADiscard { get; init; }

    /// <summary>LOOP_CTL_REMOVE of a negative number removes some unbound device (seen on 5.10; 5.14: "loop: reject deleting an unspecified loop device").</summary>
    public bool LoopRemovesUnspecified { get; init; }

    /// <summary>Of the size that LOOP_SET_BLOCK_SIZE is given 32 bits count (seen on 6.12, not on 6.1).</summary>
    public bool LoopBlockSizeHas32Bits { get; init; }

    /// <summary>A loop device flushes its file when it gets it and when direct I/O is switched on (seen on 6.16, not on 6.12); before whenever direct I/O is switched on or off.</summary>
    public bool LoopFlushesAtStart { get; init; }

    /// <summary>LOOP_SET_BLOCK_SIZE is EBUSY while another holds the device exclusively (6.17, and in stable 6.1 and 6.12: "loop: Avoid updating block size under exclusive owner"; not on 5.10.262).</summary>
    public bool LoopBlockSizeHonoursOwner { get; init; }

    /// <summary>BLKDISCARD does not see that start and length overflow, and discards for days (seen on 5.10.262, not on 6.1).</summary>
    public bool DiscardRangeWraps { get; init; }

    /// <summary>fallocate ends with EBUSY when a page of the range is dirty afterwards, as one covered in part can be (seen on 5.10.262, not on 6.1).</summary>
    public bool FallocateLeavesNoDirtyPage { get; init; }

    /// <summary>The log tells a change of capacity in bytes, not in sectors (seen on 5.10.262, not on 6.1).</summary>
    public bool CapacityIsToldInBytes { get; init; }

    /// <summary>
    /// Pages of a device are cached in folios that are valid or not as one (6.15: "block/bdev: enable large folio support for large logical block sizes"): the order of those that read-ahead
    /// makes first. 2 on 6.16.12; 0 on 6.17.13, 7.2.12 and 7.3.4 ("mm/readahead: honour new_order in page_cache_ra_order()"). Null: single pages.
    /// </summary>
    public int? FirstFolioOrder { get; init; }

    /// <summary>The page behind a window of read-ahead, or at its mark, asks for the next window whether it is there or not (seen on 5.10 and 6.1, not on 6.12; 6.11: "readahead: disentangle async and sync readahead").</summary>
    public bool WindowsFollow { get; init; }

    /// <summary>
    /// What requests are cut to, in sectors, however much a device takes, unless its best or smallest request is larger (6.11: limits are validated when they are set, blk_validate_limits()): 2560
    /// on 6.12 and 6.16, 8192 on 6.17, 7.2 and 7.3. 0: only what a driver says.
    /// </summary>
    public uint RequestCap { get; init; }

    /// <summary>Limits that are set never make the read-ahead smaller (seen on 6.12, not on 6.1).</summary>
    public bool ReadAheadOnlyGrows { get; init; }

    /// <summary>What goes to a device without sectors fails (6.5; seen on 6.1.192 and later, not on 5.10.262). Before it is left to the driver.</summary>
    public bool EmptyDeviceRefuses { get; init; }

    /// <summary>Nothing is said of requests to a device without sectors ("block: tone down bio_check_eod"; seen on 6.17.13 and later, not on 6.16.12).</summary>
    public bool EmptyDeviceIsQuiet { get; init; }

    /// <summary>The log tells where a request beyond the end ends, and no task (seen on 5.10); since then the task, where the request begins and how long it is (5.19).</summary>
    public bool EndIsToldAsWanted { get; init; }

    /// <summary>A direct read that is waited for is marked as such (seen on 6.1, not on 5.10).</summary>
    public bool DirectReadsAreSync { get; init; }

    /// <summary>BLKGETDISKSEQ (5.15; seen on 6.1, not on 5.10).</summary>
    public bool DisksAreCounted { get; init; }

    /// <summary>Who may write may reserve, and partitions refuse before anything else is looked at (6.5: "block: don't allow non-root PR" with its follow-up; seen on 6.12, not on 6.1).</summary>
    public bool WritersReserve { get; init; }

    /// <summary>Zeros are written when the device's own way fails for whatever reason; since 6.11 only when it cannot.</summary>
    public bool ZeroOutFallsBackAlways { get; init; }

    /// <summary>The bit of REQ_NOUNMAP (23 on 5.10, 27 on 6.1, 29 on 6.17, else 28).</summary>
    public int NoUnmapBit { get; init; } = 28;

    /// <summary>The quirks of a kernel.</summary>
    public static BlockQuirks For(KernelProfile profile) => new()
    {
        DiscardChecksFirst = profile.AtLeast(6, 11),
        LoopChangeIsNewMedium = profile.AtLeast(5, 15),
        LoopOpenLooksAnew = profile.AtLeast(5, 15) && !profile.AtLeast(6, 18) && profile.Version.Line != "6.12",
        LoopClearsAtClose = profile.AtLeast(6, 10),
        RamDiskDiscards = profile.AtLeast(6, 10),
        LoopChangeLooksFirst = !profile.AtLeast(5, 11),
        LoopAsksSuperBlock = !profile.AtLeast(5, 11),
        LoopDirectFitsDevice = profile.AtLeast(5, 11),
        RereadLooksFirst = !profile.AtLeast(5, 11),
        RereadHidesErrors = !profile.AtLeast(6, 11),
        UnboundLoopIsNonRotational = profile.AtLeast(6, 11),
        LoopKeepsWriteCache = profile.AtLeast(6, 11),
        LoopShortReadFails = profile.AtLeast(6, 12),
        LoopLearnsLimits = profile.AtLeast(6, 11),
        LoopBlockSizeZeroIsDefault = profile.AtLeast(6, 11),
        LoopChecksBlockSizeLast = profile.AtLeast(6, 11),
        RequestsAreWholeBlocks = profile.AtLeast(6, 11),
        PartitionsMayLieBeyondTheEnd = !profile.AtLeast(6, 8),
        LoopDirectNeedsSectors = profile.AtLeast(6, 15),
        LoopFlushesAtStart = profile.AtLeast(6, 15),
        LoopBlockSizeHas32Bits = profile.AtLeast(6, 11),
        LoopBlockSizeHonoursOwner = profile.AtLeast(6, 1),
        DiscardRangeWraps = !profile.AtLeast(5, 11),
        FallocateLeavesNoDirtyPage = !profile.AtLeast(5, 11),
        FirstFolioOrder = profile.AtLeast(6, 17) ? 0 : profile.AtLeast(6, 15) ? 2 : null,
        WindowsFollow = !profile.AtLeast(6, 11),
        CapacityIsToldInBytes = !profile.AtLeast(5, 11),
        OneReadOnlyState = !profile.AtLeast(5, 11),
        DriverIsAskedFirst = !profile.AtLeast(5, 11),
        SecureDiscardIsADiscard = !profile.AtLeast(5, 19),
        LoopRemovesUnspecified = !profile.AtLeast(5, 14),
        ReadAheadOnlyGrows = profile.AtLeast(6, 11),
        RequestCap = profile.AtLeast(6, 17) ? 8192u : profile.AtLeast(6, 11) ? 2560u : 0,
        EmptyDeviceRefuses = profile.AtLeast(6, 1),
        EmptyDeviceIsQuiet = profile.AtLeast(6, 17),
        EndIsToldAsWanted = !profile.AtLeast(5, 19),
        DisksAreCounted = profile.AtLeast(5, 15),
        WritersReserve = profile.AtLeast(6, 5),
        DirectReadsAreSync = profile.AtLeast(5, 11),
        ZeroOutFallsBackAlways = !profile.AtLeast(6, 11),
        NoUnmapBit = profile.AtLeast(6, 17) && !profile.AtLeast(6, 18) ? 29 : profile.AtLeast(6, 11) ? 28 : profile.AtLeast(5, 19) ? 27 : 23,
        LargestBlockSize = profile.AtLeast(6, 15) ? 65536u : 4096u,
    };
}
