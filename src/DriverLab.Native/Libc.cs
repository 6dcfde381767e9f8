using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

[assembly: DisableRuntimeMarshalling]

namespace DriverLab.Native;

/// <summary>The two C library functions that everything goes through.</summary>
/// <remarks>
/// <c>syscall()</c> and not the named wrappers: glibc's setresuid and setgroups change every thread of the process, its faccessat and getcwd add behaviour of their
/// own, and one symbol, bound before the first chroot, needs no library look-up afterwards.
/// </remarks>
internal static unsafe partial class Libc
{
    [LibraryImport("libc", EntryPoint = "syscall")]
    internal static partial nint Syscall(nint number, nint a, nint b, nint c, nint d, nint e, nint f);

    [LibraryImport("libc", EntryPoint = "__errno_location")]
    internal static partial int* ErrnoLocation();
}

/// <summary>System call numbers.</summary>
/// <remarks>Linux arch/x86/entry/syscalls/syscall_64.tbl.</remarks>
internal static class Nr
{
    internal const int Read = 0, Write = 1, Close = 3, Lseek = 8, RtSigaction = 13, RtSigprocmask = 14, Ioctl = 16, Pread64 = 17, Pwrite64 = 18, Dup = 32, Nanosleep = 35, Uname = 63,
        Fcntl = 72, Fsync = 74, Fdatasync = 75, Truncate = 76, Ftruncate = 77, Getcwd = 79, Chdir = 80, Fchdir = 81, Fchmod = 91, Umask = 95, Setgroups = 116,
        Setresuid = 117, Setresgid = 119, Statfs = 137, Fstatfs = 138, Chroot = 161, Sync = 162, Mount = 165, Umount2 = 166, Gettid = 186, Setxattr = 188, Lsetxattr = 189,
        Fsetxattr = 190, Getxattr = 191, Lgetxattr = 192, Fgetxattr = 193, Listxattr = 194, Llistxattr = 195, Flistxattr = 196, Removexattr = 197, Lremovexattr = 198,
        Fremovexattr = 199, Futex = 202, Getdents64 = 217, ClockGettime = 228, Tgkill = 234, Openat = 257, Mkdirat = 258, Mknodat = 259, Fchownat = 260, Unlinkat = 263,
        Linkat = 265, Symlinkat = 266, Readlinkat = 267, Fchmodat = 268, Unshare = 272, Utimensat = 280, Fallocate = 285, Syncfs = 306, Renameat2 = 316,
        CopyFileRange = 326, Statx = 332, CloseRange = 436, Faccessat2 = 439, Getpid = 39, Mmap = 9,
        Munmap = 11, Msync = 26, Flock = 73, PivotRoot = 155, Quotactl = 179, Prctl = 157, Clone = 56, Wait4 = 61, Exit = 60, Kill = 62, Mprotect = 10, Setns = 308, InotifyAddWatch = 254, InotifyRmWatch = 255, InotifyInit1 = 294, NameToHandleAt = 303, OpenByHandleAt = 304,
        ProcessVmReadv = 310, ProcessVmWritev = 311, OpenTree = 428, MoveMount = 429, Fsopen = 430, Fsconfig = 431, Fsmount = 432, Fspick = 433, Openat2 = 437, MountSetattr = 442;
}
