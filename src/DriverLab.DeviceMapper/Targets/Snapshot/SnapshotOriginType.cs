using System.Text;
using DriverLab.Block;
using DriverLab.Linux;

namespace DriverLab.DeviceMapper.Targets;

/// <summary><c>snapshot-origin DEV</c>: a device whose snapshots get what it had before each write.</summary>
/// <remarks>Linux drivers/md/dm-snap.c: origin_ctr(), origin_map().</remarks>
public sealed class SnapshotOriginType(Snapshots snapshots) : DmTargetType
{
    /// <inheritdoc/>
    public override string Name => "snapshot-origin";

    /// <inheritdoc/>
    public override (uint Major, uint Minor, uint Patch) Version => (1, 9, 0);

    /// <inheritdoc/>
    public override SysResult<DmTarget> Create(DmRowContext row)
    {
        if (row.Arguments.Count != 1)
            return row.Fail("origin: incorrect number of arguments");
        var device = row.GetDevice(row.Arguments[0]);
        return device.IsOk ? new SnapshotOriginTarget(row, snapshots, device.Value) : row.Fail("Cannot get target device", device.Error);
    }
}

internal sealed class SnapshotOriginTarget : DmTarget
{
    private readonly Snapshots _snapshots;
    private readonly DmDevice _device;
    private long _writeBoundary;

    public SnapshotOriginTarget(DmRowContext row, Snapshots snapshots, DmDevice device) : base(row)
    {
        _snapshots = snapshots;
        _device = device;
        FlushBios = 1;
    }

    public override bool HasDevices => true;

    /// <summary>Writes are cut at the smallest chunk of the snapshots that there were at the resume.</summary>
    public override long MaxIoSectorsOf(Bio bio) => bio.IsWrite ? _writeBoundary : 0;

    public override void Resume() => _writeBoundary = _snapshots.SmallestChunk(_device.Device);

    public override MapResult Map(Bio bio)
    {
        bio.Device = _device.Device;
        if (bio.Has(BioFlags.PreFlush) || !bio.IsWrite)
            return MapResult.Remapped;
        return _snapshots.OriginWrite(_device.Device, bio.Sector, bio) ? MapResult.Submitted : MapResult.Remapped;
    }

    public override void Status(StatusKind kind, bool noFlush, StringBuilder text)
    {
        if (kind == StatusKind.Table)
            _ = text.Append(_device.Name);
    }

    public override void AddDevices(List<DmArea> areas) => areas.Add(new(_device.Device, 0, Length));
}
