using DriverLab.Block.Devices;
using DriverLab.DeviceMapper.Targets;
using DriverLab.Emulator.Devices;
using DriverLab.FileSystems.Aufs;
using DriverLab.FileSystems.Overlay;
using DriverLab.FileSystems.Proc;
using DriverLab.FileSystems.Ramfs;
using DriverLab.FileSystems.Sysfs;
using DriverLab.FileSystems.Tmpfs;
using DriverLab.Vfs;

namespace DriverLab.Emulator;

/// <summary>Something that an emulated kernel can have: registers file systems, drivers, device-mapper targets.</summary>
public abstract class Module
{
    /// <summary>The name, as lsmod would show it.</summary>
    public abstract string Name { get; }

    /// <summary>Registers everything with a kernel that boots.</summary>
    public abstract void Load(KernelState kernel);
}

/// <summary>The modules of a kernel, in the order in which they are loaded. Add a module of your own with <see cref="With"/>.</summary>
public sealed class ModuleSet(params IReadOnlyList<Module> all)
{
    /// <summary>Everything that DriverLab models.</summary>
    public static ModuleSet Standard { get; } = new(
        new FileSystemModule("devtmpfs", static k => k.Devtmpfs),
        new AufsModule(),
        new FileSystemModule("btrfs", static _ => new UnmodelledFileSystem("btrfs")),
        new FileSystemModule("ext4", static _ => new UnmodelledFileSystem("ext4")),
        new FileSystemModule("overlay", static _ => new OverlayFileSystem()),
        new FileSystemModule("proc", static _ => new ProcFileSystem()),
        new FileSystemModule("ramfs", static _ => new RamFileSystem()),
        new FileSystemModule("sysfs", static _ => new SysFileSystem()),
        new FileSystemModule("tmpfs", static _ => new TmpFileSystem()),
        new FileSystemModule("xfs", static _ => new UnmodelledFileSystem("xfs")),
        new BrdModule(),
        new DeviceMapperModule(),
        // The order of the machines that real kernels run in: dmsetup targets shows it, the last one first.
        new DmTargetModule("dm_zero", static k => [new ZeroType(k.DeviceMapper!.Quirks)]),
        new DmTargetModule("dm_thin_pool", ThinTypes),
        new DmTargetModule("dm_snapshot", static _ => SnapshotTypes()),
        new DmTargetModule("dm_flakey", static k => [new FlakeyType(k.DeviceMapper!.Quirks)]),
        new DmTargetModule("dm_delay", static k => [new DelayType(k.DeviceMapper!.Quirks)]),
        new LoopModule(),
        new MemModule());

    private static DeviceMapper.DmTargetType[] SnapshotTypes()
    {
        var snapshots = new Snapshots();
        return [new SnapshotType(snapshots, isMerge: false), new SnapshotOriginType(snapshots), new SnapshotType(snapshots, isMerge: true)];
    }

    private static DeviceMapper.DmTargetType[] ThinTypes(KernelState kernel)
    {
        var (pools, quirks) = (new ThinPools(), kernel.DeviceMapper!.Quirks);
        kernel.Core.SysfsSources.Add(new ModuleParameter("dm_thin_pool", "no_space_timeout", () => pools.NoSpaceTimeoutSeconds, seconds => pools.NoSpaceTimeoutSeconds = seconds));
        return [new ThinType(pools, quirks), new ThinPoolType(pools, quirks)];
    }

    /// <summary>The modules.</summary>
    public IReadOnlyList<Module> All { get; } = all;

    /// <summary>These modules and another.</summary>
    public ModuleSet With(Module module) => new([.. All, module]);

    /// <summary>These modules without the one of that name.</summary>
    public ModuleSet Without(string name) => new([.. All.Where(m => m.Name != name)]);
}

/// <summary>A module that is one file system.</summary>
public sealed class FileSystemModule(string name, Func<KernelState, Vfs.FileSystemType> make) : Module
{
    /// <inheritdoc/>
    public override string Name => name;

    /// <inheritdoc/>
    public override void Load(KernelState kernel) => kernel.Core.Register(make(kernel));
}

/// <summary>aufs, in kernels that were patched to have it.</summary>
internal sealed class AufsModule : Module
{
    public override string Name => "aufs";

    public override void Load(KernelState kernel)
    {
        if (kernel.Profile.Has("CONFIG_AUFS_FS"))
            kernel.Core.Register(new AufsFileSystem());
    }
}

/// <summary>RAM disks.</summary>
internal sealed class BrdModule : Module
{
    public override string Name => "brd";

    public override void Load(KernelState kernel) => RamDisk.Register(kernel.Block);
}

/// <summary>Device-mapper with its own targets; modules of other targets come after it.</summary>
public sealed class DeviceMapperModule : Module
{
    /// <inheritdoc/>
    public override string Name => "dm_mod";

    /// <inheritdoc/>
    public override void Load(KernelState kernel)
    {
        kernel.DeviceMapper = new DeviceMapper.DeviceMapper(kernel.Block, kernel.Profile);
        kernel.AddCharDevice(DeviceMapper.DeviceMapper.ControlNumber, new DmControlDevice(new DeviceMapper.DmControl(kernel.DeviceMapper), kernel));
    }
}

/// <summary>A module of device-mapper targets.</summary>
public sealed class DmTargetModule(string name, Func<KernelState, DeviceMapper.DmTargetType[]> make) : Module
{
    /// <inheritdoc/>
    public override string Name => name;

    /// <inheritdoc/>
    public override void Load(KernelState kernel)
    {
        foreach (var type in make(kernel))
            kernel.DeviceMapper!.Register(type);
    }
}

/// <summary>Loop devices and /dev/loop-control.</summary>
internal sealed class LoopModule : Module
{
    public override string Name => "loop";

    public override void Load(KernelState kernel)
    {
        var control = new LoopControl(kernel.Block);
        kernel.AddCharDevice(LoopControl.ControlNumber, new LoopControlDevice(control));
    }
}

/// <summary>/dev/null and its kin, /dev/kmsg.</summary>
internal sealed class MemModule : Module
{
    public override string Name => "mem";

    public override void Load(KernelState kernel) => MemDevices.Register(kernel);
}
