using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using DriverLab.Formats;
using DriverLab.Formats.PersistentData;
using DriverLab.Linux;

namespace DriverLab.DeviceMapper.PersistentData;

/// <summary>Reference counts of blocks on disk: bitmaps of two bits a block, a btree for counts of three and more, and an index of the bitmaps.</summary>
/// <remarks>Linux drivers/md/persistent-data/dm-space-map-common.c: struct ll_disk.</remarks>
internal abstract class LowLevelMap
{
    private const int PerBitmap = SpaceMapBitmap.EntriesPerBlock;
    private readonly TransactionManager _transactions;
    private readonly Btree _overflow;
    private ulong _overflowRoot, _committedBlocks, _committedAllocated;

    protected LowLevelMap(TransactionManager transactions)
    {
        _transactions = transactions;
        _overflow = new(transactions, new PlainValues(4));
    }

    protected TransactionManager Transactions => _transactions;

    public ulong BlockCount { get; private set; }

    public ulong AllocatedCount { get; private set; }

    /// <summary>Blocks of the last commit.</summary>
    public ulong CommittedCount => _committedBlocks;

    /// <summary>Free blocks of the last commit.</summary>
    public ulong CommittedFree => _committedBlocks - _committedAllocated;

    protected ulong IndexRoot { get; set; }

    protected abstract ulong MakeIndex();

    protected abstract void OpenIndex(ulong root);

    protected abstract SpaceMapIndexEntry Entry(ulong bitmap);

    protected abstract SpaceMapIndexEntry CommittedEntry(ulong bitmap);

    protected abstract void SaveEntry(ulong bitmap, SpaceMapIndexEntry entry);

    /// <summary>Writes the index; the roots are ready for the superblock.</summary>
    public abstract void WriteIndex();

    protected abstract void IndexCommitted();

    /// <summary>The most blocks that the index can name.</summary>
    protected abstract ulong MostBlocks { get; }

    /// <summary>A map of no blocks.</summary>
    public void Make()
    {
        IndexRoot = MakeIndex();
        _overflowRoot = _overflow.MakeEmpty();
    }

    public void Open(in SpaceMapRoot root)
    {
        BlockCount = root.BlockCount.Value;
        AllocatedCount = root.AllocatedCount.Value;
        IndexRoot = root.BitmapRoot.Value;
        _overflowRoot = root.RefCountRoot.Value;
        if (BlockCount > MostBlocks)
            throw new MetadataException(Errno.EINVAL);
        OpenIndex(IndexRoot);
        NoteCommitted();
    }

    public SpaceMapRoot Root => new() { BlockCount = BlockCount, AllocatedCount = AllocatedCount, BitmapRoot = IndexRoot, RefCountRoot = _overflowRoot };

    /// <summary>Adds blocks, all free. A bitmap begins with the same count of free blocks whether all of its blocks exist or not.</summary>
    /// <remarks>Linux drivers/md/persistent-data/dm-space-map-common.c: sm_ll_extend().</remarks>
    public void Extend(ulong more)
    {
        ulong first = (BlockCount + PerBitmap - 1) / PerBitmap;
        if (BlockCount + more > MostBlocks)
            throw new MetadataException(Errno.EINVAL);
        BlockCount += more;
        ulong end = (BlockCount + PerBitmap - 1) / PerBitmap;
        for (ulong i = first; i < end; i++)
        {
            var bitmap = _transactions.NewBlock(MetadataBlockKind.Bitmap);
            SaveEntry(i, new() { BitmapBlock = bitmap.Number, FreeCount = PerBitmap, NoneFreeBefore = 0 });
        }
    }

    /// <summary>What the map says now is what the last commit says.</summary>
    public void NoteCommitted()
    {
        _committedBlocks = BlockCount;
        _committedAllocated = AllocatedCount;
        IndexCommitted();
    }

    // ---- counts ------------------------------------------------------------------------------------------------------------------

    public uint Count(ulong block)
    {
        if (block >= BlockCount)
        {
            _transactions.Blocks.Log("space map common", "metadata block out of bounds");
            throw new MetadataException(Errno.EINVAL);
        }
        var entry = Entry(block / PerBitmap);
        int count = SpaceMapBitmap.Get(Bitmap(entry), (int)(block % PerBitmap));
        return count < SpaceMapBitmap.Overflow ? (uint)count : OverflowCount(block);
    }

    private byte[] Bitmap(SpaceMapIndexEntry entry) => _transactions.Blocks.Read(entry.BitmapBlock.Value, MetadataBlockKind.Bitmap).Data;

    private uint OverflowCount(ulong block)
        => _overflow.TryFind(_overflowRoot, block, out var value) ? BinaryPrimitives.ReadUInt32LittleEndian(value) : throw new MetadataException(Errno.ENODATA);

    /// <summary>Adds one to the count of a block, or takes one off.</summary>
    /// <returns>1 when the block became used, -1 when it became free, else 0.</returns>
    public int Change(ulong block, bool up)
    {
        ulong index = block / PerBitmap;
        int bit = (int)(block % PerBitmap);
        var entry = Entry(index);
        var bitmap = ShadowBitmap(entry);
        entry = Entry(index);
        entry.BitmapBlock = bitmap.Number;
        int old = SpaceMapBitmap.Get(bitmap.Data, bit);
        uint count = old < SpaceMapBitmap.Overflow ? (uint)old : OverflowCount(block);
        if (!up && count == 0)
        {
            _transactions.Blocks.Log("space map common", _transactions.Blocks.Quirks.CountsBelowZeroAreTold ? "unable to decrement a reference count below 0" : "unable to decrement block");
            throw new MetadataException(Errno.EINVAL);
        }
        uint changed = up ? count + 1 : count - 1;
        SpaceMapBitmap.Set(bitmap.Data, bit, (int)Math.Min(changed, SpaceMapBitmap.Overflow));
        int allocated = Account(ref entry, bit, count, changed);
        WriteOverflow(block, count, changed);
        SaveEntry(index, entry);
        return allocated;
    }

    private MetadataBuffer ShadowBitmap(SpaceMapIndexEntry entry)
    {
        try
        {
            return _transactions.Shadow(entry.BitmapBlock.Value, MetadataBlockKind.Bitmap, out _);
        }
        catch (MetadataException)
        {
            _transactions.Blocks.Log("space map common", "dm_tm_shadow_block() failed");
            throw;
        }
    }

    private int Account(ref SpaceMapIndexEntry entry, int bit, uint count, uint changed)
    {
        if (count == 0)
        {
            AllocatedCount++;
            entry.FreeCount = entry.FreeCount.Value - 1;
            if (entry.NoneFreeBefore.Value == bit)
                entry.NoneFreeBefore = (uint)bit + 1;
            return 1;
        }
        if (changed != 0)
            return 0;
        AllocatedCount--;
        entry.FreeCount = entry.FreeCount.Value + 1;
        entry.NoneFreeBefore = Math.Min(entry.NoneFreeBefore.Value, (uint)bit);
        return -1;
    }

    private void WriteOverflow(ulong block, uint count, uint changed)
    {
        if (changed >= SpaceMapBitmap.Overflow)
        {
            Span<byte> value = stackalloc byte[4];
            BinaryPrimitives.WriteUInt32LittleEndian(value, changed);
            _ = _overflow.Insert(ref _overflowRoot, block, value);
        }
        else if (count >= SpaceMapBitmap.Overflow)
        {
            _overflow.Remove(ref _overflowRoot, block);
        }
    }

    // ---- free blocks -------------------------------------------------------------------------------------------------------------

    /// <summary>Finds a block that is free now and was free at the last commit.</summary>
    /// <returns>False: none in the range.</returns>
    public bool TryFindFree(ulong begin, ulong end, out ulong block)
    {
        while (TryFindFreeNow(begin, end, out block))
        {
            if (block >= _committedBlocks || IsCommittedFree(block))
                return true;
            begin = block + 1;
        }
        return false;
    }

    /// <summary>True when a block was there and free at the last commit.</summary>
    public bool WasFreeAtCommit(ulong block) => block < _committedBlocks && IsCommittedFree(block);

    private bool IsCommittedFree(ulong block)
    {
        var entry = CommittedEntry(block / PerBitmap);
        return SpaceMapBitmap.Get(Bitmap(entry), (int)(block % PerBitmap)) == 0;
    }

    private bool TryFindFreeNow(ulong begin, ulong end, out ulong block)
    {
        ulong lastIndex = (end + PerBitmap - 1) / PerBitmap;
        int from = (int)(begin % PerBitmap);
        for (ulong index = begin / PerBitmap; index < lastIndex; index++, from = 0)
        {
            var entry = Entry(index);
            if (entry.FreeCount.Value == 0)
                continue;
            int limit = index == lastIndex - 1 ? (int)(end - index * PerBitmap) : PerBitmap;
            int found = FindZero(Bitmap(entry), Math.Max(from, (int)entry.NoneFreeBefore.Value), limit);
            if (found < 0)
                continue;
            block = index * PerBitmap + (ulong)found;
            return true;
        }
        block = 0;
        return false;
    }

    private static int FindZero(byte[] bitmap, int from, int end)
    {
        const ulong lowBits = 0x5555_5555_5555_5555;
        var words = MemoryMarshal.Cast<byte, Le<ulong>>(bitmap.AsSpan(16));
        while (from < end)
        {
            ulong word = words[from >> 5].Value;
            ulong free = ~(word | (word >> 1)) & lowBits & (ulong.MaxValue << ((from & 31) * 2));
            if (free == 0)
            {
                from = (from | 31) + 1;
                continue;
            }
            int found = (from & ~31) + System.Numerics.BitOperations.TrailingZeroCount(free) / 2;
            return found < end ? found : -1;
        }
        return -1;
    }
}

/// <summary>The low level of the metadata's own map: the index is one block.</summary>
internal sealed class MetadataLowLevelMap(TransactionManager transactions) : LowLevelMap(transactions)
{
    /// <summary>The entries up to the last one that is not all zeros: of a block of 255, mostly one.</summary>
    private SpaceMapIndexEntry[] _entries = [], _committed = [];
    private bool _isChanged;

    protected override ulong MostBlocks => SpaceMapIndexBlock.MaxBitmaps * (ulong)SpaceMapBitmap.EntriesPerBlock;

    protected override ulong MakeIndex() => Transactions.NewBlock(MetadataBlockKind.Index).Number;

    private static Span<SpaceMapIndexEntry> EntriesOf(MetadataBuffer buffer) => DiskView.Edit<SpaceMapIndexBlock>(buffer.Data).Index;

    protected override void OpenIndex(ulong root)
    {
        var index = EntriesOf(Transactions.Blocks.Read(root, MetadataBlockKind.Index));
        int used = MemoryMarshal.AsBytes(index).LastIndexOfAnyExcept((byte)0) / Unsafe.SizeOf<SpaceMapIndexEntry>() + 1;
        _entries = index[..used].ToArray();
    }

    protected override SpaceMapIndexEntry Entry(ulong bitmap) => At(_entries, bitmap);

    protected override SpaceMapIndexEntry CommittedEntry(ulong bitmap) => At(_committed, bitmap);

    private static SpaceMapIndexEntry At(SpaceMapIndexEntry[] entries, ulong bitmap) => bitmap < (ulong)entries.Length ? entries[bitmap] : default;

    protected override void SaveEntry(ulong bitmap, SpaceMapIndexEntry entry)
    {
        if (bitmap >= (ulong)_entries.Length)
            Array.Resize(ref _entries, (int)bitmap + 1);
        _entries[bitmap] = entry;
        _isChanged = true;
    }

    public override void WriteIndex()
    {
        if (!_isChanged)
            return;
        var buffer = Transactions.Shadow(IndexRoot, MetadataBlockKind.Index, out _);
        _entries.CopyTo(EntriesOf(buffer));
        IndexRoot = buffer.Number;
        _isChanged = false;
    }

    protected override void IndexCommitted()
    {
        if (_committed.Length != _entries.Length)
            _committed = new SpaceMapIndexEntry[_entries.Length];
        _entries.CopyTo(_committed.AsSpan());
    }
}

/// <summary>The low level of a map of data blocks: the index is a btree, of which the entries in use are kept in memory.</summary>
internal sealed class DataLowLevelMap : LowLevelMap
{
    private readonly Btree _index;
    private readonly Dictionary<ulong, (SpaceMapIndexEntry Now, SpaceMapIndexEntry Committed)> _entries = [];
    private readonly List<ulong> _changed = [];
    private readonly bool _isWrittenThrough;

    public DataLowLevelMap(TransactionManager transactions, bool isWrittenThrough) : base(transactions)
    {
        _index = new(transactions, new PlainValues(16));
        _isWrittenThrough = isWrittenThrough;
    }

    protected override ulong MostBlocks => ulong.MaxValue;

    protected override ulong MakeIndex() => _index.MakeEmpty();

    protected override void OpenIndex(ulong root)
    {
    }

    private (SpaceMapIndexEntry Now, SpaceMapIndexEntry Committed) Load(ulong bitmap)
    {
        if (_entries.TryGetValue(bitmap, out var known))
            return known;
        if (!_index.TryFind(IndexRoot, bitmap, out var value))
            throw new MetadataException(Errno.ENODATA);
        var entry = DiskView.Read<SpaceMapIndexEntry>(value);
        _entries.Add(bitmap, (entry, entry));
        return (entry, entry);
    }

    protected override SpaceMapIndexEntry Entry(ulong bitmap) => Load(bitmap).Now;

    protected override SpaceMapIndexEntry CommittedEntry(ulong bitmap) => Load(bitmap).Committed;

    protected override void SaveEntry(ulong bitmap, SpaceMapIndexEntry entry)
    {
        var known = _entries.GetValueOrDefault(bitmap);
        if (known.Now.BitmapBlock == known.Committed.BitmapBlock)
            _changed.Add(bitmap);
        _entries[bitmap] = (entry, known.Committed);
        if (_isWrittenThrough)
            Write(bitmap);
    }

    public override void WriteIndex()
    {
        if (_isWrittenThrough)
            return;
        foreach (ulong bitmap in _changed)
            Write(bitmap);
    }

    private void Write(ulong bitmap)
    {
        ulong root = IndexRoot;
        var entry = _entries[bitmap].Now;
        _ = _index.Insert(ref root, bitmap, MemoryMarshal.AsBytes(MemoryMarshal.CreateReadOnlySpan(ref entry, 1)));
        IndexRoot = root;
    }

    protected override void IndexCommitted()
    {
        foreach (ulong bitmap in _changed)
            _entries[bitmap] = (_entries[bitmap].Now, _entries[bitmap].Now);
        _changed.Clear();
    }
}
