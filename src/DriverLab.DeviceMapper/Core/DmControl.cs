using System.Numerics;
using System.Runtime.InteropServices;
using System.Text;
using DriverLab.Block;
using DriverLab.Linux;
using DriverLab.Linux.Ioctl;

namespace DriverLab.DeviceMapper;

/// <summary>ioctl(2) on <c>/dev/mapper/control</c>: the caller's bytes in, the kernel's bytes out.</summary>
/// <remarks>
/// Checks come in the kernel's order: EACCES, ENOTTY (type), EINVAL (version, which is written back all the same), ENOTTY (command), EINVAL (size), EINVAL (names), then the command's own.
/// Nothing but the version comes back from a command that failed. Linux drivers/md/dm-ioctl.c: ctl_ioctl().
/// </remarks>
public sealed partial class DmControl(DeviceMapper driver)
{
    private const uint MostData = DmIoctl.DM_MAX_TARGETS * 1024u;

    private const int MostKept = 64 << 10;

    /// <summary>The working buffer of the calls of this thread's kernels, of which one is made at a time.</summary>
    [ThreadStatic]
    private static byte[]? t_working;

    /// <summary>One call at work: the header is a copy, the data are those of a working buffer.</summary>
    private readonly ref struct Call(Span<byte> buffer, int inputSize, IBlockCaller caller)
    {
        /// <summary>The kernel's copy of everything that was passed.</summary>
        public readonly Span<byte> Buffer = buffer;
        public readonly int InputSize = inputSize;
        public readonly IBlockCaller Caller = caller;

        public ref DmIoctl Header => ref MemoryMarshal.AsRef<DmIoctl>(Buffer);

        public bool Has(DmFlags flag) => Header.Has(flag);

        public void Set(DmFlags flag, bool on) => Header.Flags = on ? Header.Flags | flag : Header.Flags & ~flag;
    }

    /// <summary>Commands that take and give the header only.</summary>
    private static bool TakesNoData(DmCommand command) => command is DmCommand.RemoveAll or DmCommand.DevCreate or DmCommand.DevRemove or DmCommand.DevSuspend or DmCommand.DevStatus
        or DmCommand.TableClear or DmCommand.DevArmPoll;

    /// <summary>Handles a request.</summary>
    /// <param name="request">The whole request number.</param>
    /// <param name="argument">A struct dm_ioctl and what follows it.</param>
    /// <param name="caller">Who asks.</param>
    public SysResult<int> Ioctl(uint request, Span<byte> argument, IBlockCaller caller)
    {
        if (!caller.IsSysAdmin)
            return Errno.EACCES;
        if (((request >> 8) & 0xff) != DmIoctl.DM_IOCTL)
            return Errno.ENOTTY;
        if (argument.Length < DmIoctl.DataOffset)
            return Errno.EFAULT;
        uint command = request & 0xff;
        if (CheckVersion(argument, command) is var error and not Errno.OK)
            return error;
        if (command == (uint)DmCommand.Version)
            return 0;
        if (command > (uint)DmCommand.GetTargetVersion)
        {
            driver.Log("ioctl", $"dm_ctl_ioctl: unknown command 0x{request:x}");
            return Errno.ENOTTY;
        }
        return Run((DmCommand)command, argument, caller);
    }

    private Errno CheckVersion(Span<byte> argument, uint command)
    {
        Span<uint> version = MemoryMarshal.Cast<byte, uint>(argument[..12]);
        var (major, minor, patch) = driver.Quirks.Interface;
        var error = Errno.OK;
        if (version[0] != major || version[1] > minor)
        {
            driver.Log("ioctl", $"ioctl interface mismatch: kernel({major}.{minor}.{patch}), user({version[0]}.{version[1]}.{version[2]}), cmd({command})");
            error = Errno.EINVAL;
        }
        (version[0], version[1], version[2]) = (major, minor, patch);
        return error;
    }

    private SysResult<int> Run(DmCommand command, Span<byte> argument, IBlockCaller caller)
    {
        uint size = MemoryMarshal.Read<uint>(argument[12..]);
        if (size is < DmIoctl.DataOffset or > MostData)
        {
            if (!driver.Quirks.ControlIsTerse)
                driver.Log("ioctl", $"Invalid data size in the ioctl structure: {size}");
            return Errno.EINVAL;
        }
        if (TakesNoData(command))
            size = DmIoctl.DataOffset;
        if (size > argument.Length)
            return Errno.EFAULT;
        var buffer = Working(Math.Max((int)size, DmIoctl.Size));
        argument[..(int)size].CopyTo(buffer);
        buffer[(int)size..].Clear();
        var call = new Call(buffer, (int)size, caller);
        call.Header.DataSize = size;
        if (CheckNames(command, call) is var error and not Errno.OK)
            return error;
        call.Header.DataSize = DmIoctl.DataOffset;
        error = Dispatch(command, call);
        if (error != Errno.OK)
            return error;
        buffer[..(int)Math.Min(call.Header.DataSize, (uint)Math.Min(buffer.Length, argument.Length))].CopyTo(argument);
        return 0;
    }

    private static Span<byte> Working(int bytes)
    {
        if (bytes > MostKept)
            return new byte[bytes];
        if (t_working is not { } kept || kept.Length < bytes)
            t_working = kept = GC.AllocateUninitializedArray<byte>((int)BitOperations.RoundUpToPowerOf2((uint)bytes));
        return kept.AsSpan(0, bytes);
    }

    private Errno CheckNames(DmCommand command, Call call)
    {
        ref var header = ref call.Header;
        header.Flags &= ~(DmFlags.DM_BUFFER_FULL_FLAG | DmFlags.DM_UEVENT_GENERATED_FLAG | DmFlags.DM_SECURE_DATA_FLAG | DmFlags.DM_DATA_OUT_FLAG);
        if (command is DmCommand.RemoveAll or DmCommand.ListDevices or DmCommand.ListVersions)
            return Errno.OK;
        if (command == DmCommand.DevCreate)
        {
            if (header.Name[0] == 0)
            {
                driver.Log("ioctl", "name not supplied when creating device");
                return Errno.EINVAL;
            }
        }
        else if (header.Uuid[0] != 0 && header.Name[0] != 0)
        {
            driver.Log("ioctl", $"only supply one of name or uuid, cmd({(uint)command})");
            return Errno.EINVAL;
        }
        header.Name[DmIoctl.DM_NAME_LEN - 1] = 0;
        header.Uuid[DmIoctl.DM_UUID_LEN - 1] = 0;
        return Errno.OK;
    }

    private Errno Dispatch(DmCommand command, Call call) => command switch
    {
        DmCommand.RemoveAll => RemoveAll(call),
        DmCommand.ListDevices => ListDevices(call),
        DmCommand.DevCreate => Create(call),
        DmCommand.DevRemove => Remove(call),
        DmCommand.DevRename => Rename(call),
        DmCommand.DevSuspend => call.Has(DmFlags.DM_SUSPEND_FLAG) ? Suspend(call) : Resume(call),
        DmCommand.DevStatus => Status(call),
        DmCommand.DevWait => Wait(call),
        DmCommand.TableLoad => LoadTable(call),
        DmCommand.TableClear => ClearTable(call),
        DmCommand.TableDeps => Dependencies(call),
        DmCommand.TableStatus => TableStatus(call),
        DmCommand.ListVersions => ListVersions(call, only: null),
        DmCommand.TargetMessage => Message(call),
        DmCommand.DevSetGeometry => NotModelledException.Throw("geometry of a mapped device"),
        DmCommand.DevArmPoll => Errno.OK,
        DmCommand.GetTargetVersion => GetTargetVersion(call),
        DmCommand.Version => Errno.OK,
    };

    // ---- what commands share -----------------------------------------------------------------------------------------------------

    /// <summary>Finds the device and writes its name, uuid and inactive table's presence into the header.</summary>
    private MappedDevice? Find(Call call)
    {
        ref var header = ref call.Header;
        string name = DmText.Decode(header.NameSpan), uuid = DmText.Decode(header.UuidSpan);
        if (!driver.Quirks.ControlIsTerse && header.Dev != 0 && (name.Length > 0 || uuid.Length > 0))
            driver.Log("ioctl", $"Invalid ioctl structure: {(uuid.Length > 0 ? $"uuid {uuid}, " : "")}name {name}, dev {header.Dev:x}");
        var device = driver.Find(name, uuid, header.Dev);
        if (device is null)
            return null;
        Span<byte> text = stackalloc byte[Math.Max(device.DmName.Length, device.Uuid.Length)];
        header.SetName(text[..Encoding.Latin1.GetBytes(device.DmName, text)]);
        header.SetUuid(text[..Encoding.Latin1.GetBytes(device.Uuid, text)]);
        call.Set(DmFlags.DM_INACTIVE_PRESENT_FLAG, device.InactiveTable is not null);
        return device;
    }

    /// <remarks>Linux drivers/md/dm-ioctl.c: __dev_status().</remarks>
    private static void FillStatus(Call call, MappedDevice device)
    {
        ref var header = ref call.Header;
        bool inactive = call.Has(DmFlags.DM_QUERY_INACTIVE_TABLE_FLAG);
        header.Flags &= ~(DmFlags.DM_SUSPEND_FLAG | DmFlags.DM_READONLY_FLAG | DmFlags.DM_ACTIVE_PRESENT_FLAG | DmFlags.DM_INTERNAL_SUSPEND_FLAG);
        call.Set(DmFlags.DM_SUSPEND_FLAG, device.IsSuspended);
        if (device.IsRemovalDeferred)
            call.Set(DmFlags.DM_DEFERRED_REMOVE, true);
        header.Dev = device.Number.Encoded;
        header.OpenCount = device.Openers;
        header.EventNr = device.EventNr;
        header.TargetCount = 0;
        if (device.LiveTable is { } live)
        {
            if (!inactive)
            {
                call.Set(DmFlags.DM_READONLY_FLAG, device.IsReadOnly);
                header.TargetCount = (uint)live.Rows.Count;
            }
            call.Set(DmFlags.DM_ACTIVE_PRESENT_FLAG, true);
        }
        if (inactive && device.InactiveTable is { } table)
        {
            call.Set(DmFlags.DM_READONLY_FLAG, !table.ForWriting);
            header.TargetCount = (uint)table.Rows.Count;
        }
    }

    /// <summary>Where the reply's data go; empty when there is no room.</summary>
    private static Span<byte> ResultBuffer(Call call)
    {
        call.Header.DataStart = DmIoctl.Size;
        return DmIoctl.Size < call.InputSize ? call.Buffer[DmIoctl.Size..call.InputSize] : default;
    }

    /// <summary>A string in the data; null when it does not end inside.</summary>
    private static string? StringAt(Call call, long offset) => offset < DmIoctl.DataOffset ? null : TextAt(call, offset);

    /// <summary>A string anywhere in what was passed; null when it does not end inside.</summary>
    private static string? TextAt(Call call, long offset)
    {
        if (offset >= call.InputSize)
            return null;
        var rest = call.Buffer[(int)offset..call.InputSize];
        int end = rest.IndexOf((byte)0);
        return end < 0 ? null : DmText.Decode(rest[..end]);
    }

    private static int Align8(int value) => (value + 7) & ~7;
}
