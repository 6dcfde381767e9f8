using DriverLab.Linux;
using Request = DriverLab.Linux.Ioctl.Loop;

namespace DriverLab.Block.Devices;

/// <summary>The loop driver: <c>/dev/loop-control</c> (character device 10:237) and the devices it makes.</summary>
/// <remarks>Linux drivers/block/loop.c: loop_control_ioctl().</remarks>
public sealed class LoopControl
{
    /// <summary>Number of the control node, a character device.</summary>
    public static readonly DevT ControlNumber = new(10, 237);

    private readonly SortedDictionary<int, LoopDevice> _devices = [];
    private LoopDevice? _removing;
    private bool _hasWarned;

    /// <summary>Loads the driver with the devices that the module makes at once (its <c>max_loop</c>).</summary>
    public LoopControl(BlockLayer layer, int count = 8)
    {
        Layer = layer;
        layer.Devices.RegisterMajor(Request.Major, number => Add((int)number.Minor));
        for (int i = 0; i < count; i++)
            _ = Add(i);
    }

    /// <summary>The block layer.</summary>
    public BlockLayer Layer { get; }

    internal bool IsRemoving(LoopDevice device) => ReferenceEquals(_removing, device);

    private LoopDevice Add(int number)
    {
        var device = new LoopDevice(this, (uint)number);
        _devices.Add(number, device);
        Layer.Devices.Add(device);
        return device;
    }

    private int FirstUnused()
    {
        int number = 0;
        while (_devices.ContainsKey(number))
            number++;
        return number;
    }

    /// <summary>ioctl(2) on the control node.</summary>
    /// <returns>ENOSYS (unknown request); add: EEXIST; remove: EINVAL (negative), ENODEV, EBUSY (bound or open). The value is the device's number; 0 after remove.</returns>
    public SysResult<int> Ioctl(uint request, long value)
    {
        int number = unchecked((int)value);
        switch (request)
        {
            case Request.LOOP_CTL_ADD:
                if (number >= 0 && _devices.ContainsKey(number))
                    return Errno.EEXIST;
                return (int)Add(number >= 0 ? number : FirstUnused()).Number.Minor;
            case Request.LOOP_CTL_REMOVE:
                return Remove(number);
            case Request.LOOP_CTL_GET_FREE:
                foreach (var (index, device) in _devices)
                    if (device.IsUnbound)
                        return index;
                return (int)Add(FirstUnused()).Number.Minor;
            default:
                return Errno.ENOSYS;
        }
    }

    private SysResult<int> Remove(int number)
    {
        if (number < 0 && Layer.Quirks.LoopRemovesUnspecified)
        {
            number = _devices.FirstOrDefault(entry => entry.Value.IsUnbound, new(-1, null!)).Key;
            if (number < 0)
                return Errno.ENODEV;
        }
        if (number < 0)
        {
            if (!_hasWarned)
                Layer.World.Log.Add("deleting an unspecified loop device is not supported.");
            _hasWarned = true;
            return Errno.EINVAL;
        }
        if (!_devices.TryGetValue(number, out var device))
            return Errno.ENODEV;
        if (!device.IsUnbound || device.Openers > 0)
            return Errno.EBUSY;
        _removing = device;
        _ = _devices.Remove(number);
        Layer.Devices.Remove(device);
        _removing = null;
        return 0;
    }
}
