using DriverLab.Block;
using DriverLab.Linux;

namespace DriverLab.DeviceMapper;

/// <summary>What a target type demands of the tables it stands in.</summary>
/// <remarks>Linux include/linux/device-mapper.h: DM_TARGET_SINGLETON and so on.</remarks>
[Flags]
public enum DmTargetFeatures
{
    None = 0,
    /// <summary>Must be the table's only row.</summary>
    Singleton = 1,
    /// <summary>Not in a read-only table.</summary>
    AlwaysWriteable = 2,
    /// <summary>A live table with it can only be replaced by one with the same type.</summary>
    Immutable = 4,
    /// <summary>May replace any table.</summary>
    Wildcard = 8,
    /// <summary>Maps without waiting.</summary>
    NoWait = 0x80,
}

/// <summary>A kind of target: its name, version and constructor. A module registers one with <see cref="DeviceMapper.Register"/>.</summary>
/// <remarks>Linux include/linux/device-mapper.h: struct target_type.</remarks>
public abstract class DmTargetType
{
    /// <summary>The name in table rows; 15 bytes at the most.</summary>
    public abstract string Name { get; }

    /// <summary>The version that the kernel reports.</summary>
    public abstract (uint Major, uint Minor, uint Patch) Version { get; }

    /// <summary>What it demands.</summary>
    public virtual DmTargetFeatures Features => DmTargetFeatures.None;

    /// <summary>The constructor: reads the row's arguments and opens its devices.</summary>
    /// <returns>The target, or what <see cref="DmRowContext.Fail(string)"/> gave.</returns>
    public abstract SysResult<DmTarget> Create(DmRowContext row);

    /// <summary>True when a feature is set.</summary>
    public bool Has(DmTargetFeatures feature) => (Features & feature) != 0;
}

/// <summary>What a constructor gets: the row, and the way to devices and to the log.</summary>
public sealed class DmRowContext(DmTable table, DmTargetType type, long begin, long length, string[] arguments)
{
    /// <summary>The table under construction.</summary>
    public DmTable Table { get; } = table;

    /// <summary>The target's type.</summary>
    public DmTargetType Type { get; } = type;

    /// <summary>First sector of the row.</summary>
    public long Begin { get; } = begin;

    /// <summary>Number of sectors.</summary>
    public long Length { get; } = length;

    /// <summary>The words after the type.</summary>
    public IReadOnlyList<string> Arguments { get; } = arguments;

    /// <summary>The sentence for the kernel's log.</summary>
    public string Error { get; private set; } = "Unknown error";

    /// <summary>Refuses the row with EINVAL.</summary>
    public Errno Fail(string sentence) => Fail(sentence, Errno.EINVAL);

    /// <summary>Refuses the row.</summary>
    public Errno Fail(string sentence, Errno error)
    {
        Error = sentence;
        return error;
    }

    /// <summary>Opens a device for the table; released with it.</summary>
    /// <param name="name"><c>major:minor</c> or a path.</param>
    /// <returns>ENODEV, ENXIO, EBUSY (claimed by somebody who is not device-mapper), EOVERFLOW, what the driver says.</returns>
    public SysResult<DmDevice> GetDevice(string name) => Table.GetDevice(name, Table.ForWriting);

    /// <summary>Opens a device in a mode of the target's own.</summary>
    public SysResult<DmDevice> GetDevice(string name, bool forWriting) => Table.GetDevice(name, forWriting);

    /// <summary>Gives a device back, for a constructor that refuses the row later.</summary>
    public void PutDevice(DmDevice device) => Table.PutDevice(device);
}

/// <summary>A device that a table has open.</summary>
public sealed class DmDevice(BlockDevice device, bool forWriting)
{
    internal int Count;

    /// <summary>The device.</summary>
    public BlockDevice Device { get; } = device;

    /// <summary>Opened for writing.</summary>
    public bool ForWriting { get; internal set; } = forWriting;

    /// <summary>Its number as tables print it.</summary>
    public string Name { get; } = device.Number.ToString();
}

/// <summary>A run of sectors of a device that a target uses.</summary>
public readonly record struct DmArea(BlockDevice Device, long Start, long Length);
