using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Linux.Tracing;
using DriverLab.StorageDrivers.Files;
using DriverLab.StorageDrivers.Store;

namespace DriverLab.StorageDrivers.Tests;

/// <summary>A store of two layers and a container, the operations that a process may die in, and what must be true afterwards.</summary>
/// <param name="driver">Opens the driver with a task.</param>
/// <param name="root">The store's directory.</param>
internal sealed class StoreCrash(Func<IKernel, ulong, IStorageDriver> driver, string root)
{
    public static readonly string[] Operations = ["register", "register-base", "create", "commit", "mount", "remove", "remove-container", "open"];

    private string _a = "", _b = "";
    private ulong _seed;

    private static byte[] Third => new TarBuilder().Dir("third").File("third/f", "3").Done().ToArray();

    /// <summary>Makes what every operation begins with, or puts it back after one.</summary>
    public void Begin(IKernel kernel)
    {
        using var opened = Open(kernel);
        var store = opened.Store;
        _a = Register(store, "", LayerStoreTests.BaseTar);
        _b = Register(store, _a, LayerStoreTests.NextTar);
        if (store.FindMount("second") is not null)
            Assert.That(store.RemoveMount("second"), Is.Null);
        foreach (var layer in store.Layers.Where(l => l.ChainId != _a && l.ChainId != _b))
            Assert.That(store.Remove(layer.ChainId), Is.Null);
        if (store.FindMount("box") is null)
        {
            Assert.That(store.CreateMount("box", _a, LayerOptions.None).Error, Is.Null);
            string root = store.Mount("box").Value;
            Sandbox.Check(kernel.WriteWhole(ByteText.Bytes(root + "/mine"), "mine"u8, (Mode)0x1A4));
        }
        for (int users = 0; users < 2; users++) // one that the dead process had, and one of ours
            Assert.That(store.Unmount("box"), Is.Null);
    }

    private static string Register(LayerStore store, string parent, byte[] tar)
    {
        var made = store.Register(parent, new MemoryStream(tar));
        Assert.That(made.Error, Is.Null);
        return made.Value.ChainId;
    }

    /// <summary>Begins an operation and dies before its call of this number, then looks at what is left with another task.</summary>
    /// <returns>False when the operation ended before that call.</returns>
    public bool Survives(IKernel kernel, string operation, int at)
    {
        bool died = false;
        var death = new CrashPoint(at) { IsArmed = operation == "open" };
        using (var task = kernel.Fork()) // its end closes what the dead process had open, and nothing else
        {
            try
            {
                var store = Open(new TracingKernel(task, death)).Store;
                death.IsArmed = true; // opening is an operation of its own
                Assert.That(Run(store, operation), Is.Null, $"{operation} without a death");
            }
            catch (CrashException)
            {
                died = true;
            }
        }
        using var after = kernel.Fork();
        using var reopened = Open(after);
        var faults = reopened.Store.Check(contents: true, repair: true);
        Assert.That(faults.Error, Is.Null, $"{operation}, death at call {at}");
        Assert.That(faults.Value.Where(f => f.Kind is not "orphan layer").Select(f => f.ToString()), Is.Empty, $"{operation}, death at call {at}");
        Assert.That(reopened.Store.Check(contents: true).Value, Is.Empty, $"{operation}, death at call {at}, after repair");
        IsWhole(after, reopened.Store, operation, at);
        return died;
    }

    private sealed record Opened(LayerStore Store) : IDisposable
    {
        public void Dispose() => Store.Driver.Dispose();
    }

    private Opened Open(IKernel kernel)
    {
        var store = LayerStore.Open(kernel, driver(kernel, ++_seed), new LayerStoreOptions(root, new IdSource(_seed + 1_000_000)));
        Assert.That(store.Error, Is.Null);
        return new(store.Value);
    }

    private DriverError? Run(LayerStore store, string operation)
    {
        switch (operation)
        {
            case "register":
                return store.Register(_b, new MemoryStream(Third)).Error;
            case "register-base":
                return store.Register("", new MemoryStream(Third)).Error;
            case "create":
                return store.CreateMount("second", _b, LayerOptions.None).Error;
            case "commit":
                var tar = new MemoryStream();
                return store.Diff("box", tar) ?? store.Register(_a, new MemoryStream(tar.ToArray())).Error;
            case "mount":
                return store.Mount("box").Error ?? store.Unmount("box");
            case "remove":
                return store.Remove(_b);
            case "remove-container":
                return store.RemoveMount("box");
            default:
                return null; // opening alone
        }
    }

    private void IsWhole(IKernel kernel, LayerStore store, string operation, int at)
    {
        string where = $"{operation}, death at call {at}";
        Exports(store, _a, LayerStoreTests.BaseTar, where);
        if (operation != "remove")
            Exports(store, _b, LayerStoreTests.NextTar, where);
        if (operation != "remove-container")
        {
            string root = store.Mount("box").Value;
            Assert.That(kernel.ReadWhole(ByteText.Bytes(root + "/mine")).Value, Is.EqualTo("mine"u8.ToArray()), where);
            Assert.That(store.Unmount("box"), Is.Null);
        }
        // The operation can be done, or has been.
        var again = Run(store, operation);
        Assert.That(again?.Errno, Is.AnyOf(null, Errno.ENOENT, Errno.EEXIST), $"{where}: {again}");
    }

    private static void Exports(LayerStore store, string chain, byte[] tar, string where)
    {
        var exported = new MemoryStream();
        Assert.That(store.Export(chain, exported), Is.Null, where);
        Assert.That(exported.ToArray(), Is.EqualTo(tar), where);
    }
}
