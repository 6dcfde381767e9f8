using System.Text;
using DriverLab.Block;
using DriverLab.Linux;
using DriverLab.Simulation;

namespace DriverLab.DeviceMapper.Targets;

/// <summary><c>delay DEV START MS [WDEV WSTART WMS [FDEV FSTART FMS]]</c>: reads, writes and flushes wait before they go on.</summary>
/// <remarks>Linux drivers/md/dm-delay.c.</remarks>
public sealed class DelayType(DmQuirks quirks) : DmTargetType
{
    /// <inheritdoc/>
    public override string Name => "delay";

    /// <inheritdoc/>
    public override (uint Major, uint Minor, uint Patch) Version => quirks.DelayVersion;

    /// <inheritdoc/>
    public override SysResult<DmTarget> Create(DmRowContext row)
    {
        int count = row.Arguments.Count;
        if (count is not (3 or 6 or 9))
            return row.Fail("Requires exactly 3, 6 or 9 arguments");
        var classes = new DelayTarget.Class[3];
        for (int i = 0; i < 3; i++)
        {
            var made = MakeClass(row, Math.Min(3 * i, count - 3));
            if (!made.IsOk)
                return made.Error;
            classes[i] = made.Value;
        }
        return new DelayTarget(row, classes, count / 3);
    }

    private static SysResult<DelayTarget.Class> MakeClass(DmRowContext row, int at)
    {
        if (!DmText.TrySector(row.Arguments[at + 1], out long start))
            return row.Fail("Invalid device sector");
        if (!DmText.TryNumber(row.Arguments[at + 2], out uint delay))
            return row.Fail("Invalid delay");
        var device = row.GetDevice(row.Arguments[at]);
        return device.IsOk ? new DelayTarget.Class(device.Value, start, delay) : row.Fail("Device lookup failed", device.Error);
    }
}

internal sealed class DelayTarget : DmTarget
{
    private readonly Class[] _classes;
    private readonly int _printed;
    private readonly Stack<Wait> _waits = new();
    private readonly List<Wait> _waiting = [];
    private bool _mayDelay = true;

    /// <summary>Where one kind of request goes and how long it waits.</summary>
    public sealed class Class(DmDevice device, long start, uint delay)
    {
        public readonly DmDevice Device = device;
        public readonly long Start = start;
        public readonly uint Delay = delay;
        public int Held;
    }

    public DelayTarget(DmRowContext row, Class[] classes, int printed) : base(row)
    {
        _classes = classes;
        _printed = printed;
        FlushBios = DiscardBios = 1;
    }

    public override bool HasDevices => true;

    private BlockLayer Layer => Table.Device.Layer;

    public override MapResult Map(Bio bio)
    {
        var kind = _classes[!bio.IsWrite ? 0 : bio.Has(BioFlags.PreFlush) ? 2 : 1];
        bio.Device = kind.Device.Device;
        if (bio.Sectors != 0)
            bio.Sector = kind.Start + Offset(bio.Sector);
        if (kind.Delay == 0 || !_mayDelay)
            return MapResult.Remapped;
        if (!_waits.TryPop(out var wait))
            wait = new Wait(this);
        wait.Bio = bio;
        wait.Kind = kind;
        kind.Held++;
        _waiting.Add(wait);
        Layer.World.Queue.Add(wait, Layer.World.Clock.NowNs + kind.Delay * 1_000_000L);
        return MapResult.Submitted;
    }

    /// <summary>A request that waits.</summary>
    private sealed class Wait(DelayTarget target) : WorkItem
    {
        public Bio? Bio;
        public Class Kind = null!;

        public override void Run()
        {
            if (Bio is { } bio)
            {
                _ = target._waiting.Remove(this);
                Bio = null;
                Kind.Held--;
                target.Layer.Submit(bio);
            }
            target._waits.Push(this);
        }
    }

    /// <summary>What waits goes on at once; nothing waits any more until the resume.</summary>
    public override void Presuspend()
    {
        _mayDelay = false;
        while (_waiting is [var wait, ..])
        {
            _waiting.RemoveAt(0);
            var bio = wait.Bio!;
            wait.Bio = null;
            wait.Kind.Held--;
            Layer.Submit(bio);
        }
    }

    public override void Resume() => _mayDelay = true;

    public override void Status(StatusKind kind, bool noFlush, StringBuilder text)
    {
        if (kind == StatusKind.Info)
        {
            _ = text.Append($"{_classes[0].Held} {_classes[1].Held} {_classes[2].Held}");
            return;
        }
        for (int i = 0; i < _printed; i++)
            _ = text.Append($"{(i > 0 ? " " : "")}{_classes[i].Device.Name} {_classes[i].Start} {_classes[i].Delay}");
    }

    public override void AddDevices(List<DmArea> areas)
    {
        foreach (var kind in _classes)
            areas.Add(new(kind.Device.Device, kind.Start, Length));
    }
}
