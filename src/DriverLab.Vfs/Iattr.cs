using DriverLab.Linux.Abi;

namespace DriverLab.Vfs;

/// <summary>Which fields of <see cref="Iattr"/> count.</summary>
/// <remarks>Linux include/linux/fs.h: ATTR_*.</remarks>
[Flags]
public enum AttrValid : uint
{
    None = 0,
    ATTR_MODE = 1 << 0,
    ATTR_UID = 1 << 1,
    ATTR_GID = 1 << 2,
    ATTR_SIZE = 1 << 3,
    ATTR_ATIME = 1 << 4,
    ATTR_MTIME = 1 << 5,
    ATTR_CTIME = 1 << 6,
    ATTR_ATIME_SET = 1 << 7,
    ATTR_MTIME_SET = 1 << 8,
    /// <summary>Not a change but part of one that was allowed: skip the checks.</summary>
    ATTR_FORCE = 1 << 9,
    ATTR_KILL_SUID = 1 << 11,
    ATTR_KILL_SGID = 1 << 12,
    ATTR_FILE = 1 << 13,
    ATTR_KILL_PRIV = 1 << 14,
    ATTR_OPEN = 1 << 15,
    ATTR_TIMES_SET = 1 << 16,
    /// <summary>utimensat with both times "now": write permission is enough.</summary>
    ATTR_TOUCH = 1 << 17,
}

/// <summary>A change of attributes.</summary>
/// <remarks>Linux include/linux/fs.h: struct iattr.</remarks>
public struct Iattr
{
    public AttrValid Valid;
    public Mode Mode;
    public uint Uid;
    public uint Gid;
    public long Size;
    public long AtimeNs;
    public long MtimeNs;
    public long CtimeNs;
    /// <summary>The open file, when the change came through a descriptor.</summary>
    public OpenFile? File;

    /// <summary>True when any of these fields is set.</summary>
    public readonly bool Has(AttrValid what) => (Valid & what) != 0;
}
