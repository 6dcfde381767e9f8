using System.Runtime.InteropServices;

namespace DriverLab.Linux.Abi;

/// <summary>Flags of fsopen(2).</summary>
[Flags]
public enum FsOpenFlags : uint
{
    None = 0,
    FSOPEN_CLOEXEC = 1,
}

/// <summary>Flags of fspick(2).</summary>
[Flags]
public enum FsPickFlags : uint
{
    None = 0,
    FSPICK_CLOEXEC = 1,
    FSPICK_SYMLINK_NOFOLLOW = 2,
    FSPICK_NO_AUTOMOUNT = 4,
    FSPICK_EMPTY_PATH = 8,
}

/// <summary>What fsconfig(2) does.</summary>
/// <remarks>Linux include/uapi/linux/mount.h: enum fsconfig_command.</remarks>
public enum FsConfigCommand : uint
{
    FSCONFIG_SET_FLAG = 0,
    FSCONFIG_SET_STRING = 1,
    FSCONFIG_SET_BINARY = 2,
    FSCONFIG_SET_PATH = 3,
    FSCONFIG_SET_PATH_EMPTY = 4,
    FSCONFIG_SET_FD = 5,
    FSCONFIG_CMD_CREATE = 6,
    FSCONFIG_CMD_RECONFIGURE = 7,
    /// <summary>6.6.</summary>
    FSCONFIG_CMD_CREATE_EXCL = 8,
}

/// <summary>Flags of fsmount(2).</summary>
[Flags]
public enum FsMountFlags : uint
{
    None = 0,
    FSMOUNT_CLOEXEC = 1,
}

/// <summary>Attributes of a mount in fsmount(2) and mount_setattr(2). The three of atime are one field, not bits.</summary>
/// <remarks>Linux include/uapi/linux/mount.h: MOUNT_ATTR_*.</remarks>
[Flags]
public enum MountAttributes : ulong
{
    None = 0,
    MOUNT_ATTR_RDONLY = 1,
    MOUNT_ATTR_NOSUID = 2,
    MOUNT_ATTR_NODEV = 4,
    MOUNT_ATTR_NOEXEC = 8,
    MOUNT_ATTR_RELATIME = 0,
    MOUNT_ATTR_NOATIME = 0x10,
    MOUNT_ATTR_STRICTATIME = 0x20,
    /// <summary>The field of the atime mode.</summary>
    MOUNT_ATTR__ATIME = 0x70,
    MOUNT_ATTR_NODIRATIME = 0x80,
    MOUNT_ATTR_IDMAP = 0x100000,
    /// <summary>5.14.</summary>
    MOUNT_ATTR_NOSYMFOLLOW = 0x200000,
}

/// <summary>Flags of move_mount(2).</summary>
[Flags]
public enum MoveMountFlags : uint
{
    None = 0,
    MOVE_MOUNT_F_SYMLINKS = 1,
    MOVE_MOUNT_F_AUTOMOUNTS = 2,
    MOVE_MOUNT_F_EMPTY_PATH = 4,
    MOVE_MOUNT_T_SYMLINKS = 0x10,
    MOVE_MOUNT_T_AUTOMOUNTS = 0x20,
    MOVE_MOUNT_T_EMPTY_PATH = 0x40,
    /// <summary>5.15: takes over the sharing of the target.</summary>
    MOVE_MOUNT_SET_GROUP = 0x100,
    /// <summary>6.5: below the top mount of the target.</summary>
    MOVE_MOUNT_BENEATH = 0x200,
}

/// <summary>Flags of open_tree(2); AT_ flags have their own values beside them.</summary>
[Flags]
public enum OpenTreeFlags : uint
{
    None = 0,
    OPEN_TREE_CLONE = 1,
    OPEN_TREE_NAMESPACE = 2,
    AT_SYMLINK_NOFOLLOW = 0x100,
    AT_NO_AUTOMOUNT = 0x800,
    AT_EMPTY_PATH = 0x1000,
    AT_RECURSIVE = 0x8000,
    OPEN_TREE_CLOEXEC = 0x80000,
}

/// <summary>struct mount_attr of mount_setattr(2): 32 bytes.</summary>
/// <param name="Set">Attributes to set.</param>
/// <param name="Clear">Attributes to clear; to change the atime mode, the whole field MOUNT_ATTR__ATIME.</param>
/// <param name="Propagation">One of MS_PRIVATE, MS_SHARED, MS_SLAVE, MS_UNBINDABLE, or 0.</param>
/// <param name="UserNamespace">Descriptor of a user namespace for MOUNT_ATTR_IDMAP.</param>
[StructLayout(LayoutKind.Sequential)]
public record struct MountAttr(MountAttributes Set, MountAttributes Clear, ulong Propagation, ulong UserNamespace);
