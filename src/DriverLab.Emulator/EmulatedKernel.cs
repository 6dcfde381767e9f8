using DriverLab.FileSystems.Ramfs;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Simulation;
using DriverLab.Vfs;

namespace DriverLab.Emulator;

/// <summary>
/// A Linux kernel in this process: deterministic, without privileges. It is its own first task; <see cref="EmulatedTask.Fork"/> makes more.
/// </summary>
/// <remarks>Boots into a ramfs with /dev (devtmpfs), /proc and /tmp. Same profile, modules and seed: same results, byte for byte.</remarks>
public sealed class EmulatedKernel : EmulatedTask
{
    private const long BootTimeNs = 1_000_000_000;

    /// <summary>Boots a kernel with the standard modules and the seed 0.</summary>
    public EmulatedKernel(KernelProfile profile) : this(profile, ModuleSet.Standard, new World(0)) { }

    /// <summary>Boots a kernel.</summary>
    /// <param name="profile">Version and configuration: what the behaviour follows.</param>
    /// <param name="modules">File systems, drivers and device-mapper targets.</param>
    /// <param name="world">Clock, queue, random streams and log.</param>
    public EmulatedKernel(KernelProfile profile, ModuleSet modules, World world) : this(Boot(profile, modules, world)) { }

    private EmulatedKernel((KernelState State, Caller Init) booted) : base(booted.State, booted.Init) { }

    /// <summary>The parts that tests and tools reach into: VFS, block layer, world.</summary>
    public KernelState Internals => State;

    /// <summary>Clock, queue, random streams and log.</summary>
    public World World => State.World;

    private static (KernelState State, Caller Init) Boot(KernelProfile profile, ModuleSet modules, World world)
    {
        var state = new KernelState(profile, world);
        var nobody = new Caller(Credentials.Root, default, default, null!, new FdTable());
        var rootType = new RamFileSystem();
        var mounted = rootType.Mount(new MountContext(state.Core, nobody, "rootfs"u8.ToArray(), MountFlags.None, []));
        var mount = new Mount(mounted.Value.Sb, mounted.Value, MountFlags.MS_RELATIME);
        var root = new VfsPath(mount, mount.Root);
        var caller = new Caller(Credentials.Root, root, root, new MountNamespace(state.Core, mount), new FdTable());
        foreach (var module in modules.All)
            module.Load(state);
        foreach (var (name, mode) in ((string, int)[])[("dev", 0x1ED), ("proc", 0x16D), ("tmp", 0x3FF), ("mnt", 0x1ED), ("root", 0x1C0), ("etc", 0x1ED)])
            MakeDirectory(caller, name, (Mode)mode);
        Require(MountCalls.Mount(caller, "devtmpfs"u8, "/dev"u8, "devtmpfs"u8, MountFlags.None, default));
        Require(MountCalls.Mount(caller, "proc"u8, "/proc"u8, "proc"u8, MountFlags.None, default));
        world.Clock.Advance(BootTimeNs);
        return (state, caller);
    }

    private static void MakeDirectory(Caller caller, string name, Mode mode)
    {
        var parent = caller.Root.Dentry;
        var dentry = Namei.LookupHash(caller, parent, System.Text.Encoding.UTF8.GetBytes(name));
        Require(dentry.Error);
        Require(Namei.VfsMkdir(caller, parent.Inode!, dentry.Value, mode));
    }

    private static void Require(Errno error)
    {
        if (error != Errno.OK)
            throw new InvalidOperationException($"the emulated kernel does not boot: {error}; the module set must hold devtmpfs and proc");
    }
}
