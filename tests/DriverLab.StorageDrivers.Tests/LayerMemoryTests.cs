using System.Globalization;
using DriverLab.StorageDrivers.Files;
using DriverLab.StorageDrivers.Layers.Tar;
using DriverLab.StorageDrivers.Store;

namespace DriverLab.StorageDrivers.Tests;

/// <summary>A layer of any size goes through in pieces.</summary>
[NonParallelizable]
public sealed class LayerMemoryTests
{
    private const long FileBytes = 256L << 20, Files = 4, MiB = 1 << 20;

    [Test]
    [Category("long")]
    public void A_layer_of_a_gibibyte_is_imported_and_exported_below_150_MiB()
    {
        using var box = Sandbox.Make(KernelKind.Host, megabytes: 1500);
        using var driver = box.Driver("overlay2");
        var store = LayerStore.Open(box.Kernel, driver, new LayerStoreOptions(box.Directory("store"), new IdSource(2))).Value;
        Small(store); // what is compiled once is no part of it
        long before = Begin();
        using var archive = new Generated();
        var made = store.Register("", archive);
        Assert.That(made.Error, Is.Null);
        Assert.That(made.Value.SizeBytes, Is.EqualTo(FileBytes * Files));
        long imported = Peak();
        Assert.That(store.Export(made.Value.ChainId, Stream.Null), Is.Null);
        long exported = Peak();
        TestContext.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"1 GiB layer: import grows the process by {(imported - before) / MiB} MiB, export by {(exported - before) / MiB} MiB; it has {imported / MiB} and {exported / MiB} MiB at the most"));
        Assert.That(imported - before, Is.LessThan(150 * MiB));
        Assert.That(exported - before, Is.LessThan(150 * MiB));
    }

    private static void Small(LayerStore store)
    {
        var made = store.Register("", new MemoryStream(TarBuilder.BaseLayer));
        Assert.That(store.Export(made.Value.ChainId, Stream.Null), Is.Null);
        Assert.That(store.Remove(made.Value.ChainId), Is.Null);
    }

    /// <summary>Forgets the peak that the process has had, and gives the bytes that it has now.</summary>
    private static long Begin()
    {
        GC.Collect();
        File.WriteAllText("/proc/self/clear_refs", "5");
        return Peak();
    }

    /// <summary>The most resident memory, in bytes.</summary>
    private static long Peak() =>
        long.Parse(File.ReadLines("/proc/self/status").Single(static l => l.StartsWith("VmHWM:", StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) * 1024;

    /// <summary>An archive that is made while it is read.</summary>
    private sealed class Generated : ForwardStream
    {
        private readonly MemoryStream _pending = new();
        private readonly TarWriter _tar;
        private readonly byte[] _piece = new byte[1 << 16];
        private long _left;
        private int _files;
        private bool _ended;

        public Generated()
        {
            _tar = new TarWriter(_pending);
            new Random(1).NextBytes(_piece);
        }

        public override int Read(Span<byte> buffer)
        {
            if (_pending.Position == _pending.Length)
                Next();
            return _pending.Read(buffer);
        }

        private void Next()
        {
            _pending.SetLength(0);
            if (_left > 0)
                _left -= _piece.Length;
            else if (_files < Files)
            {
                _tar.WriteEntry(new TarEntry { Name = ByteText.Bytes($"file-{_files++}"), Type = TarType.File, Permissions = (Linux.Abi.Mode)0x1A4, Size = FileBytes, Mtime = new(1, 0) });
                _left = FileBytes - _piece.Length;
            }
            else
            {
                if (!_ended)
                    _tar.Finish();
                _ended = true;
                _pending.Position = 0;
                return;
            }
            _tar.WriteContent(_piece);
            _pending.Position = 0;
        }
    }
}
