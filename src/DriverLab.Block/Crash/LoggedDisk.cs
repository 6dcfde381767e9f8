using DriverLab.Block.Devices;
using DriverLab.Linux;

namespace DriverLab.Block.Crash;

/// <summary>A disk with a volatile write cache whose history is kept in a log.</summary>
/// <remarks>The disk below holds what users read; what a power cut would leave is computed from the log by <see cref="CrashSweep"/>.</remarks>
public sealed class LoggedDisk : FilterDisk
{
    private readonly WriteLog _log;
    private readonly int _index;
    private readonly Dictionary<long, object> _underWay = [];
    private long _marks;

    /// <summary>A logged disk.</summary>
    /// <param name="below">What holds the data.</param>
    /// <param name="number">Major and minor.</param>
    /// <param name="name">Name.</param>
    /// <param name="log">The log; one for all disks of a stack.</param>
    /// <param name="index">The disk's number in the log.</param>
    public LoggedDisk(BlockDevice below, DevT number, string name, WriteLog log, int index) : base(below, number, name)
    {
        (_log, _index) = (log, index);
        Limits.WriteCache = Limits.Fua = true;
    }

    /// <inheritdoc/>
    protected override BlkStatus? Inspect(Bio bio) => null;

    /// <inheritdoc/>
    protected override long OnPass(Bio bio)
    {
        object? what = bio.Op switch
        {
            BioOp.Write or BioOp.Flush when bio.IsEmptyFlush => _log.BeginFlush(),
            BioOp.Write => _log.Begin(_index, WriteKind.Data, bio.Flags, bio.Sector, bio.Sectors, bio.Span),
            BioOp.Discard or BioOp.SecureErase or BioOp.WriteZeroes => _log.Begin(_index, WriteKind.Zeros, bio.Flags, bio.Sector, bio.Sectors, []),
            BioOp.Read or BioOp.Flush => null,
        };
        if (what is null)
            return 0;
        _underWay.Add(++_marks, what);
        return _marks;
    }

    /// <inheritdoc/>
    protected override void OnEnd(long mark, BlkStatus status)
    {
        if (mark == 0 || !_underWay.Remove(mark, out object? what))
            return;
        if (what is LoggedWrite write)
            _log.End(write, status != BlkStatus.OK);
        else if (status == BlkStatus.OK)
            _log.EndFlush(_index, (long)what);
    }
}
