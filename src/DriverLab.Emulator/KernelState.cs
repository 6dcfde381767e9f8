using DriverLab.Block;
using DriverLab.Emulator.Devices;
using DriverLab.FileSystems.Devtmpfs;
using DriverLab.Linux;
using DriverLab.Simulation;
using DriverLab.Vfs;

namespace DriverLab.Emulator;

/// <summary>What all tasks of one emulated kernel share.</summary>
public sealed class KernelState
{
    private int _lastPid = 1;

    internal KernelState(KernelProfile profile, World world)
    {
        Profile = profile;
        World = world;
        Core = new VfsCore(world, profile);
        Block = new BlockLayer(world, profile);
        Devtmpfs = new DevTmpFileSystem(Core);
        Core.SysfsSources.Add(new BlockSysfs(this));
        Core.BlockDevices = new Devices.BlockDeviceOpener(this);
    }

    public KernelProfile Profile { get; }
    public World World { get; }

    /// <summary>The VFS.</summary>
    public VfsCore Core { get; }

    /// <summary>The block layer with its registry.</summary>
    public BlockLayer Block { get; }

    /// <summary>The file system of /dev.</summary>
    public DevTmpFileSystem Devtmpfs { get; }

    /// <summary>Device-mapper, when its module is loaded: a module of a target registers with it.</summary>
    public DeviceMapper.DeviceMapper? DeviceMapper { get; internal set; }

    /// <summary>The tasks that have not ended.</summary>
    internal List<Caller> Tasks { get; } = [];

    internal int NextPid() => ++_lastPid;

    /// <summary>Registers a character device and makes its node in /dev.</summary>
    public void AddCharDevice(DevT number, CharDevice device)
    {
        Core.Register(number, device);
        Devtmpfs.Add(device.Name, Linux.Abi.Mode.S_IFCHR | device.NodeMode, number);
    }
}
