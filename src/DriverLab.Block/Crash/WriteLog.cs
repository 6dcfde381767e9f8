namespace DriverLab.Block.Crash;

/// <summary>What a write leaves behind.</summary>
public enum WriteKind
{
    /// <summary>Its data.</summary>
    Data,
    /// <summary>Zeros: write-zeroes, or a discard of a disk that reads discarded sectors as zeros.</summary>
    Zeros,
}

/// <summary>One write as a disk with a volatile cache sees it.</summary>
public sealed class LoggedWrite
{
    internal LoggedWrite(int number, int disk, WriteKind kind, BioFlags flags, long sector, int sectors, byte[] data, long submitted)
        => (Number, Disk, Kind, Flags, Sector, Sectors, Data, Submitted) = (number, disk, kind, flags, sector, sectors, data, submitted);

    /// <summary>Its place in the log, from 0, in the order of submission over all disks.</summary>
    public int Number { get; }

    /// <summary>The disk, by the number that it was given in the log.</summary>
    public int Disk { get; }

    /// <summary>What it leaves behind.</summary>
    public WriteKind Kind { get; }

    /// <summary>Flush before, force unit access, metadata.</summary>
    public BioFlags Flags { get; }

    /// <summary>First sector, in units of 512 bytes.</summary>
    public long Sector { get; }

    /// <summary>Number of sectors.</summary>
    public int Sectors { get; }

    /// <summary>The data; empty for zeros.</summary>
    public byte[] Data { get; }

    /// <summary>When it was submitted, on the log's clock.</summary>
    public long Submitted { get; }

    /// <summary>When it ended; <see cref="long.MaxValue"/> while it is under way.</summary>
    public long Ended { get; internal set; } = long.MaxValue;

    /// <summary>From when on no power cut takes it away; <see cref="long.MaxValue"/> when that never came.</summary>
    public long DurableAt { get; internal set; } = long.MaxValue;

    /// <summary>True when it has failed: it may or may not be there, and no flush speaks for it.</summary>
    public bool HasFailed { get; internal set; }

    /// <inheritdoc/>
    public override string ToString()
    {
        string flags = ((Flags & BioFlags.PreFlush) != 0 ? " after a flush" : "") + ((Flags & BioFlags.Fua) != 0 ? ", FUA" : "");
        return $"#{Number} {(Kind == WriteKind.Zeros ? "zeros" : "write")} of {Sectors} sectors at {Sector} of disk {Disk}{flags}";
    }
}

/// <summary>A word that a workload left in the log.</summary>
/// <param name="At">When, on the log's clock.</param>
/// <param name="Text">The word.</param>
public readonly record struct LogMark(long At, string Text);

/// <summary>The history of all disks of a stack: what was written when, and from when on it was safe. The raw material of a crash sweep.</summary>
/// <remarks>
/// The clock counts submissions and ends. A write is durable once it ended with FUA, or once a flush that started after its end has ended; until then a power cut may take it away,
/// whole or in part, whatever became of its neighbours. The order in which two writes under way together reach the medium is nobody's business. Linux
/// Documentation/block/writeback_cache_control.rst.
/// </remarks>
public sealed class WriteLog
{
    private readonly List<LoggedWrite> _writes = [];
    private readonly List<(int Disk, long Started, long Ended)> _flushes = [];
    private readonly List<LogMark> _marks = [];
    private readonly List<LoggedWrite> _volatile = [];

    /// <summary>The clock.</summary>
    public long Now { get; private set; }

    /// <summary>All writes, in the order of submission.</summary>
    public IReadOnlyList<LoggedWrite> Writes => _writes;

    /// <summary>All flushes that have ended, in the order of their ends, in the log's time.</summary>
    public IReadOnlyList<(int Disk, long Started, long Ended)> Flushes => _flushes;

    /// <summary>What the workload noted.</summary>
    public IReadOnlyList<LogMark> Marks => _marks;

    /// <summary>Notes a word of the workload, for its checker: "synced file a", say.</summary>
    /// <returns>The time: what is durable for the workload is so for cuts at and after it.</returns>
    public long Mark(string text)
    {
        _marks.Add(new(Now, text));
        return Now;
    }

    /// <summary>A write goes down.</summary>
    public LoggedWrite Begin(int disk, WriteKind kind, BioFlags flags, long sector, int sectors, ReadOnlySpan<byte> data)
    {
        var write = new LoggedWrite(_writes.Count, disk, kind, flags, sector, sectors, data.ToArray(), ++Now);
        _writes.Add(write);
        return write;
    }

    /// <summary>A write has ended.</summary>
    public void End(LoggedWrite write, bool failed = false)
    {
        if ((write.Flags & BioFlags.PreFlush) != 0 && !failed)
            EndFlush(write.Disk, write.Submitted);
        write.Ended = ++Now;
        write.HasFailed = failed;
        if (failed)
            return;
        if ((write.Flags & BioFlags.Fua) != 0)
            write.DurableAt = write.Ended;
        else
            _volatile.Add(write);
    }

    /// <summary>An empty flush goes down.</summary>
    /// <returns>When, for <see cref="EndFlush"/>.</returns>
    public long BeginFlush() => ++Now;

    /// <summary>A flush has ended well.</summary>
    public void EndFlush(int disk, long started)
    {
        long ended = ++Now;
        _flushes.Add((disk, started, ended));
        _ = _volatile.RemoveAll(write =>
        {
            if (write.Disk != disk || write.Ended > started)
                return false;
            write.DurableAt = ended;
            return true;
        });
    }
}
