using System.Runtime.InteropServices;
using System.Text;
using DriverLab.Linux;
using DriverLab.Linux.Ioctl;

namespace DriverLab.DeviceMapper;

/// <summary>Commands on tables: load, clear, status, dependencies, messages.</summary>
public sealed partial class DmControl
{
    private Errno LoadTable(Call call)
    {
        if (Find(call) is not { } device)
            return Errno.ENXIO;
        uint count = call.Header.TargetCount;
        if (count > DmIoctl.DM_MAX_TARGETS)
            return Errno.EOVERFLOW;
        var table = new DmTable(device, !call.Has(DmFlags.DM_READONLY_FLAG), call.Caller);
        DmTable? replaced = null;
        var error = Populate(table, call, count);
        if (error == Errno.OK)
            error = device.Load(table, out replaced);
        if (error != Errno.OK)
        {
            table.Destroy();
            return error;
        }
        call.Set(DmFlags.DM_INACTIVE_PRESENT_FLAG, true);
        FillStatus(call, device);
        replaced?.Destroy();
        return Errno.OK;
    }

    private Errno ClearTable(Call call)
    {
        if (Find(call) is not { } device)
            return Errno.ENXIO;
        var dropped = device.TakeInactive();
        call.Set(DmFlags.DM_INACTIVE_PRESENT_FLAG, false);
        FillStatus(call, device);
        dropped?.Destroy();
        return Errno.OK;
    }

    private static DmTable? TableOf(Call call, MappedDevice device) => call.Has(DmFlags.DM_QUERY_INACTIVE_TABLE_FLAG) ? device.InactiveTable : device.LiveTable;

    private Errno TableStatus(Call call)
    {
        if (Find(call) is not { } device)
            return Errno.ENXIO;
        FillStatus(call, device);
        WriteRows(call, TableOf(call, device));
        return Errno.OK;
    }

    /// <remarks>Linux drivers/md/dm-ioctl.c: retrieve_status().</remarks>
    private void WriteRows(Call call, DmTable? table)
    {
        if (table is null)
            return;
        var kind = call.Has(DmFlags.DM_STATUS_TABLE_FLAG) ? StatusKind.Table : StatusKind.Info;
        bool noFlush = call.Has(DmFlags.DM_NOFLUSH_FLAG);
        var result = ResultBuffer(call);
        var text = new StringBuilder();
        int at = 0, used = 0;
        for (int i = 0; i < table.Rows.Count; i++)
        {
            var row = table.Rows[i];
            _ = text.Clear();
            row.Status(kind, noFlush, text);
            int end = at + DmTargetSpec.Size + text.Length + 1, next = Align8(end);
            if (end >= result.Length)
            {
                call.Set(DmFlags.DM_BUFFER_FULL_FLAG, true);
                break;
            }
            used = DmIoctl.Size + end;
            bool endsInside = next <= result.Length || !driver.Quirks.RowsEndAligned;
            var spec = new DmTargetSpec { SectorStart = (ulong)row.Begin, Length = (ulong)row.Length, Next = endsInside ? (uint)next : 0 };
            _ = Encoding.Latin1.GetBytes(row.Type.Name, spec.TargetType);
            MemoryMarshal.Write(result[at..], spec);
            int written = at + DmTargetSpec.Size;
            foreach (var chunk in text.GetChunks())
                written += Encoding.Latin1.GetBytes(chunk.Span, result[written..]);
            result[written] = 0;
            if (!endsInside)
            {
                call.Set(DmFlags.DM_BUFFER_FULL_FLAG, true);
                break;
            }
            at = next;
        }
        if (used != 0)
            call.Header.DataSize = (uint)used;
        call.Header.TargetCount = (uint)table.Rows.Count;
    }

    private Errno Dependencies(Call call)
    {
        if (Find(call) is not { } device)
            return Errno.ENXIO;
        FillStatus(call, device);
        if (TableOf(call, device) is not { } table)
            return Errno.OK;
        var result = ResultBuffer(call);
        var devices = table.Devices.ToList();
        int needed = 8 + 8 * devices.Count;
        if (result.Length < needed)
        {
            call.Set(DmFlags.DM_BUFFER_FULL_FLAG, true);
            return Errno.OK;
        }
        MemoryMarshal.Write(result, (ulong)devices.Count);
        for (int i = 0; i < devices.Count; i++)
            MemoryMarshal.Write(result[(8 + 8 * i)..], (ulong)devices[i].Device.Number.Encoded);
        call.Header.DataSize = (uint)(DmIoctl.Size + needed);
        return Errno.OK;
    }

    // ---- messages ----------------------------------------------------------------------------------------------------------------

    private Errno Message(Call call)
    {
        if (Find(call) is not { } device)
            return Errno.ENXIO;
        if (call.Header.DataStart < DmIoctl.DataOffset || StringAt(call, call.Header.DataStart + 8L) is not { } text)
        {
            driver.Log("ioctl", "Invalid target message parameters.");
            return Errno.EINVAL;
        }
        long sector = MemoryMarshal.Read<long>(call.Buffer[(int)call.Header.DataStart..]);
        string[] words = DmText.Split(text);
        if (words.Length == 0)
        {
            driver.Log("ioctl", "Empty message received.");
            return Errno.EINVAL;
        }
        var answer = new StringBuilder();
        var error = words[0].StartsWith('@') ? MessageCore(device, words) : MessageTarget(device, sector, words, answer);
        if (error != Errno.OK)
            return error;
        FillStatus(call, device);
        if (answer.Length > 0)
            WriteAnswer(call, answer.ToString());
        return Errno.OK;
    }

    private Errno MessageCore(MappedDevice device, string[] words)
    {
        if (words[0].Equals("@cancel_deferred_remove", StringComparison.OrdinalIgnoreCase))
        {
            if (words.Length != 1)
            {
                driver.Log("ioctl", "Invalid arguments for @cancel_deferred_remove");
                return Errno.EINVAL;
            }
            if (device.IsDeleting)
                return Errno.EBUSY;
            device.IsRemovalDeferred = false;
            return Errno.OK;
        }
        if (words[0].StartsWith("@stats_", StringComparison.OrdinalIgnoreCase))
            throw new NotModelledException($"device-mapper message {words[0]}");
        driver.Log("ioctl", $"Unsupported message sent to DM core: {words[0]}");
        return Errno.EINVAL;
    }

    private Errno MessageTarget(MappedDevice device, long sector, string[] words, StringBuilder answer)
    {
        if (device.LiveTable is not { } table)
        {
            if (driver.Quirks.MessagesWithoutTableVanish)
                return Errno.OK;
            driver.Log("ioctl", "The device has no table.");
            return Errno.EINVAL;
        }
        if (device.IsDeleting)
            return Errno.ENXIO;
        if (sector < 0 || table.Find(sector) is not { } row)
        {
            driver.Log("ioctl", "Target message sector outside device.");
            return Errno.EINVAL;
        }
        if (row.HasMessages)
            return row.Message(words, answer);
        driver.Log("ioctl", "Target type does not support messages");
        return Errno.EINVAL;
    }

    private static void WriteAnswer(Call call, string answer)
    {
        call.Set(DmFlags.DM_DATA_OUT_FLAG, true);
        var result = ResultBuffer(call);
        if (answer.Length + 1 >= result.Length)
        {
            call.Set(DmFlags.DM_BUFFER_FULL_FLAG, true);
            return;
        }
        int length = Encoding.Latin1.GetBytes(answer, result);
        result[length] = 0;
        call.Header.DataSize = (uint)(DmIoctl.Size + length + 1);
    }
}
