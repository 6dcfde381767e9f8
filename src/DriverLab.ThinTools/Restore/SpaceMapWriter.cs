using DriverLab.Formats;
using DriverLab.Formats.PersistentData;
using DriverLab.ThinTools.Model;

namespace DriverLab.ThinTools.Restore;

/// <summary>Writes space maps from counts.</summary>
internal sealed class SpaceMapWriter(BlockAppender blocks)
{
    /// <summary>The data space map.</summary>
    public SpaceMapRoot WriteData(BlockCounts counts)
    {
        var index = new BtreeBuilder<SpaceMapIndexEntry>(blocks);
        var large = new BtreeBuilder<Le<uint>>(blocks);
        ulong allocated = 0;
        for (int page = 0; page < counts.PageCount; page++)
        {
            ulong first = (ulong)page * BlockCounts.PageSize;
            int length = (int)Math.Min(BlockCounts.PageSize, counts.BlockCount - first);
            var entry = WriteBitmap(counts.Page(page), length);
            index.Add((ulong)page, entry);
            allocated += (ulong)length - entry.FreeCount.Value;
            var bytes = counts.Page(page);
            for (int i; (i = bytes.IndexOfAnyExceptInRange((byte)0, (byte)2)) >= 0;)
            {
                ulong block = first + (ulong)(counts.Page(page).Length - bytes.Length + i);
                large.Add(block, counts[block]);
                bytes = bytes[(i + 1)..];
            }
        }
        return new() { BlockCount = counts.BlockCount, AllocatedCount = allocated, BitmapRoot = index.Finish(), RefCountRoot = large.Finish() };
    }

    /// <summary>The metadata space map; the last blocks to be written, because it counts itself.</summary>
    /// <param name="blockCount">Blocks of the device.</param>
    /// <param name="shared">Blocks with more than one reference, in rising order.</param>
    public SpaceMapRoot WriteMetadata(ulong blockCount, SortedDictionary<ulong, uint> shared)
    {
        var large = new BtreeBuilder<Le<uint>>(blocks);
        foreach (var (block, count) in shared.Where(pair => pair.Value >= SpaceMapBitmap.Overflow))
            large.Add(block, count);
        ulong refCountRoot = large.Finish();
        int bitmaps = (int)((blockCount + BlockCounts.PageSize - 1) / BlockCounts.PageSize);
        ulong allocated = blocks.Next + (ulong)bitmaps + 1;
        if (allocated > blockCount)
            throw new ThinToolException($"{blockCount} metadata blocks of 4096 bytes are not enough, {allocated} are needed; use a larger device or file");
        var entries = new SpaceMapIndexEntry[bitmaps];
        var counts = new byte[BlockCounts.PageSize];
        for (int i = 0; i < bitmaps; i++)
        {
            ulong first = (ulong)i * BlockCounts.PageSize;
            int length = (int)Math.Min(BlockCounts.PageSize, blockCount - first);
            int used = allocated > first ? (int)Math.Min((ulong)length, allocated - first) : 0;
            counts.AsSpan(0, used).Fill(1);
            counts.AsSpan(used).Clear();
            foreach (var (block, count) in shared)
            {
                if (block - first < (ulong)length)
                    counts[block - first] = (byte)Math.Min(count, byte.MaxValue);
            }
            entries[i] = WriteBitmap(counts, length);
        }
        ref var index = ref DiskView.Edit<SpaceMapIndexBlock>(blocks.Append());
        index.BlockNr = blocks.Next - 1;
        for (int i = 0; i < bitmaps; i++)
            index.Index[i] = entries[i];
        return new() { BlockCount = blockCount, AllocatedCount = allocated, BitmapRoot = blocks.Seal(MetadataBlockKind.Index), RefCountRoot = refCountRoot };
    }

    /// <param name="counts">Counts; empty for none.</param>
    /// <param name="length">Blocks that the bitmap stands for.</param>
    private SpaceMapIndexEntry WriteBitmap(ReadOnlySpan<byte> counts, int length)
    {
        var block = blocks.Append();
        DiskView.Edit<BitmapHeader>(block).BlockNr = blocks.Next - 1;
        int free = length, firstFree = 0;
        if (!counts.IsEmpty)
        {
            Pack(counts, block[16..]);
            free = counts[..length].Count((byte)0);
            firstFree = counts[..length].IndexOf((byte)0) is >= 0 and var f ? f : length;
        }
        return new() { BitmapBlock = blocks.Seal(MetadataBlockKind.Bitmap), FreeCount = (uint)free, NoneFreeBefore = (uint)firstFree };
    }

    /// <summary>Four counts to a byte; of each pair of bits the lower position holds the high bit.</summary>
    private static void Pack(ReadOnlySpan<byte> counts, Span<byte> bitmap)
    {
        for (int i = 0; i < bitmap.Length; i++)
        {
            int packed = 0;
            for (int j = 0; j < 4; j++)
            {
                int count = Math.Min((int)counts[i * 4 + j], SpaceMapBitmap.Overflow);
                packed |= ((count >> 1) | ((count & 1) << 1)) << (j * 2);
            }
            bitmap[i] = (byte)packed;
        }
    }
}
