using DriverLab.Block;
using DriverLab.Block.Crash;
using DriverLab.Block.Devices;
using DriverLab.DeviceMapper.Targets;
using DriverLab.Linux;

namespace DriverLab.DeviceMapper.Tests;

/// <summary>A disk that says that a flush is done and does nothing: what it holds is safe never.</summary>
internal sealed class LyingDisk(BlockDevice below, DevT number, string name) : FilterDisk(below, number, name)
{
    protected override BlkStatus? Inspect(Bio bio)
    {
        if (bio.IsEmptyFlush)
            return BlkStatus.OK;
        bio.Flags &= ~(BioFlags.PreFlush | BioFlags.Fua);
        return null;
    }
}

/// <summary>A pool on two disks, metadata and data.</summary>
internal sealed class ThinLab
{
    public const int BlockBytes = 65536, DataBlocks = 48, MetadataBytes = 512 << 10;

    /// <summary>A pool on new disks, or on disks that another lab or a power cut left.</summary>
    /// <param name="disk">Gives the disk below 0, metadata, and 1, data, in this lab's layer; null for new ones.</param>
    /// <param name="features">Features of the pool's table.</param>
    /// <param name="minor">The minor number of the kernel's version.</param>
    /// <param name="lies">True for disks that do not flush.</param>
    public ThinLab(Func<int, BlockLayer, BlockDevice>? disk = null, string features = "", int minor = 1, bool lies = false)
    {
        Lab = new DmLab(minor, disks: 0);
        var pools = new ThinPools();
        Lab.Driver.Register(new ThinType(pools, Lab.Driver.Quirks));
        Lab.Driver.Register(new ThinPoolType(pools, Lab.Driver.Quirks));
        for (int index = 0; index < 2; index++)
        {
            var logged = new LoggedDisk(disk?.Invoke(index, Lab.Layer) ?? new RamDisk(Lab.Layer, (uint)index, Sectors[index]), new(lies ? 201u : 200u, (uint)index), $"disk{index}", Log, index);
            logged.Limits.MaxDiscardSectors = logged.Limits.MaxHwDiscardSectors = QueueLimits.MaxBioSectors;
            logged.Limits.DiscardGranularity = 4096;
            Lab.Layer.Devices.Add(lies ? new LyingDisk(logged, new(200, (uint)index), $"disk{index}") : logged);
        }
        _ = Lab.Make("pool", $"0 {DataBlocks * 128} thin-pool 200:0 200:1 128 0{features}");
    }

    /// <summary>The sizes of metadata and data.</summary>
    public static readonly long[] Sectors = [MetadataBytes >> 9, (DataBlocks * BlockBytes) >> 9];

    public DmLab Lab { get; }

    /// <summary>What reached the disks.</summary>
    public WriteLog Log { get; } = new();

    private static void Transfer(BlockLayer layer, BlockDevice disk, BioOp op, byte[] content)
    {
        var bio = layer.AllocBio();
        (bio.Device, bio.Op, bio.Sectors, bio.Data) = (disk, op, content.Length >> 9, content);
        Assert.That(layer.SubmitAndWait(bio), Is.EqualTo(BlkStatus.OK));
    }

    /// <summary>The whole content of a disk.</summary>
    public byte[] Read(int index)
    {
        var disk = Lab.Layer.Devices.Get(new(200, (uint)index)).Value;
        byte[] content = new byte[disk.CapacityBytes];
        Transfer(Lab.Layer, disk, BioOp.Read, content);
        return content;
    }

    /// <summary>Disks of another lab with what is on this one's now.</summary>
    public Func<int, BlockLayer, BlockDevice> Copies => (index, layer) =>
    {
        var ram = new RamDisk(layer, (uint)index, Sectors[index]);
        Transfer(layer, ram, BioOp.Write, Read(index));
        return ram;
    };

    public Errno Message(string text) => Lab.Message("pool", text);

    public string PoolStatus => Lab.Table("pool", Linux.Ioctl.DmFlags.None);

    /// <summary>A device of a thin id, open.</summary>
    public BlockFile Open(ulong id)
    {
        _ = Lab.Make($"t{id}", $"0 {DataBlocks * 128} thin 254:0 {id}");
        return Lab.Open($"t{id}", Linux.Abi.OpenFlags.O_RDWR | Linux.Abi.OpenFlags.O_DIRECT);
    }

    public void Close(ulong id, BlockFile file)
    {
        file.Close();
        Assert.That(Lab.Remove($"t{id}"), Is.EqualTo(Errno.OK));
    }
}
