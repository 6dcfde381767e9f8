using DriverLab.Linux;

namespace DriverLab.Block;

/// <summary>Where block layer, loop and RAM disk differ between kernels.</summary>
public sealed record BlockQuirks
{
    /// <summary>BLKDISCARD looks at the device's read-only state before it looks at the range (seen on 6.12, not on 6.1).</summary>
    public bool DiscardChecksReadOnlyFirst { get; init; }

    /// <summary>LOOP_CLR_FD only marks the device; the last close detaches (6.10: "loop: Fix a race between loop detach and loop open").</summary>
    public bool LoopClearsAtClose { get; init; }

    /// <summary>The RAM disk frees pages on discard (6.10: "brd: implement discard support").</summary>
    public bool RamDiskDiscards { get; init; }

    /// <summary>A loop device without a file counts as non-rotational (seen on 6.12, not on 6.1).</summary>
    public bool UnboundLoopIsNonRotational { get; init; }

    /// <summary>A loop device keeps write cache and rotation when it is detached (seen on 6.12, not on 6.1).</summary>
    public bool LoopKeepsFeatures { get; init; }

    /// <summary>Reading a loop device beyond the end of a file that has shrunk is an error, where 6.1 gives zeros (seen on 6.12.117).</summary>
    public bool LoopShortReadFails { get; init; }

    /// <summary>A loop device stops offering what the file's fallocate once refused (6.11: loop_clear_limits()).</summary>
    public bool LoopLearnsLimits { get; init; }

    /// <summary>LOOP_SET_BLOCK_SIZE takes 0 for the size that an attach without a size gives (6.11: loop_reconfigure_limits()).</summary>
    public bool LoopBlockSizeZeroIsDefault { get; init; }

    /// <summary>Direct I/O of a loop device needs an offset in whole sectors also where the file system names no alignment (seen on 6.18, not on 6.12; loop_query_min_dio_size() came with 6.15).</summary>
    public bool LoopDirectNeedsSectors { get; init; }

    /// <summary>Largest logical block size, in bytes (6.15 lets it exceed a page).</summary>
    public uint LargestBlockSize { get; init; }

    /// <summary>The quirks of a kernel.</summary>
    public static BlockQuirks For(KernelProfile profile) => new()
    {
        DiscardChecksReadOnlyFirst = profile.AtLeast(6, 11),
        LoopClearsAtClose = profile.AtLeast(6, 10),
        RamDiskDiscards = profile.AtLeast(6, 10),
        UnboundLoopIsNonRotational = profile.AtLeast(6, 11),
        LoopKeepsFeatures = profile.AtLeast(6, 11),
        LoopShortReadFails = profile.AtLeast(6, 12),
        LoopLearnsLimits = profile.AtLeast(6, 11),
        LoopBlockSizeZeroIsDefault = profile.AtLeast(6, 11),
        LoopDirectNeedsSectors = profile.AtLeast(6, 15),
        LargestBlockSize = profile.AtLeast(6, 15) ? 65536u : 4096u,
    };
}
