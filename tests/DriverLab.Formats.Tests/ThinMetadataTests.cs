using System.Diagnostics;
using DriverLab.Formats.PersistentData;
using DriverLab.Formats.Thin;

namespace DriverLab.Formats.Tests;

/// <summary>Metadata that thin_restore wrote is read as what it was made from.</summary>
[TestFixture]
public sealed class ThinMetadataTests
{
    private const string Xml = """
        <superblock uuid="" time="1" transaction="3" version="2" data_block_size="128" nr_data_blocks="4096">
          <device dev_id="7" mapped_blocks="1000" transaction="1" creation_time="0" snap_time="1">
            <range_mapping origin_begin="10" data_begin="500" length="1000" time="1"/>
          </device>
        </superblock>
        """;

    private byte[] _image = [];

    [OneTimeSetUp]
    public void Restore()
    {
        string folder = Directory.CreateTempSubdirectory("driverlab-thin-").FullName;
        try
        {
            string xml = Path.Combine(folder, "pool.xml"), image = Path.Combine(folder, "metadata");
            File.WriteAllText(xml, Xml);
            using (var file = File.Create(image))
                file.SetLength(4 << 20);
            using var tool = Start("-i", xml, "-o", image);
            if (tool is null)
                Assert.Ignore("thin_restore is not installed (Debian package thin-provisioning-tools)");
            string output = tool!.StandardError.ReadToEnd() + tool.StandardOutput.ReadToEnd();
            tool.WaitForExit();
            Assert.That(tool.ExitCode, Is.Zero, output);
            _image = File.ReadAllBytes(image);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static Process? Start(params string[] arguments)
    {
        try
        {
            return Process.Start(new ProcessStartInfo("thin_restore", arguments) { RedirectStandardError = true, RedirectStandardOutput = true });
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return null;
        }
    }

    private ReadOnlySpan<byte> Block(ulong number) => _image.AsSpan((int)number * MetadataBlock.Size, MetadataBlock.Size);

    [Test]
    public void Superblock_is_valid_and_says_what_was_restored()
    {
        Assert.That(ThinSuperblock.Check(Block(0)), Is.EqualTo(ThinSuperblockFault.None));
        ref readonly var sb = ref DiskView.Read<ThinSuperblock>(Block(0));
        Assert.That(sb.TransactionId.Value, Is.EqualTo(3));
        Assert.That(sb.DataBlockSizeSectors.Value, Is.EqualTo(128));
        Assert.That(sb.DataSpaceMap.Root.BlockCount.Value, Is.EqualTo(4096));
        Assert.That(sb.DataSpaceMap.Root.AllocatedCount.Value, Is.EqualTo(1000));
    }

    [Test]
    public void A_flipped_bit_is_seen()
    {
        var copy = Block(0).ToArray();
        copy[336] ^= 1;
        Assert.That(ThinSuperblock.Check(copy), Is.EqualTo(ThinSuperblockFault.Checksum));
        copy[32] ^= 1;
        Assert.That(ThinSuperblock.Check(copy), Is.EqualTo(ThinSuperblockFault.WrongMagic));
    }

    [Test]
    public void Every_mapping_is_found_through_both_levels()
    {
        ref readonly var sb = ref DiskView.Read<ThinSuperblock>(Block(0));
        ulong device = Find(sb.MappingRoot.Value, 7, 8);
        for (ulong block = 10; block < 1010; block++)
            Assert.That(ThinMapping.Unpack(Find(device, block, 8)), Is.EqualTo(new ThinMapping(block + 490, 1)));
    }

    [Test]
    public void Details_are_those_of_the_device()
    {
        ref readonly var sb = ref DiskView.Read<ThinSuperblock>(Block(0));
        var node = new BtreeNode(Block(sb.DetailsRoot.Value));
        Assert.That(BtreeNode.Check(Block(sb.DetailsRoot.Value), sb.DetailsRoot.Value, 24, isRoot: true), Is.EqualTo(BtreeNodeFault.None));
        Assert.That(node.Keys[0].Value, Is.EqualTo(7));
        Assert.That(node.Values<ThinDeviceDetails>()[0].MappedBlocks.Value, Is.EqualTo(1000));
    }

    [Test]
    public void Metadata_bitmap_counts_what_the_superblock_names()
    {
        ref readonly var root = ref DiskView.Read<ThinSuperblock>(Block(0)).MetadataSpaceMap.Root;
        ref readonly var index = ref DiskView.Read<SpaceMapIndexBlock>(Block(root.BitmapRoot.Value));
        Assert.That(MetadataBlock.Recognise(Block(root.BitmapRoot.Value)), Is.EqualTo(MetadataBlockKind.Index));
        var bitmap = Block(index.Index[0].BitmapBlock.Value);
        Assert.That(MetadataBlock.Recognise(bitmap), Is.EqualTo(MetadataBlockKind.Bitmap));
        ref readonly var sb = ref DiskView.Read<ThinSuperblock>(Block(0));
        foreach (ulong used in new[] { 0UL, root.BitmapRoot.Value, index.Index[0].BitmapBlock.Value, sb.MappingRoot.Value, sb.DetailsRoot.Value, sb.DataSpaceMap.Root.BitmapRoot.Value })
            Assert.That(SpaceMapBitmap.Get(bitmap, (int)used), Is.EqualTo(1), $"block {used}");
        Assert.That(SpaceMapBitmap.Get(bitmap, (int)root.BlockCount.Value - 1), Is.Zero);
    }

    private ulong Find(ulong root, ulong key, int valueSize)
    {
        for (ulong at = root; ;)
        {
            Assert.That(BtreeNode.Check(Block(at), at, valueSize, at == root), Is.EqualTo(BtreeNodeFault.None), $"node {at}");
            var node = new BtreeNode(Block(at));
            int i = node.LowerBound(key);
            Assert.That(i, Is.GreaterThanOrEqualTo(0));
            ulong value = node.Values<Le<ulong>>()[i].Value;
            if (node.IsLeaf)
            {
                Assert.That(node.Keys[i].Value, Is.EqualTo(key));
                return value;
            }
            at = value;
        }
    }
}
