using DriverLab.Block;
using DriverLab.Block.Devices;
using DriverLab.Emulator;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Linux.Ioctl;

namespace DriverLab.Benchmarks;

/// <summary>An emulated kernel with RAM disks and mapped devices to measure.</summary>
internal sealed class ThinBench
{
    /// <summary>Sectors of a block of the pools: 64 KiB.</summary>
    public const int BlockSectors = 128;

    private readonly EmulatedKernel _kernel = Emulators.Boot();
    private readonly Fd _control;
    private uint _nextDisk = 100;

    public ThinBench() => _control = _kernel.OpenAt(Fd.Cwd, "/dev/mapper/control"u8, OpenFlags.O_RDWR, 0).OrThrow("open /dev/mapper/control");

    public BlockLayer Layer => _kernel.Internals.Block;

    public RamDisk AddDisk(long sectors)
    {
        var disk = new RamDisk(Layer, _nextDisk++, sectors);
        Layer.Devices.Add(disk);
        return disk;
    }

    /// <summary>Makes the device <c>pool</c>.</summary>
    public void Pool(BlockDevice metadata, BlockDevice data, long sectors, string features)
        => _ = Make("pool", new DmRow(0, sectors, "thin-pool", $"{metadata.Number} {data.Number} {BlockSectors} 0 {features}"));

    public BlockDevice Thin(string name, int id, long sectors) => Make(name, new DmRow(0, sectors, "thin", $"{Device("pool").Number} {id}"));

    public BlockDevice Make(string name, DmRow row)
    {
        _kernel.DmCreate(_control, Tree.Bytes(name)).OrThrow($"dm create {name}");
        _kernel.DmLoad(_control, Tree.Bytes(name), [row]).OrThrow($"dm load {name}");
        _kernel.DmResume(_control, Tree.Bytes(name)).OrThrow($"dm resume {name}");
        return Device(name);
    }

    public void Remove(string name) => _kernel.DmRemove(_control, Tree.Bytes(name)).OrThrow($"dm remove {name}");

    public void Message(string text) => _kernel.DmMessage(_control, Tree.Bytes("pool"), Tree.Bytes(text)).OrThrow(text);

    /// <summary>Takes a snapshot of a thin device, which is suspended meanwhile.</summary>
    public void Snapshot(string name, int id, int snapshot)
    {
        _kernel.DmSuspend(_control, Tree.Bytes(name)).OrThrow($"dm suspend {name}");
        Message($"create_snap {snapshot} {id}");
        _kernel.DmResume(_control, Tree.Bytes(name)).OrThrow($"dm resume {name}");
    }

    /// <summary>The pool's line of status; the metadata are committed.</summary>
    public string PoolStatus() => _kernel.DmTableStatus(_control, Tree.Bytes("pool")).OrThrow("dm status pool").Rows[0].Params;

    private BlockDevice Device(string name)
    {
        var info = _kernel.DmInfo(_control, Tree.Bytes(name)).OrThrow($"dm info {name}");
        return Layer.Devices.Find(DevT.Decode((uint)info.Dev)) ?? throw new InvalidOperationException($"no block device {name}");
    }
}
