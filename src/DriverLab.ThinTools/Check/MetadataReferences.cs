using DriverLab.Formats.PersistentData;
using DriverLab.ThinTools.Io;

namespace DriverLab.ThinTools.Check;

/// <summary>How often each metadata block is referred to. Several threads may add.</summary>
internal sealed class MetadataReferences(MetadataDevice device)
{
    private readonly int[] _counts = new int[Math.Min(device.BlockCount, MetadataDevice.MaxPoolBlocks)];
    private readonly byte[] _page = new byte[SpaceMapBitmap.EntriesPerBlock];

    /// <summary>Counts one more reference; true when it is the first.</summary>
    public bool Add(ulong block) => block >= (ulong)_counts.Length || Interlocked.Increment(ref _counts[block]) == 1;

    public uint this[ulong block] => block < (ulong)_counts.Length ? (uint)_counts[block] : 0;

    /// <summary>Blocks with a reference.</summary>
    public ulong InUse => (ulong)(_counts.Length - _counts.AsSpan().Count(0));

    /// <summary>The counts of the blocks of one bitmap, 255 for 255 and more; good until the next call.</summary>
    public ReadOnlySpan<byte> Page(int page)
    {
        int first = page * SpaceMapBitmap.EntriesPerBlock;
        if (first >= _counts.Length)
            return [];
        var counts = _counts.AsSpan(first, Math.Min(SpaceMapBitmap.EntriesPerBlock, _counts.Length - first));
        Array.Clear(_page);
        for (int i = 0; i < counts.Length; i++)
            _page[i] = (byte)Math.Min(counts[i], byte.MaxValue);
        return _page;
    }
}
