using System.Text;
using DriverLab.Block;
using DriverLab.Linux;
using DriverLab.Simulation;

namespace DriverLab.DeviceMapper.Targets;

/// <summary><c>linear DEV START</c>: a run of sectors of another device.</summary>
/// <remarks>Linux drivers/md/dm-linear.c.</remarks>
public sealed class LinearType(DmQuirks quirks) : DmTargetType
{
    /// <inheritdoc/>
    public override string Name => "linear";

    /// <inheritdoc/>
    public override (uint Major, uint Minor, uint Patch) Version => quirks.LinearIsNewer ? (1u, 5u, 0u) : (1u, 4u, 0u);

    /// <inheritdoc/>
    public override DmTargetFeatures Features => DmTargetFeatures.NoWait;

    /// <inheritdoc/>
    public override SysResult<DmTarget> Create(DmRowContext row)
    {
        if (row.Arguments.Count != 2)
            return row.Fail("Invalid argument count");
        if (!DmText.TrySector(row.Arguments[1], out long start))
            return row.Fail("Invalid device sector");
        var device = row.GetDevice(row.Arguments[0]);
        if (!device.IsOk)
            return row.Fail("Device lookup failed", device.Error);
        return new LinearTarget(row, device.Value, start);
    }
}

internal sealed class LinearTarget : DmTarget
{
    private readonly DmDevice _device;
    private readonly BlockDevice _below;
    private readonly long _start;
    private readonly int _skew;

    public LinearTarget(DmRowContext row, DmDevice device, long start) : base(row)
    {
        _device = device;
        _below = device.Device;
        _start = start;
        _skew = _below.Layer.World.Mutations.Has(Mutation.LinearOffByOne) ? 1 : 0;
        FlushBios = DiscardBios = SecureEraseBios = WriteZeroesBios = 1;
    }

    public override bool HasDevices => true;

    public override MapResult Map(Bio bio)
    {
        bio.Device = _below;
        if (bio.Sectors != 0)
            bio.Sector = bio.Sector - Begin + _start + _skew;
        return MapResult.Remapped;
    }

    public override void Status(StatusKind kind, bool noFlush, StringBuilder text)
    {
        if (kind == StatusKind.Table)
            _ = text.Append($"{_device.Name} {_start}");
    }

    public override void AddDevices(List<DmArea> areas) => areas.Add(new(_below, _start, Length));

    public override BlockDevice? IoctlDevice(out bool whole)
    {
        whole = _start == 0 && Length == _below.CapacitySectors;
        return _below;
    }
}
