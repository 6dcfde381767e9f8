using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace DriverLab.Linux.Ioctl;

/// <summary>Request numbers and constants of btrfs that manage subvolumes and quota.</summary>
/// <remarks>Linux include/uapi/linux/btrfs.h, btrfs_tree.h.</remarks>
public static class Btrfs
{
    /// <summary>Makes an empty subvolume in the directory of the descriptor; <see cref="BtrfsVolArgs"/>.</summary>
    public const uint SUBVOL_CREATE = 0x5000940E;
    /// <summary>Deletes a subvolume or snapshot by its name; <see cref="BtrfsVolArgs"/>.</summary>
    public const uint SNAP_DESTROY = 0x5000940F;
    /// <summary>Makes a snapshot of a subvolume; <see cref="BtrfsVolArgsV2"/>.</summary>
    public const uint SNAP_CREATE_V2 = 0x50009417;
    /// <summary>Reads items of a tree; <see cref="BtrfsSearchArgs"/>.</summary>
    public const uint TREE_SEARCH = 0xD0009411;
    /// <summary>The subvolume's id and, for an inode, its path; <see cref="BtrfsInoLookup"/>.</summary>
    public const uint INO_LOOKUP = 0xD0009412;
    /// <summary>Turns quota on or off; <see cref="BtrfsQuotaCtl"/>.</summary>
    public const uint QUOTA_CTL = 0xC0109428;
    /// <summary>Makes or deletes a quota group; <see cref="BtrfsQgroupCreate"/>.</summary>
    public const uint QGROUP_CREATE = 0x4010942A;
    /// <summary>Limits a quota group; <see cref="BtrfsQgroupLimit"/>.</summary>
    public const uint QGROUP_LIMIT = 0x8030942B;
    /// <summary>Waits until a running rescan of quota ends; no argument.</summary>
    public const uint QUOTA_RESCAN_WAIT = 0x942E;

    /// <summary>Inode number of every subvolume's root directory.</summary>
    public const ulong FirstFreeObjectId = 256;

    /// <summary>Object id of the quota tree.</summary>
    public const ulong QuotaTreeObjectId = 8;

    /// <summary>Type of the item that says whether quota is on.</summary>
    public const uint QgroupStatusKey = 240;

    /// <summary><see cref="BtrfsQuotaCtl.Command"/>: quota on.</summary>
    public const ulong QuotaCtlEnable = 1;

    /// <summary><see cref="BtrfsQgroupLimit.Flags"/>: the limit on referenced bytes counts.</summary>
    public const ulong QgroupLimitMaxRfer = 1;

    /// <summary>The longest name of a subvolume, in bytes.</summary>
    public const int NameMax = 255;
}

/// <summary>struct btrfs_ioctl_vol_args: 4096 bytes; the name ends at its NUL.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct BtrfsVolArgs
{
    public long Fd;
    public Bytes4088 Name;

    /// <summary>4088 bytes.</summary>
    [InlineArray(4088)]
    public struct Bytes4088
    {
        private byte _first;
    }
}

/// <summary>struct btrfs_ioctl_vol_args_v2: 4096 bytes; the name ends at its NUL.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct BtrfsVolArgsV2
{
    public long Fd;
    public ulong TransactionId;
    public ulong Flags;
    public Words4 Unused;
    public Bytes4040 Name;

    /// <summary>Four words, or the inheritance of quota groups.</summary>
    [InlineArray(4)]
    public struct Words4
    {
        private ulong _first;
    }

    /// <summary>4040 bytes.</summary>
    [InlineArray(4040)]
    public struct Bytes4040
    {
        private byte _first;
    }
}

/// <summary>struct btrfs_ioctl_search_args: a key of 104 bytes, then items up to 4096 bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct BtrfsSearchArgs
{
    public ulong TreeId;
    public ulong MinObjectId;
    public ulong MaxObjectId;
    public ulong MinOffset;
    public ulong MaxOffset;
    public ulong MinTransId;
    public ulong MaxTransId;
    public uint MinType;
    public uint MaxType;
    /// <summary>In: the most items wanted; out: items found.</summary>
    public uint Items;
    public uint Unused;
    public Words4 Unused1;
    public Bytes3992 Buffer;

    /// <summary>Four words.</summary>
    [InlineArray(4)]
    public struct Words4
    {
        private ulong _first;
    }

    /// <summary>3992 bytes.</summary>
    [InlineArray(3992)]
    public struct Bytes3992
    {
        private byte _first;
    }
}

/// <summary>struct btrfs_ioctl_ino_lookup_args: 4096 bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct BtrfsInoLookup
{
    /// <summary>In: 0 for the descriptor's own subvolume; out: its id.</summary>
    public ulong TreeId;
    public ulong ObjectId;
    public Bytes4080 Name;

    /// <summary>4080 bytes.</summary>
    [InlineArray(4080)]
    public struct Bytes4080
    {
        private byte _first;
    }
}

/// <summary>struct btrfs_ioctl_quota_ctl_args: 16 bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct BtrfsQuotaCtl
{
    public ulong Command;
    public ulong Status;
}

/// <summary>struct btrfs_ioctl_qgroup_create_args: 16 bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct BtrfsQgroupCreate
{
    /// <summary>1 makes, 0 deletes.</summary>
    public ulong Create;
    public ulong QgroupId;
}

/// <summary>struct btrfs_ioctl_qgroup_limit_args: 48 bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct BtrfsQgroupLimit
{
    /// <summary>0: the group of the descriptor's subvolume.</summary>
    public ulong QgroupId;
    public ulong Flags;
    public ulong MaxReferenced;
    public ulong MaxExclusive;
    public ulong ReservedReferenced;
    public ulong ReservedExclusive;
}
