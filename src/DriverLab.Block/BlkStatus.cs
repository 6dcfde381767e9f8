using DriverLab.Linux;

namespace DriverLab.Block;

/// <summary>How a bio ended. Not an errno: the two vocabularies meet in <see cref="BlkStatusMap"/> alone.</summary>
/// <remarks>Linux include/linux/blk_types.h: blk_status_t.</remarks>
public enum BlkStatus : byte
{
    OK = 0,
    NotSupported,
    Timeout,
    NoSpace,
    Transport,
    Target,
    /// <summary>A reservation conflict; the kernel's name was NEXUS before 6.4.</summary>
    ReservationConflict,
    Medium,
    Protection,
    Resource,
    IoError,
    /// <summary>Would have waited, and the submitter asked not to.</summary>
    Again,
    Offline,
}

/// <summary>The one table between <see cref="BlkStatus"/> and <see cref="Errno"/>.</summary>
/// <remarks>Linux block/blk-core.c: blk_errors[].</remarks>
public static class BlkStatusMap
{
    /// <summary>What user space sees of a status.</summary>
    public static Errno ToErrno(this BlkStatus status) => status switch
    {
        BlkStatus.OK => Errno.OK,
        BlkStatus.NotSupported => Errno.EOPNOTSUPP,
        BlkStatus.Timeout => Errno.ETIMEDOUT,
        BlkStatus.NoSpace => Errno.ENOSPC,
        BlkStatus.Transport => Errno.ENOLINK,
        BlkStatus.Target => Errno.EREMOTEIO,
        BlkStatus.ReservationConflict => Errno.EBADE,
        BlkStatus.Medium => Errno.ENODATA,
        BlkStatus.Protection => Errno.EILSEQ,
        BlkStatus.Resource => Errno.ENOMEM,
        BlkStatus.Again => Errno.EAGAIN,
        BlkStatus.Offline => Errno.ENODEV,
        BlkStatus.IoError => Errno.EIO,
    };
}
