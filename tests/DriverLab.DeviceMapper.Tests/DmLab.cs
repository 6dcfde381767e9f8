using System.Runtime.InteropServices;
using System.Text;
using DriverLab.Block;
using DriverLab.Block.Devices;
using DriverLab.DeviceMapper.Targets;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Linux.Ioctl;
using DriverLab.Simulation;

namespace DriverLab.DeviceMapper.Tests;

/// <summary>A block layer with RAM disks and device-mapper, driven with the bytes of real ioctls.</summary>
internal sealed class DmLab
{
    private readonly DmControl _control;

    public DmLab(int minor = 1, int disks = 4, long sectors = 4096)
    {
        var profile = new KernelProfile("test", new(6, minor));
        Layer = new(World, profile);
        Driver = new(Layer, profile);
        Driver.Register(new ZeroType(Driver.Quirks));
        _control = new(Driver);
        for (uint i = 0; i < disks; i++)
        {
            Disks.Add(new RecordingDisk(new RamDisk(Layer, i, sectors), new(200, i), $"disk{i}"));
            Layer.Devices.Add(Disks[^1]);
        }
    }

    public World World { get; } = new(1);

    public BlockLayer Layer { get; }

    public DeviceMapper Driver { get; }

    public List<RecordingDisk> Disks { get; } = [];

    public string LastLog => World.Log.Lines[^1];

    public MappedDevice Device(string name) => Driver.Devices[name];

    /// <summary>One command with a name, flags and data; the reply's header and data.</summary>
    public Errno Call(DmCommand command, string name, DmFlags flags, ReadOnlySpan<byte> payload, out DmIoctl header, out byte[] data, int targets = 0, int size = 16384, string uuid = "", uint eventNr = 0)
    {
        byte[] buffer = new byte[size];
        ref var h = ref MemoryMarshal.AsRef<DmIoctl>(buffer.AsSpan());
        (h.VersionMajor, h.DataSize, h.DataStart, h.TargetCount, h.Flags, h.EventNr) = (4, (uint)size, DmIoctl.Size, (uint)targets, flags, eventNr);
        h.SetName(Encoding.Latin1.GetBytes(name));
        h.SetUuid(Encoding.Latin1.GetBytes(uuid));
        payload.CopyTo(buffer.AsSpan(DmIoctl.Size));
        var error = _control.Ioctl(DmIoctl.Request(command), buffer, KernelCaller.Instance).Error;
        header = h;
        data = buffer[DmIoctl.Size..];
        return error;
    }

    public Errno Call(DmCommand command, string name, DmFlags flags = DmFlags.None, string uuid = "") => Call(command, name, flags, [], out _, out _, uuid: uuid);

    public Errno Create(string name) => Call(DmCommand.DevCreate, name);

    public Errno Load(string name, params string[] rows) => Load(name, DmFlags.None, rows);

    public Errno Load(string name, DmFlags flags, params string[] rows)
    {
        var parsed = rows.Select(row =>
        {
            string[] words = row.Split(' ', 4);
            return new DmRow(long.Parse(words[0], null), long.Parse(words[1], null), words[2], words.Length > 3 ? words[3] : "");
        }).ToArray();
        return Call(DmCommand.TableLoad, name, flags, DmKernel.TableBytes(parsed), out _, out _, rows.Length);
    }

    public Errno Resume(string name) => Call(DmCommand.DevSuspend, name);

    public Errno Suspend(string name, DmFlags flags = DmFlags.None) => Call(DmCommand.DevSuspend, name, flags | DmFlags.DM_SUSPEND_FLAG);

    public Errno Remove(string name, DmFlags flags = DmFlags.None) => Call(DmCommand.DevRemove, name, flags);

    public Errno Rename(string name, string to, DmFlags flags = DmFlags.None) => Call(DmCommand.DevRename, name, flags, Encoding.Latin1.GetBytes(to + "\0"), out _, out _);

    public Errno Message(string name, string text, long sector = 0)
    {
        byte[] payload = new byte[8 + text.Length + 1];
        MemoryMarshal.Write(payload, sector);
        _ = Encoding.Latin1.GetBytes(text, payload.AsSpan(8));
        return Call(DmCommand.TargetMessage, name, DmFlags.None, payload, out _, out _);
    }

    public DmIoctl Info(string name, DmFlags flags = DmFlags.None)
    {
        Assert.That(Call(DmCommand.DevStatus, name, flags, [], out var header, out _), Is.EqualTo(Errno.OK));
        return header;
    }

    public string Table(string name, DmFlags flags = DmFlags.DM_STATUS_TABLE_FLAG)
    {
        Assert.That(Call(DmCommand.TableStatus, name, flags, [], out var header, out byte[] data), Is.EqualTo(Errno.OK));
        var text = new StringBuilder();
        for (int i = 0, at = 0; i < header.TargetCount; i++)
        {
            var spec = MemoryMarshal.Read<DmTargetSpec>(data.AsSpan(at));
            ReadOnlySpan<byte> type = spec.TargetType, rest = data.AsSpan(at + DmTargetSpec.Size);
            _ = text.Append($"{spec.SectorStart} {spec.Length} {Encoding.Latin1.GetString(type[..type.IndexOf((byte)0)])} {Encoding.Latin1.GetString(rest[..rest.IndexOf((byte)0)])}\n");
            at = (int)spec.Next;
        }
        return text.ToString();
    }

    /// <summary>A device with a live table.</summary>
    public MappedDevice Make(string name, params string[] rows)
    {
        Assert.That(Create(name), Is.EqualTo(Errno.OK));
        Assert.That(Load(name, rows), Is.EqualTo(Errno.OK), () => LastLog);
        Assert.That(Resume(name), Is.EqualTo(Errno.OK));
        return Device(name);
    }

    public BlockFile Open(string name, OpenFlags flags = OpenFlags.O_RDWR)
    {
        var file = BlockFile.Open(Layer.Devices, Device(name).Number, flags);
        Assert.That(file.Error, Is.EqualTo(Errno.OK));
        return file.Value;
    }
}
