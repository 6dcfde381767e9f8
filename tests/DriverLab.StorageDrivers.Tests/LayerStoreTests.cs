using DriverLab.Linux;
using DriverLab.StorageDrivers.Files;
using DriverLab.StorageDrivers.Store;

namespace DriverLab.StorageDrivers.Tests;

/// <summary>What the layer store keeps, over every driver and on every kernel.</summary>
[TestFixtureSource(typeof(DriverContract), nameof(DriverContract.CasesAbove))]
[System.Diagnostics.CodeAnalysis.SuppressMessage("Design", "CA1001", Justification = "TearDown disposes what SetUp made.")]
public sealed class LayerStoreTests(KernelKind kernel, string name)
{
    private Sandbox _box = null!;
    private IStorageDriver _driver = null!;
    private LayerStore _store = null!;

    [SetUp]
    public void Open()
    {
        _box = Sandbox.Make(kernel);
        _driver = _box.Driver(name);
        _store = Reopen();
    }

    [TearDown]
    public void Close()
    {
        _ = _driver?.Cleanup(); // devices would stay
        _driver?.Dispose();
        _box?.Dispose();
    }

    private LayerStore Reopen()
    {
        var opened = LayerStore.Open(_box.Kernel, _driver, new LayerStoreOptions(_box.Root + "/store", new IdSource(++_seed)));
        Assert.That(opened.Error, Is.Null);
        return opened.Value;
    }

    private ulong _seed;

    private LayerRecord Register(string parent, byte[] tar)
    {
        var made = _store.Register(parent, new MemoryStream(tar));
        Assert.That(made.Error, Is.Null);
        return made.Value;
    }

    private byte[] Export(string chain)
    {
        var tar = new MemoryStream();
        Assert.That(_store.Export(chain, tar), Is.Null);
        return tar.ToArray();
    }

    private void IsClean() => Assert.That(_store.Check(contents: true).Value.Select(f => f.ToString()), Is.Empty);

    [Test]
    public void Chain_ids_are_those_of_the_image_specification()
    {
        var a = Register("", TarBuilder.BaseLayer);
        var b = Register(a.ChainId, TarBuilder.NextLayer);
        Assert.That(a.DiffId, Is.EqualTo(Digest.Of(TarBuilder.BaseLayer)));
        Assert.That(a.ChainId, Is.EqualTo(a.DiffId));
        Assert.That(b.ChainId, Is.EqualTo(Digest.Of(System.Text.Encoding.ASCII.GetBytes($"{a.ChainId} {b.DiffId}"))));
        Assert.That(_box.Read($"{_box.Root}/store/image/{name}/layerdb/sha256/{Digest.Hex(b.ChainId)}/parent"), Is.EqualTo(a.ChainId));
        IsClean();
    }

    [Test]
    public void What_was_imported_is_exported_byte_for_byte_also_after_a_restart()
    {
        byte[] padded = [.. TarBuilder.BaseLayer, .. new byte[10240]];
        var a = Register("", padded);
        var b = Register(a.ChainId, TarBuilder.NextLayer);
        _store = Reopen();
        Assert.That(_store.Layers, Is.EquivalentTo((LayerRecord[])[a, b]));
        Assert.That(Export(a.ChainId), Is.EqualTo(padded));
        Assert.That(Export(b.ChainId), Is.EqualTo(TarBuilder.NextLayer));
    }

    [Test]
    public void The_same_layer_twice_is_one_layer()
    {
        var a = Register("", TarBuilder.BaseLayer);
        Assert.That(Register("", TarBuilder.BaseLayer), Is.EqualTo(a));
        Assert.That(((ILayerList)_driver).Layers().Value, Has.Count.EqualTo(1));
        IsClean();
    }

    [Test]
    public void A_changed_file_is_named_by_export_and_by_check()
    {
        var a = Register("", TarBuilder.BaseLayer);
        string root = _driver.Get(a.CacheId).Value;
        _box.Write(root + "/etc/gone", "y");
        _ = _driver.Put(a.CacheId);
        Assert.That(_store.Export(a.ChainId, Stream.Null)?.ToString(), Does.Contain("etc/gone").And.Contain("EBADMSG"));
        Assert.That(_store.Check(contents: true).Value.Single().Kind, Is.EqualTo("changed layer"));
    }

    [Test]
    public void What_something_stands_on_stays()
    {
        var a = Register("", TarBuilder.BaseLayer);
        var b = Register(a.ChainId, TarBuilder.NextLayer);
        Assert.That(_store.CreateMount("box", b.ChainId, LayerOptions.None).Error, Is.Null);
        Assert.That(_store.Remove(a.ChainId)?.Errno, Is.EqualTo(Errno.EBUSY));
        Assert.That(_store.Remove(b.ChainId)?.Errno, Is.EqualTo(Errno.EBUSY));
        Assert.That(_store.RemoveMount("box"), Is.Null);
        Assert.That(_store.Release(b.ChainId, _ => false).Value, Is.EqualTo((string[])[b.ChainId, a.ChainId]));
        Assert.That(((ILayerList)_driver).Layers().Value, Is.Empty);
        IsClean();
    }

    [Test]
    public void A_container_is_changed_and_committed()
    {
        var a = Register("", TarBuilder.BaseLayer);
        Assert.That(_store.CreateMount("box", a.ChainId, LayerOptions.None).Error, Is.Null);
        string root = _store.Mount("box").Value;
        Assert.That(_store.Mount("box").Value, Is.EqualTo(root));
        _box.Write(root + "/big", "changed");
        _box.Unlink(root + "/etc/gone");
        Assert.That(_store.RemoveMount("box")?.Errno, Is.EqualTo(Errno.EBUSY));
        Assert.That(_store.Unmount("box"), Is.Null);
        Assert.That(_store.Changes("box").Value.Select(c => c.ToString()), Is.EqualTo((string[])["C /big", "C /etc", "D /etc/gone"]));
        var tar = new MemoryStream();
        Assert.That(_store.Diff("box", tar), Is.Null);
        var b = Register(a.ChainId, tar.ToArray());
        Assert.That(_store.CreateMount("second", b.ChainId, LayerOptions.None).Error, Is.Null);
        string second = _store.Mount("second").Value;
        Assert.That(_box.Read(second + "/big"), Is.EqualTo("changed"));
        Assert.That(_box.Exists(second + "/etc/gone"), Is.False);
        Assert.That(_store.Unmount("second"), Is.Null);
        IsClean();
    }

    [Test]
    public void Bad_archives_leave_nothing()
    {
        byte[] torn = TarBuilder.BaseLayer[..1000];
        Assert.That(_store.Register("", new MemoryStream(torn)).Error?.Errno, Is.EqualTo(Errno.EBADMSG));
        Assert.That(_store.Register("", new MemoryStream(TarBuilder.BaseLayer), Digest.Of("other"u8)).Error?.ToString(), Does.Contain("the archive's digest is"));
        Assert.That(_store.Register("", new MemoryStream([.. TarBuilder.BaseLayer, .. new byte[17 << 20]])).Error?.Errno, Is.EqualTo(Errno.E2BIG));
        Assert.That(_store.Register("sha256:" + new string('0', 64), new MemoryStream(TarBuilder.BaseLayer)).Error?.Errno, Is.EqualTo(Errno.ENOENT));
        Assert.That(_store.Register("../../etc", new MemoryStream(TarBuilder.BaseLayer)).Error?.Errno, Is.EqualTo(Errno.EINVAL));
        Assert.That(_store.Layers, Is.Empty);
        Assert.That(((ILayerList)_driver).Layers().Value, Is.Empty);
        IsClean();
    }

    private static readonly string[] s_faults = ["no cache-id", "empty diff", "size no number", "parent gone", "driver layer gone", "wrong diff", "orphan", "half-made", "half-removed", "container without layer", "torn notes"];

    [TestCaseSource(nameof(s_faults))]
    public void A_planted_fault_is_found_named_and_repaired(string fault)
    {
        var a = Register("", TarBuilder.BaseLayer);
        var b = Register(a.ChainId, TarBuilder.NextLayer);
        Assert.That(_store.CreateMount("box", a.ChainId, LayerOptions.None).Error, Is.Null);
        string db = $"{_box.Root}/store/image/{name}/layerdb", entry = $"{db}/sha256/{Digest.Hex(b.ChainId)}";
        switch (fault)
        {
            case "no cache-id": _box.Unlink(entry + "/cache-id"); break;
            case "empty diff": _box.Write(entry + "/diff", ""); break;
            case "size no number": _box.Write(entry + "/size", "many"); break;
            case "parent gone": _box.Unlink(entry + "/parent"); break;
            case "driver layer gone": Assert.That(_driver.Remove(b.CacheId), Is.Null); break;
            case "wrong diff": _box.Write(entry + "/diff", Digest.Of("x"u8)); break;
            case "orphan": Assert.That(_driver.Create("lonely", "", LayerOptions.None), Is.Null); break;
            case "half-made": _box.Mkdir(db + "/tmp/x"); _box.Write(db + "/tmp/x/cache-id", "half"); Assert.That(_driver.Create("half", "", LayerOptions.None), Is.Null); break;
            case "half-removed": Rename(entry, entry + "-ABC-removing"); _store = OpenWithoutRepair(); break;
            case "container without layer": Assert.That(_driver.Remove(_store.FindMount("box")!.MountId), Is.Null); break;
            default: _box.Write(entry + "/tar-split.json.gz", "torn"); break;
        }
        var found = _store.Check(contents: true);
        Assert.That(found.Error, Is.Null);
        Assert.That(found.Value, Is.Not.Empty, fault);
        Assert.That(_store.Check(contents: true, repair: true).Error, Is.Null);
        var left = _store.Check(contents: true).Value;
        Assert.That(left.Select(f => f.Kind), Is.EqualTo(fault == "torn notes" ? ["changed layer"] : Array.Empty<string>()), "only what has no repair may be left");
        Assert.That(Export(a.ChainId), Is.EqualTo(TarBuilder.BaseLayer), "what was whole stays whole");
    }

    private void Rename(string from, string to) => Sandbox.Check(_box.Kernel.RenameAt2(Fd.Cwd, ByteText.Bytes(from), Fd.Cwd, ByteText.Bytes(to), Linux.Abi.RenameFlags.None));

    private LayerStore OpenWithoutRepair() => _store; // the store that is open notices it at the next check
}
