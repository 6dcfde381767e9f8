namespace DriverLab.DeviceMapper.PersistentData;

/// <summary>Blocks in memory by number: a look-up costs one read of memory, however many there are.</summary>
internal sealed class BlockTable
{
    private const int PageBits = 6, PageSize = 1 << PageBits;

    /// <summary>A pool's metadata end before this; only damaged metadata on a larger device lead beyond.</summary>
    private const ulong NearBlocks = 1 << 22;

    private MetadataBuffer?[]?[] _pages = [];
    private Dictionary<ulong, MetadataBuffer>? _far;

    /// <summary>The block; null when it is not in memory.</summary>
    public MetadataBuffer? this[ulong number]
    {
        get
        {
            ulong page = number >> PageBits;
            if (page < (ulong)_pages.Length)
                return _pages[page] is { } slots ? slots[number & (PageSize - 1)] : null;
            return _far?.GetValueOrDefault(number);
        }
    }

    public void Add(MetadataBuffer buffer) => Set(buffer.Number, buffer);

    public void Remove(ulong number) => Set(number, null);

    private void Set(ulong number, MetadataBuffer? buffer)
    {
        if (number >= NearBlocks)
        {
            _far ??= [];
            if (buffer is null)
                _ = _far.Remove(number);
            else
                _far[number] = buffer;
            return;
        }
        ulong page = number >> PageBits;
        if (page >= (ulong)_pages.Length)
            Array.Resize(ref _pages, Math.Max((int)page + 1, 2 * _pages.Length));
        (_pages[page] ??= new MetadataBuffer?[PageSize])[number & (PageSize - 1)] = buffer;
    }
}
