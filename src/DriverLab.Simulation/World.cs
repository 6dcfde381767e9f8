namespace DriverLab.Simulation;

/// <summary>Everything that makes a run reproducible: clock, run queue, random streams, kernel log. One per emulated kernel, passed by constructor.</summary>
/// <param name="seed">The seed of every random stream.</param>
/// <param name="mutations">Faults put in on purpose, to test comparing; null for none.</param>
public sealed class World(ulong seed, MutationSet? mutations = null)
{
    private readonly Dictionary<string, Prng> _streams = [];

    /// <summary>The seed that this world was made from.</summary>
    public ulong Seed { get; } = seed;

    /// <summary>Faults put in on purpose.</summary>
    public MutationSet Mutations { get; } = mutations ?? MutationSet.None;

    /// <summary>Emulated time.</summary>
    public Clock Clock { get; } = new();

    /// <summary>Work that the kernel does in the background.</summary>
    public RunQueue Queue { get; } = new();

    /// <summary>Who goes on while somebody sleeps.</summary>
    public Scheduler Scheduler => field ??= new(Clock, Queue);

    /// <summary>The kernel's log, as /dev/kmsg shows it.</summary>
    public KernelLog Log { get; } = new();

    /// <summary>What the kernel did that loses data or crashes it, in words and in order: for people, no part of what a kernel shows.</summary>
    public List<string> Hazards { get; } = [];

    /// <summary>The random stream of one consumer; a new consumer shifts nobody else's numbers.</summary>
    public Prng Stream(string consumer)
    {
        if (!_streams.TryGetValue(consumer, out var stream))
            _streams.Add(consumer, stream = Prng.FromSeed(Seed, consumer));
        return stream;
    }
}

/// <summary>Emulated time in nanoseconds since the epoch; moves only when told to.</summary>
public sealed class Clock
{
    /// <summary>The start of every world: 2020-01-01T00:00:00Z.</summary>
    public const long StartNs = 1_577_836_800_000_000_000;

    /// <summary>Wall clock time, in nanoseconds since the epoch.</summary>
    public long NowNs { get; private set; } = StartNs;

    /// <summary>Time since the kernel booted, in nanoseconds.</summary>
    public long MonotonicNs => NowNs - StartNs;

    /// <summary>Moves time forward.</summary>
    public void Advance(long nanoseconds)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(nanoseconds);
        NowNs += nanoseconds;
    }
}

/// <summary>A work item of the kernel: what a worker thread, a timer or a completion does.</summary>
public abstract class WorkItem
{
    internal long DueNs;
    internal long Sequence;

    /// <summary>True while the item waits in a queue.</summary>
    public bool IsQueued { get; internal set; }

    /// <summary>Does the work. May queue itself again.</summary>
    public abstract void Run();
}

/// <summary>Background work, ordered by (due time, sequence of queueing); the same calls give the same order.</summary>
public sealed class RunQueue
{
    private readonly PriorityQueue<WorkItem, (long Due, long Sequence)> _items = new();
    private long _sequence;

    /// <summary>Number of waiting items.</summary>
    public int Count => _items.Count;

    /// <summary>When the first item falls due; <see cref="long.MaxValue"/> with none.</summary>
    public long NextDueNs => _items.TryPeek(out _, out var order) ? order.Due : long.MaxValue;

    /// <summary>Queues an item for a point in time (nanoseconds since the epoch). An item that already waits stays as it is.</summary>
    public void Add(WorkItem item, long dueNs)
    {
        if (item.IsQueued)
            return;
        item.IsQueued = true;
        item.DueNs = dueNs;
        item.Sequence = _sequence++;
        _items.Enqueue(item, (dueNs, item.Sequence));
    }

    /// <summary>Runs the first item that is due; false when there is none.</summary>
    public bool RunOne(long nowNs)
    {
        if (!_items.TryPeek(out var item, out var order) || order.Due > nowNs)
            return false;
        _ = _items.Dequeue();
        item.IsQueued = false;
        item.Run();
        return true;
    }

    /// <summary>Runs everything that is due, including what falls due meanwhile.</summary>
    public void RunDue(Clock clock)
    {
        while (RunOne(clock.NowNs))
        {
        }
    }
}

/// <summary>The kernel's log: numbered lines.</summary>
public sealed class KernelLog
{
    private readonly List<string> _lines = [];

    /// <summary>All lines so far, oldest first, without time stamps.</summary>
    public IReadOnlyList<string> Lines => _lines;

    /// <summary>Appends a line, as printk does; a newline within it is told as /dev/kmsg does.</summary>
    public void Add(string line) => _lines.Add(line.Replace("\n", "\\x0a", StringComparison.Ordinal));
}

/// <summary>A small, fast generator whose numbers never change between versions of .NET: xoshiro256**.</summary>
/// <remarks>Blackman and Vigna, "Scrambled linear pseudorandom number generators", 2018; seeded through SplitMix64.</remarks>
public sealed class Prng
{
    private ulong _a, _b, _c, _d;

    /// <summary>A generator for one consumer of a seed.</summary>
    public static Prng FromSeed(ulong seed, string consumer)
    {
        ulong state = seed;
        foreach (char c in consumer)
            state = SplitMix(ref state) ^ c;
        return new Prng { _a = SplitMix(ref state), _b = SplitMix(ref state), _c = SplitMix(ref state), _d = SplitMix(ref state) };
    }

    /// <summary>The next 64 random bits.</summary>
    public ulong Next()
    {
        ulong result = ulong.RotateLeft(_b * 5, 7) * 9;
        ulong t = _b << 17;
        _c ^= _a;
        _d ^= _b;
        _b ^= _c;
        _a ^= _d;
        _c ^= t;
        _d = ulong.RotateLeft(_d, 45);
        return result;
    }

    /// <summary>A number from 0 to <paramref name="bound"/> - 1 without modulo bias worth speaking of (multiply and shift).</summary>
    public int Next(int bound) => (int)Math.BigMul(Next(), (ulong)bound, out _);

    /// <summary>Fills a span with random bytes.</summary>
    public void Fill(Span<byte> bytes)
    {
        while (bytes.Length >= 8)
        {
            System.Buffers.Binary.BinaryPrimitives.WriteUInt64LittleEndian(bytes, Next());
            bytes = bytes[8..];
        }
        for (ulong last = Next(); bytes.Length > 0; bytes = bytes[1..], last >>= 8)
            bytes[0] = (byte)last;
    }

    private static ulong SplitMix(ref ulong state)
    {
        ulong z = state += 0x9E3779B97F4A7C15;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
}
