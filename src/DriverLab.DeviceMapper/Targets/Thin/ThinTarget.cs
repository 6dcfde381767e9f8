using System.Text;
using DriverLab.Block;
using DriverLab.Linux;
using DriverLab.Simulation;

namespace DriverLab.DeviceMapper.Targets;

/// <summary>A thin device as a table's row.</summary>
/// <remarks>Linux drivers/md/dm-thin.c: struct thin_c.</remarks>
internal sealed partial class ThinTarget : DmTarget
{
    private readonly ThinPool _pool;
    private readonly DmDevice _poolDevice;
    private readonly DmDevice? _origin;
    private readonly ThinDevice _device;
    private readonly DmQuirks _quirks;
    private readonly uint _blockSectors;
    private long _originSectors;
    private bool _isRequeueing;

    public ThinTarget(DmRowContext row, ThinPool pool, DmDevice poolDevice, DmDevice? origin, ThinDevice device, DmQuirks quirks) : base(row)
    {
        _pool = pool;
        _poolDevice = poolDevice;
        _origin = origin;
        _device = device;
        _quirks = quirks;
        _blockSectors = pool.BlockSectors;
        MaxIoSectors = _blockSectors;
        FlushBios = 1;
        FlushSupported = true;
        if (pool.Features.DiscardEnabled)
        {
            DiscardsSupported = true;
            DiscardBios = 1;
        }
        pool.Hold();
        pool.ActiveThins.Add(this);
    }

    public override bool HasDevices => true;

    public override bool HasEndIo => true;

    private BlockLayer Layer => Table.Device.Layer;

    private MutationSet Mutations => Layer.World.Mutations;

    private void LogThin(string line) => Table.Device.Driver.Log("thin", line);

    public override void Destroy()
    {
        _ = _pool.ActiveThins.Remove(this);
        ThinMetadata.CloseDevice(_device);
        _pool.Put();
    }

    public override void AddDevices(List<DmArea> areas)
    {
        if (_pool.Target is { } target && target.Length / _blockSectors is > 0 and var blocks)
            areas.Add(new(_poolDevice.Device, 0, blocks * _blockSectors));
    }

    /// <remarks>Linux drivers/md/dm-thin.c: thin_io_hints().</remarks>
    public override void IoHints(ref QueueLimits limits)
    {
        const uint sixteenGib = 2048 * 1024 * 16, mostBlocks = 1 << 10;
        if (!_pool.Features.DiscardEnabled)
            return;
        limits.DiscardGranularity = _blockSectors << 9;
        if (_quirks.ThinDiscardsByBlocks)
            limits.MaxDiscardSectors = limits.MaxHwDiscardSectors = _blockSectors * mostBlocks;
        else
            limits.MaxDiscardSectors = sixteenGib;
    }

    public override Errno Preresume()
    {
        if (_origin is not null)
            _originSectors = _origin.Device.CapacitySectors;
        return Errno.OK;
    }

    public override void Presuspend()
    {
        if (!Table.Device.IsNoFlushSuspending)
            return;
        _isRequeueing = true;
        Requeue();
    }

    public override void Postsuspend() => _isRequeueing = false;

    public override void Status(StatusKind kind, bool noFlush, StringBuilder text)
    {
        if (_pool.Mode == PoolMode.Fail)
        {
            _ = text.Append("Fail");
            return;
        }
        if (kind == StatusKind.Table)
        {
            _ = text.Append($"{_poolDevice.Name} {_device.Id}");
            if (_origin is not null)
                _ = text.Append($" {_origin.Name}");
            return;
        }
        var error = _pool.Metadata.HighestMapped(_device, out bool isAny, out ulong highest);
        if (error != Errno.OK)
        {
            LogThin($"dm_thin_get_highest_mapped_block returned -{(int)error}");
            _ = text.Append("Error");
            return;
        }
        _ = text.Append($"{_device.MappedBlocks * _blockSectors} ");
        _ = text.Append(isAny ? $"{(highest + 1) * _blockSectors - 1}" : "-");
    }
}
