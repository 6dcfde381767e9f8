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
    public override SysResult<DmTarget> Create(DmRowContext row) => new ErrorTarget(row, quirks);
}

internal sealed class ErrorTarget : DmTarget
{
    private readonly DmDevice? _device;
    private readonly long _start;

    public ErrorTarget(DmRowContext row, DmQuirks quirks) : base(row)
    {
        if (quirks.ZeroAndErrorDiscard)
        {
            DiscardBios = 1;
            DiscardsSupported = true;
        }
        if (!quirks.ErrorHasDevices || row.Arguments.Count < 2 || !DmText.TrySector(row.Arguments[1], out long start))
            return;
        var device = row.GetDevice(row.Arguments[0]);
        if (!device.IsOk)
            return;
        _device = device.Value;
        _start = start;
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
