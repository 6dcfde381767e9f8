using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace DriverLab.ThinTools.Io;

/// <summary>The calls that .NET does not offer: exclusive opening and the size of a block device, discarding.</summary>
internal static unsafe partial class Libc
{
    public const int O_RDWR = 2;
    public const int O_EXCL = 0x80;
    public const int O_CLOEXEC = 0x80000;
    public const int SEEK_END = 2;
    public const nuint BLKDISCARD = 0x1277;
    public const int FALLOC_FL_KEEP_SIZE = 1;
    public const int FALLOC_FL_PUNCH_HOLE = 2;

    private const int MADV_HUGEPAGE = 14;
    private const int LargePage = 2 << 20;
    private const int ENOENT = 2;
    private const int EACCES = 13;
    private const int EBUSY = 16;

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int Open(string path, int flags, int mode = 0);

    [LibraryImport("libc", EntryPoint = "lseek", SetLastError = true)]
    public static partial long Seek(int fd, long offset, int whence);

    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    public static partial int Ioctl(int fd, nuint request, ulong* range);

    [LibraryImport("libc", EntryPoint = "fallocate", SetLastError = true)]
    public static partial int Fallocate(int fd, int mode, long offset, long length);

    /// <summary>Asks for large pages of memory where they fit into an array that is not moved; without them all is the same but slower.</summary>
    public static void PreferLargePages(byte[] array)
    {
        if (array.Length < 2 * LargePage)
            return;
        nuint start = (nuint)Unsafe.AsPointer(ref MemoryMarshal.GetArrayDataReference(array)), first = (start + LargePage - 1) & ~(nuint)(LargePage - 1);
        _ = Advise(first, (start + (nuint)array.Length - first) & ~(nuint)(LargePage - 1), MADV_HUGEPAGE);
    }

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int Advise(nuint address, nuint length, int advice);

    /// <summary>Why a path could not be opened, and what to do.</summary>
    public static string Explain(string path, int errno) => errno switch
    {
        ENOENT => $"{path} does not exist; expected a file or a block device",
        EACCES => $"{path} may not be opened by this user; try as root",
        EBUSY => $"{path} is in use, probably by an active pool; deactivate the pool, or read its metadata snapshot with --metadata-snap",
        _ => $"{path} cannot be opened: {Marshal.GetPInvokeErrorMessage(errno)}",
    };
}
