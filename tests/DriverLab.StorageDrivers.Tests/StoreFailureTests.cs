using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.StorageDrivers.Files;
using DriverLab.StorageDrivers.Store;

namespace DriverLab.StorageDrivers.Tests;

/// <summary>A disk that is full and one that is read-only: the error is the kernel's own, nothing is changed, and the store goes on when there is room again.</summary>
[TestFixtureSource(typeof(DriverContract), nameof(DriverContract.CasesAbove))]
[System.Diagnostics.CodeAnalysis.SuppressMessage("Design", "CA1001", Justification = "TearDown disposes what SetUp made.")]
public sealed class StoreFailureTests(KernelKind kernel, string name)
{
    private Sandbox _box = null!;
    private IStorageDriver _driver = null!;
    private LayerStore _store = null!;
    private string _base = "", _before = "";

    private string Root => _box.Root + "/store";

    [SetUp]
    public void Open()
    {
        TestContext.Out.WriteLine($"{name} on {kernel}"); // the runner shows no fixture's arguments
        _box = Sandbox.Make(kernel, megabytes: 24);
        _driver = _box.Driver(name);
        _store = LayerStore.Open(_box.Kernel, _driver, new LayerStoreOptions(Root, new IdSource(1))).Value;
        _base = _store.Register("", new MemoryStream(TarBuilder.BaseLayer)).Value.ChainId;
        Assert.That(_store.CreateMount("box", _base, LayerOptions.None).Error, Is.Null);
        _before = State();
    }

    [TearDown]
    public void Close()
    {
        _ = _driver?.Cleanup(); // devices would stay
        _driver?.Dispose();
        _box?.Dispose();
    }

    /// <summary>All that the store and the driver keep, by names and content.</summary>
    private string State() => string.Join('\n', [TreeManifest.Of(_box.Kernel, Root), .. ((ILayerList)_driver).Layers().Value]);

    /// <param name="errno">What each change says.</param>
    /// <param name="isReadable">False where reading a layer takes a write: mounting ext4 writes its superblock, for which a thin device wants a block of its own, and a sparse file one of the disk.</param>
    private void FailsWith(Errno errno, bool isReadable = true)
    {
        DriverError?[] errors =
        [
            _store.Register(_base, new MemoryStream(TarBuilder.NextLayer)).Error,
            _store.Register("", new MemoryStream(TarBuilder.NextLayer)).Error,
            _store.CreateMount("second", _base, LayerOptions.None).Error,
        ];
        foreach (var error in errors)
            Assert.That(error?.Errno, Is.EqualTo(errno), error?.ToString());
        Assert.That(State(), Is.EqualTo(_before), "nothing changed");
        if (isReadable)
            IsReadable();
    }

    private void IsReadable()
    {
        var exported = new MemoryStream();
        Assert.That(_store.Export(_base, exported), Is.Null, "what is there can be read");
        Assert.That(exported.ToArray(), Is.EqualTo(TarBuilder.BaseLayer));
    }

    private void GoesOn()
    {
        Assert.That(_store.Register(_base, new MemoryStream(TarBuilder.NextLayer)).Error, Is.Null);
        Assert.That(_store.CreateMount("second", _base, LayerOptions.None).Error, Is.Null);
        Assert.That(_store.Check(contents: true).Value.Select(static f => f.ToString()), Is.Empty);
    }

    [Test]
    public void A_full_disk_is_ENOSPC_and_changes_nothing()
    {
        byte[] ballast = ByteText.Bytes(_box.Root + "/ballast");
        Fill(ballast);
        FailsWith(Errno.ENOSPC, isReadable: name != "devicemapper");
        Sandbox.Check(_box.Kernel.UnlinkAt(Fd.Cwd, ballast, AtFlags.None));
        IsReadable();
        GoesOn();
    }

    private void Fill(byte[] path)
    {
        var file = _box.Kernel.OpenAt(Fd.Cwd, path, OpenFlags.O_WRONLY | OpenFlags.O_CREAT, (Mode)0x180);
        byte[] piece = new byte[1 << 20];
        SysResult<int> written;
        do
            written = _box.Kernel.Write(file.Value, piece);
        while (written.IsOk && written.Value > 0);
        Assert.That(written.Error, Is.EqualTo(Errno.ENOSPC));
        Sandbox.Check(_box.Kernel.Close(file.Value));
    }

    [Test]
    public void A_read_only_store_is_EROFS_and_changes_nothing()
    {
        // The driver's home may be a file system of its own, and devicemapper's files are open for writing: the store is made read-only alone then.
        byte[] place = ByteText.Bytes(name is "btrfs" or "devicemapper" ? Root : _box.Root);
        Sandbox.Check(_box.Kernel.Mount(place, place, ""u8, MountFlags.MS_BIND | MountFlags.MS_REC, ""u8));
        Sandbox.Check(_box.Kernel.Mount(""u8, place, ""u8, MountFlags.MS_REMOUNT | MountFlags.MS_BIND | MountFlags.MS_RDONLY, ""u8));
        FailsWith(Errno.EROFS);
        Assert.That(_store.RemoveMount("box")?.Errno, Is.EqualTo(Errno.EROFS));
        Assert.That(State(), Is.EqualTo(_before), "nothing changed");
        Sandbox.Check(_box.Kernel.Umount(place, UmountFlags.MNT_DETACH));
        GoesOn();
    }

    [Test]
    public void A_driver_that_is_not_there_is_EINVAL_and_makes_nothing()
    {
        string home = _box.Root + "/elsewhere";
        var opened = DriverCatalog.Open(_box.Kernel, "nosuch", home, new IdSource(1), []);
        Assert.That(opened.Error?.Errno, Is.EqualTo(Errno.EINVAL));
        Assert.That(opened.Error?.ToString(), Does.Contain("no such driver; there are vfs, overlay"));
        Assert.That(_box.Exists(home), Is.False);
        Assert.That(State(), Is.EqualTo(_before));
    }
}
