using System.Numerics;
using System.Runtime.InteropServices;
using DriverLab.Formats;
using DriverLab.Formats.PersistentData;
using DriverLab.ThinTools.Io;
using DriverLab.ThinTools.Model;
using DriverLab.ThinTools.Trees;

namespace DriverLab.ThinTools.Check;

/// <summary>A space map as read: where its bitmaps are, and the exact counts of three and more.</summary>
internal sealed class SpaceMapImage
{
    public required string Path { get; init; }
    public required SpaceMapRoot Root { get; init; }
    public List<SpaceMapIndexEntry> Entries { get; } = [];
    /// <summary>The block that holds the index entry, for repair.</summary>
    public List<(ulong Block, int Index)> EntryPlaces { get; } = [];
    public Dictionary<ulong, uint> Large { get; } = [];
}

/// <summary>Reads the space maps, counting the blocks they are made of, and compares counts.</summary>
internal sealed class SpaceMapCheck(MetadataDevice device, MetadataReferences references, List<Damage> damages)
{
    /// <summary>Every byte of a bitmap as four counts.</summary>
    private static readonly uint[] s_unpacked = Unpacked();
    private readonly byte[] _block = new byte[MetadataBlock.Size];

    /// <summary>Reads the data space map; null when a tree is damaged.</summary>
    public SpaceMapImage? ReadData(in SpaceMapRoot root)
    {
        var map = new SpaceMapImage { Path = "superblock > data space map", Root = root };
        int before = damages.Count;
        var index = new IndexVisitor(this, map);
        new TreeWalker(device, 16).Walk(new(root.BitmapRoot.Value, map.Path + " > index"), ref index);
        return Finish(map, before);
    }

    /// <summary>Reads the metadata space map; null when it is damaged.</summary>
    public SpaceMapImage? ReadMetadata(in SpaceMapRoot root)
    {
        var map = new SpaceMapImage { Path = "superblock > metadata space map", Root = root };
        int before = damages.Count;
        ulong block = root.BitmapRoot.Value;
        string path = $"{map.Path} > index block {block}";
        if (!TryRead(block, MetadataBlockKind.Index, path))
            return null;
        _ = references.Add(block);
        ref readonly var index = ref DiskView.Read<SpaceMapIndexBlock>(_block);
        if (index.BlockNr.Value != block)
            Fatal(DamageReason.WrongBlockNumber, block, path, $"the index says that it is block {index.BlockNr.Value}");
        ulong bitmaps = BitmapsFor(root.BlockCount.Value);
        for (int i = 0; i < (int)Math.Min(bitmaps, SpaceMapIndexBlock.MaxBitmaps); i++)
        {
            map.Entries.Add(index.Index[i]);
            map.EntryPlaces.Add((block, i));
        }
        return Finish(map, before);
    }

    /// <summary>Compares a map with counts.</summary>
    /// <param name="map">What the disk says.</param>
    /// <param name="page">Counted references of one bitmap's blocks, 255 for 255 and more; empty for none.</param>
    /// <param name="exact">The counted references of one block.</param>
    /// <param name="what">"data" or "metadata".</param>
    public void Compare(SpaceMapImage map, PageOf page, Func<ulong, uint> exact, string what)
    {
        ulong allocated = 0;
        for (int i = 0; i < map.Entries.Count; i++)
        {
            ulong first = (ulong)i * SpaceMapBitmap.EntriesPerBlock;
            int count = (int)Math.Min(SpaceMapBitmap.EntriesPerBlock, map.Root.BlockCount.Value - first);
            ulong block = map.Entries[i].BitmapBlock.Value;
            string path = $"{map.Path} > bitmap {i} (block {block})";
            if (!TryRead(block, MetadataBlockKind.Bitmap, path))
                continue;
            if (DiskView.Read<BitmapHeader>(_block).BlockNr.Value != block)
                Fatal(DamageReason.WrongBlockNumber, block, path, $"the bitmap says that it is block {DiskView.Read<BitmapHeader>(_block).BlockNr.Value}");
            Bitmap(map, path, first, count, page(i), exact, what);
            int free = Free(count, out int firstFree);
            allocated += (ulong)(count - free);
            Entry(map.Entries[i], path, block, count, free, firstFree);
        }
        if (allocated != map.Root.AllocatedCount.Value)
            damages.Add(new(DamageReason.WrongAllocatedCount, Severity.Note, 0, map.Path, $"{allocated} blocks are allocated, the root says {map.Root.AllocatedCount.Value}"));
    }

    internal delegate ReadOnlySpan<byte> PageOf(int page);

    public static ulong BitmapsFor(ulong blocks) => (blocks + SpaceMapBitmap.EntriesPerBlock - 1) / SpaceMapBitmap.EntriesPerBlock;

    private SpaceMapImage? Finish(SpaceMapImage map, int before)
    {
        ulong wanted = BitmapsFor(map.Root.BlockCount.Value);
        if ((ulong)map.Entries.Count < wanted && damages.Count == before)
            Fatal(DamageReason.BitmapMissing, map.Root.BitmapRoot.Value, map.Path, $"there are {map.Entries.Count} bitmaps, {map.Root.BlockCount.Value} blocks need {wanted}");
        if ((ulong)map.Entries.Count > wanted)
            map.Entries.RemoveRange((int)wanted, map.Entries.Count - (int)wanted);
        foreach (var entry in map.Entries)
            _ = references.Add(entry.BitmapBlock.Value);
        var counts = new CountVisitor(this, map);
        new TreeWalker(device, 4).Walk(new(map.Root.RefCountRoot.Value, map.Path + " > reference count tree"), ref counts);
        return damages.Count == before ? map : null;
    }

    private void Bitmap(SpaceMapImage map, string path, ulong first, int count, ReadOnlySpan<byte> expected, Func<ulong, uint> exact, string what)
    {
        var bitmap = _block.AsSpan(16);
        if (expected.IsEmpty && !bitmap.ContainsAnyExcept((byte)0))
            return;
        var unpacked = s_unpacked;
        var groups = MemoryMarshal.Cast<byte, uint>(expected);
        for (int i = 0; i < (count + 3) / 4; i++)
        {
            uint disk = unpacked[bitmap[i]];
            uint ours = i < groups.Length ? groups[i] : 0;
            // Equal, and no count of three, which stands for more.
            if (disk == ours && (disk & (disk >> 1) & 0x01010101) == 0)
                continue;
            for (int j = i * 4; j < Math.Min(count, i * 4 + 4); j++)
                One(map, path, first + (ulong)j, SpaceMapBitmap.Get(_block, j), exact, what);
        }
    }

    private void One(SpaceMapImage map, string path, ulong block, int stored, Func<ulong, uint> exact, string what)
    {
        uint expected = exact(block);
        uint actual = (uint)stored;
        if (stored == SpaceMapBitmap.Overflow && !map.Large.TryGetValue(block, out actual))
        {
            Fatal(DamageReason.CountMissingInTree, block, path, $"{what} block {block} has a count of three or more, but is not in the reference count tree");
            return;
        }
        if (actual < expected)
            Fatal(DamageReason.CountTooLow, block, path, $"{what} block {block} is referred to {expected} times, the space map says {actual}");
        else if (actual > expected)
            damages.Add(new(DamageReason.CountTooHigh, Severity.Leak, block, path, $"{what} block {block} is referred to {expected} times, the space map says {actual}"));
    }

    private void Entry(in SpaceMapIndexEntry entry, string path, ulong block, int count, int free, int firstFree)
    {
        // The kernel starts the last, partial bitmap with the free count of a full one; thin_restore writes the real one.
        uint slack = (uint)(SpaceMapBitmap.EntriesPerBlock - count);
        if (entry.FreeCount.Value != free && entry.FreeCount.Value != free + slack)
            damages.Add(new(DamageReason.WrongFreeCount, Severity.Note, block, path, $"{free} blocks are free, the index says {entry.FreeCount.Value}"));
        if (entry.NoneFreeBefore.Value > firstFree)
            damages.Add(new(DamageReason.NoneFreeBeforeTooHigh, Severity.Note, block, path, $"the first free block is {firstFree}, the index says none before {entry.NoneFreeBefore.Value}"));
    }

    /// <summary>Free blocks of the bitmap that was read, and the index of the first.</summary>
    private int Free(int count, out int firstFree)
    {
        const int aWord = 32;
        const ulong low = 0x5555_5555_5555_5555;
        int free = 0;
        firstFree = count;
        var words = MemoryMarshal.Cast<byte, Le<ulong>>(_block.AsSpan(16));
        for (int i = 0; i * aWord < count; i++)
        {
            ulong word = words[i].Value, zeros = ~(word | (word >> 1)) & low;
            if (count - i * aWord is var rest and < aWord)
                zeros &= (1UL << (rest * 2)) - 1;
            if (zeros == 0)
                continue;
            firstFree = Math.Min(firstFree, i * aWord + BitOperations.TrailingZeroCount(zeros) / 2);
            free += BitOperations.PopCount(zeros);
        }
        return free;
    }

    private bool TryRead(ulong block, MetadataBlockKind kind, string path)
    {
        if (block >= device.BlockCount)
            Fatal(DamageReason.OutOfRange, block, path, $"there is no such block; the device has {device.BlockCount} blocks");
        else if (!device.TryRead(block, _block))
            Fatal(DamageReason.Unreadable, block, path, "the block cannot be read: input/output error");
        else if (!MetadataBlock.HasValidChecksum(_block, kind))
            Fatal(DamageReason.Checksum, block, path, MetadataBlock.Recognise(_block) is { } other ? $"expected a block of kind {kind}, found one of kind {other}" : "the checksum is wrong");
        else
            return true;
        return false;
    }

    private void Fatal(DamageReason reason, ulong block, string path, string text) => damages.Add(new(reason, Severity.Fatal, block, path, text));

    private static uint[] Unpacked()
    {
        var table = new uint[256];
        for (int value = 0; value < 256; value++)
        {
            for (int i = 0; i < 4; i++)
            {
                int pair = value >> (i * 2);
                table[value] |= (uint)(((pair & 1) << 1) | ((pair >> 1) & 1)) << (i * 8);
            }
        }
        return table;
    }

    private readonly struct IndexVisitor(SpaceMapCheck check, SpaceMapImage map) : ITreeVisitor
    {
        public bool Enter(ulong block) => check.References.Add(block);

        public void Leaf(ulong block, BtreeNode node)
        {
            var values = node.Values<SpaceMapIndexEntry>();
            for (int i = 0; i < values.Length; i++)
            {
                if (node.Keys[i].Value != (ulong)map.Entries.Count)
                    check.Fatal(DamageReason.BitmapMissing, block, $"{map.Path} > index > block {block}[{i}]", $"bitmap {node.Keys[i].Value} follows bitmap {map.Entries.Count - 1}");
                map.Entries.Add(values[i]);
                map.EntryPlaces.Add((block, i));
            }
        }

        public void Damaged(Damage damage) => check.Damages.Add(damage with { LostFrom = null });
    }

    private readonly struct CountVisitor(SpaceMapCheck check, SpaceMapImage map) : ITreeVisitor
    {
        public bool Enter(ulong block) => check.References.Add(block);

        public void Leaf(ulong block, BtreeNode node)
        {
            var values = node.Values<Le<uint>>();
            for (int i = 0; i < values.Length; i++)
                map.Large[node.Keys[i].Value] = values[i].Value;
        }

        public void Damaged(Damage damage) => check.Damages.Add(damage with { LostFrom = null });
    }

    private List<Damage> Damages => damages;

    private MetadataReferences References => references;
}
