using System.Buffers.Binary;
using DriverLab.Linux;

namespace DriverLab.Block.Partitions;

/// <summary>A part of a disk as a partition table names it.</summary>
/// <param name="Number">From 1.</param>
/// <param name="Start">First sector of 512 bytes.</param>
/// <param name="Sectors">Size in sectors of 512 bytes.</param>
public readonly record struct PartitionEntry(int Number, long Start, long Sectors);

/// <summary>What a partition table says, as the kernel reads it.</summary>
/// <param name="Entries">The parts, in the order in which they are found.</param>
/// <param name="Summary">What the kernel's log says behind the disk's name: <c>p1 p2 &lt; p5 &gt;</c>.</param>
public sealed record PartitionTable(IReadOnlyList<PartitionEntry> Entries, string Summary)
{
    /// <summary>The most parts that a disk can have, and one.</summary>
    internal const int Limit = 256;

    /// <summary>Reads a table: a GUID table if there is one, else one of the master boot record's kind.</summary>
    /// <returns>Null when there is no table; EIO and what else reading the disk says.</returns>
    /// <exception cref="NotModelledException">A slot with a label of its own inside (BSD, Minix, Solaris, UnixWare).</exception>
    /// <remarks>Linux block/partitions/core.c: check_partition().</remarks>
    public static SysResult<PartitionTable?> Read(PartitionReader disk)
    {
        var gpt = GuidTable.Read(disk);
        return !gpt.IsOk || gpt.Value is not null ? gpt : BootRecordTable.Read(disk);
    }
}

/// <summary>Reads sectors of a disk for those who look for a table.</summary>
/// <param name="device">The disk.</param>
public sealed class PartitionReader(BlockDevice device)
{
    /// <summary>Prefix of a part's name: the disk's, and a <c>p</c> when that ends in a digit.</summary>
    public string Prefix => char.IsAsciiDigit(device.Name[^1]) ? "p" : "";

    /// <summary>Logical block in bytes.</summary>
    public int BlockBytes => (int)device.Limits.LogicalBlockSize;

    /// <summary>Sectors of 512 bytes in a logical block.</summary>
    public long SectorsPerBlock => BlockBytes >> 9;

    /// <summary>Number of the last logical block.</summary>
    public long LastBlock => device.CapacityBytes / BlockBytes - 1;

    /// <summary>Reads through the disk's cache.</summary>
    /// <returns>EIO, also when the disk ends before.</returns>
    public Errno Read(long sector, Span<byte> buffer)
    {
        var read = device.Cache.Read(sector << 9, buffer, null);
        return !read.IsOk ? read.Error : read.Value == buffer.Length ? Errno.OK : Errno.EIO;
    }
}

/// <summary>The table of the master boot record: four slots, and a chain of further tables in an extended one.</summary>
/// <remarks>Linux block/partitions/msdos.c: msdos_partition(), parse_extended().</remarks>
internal static class BootRecordTable
{
    private const int SlotsAt = 446, SlotBytes = 16, Slots = 4, FirstLogical = 5, LongestChain = 100;

    /// <summary>One slot: whether it is active, its type, and where it is in logical blocks.</summary>
    internal readonly record struct Slot(byte Active, byte Type, uint Start, uint Count)
    {
        public bool IsExtended => Type is 0x05 or 0x0F or 0x85;

        public static Slot At(ReadOnlySpan<byte> sector, int index)
        {
            var slot = sector.Slice(SlotsAt + index * SlotBytes, SlotBytes);
            return new(slot[0], slot[4], BinaryPrimitives.ReadUInt32LittleEndian(slot[8..]), BinaryPrimitives.ReadUInt32LittleEndian(slot[12..]));
        }
    }

    internal static bool HasSignature(ReadOnlySpan<byte> sector) => sector[510] == 0x55 && sector[511] == 0xAA;

    public static SysResult<PartitionTable?> Read(PartitionReader disk)
    {
        Span<byte> sector = stackalloc byte[512];
        if (disk.Read(0, sector) is var error and not Errno.OK)
            return error;
        if (!HasSignature(sector) || IsAix(disk, sector))
            return (PartitionTable?)null;
        for (int i = 0; i < Slots; i++)
        {
            var slot = Slot.At(sector, i);
            // A boot sector of FAT has code where slots would be: a disk without parts.
            if ((slot.Active & 0x7F) != 0)
                return i == 0 && IsFat(sector) ? new PartitionTable([], "") : null;
            if (slot.Type == 0xEE)
                return (PartitionTable?)null;
        }
        return ReadSlots(disk, sector);
    }

    /// <summary>A disk of AIX, unless a slot is one of Linux's; Debian's kernels do not read what else AIX writes.</summary>
    /// <remarks>Linux block/partitions/msdos.c: aix_magic_present().</remarks>
    private static bool IsAix(PartitionReader disk, ReadOnlySpan<byte> sector)
    {
        if (!sector.StartsWith<byte>([0xC9, 0xC2, 0xD4, 0xC1]))
            return false;
        for (int i = 0; i < Slots; i++)
            if (Slot.At(sector, i) is var slot && (slot.IsExtended || slot.Type is 0x82 or 0x83 or 0x8E or 0xFD))
                return false;
        Span<byte> volumes = stackalloc byte[512];
        return disk.Read(7, volumes) == Errno.OK && volumes.StartsWith("_LVM"u8);
    }

    private static bool IsFat(ReadOnlySpan<byte> sector) => (sector[14] | sector[15]) != 0 && sector[16] != 0 && (sector[21] is 0xF0 or >= 0xF8);

    private static PartitionTable ReadSlots(PartitionReader disk, ReadOnlySpan<byte> sector)
    {
        var entries = new List<PartitionEntry>();
        var words = new List<string>();
        int next = FirstLogical;
        for (int i = 0; i < Slots; i++)
        {
            var slot = Slot.At(sector, i);
            long start = slot.Start * disk.SectorsPerBlock, count = slot.Count * disk.SectorsPerBlock;
            if (count == 0)
                continue;
            if (slot.Type is 0xA5 or 0xA6 or 0xA9 or 0x81 or 0x82 or 0xBF or 0x63)
                RefuseLabel(disk, slot.Type, start);
            // Of an extended part as much can be used as a boot loader needs.
            entries.Add(new(i + 1, start, slot.IsExtended ? Math.Min(count, Math.Max(disk.SectorsPerBlock, 2)) : count));
            words.Add($"{disk.Prefix}{i + 1}");
            if (!slot.IsExtended)
                continue;
            words.Add("<");
            Follow(disk, start, count, entries, words, ref next);
            words.Add(">");
        }
        return new(entries, string.Join(' ', words));
    }

    /// <summary>0x82 is Linux swap far more often than Solaris: only a label on the disk decides, as in the kernel.</summary>
    private static void RefuseLabel(PartitionReader disk, byte type, long start)
    {
        Span<byte> sector = stackalloc byte[512];
        if (type is 0x82 or 0xBF && (disk.Read(start + 1, sector) != Errno.OK || BinaryPrimitives.ReadUInt32LittleEndian(sector[12..]) != 0x600DDEEE))
            return;
        throw new NotModelledException($"a partition of type {type:x2} that has a label of its own");
    }

    private static void Follow(PartitionReader disk, long first, long firstCount, List<PartitionEntry> entries, List<string> words, ref int next)
    {
        Span<byte> sector = stackalloc byte[512];
        long here = first, hereCount = firstCount;
        for (int links = 1; links <= LongestChain && next < PartitionTable.Limit; links++)
        {
            if (disk.Read(here, sector) != Errno.OK || !HasSignature(sector))
                return;
            for (int i = 0; i < Slots; i++)
            {
                var slot = Slot.At(sector, i);
                long offset = slot.Start * disk.SectorsPerBlock, count = slot.Count * disk.SectorsPerBlock, start = here + offset;
                if (count == 0 || slot.IsExtended)
                    continue;
                // The third and the fourth are nobody's business, unless they lie where they should.
                if (i >= 2 && (offset + count > hereCount || start < first || start + count > first + firstCount))
                    continue;
                entries.Add(new(next, start, count));
                words.Add($"{disk.Prefix}{next}");
                links = 0;
                if (++next == PartitionTable.Limit)
                    return;
            }
            int link = 0;
            while (link < Slots && (Slot.At(sector, link) is var s && !(s.Count != 0 && s.IsExtended)))
                link++;
            if (link == Slots)
                return;
            var onwards = Slot.At(sector, link);
            (here, hereCount) = (first + onwards.Start * disk.SectorsPerBlock, onwards.Count * disk.SectorsPerBlock);
        }
    }
}

/// <summary>The GUID partition table behind a protective boot record.</summary>
/// <remarks>Linux block/partitions/efi.c: efi_partition(), find_valid_gpt(). UEFI 2.10, chapter 5.</remarks>
internal static class GuidTable
{
    private const int HeaderBytes = 92, EntryBytes = 128;

    /// <summary>Where a header says that things are.</summary>
    private readonly record struct Header(long Entries, uint Count);

    public static SysResult<PartitionTable?> Read(PartitionReader disk)
    {
        Span<byte> sector = stackalloc byte[512];
        if (disk.LastBlock < 0 || disk.Read(0, sector) != Errno.OK || !IsProtective(sector))
            return (PartitionTable?)null;
        return ReadHeader(disk, 1) is { } header ? ReadEntries(disk, header) : (PartitionTable?)null;
    }

    private static bool IsProtective(ReadOnlySpan<byte> sector)
    {
        if (!BootRecordTable.HasSignature(sector))
            return false;
        for (int i = 0; i < 4; i++)
            if (BootRecordTable.Slot.At(sector, i) is { Type: 0xEE, Start: 1 })
                return true;
        return false;
    }

    /// <returns>Null when any of its numbers or sums is wrong. The copy at the disk's end is not looked for (that takes the kernel's parameter <c>gpt</c>).</returns>
    private static Header? ReadHeader(PartitionReader disk, long at)
    {
        byte[] block = new byte[disk.BlockBytes];
        if (disk.Read(at * disk.SectorsPerBlock, block) != Errno.OK || !block.AsSpan(0, 8).SequenceEqual("EFI PART"u8))
            return null;
        uint size = U32(block, 12), sum = U32(block, 16), count = U32(block, 80), entryBytes = U32(block, 84), entriesSum = U32(block, 88);
        ulong self = U64(block, 24), first = U64(block, 40), last = U64(block, 48), entries = U64(block, 72), end = (ulong)disk.LastBlock;
        if (size < HeaderBytes || size > block.Length)
            return null;
        block.AsSpan(16, 4).Clear();
        if (Crc32.Of(block.AsSpan(0, (int)size)) != sum || self != (ulong)at || first > end || last > end || last < first || entryBytes != EntryBytes)
            return null;
        long bytes = (long)count * EntryBytes;
        if (bytes == 0 || bytes > 1 << 22 || entries > end)
            return null;
        byte[] table = new byte[bytes];
        return disk.Read((long)entries * disk.SectorsPerBlock, table) == Errno.OK && Crc32.Of(table) == entriesSum ? new((long)entries, count) : null;
    }

    private static PartitionTable ReadEntries(PartitionReader disk, Header header)
    {
        byte[] table = new byte[header.Count * EntryBytes];
        _ = disk.Read(header.Entries * disk.SectorsPerBlock, table); // was read a moment ago
        var entries = new List<PartitionEntry>();
        for (int i = 0; i < header.Count && i < PartitionTable.Limit - 1; i++)
        {
            var entry = table.AsSpan(i * EntryBytes, EntryBytes);
            ulong start = BinaryPrimitives.ReadUInt64LittleEndian(entry[32..]), end = BinaryPrimitives.ReadUInt64LittleEndian(entry[40..]);
            if (entry[..16].IndexOfAnyExcept((byte)0) < 0 || start > (ulong)disk.LastBlock || end > (ulong)disk.LastBlock)
                continue;
            entries.Add(new(i + 1, (long)start * disk.SectorsPerBlock, ((long)end - (long)start + 1) * disk.SectorsPerBlock));
        }
        return new(entries, string.Join(' ', entries.Select(e => $"{disk.Prefix}{e.Number}")));
    }

    private static uint U32(byte[] block, int at) => BinaryPrimitives.ReadUInt32LittleEndian(block.AsSpan(at));

    private static ulong U64(byte[] block, int at) => BinaryPrimitives.ReadUInt64LittleEndian(block.AsSpan(at));
}

/// <summary>CRC-32 as in IEEE 802.3, which UEFI takes for its tables.</summary>
public static class Crc32
{
    private static readonly uint[] s_table = [.. Enumerable.Range(0, 256).Select(static i =>
    {
        uint value = (uint)i;
        for (int bit = 0; bit < 8; bit++)
            value = (value >> 1) ^ ((value & 1) != 0 ? 0xEDB88320u : 0);
        return value;
    })];

    /// <summary>The sum of some bytes.</summary>
    public static uint Of(ReadOnlySpan<byte> data)
    {
        uint sum = uint.MaxValue;
        foreach (byte b in data)
            sum = (sum >> 8) ^ s_table[(sum ^ b) & 0xFF];
        return ~sum;
    }
}
