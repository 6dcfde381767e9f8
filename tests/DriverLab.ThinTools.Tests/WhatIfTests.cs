using DriverLab.ThinTools.Io;
using DriverLab.ThinTools.Model;
using DriverLab.ThinTools.WhatIf;

namespace DriverLab.ThinTools.Tests;

/// <summary>A forecast follows dm-thin's rules; the cases are those seen on kernels.</summary>
[TestFixture]
[Parallelizable(ParallelScope.All)]
public sealed class WhatIfTests
{
    /// <summary>Sixteen data blocks of 64 KiB; device 0 maps two, device 1 is its snapshot.</summary>
    private const string Pool = """
        <superblock uuid="" time="1" transaction="2" version="2" data_block_size="128" nr_data_blocks="16">
          <device dev_id="0" mapped_blocks="2" transaction="0" creation_time="0" snap_time="1"><range_mapping origin_begin="0" data_begin="0" length="2" time="0"/></device>
          <device dev_id="1" mapped_blocks="2" transaction="1" creation_time="1" snap_time="1"><range_mapping origin_begin="0" data_begin="0" length="2" time="0"/></device>
        </superblock>
        """;

    private static IReadOnlyList<StepForecast> Run(ForecastOptions options, params string[] steps) =>
        PoolForecast.Run(ThinMetadata.Open(new MemoryDevice(Metadata.Restore(Pool))), PoolPlan.Parse(steps, "plan"), options);

    [Test]
    public void Writes_to_new_blocks_provision_and_zero_what_they_do_not_cover()
    {
        var f = Run(new(), "write 0 1m 100k")[0];
        Assert.That((f.Provisioned, f.Zeroed, f.Copied, f.DataFree), Is.EqualTo((2UL, 1UL, 0UL, 12UL)));
    }

    [Test]
    public void A_partial_write_to_a_shared_block_copies_it_and_a_whole_one_does_not()
    {
        var f = Run(new(), "write 1 0 4k", "write 1 64k 64k", "write 1 0 4k", "write 0 0 4k");
        Assert.That((f[0].Copied, f[0].Replaced, f[0].Freed), Is.EqualTo((1UL, 0UL, 0UL)));
        Assert.That((f[1].Copied, f[1].Replaced), Is.EqualTo((0UL, 1UL)));
        Assert.That((f[2].Overwritten, f[2].DataFree), Is.EqualTo((1UL, 12UL)));
        // The origin still takes its block for shared, although the snapshot has broken away: the copy frees the old one.
        Assert.That((f[3].Copied, f[3].Freed, f[3].DataFree), Is.EqualTo((1UL, 1UL, 12UL)));
    }

    [Test]
    public void A_discard_unmaps_whole_blocks_and_frees_those_that_nobody_else_maps()
    {
        var f = Run(new(), "discard 0 4k 124k", "discard 1 0 128k");
        Assert.That((f[0].Unmapped, f[0].Freed), Is.EqualTo((1UL, 0UL)));
        Assert.That((f[1].Unmapped, f[1].Freed, f[1].DataFree), Is.EqualTo((2UL, 1UL, 15UL)));
    }

    [Test]
    public void Low_water_is_told_before_the_block_that_finds_the_mark()
    {
        var f = Run(new() { LowWaterBlocks = 4 }, "write 0 1m 640k", "write 0 2m 64k");
        Assert.That(f[0].Events, Is.Empty, "the tenth block is taken while five are free");
        Assert.That(f[1].Events.Single(), Does.StartWith("low water: 4 data blocks are free"));
    }

    [Test]
    public void A_full_pool_refuses_new_blocks_and_recovers_by_a_discard()
    {
        var f = Run(new() { ErrorIfNoSpace = true }, "write 0 1m 1m", "write 0 0 4k", "discard 0 1m 64k", "write 0 0 4k");
        Assert.That((f[0].Provisioned, f[0].Refused), Is.EqualTo((14UL, 2UL)));
        Assert.That(f[0].Events.Single(), Does.Contain("ENOSPC"));
        Assert.That(f[1].Refused, Is.EqualTo(1), "a shared block needs a new one");
        Assert.That(f[2].Events.Single(), Does.Contain("back to rw"));
        Assert.That(f[3].Copied, Is.EqualTo(1));
    }

    [Test]
    public void Snapshots_share_and_deleting_gives_back_what_is_not_shared()
    {
        var f = Run(new(), "snap 7 0", "write 0 0 64k", "delete 7", "delete 1");
        Assert.That(f[1].Replaced, Is.EqualTo(1));
        Assert.That(f[2].Freed, Is.Zero, "device 1 still maps both");
        Assert.That((f[3].Unmapped, f[3].Freed), Is.EqualTo((2UL, 1UL)));
    }

    [TestCase("plan:1: 'write 0 0': expected write or discard DEV OFFSET LENGTH", "write 0 0")]
    [TestCase("plan:1: '9x': expected a number of sectors", "write 0 9x 8")]
    [TestCase("there is no device 5; the pool has 0, 1", "write 5 0 8")]
    [TestCase("device 1 exists; a kernel answers EEXIST", "snap 1 0")]
    [TestCase("there is no device 9; a kernel answers ENODATA", "snap 7 9")]
    public void Wrong_steps_are_told(string sentence, string step) =>
        Assert.That(() => Run(new(), step), Throws.TypeOf<ThinToolException>().With.Message.Contains(sentence));
}
