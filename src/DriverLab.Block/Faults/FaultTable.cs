using System.Globalization;
using System.Text;
using DriverLab.Linux;

namespace DriverLab.Block.Faults;

/// <summary>The same faults on a real kernel: a device-mapper table of linear, error and flakey rows.</summary>
/// <remarks>Linux Documentation/admin-guide/device-mapper/dm-flakey.rst. What device-mapper has no target for (a number of a request, torn and stray writes, other errors than EIO) is refused. One thing is rougher there: where writes fail, a flush of the whole device fails too.</remarks>
public static class FaultTable
{
    /// <summary>The table.</summary>
    /// <param name="plan">The faults.</param>
    /// <param name="device">The device below, as a table names it: /dev/loop0 or 7:0.</param>
    /// <param name="sectors">Its size.</param>
    /// <returns>One row a line, as dmsetup takes them.</returns>
    /// <exception cref="FaultPlanException">A fault that no target makes, or two in one place that no target makes together.</exception>
    public static string Of(FaultPlan plan, string device, long sectors)
    {
        var bounds = new SortedSet<long> { 0, sectors };
        foreach (var fault in plan.Faults)
        {
            _ = bounds.Add(Math.Min(fault.Start, sectors));
            _ = bounds.Add(fault.Length >= sectors - Math.Min(fault.Start, sectors) ? sectors : fault.Start + fault.Length);
        }
        var text = new StringBuilder();
        foreach (var (start, end) in bounds.Zip(bounds.Skip(1)))
        {
            var here = plan.Faults.Where(fault => fault.Start < end && (fault.Length == long.MaxValue || fault.Start + fault.Length > start)).ToArray();
            _ = text.Append(CultureInfo.InvariantCulture, $"{start} {end - start} {Row(here, device, start)}\n");
        }
        return text.ToString();
    }

    private static string Row(Fault[] faults, string device, long start)
    {
        var culture = CultureInfo.InvariantCulture;
        if (faults.Length == 0)
            return string.Create(culture, $"linear {device} {start}");
        var fault = faults[0];
        if (faults.Length > 1)
            throw new FaultPlanException($"faults '{fault}' and '{faults[1]}' are in one place; a device-mapper table has one for each");
        if (fault is { Op: FaultyOp.Io, Kind: FaultKind.Fails, Error: Errno.EIO, Nth: 1, Count: long.MaxValue, Down: 0 })
            return "error";
        string feature = fault switch
        {
            { Nth: > 1 } or { Count: < long.MaxValue } => throw new FaultPlanException($"fault '{fault}': no device-mapper target counts requests; it can be had over NBD (driverlab serve nbd --fault)"),
            { Kind: FaultKind.Fails, Error: not Errno.EIO } => throw new FaultPlanException($"fault '{fault}': device-mapper's targets fail with EIO only"),
            { Op: FaultyOp.Io, Kind: FaultKind.Fails } => "",
            { Op: FaultyOp.Read, Kind: FaultKind.Fails } => " 1 error_reads",
            { Op: FaultyOp.Write, Kind: FaultKind.Fails } => " 1 error_writes",
            { Op: FaultyOp.Write, Kind: FaultKind.Lost } => " 1 drop_writes",
            _ => throw new FaultPlanException($"fault '{fault}': no device-mapper target does that; it can be had over NBD (driverlab serve nbd --fault)"),
        };
        return string.Create(culture, $"flakey {device} {start} {fault.Up} {Math.Max(fault.Down, 1)}{feature}");
    }
}
