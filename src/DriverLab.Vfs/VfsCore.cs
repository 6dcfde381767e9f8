using DriverLab.Linux;
using DriverLab.Simulation;

namespace DriverLab.Vfs;

/// <summary>What Linux keeps in the globals of fs/: registered file systems, super blocks, devices' openers, anonymous device numbers, quirks. One per emulated kernel.</summary>
public sealed class VfsCore(World world, KernelProfile profile)
{
    private readonly Dictionary<string, FileSystemType> _types = [];
    private readonly Dictionary<DevT, CharDevice> _charDevices = [];
    /// <summary>Numbers below this one are the kernel's own file systems'.</summary>
    private const int FirstMinor = 20;

    private readonly IdPool _minors = new(FirstMinor);
    private uint _lastHidden;
    private ulong _lastMount = 1UL << 32; // so that it is no old number
    /// <summary>A machine that has booted has counted on by then: the numbers are not those that a small instance of tmpfs counts for itself.</summary>
    private ulong _lastIno = 20_000;

    public World World { get; } = world;
    public KernelProfile Profile { get; } = profile;
    public VfsQuirks Quirks { get; } = VfsQuirks.Of(profile);

    /// <summary>The time that inodes are stamped with, in nanoseconds since the epoch.</summary>
    public long NowNs => World.Clock.NowNs;

    /// <summary>Whether this fault was put in on purpose.</summary>
    public bool IsMutated(Mutation mutation) => World.Mutations.Has(mutation);

    /// <summary>The kernel log.</summary>
    public KernelLog Log => World.Log;

    /// <summary>Where a file system's words about its options go: the kernel log, or for as long as a descriptor of fsopen is being configured, that.</summary>
    public Action<string> MountLog { get; private set; } = world.Log.Add;

    internal TResult LogTo<TArgument, TResult>(Action<string> log, TArgument argument, Func<TArgument, TResult> call)
    {
        var before = MountLog;
        MountLog = log;
        var result = call(argument);
        MountLog = before;
        return result;
    }

    /// <summary>Pages of memory of the machine, which file systems in memory take their default size from.</summary>
    public long TotalRamPages { get; init; } = 131_072;

    /// <summary>What fills /sys beside file systems.</summary>
    public List<ISysfsSource> SysfsSources { get; } = [];

    /// <summary>An inode number for file systems without numbers of their own.</summary>
    /// <remarks>Linux fs/inode.c: get_next_ino().</remarks>
    public ulong NextIno() => ++_lastIno;

    /// <summary>The place of a new inode among all.</summary>
    internal long NextInode() => ++_inodes;

    private long _inodes;

    /// <summary>All live instances, oldest first.</summary>
    public List<SuperBlock> SuperBlocks { get; } = [];

    /// <summary>Mount points by (mount, entry).</summary>
    internal Dictionary<(Mount, Dentry), Mount> MountHash { get; } = [];

    /// <summary>FIFOs that are open, by inode.</summary>
    internal Dictionary<Inode, Pipe> Pipes { get; } = new(ReferenceEqualityComparer.Instance);

    /// <summary>Tasks that wait for regions of files.</summary>
    internal List<FileLocks.Waiter> LockWaiters { get; } = [];

    /// <summary>Every mount that hangs somewhere, of all namespaces.</summary>
    internal HashSet<Mount> AttachedMounts { get; } = [];

    /// <summary>The place of descriptors that are no files, by their kind.</summary>
    internal VfsPath AnonPlace(string kind)
    {
        if (!_anonPlaces.TryGetValue(kind, out var place))
            _anonPlaces.Add(kind, place = (_anon ??= new(this)).PlaceOf(kind));
        return place;
    }

    private readonly Dictionary<string, VfsPath> _anonPlaces = [];
    private AnonSuperBlock? _anon;

    /// <summary>The file system of descriptors that stand for name spaces.</summary>
    internal NamespaceSuperBlock NamespaceFiles => _namespaceFiles ??= new(this);

    private NamespaceSuperBlock? _namespaceFiles;

    /// <summary>Watches of inotify in the whole kernel: as long as there are none, nothing is told.</summary>
    internal int Watches { get; set; }

    /// <summary>Somebody may hear of what is opened and closed.</summary>
    public bool HasWatches => Watches > 0;

    /// <summary>Inodes that are watched, in the order of their first watch.</summary>
    internal List<Inode> WatchedInodes { get; } = [];

    internal void EndWatches(SuperBlock sb)
    {
        var watched = WatchedInodes.Where(i => ReferenceEquals(i.Sb, sb));
        foreach (var inode in (Quirks.UnmountTellsNewestWatchFirst ? watched.Reverse() : watched.OrderByDescending(static i => i.Sequence)).ToArray())
            Notify.End(inode, Linux.Abi.InotifyMask.IN_UNMOUNT);
    }

    private List<OpenFile> _lateCloses = [];
    private List<OpenFile> _closing = [];

    /// <summary>Closes a file that the kernel opened for itself when the system call ends; at once where no watch could tell the difference.</summary>
    /// <remarks>Linux fs/file_table.c: fput(); kernel/task_work.c: the work that came last is done first.</remarks>
    public void CloseLate(OpenFile file)
    {
        if (HasWatches)
            _lateCloses.Add(file);
        else
            file.Put();
    }

    /// <summary>A system call has ended: does what waits for that. Called when the next one begins.</summary>
    public void EndCall()
    {
        // What closing closes has its turn after all that waits already.
        while (_lateCloses.Count > 0)
        {
            (_closing, _lateCloses) = (_lateCloses, _closing);
            for (int i = _closing.Count - 1; i >= 0; i--)
                _closing[i].Put();
            _closing.Clear();
        }
    }

    private uint _lastCookie;

    internal uint NextCookie() => ++_lastCookie;

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
    public DevT NewAnonymousDev() => new(0, (uint)_minors.Take());

    /// <summary>A device number 0:n of a file system that the kernel mounts for itself: taken at boot, before any that is given again.</summary>
    internal DevT NewHiddenDev() => new(0, ++_lastHidden);

    /// <summary>Gives an anonymous number back; others are ignored.</summary>
    public void FreeAnonymousDev(DevT dev)
    {
        if (dev.Major == 0)
            _minors.Give((int)dev.Minor);
    }

    /// <summary>Numbers of mounts, which are given again.</summary>
    internal IdPool MountIds { get; } = new(20);

    /// <summary>Numbers of peer groups, which are given again.</summary>
    internal IdPool GroupIds { get; } = new(1);

    /// <summary>A number of a mount that is never given again.</summary>
    internal ulong NextUniqueMount() => ++_lastMount;
}

/// <summary>Small numbers, the lowest free one first.</summary>
/// <remarks>Linux lib/idr.c: ida_alloc_min().</remarks>
internal sealed class IdPool(int first)
{
    private readonly SortedSet<int> _free = [];
    private int _next = first;

    public int Take()
    {
        if (_free.Count == 0)
            return _next++;
        int id = _free.Min;
        _ = _free.Remove(id);
        return id;
    }

    public void Give(int id) => _ = _free.Add(id);
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
