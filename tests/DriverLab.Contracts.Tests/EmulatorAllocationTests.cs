using DriverLab.Emulator;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using static DriverLab.Contracts.Tests.Calls;

namespace DriverLab.Contracts.Tests;

/// <summary>What the emulator promises beyond the contracts: reading, writing and looking at a file allocate nothing, on tmpfs and through an overlay of three layers.</summary>
[NonParallelizable]
public sealed class EmulatorAllocationTests
{
    private const int Calls = 1000;
    private readonly byte[] _page = new byte[4096];
    private EmulatedKernel _kernel = null!;
    private byte[] _path = [];
    private Fd _file;

    [TearDown]
    public void End() => _kernel.Dispose();

    [TestCase("tmpfs"), TestCase("overlay")]
    public void Stat_of_a_deep_path_allocates_nothing(string tree)
    {
        Make(tree);
        Nothing(() => _kernel.Statx(Fd.Cwd, _path, AtFlags.None, StatxMask.STATX_BASIC_STATS, out _));
    }

    [TestCase("tmpfs"), TestCase("overlay")]
    public void Reading_a_page_allocates_nothing(string tree)
    {
        Make(tree);
        Nothing(() => _kernel.PRead(_file, _page, 0).Error);
    }

    [TestCase("tmpfs"), TestCase("overlay")]
    public void Writing_a_page_allocates_nothing(string tree)
    {
        Make(tree);
        Nothing(() => _kernel.PWrite(_file, _page, 0).Error);
    }

    private static void Nothing(Func<Errno> call)
    {
        for (int i = 0; i < Calls; i++)
            Assert.That(call(), Is.EqualTo(Errno.OK));
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < Calls; i++)
            _ = call(); // was asserted above; an assertion allocates
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.Zero);
    }

    /// <summary>A file of a page at /t/a/b/c/f; in the overlay it is copied up by opening it for writing.</summary>
    private void Make(string tree)
    {
        _kernel = new EmulatedKernel(new KernelProfile("6.12", new(6, 12)));
        Done(_kernel.Mkdir("/t"));
        string below = "/t";
        Done(_kernel.Mount("none", "/t", "tmpfs", MountFlags.None, ""));
        if (tree == "overlay")
        {
            foreach (string name in (string[])["/t/1", "/t/2", "/t/3", "/t/u", "/t/w", "/t/m"])
                Done(_kernel.Mkdir(name));
            below = "/t/3";
        }
        foreach (string name in (string[])["/a", "/a/b", "/a/b/c"])
            Done(_kernel.Mkdir(below + name));
        var made = _kernel.OpenAt(Fd.Cwd, Bytes(below + "/a/b/c/f"), OpenFlags.O_CREAT | OpenFlags.O_RDWR, Oct(644));
        Assert.That(made.IsOk && _kernel.PWrite(made.Value, _page, 0).IsOk);
        Done(_kernel.Close(made.Value));
        if (tree == "overlay")
        {
            Done(_kernel.Mount("overlay", "/t/m", "overlay", MountFlags.None, "lowerdir=/t/1:/t/2:/t/3,upperdir=/t/u,workdir=/t/w"));
            below = "/t/m";
        }
        _path = Bytes(below + "/a/b/c/f");
        var opened = _kernel.OpenAt(Fd.Cwd, _path, OpenFlags.O_RDWR, Mode.None);
        Assert.That(opened.IsOk);
        _file = opened.Value;
    }

    private static void Done(Errno error) => Assert.That(error, Is.EqualTo(Errno.OK));
}
