using System.Text;
using DriverLab.Block;
using DriverLab.Simulation;

namespace DriverLab.DeviceMapper.Targets;

internal sealed class FlakeyTarget : DmTarget
{
    private const long WhileDown = 1;
    private readonly DmDevice _device;
    private readonly long _start, _startedNs;
    private readonly uint _up, _down;
    private readonly FlakeyFeatures _features;
    private readonly DmQuirks _quirks;
    private readonly Prng _random;

    public FlakeyTarget(DmRowContext row, DmDevice device, long start, uint up, uint down, FlakeyFeatures features, DmQuirks quirks) : base(row)
    {
        _device = device;
        _start = start;
        _up = up;
        _down = down;
        _features = features;
        _quirks = quirks;
        _startedNs = World.Clock.NowNs;
        _random = World.Stream("dm-flakey");
        FlushBios = DiscardBios = 1;
    }

    private World World => Table.Device.Layer.World;

    public override bool HasDevices => true;

    public override bool HasEndIo => true;

    private bool IsDown => (World.Clock.NowNs - _startedNs) / 1_000_000_000 % ((long)_up + _down) >= _up && !World.Mutations.Has(Mutation.FlakeyAlwaysUp);

    /// <summary>Reads fail while the device is down unless a feature says what happens instead.</summary>
    private bool ReadsFail => _quirks.FlakeyCorruptsAtRandom ? _features.ErrorReads : _features is { CorruptByte: 0, DropWrites: false, ErrorWrites: false };

    public override MapResult Map(Bio bio)
    {
        bool isDown = IsDown;
        bio.MakerValue = isDown ? WhileDown : 0;
        if (isDown && Fail(bio) is { } result)
            return result;
        bio.Device = _device.Device;
        if (bio.Sectors != 0)
            bio.Sector = _start + Offset(bio.Sector);
        return MapResult.Remapped;
    }

    /// <returns>What happens to a request while the device is down; null: it goes on.</returns>
    private MapResult? Fail(Bio bio)
    {
        if (!bio.IsWrite)
            return ReadsFail ? MapResult.Kill : null;
        if (_features.DropWrites || _features.ErrorWrites)
        {
            bio.MakerValue = 0;
            bio.End(_features.DropWrites ? BlkStatus.OK : BlkStatus.IoError);
            return MapResult.Submitted;
        }
        if (_features.CorruptByte == 0 && !_quirks.FlakeyCorruptsAtRandom)
            return MapResult.Kill;
        bool corrupts = _features.CorruptByte != 0 && _features.CorruptsWrites && Matches(bio);
        if (bio.HasData && (corrupts || _features.RandomWrites != 0))
        {
            // What the writer holds stays as it is.
            byte[] copy = bio.Span.ToArray();
            bio.Data = copy;
            bio.DataOffset = 0;
            if (corrupts)
                Corrupt(copy);
            CorruptAtRandom(bio, _features.RandomWrites);
        }
        return null;
    }

    /// <summary>Changes a byte by chance.</summary>
    /// <param name="bio">The request.</param>
    /// <param name="rate">How often, out of <see cref="FlakeyFeatures.RandomBase"/>.</param>
    private void CorruptAtRandom(Bio bio, uint rate)
    {
        if (rate == 0 || (uint)_random.Next((int)FlakeyFeatures.RandomBase) >= rate)
            return;
        var data = bio.Span;
        data[_random.Next(data.Length)] = (byte)_random.Next(256);
    }

    private bool Matches(Bio bio) => ((uint)bio.OpAndFlags & _features.CorruptFlags) == _features.CorruptFlags;

    private void Corrupt(Span<byte> data)
    {
        uint at = _features.CorruptByte - 1;
        if (at < (uint)data.Length)
            data[(int)at] = (byte)_features.CorruptValue;
    }

    public override EndIoResult EndIo(Bio bio, ref BlkStatus status)
    {
        if (status != BlkStatus.OK || bio.MakerValue != WhileDown || bio.IsWrite)
            return EndIoResult.Done;
        if (!(_quirks.FlakeyMissesRequestReads && _device.Device.IsRequestBased))
        {
            if (_features.CorruptByte != 0 && !_features.CorruptsWrites && Matches(bio))
                Corrupt(bio.Span);
            CorruptAtRandom(bio, _features.RandomReads);
        }
        if (_quirks.FlakeyCorruptsAtRandom ? _features.ErrorReads : ReadsFail)
            status = BlkStatus.IoError;
        return EndIoResult.Done;
    }

    public override void Status(StatusKind kind, bool noFlush, StringBuilder text)
    {
        if (kind == StatusKind.Info)
            return;
        bool isNew = _quirks.FlakeyCorruptsAtRandom;
        var words = new List<string> { _device.Name, $"{_start}", $"{_up}", $"{_down}" };
        words.Add($"{(_features.ErrorReads ? 1 : 0) + (_features.DropWrites ? 1 : 0) + (_features.ErrorWrites ? 1 : 0) + (_features.CorruptByte > 0 ? 5 : 0)
            + (_features.RandomReads > 0 ? 2 : 0) + (_features.RandomWrites > 0 ? 2 : 0)}");
        if (_features.ErrorReads)
            words.Add("error_reads");
        if (_features.DropWrites)
            words.Add("drop_writes");
        else if (_features.ErrorWrites)
            words.Add("error_writes");
        if (_features.CorruptByte > 0)
            words.Add($"corrupt_bio_byte {_features.CorruptByte} {(_features.CorruptsWrites ? 'w' : 'r')} {_features.CorruptValue} {_features.CorruptFlags}");
        if (_features.RandomReads > 0)
            words.Add($"random_read_corrupt {_features.RandomReads}");
        if (_features.RandomWrites > 0)
            words.Add($"random_write_corrupt {_features.RandomWrites}");
        _ = text.AppendJoin(' ', words).Append(isNew ? "" : " ");
    }

    public override void AddDevices(List<DmArea> areas) => areas.Add(new(_device.Device, _start, Length));

    public override BlockDevice? IoctlDevice(out bool whole)
    {
        whole = _start == 0 && Length == _device.Device.CapacitySectors;
        return _device.Device;
    }
}
