using DriverLab.Emulator;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Linux.Tracing;
using DriverLab.Simulation;
using DriverLab.StorageDrivers.Files;
using DriverLab.StorageDrivers.Store;

namespace DriverLab.StorageDrivers.Tests;

/// <summary>Each system call of each operation of the store is a point at which the process dies: what was committed stays, what was not is not seen, and the store goes on.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class CrashSweepTests
{
    private static readonly string[] s_operations = ["register", "register-base", "create", "commit", "mount", "remove", "remove-container", "open"];

    [Test]
    public void A_death_at_any_call_loses_nothing_and_shows_nothing_half_made(
        [Values("vfs", "overlay", "overlay2")] string driver, [ValueSource(nameof(s_operations))] string operation)
    {
        int states = 0;
        for (int at = 1; Survives(driver, operation, at); at++)
            states++;
        TestContext.Out.WriteLine($"{driver} {operation}: {states} states");
        Assert.That(states, Is.GreaterThan(operation == "mount" ? 0 : 10), "a sweep that ends at once proves nothing");
    }

    /// <summary>Dies at the call of this number and looks at what is left.</summary>
    /// <returns>False when the operation ended before that call.</returns>
    private static bool Survives(string driverName, string operation, int at)
    {
        using var kernel = new EmulatedKernel(new KernelProfile("6.12", new KernelVersion(6, 12)), ModuleSet.Standard, new World(0));
        Sandbox.Check(kernel.MakeDirectories("/disk"u8, Mode.S_IRWXU));
        Sandbox.Check(kernel.Mount("disk"u8, "/disk"u8, "tmpfs"u8, MountFlags.None, ""u8));
        string a, b;
        using (var before = kernel.Fork())
        {
            var store = Open(before, driverName, 1);
            a = store.Register("", new MemoryStream(LayerStoreTests.BaseTar)).Value.ChainId;
            b = store.Register(a, new MemoryStream(LayerStoreTests.NextTar)).Value.ChainId;
            Assert.That(store.CreateMount("box", a, LayerOptions.None).Error, Is.Null);
            string root = store.Mount("box").Value;
            Sandbox.Check(before.WriteWhole(ByteText.Bytes(root + "/mine"), "mine"u8, (Mode)0x1A4));
            Assert.That(store.Unmount("box"), Is.Null);
        }
        bool died = false;
        var death = new CrashPoint(at) { IsArmed = operation == "open" };
        var dying = new TracingKernel(kernel.Fork(), death);
        try
        {
            var store = Open(dying, driverName, 2);
            death.IsArmed = true; // opening is an operation of its own
            Assert.That(Run(store, operation, a, b), Is.Null, $"{operation} without a death");
        }
        catch (CrashException)
        {
            died = true;
        }
        using var after = kernel.Fork();
        var reopened = Open(after, driverName, 3);
        var faults = reopened.Check(contents: true, repair: true);
        Assert.That(faults.Error, Is.Null, $"death at call {at}");
        Assert.That(faults.Value.Where(f => f.Kind is not "orphan layer").Select(f => f.ToString()), Is.Empty, $"death at call {at}");
        Assert.That(reopened.Check(contents: true).Value, Is.Empty, $"death at call {at}, after repair");
        IsWhole(after, reopened, operation, a, b, at);
        return died;
    }

    private static LayerStore Open(IKernel kernel, string name, ulong seed)
    {
        var driver = DriverCatalog.Open(kernel, name, "/disk/" + name, new IdSource(seed), []);
        Assert.That(driver.Error, Is.Null);
        var store = LayerStore.Open(kernel, driver.Value, new LayerStoreOptions("/disk", new IdSource(seed + 100)));
        Assert.That(store.Error, Is.Null);
        return store.Value;
    }

    private static DriverError? Run(LayerStore store, string operation, string a, string b)
    {
        switch (operation)
        {
            case "register":
                return store.Register(b, new MemoryStream(Third)).Error;
            case "register-base":
                return store.Register("", new MemoryStream(Third)).Error;
            case "create":
                return store.CreateMount("second", b, LayerOptions.None).Error;
            case "commit":
                var tar = new MemoryStream();
                return store.Diff("box", tar) ?? store.Register(a, new MemoryStream(tar.ToArray())).Error;
            case "mount":
                return store.Mount("box").Error ?? store.Unmount("box");
            case "remove":
                return store.Remove(b);
            case "remove-container":
                return store.RemoveMount("box");
            default:
                return null; // opening alone
        }
    }

    private static byte[] Third => new TarBuilder().Dir("third").File("third/f", "3").Done().ToArray();

    private static void IsWhole(IKernel kernel, LayerStore store, string operation, string a, string b, int at)
    {
        Exports(store, a, LayerStoreTests.BaseTar, at);
        if (operation != "remove")
            Exports(store, b, LayerStoreTests.NextTar, at);
        if (operation != "remove-container")
        {
            string root = store.Mount("box").Value;
            Assert.That(kernel.ReadWhole(ByteText.Bytes(root + "/mine")).Value, Is.EqualTo("mine"u8.ToArray()), $"death at call {at}");
            Assert.That(store.Unmount("box"), Is.Null);
        }
        // The operation can be done, or has been.
        var again = Run(store, operation, a, b);
        Assert.That(again?.Errno, Is.AnyOf(null, Errno.ENOENT, Errno.EEXIST), $"death at call {at}: {again}");
    }

    private static void Exports(LayerStore store, string chain, byte[] tar, int at)
    {
        var exported = new MemoryStream();
        Assert.That(store.Export(chain, exported), Is.Null, $"death at call {at}");
        Assert.That(exported.ToArray(), Is.EqualTo(tar), $"death at call {at}");
    }
}
