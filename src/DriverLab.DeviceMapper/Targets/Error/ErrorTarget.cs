using DriverLab.Block;
using DriverLab.Linux;

namespace DriverLab.DeviceMapper.Targets;

/// <summary><c>error</c>: every request fails with EIO. Arguments are ignored.</summary>
/// <remarks>Linux drivers/md/dm-target.c: io_err_target.</remarks>
public sealed class ErrorType(DmQuirks quirks) : DmTargetType
{
    /// <inheritdoc/>
    public override string Name => "error";

    /// <inheritdoc/>
    public override (uint Major, uint Minor, uint Patch) Version => quirks.ErrorHasDevices ? (1u, 7u, 0u) : quirks.ZeroAndErrorDiscard ? (1u, 6u, 0u) : (1u, 5u, 0u);

    /// <inheritdoc/>
    public override DmTargetFeatures Features => DmTargetFeatures.Wildcard;

    /// <inheritdoc/>
    public override SysResult<DmTarget> Create(DmRowContext row)
    {
        if (!quirks.ErrorHasDevices || row.Arguments.Count != 2)
            return new ErrorTarget(row, quirks, null, 0);
        if (!DmText.TrySector(row.Arguments[1], out long start))
            return row.Fail("Invalid device sector");
        var device = row.GetDevice(row.Arguments[0]);
        return device.IsOk ? new ErrorTarget(row, quirks, device.Value, start) : row.Fail("Device lookup failed", device.Error);
    }
}

internal sealed class ErrorTarget : DmTarget
{
    private readonly DmDevice? _device;
    private readonly long _start;

    public ErrorTarget(DmRowContext row, DmQuirks quirks, DmDevice? device, long start) : base(row)
    {
        _device = device;
        _start = start;
        if (!quirks.ZeroAndErrorDiscard)
            return;
        DiscardBios = 1;
        DiscardsSupported = true;
    }

    public override bool HasDevices => _device is not null;

    public override MapResult Map(Bio bio) => MapResult.Kill;

    public override void AddDevices(List<DmArea> areas)
    {
        if (_device is not null)
            areas.Add(new(_device.Device, _start, Length));
    }

    public override void IoHints(ref QueueLimits limits)
    {
        limits.MaxDiscardSectors = limits.MaxHwDiscardSectors = uint.MaxValue;
        limits.DiscardGranularity = 512;
    }
}
