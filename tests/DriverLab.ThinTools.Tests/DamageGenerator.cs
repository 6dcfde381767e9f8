using DriverLab.Formats;
using DriverLab.Formats.PersistentData;
using DriverLab.Formats.Thin;
using DriverLab.ThinTools.Trees;

namespace DriverLab.ThinTools.Tests;

/// <summary>One way to damage metadata.</summary>
/// <param name="Name">What is damaged.</param>
/// <param name="Reason">What a check must call it; null when it is none.</param>
/// <param name="Damage">Damages an image of <see cref="Metadata.Sample"/>.</param>
public sealed record DamageCase(string Name, DamageReason? Reason, Action<byte[]> Damage)
{
    public override string ToString() => Name;
}

/// <summary>Every kind of damage to every kind of block, each with the reason that a check must give.</summary>
internal static class DamageGenerator
{
    public static IEnumerable<DamageCase> Cases()
    {
        foreach (var each in Superblocks().Concat(Flips()).Concat(Nodes()).Concat(Trees()).Concat(SpaceMaps()))
            yield return each;
    }

    private delegate void Edit(ref ThinSuperblock sb);

    private static DamageCase Sb(string name, DamageReason? reason, Edit edit) => new("superblock-" + name, reason, image =>
    {
        edit(ref Metadata.Superblock(image));
        Metadata.Seal(image, 0, MetadataBlockKind.Superblock);
    });

    private static IEnumerable<DamageCase> Superblocks()
    {
        yield return Sb("magic", DamageReason.WrongMagic, (ref sb) => sb.Magic = 1);
        yield return Sb("block-number", DamageReason.WrongBlockNumber, (ref sb) => sb.BlockNr = 1);
        yield return Sb("version-1", null, (ref sb) => sb.Version = 1);
        yield return Sb("version-3", DamageReason.UnknownVersion, (ref sb) => sb.Version = 3);
        yield return Sb("incompat", DamageReason.UnknownIncompatibleFeatures, (ref sb) => sb.IncompatFlags = 1);
        yield return Sb("needs-check", null, (ref sb) => sb.Flags = 1);
        yield return Sb("flag-8", null, (ref sb) => sb.Flags = 8);
        yield return Sb("metadata-block-size", DamageReason.WrongMetadataBlockSize, (ref sb) => sb.MetadataBlockSizeSectors = 16);
        yield return Sb("data-allocated", DamageReason.WrongAllocatedCount, (ref sb) => sb.DataSpaceMap.Root.AllocatedCount = 99);
        yield return Sb("metadata-allocated", DamageReason.WrongAllocatedCount, (ref sb) => sb.MetadataSpaceMap.Root.AllocatedCount = 99);
        yield return Sb("data-count-large", DamageReason.BitmapMissing, (ref sb) => sb.DataSpaceMap.Root.BlockCount = 90_000);
        yield return Sb("metadata-count-large", DamageReason.SpaceMapTooLarge, (ref sb) => sb.MetadataSpaceMap.Root.BlockCount = 2000);
        yield return Sb("mapping-root-outside", DamageReason.OutOfRange, (ref sb) => sb.MappingRoot = 5000);
        yield return Sb("mapping-root-zero", DamageReason.Checksum, (ref sb) => sb.MappingRoot = 0);
        yield return Sb("mapping-root-is-details", DamageReason.WrongValueSize, (ref sb) => sb.MappingRoot = sb.DetailsRoot);
        yield return Sb("details-root-is-mappings", DamageReason.WrongValueSize, (ref sb) => sb.DetailsRoot = sb.MappingRoot);
        yield return Sb("held-root-is-no-superblock", DamageReason.MetadataSnapshot, (ref sb) => sb.HeldRoot = sb.MappingRoot);
        yield return Sb("data-bitmap-root-unused", DamageReason.Checksum, (ref sb) => sb.DataSpaceMap.Root.BitmapRoot = 900);
    }

    private static IEnumerable<DamageCase> Flips()
    {
        (string Name, Func<byte[], ulong> Block)[] places =
        [
            ("details-leaf", image => Metadata.Superblock(image).DetailsRoot),
            ("top-leaf", image => Metadata.Superblock(image).MappingRoot),
            ("device-root", DeviceRoot),
            ("mapping-leaf", Leaf),
            ("data-index", image => Metadata.Superblock(image).DataSpaceMap.Root.BitmapRoot),
            ("data-bitmap", DataBitmap),
            ("data-counts", image => Metadata.Superblock(image).DataSpaceMap.Root.RefCountRoot),
            ("metadata-index", image => Metadata.Superblock(image).MetadataSpaceMap.Root.BitmapRoot),
            ("metadata-bitmap", MetadataBitmap),
            ("metadata-counts", image => Metadata.Superblock(image).MetadataSpaceMap.Root.RefCountRoot),
        ];
        foreach (var (name, block) in places)
            yield return new("flip-" + name, DamageReason.Checksum, image => Metadata.Block(image, block(image))[2000] ^= 1);
    }

    private delegate void NodeEdit(ref BtreeNodeHeader header, Span<byte> block);

    private static IEnumerable<DamageCase> Nodes()
    {
        return NodesAt("leaf", Leaf).Concat(NodesAt("root", DeviceRoot));
    }

    private static IEnumerable<DamageCase> NodesAt(string place, Func<byte[], ulong> block) => NodeCases((name, reason, edit) => new($"{place}-{name}", reason, image =>
    {
        var bytes = Metadata.Block(image, block(image));
        edit(ref DiskView.Edit<BtreeNodeHeader>(bytes), bytes);
        MetadataBlock.Seal(bytes, MetadataBlockKind.BtreeNode);
    }), place);

    private static IEnumerable<DamageCase> NodeCases(Func<string, DamageReason, NodeEdit, DamageCase> node, string place)
    {
        yield return node("block-number", DamageReason.WrongBlockNumber, (ref h, b) => h.BlockNr = 99);
        yield return node("flags-none", DamageReason.WrongFlags, (ref h, b) => h.RawFlags = 0);
        yield return node("flags-both", DamageReason.WrongFlags, (ref h, b) => h.RawFlags = 3);
        yield return node("value-size", DamageReason.WrongValueSize, (ref h, b) => h.ValueSize = 4);
        yield return node("max-entries-not-third", DamageReason.MaxEntriesNotDivisibleByThree, (ref h, b) => h.MaxEntries = 250);
        yield return node("max-entries-large", DamageReason.MaxEntriesTooLarge, (ref h, b) => h.MaxEntries = 255);
        yield return node("max-entries-huge", DamageReason.MaxEntriesTooLarge, (ref h, b) => h.MaxEntries = uint.MaxValue);
        yield return node("too-many", DamageReason.TooManyEntries, (ref h, b) => h.EntryCount = 253);
        yield return node("too-many-huge", DamageReason.TooManyEntries, (ref h, b) => h.EntryCount = uint.MaxValue);
        yield return node("key-order", DamageReason.KeysOutOfOrder, (ref h, b) => DiskView.Edit<Le<ulong>>(b[32..]) = 1_000_000);
        if (place == "leaf")
            yield return node("too-few", DamageReason.TooFewEntries, (ref h, b) => h.EntryCount = 83);
    }

    private static DamageCase Entry(string name, DamageReason reason, Func<byte[], ulong> block, int valueOffset, Func<byte[], ulong> value) => new(name, reason, image =>
    {
        ulong at = block(image);
        DiskView.Edit<Le<ulong>>(Metadata.Block(image, at)[valueOffset..]) = value(image);
        Metadata.Seal(image, at, MetadataBlockKind.BtreeNode);
    });

    private static IEnumerable<DamageCase> Trees()
    {
        const int Values = 32 + 252 * 8;
        yield return Entry("top-root-outside", DamageReason.OutOfRange, image => Metadata.Superblock(image).MappingRoot, Values, _ => 99_999);
        yield return Entry("top-root-huge", DamageReason.OutOfRange, image => Metadata.Superblock(image).MappingRoot, Values, _ => ulong.MaxValue);
        yield return Entry("top-root-superblock", DamageReason.Checksum, image => Metadata.Superblock(image).MappingRoot, Values, _ => 0);
        yield return Entry("top-root-twice", DamageReason.WrongMappedCount, image => Metadata.Superblock(image).MappingRoot, Values, image => Metadata.Value(image, Metadata.Superblock(image).MappingRoot, 2));
        yield return Entry("child-is-root", DamageReason.Loop, DeviceRoot, Values, DeviceRoot);
        yield return Entry("child-outside", DamageReason.OutOfRange, DeviceRoot, Values + 8, _ => 4000);
        yield return Entry("child-keys-outside", DamageReason.KeyOutsideParentRange, DeviceRoot, Values, image => Metadata.Value(image, DeviceRoot(image), 1));
        yield return Entry("mapping-outside", DamageReason.DataBlockOutOfRange, Leaf, Values, _ => 50_000UL << 24);
        yield return Entry("mapping-moved", DamageReason.CountTooLow, Leaf, Values, _ => 39_000UL << 24);
        yield return Entry("mapped-blocks", DamageReason.WrongMappedCount, image => Metadata.Superblock(image).DetailsRoot, 32 + 126 * 8, _ => 99);
        yield return Count("device-without-details", DamageReason.DeviceWithoutDetails, image => Metadata.Superblock(image).DetailsRoot);
        yield return Count("device-without-mappings", DamageReason.DeviceWithoutMappings, image => Metadata.Superblock(image).MappingRoot);
    }

    private static DamageCase Count(string name, DamageReason reason, Func<byte[], ulong> block) => new(name, reason, image =>
    {
        DiskView.Edit<BtreeNodeHeader>(Metadata.Block(image, block(image))).EntryCount = 2;
        Metadata.Seal(image, block(image), MetadataBlockKind.BtreeNode);
    });

    private static IEnumerable<DamageCase> SpaceMaps()
    {
        yield return Bit("data-leak", DamageReason.CountTooHigh, DataBitmap, 3001, 1);
        yield return Bit("data-leak-three", DamageReason.CountMissingInTree, DataBitmap, 3001, 3);
        yield return Bit("data-low", DamageReason.CountTooLow, DataBitmap, 4, 0);
        yield return Bit("metadata-leak", DamageReason.CountTooHigh, MetadataBitmap, 800, 1);
        yield return Bit("metadata-low", DamageReason.CountTooLow, MetadataBitmap, 2, 0);
        yield return new("data-free-count", DamageReason.WrongFreeCount, image =>
        {
            ulong at = Metadata.Superblock(image).DataSpaceMap.Root.BitmapRoot;
            DiskView.Edit<SpaceMapIndexEntry>(Metadata.Block(image, at)[(32 + 168 * 8)..]).FreeCount = 3;
            Metadata.Seal(image, at, MetadataBlockKind.BtreeNode);
        });
        yield return new("metadata-none-free-before", DamageReason.NoneFreeBeforeTooHigh, image =>
        {
            ulong at = Metadata.Superblock(image).MetadataSpaceMap.Root.BitmapRoot;
            DiskView.Edit<SpaceMapIndexEntry>(Metadata.Block(image, at)[16..]).NoneFreeBefore = 1000;
            Metadata.Seal(image, at, MetadataBlockKind.Index);
        });
    }

    private static DamageCase Bit(string name, DamageReason reason, Func<byte[], ulong> block, int entry, int count) => new(name, reason, image =>
    {
        SpaceMapBitmap.Set(Metadata.Block(image, block(image)), entry, count);
        Metadata.Seal(image, block(image), MetadataBlockKind.Bitmap);
    });

    private static ulong DeviceRoot(byte[] image) => Metadata.Value(image, Metadata.Superblock(image).MappingRoot, 0);

    private static ulong Leaf(byte[] image) => Metadata.Value(image, DeviceRoot(image), 1);

    private static ulong DataBitmap(byte[] image) =>
        new BtreeNode(Metadata.Block(image, Metadata.Superblock(image).DataSpaceMap.Root.BitmapRoot)).Values<SpaceMapIndexEntry>()[0].BitmapBlock;

    private static ulong MetadataBitmap(byte[] image) =>
        DiskView.Read<SpaceMapIndexBlock>(Metadata.Block(image, Metadata.Superblock(image).MetadataSpaceMap.Root.BitmapRoot)).Index[0].BitmapBlock;
}
