using DriverLab.Block;
using DriverLab.Block.Devices;
using DriverLab.DeviceMapper.Targets;
using DriverLab.Linux;

namespace DriverLab.DeviceMapper.Tests;

/// <summary>What reached the disks of a lab, in one order, so that any moment can be cut out of it.</summary>
internal sealed record DiskWrite(int Disk, bool IsFlush, long Sector, byte[] Data);

/// <summary>A disk with a write cache that notes every write and flush before it passes them on.</summary>
internal sealed class CachedDisk : FilterDisk
{
    private readonly int _index;
    private readonly List<DiskWrite> _log;

    public CachedDisk(BlockDevice below, int index, List<DiskWrite> log) : base(below, new(200, (uint)index), $"disk{index}")
    {
        _index = index;
        _log = log;
        Limits.WriteCache = true;
        Limits.MaxDiscardSectors = Limits.MaxHwDiscardSectors = QueueLimits.MaxBioSectors;
        Limits.DiscardGranularity = 4096;
    }

    protected override BlkStatus? Inspect(Bio bio)
    {
        if (bio.Has(BioFlags.PreFlush))
            _log.Add(new(_index, IsFlush: true, 0, []));
        if (bio.Op == BioOp.Write && bio.Sectors != 0)
            _log.Add(new(_index, IsFlush: false, bio.Sector, bio.Span.ToArray()));
        if (bio.Op == BioOp.Discard)
            _log.Add(new(_index, IsFlush: false, bio.Sector, new byte[bio.Sectors << 9]));
        return bio.Op == BioOp.Discard ? BlkStatus.OK : null;
    }
}

/// <summary>A pool on two disks, metadata and data.</summary>
internal sealed class ThinLab
{
    public const int BlockBytes = 65536, DataBlocks = 48, MetadataBytes = 512 << 10;

    public ThinLab(byte[]? metadata = null, byte[]? data = null, string features = "", int minor = 1)
    {
        Lab = new DmLab(minor, disks: 0);
        var pools = new ThinPools();
        Lab.Driver.Register(new ThinType(pools, Lab.Driver.Quirks));
        Lab.Driver.Register(new ThinPoolType(pools, Lab.Driver.Quirks));
        AddDisk(0, MetadataBytes, metadata);
        AddDisk(1, DataBlocks * BlockBytes, data);
        _ = Lab.Make("pool", $"0 {DataBlocks * 128} thin-pool 200:0 200:1 128 0{features}");
    }

    public DmLab Lab { get; }

    public List<DiskWrite> Log { get; } = [];

    private void AddDisk(int index, int bytes, byte[]? content)
    {
        var ram = new RamDisk(Lab.Layer, (uint)index, bytes >> 9);
        if (content is not null)
            Transfer(Lab.Layer, ram, BioOp.Write, content);
        Lab.Layer.Devices.Add(new CachedDisk(ram, index, Log));
    }

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
