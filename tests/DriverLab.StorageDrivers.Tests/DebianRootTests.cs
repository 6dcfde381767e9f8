using System.Text.RegularExpressions;
using DriverLab.Linux;
using DriverLab.Rig;
using DriverLab.Rig.Cache;
using DriverLab.Rig.Images.Layers;
using DriverLab.StorageDrivers.Store;
using DriverLab.Testing;

namespace DriverLab.StorageDrivers.Tests;

/// <summary>
/// A Debian root file system of over 10,000 entries in three layers (a base, packages that were installed, deletions and replacements) on every driver: the container's tree is the one that GNU tar
/// unpacks, entry by entry: type, mode, owner, size, content, links, attributes and times.
/// </summary>
[NonParallelizable]
public sealed partial class DebianRootTests
{
    /// <summary>Trees by set, as GNU tar on the machine's own kernel gives them.</summary>
    private static readonly Dictionary<string, string[]> s_expected = [];

    public static IEnumerable<TestCaseData> Samples =>
        from kernel in (KernelKind[])[KernelKind.Host, KernelKind.Emulated, KernelKind.EmulatedAufs]
        from driver in Drivers(kernel)
        select new TestCaseData(kernel, driver).SetArgDisplayNames(kernel.ToString(), driver);

    public static IEnumerable<TestCaseData> Whole =>
        from kernel in Enum.GetValues<KernelKind>()
        from driver in Drivers(kernel)
        select new TestCaseData(kernel, driver).SetArgDisplayNames(kernel.ToString(), driver);

    private static string[] Drivers(KernelKind kernel) => kernel switch
    {
        KernelKind.Emulated => ["vfs", "overlay", "overlay2"],
        KernelKind.EmulatedAufs => ["aufs"],
        KernelKind.Host => ["vfs", "overlay", "overlay2", "btrfs"],
        _ => ["vfs", "overlay", "overlay2", "btrfs", "devicemapper"],
    };

    [TestCaseSource(nameof(Samples))]
    public void A_small_root_comes_out_as_it_went_in(KernelKind kernel, string driver) => Holds(kernel, driver, LayerSet.Slim, atLeast: 800);

    [TestCaseSource(nameof(Whole))]
    [Category("long")]
    public void Ten_thousand_files_come_out_as_they_went_in(KernelKind kernel, string driver) => Holds(kernel, driver, LayerSet.Large, atLeast: 10_000);

    private static void Holds(KernelKind kernel, string name, LayerSet set, int atLeast)
    {
        string[] archives = Archives(set);
        string[] expected = [.. Expected(set.Name, archives).Select(line => name == "aufs" ? InAufs(line) : line)];
        if (kernel is KernelKind.Guest61 or KernelKind.EmulatedAufs && name is not ("btrfs" or "devicemapper"))
            expected = [.. expected.Select(static line => Users().Replace(line, ""))]; // tmpfs has them from 6.6 on
        Assert.That(expected, Has.Length.GreaterThanOrEqualTo(atLeast));
        using var box = Sandbox.Make(kernel, megabytes: 600);
        string[] options = name switch { "vfs" => ["vfs.xattrs=all"], "devicemapper" => ["dm.basesize=256m"], _ => [] };
        using var driver = box.Driver(name, options);
        var store = LayerStore.Open(box.Kernel, driver, new LayerStoreOptions(box.Directory("store"), new Files.IdSource(7))).Value;
        string chain = "";
        foreach (string archive in archives)
        {
            using var tar = File.OpenRead(archive);
            var made = store.Register(chain, tar);
            Assert.That(made.Error, Is.Null);
            chain = made.Value.ChainId;
        }
        Assert.That(store.CreateMount("box", chain, LayerOptions.None).Error, Is.Null);
        var mounted = store.Mount("box");
        Assert.That(mounted.Error, Is.Null);
        string[] tree = Lines(box.Kernel, mounted.Value);
        Assert.That(tree.Except(expected).Take(5), Is.Empty, "what is there and should not be");
        Assert.That(expected.Except(tree).Take(5), Is.Empty, "what is not there");
        Assert.That(tree, Has.Length.EqualTo(expected.Length));
        TestContext.Out.WriteLine($"{name} on {kernel}: {tree.Length} entries as GNU tar unpacks them");
        Assert.That(store.Unmount("box"), Is.Null);
        Assert.That(driver.Cleanup(), Is.Null);
    }

    /// <summary>A tree's lines. Names of one file are counted in the tree: overlay shares files between layers by links, which counts elsewhere.</summary>
    private static string[] Lines(IKernel kernel, string root)
    {
        string[] lines = [.. TreeManifest.Of(kernel, root, times: true, directoryTimes: false).Split('\n').Where(static line => !line.StartsWith("/lost+found ", StringComparison.Ordinal))];
        var names = lines.GroupBy(static line => Linked().Match(line).Value).ToDictionary(static g => g.Key, static g => g.ToArray());
        return [.. lines.Select(line => Linked().Replace(line, found => names[found.Value] is { Length: > 1 } all ? $" {all.Length} names, first {all[0].Split(' ')[0]}" : ""))];
    }

    [GeneratedRegex(" nlink=[0-9]+ group=[0-9]+")]
    private static partial Regex Linked();

    [GeneratedRegex(" user\\.[a-z]+=[0-9a-f]*")]
    private static partial Regex Users();

    /// <summary>aufs has names of 242 bytes at the most; one that is longer is listed and not to be had.</summary>
    private static string InAufs(string line) => line.IndexOf(' ') is var end && line[..end].Split('/').Max(static part => part.Length) > 242 ? line[..end] + " ENAMETOOLONG" : line;

    private static string[] Archives(LayerSet set)
    {
        try
        {
            var layers = set == LayerSet.Large ? new DebianLayers(RigCache.OfUser(), set) : new DebianLayers(RigCache.OfUser());
            string folder = layers.GetAsync(null, CancellationToken.None).GetAwaiter().GetResult();
            return [.. Enumerable.Range(1, 3).Select(n => Path.Combine(folder, $"{set.Name}-{n}.tar"))];
        }
        catch (RigException e)
        {
            NoRig.Ignore(e);
            throw;
        }
    }

    /// <summary>Lists whiteouts and deletes what they and changes of type take away, before GNU tar unpacks a layer over what is there.</summary>
    private const string Unpack = """
        set -e
        mkdir /root-tree; cd /root-tree
        for layer; do
            mkdir /layer; tar -xpf "$layer" -C /layer
            ( cd /layer; find . -name '.wh.*' -print0 ) | while IFS= read -r -d '' whiteout; do
                directory=${whiteout%/*}; name=${whiteout##*/.wh.}
                if [ "$name" = .wh..opq ]; then find "./$directory" -mindepth 1 -delete; else rm -rf "$directory/$name"; fi
            done
            ( cd /layer; find . -mindepth 1 ! -name '.wh.*' -print0 ) | while IFS= read -r -d '' entry; do
                if [ -d "/layer/$entry" ] && [ ! -L "/layer/$entry" ]; then
                    if [ -L "$entry" ] || { [ -e "$entry" ] && [ ! -d "$entry" ]; }; then rm -f "$entry"; fi
                elif [ -d "$entry" ] && [ ! -L "$entry" ]; then rm -rf "$entry"; fi
            done
            tar -xpf "$layer" --xattrs --xattrs-include='*' --numeric-owner --exclude='.wh.*'
            rm -rf /layer
        done
        """;

    private static string[] Expected(string set, string[] archives)
    {
        if (s_expected.TryGetValue(set, out var known))
            return known;
        using var box = Sandbox.Make(KernelKind.Host, megabytes: 600);
        string script = Unpack.Replace("/root-tree", box.Root + "/root-tree", StringComparison.Ordinal).Replace("/layer", box.Root + "/layer", StringComparison.Ordinal);
        _ = HostProgram.Run("nsenter", [$"--mount=/proc/{Environment.ProcessId}/task/{((Native.NativeKernel)box.Kernel).ThreadId}/ns/mnt", "bash", "-c", script, "unpack", .. archives]);
        return s_expected[set] = Lines(box.Kernel, box.Root + "/root-tree");
    }
}
