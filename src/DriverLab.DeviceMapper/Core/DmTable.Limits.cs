using DriverLab.Block;
using DriverLab.Linux;

namespace DriverLab.DeviceMapper;

/// <summary>The limits that a table gives to its device.</summary>
public sealed partial class DmTable
{
    private readonly List<DmArea> _areas = [];

    /// <summary>The areas of a target, in a list that the next call uses again.</summary>
    private List<DmArea> AreasOf(DmTarget row)
    {
        _areas.Clear();
        row.AddDevices(_areas);
        return _areas;
    }

    /// <summary>True when every row could name devices and none does.</summary>
    internal bool HasNoDataDevices => _rows.TrueForAll(row => row.HasDevices && AreasOf(row).Count == 0);

    /// <summary>Combines the limits of all devices and targets and checks that the rows fit on them.</summary>
    /// <returns>EINVAL, with the sentence in the log.</returns>
    /// <remarks>Linux drivers/md/dm-table.c: dm_calculate_queue_limits().</remarks>
    internal Errno CalculateLimits(out QueueLimits limits)
    {
        limits = QueueLimits.Stacking;
        foreach (var row in _rows)
        {
            var rowLimits = QueueLimits.Stacking;
            if (row.HasDevices)
            {
                foreach (var area in AreasOf(row))
                    StackDevice(row, area, ref rowLimits);
                row.IoHints(ref rowLimits);
                foreach (var area in AreasOf(row))
                    if (!AreaFits(area, rowLimits))
                        return Errno.EINVAL;
            }
            else if (Driver.Quirks.ZeroAndErrorDiscard)
            {
                row.IoHints(ref rowLimits);
            }
            if (Driver.Quirks.TinyGranularityCrashes && rowLimits is { MaxDiscardSectors: > 0, DiscardGranularity: < 512 })
                throw new KernelOopsException("divide error in blk_stack_limits: a target takes discards, and its granularity is less than a sector");
            if (!limits.Stack(rowLimits, 0))
                Driver.Log("table", $"{Device.Number}: adding target device (start sect {row.Begin} len {row.Length}) caused an alignment inconsistency");
        }
        return CheckBlockAlignment(limits);
    }

    private void StackDevice(DmTarget row, DmArea area, ref QueueLimits limits)
    {
        ref readonly var below = ref area.Device.Limits;
        if (!limits.Stack(below, area.Start))
            Driver.Log("table", $"{row.Table.Device.Number}: adding target device {area.Device.Name} caused an alignment inconsistency: physical_block_size={below.PhysicalBlockSize}, "
                + $"logical_block_size={below.LogicalBlockSize}, alignment_offset={below.AlignmentOffset}, start={area.Start << 9}");
    }

    /// <remarks>Linux drivers/md/dm-table.c: device_area_is_invalid().</remarks>
    private bool AreaFits(DmArea area, in QueueLimits limits)
    {
        long size = area.Device.CapacitySectors;
        uint blockMask = (limits.LogicalBlockSize >> 9) - 1;
        if (size == 0)
            return true;
        if (area.Start >= size || area.Length > size - area.Start)
        {
            Driver.Log("table", $"{Device.Number}: {area.Device.Name} too small for target: start={area.Start}, len={area.Length}, dev_size={size}");
            return false;
        }
        if ((area.Start & blockMask) != 0)
        {
            Driver.Log("table", $"{Device.Number}: start={area.Start} not aligned to h/w logical block size {limits.LogicalBlockSize} of {area.Device.Name}");
            return false;
        }
        if ((area.Length & blockMask) == 0)
            return true;
        Driver.Log("table", $"{Device.Number}: len={area.Length} not aligned to h/w logical block size {limits.LogicalBlockSize} of {area.Device.Name}");
        return false;
    }

    /// <summary>A block of the final size that crosses rows must not end inside one whose own blocks are larger.</summary>
    /// <remarks>Linux drivers/md/dm-table.c: validate_hardware_logical_block_alignment().</remarks>
    private Errno CheckBlockAlignment(in QueueLimits limits)
    {
        long blockSectors = limits.LogicalBlockSize >> 9;
        long nextStart = 0, remaining = 0;
        foreach (var row in _rows)
        {
            var rowLimits = QueueLimits.Stacking;
            if (row.HasDevices)
                foreach (var area in AreasOf(row))
                    _ = rowLimits.Stack(area.Device.Limits, area.Start);
            if (remaining < row.Length && (remaining & ((rowLimits.LogicalBlockSize >> 9) - 1)) != 0)
            {
                Driver.Log("table", $"{Device.Number}: table line {_rows.IndexOf(row)} (start sect {row.Begin} len {row.Length}) not aligned to h/w logical block size {limits.LogicalBlockSize}");
                return Errno.EINVAL;
            }
            nextStart = (nextStart + row.Length) & (blockSectors - 1);
            remaining = nextStart == 0 ? 0 : blockSectors - nextStart;
        }
        if (remaining == 0)
            return Errno.OK;
        var last = _rows[^1];
        Driver.Log("table", $"{Device.Number}: table line {_rows.Count} (start sect {last.Begin} len {last.Length}) not aligned to h/w logical block size {limits.LogicalBlockSize}");
        return Errno.EINVAL;
    }

    /// <summary>What the table as a whole can do.</summary>
    /// <remarks>Linux drivers/md/dm-table.c: dm_table_set_restrictions().</remarks>
    internal void ApplyLimits(ref QueueLimits queue, QueueLimits limits)
    {
        if (!All(static (row, areas) => row.DiscardBios > 0 && (row.DiscardsSupported || (row.HasDevices && areas.TrueForAll(static a => a.Device.Limits.MaxDiscardSectors != 0)))))
            limits = limits with { MaxDiscardSectors = 0, MaxHwDiscardSectors = 0, DiscardGranularity = 0, DiscardAlignment = 0, DiscardMisaligned = false };
        if (!All(static (row, areas) => row.SecureEraseBios > 0 && row.HasDevices && areas.TrueForAll(static a => a.Device.Limits.MaxSecureEraseSectors != 0)))
            limits.MaxSecureEraseSectors = 0;
        if (!All(static (row, areas) => row.WriteZeroesBios > 0 && row.HasDevices && areas.TrueForAll(static a => a.Device.Limits.MaxWriteZeroesSectors != 0)))
            limits.MaxWriteZeroesSectors = 0;
        limits.WriteCache = Any(static (row, areas) => row.FlushBios > 0 && (row.FlushSupported || areas.Exists(static a => a.Device.Limits.WriteCache)));
        limits.Fua = limits.WriteCache && Any(static (row, areas) => row.FlushBios > 0 && (row.FlushSupported || areas.Exists(static a => a.Device.Limits.Fua)));
        limits.NonRotational = All(static (_, areas) => areas.TrueForAll(static a => a.Device.Limits.NonRotational));
        limits.StableWrites = Any(static (_, areas) => areas.Exists(static a => a.Device.Limits.StableWrites));
        limits.NoWait = All(static (row, areas) => row.Type.Has(DmTargetFeatures.NoWait) && areas.TrueForAll(static a => a.Device.Limits.NoWait));
        limits.Poll = Driver.Quirks.PollingIsStacked && All(static (_, areas) => areas.TrueForAll(static a => a.Device.Limits.Poll));
        if (Driver.Layer.Quirks.RequestCap is > 0 and var cap)
            limits.Validate(cap);
        if (Driver.Quirks.AlignmentWithinBlock && limits.AlignmentOffset != 0)
            limits = limits with { AlignmentOffset = limits.AlignmentOffset & (limits.PhysicalBlockSize - 1), Misaligned = false };
        queue = limits;
    }

    private bool All(Func<DmTarget, List<DmArea>, bool> condition)
    {
        foreach (var row in _rows)
        {
            if (!condition(row, AreasOf(row)))
                return false;
        }
        return true;
    }

    private bool Any(Func<DmTarget, List<DmArea>, bool> condition)
    {
        foreach (var row in _rows)
        {
            if (condition(row, AreasOf(row)))
                return true;
        }
        return false;
    }
}
