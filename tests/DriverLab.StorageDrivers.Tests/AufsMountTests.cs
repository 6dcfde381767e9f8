using DriverLab.StorageDrivers.Aufs;

namespace DriverLab.StorageDrivers.Tests;

/// <summary>The calls that mount a layer of aufs, for any number of branches.</summary>
public class AufsMountTests
{
    [Test]
    public void Every_branch_is_named_once_and_in_order([Values(0, 1, 40, 79, 100, 126)] int below, [Values(2, 60, 200)] int length)
    {
        string[] branches = [.. Enumerable.Range(0, below).Select(i => "/" + new string('p', length) + i)];
        var mount = AufsMount.Build("/rw", branches, ["dio", "dirperm1"]);
        var named = mount.Data.Split(',')[0].Split(':').Skip(2).Select(static b => b[..b.IndexOf('=')])
            .Concat(mount.Appends.SelectMany(static a => a.Split(',')).Select(static o => o["append:".Length..o.IndexOf('=')]));
        Assert.That(named, Is.EqualTo(branches));
        Assert.That(mount.Data, Does.StartWith("br:/rw=rw").And.EndWith(",dio,dirperm1"));
    }

    [Test]
    public void No_call_is_longer_than_a_page_or_takes_84_options([Values(40, 84, 126)] int below, [Values(2, 60, 200)] int length)
    {
        string[] branches = [.. Enumerable.Range(0, below).Select(i => "/" + new string('p', length) + i)];
        var mount = AufsMount.Build("/rw", branches, ["dio"]);
        foreach (string data in (string[])[mount.Data, .. mount.Appends])
        {
            Assert.That(data, Has.Length.LessThanOrEqualTo(AufsMount.LongestData));
            Assert.That(data.Count(static c => c == '=') + 1, Is.LessThan(84));
        }
    }
}
