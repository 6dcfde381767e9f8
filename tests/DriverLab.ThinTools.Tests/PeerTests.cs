using System.Diagnostics;
using DriverLab.Cli;

namespace DriverLab.ThinTools.Tests;

/// <summary>The same files given to Debian's thin-provisioning-tools 0.9: the same bytes out, the same exit codes.</summary>
[TestFixture]
public sealed class PeerTests
{
    /// <summary>Where 0.9 takes damaged metadata for sound: a check of ours refuses it. Version 1.1 of the tools agrees, or the kernel does, as said. An entry that no longer differs fails.</summary>
    private static readonly Dictionary<string, string> s_peerAccepts = new()
    {
        ["superblock-magic"] = "a kernel answers EILSEQ",
        ["superblock-block-number"] = "a kernel answers ENOTBLK",
        ["superblock-incompat"] = "a kernel answers EINVAL",
        ["superblock-data-count-large"] = "a kernel cannot look up blocks without a bitmap",
        ["mapped-blocks"] = "tools 1.1 refuse it",
        ["device-without-details"] = "tools 1.1 refuse it",
        ["mapping-outside"] = "tools 1.1 refuse it",
        ["mapping-moved"] = "tools 1.1 refuse it: 0.9 does not compare the data space map",
        ["data-leak"] = "tools 1.1 refuse it: 0.9 does not compare the data space map",
        ["data-leak-three"] = "tools 1.1 refuse it: 0.9 does not compare the data space map",
        ["data-low"] = "tools 1.1 refuse it: 0.9 does not compare the data space map",
    };

    /// <summary>The same for <c>--skip-mappings</c>.</summary>
    private static readonly string[] s_peerAcceptsSkipping =
        ["superblock-magic", "superblock-block-number", "superblock-incompat", "device-without-details", "device-without-mappings"];

    /// <summary>What 0.9 takes for leaked blocks only, and lets pass with <c>--ignore-non-fatal-errors</c>, although mappings are lost.</summary>
    private static readonly string[] s_peerIgnores = ["leaf-too-few", "child-is-root", "child-keys-outside", "device-without-mappings"];

    /// <summary>Trees that 0.9 dumps as if they were whole; we say what is skipped.</summary>
    private static readonly string[] s_peerDumps = ["leaf-too-few", "child-is-root", "child-keys-outside"];

    private string _folder = "";
    private string _image = "";

    private static IEnumerable<DamageCase> Cases => DamageGenerator.Cases();

    [OneTimeSetUp]
    public void SetUp()
    {
        if (!File.Exists("/usr/sbin/thin_check"))
            Assert.Ignore("thin_check is not installed (Debian package thin-provisioning-tools; ./build.sh installs it)");
        _folder = Directory.CreateTempSubdirectory("driverlab-thin-").FullName;
        _image = Path.Combine(_folder, "metadata");
    }

    [OneTimeTearDown]
    public void TearDown()
    {
        if (_folder.Length > 0)
            Directory.Delete(_folder, recursive: true);
    }

    [TestCaseSource(nameof(Cases))]
    public async Task Exit_codes_and_dumps_of_damaged_metadata_are_the_same(DamageCase damage)
    {
        var image = Metadata.Restore(Metadata.Sample);
        damage.Damage(image);
        File.WriteAllBytes(_image, image);

        Assert.That((await Ours("check", _image)).Code, Is.EqualTo(s_peerAccepts.ContainsKey(damage.Name) ? 1 : Peer("thin_check", _image).Code), "check");
        if (s_peerAccepts.ContainsKey(damage.Name))
            Assert.That(Peer("thin_check", _image).Code, Is.Zero, "no longer a difference");
        Assert.That((await Ours("check", "--skip-mappings", _image)).Code, Is.EqualTo(s_peerAcceptsSkipping.Contains(damage.Name) ? 1 : Peer("thin_check", "--skip-mappings", _image).Code), "check --skip-mappings");
        if (!s_peerAccepts.ContainsKey(damage.Name) || damage.Name == "data-leak")
            Assert.That((await Ours("check", "--ignore-non-fatal-errors", _image)).Code, Is.EqualTo(s_peerIgnores.Contains(damage.Name) ? 1 : Peer("thin_check", "--ignore-non-fatal-errors", _image).Code), "check --ignore-non-fatal-errors");

        var (ourCode, ourText) = await Ours("dump", _image);
        var (peerCode, peerText) = Peer("thin_dump", _image);
        Assert.That(ourCode, Is.EqualTo(s_peerDumps.Contains(damage.Name) ? 1 : peerCode), "dump");
        // With a wrong block number 0.9 takes the superblock for a metadata snapshot's, which has no data space map.
        if (ourCode == 0 && damage.Name != "superblock-block-number")
            Assert.That(ourText, Is.EqualTo(peerText), "dump");
        Assert.That(File.ReadAllBytes(_image), Is.EqualTo(image), "nothing may be written");
    }

    [Test]
    public async Task Dumps_are_the_same_byte_for_byte([Values(1, 2, 3, 4, 5, 6)] int seed, [Values("xml", "human_readable")] string format)
    {
        File.WriteAllBytes(_image, Metadata.Restore(RandomMetadata.Make(new Random(seed)), 4096));
        Assert.That(Peer("thin_check", _image), Is.EqualTo((0, Peer("thin_check", _image).Text)));
        foreach (string[] options in (string[][])[[], ["--skip-mappings"], ["--dev-id", "7"]])
            Assert.That((await Ours(["dump", "--format", format, .. options, _image])).Text, Is.EqualTo(Peer("thin_dump", ["--format", format, .. options, _image]).Text));
    }

    [Test]
    public async Task What_thin_restore_wrote_is_sound_and_dumps_the_same([Values(11, 12, 13, 14)] int seed)
    {
        string xml = Path.Combine(_folder, "pool.xml");
        File.WriteAllText(xml, RandomMetadata.Make(new Random(seed)));
        File.WriteAllBytes(_image, new byte[16 << 20]);
        Assert.That(Peer("thin_restore", "-i", xml, "-o", _image).Code, Is.Zero);
        var (code, text) = await Ours("check", _image);
        Assert.That(code, Is.Zero, text);
        Assert.That((await Ours("dump", _image)).Text, Is.EqualTo(File.ReadAllText(xml)));
    }

    [TestCase("ls", "METADATA")]
    [TestCase("ls", "--no-headers", "-o", "DEV,MAPPED_BLOCKS,EXCLUSIVE_BLOCKS,SHARED_BLOCKS,MAPPED_SECTORS,EXCLUSIVE_SECTORS,SHARED_SECTORS,TRANSACTION", "METADATA")]
    [TestCase("ls", "-o", "MAPPED_BYTES,EXCLUSIVE_BYTES,SHARED_BYTES,MAPPED,EXCLUSIVE,SHARED,TRANSACTION,CREATE_TIME,SNAP_TIME", "METADATA")]
    [TestCase("rmap", "--region", "0..40000", "METADATA")]
    [TestCase("rmap", "--region", "100..200", "--region", "35002..35005", "METADATA")]
    [TestCase("delta", "--thin1", "1", "--thin2", "2", "METADATA")]
    [TestCase("delta", "--verbose", "--snap1", "2", "--snap2", "1", "METADATA")]
    [TestCase("delta", "--thin1", "1", "--thin2", "9", "METADATA")]
    [TestCase("metadata-size", "-b64k", "-s1T", "-m1000")]
    [TestCase("metadata-size", "-b1m", "-s10T", "-m5", "-u", "M")]
    [TestCase("metadata-size", "--block-size", "64k", "--pool-size", "1T", "--max-thins", "1000", "--unit", "m", "--numeric-only=short")]
    public async Task Reports_are_the_same_byte_for_byte(params string[] arguments)
    {
        File.WriteAllBytes(_image, Metadata.Restore(Metadata.Sample));
        string[] words = [.. arguments.Select(word => word == "METADATA" ? _image : word)];
        var (code, text) = await Ours(words);
        var (peerCode, peerText) = Peer("thin_" + words[0].Replace('-', '_'), words[1..]);
        Assert.That(code, Is.EqualTo(peerCode));
        if (words[0] == "rmap")
            Assert.That(text.Split('\n'), Is.EquivalentTo(peerText.Split('\n')), "0.9 leaves the order of devices with one data block to chance");
        else
            Assert.That(text, Is.EqualTo(peerText));
    }

    [TestCase("check")]
    [TestCase("check", "--foo", "METADATA")]
    [TestCase("check", "/nonexistent")]
    [TestCase("check", "/tmp")]
    [TestCase("check", "EMPTY")]
    [TestCase("check", "ZERO")]
    [TestCase("check", "-m", "METADATA")]
    [TestCase("check", "--clear-needs-check-flag", "--skip-mappings", "METADATA")]
    [TestCase("check", "--auto-repair", "-m", "METADATA")]
    [TestCase("dump")]
    [TestCase("dump", "EMPTY")]
    [TestCase("dump", "-f", "foo", "METADATA")]
    [TestCase("dump", "-m", "METADATA")]
    [TestCase("dump", "-m99", "METADATA")]
    [TestCase("dump", "--dev-id", "x", "METADATA")]
    [TestCase("restore")]
    [TestCase("restore", "-i", "/nonexistent", "-o", "ZERO")]
    [TestCase("restore", "-i", "EMPTY", "-o", "ZERO")]
    [TestCase("repair")]
    [TestCase("repair", "-i", "ZERO", "-o", "METADATA")]
    [TestCase("ls", "-o", "foo", "METADATA")]
    [TestCase("rmap", "METADATA")]
    [TestCase("rmap", "--region", "5", "METADATA")]
    [TestCase("delta", "METADATA")]
    [TestCase("delta", "--thin1", "1", "--thin2", "77", "METADATA")]
    [TestCase("trim", "--metadata-dev", "METADATA")]
    [TestCase("metadata-size", "-b63k", "-s1T", "-m1")]
    [TestCase("metadata-size", "-b64k", "-s10k", "-m1")]
    public async Task Wrong_use_ends_with_the_same_code(params string[] arguments)
    {
        string empty = Path.Combine(_folder, "empty"), zero = Path.Combine(_folder, "zero");
        File.WriteAllBytes(empty, []);
        File.WriteAllBytes(zero, new byte[1 << 20]);
        File.WriteAllBytes(_image, Metadata.Restore(Metadata.Sample));
        string[] words = [.. arguments.Select(word => word switch { "METADATA" => _image, "EMPTY" => empty, "ZERO" => zero, _ => word })];
        Assert.That((await Ours(words)).Code, Is.EqualTo(1));
        Assert.That(Peer("thin_" + words[0].Replace('-', '_'), words[1..]).Code, Is.EqualTo(1));
    }

    [Test]
    public async Task The_needs_check_flag_is_cleared_as_thin_check_does()
    {
        var image = Metadata.Restore(Metadata.Sample);
        Metadata.Superblock(image).Flags = 1;
        Metadata.Seal(image, 0, Formats.PersistentData.MetadataBlockKind.Superblock);
        File.WriteAllBytes(_image, image);
        Assert.That(Peer("thin_check", "--clear-needs-check-flag", _image).Code, Is.Zero);
        var theirs = File.ReadAllBytes(_image);
        File.WriteAllBytes(_image, image);
        Assert.That((await Ours("check", "--clear-needs-check-flag", _image)).Code, Is.Zero);
        Assert.That(File.ReadAllBytes(_image), Is.EqualTo(theirs));
    }

    private static async Task<(int Code, string Text)> Ours(params string[] arguments)
    {
        var output = new StringWriter();
        int code = await CommandLine.RunAsync(["thin", .. arguments], output, new StringWriter());
        return (code, output.ToString());
    }

    private static (int Code, string Text) Peer(string tool, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo("/usr/sbin/" + tool, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var error = process.StandardError.ReadToEndAsync();
        string text = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        _ = error.Result;
        return (process.ExitCode, text);
    }
}
