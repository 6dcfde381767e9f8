using System.Runtime.InteropServices;
using DriverLab.Linux;
using DriverLab.Linux.Ioctl;

namespace DriverLab.DeviceMapper;

/// <summary>The rows of a table that is loaded, as they lie one behind the other in a request.</summary>
public sealed partial class DmControl
{
    /// <summary>Where a row's type stands in its structure: a text that is not cut off where its field ends.</summary>
    private const int TypeOffset = 24;

    /// <remarks>Linux drivers/md/dm-ioctl.c: populate_table().</remarks>
    private Errno Populate(DmTable table, Call call, uint count)
    {
        if (count == 0)
            return RefuseSpec("populate_table: no targets specified");
        long at = 0, next = call.Header.DataStart, least = DmIoctl.Size;
        for (uint i = 0; i < count; i++)
        {
            if (driver.Quirks.ControlIsStrict && next < least)
                return RefuseSpec($"populate_table: next target spec (offset {next}) overlaps {(i > 0 ? "previous target" : "'struct dm_ioctl'")}");
            if (!(driver.Quirks.ControlIsStrict ? IsSpecInPlace(call, at, next) : IsSpecBehind(call, at, next)))
                return RefuseSpec("unable to find target");
            at += next;
            if (TextAt(call, at + DmTargetSpec.Size) is not { } parameters)
                return RefuseSpec("populate_table: target parameters not NUL-terminated");
            var spec = MemoryMarshal.Read<DmTargetSpec>(call.Buffer[(int)at..]);
            var error = table.AddRow(TextAt(call, at + TypeOffset)!, unchecked((long)spec.SectorStart), unchecked((long)spec.Length), parameters);
            if (error != Errno.OK)
            {
                driver.Log("ioctl", "error adding target to table");
                return error;
            }
            (next, least) = (spec.Next, DmTargetSpec.Size + parameters.Length + 1);
        }
        table.Complete();
        return Errno.OK;
    }

    private Errno RefuseSpec(string sentence)
    {
        driver.Log("ioctl", sentence);
        return Errno.EINVAL;
    }

    /// <summary>The next row, counted from the last one or from the header, has room for its structure and one byte more, and is aligned.</summary>
    /// <remarks>Linux drivers/md/dm-ioctl.c: next_target(), since 6.5.</remarks>
    private bool IsSpecInPlace(Call call, long last, long next)
    {
        if (call.InputSize - last - DmTargetSpec.Size <= next)
            driver.Log("ioctl", "Target spec extends beyond end of parameters");
        else if (next % 8 != 0)
            driver.Log("ioctl", $"Next dm_target_spec (offset {next}) is not 8-byte aligned");
        else
            return true;
        return false;
    }

    /// <summary>The next row does not lie in the last one, or at the start of the header, and its text ends.</summary>
    /// <remarks>Linux drivers/md/dm-ioctl.c: next_target(), up to 6.4.</remarks>
    private static bool IsSpecBehind(Call call, long last, long next) => next >= DmTargetSpec.Size && TextAt(call, last + next + DmTargetSpec.Size) is not null;
}
