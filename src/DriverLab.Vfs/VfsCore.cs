using DriverLab.Linux;
using DriverLab.Simulation;

namespace DriverLab.Vfs;

/// <summary>What Linux keeps in the globals of fs/: registered file systems, super blocks, devices' openers, anonymous device numbers, quirks. One per emulated kernel.</summary>
public sealed class VfsCore(World world, KernelProfile profile)
{
    private readonly Dictionary<string, FileSystemType> _types = [];
    private readonly Dictionary<DevT, CharDevice> _charDevices = [];
    private readonly SortedSet<uint> _freeMinors = [];
    private uint _nextMinor = 1;
    private int _nextMountId = 20;
    private int _nextPeerGroup = 1;
    private ulong _lastIno;

    public World World { get; } = world;
    public KernelProfile Profile { get; } = profile;
    public VfsQuirks Quirks { get; } = VfsQuirks.Of(profile);

    /// <summary>The time that inodes are stamped with, in nanoseconds since the epoch.</summary>
    public long NowNs => World.Clock.NowNs;

    /// <summary>Whether this fault was put in on purpose.</summary>
    public bool IsMutated(Mutation mutation) => World.Mutations.Has(mutation);

    /// <summary>The kernel log.</summary>
    public KernelLog Log => World.Log;

    /// <summary>Pages of memory of the machine, which file systems in memory take their default size from.</summary>
    public long TotalRamPages { get; init; } = 131_072;

    /// <summary>Unused pages of file data.</summary>
    public Helpers.PagePool Pages { get; } = new();

    /// <summary>An inode number for file systems without numbers of their own.</summary>
    /// <remarks>Linux fs/inode.c: get_next_ino().</remarks>
    public ulong NextIno() => ++_lastIno;

    /// <summary>All live instances, oldest first.</summary>
    public List<SuperBlock> SuperBlocks { get; } = [];

    /// <summary>Mount points by (mount, entry).</summary>
    internal Dictionary<(Mount, Dentry), Mount> MountHash { get; } = [];

    /// <summary>FIFOs that are open, by inode.</summary>
    internal Dictionary<Inode, Pipe> Pipes { get; } = new(ReferenceEqualityComparer.Instance);

    /// <summary>Every mount that hangs somewhere, of all namespaces.</summary>
    internal HashSet<Mount> AttachedMounts { get; } = [];

    /// <summary>Opens block device nodes; set by the emulator.</summary>
    public IBlockDeviceOpener? BlockDevices { get; set; }

    // ---- registries --------------------------------------------------------------------------------------------------------------------

    /// <summary>File systems in the order of registration, as /proc/filesystems lists them.</summary>
    public IReadOnlyCollection<FileSystemType> FileSystems => _types.Values;

    /// <summary>register_filesystem().</summary>
    public void Register(FileSystemType type) => _types.Add(type.Name, type);

    /// <summary>The file system of that name, or null.</summary>
    public FileSystemType? FindFileSystem(string name) => _types.GetValueOrDefault(name);

    /// <summary>Registers a character device.</summary>
    public void Register(DevT number, CharDevice device) => _charDevices[number] = device;

    /// <summary>The character device of that number, or null (open gives ENXIO).</summary>
    public CharDevice? FindCharDevice(DevT number) => _charDevices.GetValueOrDefault(number);

    // ---- numbers -------------------------------------------------------------------------------------------------------------------------

    /// <summary>A device number 0:n for a file system without a device: the lowest free one.</summary>
    /// <remarks>Linux fs/super.c: get_anon_bdev().</remarks>
    public DevT NewAnonymousDev()
    {
        if (_freeMinors.Count == 0)
            return new(0, _nextMinor++);
        uint minor = _freeMinors.Min;
        _ = _freeMinors.Remove(minor);
        return new(0, minor);
    }

    /// <summary>Gives an anonymous number back; others are ignored.</summary>
    public void FreeAnonymousDev(DevT dev)
    {
        if (dev.Major == 0)
            _ = _freeMinors.Add(dev.Minor);
    }

    internal int NewMountId() => _nextMountId++;

    internal int NewPeerGroup() => _nextPeerGroup++;
}

/// <summary>Opens block devices by number. Implemented over the block layer's registry.</summary>
public interface IBlockDeviceOpener
{
    /// <summary>Opens the device that a node names.</summary>
    /// <returns>ENXIO (no such device), EACCES, EROFS, EBUSY (O_EXCL).</returns>
    SysResult<OpenFile> Open(Caller caller, in VfsPath path, Linux.Abi.OpenFlags flags);
}

/// <summary>A driver of a character device: makes the open file.</summary>
public abstract class CharDevice
{
    /// <summary>Name of the node in /dev; slashes make directories.</summary>
    public abstract string Name { get; }

    /// <summary>Permission bits of the node in /dev.</summary>
    public virtual Linux.Abi.Mode NodeMode => (Linux.Abi.Mode)0x180;

    /// <summary>Opens the device.</summary>
    public abstract SysResult<OpenFile> Open(Caller caller, in VfsPath path, Linux.Abi.OpenFlags flags);
}
