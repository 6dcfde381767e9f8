using DriverLab.Formats;
using DriverLab.Formats.PersistentData;
using DriverLab.Formats.Thin;
using DriverLab.ThinTools.Io;
using DriverLab.ThinTools.Model;
using DriverLab.ThinTools.Trees;

namespace DriverLab.ThinTools.Check;

/// <summary>The two repairs in place: leaked blocks, and the flag that keeps a pool from being written. Nothing else ever writes to metadata that is not new.</summary>
public static class MetadataFix
{
    /// <summary>Clears the needs_check flag.</summary>
    /// <returns>False when it was not set.</returns>
    public static bool ClearNeedsCheck(MetadataDevice device)
    {
        var block = new byte[MetadataBlock.Size];
        device.Read(0, block);
        ref var sb = ref DiskView.Edit<ThinSuperblock>(block);
        if ((sb.Flags.Value & ThinSuperblock.NEEDS_CHECK) == 0)
            return false;
        sb.Flags = sb.Flags.Value & ~ThinSuperblock.NEEDS_CHECK;
        MetadataBlock.Seal(block, MetadataBlockKind.Superblock);
        device.Write(0, block);
        device.Flush();
        return true;
    }

    /// <summary>Gives leaked blocks back: reference counts become what a check has counted.</summary>
    /// <exception cref="ThinToolException">Something is worse than a leak; nothing was written.</exception>
    public static void Leaks(MetadataDevice device)
    {
        var (report, check) = MetadataCheck.RunForCounts(device);
        if (report.Worst is Severity.Fatal || check.DataMap is null || check.MetadataMap is null)
            throw new ThinToolException($"{device.Name}: there is damage beyond leaked blocks; only thin repair can help");
        ulong data = Fix(device, check.DataMap, block => check.DataCounts[block]);
        ulong metadata = Fix(device, check.MetadataMap, block => check.References[block]);
        var superblock = new byte[MetadataBlock.Size];
        device.Read(0, superblock);
        ref var sb = ref DiskView.Edit<ThinSuperblock>(superblock);
        sb.DataSpaceMap.Root.AllocatedCount = data;
        sb.MetadataSpaceMap.Root.AllocatedCount = metadata;
        MetadataBlock.Seal(superblock, MetadataBlockKind.Superblock);
        device.Flush();
        device.Write(0, superblock);
        device.Flush();
    }

    /// <returns>Blocks that are allocated after.</returns>
    private static ulong Fix(MetadataDevice device, SpaceMapImage map, Func<ulong, uint> exact)
    {
        var bitmap = new byte[MetadataBlock.Size];
        var indexBlock = new byte[MetadataBlock.Size];
        ulong allocated = 0;
        for (int i = 0; i < map.Entries.Count; i++)
        {
            ulong first = (ulong)i * SpaceMapBitmap.EntriesPerBlock;
            int count = (int)Math.Min(SpaceMapBitmap.EntriesPerBlock, map.Root.BlockCount.Value - first);
            device.Read(map.Entries[i].BitmapBlock.Value, bitmap);
            int changed = 0, free = 0, firstFree = count;
            for (int j = 0; j < count; j++)
            {
                int wanted = (int)Math.Min(exact(first + (ulong)j), SpaceMapBitmap.Overflow);
                if (wanted == 0 && free++ == 0)
                    firstFree = j;
                if (SpaceMapBitmap.Get(bitmap, j) == wanted)
                    continue;
                SpaceMapBitmap.Set(bitmap, j, wanted);
                changed++;
            }
            allocated += (ulong)(count - free);
            if (changed == 0)
                continue;
            MetadataBlock.Seal(bitmap, MetadataBlockKind.Bitmap);
            device.Write(map.Entries[i].BitmapBlock.Value, bitmap);
            FixEntry(device, indexBlock, map.EntryPlaces[i], (uint)free, (uint)firstFree);
        }
        var large = new LargeVisitor(device, exact);
        new TreeWalker(device, 4).Walk(new(map.Root.RefCountRoot.Value, map.Path), ref large);
        return allocated;
    }

    private static void FixEntry(MetadataDevice device, byte[] block, (ulong Block, int Index) place, uint free, uint firstFree)
    {
        device.Read(place.Block, block);
        var kind = MetadataBlock.Recognise(block) ?? throw new ThinToolException($"{device.Name}: block {place.Block} has changed");
        // The entry of the index block stands behind 16 bytes, that of a leaf behind the header and the room for all keys.
        int at = kind == MetadataBlockKind.Index ? 16 : 32 + (int)new BtreeNode(block).Header.MaxEntries.Value * 8;
        ref var entry = ref DiskView.Edit<SpaceMapIndexEntry>(block.AsSpan(at + place.Index * 16));
        entry.FreeCount = free;
        entry.NoneFreeBefore = firstFree;
        MetadataBlock.Seal(block, kind);
        device.Write(place.Block, block);
    }

    private readonly struct LargeVisitor(MetadataDevice device, Func<ulong, uint> exact) : ITreeVisitor
    {
        public bool Enter(ulong block) => true;

        public void Leaf(ulong block, BtreeNode node)
        {
            byte[]? copy = null;
            var values = node.Values<Le<uint>>();
            for (int i = 0; i < values.Length; i++)
            {
                uint wanted = exact(node.Keys[i].Value);
                if (wanted < SpaceMapBitmap.Overflow || values[i].Value == wanted)
                    continue;
                if (copy is null)
                    device.Read(block, copy = new byte[MetadataBlock.Size]);
                DiskView.Edit<Le<uint>>(copy.AsSpan(32 + (int)node.Header.MaxEntries.Value * 8 + i * 4)) = wanted;
            }
            if (copy is null)
                return;
            MetadataBlock.Seal(copy, MetadataBlockKind.BtreeNode);
            device.Write(block, copy);
        }

        public void Damaged(Damage damage) => throw new ThinToolException(damage.ToString());
    }
}
