using DriverLab.Linux;

namespace DriverLab.Block;

/// <summary>Told when disks come and go: devtmpfs makes and removes their nodes.</summary>
public interface IDiskObserver
{
    /// <summary>A disk is there: its node is named <see cref="BlockDevice.Name"/>, mode 0600, number <see cref="BlockDevice.Number"/>.</summary>
    void DiskAdded(BlockDevice device);

    /// <summary>A disk is gone.</summary>
    void DiskRemoved(BlockDevice device);
}

/// <summary>All block devices of a kernel, by number.</summary>
/// <remarks>Linux block/genhd.c: add_disk(), del_gendisk(), blk_request_module().</remarks>
public sealed class BlockDeviceRegistry(BlockLayer layer)
{
    /// <summary>As many as a kernel boots with, and some more.</summary>
    private const int UsualCount = 30;

    private readonly Dictionary<DevT, BlockDevice> _devices = new(UsualCount);
    private readonly Dictionary<uint, Func<DevT, BlockDevice?>> _majors = [];
    private readonly List<IDiskObserver> _observers = [];

    /// <summary>The block layer they belong to.</summary>
    public BlockLayer Layer { get; } = layer;

    /// <summary>All devices, ordered by number.</summary>
    public IEnumerable<BlockDevice> All => _devices.Values.OrderBy(d => d.Number.Major).ThenBy(d => d.Number.Minor);

    /// <summary>Adds an observer and tells it of all disks that are there already.</summary>
    public void Observe(IDiskObserver observer)
    {
        _observers.Add(observer);
        foreach (var device in All)
            observer.DiskAdded(device);
    }

    /// <summary>Claims a major number. Opening a missing device of it asks <paramref name="probe"/>, which may make it.</summary>
    public void RegisterMajor(uint major, Func<DevT, BlockDevice?> probe) => _majors[major] = probe;

    /// <summary>Makes a disk visible.</summary>
    public void Add(BlockDevice device)
    {
        _devices.Add(device.Number, device);
        foreach (var observer in _observers)
            observer.DiskAdded(device);
    }

    /// <summary>Takes a disk away; who has it open keeps a dead device.</summary>
    public void Remove(BlockDevice device)
    {
        device.IsLive = false;
        if (!_devices.Remove(device.Number))
            return;
        foreach (var observer in _observers)
            observer.DiskRemoved(device);
    }

    /// <summary>The first number that is free for a part of a disk.</summary>
    /// <remarks>Linux block/genhd.c: blk_alloc_ext_minor().</remarks>
    internal DevT FreeExtendedNumber()
    {
        uint minor = 0;
        while (_devices.ContainsKey(new(Partitions.Partition.ExtendedMajor, minor)))
            minor++;
        return new(Partitions.Partition.ExtendedMajor, minor);
    }

    /// <summary>The device with a number; null when there is none. Never makes one.</summary>
    public BlockDevice? Find(DevT number) => _devices.GetValueOrDefault(number);

    /// <summary>The device with a number, made by its driver if that makes devices on demand.</summary>
    /// <returns>ENXIO.</returns>
    public SysResult<BlockDevice> Get(DevT number)
    {
        if (_devices.TryGetValue(number, out var device))
            return device;
        if (_majors.TryGetValue(number.Major, out var probe) && probe(number) is { } made)
            return made;
        return Errno.ENXIO;
    }
}
