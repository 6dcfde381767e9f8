using DriverLab.Linux;
using DriverLab.Linux.Abi;

namespace DriverLab.Benchmarks;

/// <summary>The operations on the emulator, by calls of <see cref="IKernel"/>.</summary>
internal sealed class EmulatedSubject : Subject
{
    private readonly IKernel _kernel;
    private readonly byte[] _file, _new, _directory;
    private readonly byte[] _page = new byte[PageSize];
    private readonly byte[] _entries = new byte[32 * 1024];
    private readonly Fd _read, _write;

    /// <param name="kernel">A kernel with the trees of <see cref="Tree"/>.</param>
    /// <param name="root">/mnt/t or /mnt/m.</param>
    public EmulatedSubject(IKernel kernel, string root)
    {
        _kernel = kernel;
        _file = Tree.Bytes(root + "/a/b/file");
        _new = Tree.Bytes(root + "/a/b/new");
        _directory = Tree.Bytes(root + "/a/b/big");
        _read = kernel.OpenAt(Fd.Cwd, _file, OpenFlags.O_RDONLY, 0).OrThrow("open for reading");
        _write = kernel.OpenAt(Fd.Cwd, Tree.Bytes(root + (root == "/mnt/t" ? "/a/b/file" : "/a/b/written")), OpenFlags.O_RDWR, 0).OrThrow("open for writing");
    }

    public override void Stat() => Check(_kernel.Statx(Fd.Cwd, _file, AtFlags.None, StatxMask.STATX_BASIC_STATS, out _));

    public override void OpenClose() => Check(_kernel.Close(Check(_kernel.OpenAt(Fd.Cwd, _file, OpenFlags.O_RDONLY, 0))));

    public override void CreateUnlink()
    {
        Check(_kernel.Close(Check(_kernel.OpenAt(Fd.Cwd, _new, OpenFlags.O_CREAT | OpenFlags.O_EXCL | OpenFlags.O_WRONLY, (Mode)0x1A4))));
        Check(_kernel.UnlinkAt(Fd.Cwd, _new, AtFlags.None));
    }

    public override void ReadDirectory()
    {
        var fd = Check(_kernel.OpenAt(Fd.Cwd, _directory, OpenFlags.O_RDONLY | OpenFlags.O_DIRECTORY, 0));
        while (Check(_kernel.GetDents(fd, _entries)) > 0) { }
        Check(_kernel.Close(fd));
    }

    public override void ReadPage() => Check(_kernel.PRead(_read, _page, NextOffset()));

    public override void WritePage() => Check(_kernel.PWrite(_write, _page, NextOffset()));

    private static void Check(Errno error)
    {
        if (error != Errno.OK)
            error.OrThrow("emulator");
    }

    private static T Check<T>(SysResult<T> result)
    {
        if (!result.IsOk)
            result.OrThrow("emulator");
        return result.Value;
    }
}
