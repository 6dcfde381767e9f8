using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.StorageDrivers.Files;

namespace DriverLab.StorageDrivers.Tests;

/// <summary>
/// Upper layers that go from kernel to kernel as tar with all extended attributes, there and back: one kernel writes through its overlay mount, the next mounts what came across, must see the same tree,
/// writes on, and the first one mounts that. Whatever a kernel leaves on disk is there in the tar: whiteouts, opaque marks, redirects, files of which only the attributes were copied up, escaped names.
/// </summary>
[NonParallelizable]
public sealed class UpperCrossingTests
{
    public static IEnumerable<TestCaseData> Pairs =>
        from other in (KernelKind[])[KernelKind.Host, KernelKind.Guest61, KernelKind.Guest612]
        from emulatorFirst in (bool[])[true, false]
        from options in (string[])["", "redirect_dir=on", "redirect_dir=on,metacopy=on", "index=on,xino=on"]
        select new TestCaseData(emulatorFirst ? KernelKind.Emulated : other, emulatorFirst ? other : KernelKind.Emulated, options);

    [TestCaseSource(nameof(Pairs))]
    public void What_one_kernel_wrote_another_mounts_and_writes_on(KernelKind first, KernelKind second, string options)
    {
        using var here = Sandbox.Make(first);
        using var there = Sandbox.Make(second);
        foreach (var box in (Sandbox[])[here, there])
            foreach (string name in (string[])["l1", "l2", "m"])
                _ = box.Directory(name);
        MakeLower(here);
        foreach (string layer in (string[])["l1", "l2"])
            Move(here, layer, there, layer);

        string written = Mounted(here, 0, options, fresh: true, FirstWrites);
        Cross(here, there, 1);
        Assert.That(Mounted(there, 1, options, fresh: false, _ => { }), Is.EqualTo(written), $"the upper layer of {first} on {second}");
        string continued = Mounted(there, 1, options, fresh: false, SecondWrites);
        Assert.That(continued, Is.Not.EqualTo(written));
        Cross(there, here, 2);
        Assert.That(Mounted(here, 2, options, fresh: false, _ => { }), Is.EqualTo(continued), $"the upper layer of {second} on {first}");
    }

    /// <summary>What the kernel's own user land makes of it: GNU tar unpacks the emulator's upper layer with all attributes, and the machine's kernel mounts that.</summary>
    [Test]
    public void GNU_tar_carries_it_too()
    {
        using var here = Sandbox.Make(KernelKind.Emulated);
        using var there = Sandbox.Make(KernelKind.Host);
        foreach (string name in (string[])["l1", "l2", "m"])
            (_, _) = (here.Directory(name), there.Directory(name));
        MakeLower(here);
        string written = Mounted(here, 0, "redirect_dir=on", fresh: true, FirstWrites);
        using var folder = new TemporaryFolder();
        foreach (var (from, to) in ((string, string)[])[("l1", "l1"), ("l2", "l2"), ("u0", "u1")])
        {
            string tar = Path.Combine(folder.Path, to + ".tar"), tree = Path.Combine(folder.Path, to);
            using (var file = File.Create(tar))
                Assert.That(TreeArchive.Save(here.Kernel, $"{here.Root}/{from}", file), Is.Null);
            _ = System.IO.Directory.CreateDirectory(tree);
            using var unpack = System.Diagnostics.Process.Start("tar", ["--xattrs", "--xattrs-include=*", "--same-owner", "-p", "-xf", tar, "-C", tree]);
            unpack.WaitForExit();
            Assert.That(unpack.ExitCode, Is.Zero);
            if (to == "u1")
                _ = there.Directory("u1");
            using var packed = new MemoryStream();
            Assert.That(TreeArchive.Save(there.Kernel, tree, packed), Is.Null);
            packed.Position = 0;
            Assert.That(TreeArchive.Load(there.Kernel, $"{there.Root}/{to}", packed), Is.Null);
        }
        _ = there.Directory("w1");
        Assert.That(Mounted(there, 1, "redirect_dir=on", fresh: false, _ => { }), Is.EqualTo(written));
    }

    // ---- crossing --------------------------------------------------------------------------------------------------------------------

    /// <summary>Upper layers are numbered by crossing: u0 is made at the start, u1 came across once, u2 twice.</summary>
    private static void Cross(Sandbox from, Sandbox to, int number)
    {
        _ = to.Directory($"u{number}");
        _ = to.Directory($"w{number}");
        Move(from, $"u{number - 1}", to, $"u{number}");
    }

    private static void Move(Sandbox from, string source, Sandbox to, string target)
    {
        using var tar = new MemoryStream();
        Assert.That(TreeArchive.Save(from.Kernel, $"{from.Root}/{source}", tar), Is.Null);
        tar.Position = 0;
        Assert.That(TreeArchive.Load(to.Kernel, $"{to.Root}/{target}", tar), Is.Null);
    }

    /// <summary>Mounts the union, does what is to be done, mounts it anew and gives the tree that it shows then.</summary>
    private static string Mounted(Sandbox box, int number, string options, bool fresh, Action<Sandbox> work)
    {
        if (fresh)
        {
            _ = box.Directory($"u{number}");
            _ = box.Directory($"w{number}");
        }
        // Handles of another file system's files are none here: an index of what came across does not fit, and the kernel says so by refusing the mount. A work directory of its own is what a user gives it.
        string line = $"lowerdir={box.Root}/l1:{box.Root}/l2,upperdir={box.Root}/u{number},workdir={box.Root}/w{number}{(options.Length > 0 ? "," + options : "")}";
        string tree = "";
        for (int pass = 0; pass < 2; pass++)
        {
            Sandbox.Check(box.Kernel.Mount("overlay"u8, ByteText.Bytes(box.Root + "/m"), "overlay"u8, MountFlags.None, ByteText.Bytes(line)), line);
            if (pass == 0)
                work(box);
            else
                tree = TreeManifest.Of(box.Kernel, box.Root + "/m", times: true, directoryTimes: false);
            Sandbox.Check(box.Kernel.Umount(ByteText.Bytes(box.Root + "/m"), UmountFlags.None));
        }
        return tree;
    }

    // ---- what is written -------------------------------------------------------------------------------------------------------------

    private static void MakeLower(Sandbox box)
    {
        foreach (string directory in (string[])["l2/both", "l2/both/deep", "l2/gone", "l2/replaced", "l2/moved", "l2/moved/inner", "l1/both", "l1/top"])
            box.Mkdir($"{box.Root}/{directory}");
        foreach (string file in (string[])["l2/both/below", "l2/both/deep/file", "l2/gone/file", "l2/replaced/old", "l2/moved/file", "l2/moved/inner/file", "l2/mode", "l2/content", "l2/unlinked", "l2/renamed", "l1/both/above", "l1/top/file"])
        {
            box.Write($"{box.Root}/{file}", "content of " + file);
            box.SetTimes($"{box.Root}/{file}", 1_000_000_000 + file.Length, 5);
        }
        box.Link($"{box.Root}/l2/both/below", $"{box.Root}/l2/both/twin");
        box.Symlink("both/below", $"{box.Root}/l2/link");
        box.SetXattr($"{box.Root}/l2/mode", "trusted.note", "kept");
    }

    private static void FirstWrites(Sandbox box)
    {
        string m = box.Root + "/m";
        box.Chmod(m + "/mode", 0x180);
        box.Write(m + "/content", "written through the union");
        box.Unlink(m + "/unlinked");
        box.RemoveAll(m + "/gone");
        box.RemoveAll(m + "/replaced");
        box.Mkdir(m + "/replaced", 0x1C0);
        box.Write(m + "/replaced/new", "new");
        Rename(box, m + "/renamed", m + "/both/renamed");
        _ = Rename(box, m + "/moved", m + "/elsewhere"); // EXDEV where directories are not redirected
        box.Write(m + "/both/deep/file", "deeper");
        box.Unlink(m + "/both/above");
        box.Mkdir(m + "/fresh");
        box.Symlink("../mode", m + "/fresh/link");
        box.SetXattr(m + "/fresh", "trusted.own", "x");
        box.Write(m + "/fresh/two", "names");
        box.Link(m + "/fresh/two", m + "/fresh/names");
        Sandbox.Check(box.Kernel.MknodAt(Fd.Cwd, ByteText.Bytes(m + "/fresh/null"), Mode.S_IFCHR | (Mode)0x1B6, new DevT(1, 3)));
        Settle(box, "content", "both/renamed", "both/deep/file", "replaced/new", "fresh/two", "fresh/null");
    }

    private static void SecondWrites(Sandbox box)
    {
        string m = box.Root + "/m";
        box.Write(m + "/mode", "content after its attributes");
        box.Unlink(m + "/replaced/new");
        Sandbox.Check(box.Kernel.UnlinkAt(Fd.Cwd, ByteText.Bytes(m + "/replaced"), AtFlags.AT_REMOVEDIR));
        box.Write(m + "/replaced", "a file now");
        box.Write(m + "/unlinked", "here again");
        box.Mkdir(m + "/gone");
        box.Chmod(m + "/both/deep", 0x1C0);
        box.Unlink(m + "/both/renamed");
        box.Unlink(m + "/fresh/names");
        box.Write(m + "/top/file", "the upper of two");
        string moved = box.Exists(m + "/elsewhere") ? "elsewhere" : "moved";
        box.Write($"{m}/{moved}/inner/file", "in what was moved");
        _ = Rename(box, $"{m}/{moved}/inner", m + "/inner");
        Settle(box, "mode", "replaced", "unlinked", "top/file", box.Exists(m + "/inner") ? "inner/file" : moved + "/inner/file");
    }

    private static Errno Rename(Sandbox box, string from, string to) => box.Kernel.RenameAt2(Fd.Cwd, ByteText.Bytes(from), Fd.Cwd, ByteText.Bytes(to), RenameFlags.None);

    /// <summary>Gives times that no clock chose.</summary>
    private static void Settle(Sandbox box, params string[] files)
    {
        foreach (string file in files)
            box.SetTimes($"{box.Root}/m/{file}", 1_100_000_000 + file.Length, 7);
    }

    private sealed class TemporaryFolder : IDisposable
    {
        public string Path { get; } = System.IO.Directory.CreateTempSubdirectory("driverlab-test-").FullName;

        public void Dispose() => System.IO.Directory.Delete(Path, recursive: true);
    }
}
