using System.Text;
using DriverLab.Formats.PersistentData;
using DriverLab.ThinTools.Io;
using DriverLab.ThinTools.Restore;

namespace DriverLab.ThinTools.Tests;

/// <summary>Restore writes metadata that a check finds sound and that dumps to what it was made from.</summary>
[TestFixture]
[Parallelizable(ParallelScope.All)]
public sealed class RestoreTests
{
    private const string Head = "<superblock uuid=\"\" time=\"2\" transaction=\"3\" flags=\"0\" version=\"2\" data_block_size=\"128\" nr_data_blocks=\"100000\">\n";

    [Test]
    public void Dump_of_a_restore_is_the_input() => Assert.That(Metadata.Dump(Metadata.Restore(Metadata.Sample)), Is.EqualTo(Metadata.Sample));

    [TestCase(1)]
    [TestCase(251)]
    [TestCase(252)]
    [TestCase(253)]
    [TestCase(335)]
    [TestCase(336)]
    [TestCase(337)]
    [TestCase(504)]
    [TestCase(252 * 252 + 1)]
    public void Trees_of_every_size_are_sound(int mappings)
    {
        var image = Metadata.Restore($"{Head}  <device dev_id=\"5\" mapped_blocks=\"{mappings}\" transaction=\"0\" creation_time=\"0\" snap_time=\"0\">\n    "
            + (mappings == 1 ? "<single_mapping origin_block=\"3\" data_block=\"3\" time=\"0\"/>" : $"<range_mapping origin_begin=\"3\" data_begin=\"3\" length=\"{mappings}\" time=\"0\"/>") + "\n  </device>\n</superblock>\n");
        Assert.That(Metadata.Check(image).Damages, Is.Empty);
        Assert.That(Metadata.Check(image).Mappings, Is.EqualTo(mappings));
    }

    [Test]
    public void Random_metadata_comes_back_as_it_was([Values(1, 2, 3, 4, 5, 6, 7, 8)] int seed)
    {
        string xml = RandomMetadata.Make(new Random(seed));
        var image = Metadata.Restore(xml, 4096);
        Assert.That(Metadata.Check(image).Damages, Is.Empty, $"seed {seed}");
        Assert.That(Metadata.Dump(image), Is.EqualTo(xml), $"seed {seed}");
    }

    [Test]
    public void Definitions_are_written_once_and_shared()
    {
        const string Def = "<def name=\"d\"><range_mapping origin_begin=\"100\" data_begin=\"50000\" length=\"2000\" time=\"0\"/></def>";
        string Device(int id, int own) => $"<device dev_id=\"{id}\" mapped_blocks=\"{2000 + own}\" transaction=\"0\" creation_time=\"0\" snap_time=\"0\">"
            + (own == 0 ? "" : $"<range_mapping origin_begin=\"0\" data_begin=\"{id * 200}\" length=\"{own}\" time=\"0\"/>") + "<ref name=\"d\"/></device>";
        var image = Metadata.Restore(Head + Def + string.Concat(Enumerable.Range(1, 30).Select(id => Device(id, id == 7 ? 50 : id % 2 * 90))) + "</superblock>");
        var report = Metadata.Check(image);
        Assert.That(report.Damages, Is.Empty);
        Assert.That(report.MetadataBlocksInUse, Is.LessThan(200), "thirty devices of nine leaves each, were they not shared");
        Assert.That(Metadata.Dump(image), Does.Contain("data_begin=\"50000\" length=\"2000\"").And.Contain("mapped_blocks=\"2090\""));
    }

    [Test]
    public void Mappings_that_do_not_rise_are_sorted_and_the_later_one_wins()
    {
        var image = Metadata.Restore(Head + "<device dev_id=\"5\" mapped_blocks=\"3\" transaction=\"0\" creation_time=\"0\" snap_time=\"0\">"
            + "<single_mapping origin_block=\"9\" data_block=\"1\" time=\"0\"/><single_mapping origin_block=\"3\" data_block=\"2\" time=\"0\"/><single_mapping origin_block=\"9\" data_block=\"7\" time=\"0\"/></device></superblock>");
        Assert.That(Metadata.Check(image).Damages, Is.Empty);
        Assert.That(Metadata.Dump(image), Does.Contain("mapped_blocks=\"2\"").And.Contain("origin_block=\"9\" data_block=\"7\""));
    }

    [TestCase("xml:1: expected <superblock>", "")]
    [TestCase("xml:1: expected <superblock>", "<pool/>")]
    [TestCase("xml:1: <superblock> has no attribute 'time'", "<superblock uuid=\"\" transaction=\"1\" data_block_size=\"128\" nr_data_blocks=\"5\"/>")]
    [TestCase("xml:1: time=\"x\": expected a number", "<superblock uuid=\"\" time=\"x\" transaction=\"1\" data_block_size=\"128\" nr_data_blocks=\"5\"/>")]
    [TestCase("xml:2: the text ends before </superblock>", Head)]
    [TestCase("xml:2: <dev> is unknown here; expected device or def", Head + "<dev/>")]
    [TestCase("xml:3: <single_mapping> has no attribute 'data_block'", Head + "<device dev_id=\"5\" mapped_blocks=\"1\" transaction=\"0\" creation_time=\"0\" snap_time=\"0\">\n<single_mapping origin_block=\"9\" time=\"0\"/></device></superblock>")]
    [TestCase("thin block 9 is mapped to data blocks 100000 to 100000; the pool has 100000", Head + "<device dev_id=\"5\" mapped_blocks=\"1\" transaction=\"0\" creation_time=\"0\" snap_time=\"0\"><single_mapping origin_block=\"9\" data_block=\"100000\" time=\"0\"/></device></superblock>")]
    [TestCase("device 5 is there twice", Head + "<device dev_id=\"5\" mapped_blocks=\"0\" transaction=\"0\" creation_time=\"0\" snap_time=\"0\"/><device dev_id=\"5\" mapped_blocks=\"0\" transaction=\"0\" creation_time=\"0\" snap_time=\"0\"/></superblock>")]
    [TestCase("the definition 'd' is referred to but not there before", Head + "<device dev_id=\"5\" mapped_blocks=\"0\" transaction=\"0\" creation_time=\"0\" snap_time=\"0\"><ref name=\"d\"/></device></superblock>")]
    [TestCase("expected </device>, found </superblock>", Head + "<device dev_id=\"5\" mapped_blocks=\"0\" transaction=\"0\" creation_time=\"0\" snap_time=\"0\"></superblock>")]
    public void Wrong_input_is_told_with_its_line_and_leaves_no_metadata(string sentence, string xml)
    {
        var device = new MemoryDevice(Metadata.Restore(Metadata.Sample));
        Assert.That(() => MetadataRestore.Run(new MemoryStream(Encoding.UTF8.GetBytes(xml)), "xml", device, new()), Throws.TypeOf<ThinToolException>().With.Message.Contains(sentence));
        if (xml.StartsWith(Head, StringComparison.Ordinal))
            Assert.That(device.Image.AsSpan(0, MetadataBlock.Size).ContainsAnyExcept((byte)0), Is.False);
    }

    [Test]
    public void A_device_that_is_too_small_is_told() =>
        Assert.That(() => Metadata.Restore(Metadata.Sample, 12), Throws.TypeOf<ThinToolException>().With.Message.Contains("12 metadata blocks"));

    [Test]
    public void A_large_pool_with_few_mappings_is_small_to_check()
    {
        // 256 TiB in blocks of 1 MiB: 2^28 data blocks, 16,449 bitmaps.
        var image = Metadata.Restore("<superblock uuid=\"\" time=\"2\" transaction=\"3\" data_block_size=\"2048\" nr_data_blocks=\"268435456\"><device dev_id=\"5\" mapped_blocks=\"1\" transaction=\"0\" creation_time=\"0\" snap_time=\"0\">"
            + "<single_mapping origin_block=\"9\" data_block=\"268435455\" time=\"0\"/></device></superblock>", 17_000);
        long before = GC.GetAllocatedBytesForCurrentThread();
        Assert.That(Metadata.Check(image, new() { Threads = 1 }).Damages, Is.Empty);
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(6 << 20));
    }
}
