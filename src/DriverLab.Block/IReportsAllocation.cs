namespace DriverLab.Block;

/// <summary>A device that knows which of its sectors take space; the others read as zeros. NBD's block status and copies of whole devices ask.</summary>
public interface IReportsAllocation
{
    /// <summary>Tells about the sectors from one on.</summary>
    /// <param name="sector">The first one.</param>
    /// <param name="mostSectors">How many matter.</param>
    /// <param name="sectors">How many, from the first one on, are the same; at least 1.</param>
    /// <returns>True when they take space.</returns>
    bool IsAllocated(long sector, long mostSectors, out long sectors);
}
