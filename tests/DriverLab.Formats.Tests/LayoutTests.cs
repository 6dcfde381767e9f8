using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using DriverLab.Formats.PersistentData;
using DriverLab.Formats.Snapshot;
using DriverLab.Formats.Thin;

namespace DriverLab.Formats.Tests;

/// <summary>Every structure on disk has the size it says, is packed, and is made of nothing that depends on the host.</summary>
[TestFixture]
public sealed class LayoutTests
{
    private static IEnumerable<Type> DiskStructs => typeof(DiskStructAttribute).Assembly.GetTypes().Where(t => t.GetCustomAttribute<DiskStructAttribute>() is not null);

    [Test]
    public void There_are_structures() => Assert.That(DiskStructs.Count(), Is.GreaterThanOrEqualTo(8));

    [TestCaseSource(nameof(DiskStructs))]
    public void Size_is_the_kernels(Type type) => Assert.That(Marshal.SizeOf(type), Is.EqualTo(type.GetCustomAttribute<DiskStructAttribute>()!.Size));

    [TestCaseSource(nameof(DiskStructs))]
    public void Fields_are_bytes_endian_numbers_or_other_structures(Type type)
    {
        foreach (var field in type.GetFields(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic))
        {
            var f = field.FieldType;
            bool endian = f.IsGenericType && (f.GetGenericTypeDefinition() == typeof(Le<>) || f.GetGenericTypeDefinition() == typeof(Be<>));
            Assert.That(f == typeof(byte) || endian || (f.IsValueType && !f.IsPrimitive && !f.IsEnum), Is.True, $"{type.Name}.{field.Name} is {f}");
        }
    }

    [TestCase(nameof(ThinSuperblock.Uuid), 16)]
    [TestCase(nameof(ThinSuperblock.Magic), 32)]
    [TestCase(nameof(ThinSuperblock.Version), 40)]
    [TestCase(nameof(ThinSuperblock.TransactionId), 48)]
    [TestCase(nameof(ThinSuperblock.HeldRoot), 56)]
    [TestCase(nameof(ThinSuperblock.DataSpaceMap), 64)]
    [TestCase(nameof(ThinSuperblock.MetadataSpaceMap), 192)]
    [TestCase(nameof(ThinSuperblock.MappingRoot), 320)]
    [TestCase(nameof(ThinSuperblock.DetailsRoot), 328)]
    [TestCase(nameof(ThinSuperblock.DataBlockSizeSectors), 336)]
    [TestCase(nameof(ThinSuperblock.MetadataBlockCount), 344)]
    [TestCase(nameof(ThinSuperblock.IncompatFlags), 360)]
    public void Thin_superblock_fields_are_where_the_kernel_has_them(string field, int offset) =>
        Assert.That((int)Marshal.OffsetOf<ThinSuperblock>(field), Is.EqualTo(offset));

    [Test]
    public void Numbers_on_disk_have_their_order()
    {
        Assert.That(Bytes(new Le<uint>(0x01020304)), Is.EqualTo(new byte[] { 4, 3, 2, 1 }));
        Assert.That(Bytes(new Be<uint>(0x01020304)), Is.EqualTo(new byte[] { 1, 2, 3, 4 }));
        Assert.That(Bytes(new Be<ulong>(1)), Is.EqualTo(new byte[] { 0, 0, 0, 0, 0, 0, 0, 1 }));
        Assert.That(new Be<ushort>(0xabcd).Value, Is.EqualTo(0xabcd));
    }

    [Test]
    public void Entries_of_a_node_are_a_multiple_of_three()
    {
        int[] counts = [BtreeNode.MaxEntriesFor(8), BtreeNode.MaxEntriesFor(24), BtreeNode.MaxEntriesFor(16), BtreeNode.MaxEntriesFor(4)];
        Assert.That(counts, Is.EqualTo(new[] { 252, 126, 168, 336 }));
    }

    [TestCase(1, 0xAA)]
    [TestCase(2, 0x55)]
    [TestCase(3, 0xFF)]
    [TestCase(0, 0)]
    public void Bitmap_counts_have_their_high_bit_first(int count, int expected)
    {
        var block = new byte[MetadataBlock.Size];
        for (int i = 0; i < 4; i++)
            SpaceMapBitmap.Set(block, i, count);
        Assert.That(block[16], Is.EqualTo(expected));
        Assert.That(SpaceMapBitmap.Get(block, 2), Is.EqualTo(count));
        Assert.That(SpaceMapBitmap.Get(block, 4), Is.Zero);
    }

    [Test]
    public void Exception_store_of_8_sector_chunks_has_256_exceptions_an_area()
    {
        Assert.That(SnapshotLayout.ExceptionsPerArea(8), Is.EqualTo(256));
        Assert.That(SnapshotLayout.AreaChunk(1, 8), Is.EqualTo(258));
        Assert.That(SnapshotLayout.IsMetadata(258, 8), Is.True);
        Assert.That(SnapshotLayout.IsMetadata(2, 8), Is.False);
    }

    [Test]
    public void Checksum_is_the_published_one() => Assert.That(Crc32C.Compute("123456789"u8), Is.EqualTo(0xE3069283));

    [TestCase(4079)]
    [TestCase(4080)]
    [TestCase(4092)]
    [TestCase(9001)]
    public void Checksum_of_strands_is_the_one_of_single_bytes(int length)
    {
        byte[] data = new byte[length];
        new Random(length).NextBytes(data);
        uint expected = 7;
        foreach (byte b in data)
            expected = System.Numerics.BitOperations.Crc32C(expected, b);
        Assert.That(Crc32C.Append(7, data), Is.EqualTo(expected));
    }

    private static byte[] Bytes<T>(T value) where T : unmanaged => MemoryMarshal.AsBytes(new ReadOnlySpan<T>(in value)).ToArray();
}
