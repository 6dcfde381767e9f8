using System.Runtime.InteropServices;

namespace DriverLab.Benchmarks;

/// <summary>The same operations on the machine's own kernel, as directly as C# can: libc with blittable arguments, no wrapper in between.</summary>
internal sealed unsafe partial class HostSubject : Subject
{
    private const int AtFdCwd = -100;
    private const int OCreatExclWronly = 0x40 | 0x80 | 1;
    private const uint BasicStats = 0x7ff;

    private readonly byte* _file, _new, _directory, _page, _entries, _stat;
    private readonly int _read, _write;

    /// <param name="root">/mnt/t or /mnt/m, in this process's mount namespace.</param>
    public HostSubject(string root)
    {
        _file = CString(root + "/a/b/file");
        _new = CString(root + "/a/b/new");
        _directory = CString(root + "/a/b/big");
        _page = (byte*)NativeMemory.AlignedAlloc(PageSize, PageSize);
        _entries = (byte*)NativeMemory.Alloc(32 * 1024);
        _stat = (byte*)NativeMemory.Alloc(256);
        _read = Check(Libc.openat(AtFdCwd, _file, 0, 0));
        _write = Check(Libc.openat(AtFdCwd, CString(root + (root == "/mnt/t" ? "/a/b/file" : "/a/b/written")), 2, 0));
    }

    public override void Stat() => Check(Libc.statx(AtFdCwd, _file, 0, BasicStats, _stat));

    public override void OpenClose() => Check(Libc.close(Check(Libc.openat(AtFdCwd, _file, 0, 0))));

    public override void CreateUnlink()
    {
        Check(Libc.close(Check(Libc.openat(AtFdCwd, _new, OCreatExclWronly, 0x1A4))));
        Check(Libc.unlinkat(AtFdCwd, _new, 0));
    }

    public override void ReadDirectory()
    {
        int fd = Check(Libc.openat(AtFdCwd, _directory, 0x10000, 0));
        while (Check((int)Libc.getdents64(fd, _entries, 32 * 1024)) > 0) { }
        Check(Libc.close(fd));
    }

    public override void ReadPage() => Check((int)Libc.pread64(_read, _page, PageSize, NextOffset()));

    public override void WritePage() => Check((int)Libc.pwrite64(_write, _page, PageSize, NextOffset()));

    private static byte* CString(string text) => (byte*)Marshal.StringToCoTaskMemUTF8(text);

    private static int Check(int result)
    {
        if (result < 0)
            throw new InvalidOperationException("the host's kernel refused: errno " + Marshal.GetLastSystemError());
        return result;
    }

    private static partial class Libc
    {
        [LibraryImport("libc")] public static partial int openat(int directory, byte* path, int flags, int mode);
        [LibraryImport("libc")] public static partial int close(int fd);
        [LibraryImport("libc")] public static partial int statx(int directory, byte* path, int flags, uint mask, byte* result);
        [LibraryImport("libc")] public static partial int unlinkat(int directory, byte* path, int flags);
        [LibraryImport("libc")] public static partial nint getdents64(int fd, byte* buffer, nint length);
        [LibraryImport("libc")] public static partial nint pread64(int fd, byte* buffer, nint length, long offset);
        [LibraryImport("libc")] public static partial nint pwrite64(int fd, byte* buffer, nint length, long offset);
    }
}
