using DriverLab.Linux;

namespace DriverLab.Block.Faults;

/// <summary>The other direction of <see cref="BlkStatusMap"/>, which only faults that users put in ask for.</summary>
internal static class ErrnoStatus
{
    /// <summary>The status that stands for an errno; one that has none becomes <see cref="BlkStatus.IoError"/>.</summary>
    public static BlkStatus ToBlkStatus(this Errno error) => error switch
    {
        Errno.OK => BlkStatus.OK,
        Errno.EOPNOTSUPP => BlkStatus.NotSupported,
        Errno.ETIMEDOUT => BlkStatus.Timeout,
        Errno.ENOSPC => BlkStatus.NoSpace,
        Errno.ENOLINK => BlkStatus.Transport,
        Errno.EREMOTEIO => BlkStatus.Target,
        Errno.EBADE => BlkStatus.ReservationConflict,
        Errno.ENODATA => BlkStatus.Medium,
        Errno.EILSEQ => BlkStatus.Protection,
        Errno.ENOMEM => BlkStatus.Resource,
        Errno.EAGAIN => BlkStatus.Again,
        Errno.ENODEV => BlkStatus.Offline,
        _ => BlkStatus.IoError,
    };
}
