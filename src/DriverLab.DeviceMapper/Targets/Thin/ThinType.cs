using DriverLab.Linux;

namespace DriverLab.DeviceMapper.Targets;

/// <summary><c>thin POOL ID [EXTERNAL_ORIGIN]</c>: a device whose blocks come from a pool when they are written.</summary>
/// <remarks>Linux drivers/md/dm-thin.c: thin_ctr().</remarks>
public sealed class ThinType(ThinPools pools, DmQuirks quirks) : DmTargetType
{
    private const ulong LargestId = (1 << 24) - 1;

    /// <inheritdoc/>
    public override string Name => "thin";

    /// <inheritdoc/>
    public override (uint Major, uint Minor, uint Patch) Version => quirks.ThinVersion;

    /// <summary>Reads a thin id: a number of 24 bits.</summary>
    internal static bool TryReadId(string word, out ulong id) => DmText.TryULong(word, out id) && id <= LargestId;

    /// <inheritdoc/>
    public override SysResult<DmTarget> Create(DmRowContext row)
    {
        var words = row.Arguments;
        if (words.Count is not (2 or 3))
            return row.Fail("Invalid argument count");
        DmDevice? origin = null;
        if (words.Count == 3)
        {
            if (words[0] == words[2])
                return row.Fail("Error setting origin device");
            var opened = row.GetDevice(words[2], forWriting: false);
            if (!opened.IsOk)
                return row.Fail("Error opening origin device", opened.Error);
            origin = opened.Value;
        }
        var poolDevice = row.GetDevice(words[0]);
        if (!poolDevice.IsOk)
            return row.Fail("Error opening pool device", poolDevice.Error);
        if (!TryReadId(words[1], out ulong id))
            return row.Fail("Invalid device id");
        if (poolDevice.Value.Device is not MappedDevice mapped)
            return row.Fail("Couldn't get pool mapped device");
        if (pools.Find(mapped) is not { } pool)
            return row.Fail("Couldn't find pool object");
        if (pool.Mode == PoolMode.Fail)
            return row.Fail("Couldn't open thin device, Pool is in fail mode");
        var device = pool.Metadata.OpenDevice(id);
        if (!device.IsOk)
            return row.Fail("Couldn't open thin internal device", device.Error);
        if (pool.IsSuspended)
        {
            ThinMetadata.CloseDevice(device.Value);
            return row.Fail("Unable to activate thin device while pool is suspended");
        }
        return new ThinTarget(row, pool, poolDevice.Value, origin, device.Value, quirks);
    }
}
