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
        var crash = new StoreCrash(name, "/disk/" + name, "/disk");
        using (var before = kernel.Fork())
            crash.Begin(before);
        return crash.Survives(kernel, operation, at);
    }
}

/// <summary>The same sweep on real kernels, over one store that all the deaths come to: a task ends at a call, the kernel closes what it had open, mounts and devices stay as a killed daemon leaves them.</summary>
[NonParallelizable]
public sealed class RealCrashSweepTests
{
    /// <summary>So many calls lie between the deaths of the sample.</summary>
    private const int Stride = 37;

    private static readonly string[] s_host = ["vfs", "overlay", "overlay2", "btrfs"];

    public static IEnumerable<TestCaseData> Samples =>
        from @case in s_host.Select(static driver => (Kernel: KernelKind.Host, Driver: driver)).Append((Kernel: KernelKind.Guest612, Driver: "devicemapper"))
        from operation in StoreCrash.Operations
        select Of(@case.Kernel, @case.Driver, operation);

    public static IEnumerable<TestCaseData> Whole =>
        from driver in s_host
        from operation in StoreCrash.Operations
        select Of(KernelKind.Host, driver, operation);

    private static TestCaseData Of(KernelKind kernel, string driver, string operation)
    {
        var data = new TestCaseData(kernel, driver, operation).SetArgDisplayNames(kernel.ToString(), driver, operation);
        if (Guests.Has(kernel))
            data.Properties.Add("Category", "rig");
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
        var crash = new StoreCrash(name, box.Home, box.Directory("store"));
        int states = crash.Sweep(box.Kernel, operation, stride);
        TestContext.Out.WriteLine($"{name} {operation} on {kernel}: {states} states");
        Assert.That(states, Is.GreaterThan(0), "no death at all");
        crash.End(box.Kernel);
    }

    /// <summary>In machines the sweep is a program of its own, compiled ahead of time: a call from here costs more than the call itself.</summary>
    [Test]
    [Category("long")]
    public void A_death_at_any_call_loses_nothing_in_a_machine([Values(KernelKind.Guest61, KernelKind.Guest612)] KernelKind kernel, [Values("vfs", "overlay", "overlay2", "btrfs", "devicemapper")] string driver)
    {
        using var box = Sandbox.Make(kernel); // for what must not be left behind
        if (!box.Exists("/tmp/crash-sweep"))
            Guests.Of(kernel).CopyInAsync(CrashSweepProgram.Folder, "/tmp/crash-sweep").GetAwaiter().GetResult();
        string fileSystem = driver == "btrfs" ? "truncate -s 256M btrfs.img && mkfs.btrfs -q btrfs.img && mount -t btrfs -o loop btrfs.img home" : "true";
        string printed = Guests.Run(kernel, $"""
            mkdir /tmp/sweep && mount -t tmpfs -o mode=0755,size=256m sweep /tmp/sweep && cd /tmp/sweep && mkdir home store && {fileSystem} || exit
            /tmp/crash-sweep/lib/ld-linux-x86-64.so.2 --library-path /tmp/crash-sweep/lib /tmp/crash-sweep/{CrashSweepProgram.Name} {driver} /tmp/sweep/home /tmp/sweep/store; status=$?
            cd /; [ {driver} != btrfs ] || umount /tmp/sweep/home; umount /tmp/sweep && rmdir /tmp/sweep && exit $status
            """);
        TestContext.Out.Write(printed.Replace(" states", $" states on {kernel}", StringComparison.Ordinal));
        foreach (string operation in StoreCrash.Operations)
            Assert.That(printed, Does.Match($"(?m)^{driver} {operation}: [1-9][0-9]* states$"));
    }
}
