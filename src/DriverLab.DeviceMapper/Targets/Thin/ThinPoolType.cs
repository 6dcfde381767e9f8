using DriverLab.Linux;

namespace DriverLab.DeviceMapper.Targets;

/// <summary><c>thin-pool METADATA DATA BLOCK LOW_WATER [#FEATURES …]</c>: the store that thin devices take their blocks from.</summary>
/// <remarks>Linux drivers/md/dm-thin.c: pool_ctr().</remarks>
public sealed class ThinPoolType(ThinPools pools, DmQuirks quirks) : DmTargetType
{
    private const ulong SmallestBlock = 128, LargestBlock = 2_097_152;

    /// <inheritdoc/>
    public override string Name => "thin-pool";

    /// <inheritdoc/>
    public override (uint Major, uint Minor, uint Patch) Version => quirks.ThinVersion;

    /// <inheritdoc/>
    public override DmTargetFeatures Features => DmTargetFeatures.Singleton | DmTargetFeatures.AlwaysWriteable | DmTargetFeatures.Immutable;

    /// <inheritdoc/>
    public override SysResult<DmTarget> Create(DmRowContext row)
    {
        if (row.Arguments.Count < 4)
            return row.Fail("Invalid argument count");
        if (row.Arguments[0] == row.Arguments[1])
            return row.Fail("Error setting metadata or data device");
        var features = PoolFeatures.Default;
        if (ReadFeatures(new DmArguments(row.Arguments, 4), ref features) is { } complaint)
            return row.Fail(complaint);
        var metadata = row.GetDevice(row.Arguments[0], features.Mode != PoolMode.ReadOnly);
        if (!metadata.IsOk)
            return row.Fail("Error opening metadata block device", metadata.Error);
        ThinPool.WarnIfTooLarge(metadata.Value.Device, row.Table.Device.Driver);
        var data = row.GetDevice(row.Arguments[1], forWriting: true);
        if (!data.IsOk)
            return row.Fail("Error getting data device", data.Error);
        if (!DmText.TryULong(row.Arguments[2], out ulong block) || block is < SmallestBlock or > LargestBlock || block % SmallestBlock != 0)
            return row.Fail("Invalid block size");
        if (!DmText.TryULong(row.Arguments[3], out ulong lowWater))
            return row.Fail("Invalid low water mark");
        var pool = ThinPool.Get(pools, row.Table.Device, metadata.Value.Device, data.Value.Device, (uint)block, features.Mode != PoolMode.ReadOnly, out string sentence, out bool isNew);
        if (!pool.IsOk)
            return row.Fail(sentence, pool.Error);
        if (!isNew && features.DiscardEnabled != pool.Value.Features.DiscardEnabled)
        {
            pool.Value.Put();
            return row.Fail("Discard support cannot be disabled once enabled");
        }
        if (pool.Value.Metadata.HasFailed)
        {
            pool.Value.Put();
            return row.Fail("Error registering metadata threshold");
        }
        return new ThinPoolTarget(row, pool.Value, metadata.Value, data.Value, lowWater, features, quirks);
    }

    private static string? ReadFeatures(DmArguments words, ref PoolFeatures features)
    {
        const uint mostFeatures = 4;
        if (words.Left == 0)
            return null;
        if (!words.TryTakeGroup(mostFeatures, out uint count))
            return "Invalid number of pool feature arguments";
        for (; count > 0; count--)
        {
            string word = words.Take()!;
            if (word.Equals("skip_block_zeroing", StringComparison.OrdinalIgnoreCase))
                features.ZeroNewBlocks = false;
            else if (word.Equals("ignore_discard", StringComparison.OrdinalIgnoreCase))
                features.DiscardEnabled = false;
            else if (word.Equals("no_discard_passdown", StringComparison.OrdinalIgnoreCase))
                features.DiscardPassdown = false;
            else if (word.Equals("read_only", StringComparison.OrdinalIgnoreCase))
                features.Mode = PoolMode.ReadOnly;
            else if (word.Equals("error_if_no_space", StringComparison.OrdinalIgnoreCase))
                features.ErrorIfNoSpace = true;
            else
                return "Unrecognised pool feature requested";
        }
        return null;
    }
}
