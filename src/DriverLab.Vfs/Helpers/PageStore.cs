using DriverLab.Linux.Abi;

namespace DriverLab.Vfs.Helpers;

/// <summary>Pages that are not in use, kept for the next file of this thread's kernels.</summary>
/// <remarks>Kernels that live for one short program would else have the collector move their pages about for most of the time.</remarks>
public sealed class PagePool
{
    private const int Kept = 2048;

    [ThreadStatic]
    private static PagePool? t_mine;

    private readonly Stack<byte[]> _free = new();

    /// <summary>This thread's; not to be kept, since a kernel may be used by one thread after the other.</summary>
    public static PagePool Mine => t_mine ??= new();

    /// <summary>A page.</summary>
    /// <param name="clear">False when all of it is written at once: it holds whatever was in it. Otherwise it is zeroed.</param>
    public byte[] Rent(bool clear = true)
    {
        if (!_free.TryPop(out byte[]? page))
            return clear ? new byte[Limits.PAGE_SIZE] : GC.AllocateUninitializedArray<byte>(Limits.PAGE_SIZE);
        if (clear)
            Array.Clear(page);
        return page;
    }

    /// <summary>Takes a page back; others than whole pages are left to the collector.</summary>
    public void Return(byte[] page)
    {
        if (page.Length == Limits.PAGE_SIZE && _free.Count < Kept)
            _free.Push(page);
    }
}

/// <summary>
/// The pages of one file by index: a radix tree with 64 slots a node. A hole costs nothing; a file of one page has no node.
/// </summary>
/// <remarks>
/// An array shorter than a page stands for a page whose rest is zero: small files stay small, and <see cref="Unwritten"/>, of length 0, is a page that was
/// preallocated and never written. Linux lib/xarray.c in purpose.
/// </remarks>
public struct PageStore
{
    private const int Bits = 6, Slots = 1 << Bits;

    /// <summary>Preallocated and not written: occupies space, reads as zeroes, counts as a hole.</summary>
    public static readonly byte[] Unwritten = [];

    private object? _root;
    private int _height;

    /// <summary>Pages in use.</summary>
    public int Count { get; private set; }

    /// <summary>The page, or null for a hole.</summary>
    public readonly byte[]? Get(long index)
    {
        object? at = _root;
        if (at is null || index >> (_height * Bits) != 0)
            return null;
        for (int level = _height - 1; level >= 0 && at is not null; level--)
            at = ((object?[])at)[(index >> (level * Bits)) & (Slots - 1)];
        return (byte[]?)at;
    }

    /// <summary>Puts a page, in place of a hole or another.</summary>
    public void Set(long index, byte[] page)
    {
        while (index >> (_height * Bits) != 0)
        {
            if (_root is not null)
            {
                var node = new object?[Slots];
                node[0] = _root;
                _root = node;
            }
            _height++;
        }
        ref object? at = ref _root;
        for (int level = _height - 1; level >= 0; level--)
            at = ref ((object?[])(at ??= new object?[Slots]))[(index >> (level * Bits)) & (Slots - 1)];
        if (at is null)
            Count++;
        at = page;
    }

    /// <summary>Takes out all pages from an index on, up to but without another.</summary>
    /// <returns>How many there were.</returns>
    public int Clear(long first, long end, PagePool pool)
    {
        int removed = Clear(ref _root, _height, 0, first, end, pool);
        Count -= removed;
        if (Count == 0)
        {
            _root = null;
            _height = 0;
        }
        return removed;
    }

    private static int Clear(ref object? at, int height, long start, long first, long end, PagePool pool)
    {
        if (at is null)
            return 0;
        if (height == 0)
        {
            if (start < first || start >= end)
                return 0;
            pool.Return((byte[])at);
            at = null;
            return 1;
        }
        int removed = 0, shift = (height - 1) * Bits;
        var node = (object?[])at;
        for (int slot = 0; slot < Slots; slot++)
        {
            long low = start + ((long)slot << shift);
            if (low < end && low + (1L << shift) > first)
                removed += Clear(ref node[slot], height - 1, low, first, end, pool);
        }
        return removed;
    }

    /// <summary>The first index from <paramref name="from"/> on that holds written data (or none, for a hole), below <paramref name="end"/>; -1 when there is none.</summary>
    public readonly long Find(long from, long end, bool data)
    {
        for (long index = from; index < end; index++)
        {
            if (data && _height > 0 && _height <= 10)
            {
                long skip = SkipHole(index);
                if (skip > index)
                {
                    index = skip - 1;
                    continue;
                }
            }
            if (index >> (_height * Bits) != 0 || _root is null)
                return data ? -1 : index;
            if (Get(index) is { Length: > 0 } == data)
                return index;
        }
        return -1;
    }

    /// <summary>Past the largest empty subtree that begins at or holds the index; the index itself when its leaf node exists.</summary>
    private readonly long SkipHole(long index)
    {
        object? at = _root;
        for (int level = _height - 1; level >= 0; level--)
        {
            if (at is null)
                return ((index >> ((level + 1) * Bits)) + 1) << ((level + 1) * Bits);
            at = ((object?[])at)[(index >> (level * Bits)) & (Slots - 1)];
        }
        return index;
    }
}
