using DriverLab.Linux;

namespace DriverLab.DeviceMapper.Targets;

/// <summary><c>flakey DEV START UP DOWN [#FEATURES …]</c>: a device that works for UP seconds, then fails for DOWN seconds.</summary>
/// <remarks>Linux drivers/md/dm-flakey.c.</remarks>
public sealed class FlakeyType(DmQuirks quirks) : DmTargetType
{
    /// <inheritdoc/>
    public override string Name => "flakey";

    /// <inheritdoc/>
    public override (uint Major, uint Minor, uint Patch) Version => (1, 5, 0);

    /// <inheritdoc/>
    public override SysResult<DmTarget> Create(DmRowContext row)
    {
        if (row.Arguments.Count < 4)
            return row.Fail("Invalid argument count");
        var words = new DmArguments(row.Arguments);
        string name = words.Take()!;
        if (!DmText.TrySector(words.Take()!, out long start))
            return row.Fail("Invalid device sector");
        if (!words.TryTake(0, uint.MaxValue, out uint up))
            return row.Fail("Invalid up interval");
        if (!words.TryTake(0, uint.MaxValue, out uint down))
            return row.Fail(quirks.FlakeyIsPrecise ? "Invalid down interval" : "Invalid up interval");
        if (unchecked(up + down) == 0)
            return row.Fail("Total (up + down) interval is zero");
        if (unchecked(up + down) < up)
            return row.Fail("Interval overflow");
        var features = new FlakeyFeatures();
        if (Read(words, features) is { } complaint)
            return row.Fail(complaint);
        var device = row.GetDevice(name);
        return device.IsOk ? new FlakeyTarget(row, device.Value, start, up, down, features, quirks) : row.Fail("Device lookup failed", device.Error);
    }

    /// <returns>The sentence of a refusal, or null.</returns>
    private string? Read(DmArguments words, FlakeyFeatures features)
    {
        if (words.Left == 0)
            return Complete(features);
        if (!words.TryTakeGroup(quirks.FlakeyCorruptsAtRandom ? 11u : 6u, out uint left))
            return "Invalid number of feature args";
        while (left > 0)
        {
            left--;
            string word = words.Take()!;
            var complaint = word.ToLowerInvariant() switch
            {
                "error_reads" when quirks.FlakeyCorruptsAtRandom => features.ErrorReads ? "Feature error_reads duplicated" : Set(ref features.ErrorReads),
                "drop_writes" => features.DropWrites ? "Feature drop_writes duplicated" : features.ErrorWrites ? "Feature drop_writes conflicts with feature error_writes" : Set(ref features.DropWrites),
                "error_writes" => features.ErrorWrites ? "Feature error_writes duplicated" : features.DropWrites ? "Feature error_writes conflicts with feature drop_writes" : Set(ref features.ErrorWrites),
                "corrupt_bio_byte" => ReadCorruption(words, features, ref left),
                "random_read_corrupt" when quirks.FlakeyCorruptsAtRandom => ReadRate(words, ref features.RandomReads, word, ref left),
                "random_write_corrupt" when quirks.FlakeyCorruptsAtRandom => ReadRate(words, ref features.RandomWrites, word, ref left),
                _ => "Unrecognised flakey feature requested",
            };
            if (complaint is not null)
                return complaint;
        }
        return Conflict(features) ?? Complete(features);
    }

    /// <remarks>Linux drivers/md/dm-flakey.c: parse_features(), at its end.</remarks>
    private string? Conflict(FlakeyFeatures features)
    {
        bool corruptsWrites = features.CorruptsWrites || (quirks.FlakeyIsPrecise && features.RandomWrites != 0);
        bool corruptsReads = quirks.FlakeyIsPrecise && (features.RandomReads != 0 || (features.CorruptByte != 0 && !features.CorruptsWrites));
        string corruption = quirks.FlakeyIsPrecise ? "random_write_corrupt or corrupt_bio_byte" : "corrupt_bio_byte";
        return features.DropWrites && corruptsWrites ? $"drop_writes is incompatible with {corruption} with the WRITE flag set"
            : features.ErrorWrites && corruptsWrites ? $"error_writes is incompatible with {corruption} with the WRITE flag set"
            : features.ErrorReads && corruptsReads ? "error_reads is incompatible with random_read_corrupt or corrupt_bio_byte with the READ flag set"
            : null;
    }

    /// <summary>Newer kernels take a device without features for one that fails reads and writes, and say so in the table.</summary>
    private string? Complete(FlakeyFeatures features)
    {
        if (quirks.FlakeyCorruptsAtRandom && features is { CorruptByte: 0, RandomReads: 0, RandomWrites: 0, ErrorReads: false, DropWrites: false, ErrorWrites: false })
            features.ErrorReads = features.ErrorWrites = true;
        return null;
    }

    private static string? Set(ref bool feature)
    {
        feature = true;
        return null;
    }

    private string? ReadRate(DmArguments words, ref uint rate, string feature, ref uint left)
    {
        if (quirks.FlakeyIsPrecise && rate != 0)
            return $"Feature {feature} duplicated";
        if (left == 0)
            return $"Feature {feature} requires a parameter";
        left--;
        return words.TryTake(0, FlakeyFeatures.RandomBase, out rate) ? null : "Invalid random corrupt argument";
    }

    private string? ReadCorruption(DmArguments words, FlakeyFeatures features, ref uint left)
    {
        if (quirks.FlakeyIsPrecise && features.CorruptByte != 0)
            return "Feature corrupt_bio_byte duplicated";
        if (quirks.FlakeyIsPrecise ? left < 4 : left == 0)
            return quirks.FlakeyIsPrecise ? "Feature corrupt_bio_byte requires 4 parameters" : "Feature corrupt_bio_byte requires parameters";
        if (!words.TryTake(1, uint.MaxValue, out features.CorruptByte))
            return "Invalid corrupt bio byte";
        string? direction = words.Take();
        if (direction is null || direction.ToLowerInvariant() is not ("r" or "w"))
            return "Invalid corrupt bio direction (r or w)";
        features.CorruptsWrites = direction is "w" or "W";
        if (!words.TryTake(0, 255, out features.CorruptValue))
            return "Invalid corrupt value to write into bio byte (0-255)";
        if (!words.TryTake(0, uint.MaxValue, out features.CorruptFlags))
            return "Invalid corrupt bio flags mask";
        left = left > 4 ? left - 4 : 0;
        return null;
    }
}

/// <summary>What a flakey device does while it is down.</summary>
internal sealed class FlakeyFeatures
{
    public bool ErrorReads, DropWrites, ErrorWrites, CorruptsWrites;

    /// <summary>The byte that is changed, counted from 1; 0: none.</summary>
    public uint CorruptByte;
    public uint CorruptValue, CorruptFlags;

    /// <summary>How often a byte of a read or write is changed, out of <see cref="RandomBase"/>.</summary>
    public uint RandomReads, RandomWrites;

    public const uint RandomBase = 1_000_000_000;
}
