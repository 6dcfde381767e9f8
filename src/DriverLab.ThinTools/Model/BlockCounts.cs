using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;
using DriverLab.Formats.PersistentData;
using DriverLab.ThinTools.Io;

namespace DriverLab.ThinTools.Model;

/// <summary>Reference counts of blocks, a byte each; made in pieces when first needed: a large pool with few mappings costs little.</summary>
/// <param name="blockCount">Blocks that may be counted, at most 2^40.</param>
internal sealed class BlockCounts(ulong blockCount)
{
    /// <summary>A page is what one bitmap block of the space map tells of.</summary>
    public const int PageSize = SpaceMapBitmap.EntriesPerBlock;
    private const byte Full = byte.MaxValue;

    /// <summary>Pools of up to so many blocks have one piece, of large pages where the system has them: fragmented mappings touch all of it, in no order.</summary>
    private const ulong Whole = 4096UL * PageSize;

    private const int MostLater = 64;
    private readonly ulong[] _later = new ulong[MostLater];
    private int _nextLater;
    private readonly int _pieceShift = ShiftFor(blockCount), _pieceSize = PageSize << ShiftFor(blockCount);
    private readonly byte[]?[] _pieces = new byte[]?[(((blockCount + PageSize - 1) / PageSize) >> ShiftFor(blockCount)) + 1];
    private Dictionary<ulong, uint>? _beyond;

    public ulong BlockCount => blockCount;

    /// <summary>Pages, the last one perhaps only partly in use.</summary>
    public int PageCount { get; } = (int)((blockCount + PageSize - 1) / PageSize);

    /// <summary>The counts of one page, 255 for 255 and more; it may be empty when all are zero.</summary>
    public ReadOnlySpan<byte> Page(int page) => _pieces[page >> _pieceShift] is { } piece ? piece.AsSpan((page & ((1 << _pieceShift) - 1)) * PageSize, PageSize) : [];

    /// <summary>Counts one more reference. The block must be below <see cref="BlockCount"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Increment(ulong block)
    {
        ulong piece = (block / PageSize) >> _pieceShift;
        ref byte count = ref (_pieces[piece] ?? NewPiece(piece))[block - piece * (ulong)_pieceSize];
        if (count < Full - 1)
            count++;
        else
            Many(ref count, block);
    }

    /// <summary>Asks for the memory of a count that will be incremented soon.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public unsafe void Prefetch(ulong block)
    {
        if (!Sse.IsSupported || block >= blockCount)
            return;
        ulong piece = (block / PageSize) >> _pieceShift;
        if (_pieces[piece] is { } counts)
            Sse.Prefetch0(Unsafe.AsPointer(ref counts[block - piece * (ulong)_pieceSize]));
    }

    /// <summary>Counts one more reference, at the latest in <see cref="Settle"/>: meanwhile its memory is asked for. The counts of fragmented mappings are nowhere in the processor's caches.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void IncrementLater(ulong block)
    {
        Prefetch(block);
        ref ulong slot = ref _later[_nextLater++ & (MostLater - 1)];
        ulong due = slot;
        slot = block + 1;
        if (due != 0)
            Increment(due - 1);
    }

    /// <summary>Counts what <see cref="IncrementLater"/> has put off.</summary>
    public void Settle()
    {
        foreach (ulong due in _later)
        {
            if (due != 0)
                Increment(due - 1);
        }
        Array.Clear(_later);
    }

    /// <summary>The count of one block.</summary>
    public uint this[ulong block]
    {
        get
        {
            byte count = _pieces[(block / PageSize) >> _pieceShift] is { } piece ? piece[block % (ulong)_pieceSize] : (byte)0;
            return count < Full ? count : _beyond![block];
        }
    }

    /// <summary>Adds the counts of another, which is not used any more.</summary>
    public void Add(BlockCounts other)
    {
        for (int p = 0; p < _pieces.Length; p++)
        {
            if (other._pieces[p] is not { } theirs)
                continue;
            if (_pieces[p] is { } ours)
            {
                AddPiece(other, (ulong)p * (ulong)_pieceSize, ours, theirs);
                continue;
            }
            _pieces[p] = theirs;
            foreach (var (block, count) in other._beyond?.Where(pair => pair.Key / (ulong)_pieceSize == (ulong)p) ?? [])
                (_beyond ??= [])[block] = count;
        }
    }

    private void AddPiece(BlockCounts other, ulong first, byte[] ours, byte[] theirs)
    {
        for (int i = 0; i < ours.Length;)
        {
            if (i + Vector<byte>.Count <= ours.Length)
            {
                Vector<byte> a = new(ours, i), sum = a + new Vector<byte>(theirs, i);
                if (!Vector.LessThanAny(sum, a) && !Vector.EqualsAny(sum, new Vector<byte>(Full)) && !Vector.EqualsAny(a, new Vector<byte>(Full)))
                {
                    sum.CopyTo(ours, i);
                    i += Vector<byte>.Count;
                    continue;
                }
            }
            for (int end = Math.Min(i + Vector<byte>.Count, ours.Length); i < end; i++)
            {
                int count = ours[i] + theirs[i];
                if (count < Full)
                    ours[i] = (byte)count;
                else
                    AddMany(other, ours, first + (ulong)i, i);
            }
        }
    }

    private void AddMany(BlockCounts other, byte[] ours, ulong block, int index)
    {
        uint sum = this[block] + other[block];
        ours[index] = Full;
        (_beyond ??= [])[block] = sum;
    }

    private static int ShiftFor(ulong blockCount) => blockCount <= Whole ? 12 : 4;

    private byte[] NewPiece(ulong piece)
    {
        var counts = new byte[Math.Min(PageCount * (long)PageSize, _pieceSize)];
        if (blockCount <= Whole)
            Libc.PreferLargePages(counts);
        return _pieces[piece] = counts;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private void Many(ref byte count, ulong block)
    {
        _beyond ??= [];
        _beyond[block] = count == Full ? _beyond[block] + 1 : Full;
        count = Full;
    }
}
