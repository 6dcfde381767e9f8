using System.Runtime.InteropServices;

namespace DriverLab.Linux.Abi;

/// <summary>What quotactl(2) is asked for: one of the XFS forms, which ext4 takes too.</summary>
/// <remarks>Linux include/uapi/linux/dqblk_xfs.h, XQM_CMD.</remarks>
public enum QuotaCommand : uint
{
    /// <summary>Fills a <see cref="DiskQuota"/>.</summary>
    Q_XGETQUOTA = 0x5803,
    /// <summary>Takes a <see cref="DiskQuota"/>.</summary>
    Q_XSETQLIM = 0x5804,
}

/// <summary>Whose quota.</summary>
/// <remarks>Linux include/uapi/linux/quota.h.</remarks>
public enum QuotaType : uint
{
    /// <summary>A user's.</summary>
    USRQUOTA = 0,
    /// <summary>A group's.</summary>
    GRPQUOTA = 1,
    /// <summary>A project's.</summary>
    PRJQUOTA = 2,
}

/// <summary>Limits and use (struct fs_disk_quota, 112 bytes).</summary>
/// <remarks>Linux include/uapi/linux/dqblk_xfs.h.</remarks>
[StructLayout(LayoutKind.Sequential, Size = 112)]
public struct DiskQuota
{
    /// <summary>The only version there is, FS_DQUOT_VERSION.</summary>
    public const sbyte CurrentVersion = 1;

    /// <summary>FS_PROJ_QUOTA, of <see cref="Flags"/>.</summary>
    public const sbyte ProjectFlag = 2;

    /// <summary>FS_DQ_BSOFT and FS_DQ_BHARD, of <see cref="Fields"/>.</summary>
    public const ushort BlockLimits = 1 << 2 | 1 << 3;

    /// <summary><see cref="CurrentVersion"/>.</summary>
    public sbyte Version;

    /// <summary>Whose quota.</summary>
    public sbyte Flags;

    /// <summary>Which of the following fields are to be set.</summary>
    public ushort Fields;

    /// <summary>User, group or project.</summary>
    public uint Id;

    /// <summary>In units of 512 bytes; 0 is no limit.</summary>
    public ulong BlocksHard, BlocksSoft;

    /// <summary>Inodes; 0 is no limit.</summary>
    public ulong InodesHard, InodesSoft;

    /// <summary>What is used, in units of 512 bytes.</summary>
    public ulong BlocksUsed;

    /// <summary>Inodes that are used.</summary>
    public ulong InodesUsed;
}
