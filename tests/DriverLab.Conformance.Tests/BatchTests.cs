using System.Runtime.InteropServices;
using System.Text;
using DriverLab.Conformance.Golden;
using DriverLab.Conformance.Running;

namespace DriverLab.Conformance.Tests;

/// <summary>What travels to a machine and back, and what is kept, is what was said.</summary>
public class BatchTests
{
    [Test]
    public void Scenarios_survive_the_way_to_a_machine()
    {
        var scenarios = new[] { Texts.Scenario("mkdir /a"), Texts.Scenario("write /é \"ü\"") };
        Assert.That(Batch.Decode(Batch.Encode(scenarios)).Select(s => s.Source), Is.EqualTo(scenarios.Select(s => s.Source)));
    }

    [Test]
    public void A_run_survives_the_way_back_whatever_the_pieces([Values(1, 3, 7, 1000)] int size)
    {
        var sink = new CollectingSink();
        var reader = new BatchReader(sink);
        byte[] all = Encoding.UTF8.GetBytes("B\tvfs/é\nS\t1\nL\t1\tmain\tmkdir /a\tok\nS\t2\nL\t2\tmain\tcat /a\tEISDIR at read after 0\nE\tDone\t\n");
        for (int at = 0; at < all.Length; at += size)
            reader.Read(all.AsSpan(at, Math.Min(size, all.Length - at)));
        Assert.Multiple(() =>
        {
            Assert.That(sink.Result!.Scenario, Is.EqualTo("vfs/é"));
            Assert.That(sink.Result.Lines.Select(l => l.Outcome), Is.EqualTo(["ok", "EISDIR at read after 0"]));
            Assert.That(reader.Scenario, Is.Null);
        });
    }

    [Test]
    public void A_kernel_that_dies_is_known_by_its_last_call()
    {
        var sink = new CollectingSink();
        var reader = new BatchReader(sink);
        reader.Read("B\tdm/x\nS\t1\nL\t1\tmain\tdm list\tok\nS\t2\n"u8);
        Assert.That((reader.Scenario, reader.Step), Is.EqualTo(("dm/x", 2)));
        Assert.That(reader.Lost("oops: NULL pointer"), Is.EqualTo("dm/x"));
        Assert.That(sink.Result!.Lines[^1], Is.EqualTo(new TraceLine("2", "-", "", "oops: NULL pointer")));
        Assert.That(sink.Result.Status, Is.EqualTo(RunStatus.Broken));
    }

    [Test]
    public void A_golden_file_reads_as_it_was_written()
    {
        var scenario = Texts.Scenario("mkdir /a\nreaddir /");
        var run = Texts.Run(scenario, "ok", "ok 1 names\ta=dir");
        var read = GoldenFile.Parse("f", GoldenFile.Write("6.1.0-1, package 6.1-1", [(scenario, run)]));
        Assert.Multiple(() =>
        {
            Assert.That(read.Stamp, Is.EqualTo("6.1.0-1, package 6.1-1"));
            Assert.That(read.Runs[scenario.Name].Digest, Is.EqualTo(GoldenFile.DigestOf(scenario)));
            Assert.That(read.Runs[scenario.Name].Run.Lines, Is.EqualTo(run.Lines));
        });
    }

    /// <summary>What a line says as another one does is one line of the file; when the other one is recorded anew and says something else, nothing is known of this one any more.</summary>
    [Test]
    public void A_line_that_says_the_same_refers_to_the_other_until_that_one_changes()
    {
        var folder = Directory.CreateTempSubdirectory("driverlab-golden-");
        try
        {
            var scenario = Texts.Scenario("mkdir /a\nreaddir /");
            var profile = new Linux.KernelProfile("6.12", new(6, 12), System.Collections.Frozen.FrozenDictionary<string, string>.Empty);
            var store = new GoldenStore(folder.FullName);
            var (first, second) = (Texts.Run(scenario, "ok", "ok 1 names\ta=dir"), Texts.Run(scenario, "ok", "EIO"));
            store.Write("6.12", "6.12.0-1", profile, [(scenario, first)]);
            store.Write("7.3", "7.3.0-1", profile, [(scenario, first)]);
            string text = File.ReadAllText(Path.Combine(folder.FullName, "7.3", scenario.Suite + ".trace"));
            Assert.That(text, Does.Contain($"== {scenario.Name} {GoldenFile.DigestOf(scenario):x16} as 6.12 {GoldenFile.DigestOf(first):x16}\n").And.Not.Contain("mkdir"));
            Assert.That(store.Runs("7.3")[scenario.Name].Run.Lines, Is.EqualTo(first.Lines));
            store.Write("6.12", "6.12.0-2", profile, [(scenario, second)]);
            Assert.That(store.Runs("7.3"), Is.Empty);
            store.Write("7.3", "7.3.0-1", profile, [(scenario, first)]);
            Assert.That(store.Runs("7.3")[scenario.Name].Run.Lines, Is.EqualTo(first.Lines), "in full, because no other line says it");
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Test]
    public void The_digest_of_data_sees_any_change()
    {
        var data = new byte[100];
        TestData.Fill(data, 1);
        ulong digest = TestData.Digest(data);
        var seen = new HashSet<ulong> { digest };
        for (int i = 0; i < data.Length * 8; i++)
        {
            data[i / 8] ^= (byte)(1 << (i % 8));
            Assert.That(seen.Add(TestData.Digest(data)), Is.True, $"bit {i}");
            data[i / 8] ^= (byte)(1 << (i % 8));
        }
        Assert.That(TestData.Digest(data.AsSpan(0, 99)), Is.Not.EqualTo(digest));
    }

    [Test]
    public void Several_digests_at_a_time_are_those_of_each([Values(1, 7, 8, 64, 99, 200)] int bytes, [Range(0, 13)] int count)
    {
        byte[] data = new byte[bytes * count + 5];
        TestData.Fill(data, 3);
        int[] starts = [.. Enumerable.Range(0, count).Select(i => i * bytes + i % 5)];
        ulong[] digests = new ulong[count];
        TestData.Digests(data, starts, bytes, digests);
        Assert.That(digests, Is.EqualTo(starts.Select(start => TestData.Digest(data.AsSpan(start, bytes)))));
    }

    /// <summary>The first numbers of SplitMix64 from 1234567, as its descriptions give them; and the same bytes, whichever way a length is filled.</summary>
    [Test]
    public void Test_data_is_SplitMix64_at_every_length()
    {
        ulong[] known = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821];
        byte[] longest = new byte[1000];
        TestData.Fill(longest, 1234567);
        Assert.That(MemoryMarshal.Cast<byte, ulong>(longest)[..known.Length].ToArray(), Is.EqualTo(known));
        for (int length = 0; length < longest.Length; length++)
        {
            byte[] data = new byte[length];
            TestData.Fill(data, 1234567);
            Assert.That(data, Is.EqualTo(longest[..length]), $"{length} bytes");
        }
    }
}
