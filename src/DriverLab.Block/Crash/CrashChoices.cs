using DriverLab.Simulation;

namespace DriverLab.Block.Crash;

/// <summary>Enumerates what cuts may take away, epoch by epoch: the time between the ends of two flushes.</summary>
internal sealed class CrashChoices(WriteLog log, CrashSweepOptions options)
{
    private const int SweptWhole = 4;

    private readonly Prng _random = Prng.FromSeed(options.Seed, "crash");
    private readonly HashSet<ulong> _seen = [];
    private long _left = options.MaxStates;

    public IEnumerable<CrashChoice> All()
    {
        long start = 0;
        int first = 0;
        foreach (long end in log.Flushes.Select(flush => flush.Ended).Append(log.Now + 1))
        {
            while (first < log.Writes.Count && log.Writes[first].DurableAt <= start)
                first++;
            _seen.Clear();
            foreach (var choice in Epoch(start, end - 1, first))
            {
                if (_left-- <= 0)
                    yield break;
                yield return choice;
            }
            start = end;
        }
    }

    /// <summary>True when no write has landed before what its own flush covers.</summary>
    public static bool IsPossible(WriteLog log, CrashChoice choice)
    {
        foreach (var lost in choice.Lost)
        {
            // Somebody behind it on its disk that flushed first and is there says that it must be there too.
            for (int i = lost.Number + 1; i < log.Writes.Count && log.Writes[i].Submitted <= choice.Cut; i++)
            {
                var later = log.Writes[i];
                if (later.Disk == lost.Disk && (later.Flags & BioFlags.PreFlush) != 0 && lost.Ended <= later.Submitted && !lost.HasFailed && !choice.Lost.Contains(later))
                    return false;
            }
        }
        return true;
    }

    private IEnumerable<CrashChoice> Epoch(long start, long end, int first)
    {
        // Nothing but what was safe, and the writes one after the other.
        foreach (var choice in New(start, start, first, _ => false))
            yield return choice;
        for (int i = first; i < log.Writes.Count && log.Writes[i].Submitted <= end; i++)
        {
            if (log.Writes[i].Submitted <= start)
                continue;
            foreach (var choice in New(start, log.Writes[i].Submitted, first, _ => true))
                yield return choice;
        }

        var open = Open(start, end, first);
        if (open.Count <= SweptWhole)
        {
            for (int set = 0; set < 1 << open.Count; set++)
            {
                int landed = set;
                foreach (var choice in New(start, end, first, write => (landed >> open.IndexOf(write) & 1) != 0))
                    yield return choice;
            }
            yield break;
        }
        for (int i = 0; i < Math.Min(open.Count, options.Reorderings); i++)
        {
            var chosen = open.Count <= options.Reorderings ? open[i] : open[_random.Next(open.Count)];
            foreach (var choice in New(start, end, first, write => write != chosen))
                yield return choice;
            foreach (var choice in New(start, end, first, write => write == chosen))
                yield return choice;
        }
        for (int i = 0; i < options.Reorderings; i++)
        {
            int most = i % 3 switch { 0 => 1, 1 => 5, _ => 9 };
            foreach (var choice in New(start, end, first, _ => _random.Next(10) < most))
                yield return choice;
        }
    }

    /// <summary>What was not safe by the end of an epoch, in order.</summary>
    private List<LoggedWrite> Open(long start, long cut, int first)
    {
        var open = new List<LoggedWrite>();
        for (int i = first; i < log.Writes.Count && log.Writes[i].Submitted <= cut; i++)
        {
            if (log.Writes[i].DurableAt > cut && log.Writes[i].DurableAt > start)
                open.Add(log.Writes[i]);
        }
        return open;
    }

    /// <summary>A choice and its torn variants, as far as they have not been seen.</summary>
    private IEnumerable<CrashChoice> New(long start, long cut, int first, Func<LoggedWrite, bool> lands)
    {
        var open = Open(start, cut, first);
        bool[] landed = [.. open.Select(lands)];
        for (int i = open.Count - 1; i >= 0; i--)
        {
            if (!landed[i] || (open[i].Flags & BioFlags.PreFlush) == 0)
                continue;
            for (int k = 0; k < i; k++)
                landed[k] |= open[k].Disk == open[i].Disk && open[k].Ended <= open[i].Submitted && !open[k].HasFailed;
        }
        var lost = open.Where((_, i) => !landed[i]).ToArray();
        int last = Array.LastIndexOf(landed, true);
        var choice = new CrashChoice(start, cut, lost);
        if (IsNew(choice, first))
            yield return choice;
        if (!options.TornWrites || last < 0 || open[last].Sectors < 2)
            yield break;
        int unit = options.AtomicBytes >> 9, sectors = open[last].Sectors;
        int[] parts = [Whole(open[last].Sector, 1, unit), Whole(open[last].Sector, sectors / 2, unit), Whole(open[last].Sector, sectors - unit, unit)];
        foreach (int part in parts.Where(part => part > 0 && part < sectors).Distinct())
        {
            var torn = choice with { Torn = open[last], TornSectors = part };
            if (IsNew(torn, first))
                yield return torn;
        }
    }

    /// <summary>The number of sectors from the first one on, at least as many as wanted, that ends where a disk may tear.</summary>
    private static int Whole(long first, int wanted, int unit) => (int)((first + Math.Max(1, wanted) + unit - 1) / unit * unit - first);

    /// <summary>Two choices of an epoch with the same writes on the disks are one; the first has the earlier cut, which asks for more.</summary>
    private bool IsNew(CrashChoice choice, int first)
    {
        ulong hash = choice.Torn is null ? 0 : Mix((ulong)choice.Torn.Number << 20 ^ (uint)choice.TornSectors ^ 1UL << 60);
        int lost = 0;
        for (int i = first; i < log.Writes.Count && log.Writes[i].Submitted <= choice.Cut; i++)
        {
            if (lost < choice.Lost.Count && ReferenceEquals(choice.Lost[lost], log.Writes[i]))
                lost++;
            else if (log.Writes[i].DurableAt > choice.EpochStart)
                hash ^= Mix((ulong)i + 1);
        }
        return _seen.Add(hash);
    }

    /// <summary>Spreads the bits of a number (the finaliser of SplitMix64).</summary>
    private static ulong Mix(ulong x)
    {
        unchecked
        {
            x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
            x = (x ^ x >> 27) * 0x94d049bb133111eb;
            return x ^ x >> 31;
        }
    }
}
