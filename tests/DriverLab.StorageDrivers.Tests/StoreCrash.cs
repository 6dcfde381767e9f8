using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Linux.Tracing;
using DriverLab.StorageDrivers.Files;
using DriverLab.StorageDrivers.Store;

namespace DriverLab.StorageDrivers.Tests;

/// <summary>Something that must be true after a death is not.</summary>
internal sealed class StoreCrashException(string message) : Exception(message);

/// <summary>A store of two layers and a container, the operations that a process may die in, and what must be true afterwards.</summary>
/// <param name="driver">The driver's name.</param>
/// <param name="home">Its directory, of a file system that it works on.</param>
/// <param name="root">The store's directory.</param>
/// <remarks>Compiled into the tests and into the program that sweeps inside machines: no test framework here.</remarks>
internal sealed class StoreCrash(string driver, string home, string root)
{
    /// <summary>Options of a devicemapper that fits into a test.</summary>
    public static readonly string[] SmallPool = ["dm.basesize=64m", "dm.loopdatasize=512m", "dm.loopmetadatasize=16m"];

    public static readonly string[] Operations = ["register", "register-base", "create", "commit", "mount", "remove", "remove-container", "open"];

    private string _a = "", _b = "";
    private ulong _seed;

    private static byte[] Third => new TarBuilder().Dir("third").File("third/f", "3").Done().ToArray();

    /// <summary>Makes what every operation begins with, or puts it back after one.</summary>
    public void Begin(IKernel kernel) => kernel.Run(() => BeginOnTask(kernel));

    private void BeginOnTask(IKernel kernel)
    {
        using var opened = Open(kernel);
        var store = opened.Store;
        if (store.Layers.All(l => l.ChainId != _a))
            _a = Register(store, "", TarBuilder.BaseLayer);
        if (store.Layers.All(l => l.ChainId != _b))
            _b = Register(store, _a, TarBuilder.NextLayer);
        if (store.FindMount("second") is not null)
            Need(store.RemoveMount("second"));
        foreach (var layer in store.Layers.Where(l => l.ChainId != _a && l.ChainId != _b))
            Need(store.Remove(layer.ChainId));
        if (store.FindMount("box") is null)
        {
            Need(store.CreateMount("box", _a, LayerOptions.None).Error);
            string root = store.Mount("box").Value;
            Need(kernel.WriteWhole(ByteText.Bytes(root + "/mine"), "mine"u8, (Mode)0x1A4) == Errno.OK, "a file is written in the container");
        }
        for (int users = 0; users < 2; users++) // one that the dead process had, and one of ours
            Need(store.Unmount("box"));
    }

    /// <summary>Dies in an operation at its first call and at every so many after it, over one store that all the deaths come to.</summary>
    /// <returns>How many states were looked at.</returns>
    public int Sweep(IKernel kernel, string operation, int stride)
    {
        int states = 0;
        Begin(kernel);
        for (int at = 1; Survives(kernel, operation, at); at += stride)
        {
            states++;
            Begin(kernel);
        }
        Begin(kernel);
        return states;
    }

    /// <summary>Takes mounts and devices away.</summary>
    public void End(IKernel kernel)
    {
        using var opened = Open(kernel);
        Need(opened.Store.Driver.Cleanup());
    }

    private static string Register(LayerStore store, string parent, byte[] tar)
    {
        var made = store.Register(parent, new MemoryStream(tar));
        Need(made.Error);
        return made.Value.ChainId;
    }

    /// <summary>Begins an operation and dies before its call of this number, then looks at what is left with another task.</summary>
    /// <returns>False when the operation ended before that call.</returns>
    public bool Survives(IKernel kernel, string operation, int at)
    {
        bool died;
        using (var task = kernel.Fork()) // its end closes what the dead process had open, and nothing else
            died = task.RunFor(() => Dies(task, operation, at));
        using var after = kernel.Fork();
        after.Run(() => Look(after, operation, $"{operation}, death at call {at}"));
        return died;
    }

    private bool Dies(IKernel task, string operation, int at)
    {
        var death = new CrashPoint(at) { IsArmed = operation == "open" };
        try
        {
            var store = Open(new TracingKernel(task, death)).Store;
            death.IsArmed = true; // opening is an operation of its own
            Need(Run(store, operation), $"{operation} without a death");
            return false;
        }
        catch (CrashException)
        {
            return true;
        }
    }

    private void Look(IKernel task, string operation, string where)
    {
        using var reopened = Open(task);
        var faults = reopened.Store.Check(contents: true, repair: true);
        Need(faults.Error, where);
        NeedNone(faults.Value.Where(static f => f.Kind is not "orphan layer"), where);
        if (faults.Value.Count > 0)
            NeedNone(reopened.Store.Check(contents: true).Value, where + ", after repair");
        IsWhole(task, reopened.Store, operation, where);
    }

    private sealed record Opened(LayerStore Store) : IDisposable
    {
        public void Dispose() => Store.Driver.Dispose();
    }

    private Opened Open(IKernel kernel)
    {
        var opened = DriverCatalog.Open(kernel, driver, home, new IdSource(++_seed), driver == "devicemapper" ? SmallPool : []);
        Need(opened.Error);
        var store = LayerStore.Open(kernel, opened.Value, new LayerStoreOptions(root, new IdSource(_seed + 1_000_000)));
        Need(store.Error);
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

    private void IsWhole(IKernel kernel, LayerStore store, string operation, string where)
    {
        Exports(store, _a, TarBuilder.BaseLayer, where);
        if (operation != "remove")
            Exports(store, _b, TarBuilder.NextLayer, where);
        if (operation != "remove-container")
        {
            string root = store.Mount("box").Value;
            Need(kernel.ReadWhole(ByteText.Bytes(root + "/mine")).Value is { } mine && mine.AsSpan().SequenceEqual("mine"u8), where + ": the container's own file");
            Need(store.Unmount("box"), where);
        }
        // The operation can be done, or has been.
        var again = Run(store, operation);
        Need(again?.Errno is null or Errno.ENOENT or Errno.EEXIST, $"{where}: {again}");
    }

    private static void Exports(LayerStore store, string chain, byte[] tar, string where)
    {
        var exported = new MemoryStream();
        Need(store.Export(chain, exported), where);
        Need(exported.ToArray().AsSpan().SequenceEqual(tar), where + ": an export is other than what was imported");
    }

    private static void NeedNone(IEnumerable<StoreFault> faults, string where) => Need(!faults.Any(), $"{where}: {string.Join("; ", faults)}");

    private static void Need(DriverError? error, string where = "the store's own set-up") => Need(error is null, $"{where}: {error}");

    private static void Need(bool isSo, string what)
    {
        if (!isSo)
            throw new StoreCrashException(what);
    }
}
