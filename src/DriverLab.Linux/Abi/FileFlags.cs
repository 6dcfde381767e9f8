namespace DriverLab.Linux.Abi;

/// <summary>The type and permission bits of an inode.</summary>
/// <remarks>Linux include/uapi/linux/stat.h.</remarks>
[Flags]
public enum Mode : ushort
{
    None = 0,
    S_IFMT = 0xF000,
    S_IFSOCK = 0xC000,
    S_IFLNK = 0xA000,
    S_IFREG = 0x8000,
    S_IFBLK = 0x6000,
    S_IFDIR = 0x4000,
    S_IFCHR = 0x2000,
    S_IFIFO = 0x1000,
    S_ISUID = 0x800,
    S_ISGID = 0x400,
    S_ISVTX = 0x200,
    S_IRUSR = 0x100,
    S_IWUSR = 0x80,
    S_IXUSR = 0x40,
    S_IRWXU = 0x1C0,
    S_IRGRP = 0x20,
    S_IWGRP = 0x10,
    S_IXGRP = 0x8,
    S_IRWXG = 0x38,
    S_IROTH = 0x4,
    S_IWOTH = 0x2,
    S_IXOTH = 0x1,
    S_IRWXO = 0x7,
    /// <summary>The three permission triples.</summary>
    S_IRWXUGO = 0x1FF,
    /// <summary>Everything chmod(2) can set.</summary>
    S_IALLUGO = 0xFFF,
}

/// <summary>Flags of open(2) on x86-64.</summary>
/// <remarks>Linux include/uapi/asm-generic/fcntl.h.</remarks>
[Flags]
public enum OpenFlags
{
    O_RDONLY = 0,
    O_WRONLY = 1,
    O_RDWR = 2,
    /// <summary>The access mode's two bits; the value 3 asks for both permissions and allows neither reading nor writing.</summary>
    O_ACCMODE = 3,
    O_CREAT = 0x40,
    O_EXCL = 0x80,
    O_NOCTTY = 0x100,
    O_TRUNC = 0x200,
    O_APPEND = 0x400,
    O_NONBLOCK = 0x800,
    O_DSYNC = 0x1000,
    O_DIRECT = 0x4000,
    O_LARGEFILE = 0x8000,
    O_DIRECTORY = 0x10000,
    O_NOFOLLOW = 0x20000,
    O_NOATIME = 0x40000,
    O_CLOEXEC = 0x80000,
    O_SYNC = 0x101000,
    O_PATH = 0x200000,
    O_TMPFILE = 0x410000,
}

/// <summary>Flags of the ...at(2) calls.</summary>
[Flags]
public enum AtFlags
{
    None = 0,
    AT_SYMLINK_NOFOLLOW = 0x100,
    /// <summary>unlinkat: remove a directory.</summary>
    AT_REMOVEDIR = 0x200,
    /// <summary>faccessat: check with the effective ids (same bit as <see cref="AT_REMOVEDIR"/>).</summary>
    AT_EACCESS = 0x200,
    AT_SYMLINK_FOLLOW = 0x400,
    AT_NO_AUTOMOUNT = 0x800,
    AT_EMPTY_PATH = 0x1000,
    AT_STATX_FORCE_SYNC = 0x2000,
    AT_STATX_DONT_SYNC = 0x4000,
}

/// <summary>Flags of renameat2(2).</summary>
[Flags]
public enum RenameFlags : uint
{
    None = 0,
    RENAME_NOREPLACE = 1,
    RENAME_EXCHANGE = 2,
    RENAME_WHITEOUT = 4,
}

/// <summary>Flags of setxattr(2).</summary>
[Flags]
public enum XattrFlags
{
    None = 0,
    XATTR_CREATE = 1,
    XATTR_REPLACE = 2,
}

/// <summary>Modes of fallocate(2).</summary>
[Flags]
public enum FallocFlags
{
    None = 0,
    FALLOC_FL_KEEP_SIZE = 1,
    FALLOC_FL_PUNCH_HOLE = 2,
    FALLOC_FL_NO_HIDE_STALE = 4,
    FALLOC_FL_COLLAPSE_RANGE = 8,
    FALLOC_FL_ZERO_RANGE = 0x10,
    FALLOC_FL_INSERT_RANGE = 0x20,
    FALLOC_FL_UNSHARE_RANGE = 0x40,
    FALLOC_FL_WRITE_ZEROES = 0x80,
}

/// <summary>Flags of mount(2).</summary>
/// <remarks>Linux include/uapi/linux/mount.h.</remarks>
[Flags]
public enum MountFlags : uint
{
    None = 0,
    MS_RDONLY = 1,
    MS_NOSUID = 2,
    MS_NODEV = 4,
    MS_NOEXEC = 8,
    MS_SYNCHRONOUS = 0x10,
    MS_REMOUNT = 0x20,
    MS_MANDLOCK = 0x40,
    MS_DIRSYNC = 0x80,
    MS_NOSYMFOLLOW = 0x100,
    MS_NOATIME = 0x400,
    MS_NODIRATIME = 0x800,
    MS_BIND = 0x1000,
    MS_MOVE = 0x2000,
    MS_REC = 0x4000,
    MS_SILENT = 0x8000,
    MS_UNBINDABLE = 0x20000,
    MS_PRIVATE = 0x40000,
    MS_SLAVE = 0x80000,
    MS_SHARED = 0x100000,
    MS_RELATIME = 0x200000,
    MS_I_VERSION = 0x800000,
    MS_STRICTATIME = 0x1000000,
    MS_LAZYTIME = 0x2000000,
}

/// <summary>Flags of umount2(2).</summary>
[Flags]
public enum UmountFlags
{
    None = 0,
    MNT_FORCE = 1,
    MNT_DETACH = 2,
    MNT_EXPIRE = 4,
    UMOUNT_NOFOLLOW = 8,
}

/// <summary>Bits of access(2) and of the kernel's own permission checks (MAY_READ, MAY_WRITE, MAY_EXEC have these values).</summary>
[Flags]
public enum AccessMode
{
    F_OK = 0,
    X_OK = 1,
    W_OK = 2,
    R_OK = 4,
}

/// <summary>Origins of lseek(2).</summary>
public enum SeekWhence
{
    SEEK_SET = 0,
    SEEK_CUR = 1,
    SEEK_END = 2,
    SEEK_DATA = 3,
    SEEK_HOLE = 4,
}

/// <summary>The d_type of a directory entry: the file type's bits of the mode, shifted right by 12.</summary>
public enum DirentType : byte
{
    DT_UNKNOWN = 0,
    DT_FIFO = 1,
    DT_CHR = 2,
    DT_DIR = 4,
    DT_BLK = 6,
    DT_REG = 8,
    DT_LNK = 10,
    DT_SOCK = 12,
}

/// <summary>Flags of unshare(2) that matter to a storage stack.</summary>
[Flags]
public enum CloneFlags : uint
{
    CLONE_FS = 0x200,
    CLONE_FILES = 0x400,
    CLONE_NEWNS = 0x20000,
    CLONE_NEWUSER = 0x10000000,
}

/// <summary>Clocks of clock_gettime(2).</summary>
public enum ClockId
{
    CLOCK_REALTIME = 0,
    CLOCK_MONOTONIC = 1,
}

/// <summary>Limits that user space sees.</summary>
public static class Limits
{
    /// <summary>Longest name of one path component, in bytes.</summary>
    public const int NAME_MAX = 255;
    /// <summary>Longest path, in bytes, with its terminating NUL.</summary>
    public const int PATH_MAX = 4096;
    /// <summary>Symbolic links that one path walk follows at the most.</summary>
    public const int MAXSYMLINKS = 40;
    /// <summary>Longest name of an extended attribute, in bytes.</summary>
    public const int XATTR_NAME_MAX = 255;
    /// <summary>Longest value of an extended attribute, in bytes.</summary>
    public const int XATTR_SIZE_MAX = 65536;
    /// <summary>Longest list of attribute names, in bytes.</summary>
    public const int XATTR_LIST_MAX = 65536;
    /// <summary>A page of memory, in bytes; also the most that mount(2) reads of its data.</summary>
    public const int PAGE_SIZE = 4096;
    /// <summary>A sector of the block layer, in bytes, whatever the device's logical block size.</summary>
    public const int SECTOR_SIZE = 512;
}

/// <summary>Super block magics, the f_type of statfs(2).</summary>
/// <remarks>Linux include/uapi/linux/magic.h.</remarks>
public static class FsMagic
{
    public const long RAMFS = 0x858458f6;
    public const long TMPFS = 0x01021994;
    public const long OVERLAYFS = 0x794c7630;
    public const long EXT4 = 0xEF53;
    public const long BTRFS = 0x9123683E;
    public const long AUFS = 0x61756673;
    public const long XFS = 0x58465342;
    public const long PROC = 0x9fa0;
    public const long NSFS = 0x6e736673;
    public const long SYSFS = 0x62656572;
}
