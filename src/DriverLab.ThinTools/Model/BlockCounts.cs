using System.Runtime.CompilerServices;
using DriverLab.Formats.PersistentData;

namespace DriverLab.ThinTools.Model;

/// <summary>Reference counts of blocks, one page a bitmap block of the space map, made when first needed: a large pool with few mappings costs little.</summary>
/// <param name="blockCount">Blocks that may be counted, at most 2^40.</param>
internal sealed class BlockCounts(ulong blockCount)
{
    public const int PageSize = SpaceMapBitmap.EntriesPerBlock;
    private const byte Full = byte.MaxValue;

    private readonly byte[]?[] _pages = new byte[]?[(blockCount + PageSize - 1) / PageSize];
    private Dictionary<ulong, uint>? _beyond;

    public ulong BlockCount => blockCount;

    /// <summary>Pages, the last one perhaps only partly in use.</summary>
    public int PageCount => _pages.Length;

    /// <summary>The counts of one page, 255 for 255 and more; empty when all are zero.</summary>
    public ReadOnlySpan<byte> Page(int page) => _pages[page];

    /// <summary>Counts one more reference. The block must be below <see cref="BlockCount"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Increment(ulong block)
    {
        ulong page = block / PageSize;
        ref byte count = ref (_pages[page] ?? NewPage(page))[block - page * PageSize];
        if (count < Full - 1)
            count++;
        else
            Many(ref count, block);
    }

    /// <summary>The count of one block.</summary>
    public uint this[ulong block]
    {
        get
        {
            byte count = _pages[block / PageSize] is { } page ? page[block % PageSize] : (byte)0;
            return count < Full ? count : _beyond![block];
        }
    }

    /// <summary>Adds the counts of another.</summary>
    public void Add(BlockCounts other)
    {
        for (int p = 0; p < _pages.Length; p++)
        {
            if (other._pages[p] is not { } theirs)
                continue;
            if (_pages[p] is not { } ours)
            {
                _pages[p] = theirs;
                foreach (var (block, count) in other._beyond?.Where(pair => pair.Key / PageSize == (ulong)p) ?? [])
                    (_beyond ??= [])[block] = count;
                continue;
            }
            for (int i = 0; i < PageSize; i++)
            {
                int sum = ours[i] + theirs[i];
                if (sum < Full)
                    ours[i] = (byte)sum;
                else
                    AddMany(other, ours, (ulong)p * PageSize + (ulong)i, i);
            }
        }
    }

    private void AddMany(BlockCounts other, byte[] ours, ulong block, int index)
    {
        uint sum = this[block] + other[block];
        ours[index] = Full;
        (_beyond ??= [])[block] = sum;
    }

    private byte[] NewPage(ulong page) => _pages[page] = new byte[PageSize];

    [MethodImpl(MethodImplOptions.NoInlining)]
    private void Many(ref byte count, ulong block)
    {
        _beyond ??= [];
        _beyond[block] = count == Full ? _beyond[block] + 1 : Full;
        count = Full;
    }
}
