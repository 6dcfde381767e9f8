using System.Runtime.InteropServices;

namespace DriverLab.Linux.Abi;

/// <summary>Operations of flock(2).</summary>
[Flags]
public enum FlockOperation
{
    None = 0,
    LOCK_SH = 1,
    LOCK_EX = 2,
    LOCK_NB = 4,
    LOCK_UN = 8,
    /// <summary>Gone since 5.15: EINVAL or ignored.</summary>
    LOCK_MAND = 32,
}

/// <summary>Commands of fcntl(2) on regions of a file.</summary>
public enum LockCommand
{
    F_GETLK = 5,
    F_SETLK = 6,
    F_SETLKW = 7,
    F_OFD_GETLK = 36,
    F_OFD_SETLK = 37,
    F_OFD_SETLKW = 38,
}

/// <summary>Kinds of region locks.</summary>
public enum LockType : short
{
    F_RDLCK = 0,
    F_WRLCK = 1,
    F_UNLCK = 2,
}

/// <summary>struct flock: 32 bytes.</summary>
/// <param name="Type">Kind; F_GETLK answers F_UNLCK when nothing is in the way.</param>
/// <param name="Whence">0, 1 or 2 as of lseek(2).</param>
/// <param name="Start">First byte, from there.</param>
/// <param name="Length">Bytes; 0 to the end of all files, below 0 the bytes before the start.</param>
/// <param name="Pid">Answer of F_GETLK: the owner, -1 for an open file description; 0 otherwise.</param>
[StructLayout(LayoutKind.Sequential)]
public record struct FileLock(LockType Type, short Whence, long Start, long Length, int Pid);

/// <summary>Flags of inotify_init1(2).</summary>
[Flags]
public enum InotifyFlags
{
    None = 0,
    IN_NONBLOCK = 0x800,
    IN_CLOEXEC = 0x80000,
}

/// <summary>Events of inotify(7), and options of inotify_add_watch(2).</summary>
/// <remarks>Linux include/uapi/linux/inotify.h.</remarks>
[Flags]
public enum InotifyMask : uint
{
    None = 0,
    IN_ACCESS = 1,
    IN_MODIFY = 2,
    IN_ATTRIB = 4,
    IN_CLOSE_WRITE = 8,
    IN_CLOSE_NOWRITE = 0x10,
    IN_OPEN = 0x20,
    IN_MOVED_FROM = 0x40,
    IN_MOVED_TO = 0x80,
    IN_CREATE = 0x100,
    IN_DELETE = 0x200,
    IN_DELETE_SELF = 0x400,
    IN_MOVE_SELF = 0x800,
    IN_ALL_EVENTS = 0xfff,
    IN_UNMOUNT = 0x2000,
    IN_Q_OVERFLOW = 0x4000,
    IN_IGNORED = 0x8000,
    IN_ONLYDIR = 0x1000000,
    IN_DONT_FOLLOW = 0x2000000,
    IN_EXCL_UNLINK = 0x4000000,
    /// <summary>4.18.</summary>
    IN_MASK_CREATE = 0x10000000,
    IN_MASK_ADD = 0x20000000,
    IN_ISDIR = 0x40000000,
    IN_ONESHOT = 0x80000000,
}

/// <summary>Head of an event that read(2) of an inotify descriptor gives: 16 bytes; a name of <see cref="Length"/> bytes with its NULs follows.</summary>
/// <param name="Watch">The watch.</param>
/// <param name="Mask">What happened.</param>
/// <param name="Cookie">The same number for both halves of a rename.</param>
/// <param name="Length">Bytes of the name, a multiple of 16.</param>
[StructLayout(LayoutKind.Sequential)]
public record struct InotifyEvent(int Watch, InotifyMask Mask, uint Cookie, uint Length);
