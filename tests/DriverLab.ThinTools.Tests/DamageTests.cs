using DriverLab.ThinTools.Check;
using DriverLab.ThinTools.Io;
using DriverLab.ThinTools.Trees;

namespace DriverLab.ThinTools.Tests;

/// <summary>Every kind of damage is found, called by its reason, with its block and path; and nothing is written.</summary>
[TestFixture]
[Parallelizable(ParallelScope.All)]
public sealed class DamageTests
{
    private static readonly byte[] s_sound = Metadata.Restore(Metadata.Sample);

    private static IEnumerable<DamageCase> Cases => DamageGenerator.Cases();

    [Test]
    public void Sound_metadata_is_sound() => Assert.That(Metadata.Check(s_sound).Damages, Is.Empty);

    [TestCaseSource(nameof(Cases))]
    public void Damage_is_called_by_its_reason(DamageCase damage)
    {
        byte[] image = [.. s_sound], before;
        damage.Damage(image);
        before = [.. image];
        var report = Metadata.Check(image);
        Assert.Multiple(() =>
        {
            if (damage.Reason is { } reason)
                Assert.That(report.Damages.Select(found => found.Reason), Does.Contain(reason), string.Join('\n', report.Damages));
            else
                Assert.That(report.Damages, Is.Empty);
            Assert.That(report.Damages.All(found => found.Path.StartsWith("superblock", StringComparison.Ordinal) && found.Text.Length > 0));
            Assert.That(image, Is.EqualTo(before), "a check must not write");
        });
    }

    [TestCaseSource(nameof(Cases))]
    public void One_thread_and_two_say_the_same(DamageCase damage)
    {
        byte[] image = [.. s_sound];
        damage.Damage(image);
        Assert.That(Metadata.Check(image, new() { Threads = 2 }).Damages, Is.EqualTo(Metadata.Check(image, new() { Threads = 1 }).Damages));
    }

    [Test]
    public void Path_leads_from_the_superblock_to_the_block()
    {
        byte[] image = [.. s_sound];
        ulong root = Metadata.Value(image, Metadata.Superblock(image).MappingRoot, 1), leaf = Metadata.Value(image, root, 2);
        Metadata.Block(image, leaf)[999] ^= 4;
        var damage = Metadata.Check(image).Damages.Single(found => found.Reason == DamageReason.Checksum);
        Assert.That(damage.Block, Is.EqualTo(leaf));
        Assert.That(damage.Path, Is.EqualTo($"superblock > mapping tree > device 2 > node {root}[2] > block {leaf}"));
        Assert.That((damage.LostFrom, damage.LostTo), Is.EqualTo(((ulong?)(252 * 2 * 3), (ulong?)(252 * 3 * 3))));
    }

    [TestCase("data-leak")]
    [TestCase("metadata-leak")]
    public void Leaks_are_given_back_when_asked(string name)
    {
        byte[] image = [.. s_sound];
        Cases.Single(each => each.Name == name).Damage(image);
        Metadata.Superblock(image).Flags = 0;
        MetadataFix.Leaks(new MemoryDevice(image));
        Assert.That(Metadata.Check(image).Damages, Is.Empty);
        Assert.That(image, Is.EqualTo(s_sound));
    }

    [Test]
    public void Worse_than_a_leak_is_not_touched()
    {
        byte[] image = [.. s_sound], before;
        Cases.Single(each => each.Name == "data-low").Damage(image);
        before = [.. image];
        Assert.That(() => MetadataFix.Leaks(new MemoryDevice(image)), Throws.TypeOf<ThinToolException>());
        Assert.That(image, Is.EqualTo(before));
    }

    [Test]
    public void Random_damage_never_breaks_a_check()
    {
        var random = new Random(7);
        for (int i = 0; i < 300; i++)
        {
            byte[] image = [.. s_sound];
            ulong block = (ulong)random.Next(1, 24);
            foreach (int _ in Enumerable.Range(0, random.Next(1, 4)))
                Metadata.Block(image, block)[random.Next(4, 60)] = (byte)random.Next(256);
            Metadata.Seal(image, block, Formats.PersistentData.MetadataBlock.Recognise(Metadata.Block(s_sound, block)) ?? Formats.PersistentData.MetadataBlockKind.BtreeNode);
            Assert.That(() => Metadata.Check(image), Throws.Nothing, $"round {i}, block {block}");
        }
    }
}
