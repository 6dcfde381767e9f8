using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.StorageDrivers.Files;

namespace DriverLab.StorageDrivers.Tests;

/// <summary>Each system call of each operation of the store is a point at which the process dies: what was committed stays, what was not is not seen, and the store goes on.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class CrashSweepTests
{
    [Test]
    public void A_death_at_any_call_loses_nothing_and_shows_nothing_half_made(
        [Values("vfs", "overlay", "overlay2", "aufs")] string driver, [ValueSource(typeof(StoreCrash), nameof(StoreCrash.Operations))] string operation)
    {
        int states = 0;
        for (int at = 1; Survives(driver, operation, at); at++)
            states++;
        TestContext.Out.WriteLine($"{driver} {operation}: {states} states");
        Assert.That(states, Is.GreaterThan(operation == "mount" ? 0 : 10), "a sweep that ends at once proves nothing");
    }

    private static bool Survives(string name, string operation, int at)
    {
        using var kernel = Sandbox.Emulator(name == "aufs" ? KernelKind.EmulatedAufs : KernelKind.Emulated);
        Sandbox.Check(kernel.MakeDirectories("/disk"u8, Mode.S_IRWXU));
        Sandbox.Check(kernel.Mount("disk"u8, "/disk"u8, "tmpfs"u8, MountFlags.None, ""u8));
        var crash = new StoreCrash((task, seed) => Open(task, name, "/disk/" + name, seed), "/disk");
        using (var before = kernel.Fork())
            crash.Begin(before);
        return crash.Survives(kernel, operation, at);
    }

    internal static IStorageDriver Open(IKernel kernel, string name, string home, ulong seed)
    {
        var driver = DriverCatalog.Open(kernel, name, home, new IdSource(seed), name == "devicemapper" ? Sandbox.SmallPool : []);
        Assert.That(driver.Error, Is.Null);
        return driver.Value;
    }
}

/// <summary>The same sweep on real kernels, over one store that all the deaths come to: a task ends at a call, the kernel closes what it had open, mounts and devices stay as a killed daemon leaves them.</summary>
[NonParallelizable]
public sealed class RealCrashSweepTests
{
    /// <summary>So many calls lie between the deaths of the sample.</summary>
    private const int Stride = 37;

    public static IEnumerable<TestCaseData> Samples => Cases(Stride);

    public static IEnumerable<TestCaseData> Whole => Cases(1);

    private static IEnumerable<TestCaseData> Cases(int stride) =>
        from @case in new (KernelKind Kernel, string Driver)[]
        {
            (KernelKind.Host, "vfs"), (KernelKind.Host, "overlay"), (KernelKind.Host, "overlay2"), (KernelKind.Host, "btrfs"),
            (KernelKind.Guest61, "vfs"), (KernelKind.Guest61, "overlay"), (KernelKind.Guest61, "overlay2"), (KernelKind.Guest61, "btrfs"), (KernelKind.Guest61, "devicemapper"),
            (KernelKind.Guest612, "vfs"), (KernelKind.Guest612, "overlay"), (KernelKind.Guest612, "overlay2"), (KernelKind.Guest612, "btrfs"), (KernelKind.Guest612, "devicemapper"),
        }
        from operation in StoreCrash.Operations
        select Of(@case.Kernel, @case.Driver, operation, stride);

    private static TestCaseData Of(KernelKind kernel, string driver, string operation, int stride)
    {
        var data = new TestCaseData(kernel, driver, operation).SetArgDisplayNames(kernel.ToString(), driver, operation);
        if (stride > 1 && Guests.Has(kernel))
            data.Properties.Add("Category", (kernel, driver) is (KernelKind.Guest612, "devicemapper") ? "rig" : "long");
        return data;
    }

    [TestCaseSource(nameof(Samples))]
    public void A_death_at_some_calls_loses_nothing(KernelKind kernel, string driver, string operation) => Sweep(kernel, driver, operation, Stride);

    [TestCaseSource(nameof(Whole))]
    [Category("long")]
    public void A_death_at_any_call_loses_nothing(KernelKind kernel, string driver, string operation) => Sweep(kernel, driver, operation, 1);

    private static void Sweep(KernelKind kernel, string name, string operation, int stride)
    {
        using var box = Sandbox.Make(kernel);
        box.Driver(name).Dispose(); // its file system is there from now on
        var crash = new StoreCrash((task, seed) => CrashSweepTests.Open(task, name, box.Home, seed), box.Directory("store"));
        crash.Begin(box.Kernel);
        int states = 0;
        for (int at = 1; crash.Survives(box.Kernel, operation, at); at += stride)
        {
            states++;
            crash.Begin(box.Kernel);
        }
        TestContext.Out.WriteLine($"{name} {operation} on {kernel}: {states} states");
        Assert.That(states, Is.GreaterThan(0), "no death at all");
        crash.Begin(box.Kernel);
        using var driver = box.Driver(name);
        Assert.That(driver.Cleanup(), Is.Null);
    }
}
