namespace DriverLab.Block.Crash;

/// <summary>All that a power cut may leave, from a log of writes: every prefix, and between two flushes other orders and torn writes; each state goes to a checker.</summary>
/// <remarks>
/// What is enumerated: for each write the state in which it is the last that landed; for each flush the state without anything that was not safe; between two flushes all subsets of
/// what was not safe (up to four writes), or each write lost alone, each landed alone and sampled subsets; with <see cref="CrashSweepOptions.TornWrites"/> also the last write in
/// part. A write that flushed first never lands before what that flush covered. Sectors are whole or not there: no disk of today tears one. The idea is that of the block-level
/// crash consistency testers: xfstests' log-writes tests, CrashMonkey (OSDI 2018).
/// </remarks>
/// <param name="log">What was written.</param>
/// <param name="disks">Size in sectors and initial content of each disk; content that is shorter than the disk goes on with zeros.</param>
public sealed class CrashSweep(WriteLog log, params IReadOnlyList<(long Sectors, ReadOnlyMemory<byte> Content)> disks)
{
    /// <summary>Checks states until all are done or too many have failed.</summary>
    /// <param name="options">How far to go.</param>
    /// <param name="check">Says what is wrong with a state, or null.</param>
    /// <param name="cancellation">Stops the sweep.</param>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public CrashReport Run(CrashSweepOptions options, Func<CrashState, string?> check, CancellationToken cancellation = default)
    {
        var failures = new List<CrashFailure>();
        var builder = new StateBuilder(log, disks);
        long states = 0;
        foreach (var (number, choice) in Choices(options))
        {
            cancellation.ThrowIfCancellationRequested();
            states++;
            var state = builder.Build(number, choice);
            if (check(state) is not { } message)
                continue;
            failures.Add(Minimise(builder, state, message, check));
            if (failures.Count >= options.MaxFailures)
                break;
        }
        return new(states, failures);
    }

    /// <summary>The states one after the other, for a caller with a loop of its own. The content of a state is there until the next one is asked for.</summary>
    public IEnumerable<CrashState> States(CrashSweepOptions options)
    {
        var builder = new StateBuilder(log, disks);
        foreach (var (number, choice) in Choices(options))
            yield return builder.Build(number, choice);
    }

    private IEnumerable<(long Number, CrashChoice Choice)> Choices(CrashSweepOptions options)
    {
        long number = 0;
        foreach (var choice in new CrashChoices(log, options).All())
        {
            if (number % options.Parts == options.Part)
                yield return (number, choice);
            number++;
        }
    }

    /// <summary>Lets lost writes land again, in halves and smaller, as long as the state is still not accepted.</summary>
    private CrashFailure Minimise(StateBuilder builder, CrashState state, string message, Func<CrashState, string?> check)
    {
        var (best, bestMessage) = (state.Choice, message);
        if (best.Torn is not null)
            _ = Try(best with { Torn = null, TornSectors = 0 });
        for (int part = Math.Max(1, best.Lost.Count / 2); part > 0; part /= 2)
        {
            for (int at = 0; at < best.Lost.Count;)
            {
                if (!Try(best with { Lost = [.. best.Lost.Take(at), .. best.Lost.Skip(at + part)] }))
                    at += part;
            }
        }
        return new(state, message, builder.Build(state.Number, best), bestMessage);

        bool Try(CrashChoice candidate)
        {
            if (!CrashChoices.IsPossible(log, candidate) || check(builder.Build(state.Number, candidate)) is not { } said)
                return false;
            (best, bestMessage) = (candidate, said);
            return true;
        }
    }

    /// <summary>Makes images of states; goes through the log once, forwards, as long as it is asked in order.</summary>
    private sealed class StateBuilder(WriteLog log, IReadOnlyList<(long Sectors, ReadOnlyMemory<byte> Content)> disks)
    {
        private readonly LoggedWrite[] _byDurability = [.. log.Writes.Where(w => w.DurableAt != long.MaxValue).OrderBy(w => w.DurableAt)];
        private readonly CrashImage[] _safe = [.. disks.Select(disk => new CrashImage(null, disk.Content))];
        private readonly long[] _sectors = [.. disks.Select(disk => disk.Sectors)];
        private int _next, _firstVolatile;

        public CrashState Build(long number, CrashChoice choice)
        {
            while (_next < _byDurability.Length && _byDurability[_next].DurableAt <= choice.EpochStart)
                Apply(_safe, _byDurability[_next++]);
            while (_firstVolatile < log.Writes.Count && log.Writes[_firstVolatile].DurableAt <= choice.EpochStart)
                _firstVolatile++;
            var images = new CrashImage[_safe.Length];
            for (int i = 0; i < images.Length; i++)
                images[i] = new(_safe[i], default);
            int lost = 0;
            for (int i = _firstVolatile; i < log.Writes.Count && log.Writes[i].Submitted <= choice.Cut; i++)
            {
                var write = log.Writes[i];
                if (write.DurableAt <= choice.EpochStart)
                    continue;
                if (lost < choice.Lost.Count && ReferenceEquals(choice.Lost[lost], write))
                    lost++;
                else
                    images[write.Disk].Apply(write, ReferenceEquals(write, choice.Torn) ? choice.TornSectors : write.Sectors);
            }
            return new(number, choice, images, _sectors, log.Flushes.Count(flush => flush.Ended <= choice.Cut));
        }

        private static void Apply(CrashImage[] images, LoggedWrite write) => images[write.Disk].Apply(write, write.Sectors);
    }
}
