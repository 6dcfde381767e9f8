using DriverLab.Formats;
using DriverLab.Formats.PersistentData;
using DriverLab.ThinTools.Io;
using DriverLab.ThinTools.Repair;
using DriverLab.ThinTools.Restore;

namespace DriverLab.ThinTools.Tests;

/// <summary>Repair saves what can be read into another device, keeps what is shared shared, and says what is lost.</summary>
[TestFixture]
[Parallelizable(ParallelScope.All)]
public sealed class RepairTests
{
    private static readonly byte[] s_sound = Metadata.Restore(Metadata.Sample);

    private static IEnumerable<DamageCase> Cases => DamageGenerator.Cases().Where(damage => damage.Reason is not null);

    private static (byte[] Image, RepairReport Report) Repair(byte[] image, PoolOverrides? overrides = null, int blocks = 1024)
    {
        byte[] before = [.. image];
        var target = new MemoryDevice(new byte[blocks * MetadataBlock.Size]);
        var report = MetadataRepair.Run(new MemoryDevice(image), target, overrides ?? new());
        Assert.That(image, Is.EqualTo(before), "the damaged metadata is only read");
        return (target.Image, report);
    }

    [TestCaseSource(nameof(Cases))]
    public void What_a_repair_writes_is_sound(DamageCase damage)
    {
        byte[] image = [.. s_sound];
        damage.Damage(image);
        var (repaired, _) = Repair(image);
        Assert.That(Metadata.Check(repaired).Damages.Where(found => found.Severity != Trees.Severity.Note), Is.Empty);
    }

    [Test]
    public void Sound_metadata_stays_what_it_is()
    {
        var (repaired, report) = Repair([.. s_sound]);
        Assert.That(Metadata.Dump(repaired), Is.EqualTo(Metadata.Sample));
        Assert.That(report.Lost, Is.Empty);
    }

    [Test]
    public void One_bad_leaf_costs_its_keys_and_no_more()
    {
        byte[] image = [.. s_sound];
        ulong leaf = Metadata.Value(image, Metadata.Value(image, Metadata.Superblock(image).MappingRoot, 0), 1);
        Metadata.Block(image, leaf)[777] ^= 1;
        var (repaired, report) = Repair(image);
        var lost = report.Lost.Single();
        Assert.That((lost.Block, lost.LostFrom, lost.LostTo), Is.EqualTo((leaf, (ulong?)756, (ulong?)1512)));
        Assert.That(Metadata.Check(repaired).Mappings, Is.EqualTo(2 * 1007 - 252));
    }

    [TestCase("flip-top-leaf")]
    [TestCase("superblock-mapping-root-outside")]
    [TestCase("superblock-details-root-is-mappings")]
    public void Roots_are_found_when_the_superblock_has_lost_them(string name)
    {
        byte[] image = [.. s_sound];
        ulong top = Metadata.Superblock(image).MappingRoot;
        if (name == "flip-top-leaf")
        {
            // An older version of the root lies about, as copy-on-write leaves them.
            Metadata.Block(image, top).CopyTo(Metadata.Block(image, 900));
            DiskView.Edit<BtreeNodeHeader>(Metadata.Block(image, 900)).BlockNr = 900;
            Metadata.Seal(image, 900, MetadataBlockKind.BtreeNode);
        }
        DamageGenerator.Cases().Single(damage => damage.Name == name).Damage(image);
        var (repaired, report) = Repair(image);
        Assert.That(Metadata.Dump(repaired), Is.EqualTo(Metadata.Sample));
        Assert.That(report.Notes, Has.Some.Contains("the roots were found"));
    }

    [Test]
    public void A_lost_superblock_needs_what_it_said()
    {
        byte[] image = [.. s_sound];
        Metadata.Block(image, 0).Clear();
        Assert.That(() => Repair(image), Throws.TypeOf<ThinToolException>().With.Message.Contains("--transaction-id, --data-block-size and --nr-data-blocks"));
        var (repaired, _) = Repair(image, new() { TransactionId = 3, DataBlockSizeSectors = 128, DataBlockCount = 40_000 });
        string dump = Metadata.Dump(repaired);
        Assert.That(dump[dump.IndexOf('\n')..], Is.EqualTo(Metadata.Sample[Metadata.Sample.IndexOf('\n')..]));
    }

    [Test]
    public void Shared_leaves_stay_shared()
    {
        const string Head = "<superblock uuid=\"\" time=\"2\" transaction=\"3\" data_block_size=\"128\" nr_data_blocks=\"100000\">";
        string devices = string.Concat(Enumerable.Range(1, 50).Select(id =>
            $"<device dev_id=\"{id}\" mapped_blocks=\"5000\" transaction=\"0\" creation_time=\"0\" snap_time=\"0\"><ref name=\"d\"/></device>"));
        var image = Metadata.Restore(Head + "<def name=\"d\"><range_mapping origin_begin=\"0\" data_begin=\"0\" length=\"5000\" time=\"0\"/></def>" + devices + "</superblock>");
        var (repaired, _) = Repair(image);
        Assert.That(Metadata.Check(repaired).Damages, Is.Empty);
        Assert.That(Metadata.Check(repaired).MetadataBlocksInUse, Is.LessThan(200), "fifty devices of twenty leaves, were they not shared");
        Assert.That(Metadata.Dump(repaired), Is.EqualTo(Metadata.Dump(image)));
    }
}
