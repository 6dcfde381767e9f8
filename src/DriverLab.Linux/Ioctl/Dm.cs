using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace DriverLab.Linux.Ioctl;

/// <summary>Numbers of the commands that <c>/dev/mapper/control</c> answers; a request is <c>_IOWR(0xfd, command, struct dm_ioctl)</c>.</summary>
/// <remarks>Linux include/uapi/linux/dm-ioctl.h.</remarks>
public enum DmCommand : uint
{
    Version = 0,
    RemoveAll = 1,
    ListDevices = 2,
    DevCreate = 3,
    DevRemove = 4,
    DevRename = 5,
    /// <summary>Suspends with <see cref="DmFlags.DM_SUSPEND_FLAG"/>, resumes without.</summary>
    DevSuspend = 6,
    DevStatus = 7,
    DevWait = 8,
    TableLoad = 9,
    TableClear = 10,
    TableDeps = 11,
    TableStatus = 12,
    ListVersions = 13,
    TargetMessage = 14,
    DevSetGeometry = 15,
    DevArmPoll = 16,
    GetTargetVersion = 17,
}

/// <summary>Flags of <see cref="DmIoctl"/>.</summary>
[Flags]
public enum DmFlags : uint
{
    None = 0,
    DM_READONLY_FLAG = 1 << 0,
    DM_SUSPEND_FLAG = 1 << 1,
    /// <summary>create: the device number is the one in <see cref="DmIoctl.Dev"/>.</summary>
    DM_PERSISTENT_DEV_FLAG = 1 << 3,
    /// <summary>table status: table lines instead of status lines.</summary>
    DM_STATUS_TABLE_FLAG = 1 << 4,
    DM_ACTIVE_PRESENT_FLAG = 1 << 5,
    DM_INACTIVE_PRESENT_FLAG = 1 << 6,
    /// <summary>The reply did not fit: repeat with a larger buffer.</summary>
    DM_BUFFER_FULL_FLAG = 1 << 8,
    DM_SKIP_BDGET_FLAG = 1 << 9,
    /// <summary>suspend: do not freeze the file system.</summary>
    DM_SKIP_LOCKFS_FLAG = 1 << 10,
    /// <summary>suspend: do not wait for queued I/O; status: do not commit first.</summary>
    DM_NOFLUSH_FLAG = 1 << 11,
    /// <summary>Asks about the inactive table.</summary>
    DM_QUERY_INACTIVE_TABLE_FLAG = 1 << 12,
    DM_UEVENT_GENERATED_FLAG = 1 << 13,
    /// <summary>rename: sets the uuid; list: return uuids.</summary>
    DM_UUID_FLAG = 1 << 14,
    DM_SECURE_DATA_FLAG = 1 << 15,
    /// <summary>message: the target has answered with text.</summary>
    DM_DATA_OUT_FLAG = 1 << 16,
    DM_DEFERRED_REMOVE = 1 << 17,
    DM_INTERNAL_SUSPEND_FLAG = 1 << 18,
    DM_IMA_MEASUREMENT_FLAG = 1 << 19,
}

/// <summary>struct dm_ioctl: 312 bytes, the envelope of every command.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct DmIoctl
{
    public uint VersionMajor;
    public uint VersionMinor;
    public uint VersionPatch;
    /// <summary>Size of everything passed, this structure included, in bytes; on return, what is filled in.</summary>
    public uint DataSize;
    /// <summary>Where the command's data start, in bytes from here.</summary>
    public uint DataStart;
    public uint TargetCount;
    public int OpenCount;
    public DmFlags Flags;
    /// <summary>Counter of the device's events; for suspend, remove and rename the cookie of udev.</summary>
    public uint EventNr;
    public uint Padding;
    /// <summary>The device, as <see cref="DevT.Encoded"/>.</summary>
    public ulong Dev;
    public NameBytes Name;
    public UuidBytes Uuid;
    public DataBytes Data;

    /// <summary>Size of the structure, in bytes.</summary>
    public const int Size = 312;
    /// <summary>Where <see cref="Data"/> starts: the least a caller may pass, in bytes.</summary>
    public const int DataOffset = 305;
    /// <summary>Longest name with its NUL, in bytes.</summary>
    public const int DM_NAME_LEN = 128;
    /// <summary>Longest uuid with its NUL, in bytes.</summary>
    public const int DM_UUID_LEN = 129;
    /// <summary>Most rows in a table.</summary>
    public const int DM_MAX_TARGETS = 1_048_576;

    /// <summary>The type byte of the requests.</summary>
    public const uint DM_IOCTL = 0xfd;

    /// <summary>The request number of a command.</summary>
    public static uint Request(DmCommand command) => 0xC000_0000 | (Size << 16) | (DM_IOCTL << 8) | (uint)command;

    /// <summary>The device's number.</summary>
    public readonly DevT DevT => DevT.Decode((uint)Dev);

    /// <summary>The name, without its NUL.</summary>
    [UnscopedRef]
    public readonly ReadOnlySpan<byte> NameSpan => Text(MemoryMarshal.CreateReadOnlySpan(in Unsafe.As<NameBytes, byte>(ref Unsafe.AsRef(in Name)), DM_NAME_LEN));

    /// <summary>The uuid, without its NUL.</summary>
    [UnscopedRef]
    public readonly ReadOnlySpan<byte> UuidSpan => Text(MemoryMarshal.CreateReadOnlySpan(in Unsafe.As<UuidBytes, byte>(ref Unsafe.AsRef(in Uuid)), DM_UUID_LEN));

    /// <summary>True when the flag is set.</summary>
    public readonly bool Has(DmFlags flag) => (Flags & flag) != 0;

    /// <summary>Writes the name; one that does not fit is cut.</summary>
    public void SetName(ReadOnlySpan<byte> name) => SetText(Name, name);

    /// <summary>Writes the uuid; one that does not fit is cut.</summary>
    public void SetUuid(ReadOnlySpan<byte> uuid) => SetText(Uuid, uuid);

    private static void SetText(Span<byte> field, ReadOnlySpan<byte> text)
    {
        field.Clear();
        text[..Math.Min(text.Length, field.Length)].CopyTo(field);
    }

    private static ReadOnlySpan<byte> Text(ReadOnlySpan<byte> field)
    {
        int end = field.IndexOf((byte)0);
        return end < 0 ? field : field[..end];
    }

    /// <summary>128 bytes.</summary>
    [InlineArray(DM_NAME_LEN)]
    public struct NameBytes
    {
        private byte _first;
    }

    /// <summary>129 bytes.</summary>
    [InlineArray(DM_UUID_LEN)]
    public struct UuidBytes
    {
        private byte _first;
    }

    /// <summary>Seven bytes.</summary>
    [InlineArray(7)]
    public struct DataBytes
    {
        private byte _first;
    }
}

/// <summary>struct dm_target_spec: 40 bytes; the parameters follow as a string with its NUL.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct DmTargetSpec
{
    /// <summary>First sector.</summary>
    public ulong SectorStart;
    /// <summary>Number of sectors.</summary>
    public ulong Length;
    public int Status;
    /// <summary>Where the next one starts, in bytes: loading, from this one; reading back, from the first.</summary>
    public uint Next;
    public TypeBytes TargetType;

    /// <summary>Size of the structure, in bytes.</summary>
    public const int Size = 40;

    /// <summary>16 bytes.</summary>
    [InlineArray(16)]
    public struct TypeBytes
    {
        private byte _first;
    }
}

/// <summary>One row of a table or of a status report.</summary>
/// <param name="Start">First sector.</param>
/// <param name="Length">Number of sectors.</param>
/// <param name="Type">Name of the target type.</param>
/// <param name="Params">The target's arguments, or its status.</param>
public sealed record DmRow(long Start, long Length, string Type, string Params)
{
    /// <summary>The row as dmsetup prints it.</summary>
    public override string ToString() => $"{Start} {Length} {Type} {Params}";
}

/// <summary>A table or status report with the state of its device.</summary>
public sealed record DmReport(DmIoctl Info, IReadOnlyList<DmRow> Rows);

/// <summary>One line of the list of devices.</summary>
/// <param name="Dev">The device's number.</param>
/// <param name="Name">Its name.</param>
/// <param name="EventNr">Its event counter.</param>
/// <param name="Uuid">Its uuid when asked for, else null.</param>
public sealed record DmListEntry(DevT Dev, string Name, uint EventNr, string? Uuid);

/// <summary>One line of the list of target types.</summary>
public sealed record DmTargetVersion(string Name, uint Major, uint Minor, uint Patch);

/// <summary>What names a device in a call: exactly one of name, uuid and number finds it.</summary>
public readonly ref struct DmKey(ReadOnlySpan<byte> name, ReadOnlySpan<byte> uuid = default, ulong dev = 0)
{
    public ReadOnlySpan<byte> Name { get; } = name;
    public ReadOnlySpan<byte> Uuid { get; } = uuid;
    public ulong Dev { get; } = dev;

    /// <summary>A device by its name.</summary>
    public static implicit operator DmKey(ReadOnlySpan<byte> name) => new(name);

    /// <summary>A device by its name.</summary>
    public static implicit operator DmKey(byte[] name) => new(name);

    /// <summary>A device by its number.</summary>
    public static implicit operator DmKey(DevT dev) => new(default, default, dev.Encoded);

    /// <summary>A device by its uuid.</summary>
    public static DmKey ByUuid(ReadOnlySpan<byte> uuid) => new(default, uuid);
}
