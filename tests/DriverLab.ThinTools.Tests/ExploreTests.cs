using DriverLab.ThinTools.Explore;
using DriverLab.ThinTools.Io;
using DriverLab.ThinTools.Model;

namespace DriverLab.ThinTools.Tests;

/// <summary>The page is whole by itself and tells who shares what.</summary>
[TestFixture]
public sealed class ExploreTests
{
    [Test]
    public void Page_needs_nothing_from_outside_and_names_devices_and_shared_nodes()
    {
        const string Head = "<superblock uuid=\"\" time=\"2\" transaction=\"3\" data_block_size=\"128\" nr_data_blocks=\"3000\">";
        string Device(int id, int own) => $"<device dev_id=\"{id}\" mapped_blocks=\"{1000 + own}\" transaction=\"0\" creation_time=\"0\" snap_time=\"0\"><ref name=\"d\"/><range_mapping origin_begin=\"4000\" data_begin=\"{id * 100}\" length=\"{own}\" time=\"0\"/></device>";
        var image = Metadata.Restore(Head + "<def name=\"d\"><range_mapping origin_begin=\"0\" data_begin=\"1500\" length=\"1000\" time=\"0\"/></def>" + Device(1, 20) + Device(2, 50) + Device(12, 7) + "</superblock>");
        string page = ExplorePage.Draw(ThinMetadata.Open(new MemoryDevice(image)), "a <pool>");
        Assert.Multiple(() =>
        {
            Assert.That(page, Does.StartWith("<!doctype html>").And.Contain("a &lt;pool&gt;"));
            Assert.That(page, Does.Not.Contain("http").And.Not.Contain("src="));
            Assert.That(page, Does.Contain(">thin 12<").And.Contain("shared by thin 1, 2, 12").And.Contain("only of thin 12"));
            Assert.That(page, Does.Contain(">1050<"), "the diagonal of thin 2");
        });
    }

    [Test]
    public void Damage_is_on_the_page_and_does_not_stop_it()
    {
        foreach (var damage in DamageGenerator.Cases())
        {
            var image = Metadata.Restore(Metadata.Sample);
            damage.Damage(image);
            Assert.That(() => ExplorePage.Draw(ThinMetadata.Open(new MemoryDevice(image)), "x"), Throws.Nothing, damage.Name);
        }
    }
}
