using System.Text;
using DriverLab.Block;
using DriverLab.Linux;
using DriverLab.Simulation;

namespace DriverLab.DeviceMapper.Targets;

/// <summary><c>striped N CHUNK {DEV START}…</c>: chunks of sectors in turn on several devices.</summary>
/// <remarks>Linux drivers/md/dm-stripe.c.</remarks>
public sealed class StripedType(DmQuirks quirks) : DmTargetType
{
    /// <inheritdoc/>
    public override string Name => "striped";

    /// <inheritdoc/>
    public override (uint Major, uint Minor, uint Patch) Version => quirks.LinearIsNewer ? (1u, 7u, 0u) : (1u, 6u, 0u);

    /// <inheritdoc/>
    public override DmTargetFeatures Features => DmTargetFeatures.NoWait;

    /// <inheritdoc/>
    public override SysResult<DmTarget> Create(DmRowContext row)
    {
        var words = row.Arguments;
        if (words.Count < 2)
            return row.Fail("Not enough arguments");
        if (!DmText.TryUInt(words[0], out uint stripes) || stripes == 0)
            return row.Fail("Invalid stripe count");
        if (!DmText.TryUInt(words[1], out uint chunk) || chunk == 0)
            return row.Fail("Invalid chunk_size");
        if (row.Length % stripes != 0)
            return row.Fail("Target length not divisible by number of stripes");
        if (row.Length / stripes % chunk != 0)
            return row.Fail("Target length not divisible by chunk size");
        if (words.Count != 2 + 2L * stripes)
            return row.Fail("Not enough destinations specified");
        var legs = new StripedTarget.Leg[stripes];
        for (int i = 0; i < stripes; i++)
        {
            if (!DmText.TrySector(words[3 + 2 * i], out long start))
                return row.Fail("Couldn't parse stripe destination");
            var device = row.GetDevice(words[2 + 2 * i]);
            if (!device.IsOk)
                return row.Fail("Couldn't parse stripe destination", device.Error);
            legs[i] = new(device.Value, start);
        }
        return new StripedTarget(row, quirks, chunk, legs);
    }
}

internal sealed class StripedTarget : DmTarget
{
    private const int ErrorsThatMatter = 15;
    private readonly DmQuirks _quirks;
    private readonly Leg[] _legs;
    private readonly uint _chunkSectors;

    /// <summary>One stripe: its device, its start there, and how often it failed.</summary>
    public sealed class Leg(DmDevice device, long start)
    {
        public readonly DmDevice Device = device;
        public readonly BlockDevice Below = device.Device;
        public readonly long Start = start;
        public int Errors;
    }

    public StripedTarget(DmRowContext row, DmQuirks quirks, uint chunkSectors, Leg[] legs) : base(row)
    {
        _quirks = quirks;
        _chunkSectors = chunkSectors;
        _legs = legs;
        MaxIoSectors = chunkSectors;
        FlushBios = DiscardBios = SecureEraseBios = WriteZeroesBios = legs.Length;
    }

    public override bool HasDevices => true;

    public override bool HasEndIo => true;

    public override MapResult Map(Bio bio)
    {
        if (bio.Has(BioFlags.PreFlush) && bio.Sectors == 0)
        {
            bio.Device = _legs[bio.CloneNumber].Below;
            return MapResult.Remapped;
        }
        return bio.Op is BioOp.Read or BioOp.Write ? MapOne(bio) : MapRange(bio, bio.CloneNumber);
    }

    private MapResult MapOne(Bio bio)
    {
        long offset = Offset(bio.Sector);
        long chunk = Math.DivRem(offset, _chunkSectors, out long within);
        long rowOfChunks = Math.DivRem(chunk, _legs.Length, out long index);
        var leg = _legs[_legs[0].Below.Layer.World.Mutations.Has(Mutation.StripesInReverse) ? _legs.Length - 1 - index : index];
        bio.Device = leg.Below;
        bio.Sector = leg.Start + rowOfChunks * _chunkSectors + within;
        return MapResult.Remapped;
    }

    /// <summary>The part of a range that lies on one leg is a range there.</summary>
    /// <remarks>Linux drivers/md/dm-stripe.c: stripe_map_range().</remarks>
    private MapResult MapRange(Bio bio, int index)
    {
        long begin = OnLeg(Offset(bio.Sector), index);
        long end = OnLeg(Offset(bio.EndSector), index);
        if (begin >= end)
        {
            bio.End(BlkStatus.OK);
            return MapResult.Submitted;
        }
        var leg = _legs[index];
        bio.Device = leg.Below;
        bio.Sector = leg.Start + begin;
        bio.Sectors = (int)(end - begin);
        return MapResult.Remapped;
    }

    /// <summary>The first sector of a leg that lies at or after an offset of the whole.</summary>
    private long OnLeg(long offset, int index)
    {
        long chunk = Math.DivRem(offset, _chunkSectors, out long within);
        long rowOfChunks = Math.DivRem(chunk, _legs.Length, out long at);
        long sector = rowOfChunks * _chunkSectors;
        if (index < at)
            return sector + _chunkSectors;
        return index == at ? sector + within : sector;
    }

    /// <summary>Counts a leg's errors; a few of them are events.</summary>
    public override EndIoResult EndIo(Bio bio, ref BlkStatus status)
    {
        if (status is BlkStatus.OK or BlkStatus.NotSupported || (status == BlkStatus.Again && bio.Has(BioFlags.NoWait)) || bio.Has(BioFlags.ReadAhead))
            return EndIoResult.Done;
        foreach (var leg in _legs)
        {
            if (leg.Below != bio.Device)
                continue;
            leg.Errors++;
            if (leg.Errors < ErrorsThatMatter)
                RaiseEvent();
        }
        return EndIoResult.Done;
    }

    public override void Status(StatusKind kind, bool noFlush, StringBuilder text)
    {
        if (kind == StatusKind.Table)
        {
            _ = text.Append($"{_legs.Length} {_chunkSectors}");
            foreach (var leg in _legs)
                _ = text.Append($" {leg.Device.Name} {leg.Start}");
            return;
        }
        _ = text.Append($"{_legs.Length} ");
        foreach (var leg in _legs)
            _ = text.Append($"{leg.Device.Name} ");
        _ = text.Append("1 ");
        foreach (var leg in _legs)
            _ = text.Append(leg.Errors > 0 ? 'D' : 'A');
    }

    public override void AddDevices(List<DmArea> areas)
    {
        foreach (var leg in _legs)
            areas.Add(new(leg.Below, leg.Start, Length / _legs.Length));
    }

    /// <remarks>Linux drivers/md/dm-stripe.c: stripe_io_hints().</remarks>
    public override void IoHints(ref QueueLimits limits)
    {
        uint chunkBytes = unchecked(_chunkSectors << 9);
        if (_quirks.StripesLimitRequests)
            limits.ChunkSectors = _chunkSectors;
        if (_quirks.StripesAddDiscards)
        {
            ulong whole = (limits.MaxHwDiscardSectors - limits.MaxHwDiscardSectors % _chunkSectors) * (ulong)_legs.Length;
            limits.MaxDiscardSectors = limits.MaxHwDiscardSectors = (uint)Math.Min(whole, uint.MaxValue);
        }
        limits.IoMin = Math.Max(chunkBytes, Math.Max(limits.LogicalBlockSize, limits.PhysicalBlockSize));
        limits.IoOpt = unchecked(chunkBytes * (uint)_legs.Length);
    }
}
