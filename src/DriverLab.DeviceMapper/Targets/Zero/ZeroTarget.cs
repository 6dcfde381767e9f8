using DriverLab.Block;
using DriverLab.Linux;

namespace DriverLab.DeviceMapper.Targets;

/// <summary><c>zero</c>: reads give zeros, writes vanish. No arguments.</summary>
/// <remarks>Linux drivers/md/dm-zero.c.</remarks>
public sealed class ZeroType(DmQuirks quirks) : DmTargetType
{
    internal DmQuirks Quirks { get; } = quirks;

    /// <inheritdoc/>
    public override string Name => "zero";

    /// <inheritdoc/>
    public override (uint Major, uint Minor, uint Patch) Version => Quirks.ZeroAndErrorDiscard ? (1u, 2u, 0u) : (1u, 1u, 0u);

    /// <inheritdoc/>
    public override DmTargetFeatures Features => DmTargetFeatures.NoWait;

    /// <inheritdoc/>
    public override SysResult<DmTarget> Create(DmRowContext row)
        => row.Arguments.Count != 0 ? row.Fail("No arguments required") : new ZeroTarget(row, Quirks);
}

internal sealed class ZeroTarget : DmTarget
{
    public ZeroTarget(DmRowContext row, DmQuirks quirks) : base(row)
    {
        if (!quirks.ZeroAndErrorDiscard)
            return;
        DiscardBios = 1;
        DiscardsSupported = true;
    }

    public override MapResult Map(Bio bio)
    {
        switch (bio.Op)
        {
            case BioOp.Read when bio.Has(BioFlags.ReadAhead):
                return MapResult.Kill;
            case BioOp.Read when bio.Sectors != 0:
                bio.Span.Clear();
                break;
            case BioOp.Read or BioOp.Write or BioOp.Flush or BioOp.Discard:
                break;
            case BioOp.SecureErase or BioOp.WriteZeroes:
                return MapResult.Kill;
        }
        bio.End(BlkStatus.OK);
        return MapResult.Submitted;
    }

    public override void IoHints(ref QueueLimits limits)
    {
        limits.MaxDiscardSectors = limits.MaxHwDiscardSectors = uint.MaxValue;
        limits.DiscardGranularity = 512;
    }
}
