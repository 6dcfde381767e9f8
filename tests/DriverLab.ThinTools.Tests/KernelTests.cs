using DriverLab.Formats.PersistentData;
using DriverLab.Testing;

namespace DriverLab.ThinTools.Tests;

/// <summary>A real kernel activates what restore and repair wrote, reads through it, and goes on writing.</summary>
[TestFixture]
[Category("rig")]
[NonParallelizable]
public sealed class KernelTests
{
    private const int MetadataBlocks = 64;
    private const string Head = "<superblock uuid=\"\" time=\"1\" transaction=\"5\" flags=\"0\" version=\"2\" data_block_size=\"128\" nr_data_blocks=\"64\">\n";

    /// <summary>Two devices of 300 mappings are too many for 64 data blocks; 40 and a snapshot of them are not. Thin block i lies on data block 63 - i.</summary>
    private static string Xml => Head + string.Concat(((int[])[3, 8]).Select(id =>
        $"  <device dev_id=\"{id}\" mapped_blocks=\"40\" transaction=\"{id}\" creation_time=\"{(id == 3 ? 0 : 1)}\" snap_time=\"1\">\n"
        + string.Concat(Enumerable.Range(0, 40).Select(i => $"    <single_mapping origin_block=\"{i}\" data_block=\"{63 - i}\" time=\"0\"/>\n")) + "  </device>\n")) + "</superblock>\n";

    [TestCase("6.1", false)]
    [TestCase("6.12", false)]
    [TestCase("6.1", true)]
    public async Task A_kernel_goes_on_with_what_was_written(string line, bool repaired)
    {
        byte[] image = Metadata.Restore(Xml, MetadataBlocks);
        if (repaired)
        {
            var target = new Io.MemoryDevice(new byte[image.Length]);
            _ = Repair.MetadataRepair.Run(new Io.MemoryDevice(image), target, new());
            image = target.Image;
        }
        ulong used = Metadata.Check(image).MetadataBlocksInUse!.Value;
        string scenario = $"""
            suite dm
            needs loop, dm-thin-pool
            write /m "" ; truncate /m {MetadataBlocks * MetadataBlock.Size} ; write /d "" ; truncate /d 4M
            fd = open /d O_RDWR
            pwrite fd "here lies thin block 5" {(63 - 5) * 65536}
            close fd
            fd = open /m O_RDWR
            {string.Join("\n", Writes(image))}
            close fd
            m = loop attach /m ; d = loop attach /d
            p = dm create pool "0 8192 thin-pool $m $d 128 0"
            dm status pool
            t = dm create t "0 5120 thin $p 3"
            dm status t
            fd = open $t O_RDWR
            pread fd 22 {5 * 65536}
            pwrite fd "broken" {5 * 65536}
            fsync fd
            close fd
            dm status pool
            dm remove t
            s = dm create s "0 5120 thin $p 8"
            fd = open $s O_RDONLY
            pread fd 22 {5 * 65536}
            close fd
            dm remove s
            dm message pool "delete 3"
            dm message pool "create_snap 9 8"
            dm status pool
            dm remove pool
            """;
        var lines = await GuestScenario.RunAsync(line, scenario);
        string trace = string.Join('\n', lines.Select(static l => l.ToString()));
        TestContext.Out.WriteLine(trace);
        // The kernel adds its reserve, a tenth of 64 blocks.
        Assert.That(trace, Does.Contain($"5 {used + 6}/64 40/64 - rw"), "as written");
        Assert.That(trace, Does.Contain("5120 5119").Or.Contain("40"), "the thin device maps what it should");
        Assert.That(trace.Split("here lies thin block 5").Length - 1, Is.GreaterThanOrEqualTo(2), "both read the shared block");
        Assert.That(trace, Does.Contain("/64 41/64 - rw"), "one block was shared and is now copied");
        Assert.That(trace, Does.Contain("/64 40/64 - rw"));
        Assert.That(trace, Does.Not.Contain("EINVAL").And.Not.Contain("EIO").And.Not.Contain("EILSEQ"));
    }

    /// <summary>The blocks that are not zero, as steps.</summary>
    private static IEnumerable<string> Writes(byte[] image)
    {
        for (int block = 0; block < MetadataBlocks; block++)
        {
            var bytes = image.AsSpan(block * MetadataBlock.Size, MetadataBlock.Size);
            if (!bytes.ContainsAnyExcept((byte)0))
                continue;
            yield return $"pwrite fd {GuestScenario.Word(bytes)} {block * MetadataBlock.Size}";
        }
    }
}
