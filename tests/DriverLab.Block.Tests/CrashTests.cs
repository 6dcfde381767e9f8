using DriverLab.Block.Crash;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Simulation;

namespace DriverLab.Block.Tests;

/// <summary>What power cuts may leave, against the definition; and a small journal that a sweep accepts, with faults that it does not.</summary>
public sealed class CrashTests
{
    private static readonly CrashSweepOptions Untorn = new() { TornWrites = false };

    /// <summary>A log in words: "w3" a write of sector 3, "f3" one that flushes first, "u3" one with FUA, "F" a flush. All end at once.</summary>
    private static WriteLog Log(string words, int sectors = 1)
    {
        var log = new WriteLog();
        byte value = 0;
        foreach (string word in words.Split(' '))
        {
            if (word == "F")
            {
                log.EndFlush(0, log.BeginFlush());
                continue;
            }
            var flags = word[0] switch { 'f' => BioFlags.PreFlush, 'u' => BioFlags.Fua, 'b' => BioFlags.PreFlush | BioFlags.Fua, _ => BioFlags.None };
            byte[] data = new byte[sectors << 9];
            data.AsSpan().Fill(++value);
            log.End(log.Begin(0, WriteKind.Data, flags, word[1] - '0', sectors, data));
        }
        return log;
    }

    /// <summary>The states as text: who made each sector, by the number of the write from 1; 0 is nobody.</summary>
    private static HashSet<string> States(WriteLog log, CrashSweepOptions options, int sectors = 6) =>
        [.. new CrashSweep(log, (sectors, default)).States(options).Select(state =>
        {
            byte[] content = new byte[sectors << 9];
            state.Read(0, 0, content);
            return string.Concat(Enumerable.Range(0, sectors).Select(i => (char)('0' + content[i << 9])));
        })];

    [TestCase("w0 w1 w2", "0000 1000 0200 1200 0030 1030 0230 1230")] // nothing is safe: all subsets
    [TestCase("w0 F w1", "0000 1000 1200")] // before the flush w0 may be lost, afterwards not
    [TestCase("w0 w0", "0000 1000 2000")] // the later one wins where both are there
    [TestCase("u0 w1", "0000 1000 1200")] // FUA: safe when it ends, so never without it
    [TestCase("w1 u0", "0000 0100 2100 2000")] // FUA says nothing of others
    [TestCase("w1 f0", "0000 0100 2100")] // a write that flushes first is never there without what the flush covered
    [TestCase("w1 b0 w2", "0000 0100 2100 2130")]
    [TestCase("w0 u0 w1", "0000 1000 2000 2300")] // a lost write under a safe one leaves no trace
    public void All_states_are_those_of_the_definition(string words, string states)
        => Assert.That(States(Log(words), Untorn, 4), Is.EquivalentTo(states.Split(' ')));

    [Test]
    public void A_flush_covers_only_what_had_ended_before_it_began()
    {
        var log = new WriteLog();
        byte[] data = new byte[512];
        data.AsSpan().Fill(1);
        var early = log.Begin(0, WriteKind.Data, BioFlags.None, 0, 1, data);
        long flush = log.BeginFlush();
        log.End(early);
        log.EndFlush(0, flush);
        Assert.That(States(log, Untorn, 1), Is.EquivalentTo((string[])["0", "1"]));
        Assert.That(early.DurableAt, Is.EqualTo(long.MaxValue));
    }

    [Test]
    public void The_last_write_is_torn_at_its_sectors()
        => Assert.That(States(Log("w0 F w2", sectors: 3), Untorn with { TornWrites = true }), Is.EquivalentTo((string[])["000000", "100000", "110000", "111000", "112000", "112200", "112220"]));

    [Test]
    public void What_a_disk_never_tears_is_whole()
        => Assert.That(States(Log("w1", sectors: 4), Untorn with { TornWrites = true, AtomicBytes = 1024 }), Is.EquivalentTo((string[])["000000", "010000", "011100", "011110"]));

    [Test]
    public void Larger_spans_are_sampled_by_the_seed_and_hold_each_single_loss()
    {
        var log = Log("w0 w1 w2 w3 w4 w5");
        var states = States(log, Untorn);
        Assert.That(states, Is.SupersetOf((string[])["023456", "103456", "120456", "123056", "123406", "123450", "100000", "000006", "123456"]));
        Assert.That(States(log, Untorn), Is.EqualTo(states), "the same seed gives the same states");
        Assert.That(States(log, Untorn with { Seed = 2 }), Is.Not.EqualTo(states));
    }

    [Test]
    public void A_journal_that_flushes_where_it_must_is_accepted()
    {
        var (log, allowed) = Journal(flushBeforeCommit: true, seed: 7);
        var report = new CrashSweep(log, (Sectors, default)).Run(new(), state => Check(state, allowed));
        Assert.That(report.Failures, Is.Empty);
        Assert.That(report.States, Is.GreaterThan(300));
        var parts = Enumerable.Range(0, 3).Select(part => new CrashSweep(log, (Sectors, default)).Run(new() { Part = part, Parts = 3 }, _ => null).States);
        Assert.That(parts.Sum(), Is.EqualTo(report.States), "three parts are the whole");
    }

    [Test]
    public void A_journal_without_its_flush_is_caught_and_the_least_loss_is_shown()
    {
        var (log, allowed) = Journal(flushBeforeCommit: false, seed: 7);
        var report = new CrashSweep(log, (Sectors, default)).Run(new(), state => Check(state, allowed));
        Assert.That(report.Failures, Has.Count.EqualTo(1));
        var failure = report.Failures[0];
        Assert.That(failure.WitnessMessage, Does.Contain("transaction"));
        Assert.That(failure.Witness.Lost, Has.Count.EqualTo(1), failure.Witness.ToString());
        Assert.That(failure.Witness.Lost[0].Sector, Is.GreaterThanOrEqualTo(CommitSector + 1), "a block of the journal is what was lost");
        Assert.That(failure.Witness.ToString(), Does.Contain("power cut at time").And.Contain("lost (1): #"));
    }

    [Test]
    public void A_disk_as_it_came_up_is_written_without_touching_the_next_state()
    {
        var lab = new Lab();
        foreach (var state in new CrashSweep(Log("w0 F w1"), (8, default)).States(Untorn))
        {
            var disk = state.Disk(0, lab.Layer, new(200, (uint)state.Number), $"c{state.Number}");
            lab.Layer.Devices.Add(disk);
            var file = lab.Open(disk, OpenFlags.O_RDWR | OpenFlags.O_DIRECT);
            byte[] sector = new byte[512];
            Assert.That(file.Read(5 << 9, sector, direct: true).Value, Is.EqualTo(512));
            Assert.That(sector[0], Is.Zero);
            sector[0] = 9;
            Assert.That(file.Write(5 << 9, sector, true, false).Value, Is.EqualTo(512));
            state.Read(0, 5, sector);
            Assert.That(sector[0], Is.EqualTo(9));
            file.Close();
        }
    }

    private const int Sectors = 64, CommitSector = 8, Blocks = 4;

    /// <summary>A store of one value in a journal: the value's blocks are written to one of two places, then a commit sector names it. Returns for each time which values may be found.</summary>
    private static (WriteLog Log, SortedList<long, int> Safe) Journal(bool flushBeforeCommit, ulong seed)
    {
        var lab = new Lab();
        var log = new WriteLog();
        var disk = new LoggedDisk(lab.Ram(sectors: Sectors), new(200, 0), "log0", log, 0);
        lab.Layer.Devices.Add(disk);
        var file = lab.Open(disk, OpenFlags.O_RDWR | OpenFlags.O_DIRECT);
        var random = Prng.FromSeed(seed, "journal");
        var safe = new SortedList<long, int> { [0] = 0 };
        for (int transaction = 1; transaction <= 20; transaction++)
        {
            byte[] block = new byte[512];
            block.AsSpan().Fill((byte)transaction);
            foreach (int i in Enumerable.Range(0, Blocks).OrderBy(_ => random.Next()))
                Write(Place(transaction) + i, block);
            if (flushBeforeCommit)
                Assert.That(file.Fsync(), Is.EqualTo(Errno.OK));
            Write(CommitSector, block);
            Assert.That(file.Fsync(), Is.EqualTo(Errno.OK));
            safe[log.Mark($"transaction {transaction} is safe")] = transaction;
        }
        return (log, safe);

        void Write(long sector, byte[] data) => Assert.That(file.Write(sector << 9, data, true, false).Value, Is.EqualTo(512));
    }

    private static long Place(int transaction) => CommitSector + 1 + transaction % 2 * Blocks;

    private static string? Check(CrashState state, SortedList<long, int> safe)
    {
        int told = safe.Last(s => s.Key <= state.Cut).Value;
        byte[] sector = new byte[512];
        state.Read(0, CommitSector, sector);
        int committed = sector[0];
        if (committed < told)
            return $"transaction {told} was safe, and {committed} is committed";
        for (int i = 0; committed > 0 && i < Blocks; i++)
        {
            state.Read(0, Place(committed) + i, sector);
            if (sector.AsSpan().ContainsAnyExcept((byte)committed))
                return $"transaction {committed} is committed, and its block {i} is of {sector[0]}";
        }
        return null;
    }
}
