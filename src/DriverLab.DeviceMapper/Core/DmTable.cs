using DriverLab.Block;
using DriverLab.Linux;
using DriverLab.Simulation;

namespace DriverLab.DeviceMapper;

/// <summary>A mapping table: rows without gaps, their targets, and the devices that they have open.</summary>
/// <remarks>Linux drivers/md/dm-table.c.</remarks>
public sealed partial class DmTable
{
    /// <summary>The last sector that a row may end at is below this: sizes in bytes stay positive.</summary>
    private const long SectorLimit = long.MaxValue >> 9;

    private readonly List<DmTarget> _rows = [];
    private readonly List<DmDevice> _devices = [];
    private readonly IBlockCaller _caller;
    private long[] _ends = [];
    private bool _hasSingleton;

    internal DmTable(MappedDevice device, bool forWriting, IBlockCaller caller)
    {
        Device = device;
        ForWriting = forWriting;
        _caller = caller;
    }

    /// <summary>The device that the table is for.</summary>
    public MappedDevice Device { get; }

    /// <summary>False for a table that was loaded read-only.</summary>
    public bool ForWriting { get; }

    /// <summary>The rows' targets in order.</summary>
    public IReadOnlyList<DmTarget> Rows => _rows;

    /// <summary>The devices, latest first, as the kernel lists them.</summary>
    public IEnumerable<DmDevice> Devices => Enumerable.Reverse(_devices);

    /// <summary>Size of the device with this table, in sectors.</summary>
    public long SizeSectors => _rows.Count == 0 ? 0 : _rows[^1].Begin + _rows[^1].Length;

    /// <summary>The immutable type that stands in it, or null.</summary>
    public DmTargetType? ImmutableType { get; private set; }

    /// <summary>True when a wildcard type stands in it.</summary>
    public bool HasWildcard => _rows.Exists(static row => row.Type.Has(DmTargetFeatures.Wildcard));

    private DeviceMapper Driver => Device.Driver;

    /// <summary>Adds a row.</summary>
    /// <returns>EINVAL (gap, zero length, too large, unknown type, a type that may not stand here) and what the type's constructor says; the sentence is in the log.</returns>
    /// <remarks>Linux drivers/md/dm-table.c: dm_table_add_target().</remarks>
    internal Errno AddRow(string typeName, long start, long length, string parameters)
    {
        if (_hasSingleton)
            return Refuse($"{Device.Number}: target type {_rows[0].Type.Name} must appear alone in table");
        if (length == 0)
            return Refuse($"{Device.Number}: zero-length target");
        if (start < 0 || length < 0 || start > SectorLimit - length)
            return Refuse($"{Device.Number}: too large device");
        if (Driver.FindType(typeName) is not { } type)
            return Refuse($"{Device.Number}: {typeName}: unknown target type");
        if (CheckFeatures(type) is { } complaint)
            return Refuse(type, complaint, Errno.EINVAL);
        if (start != SizeSectors && !Device.Layer.World.Mutations.Has(Mutation.TableGapAccepted))
            return Refuse(type, "Gap in table", Errno.EINVAL);
        var row = new DmRowContext(this, type, start, length, DmText.Split(parameters));
        var made = type.Create(row);
        if (!made.IsOk)
            return Refuse(type, row.Error, made.Error);
        _rows.Add(made.Value);
        _hasSingleton = type.Has(DmTargetFeatures.Singleton);
        return Errno.OK;
    }

    private string? CheckFeatures(DmTargetType type)
    {
        if (type.Has(DmTargetFeatures.Singleton) && _rows.Count > 0)
            return "singleton target type must appear alone in table";
        if (type.Has(DmTargetFeatures.AlwaysWriteable) && !ForWriting)
            return "target type may not be included in a read-only table";
        bool mixes = ImmutableType is not null ? ImmutableType != type : type.Has(DmTargetFeatures.Immutable) && _rows.Count > 0;
        if (mixes)
            return "immutable target type cannot be mixed with other target types";
        if (type.Has(DmTargetFeatures.Immutable))
            ImmutableType = type;
        return null;
    }

    private Errno Refuse(string line)
    {
        Driver.Log("table", line);
        return Errno.EINVAL;
    }

    private Errno Refuse(DmTargetType type, string sentence, Errno error)
    {
        Driver.Log("table", $"{Device.Number}: {type.Name}: {sentence}{(Driver.Quirks.RefusalsNameError ? $" ({DmText.Symbol(error)})" : "")}");
        return error;
    }

    /// <summary>Makes the table fit for look-ups when all rows are in.</summary>
    internal void Complete() => _ends = [.. _rows.Select(static row => row.Begin + row.Length)];

    /// <summary>The target of a sector; null beyond the end.</summary>
    public DmTarget? Find(long sector)
    {
        if (_ends.Length == 1)
            return sector < _ends[0] ? _rows[0] : null;
        int low = 0, high = _ends.Length;
        while (low < high)
        {
            int middle = (int)((uint)(low + high) >> 1);
            if (_ends[middle] <= sector)
                low = middle + 1;
            else
                high = middle;
        }
        return low < _ends.Length ? _rows[low] : null;
    }

    /// <summary>Opens a device for a target.</summary>
    /// <remarks>Linux drivers/md/dm-table.c: dm_get_device().</remarks>
    internal SysResult<DmDevice> GetDevice(string name, bool forWriting)
    {
        var number = LookUp(name);
        if (!number.IsOk)
            return number.Error;
        if (Driver.Quirks.RefusesSelf && number.Value == Device.Number)
            return Errno.EINVAL;
        foreach (var known in _devices)
        {
            if (known.Device.Number != number.Value)
                continue;
            known.Count++;
            return known;
        }
        var opened = Device.OpenTableDevice(number.Value, forWriting);
        if (!opened.IsOk)
            return opened.Error;
        var device = new DmDevice(opened.Value, forWriting) { Count = 1 };
        _devices.Add(device);
        return device;
    }

    private SysResult<DevT> LookUp(string name)
    {
        if (DmText.TryDevice(name, out uint major, out uint minor))
            return major > 0xfff || minor > 0xfffff ? Errno.EOVERFLOW : new DevT(major, minor);
        var found = _caller.LookupBlockDevice(System.Text.Encoding.Latin1.GetBytes(name));
        if (found.IsOk)
            return found;
        if (Driver.Quirks.PathErrorsPass)
            return found.Error;
        return DmText.TryBootName(name, out var number) && number != DevT.Zero ? number : Errno.ENODEV;
    }

    /// <summary>Gives a device back.</summary>
    internal void PutDevice(DmDevice device)
    {
        if (--device.Count > 0)
            return;
        _ = _devices.Remove(device);
        Device.CloseTableDevice(device.Device, device.ForWriting);
    }

    /// <summary>Ends all targets and closes all devices.</summary>
    internal void Destroy()
    {
        foreach (var row in _rows)
            row.Destroy();
        foreach (var device in _devices)
            Device.CloseTableDevice(device.Device, device.ForWriting);
        _devices.Clear();
    }

    /// <summary>True when a device is this table's, directly or through other mapped devices.</summary>
    internal bool LeadsTo(MappedDevice target)
    {
        foreach (var device in _devices)
            if (device.Device is MappedDevice mapped && (mapped == target || mapped.LiveTable is { } table && mapped != Device && table.LeadsTo(target)))
                return true;
        return false;
    }
}
