using System.Runtime.InteropServices;
using System.Text;

namespace DriverLab.Linux.Ioctl;

/// <summary>Typed forms of the device-mapper commands, for any kernel; the descriptor is that of <c>/dev/mapper/control</c>.</summary>
/// <remarks>
/// Errors of all, in this order: EACCES (no CAP_SYS_ADMIN), ENOTTY, EINVAL (version, size, both name and uuid), ENXIO (no such device). They are what libdevmapper's calls make of
/// the same bytes, except that nothing is read from or written to <c>/dev/mapper</c>: without udev the node is <c>/dev/dm-N</c>.
/// </remarks>
public static class DmKernel
{
    private const uint VersionMajor = 4, VersionMinor = 0, VersionPatch = 0;
    private const int FirstReply = 16 * 1024, LargestReply = 64 * 1024 * 1024;

    /// <summary>Room for replies that are read before the next one comes.</summary>
    [ThreadStatic]
    private static byte[]? t_reply;

    extension(IKernel kernel)
    {
        /// <summary>Version: of the interface; only the three version numbers are filled in.</summary>
        public SysResult<DmIoctl> DmVersion(Fd control) => Call(kernel, control, DmCommand.Version, default, DmFlags.None);

        /// <summary>Makes a device without a table.</summary>
        /// <param name="control">Descriptor of the control node.</param>
        /// <param name="name">Its name, 127 bytes at the most.</param>
        /// <param name="uuid">Its uuid, 128 bytes at the most, or nothing.</param>
        /// <param name="minor">Its minor number, or -1 for any.</param>
        /// <returns>EINVAL (no name, a slash in it), ENXIO (minor taken), EBUSY (name or uuid taken).</returns>
        public SysResult<DmIoctl> DmCreate(Fd control, ReadOnlySpan<byte> name, ReadOnlySpan<byte> uuid = default, int minor = -1)
            => Call(kernel, control, DmCommand.DevCreate, new(name, uuid, minor < 0 ? 0 : new DevT(0, (uint)minor).Encoded), minor < 0 ? DmFlags.None : DmFlags.DM_PERSISTENT_DEV_FLAG);

        /// <summary>Loads a table into the inactive slot.</summary>
        /// <returns>EINVAL and whatever the targets say; the kernel's log has the sentence.</returns>
        public SysResult<DmIoctl> DmLoad(Fd control, DmKey device, ReadOnlySpan<DmRow> rows, bool readOnly = false)
        {
            byte[] buffer = TableBytes(rows);
            return Call(kernel, control, DmCommand.TableLoad, device, readOnly ? DmFlags.DM_READONLY_FLAG : DmFlags.None, buffer, rows.Length);
        }

        /// <summary>Suspends. With <see cref="DmFlags.DM_NOFLUSH_FLAG"/> or <see cref="DmFlags.DM_SKIP_LOCKFS_FLAG"/> it waits for less.</summary>
        public SysResult<DmIoctl> DmSuspend(Fd control, DmKey device, DmFlags flags = DmFlags.None)
            => Call(kernel, control, DmCommand.DevSuspend, device, flags | DmFlags.DM_SUSPEND_FLAG);

        /// <summary>Swaps in the inactive table, if there is one, and resumes.</summary>
        /// <returns>EINVAL (suspended without a table, bad limits) and what the targets' pre-resume says.</returns>
        public SysResult<DmIoctl> DmResume(Fd control, DmKey device, DmFlags flags = DmFlags.None) => Call(kernel, control, DmCommand.DevSuspend, device, flags);

        /// <summary>Drops the inactive table.</summary>
        public SysResult<DmIoctl> DmClear(Fd control, DmKey device) => Call(kernel, control, DmCommand.TableClear, device, DmFlags.None);

        /// <summary>Removes a device; <see cref="DmFlags.DM_DEFERRED_REMOVE"/> lets an open one go at its last close.</summary>
        /// <returns>EBUSY (open).</returns>
        public SysResult<DmIoctl> DmRemove(Fd control, DmKey device, DmFlags flags = DmFlags.None) => Call(kernel, control, DmCommand.DevRemove, device, flags);

        /// <summary>Removes every device that is not open.</summary>
        public SysResult<DmIoctl> DmRemoveAll(Fd control, DmFlags flags = DmFlags.None) => Call(kernel, control, DmCommand.RemoveAll, default, flags);

        /// <summary>Gives a device another name.</summary>
        /// <returns>EINVAL (empty, too long, a slash), EBUSY (taken), ENXIO.</returns>
        public SysResult<DmIoctl> DmRename(Fd control, DmKey device, ReadOnlySpan<byte> newName) => Call(kernel, control, DmCommand.DevRename, device, DmFlags.None, Terminated(newName));

        /// <summary>Gives a device that has none a uuid.</summary>
        /// <returns>EINVAL (empty, too long), EBUSY (taken), ENXIO, EINVAL (has one).</returns>
        public SysResult<DmIoctl> DmSetUuid(Fd control, DmKey device, ReadOnlySpan<byte> uuid) => Call(kernel, control, DmCommand.DevRename, device, DmFlags.DM_UUID_FLAG, Terminated(uuid));

        /// <summary>State of a device.</summary>
        public SysResult<DmIoctl> DmInfo(Fd control, DmKey device, DmFlags flags = DmFlags.None) => Call(kernel, control, DmCommand.DevStatus, device, flags);

        /// <summary>Status of each row of the live table, or of the inactive one with <see cref="DmFlags.DM_QUERY_INACTIVE_TABLE_FLAG"/>.</summary>
        public SysResult<DmReport> DmTableStatus(Fd control, DmKey device, DmFlags flags = DmFlags.None) => Report(kernel, control, DmCommand.TableStatus, device, flags, 0);

        /// <summary>The live table, or the inactive one with <see cref="DmFlags.DM_QUERY_INACTIVE_TABLE_FLAG"/>.</summary>
        public SysResult<DmReport> DmTable(Fd control, DmKey device, DmFlags flags = DmFlags.None)
            => Report(kernel, control, DmCommand.TableStatus, device, flags | DmFlags.DM_STATUS_TABLE_FLAG, 0);

        /// <summary>Waits until the device's event counter differs from <paramref name="eventNr"/>, then reports its status.</summary>
        /// <returns>EINTR (a signal).</returns>
        public SysResult<DmReport> DmWait(Fd control, DmKey device, uint eventNr, DmFlags flags = DmFlags.None) => Report(kernel, control, DmCommand.DevWait, device, flags, eventNr);

        /// <summary>The devices that a table uses, in the kernel's order.</summary>
        public SysResult<DevT[]> DmDeps(Fd control, DmKey device, DmFlags flags = DmFlags.None)
        {
            var error = Reply(kernel, control, DmCommand.TableDeps, device, flags, 0, [], out var header, out var data);
            if (error != Errno.OK)
                return error;
            if (header.DataSize < header.DataStart + 8)
                return Array.Empty<DevT>();
            var devices = new DevT[MemoryMarshal.Read<uint>(data)];
            for (int i = 0; i < devices.Length; i++)
                devices[i] = DevT.Decode((uint)MemoryMarshal.Read<ulong>(data[(8 + 8 * i)..]));
            return devices;
        }

        /// <summary>Sends a message to the target at a sector, or, with a leading <c>@</c>, to the core.</summary>
        /// <returns>EINVAL (empty, no table, no such sector, target without messages) and what the target says. The value is the target's answer, empty for none.</returns>
        public SysResult<string> DmMessage(Fd control, DmKey device, ReadOnlySpan<byte> message, long sector = 0)
        {
            byte[] payload = new byte[8 + message.Length + 1];
            MemoryMarshal.Write(payload, sector);
            message.CopyTo(payload.AsSpan(8));
            var error = Reply(kernel, control, DmCommand.TargetMessage, device, DmFlags.None, 0, payload, out var header, out var data);
            if (error != Errno.OK)
                return error;
            return header.Has(DmFlags.DM_DATA_OUT_FLAG) ? Text(data) : "";
        }

        /// <summary>All devices, by name. <see cref="DmFlags.DM_UUID_FLAG"/> asks for uuids too.</summary>
        public SysResult<DmListEntry[]> DmList(Fd control, DmFlags flags = DmFlags.None)
        {
            var error = Reply(kernel, control, DmCommand.ListDevices, default, flags, 0, [], out var header, out var data);
            if (error != Errno.OK)
                return error;
            return ParseList(data[..Math.Max(0, (int)(header.DataSize - header.DataStart))], (flags & DmFlags.DM_UUID_FLAG) != 0);
        }

        /// <summary>All target types that are loaded.</summary>
        public SysResult<DmTargetVersion[]> DmTargetVersions(Fd control)
        {
            var error = Reply(kernel, control, DmCommand.ListVersions, default, DmFlags.None, 0, [], out var header, out var data);
            if (error != Errno.OK)
                return error;
            return ParseVersions(data[..Math.Max(0, (int)(header.DataSize - header.DataStart))]);
        }

        /// <summary>One command without data: the envelope goes out and comes back.</summary>
        public SysResult<DmIoctl> DmCall(Fd control, DmCommand command, DmKey device, DmFlags flags = DmFlags.None, uint eventNr = 0)
            => Call(kernel, control, command, device, flags, [], 0, eventNr);
    }

    private static SysResult<DmIoctl> Call(IKernel kernel, Fd control, DmCommand command, DmKey device, DmFlags flags, ReadOnlySpan<byte> payload = default, int targets = 0, uint eventNr = 0)
    {
        var buffer = Room(DmIoctl.Size + payload.Length);
        payload.CopyTo(buffer[DmIoctl.Size..]);
        FillHeader(buffer, device, flags, targets, eventNr);
        var result = kernel.Ioctl(control, DmIoctl.Request(command), buffer);
        return result.IsOk ? MemoryMarshal.Read<DmIoctl>(buffer) : result.Error;
    }

    /// <summary>Repeats a command with a larger buffer until its reply fits. The data are good until this thread's next command.</summary>
    private static Errno Reply(IKernel kernel, Fd control, DmCommand command, DmKey device, DmFlags flags, uint eventNr, ReadOnlySpan<byte> payload, out DmIoctl header, out Span<byte> data)
    {
        for (int size = FirstReply; ; size *= 4)
        {
            var buffer = Room(Math.Max(size, DmIoctl.Size + payload.Length));
            payload.CopyTo(buffer[DmIoctl.Size..]);
            FillHeader(buffer, device, flags, 0, eventNr);
            var result = kernel.Ioctl(control, DmIoctl.Request(command), buffer);
            header = MemoryMarshal.Read<DmIoctl>(buffer);
            data = buffer[DmIoctl.Size..];
            if (!result.IsOk)
                return result.Error;
            if (!header.Has(DmFlags.DM_BUFFER_FULL_FLAG) || size >= LargestReply)
                return Errno.OK;
        }
    }

    private static SysResult<DmReport> Report(IKernel kernel, Fd control, DmCommand command, DmKey device, DmFlags flags, uint eventNr)
    {
        var error = Reply(kernel, control, command, device, flags, eventNr, [], out var header, out var data);
        if (error != Errno.OK)
            return error;
        var rows = new DmRow[header.DataSize > header.DataStart ? header.TargetCount : 0];
        for (int i = 0, at = 0; i < rows.Length; i++)
        {
            var spec = MemoryMarshal.Read<DmTargetSpec>(data[at..]);
            rows[i] = new((long)spec.SectorStart, (long)spec.Length, Text(spec.TargetType), Text(data[(at + DmTargetSpec.Size)..]));
            at = (int)spec.Next;
        }
        return new DmReport(header, rows);
    }

    /// <summary>Room for a command and its reply, with zeros where the header is.</summary>
    private static Span<byte> Room(int bytes)
    {
        var room = bytes <= FirstReply ? (t_reply ??= new byte[FirstReply]).AsSpan(0, bytes) : new byte[bytes];
        room[..DmIoctl.Size].Clear();
        return room;
    }

    private static void FillHeader(Span<byte> buffer, DmKey device, DmFlags flags, int targets, uint eventNr)
    {
        ref var header = ref MemoryMarshal.AsRef<DmIoctl>(buffer);
        header.VersionMajor = VersionMajor;
        header.VersionMinor = VersionMinor;
        header.VersionPatch = VersionPatch;
        header.DataSize = (uint)buffer.Length;
        header.DataStart = DmIoctl.Size;
        header.TargetCount = (uint)targets;
        header.Flags = flags;
        header.EventNr = eventNr;
        header.Dev = device.Dev;
        header.SetName(device.Name);
        header.SetUuid(device.Uuid);
    }

    /// <summary>The rows of a table as the load command takes them.</summary>
    public static byte[] TableBytes(ReadOnlySpan<DmRow> rows)
    {
        int total = 0;
        foreach (var row in rows)
            total += RowSize(row);
        byte[] bytes = new byte[total];
        int at = 0;
        foreach (var row in rows)
        {
            int size = RowSize(row);
            var spec = new DmTargetSpec { SectorStart = (ulong)row.Start, Length = (ulong)row.Length, Next = (uint)size };
            byte[] type = Encoding.UTF8.GetBytes(row.Type);
            type.AsSpan(0, Math.Min(type.Length, 15)).CopyTo(spec.TargetType);
            MemoryMarshal.Write(bytes.AsSpan(at), spec);
            _ = Encoding.UTF8.GetBytes(row.Params, bytes.AsSpan(at + DmTargetSpec.Size));
            at += size;
        }
        return bytes;
    }

    private static int RowSize(DmRow row) => (DmTargetSpec.Size + Encoding.UTF8.GetByteCount(row.Params) + 1 + 7) & ~7;

    private static byte[] Terminated(ReadOnlySpan<byte> text)
    {
        byte[] bytes = new byte[text.Length + 1];
        text.CopyTo(bytes);
        return bytes;
    }

    private static string Text(ReadOnlySpan<byte> field)
    {
        int end = field.IndexOf((byte)0);
        return Encoding.UTF8.GetString(end < 0 ? field : field[..end]);
    }

    private static DmListEntry[] ParseList(ReadOnlySpan<byte> data, bool withUuids)
    {
        var entries = new List<DmListEntry>();
        const int nameOffset = 12, hasUuid = 1;
        for (int at = 0; at + nameOffset < data.Length;)
        {
            ulong dev = MemoryMarshal.Read<ulong>(data[at..]);
            if (dev == 0)
                break;
            uint next = MemoryMarshal.Read<uint>(data[(at + 8)..]);
            var name = data[(at + nameOffset)..];
            name = name[..name.IndexOf((byte)0)];
            int events = (at + nameOffset + name.Length + 1 + 7) & ~7;
            string? uuid = null;
            if (withUuids && (MemoryMarshal.Read<uint>(data[(events + 4)..]) & hasUuid) != 0)
                uuid = Text(data[(events + 8)..]);
            entries.Add(new(DevT.Decode((uint)dev), Encoding.UTF8.GetString(name), MemoryMarshal.Read<uint>(data[events..]), uuid));
            if (next == 0)
                break;
            at += (int)next;
        }
        return [.. entries];
    }

    private static DmTargetVersion[] ParseVersions(ReadOnlySpan<byte> data)
    {
        var versions = new List<DmTargetVersion>();
        for (int at = 0; at + 16 < data.Length;)
        {
            var entry = data[at..];
            uint next = MemoryMarshal.Read<uint>(entry);
            versions.Add(new(Text(entry[16..]), MemoryMarshal.Read<uint>(entry[4..]), MemoryMarshal.Read<uint>(entry[8..]), MemoryMarshal.Read<uint>(entry[12..])));
            if (next == 0)
                break;
            at += (int)next;
        }
        return [.. versions];
    }
}
