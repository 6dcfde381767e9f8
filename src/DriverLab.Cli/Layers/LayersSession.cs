using System.Security.Cryptography;
using DriverLab.Emulator;
using DriverLab.Images;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Native;
using DriverLab.Simulation;
using DriverLab.StorageDrivers;
using DriverLab.StorageDrivers.DeviceMapper;
using DriverLab.StorageDrivers.Files;
using DriverLab.StorageDrivers.Store;

namespace DriverLab.Cli.Layers;

/// <summary>One command's hold on a store: a kernel, a driver, layers and images. On the emulator the whole tree is read from a file before and written to it after.</summary>
internal sealed class LayersSession : IDisposable
{
    private const string EmulatedRoot = "/store", DiskName = "emulated.img";
    /// <summary>Drivers whose file systems the emulator has not.</summary>
    private static readonly Dictionary<string, string> s_needs = new() { ["btrfs"] = "btrfs", ["devicemapper"] = "ext4" };

    private readonly string _root;
    private readonly string? _disk;
    private readonly IKernel _kernel;
    private readonly ulong _seed = BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(8));
    private IStorageDriver? _driver;

    private LayersSession(IKernel kernel, string root, string? disk) => (_kernel, _root, _disk) = (kernel, root, disk);

    public LayerStore Layers { get; private set; } = null!;

    public ImageStore Images { get; private set; } = null!;

    public bool IsEmulated => _disk is not null;

    /// <summary>Opens a store.</summary>
    /// <param name="kernelName"><c>host</c> or <c>emulated</c>.</param>
    /// <param name="root">The store's folder on this machine.</param>
    /// <param name="driver">The driver; null takes the one that the store has.</param>
    /// <param name="words">The driver's options.</param>
    /// <param name="create">True makes a store where there is none.</param>
    public static LayersSession Open(string kernelName, string root, string? driver, IReadOnlyList<string> words, bool create)
    {
        var session = kernelName switch
        {
            "host" => Host(root),
            "emulated" => Emulated(root),
            _ => throw new UsageException($"'{kernelName}' is no kernel for layers; expected host or emulated"),
        };
        try
        {
            string[] present = session.Drivers();
            string name = driver ?? (present.Length <= 1 ? present.FirstOrDefault() ?? "overlay2" : throw new UsageException($"{root} has stores of {string.Join(" and ", present)}; say which with --driver"));
            if (!create && !present.Contains(name))
                throw new UsageException(present.Length == 0
                    ? $"{root} holds no store; make one with 'driverlab layers init --root {root}'"
                    : $"{root} holds a store of {string.Join(", ", present)}, not of {name}; leave --driver out, or convert it with 'driverlab layers convert'");
            (session._driver, session.Layers, session.Images) = session.OpenStore(name, words);
            return session;
        }
        catch
        {
            session.Dispose();
            throw;
        }
    }

    private static LayersSession Host(string root)
    {
        if (!Environment.IsPrivilegedProcess)
            throw new UsageException("--kernel host makes devices, owners and mounts, and needs root; run it as root (sudo), or take --kernel emulated");
        var kernel = NativeKernel.NewTask();
        _ = kernel.Umask(Mode.None); // modes come out as given
        return new(kernel, Path.GetFullPath(root), null);
    }

    private static LayersSession Emulated(string root)
    {
        var kernel = new EmulatedKernel(Targets.Profiles.Of("6.12"), ModuleSet.Standard, new World(0));
        var session = new LayersSession(kernel, EmulatedRoot, Path.Combine(Path.GetFullPath(root), DiskName));
        Check(kernel.MkdirAt(Fd.Cwd, ByteText.Bytes(EmulatedRoot), Mode.S_IRWXU));
        Check(kernel.Mount("store"u8, ByteText.Bytes(EmulatedRoot), "tmpfs"u8, MountFlags.None, "size=90%"u8));
        if (!File.Exists(session._disk))
            return session;
        using var file = File.OpenRead(session._disk);
        return TreeArchive.Load(kernel, EmulatedRoot, file) is { } error ? throw new UsageException($"{session._disk} is not a store that this command wrote: {error}") : session;
    }

    private static void Check(Errno error)
    {
        if (error != Errno.OK)
            throw new InvalidOperationException($"the emulated disk cannot be made: {error}");
    }

    private string[] Drivers() => [.. DriverCatalog.Names.Where(name =>
        _kernel.Statx(Fd.Cwd, ByteText.Bytes($"{_root}/image/{name}/layerdb"), AtFlags.None, StatxMask.STATX_TYPE, out _) == Errno.OK)];

    /// <summary>Opens another driver's store in the same root.</summary>
    public (IStorageDriver Driver, LayerStore Layers, ImageStore Images) OpenStore(string name, IReadOnlyList<string> words)
    {
        if (IsEmulated && s_needs.TryGetValue(name, out string? lacking))
            throw new UsageException($"the emulated kernel has no {lacking} yet, which {name} needs; take --kernel host, or another driver");
        var driver = Value(DriverCatalog.Open(_kernel, name, $"{_root}/{name}", new IdSource(_seed), words, IsEmulated ? null : HostMkfs.Xfs));
        var layers = Value(LayerStore.Open(_kernel, driver, new LayerStoreOptions(_root, new IdSource(_seed ^ 0x5DEECE66D))));
        return (driver, layers, Value(ImageStore.Open(_kernel, layers, _root)));
    }

    /// <summary>Makes what the command did last: on the emulator the tree is written beside the old file, which is then replaced.</summary>
    public void Save()
    {
        if (_disk is null)
            return;
        _ = _driver!.Cleanup(); // mounts of the emulator end with it
        _ = Directory.CreateDirectory(Path.GetDirectoryName(_disk)!);
        string aside = _disk + ".new";
        using (var file = File.Create(aside))
        {
            if (TreeArchive.Save(_kernel, EmulatedRoot, file) is { } error)
                throw new InvalidOperationException($"the emulated disk cannot be saved: {error}");
            file.Flush(flushToDisk: true);
        }
        File.Move(aside, _disk, overwrite: true);
    }

    /// <summary>The value, or the error as the command's one sentence.</summary>
    public static T Value<T>(DriverResult<T> result) => result.IsOk ? result.Value : throw new UsageException(result.Error!.ToString());

    /// <summary>Ends the command for an error.</summary>
    public static void Done(DriverError? error)
    {
        if (error is not null)
            throw new UsageException(error.ToString());
    }

    /// <summary>Lets a driver go at the end of a command, which leaves no pool behind, but what it mounted.</summary>
    public static void Close(IStorageDriver? driver)
    {
        _ = (driver as DeviceMapperDriver)?.ReleaseDevices(); // the command's own outcome is the one to tell
        driver?.Dispose();
    }

    public void Dispose()
    {
        Close(_driver);
        _kernel.Dispose();
    }
}
