using System.Globalization;
using System.Text;
using DriverLab.Linux;

namespace DriverLab.Block.Crash;

/// <summary>What a power cut at one moment may leave on the disks.</summary>
public sealed class CrashState
{
    private readonly CrashImage[] _images;
    private readonly long[] _sectors;

    internal CrashState(long number, CrashChoice choice, CrashImage[] images, long[] sectors, int flushes)
        => (Number, Choice, _images, _sectors, Flushes) = (number, choice, images, sectors, flushes);

    /// <summary>Its number in the sweep; the same seed and log give the same state.</summary>
    public long Number { get; }

    internal CrashChoice Choice { get; }

    /// <summary>When the power went, on the log's clock. What a workload was told to be safe at or before this time must be there.</summary>
    public long Cut => Choice.Cut;

    /// <summary>How many flushes had ended.</summary>
    public int Flushes { get; }

    /// <summary>Writes that had been submitted and are not there.</summary>
    public IReadOnlyList<LoggedWrite> Lost => Choice.Lost;

    /// <summary>The write that is there in part, if any.</summary>
    public LoggedWrite? Torn => Choice.Torn;

    /// <summary>How many sectors of the torn write are there.</summary>
    public int TornSectors => Choice.TornSectors;

    /// <summary>Number of disks.</summary>
    public int Disks => _images.Length;

    /// <summary>Size of a disk, in sectors of 512 bytes.</summary>
    public long SectorsOf(int disk) => _sectors[disk];

    /// <summary>A disk as it came up again, for an emulated stack. What is written to it is seen by later readers of this state.</summary>
    public BlockDevice Disk(int disk, BlockLayer layer, DevT number, string name) => new CrashedDisk(layer, number, name, _images[disk], _sectors[disk]);

    /// <summary>Reads sectors of a disk.</summary>
    public void Read(int disk, long sector, Span<byte> buffer) => _images[disk].Read(sector, buffer);

    /// <summary>Writes the whole content of a disk, for a program or a machine; a stream that can seek gets holes for zeros.</summary>
    public void CopyTo(int disk, Stream stream)
    {
        byte[] buffer = new byte[1 << 16];
        for (long at = 0, end = _sectors[disk] << 9; at < end;)
        {
            var part = buffer.AsSpan(0, (int)Math.Min(buffer.Length, end - at));
            _images[disk].Read(at >> 9, part);
            if (stream.CanSeek && !part.ContainsAnyExcept((byte)0))
                _ = stream.Seek(part.Length, SeekOrigin.Current);
            else
                stream.Write(part);
            at += part.Length;
        }
        if (stream.CanSeek)
            stream.SetLength(stream.Position);
    }

    /// <summary>In words: when, what is lost, what is torn.</summary>
    public override string ToString()
    {
        var text = new StringBuilder();
        _ = text.Append(CultureInfo.InvariantCulture, $"state {Number}: power cut at time {Cut}, after {Flushes} flushes; ");
        _ = Lost.Count == 0 ? text.Append("nothing is lost") : text.Append(CultureInfo.InvariantCulture, $"lost ({Lost.Count}): {string.Join("; ", Lost.Take(8))}{(Lost.Count > 8 ? "; …" : "")}");
        if (Torn is not null)
            _ = text.Append(CultureInfo.InvariantCulture, $"; of {Torn} only the first {TornSectors} sectors are there");
        return text.ToString();
    }
}

/// <summary>Which writes a cut takes away.</summary>
internal sealed record CrashChoice(long EpochStart, long Cut, IReadOnlyList<LoggedWrite> Lost, LoggedWrite? Torn = null, int TornSectors = 0);

/// <summary>A state that a checker did not accept, and the least that has to be lost for it.</summary>
/// <param name="State">The state as it was found.</param>
/// <param name="Message">What the checker said of it.</param>
/// <param name="Witness">The smallest state like it that is not accepted either: each single write that it has lost must be lost.</param>
/// <param name="WitnessMessage">What the checker said of that.</param>
public sealed record CrashFailure(CrashState State, string Message, CrashState Witness, string WitnessMessage);

/// <summary>The result of a sweep.</summary>
/// <param name="States">How many different states were checked.</param>
/// <param name="Failures">Those that were not accepted, in their order and no more than asked for.</param>
public sealed record CrashReport(long States, IReadOnlyList<CrashFailure> Failures);

/// <summary>How far a sweep goes.</summary>
public sealed record CrashSweepOptions
{
    /// <summary>Seed of what is sampled.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>Sampled orders for each span between two flushes; small spans are swept whole.</summary>
    public int Reorderings { get; init; } = 16;

    /// <summary>Also states in which the last write has landed in part.</summary>
    public bool TornWrites { get; init; } = true;

    /// <summary>What a disk never tears, in bytes from multiples of it: 512, or its physical block.</summary>
    public int AtomicBytes { get; init; } = 512;

    /// <summary>No more states than this.</summary>
    public long MaxStates { get; init; } = long.MaxValue;

    /// <summary>Failures after which the sweep stops.</summary>
    public int MaxFailures { get; init; } = 1;

    /// <summary>Which part of the states, from 0: a sweep by several threads or machines gives each a part, and each an own <see cref="CrashSweep"/>.</summary>
    public int Part { get; init; }

    /// <summary>How many parts there are.</summary>
    public int Parts { get; init; } = 1;
}
