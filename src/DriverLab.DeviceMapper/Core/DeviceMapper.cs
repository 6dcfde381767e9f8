using DriverLab.Block;
using DriverLab.Linux;

namespace DriverLab.DeviceMapper;

/// <summary>The device-mapper driver of a kernel: target types, mapped devices by name, uuid and number.</summary>
/// <remarks>Linux drivers/md/dm-ioctl.c, drivers/md/dm.c, drivers/md/dm-target.c.</remarks>
public sealed partial class DeviceMapper
{
    /// <summary>Number of <c>/dev/mapper/control</c>, a character device.</summary>
    public static readonly DevT ControlNumber = new(10, 236);

    /// <summary>Major number of mapped devices: the first that the kernel hands out.</summary>
    public const uint Major = 254;

    private const int LargestMinor = (1 << 20) - 1;
    private long _namesGiven;
    private readonly SortedDictionary<string, MappedDevice> _byName = new(StringComparer.Ordinal);
    private readonly Dictionary<string, MappedDevice> _byUuid = new(StringComparer.Ordinal);
    private readonly SortedDictionary<uint, MappedDevice> _byMinor = [];
    private readonly List<DmTargetType> _types = [];

    /// <summary>The driver, with the target types that are built into it: linear, striped, error.</summary>
    public DeviceMapper(BlockLayer layer, KernelProfile profile)
    {
        Layer = layer;
        Profile = profile;
        Quirks = DmQuirks.For(profile);
        Register(new Targets.ErrorType(Quirks));
        Register(new Targets.LinearType(Quirks));
        Register(new Targets.StripedType(Quirks));
    }

    /// <summary>The block layer.</summary>
    public BlockLayer Layer { get; }

    /// <summary>The kernel.</summary>
    public KernelProfile Profile { get; }

    /// <summary>What differs between kernels.</summary>
    public DmQuirks Quirks { get; }

    /// <summary>Claims the devices below tables: several tables may share one, nobody else may claim it.</summary>
    internal object Claim { get; } = new();

    /// <summary>The mapped devices by name.</summary>
    public IReadOnlyDictionary<string, MappedDevice> Devices => _byName;

    /// <summary>Adds a target type, as loading its module does.</summary>
    public void Register(DmTargetType type) => _types.Add(type);

    /// <summary>A target type by name; null when its module is not loaded.</summary>
    public DmTargetType? FindType(string name) => _types.Find(type => type.Name == name);

    /// <summary>The types, latest first, as the kernel lists them.</summary>
    internal IEnumerable<DmTargetType> Types => Enumerable.Reverse(_types);

    /// <summary>Writes a line to the kernel's log in device-mapper's form.</summary>
    public void Log(string part, string line) => Layer.World.Log.Add($"device-mapper: {part}: {line}");

    /// <summary>Makes a device with a name.</summary>
    /// <returns>ENXIO (minor taken or out of range), EBUSY (name or uuid taken).</returns>
    internal SysResult<MappedDevice> Create(string name, string uuid, uint? minor)
    {
        uint number = minor ?? FirstFreeMinor();
        if (number > LargestMinor || _byMinor.ContainsKey(number))
            return Errno.ENXIO;
        if (_byName.ContainsKey(name) || (uuid.Length > 0 && _byUuid.ContainsKey(uuid)))
            return Errno.EBUSY;
        var device = new MappedDevice(this, number) { DmName = name, NamedAs = ++_namesGiven, Uuid = uuid };
        _byMinor.Add(number, device);
        _byName.Add(name, device);
        if (uuid.Length > 0)
            _byUuid.Add(uuid, device);
        if (Quirks.DiskAtCreation)
            device.AddDisk();
        return device;
    }

    private uint FirstFreeMinor()
    {
        uint minor = 0;
        while (_byMinor.ContainsKey(minor))
            minor++;
        return minor;
    }

    /// <summary>Finds by exactly one of uuid, name and number.</summary>
    /// <remarks>Linux drivers/md/dm-ioctl.c: __find_device_hash_cell().</remarks>
    internal MappedDevice? Find(string name, string uuid, ulong dev)
    {
        if (uuid.Length > 0)
            return name.Length > 0 || dev != 0 ? null : _byUuid.GetValueOrDefault(uuid);
        if (name.Length > 0)
            return dev != 0 ? null : _byName.GetValueOrDefault(name);
        if (dev == 0)
            return null;
        var number = DevT.Decode(unchecked((uint)dev));
        return number.Major == Major ? _byMinor.GetValueOrDefault(number.Minor) : null;
    }

    internal bool HasUnloadedDisk(uint minor) => _byMinor.TryGetValue(minor, out var device) && !device.IsDiskAdded;

    internal bool IsNameTaken(string name) => _byName.ContainsKey(name);

    internal bool IsUuidTaken(string uuid) => _byUuid.ContainsKey(uuid);

    internal void Rename(MappedDevice device, string name)
    {
        _ = _byName.Remove(device.DmName);
        (device.DmName, device.NamedAs) = (name, ++_namesGiven);
        _byName.Add(name, device);
    }

    internal void SetUuid(MappedDevice device, string uuid)
    {
        device.Uuid = uuid;
        _byUuid.Add(uuid, device);
    }

    /// <summary>Takes a device out of the tables and ends it.</summary>
    internal void Remove(MappedDevice device)
    {
        _ = _byName.Remove(device.DmName);
        if (device.Uuid.Length > 0)
            _ = _byUuid.Remove(device.Uuid);
        device.TakeInactive()?.Destroy();
        device.RaiseEventOnRemoval();
        device.Destroy();
        _ = _byMinor.Remove(device.Number.Minor);
    }
}
