using System.Runtime.InteropServices;
using System.Text;
using DriverLab.Linux;
using DriverLab.Linux.Ioctl;

namespace DriverLab.DeviceMapper;

/// <summary>Commands on devices: create, remove, rename, suspend, resume, status, lists.</summary>
public sealed partial class DmControl
{
    private Errno CheckName(string name)
    {
        if (name.Contains('/', StringComparison.Ordinal))
        {
            driver.Log("ioctl", driver.Quirks.RefusesSpecialNames ? "device name cannot contain '/'" : "invalid device name");
            return Errno.EINVAL;
        }
        if (!driver.Quirks.RefusesSpecialNames || name is not ("control" or "." or ".."))
            return Errno.OK;
        driver.Log("ioctl", "device name cannot be \"control\", \".\", or \"..\"");
        return Errno.EINVAL;
    }

    private Errno Create(Call call)
    {
        ref var header = ref call.Header;
        string name = DmText.Decode(header.NameSpan);
        if (CheckName(name) is var error and not Errno.OK)
            return error;
        uint? minor = call.Has(DmFlags.DM_PERSISTENT_DEV_FLAG) ? DevT.Decode(unchecked((uint)header.Dev)).Minor : null;
        var made = driver.Create(name, DmText.Decode(header.UuidSpan), minor);
        if (!made.IsOk)
            return made.Error;
        call.Set(DmFlags.DM_INACTIVE_PRESENT_FLAG, false);
        FillStatus(call, made.Value);
        return Errno.OK;
    }

    private Errno Remove(Call call)
    {
        if (Find(call) is not { } device)
            return Errno.ENXIO;
        bool deferred = call.Has(DmFlags.DM_DEFERRED_REMOVE);
        var error = device.LockForDeletion(deferred, onlyDeferred: false);
        if (error != Errno.OK)
            return error == Errno.EBUSY && deferred ? Errno.OK : error;
        call.Set(DmFlags.DM_DEFERRED_REMOVE, false);
        call.Set(DmFlags.DM_UEVENT_GENERATED_FLAG, device.IsDiskAdded);
        driver.Remove(device);
        return Errno.OK;
    }

    /// <summary>Starts again after each removal, because one may free others; open ones are counted in the last round.</summary>
    private Errno RemoveAll(Call call)
    {
        int skipped;
        bool removed;
        do
        {
            skipped = 0;
            removed = false;
            foreach (var device in driver.Devices.Values)
            {
                if (device.LockForDeletion(call.Has(DmFlags.DM_DEFERRED_REMOVE), onlyDeferred: false) != Errno.OK)
                {
                    skipped++;
                    continue;
                }
                driver.Remove(device);
                removed = true;
                break;
            }
        }
        while (removed);
        if (skipped > 0)
            driver.Log("ioctl", $"remove_all left {skipped} open device(s)");
        call.Header.DataSize = 0;
        return Errno.OK;
    }

    private Errno Rename(Call call)
    {
        bool isUuid = call.Has(DmFlags.DM_UUID_FLAG);
        int longest = isUuid ? DmIoctl.DM_UUID_LEN - 1 : DmIoctl.DM_NAME_LEN - 1;
        if (StringAt(call, call.Header.DataStart) is not { Length: > 0 } text || text.Length > longest)
        {
            driver.Log("ioctl", "Invalid new mapped device name or uuid string supplied.");
            return Errno.EINVAL;
        }
        if (!isUuid && CheckName(text) is var error and not Errno.OK)
            return error;
        string oldName = DmText.Decode(call.Header.NameSpan);
        if (isUuid ? driver.IsUuidTaken(text) : driver.IsNameTaken(text))
        {
            driver.Log("ioctl", $"Unable to change {(isUuid ? "uuid" : "name")} on mapped device {oldName} to one that already exists: {text}");
            return Errno.EBUSY;
        }
        if (driver.Find(oldName, "", 0) is not { } device)
        {
            driver.Log("ioctl", $"Unable to rename non-existent device, {oldName} to {(isUuid ? "uuid " : "")}{text}");
            return Errno.ENXIO;
        }
        if (isUuid && device.Uuid.Length > 0)
        {
            driver.Log("ioctl", $"Unable to change uuid of mapped device {oldName} to {text} because uuid is already set to {device.Uuid}");
            return Errno.EINVAL;
        }
        if (isUuid)
            driver.SetUuid(device, text);
        else
            driver.Rename(device, text);
        if (device.LiveTable is not null)
            device.RaiseEvent();
        call.Set(DmFlags.DM_UEVENT_GENERATED_FLAG, device.IsDiskAdded);
        FillStatus(call, device);
        return Errno.OK;
    }

    private Errno Suspend(Call call)
    {
        if (Find(call) is not { } device)
            return Errno.ENXIO;
        using var hold = device.Hold();
        if (!device.IsSuspended && device.Suspend(!call.Has(DmFlags.DM_SKIP_LOCKFS_FLAG), call.Has(DmFlags.DM_NOFLUSH_FLAG)) is var error and not Errno.OK)
            return error;
        FillStatus(call, device);
        return Errno.OK;
    }

    private Errno Resume(Call call)
    {
        if (Find(call) is not { } device)
            return Errno.ENXIO;
        using var hold = device.Hold();
        call.Set(DmFlags.DM_INACTIVE_PRESENT_FLAG, false);
        bool resumes = device.IsSuspended || device.InactiveTable is not null;
        var error = device.DoResume(!call.Has(DmFlags.DM_SKIP_LOCKFS_FLAG), call.Has(DmFlags.DM_NOFLUSH_FLAG));
        if (error != Errno.OK)
            return error;
        if (resumes)
            call.Set(DmFlags.DM_UEVENT_GENERATED_FLAG, device.IsDiskAdded);
        FillStatus(call, device);
        return Errno.OK;
    }

    private Errno Status(Call call)
    {
        if (Find(call) is not { } device)
            return Errno.ENXIO;
        FillStatus(call, device);
        return Errno.OK;
    }

    private Errno Wait(Call call)
    {
        uint known = call.Header.EventNr;
        if (Find(call) is not { } device)
            return Errno.ENXIO;
        using var hold = device.Hold();
        if (!driver.Layer.World.Scheduler.WaitInterruptible((device, known), static s => s.device.EventNr != s.known, "an event of a mapped device"))
            return Errno.EINTR;
        FillStatus(call, device);
        WriteRows(call, call.Has(DmFlags.DM_QUERY_INACTIVE_TABLE_FLAG) ? device.InactiveTable : device.LiveTable);
        return Errno.OK;
    }

    // ---- lists -------------------------------------------------------------------------------------------------------------------

    private Errno ListDevices(Call call)
    {
        const int nameOffset = 12;
        bool withUuids = call.Has(DmFlags.DM_UUID_FLAG) && !driver.Quirks.DevicesAreHashed;
        var listed = Listed(call).ToList();
        int needed = listed.Sum(d => Align8(nameOffset + d.DmName.Length + 1) + 8 + (withUuids && d.Uuid.Length > 0 ? Align8(d.Uuid.Length + 1) : 0));
        var result = ResultBuffer(call);
        if (result.Length < Math.Max(needed, 8))
        {
            call.Set(DmFlags.DM_BUFFER_FULL_FLAG, true);
            return Errno.OK;
        }
        call.Header.DataSize = (uint)(DmIoctl.Size + needed);
        result[..Math.Max(needed, 8)].Clear();
        for (int i = 0, at = 0; i < listed.Count; i++)
        {
            int next = WriteListed(result[at..], listed[i], withUuids);
            if (i + 1 < listed.Count)
                MemoryMarshal.Write(result[(at + 8)..], next);
            at += next;
        }
        return Errno.OK;
    }

    private IEnumerable<MappedDevice> Listed(Call call)
    {
        if (driver.Quirks.DevicesAreHashed)
            return driver.Devices.Values.OrderBy(static d => Bucket(d.DmName)).ThenByDescending(static d => d.NamedAs);
        string namePrefix = DmText.Decode(call.Header.NameSpan), uuidPrefix = DmText.Decode(call.Header.UuidSpan);
        return driver.Devices.Values.Where(d => d.DmName.StartsWith(namePrefix, StringComparison.Ordinal) && d.Uuid.StartsWith(uuidPrefix, StringComparison.Ordinal));
    }

    /// <summary>Where a name stands in a table of 64 (multiplicative hashing with the golden ratio's prime).</summary>
    private static uint Bucket(string name) => name.Aggregate(0u, static (sum, letter) => unchecked((sum + letter) * 2654435387)) % 64;

    private static int WriteListed(Span<byte> entry, MappedDevice device, bool withUuids)
    {
        const int nameOffset = 12;
        const uint hasUuid = 1, hasNoUuid = 2;
        MemoryMarshal.Write(entry, (ulong)device.Number.Encoded);
        int events = Align8(nameOffset + Encoding.Latin1.GetBytes(device.DmName, entry[nameOffset..]) + 1);
        MemoryMarshal.Write(entry[events..], device.EventNr);
        int end = events + 8;
        if (!withUuids)
            return end;
        MemoryMarshal.Write(entry[(events + 4)..], device.Uuid.Length > 0 ? hasUuid : hasNoUuid);
        return device.Uuid.Length == 0 ? end : Align8(end + Encoding.Latin1.GetBytes(device.Uuid, entry[end..]) + 1);
    }

    private Errno ListVersions(Call call, string? only)
    {
        const int headerSize = 16;
        var types = driver.Types.Where(t => only is null || t.Name == only).ToList();
        int needed = types.Sum(t => driver.Quirks.VersionsFitExactly ? Align8(headerSize + t.Name.Length + 1) : headerSize + t.Name.Length + 8);
        var result = ResultBuffer(call);
        if (result.Length < needed)
        {
            call.Set(DmFlags.DM_BUFFER_FULL_FLAG, true);
            return Errno.OK;
        }
        call.Header.DataSize = (uint)(DmIoctl.Size + needed);
        result[..needed].Clear();
        for (int i = 0, at = 0; i < types.Count; i++)
        {
            var entry = result[at..];
            var (major, minor, patch) = types[i].Version;
            int next = Align8(headerSize + Encoding.Latin1.GetBytes(types[i].Name, entry[headerSize..]) + 1);
            Span<uint> numbers = [i + 1 < types.Count ? (uint)next : 0, major, minor, patch];
            MemoryMarshal.AsBytes(numbers).CopyTo(entry);
            at += next;
        }
        return Errno.OK;
    }

    private Errno GetTargetVersion(Call call)
    {
        string name = DmText.Decode(call.Header.NameSpan);
        return driver.FindType(name) is null ? Errno.EINVAL : ListVersions(call, name);
    }
}
