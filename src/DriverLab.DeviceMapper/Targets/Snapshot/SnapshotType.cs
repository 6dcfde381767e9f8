using DriverLab.Block;
using DriverLab.Linux;

namespace DriverLab.DeviceMapper.Targets;

/// <summary>The origins of a kernel and the snapshots of each.</summary>
/// <remarks>Linux drivers/md/dm-snap.c: struct origin.</remarks>
public sealed class Snapshots
{
    private readonly Dictionary<BlockDevice, List<SnapshotTarget>> _byOrigin = [];

    /// <summary>The snapshots of an origin, those with the largest chunks first.</summary>
    internal List<SnapshotTarget> Of(BlockDevice origin)
    {
        if (!_byOrigin.TryGetValue(origin, out var list))
            _byOrigin.Add(origin, list = []);
        return list;
    }

    internal void Add(SnapshotTarget snapshot)
    {
        var list = Of(snapshot.OriginDevice);
        int at = list.FindIndex(s => s.ChunkSectors < snapshot.ChunkSectors);
        list.Insert(at < 0 ? list.Count : at, snapshot);
    }

    internal void Remove(SnapshotTarget snapshot) => _ = Of(snapshot.OriginDevice).Remove(snapshot);

    /// <summary>The smallest chunk of an origin's snapshots, in sectors.</summary>
    internal long SmallestChunk(BlockDevice origin)
    {
        long smallest = 1L << 31;
        foreach (var snapshot in Of(origin))
            if (snapshot.ChunkSectors != 0)
                smallest = Math.Min(smallest, snapshot.ChunkSectors);
        return smallest;
    }

    /// <summary>The snapshots that share a copy-on-write device: the active one and one that waits to take over.</summary>
    internal (SnapshotTarget? Source, SnapshotTarget? Destination, SnapshotTarget? Merging) Sharing(SnapshotTarget snapshot)
    {
        SnapshotTarget? source = null, destination = null, merging = null;
        foreach (var other in Of(snapshot.OriginDevice))
        {
            if (other.IsMerge)
                merging = other;
            if (other.CowDevice != snapshot.CowDevice)
                continue;
            if (other.IsActive)
                source = other;
            else
                destination = other;
        }
        return (source, destination, merging);
    }

    /// <summary>Before an origin is written: what its snapshots do not have yet is copied.</summary>
    /// <param name="origin">The origin.</param>
    /// <param name="sector">Where it is written.</param>
    /// <param name="bio">Waits for the copies; null: nobody does.</param>
    /// <returns>True when copies are under way.</returns>
    /// <remarks>Linux drivers/md/dm-snap.c: __origin_write().</remarks>
    internal bool OriginWrite(BlockDevice origin, long sector, Bio? bio)
    {
        bool isWaiting = false;
        SnapshotTarget.Pending? last = null;
        foreach (var snapshot in Of(origin))
        {
            if (!snapshot.NeedsCopy(sector, out var pending))
                continue;
            isWaiting = true;
            if (bio is not null)
            {
                pending.OriginBios.Add(bio);
                bio = null;
                if (!pending.IsStarted)
                    last = pending;
                pending.IsStarted = true;
            }
            if (pending.IsStarted)
                continue;
            pending.IsStarted = true;
            pending.StartCopy();
        }
        last?.StartCopy();
        return isWaiting;
    }
}

/// <summary><c>snapshot ORIGIN COW P|PO|N CHUNK [#FEATURES …]</c>, and <c>snapshot-merge</c> with the same words.</summary>
/// <remarks>Linux drivers/md/dm-snap.c: snapshot_ctr().</remarks>
public sealed class SnapshotType(Snapshots snapshots, bool isMerge) : DmTargetType
{
    /// <inheritdoc/>
    public override string Name => isMerge ? "snapshot-merge" : "snapshot";

    /// <inheritdoc/>
    public override (uint Major, uint Minor, uint Patch) Version => isMerge ? (1u, 5u, 0u) : (1u, 16u, 0u);

    internal bool IsMerge => isMerge;

    /// <inheritdoc/>
    public override SysResult<DmTarget> Create(DmRowContext row)
    {
        var words = row.Arguments;
        if (words.Count < 4)
            return row.Fail("requires 4 or more arguments");
        if (ReadFeatures(new DmArguments(words, 4), out bool zeroes, out bool passdown) is { } complaint)
            return row.Fail(complaint);
        var origin = row.GetDevice(words[0], isMerge);
        if (!origin.IsOk)
            return row.Fail("Cannot get origin device", origin.Error);
        if (words[1] == words[0] || words[1] == origin.Value.Name)
            return row.Fail("COW device cannot be the same as origin device");
        var cow = row.GetDevice(words[1]);
        if (!cow.IsOk)
            return row.Fail("Cannot get COW device", cow.Error);
        if (cow.Value.Device == origin.Value.Device)
            return row.Fail("COW device cannot be the same as origin device");
        if (MakeStore(row, origin.Value.Device, cow.Value.Device) is not { } store)
            return row.Fail("Couldn't create exception store");
        var target = new SnapshotTarget(row, snapshots, origin.Value, cow.Value, store, zeroes, passdown);
        if (target.Register(out bool takesOver) is { } refusal)
            return row.Fail(refusal);
        if (takesOver)
        {
            store.ChunkSectors = 0;
            return target;
        }
        var error = target.Load();
        if (error == Errno.OK && store.ChunkSectors != 0)
            return target;
        target.Destroy();
        return error != Errno.OK ? row.Fail("Failed to read snapshot metadata", error) : row.Fail("Chunk size not set");
    }

    private static string? ReadFeatures(DmArguments words, out bool zeroes, out bool passdown)
    {
        const uint mostFeatures = 2;
        zeroes = passdown = false;
        if (words.Left == 0)
            return null;
        if (!words.TryTakeGroup(mostFeatures, out uint count))
            return "Invalid number of feature arguments";
        for (; count > 0; count--)
        {
            string word = words.Take()!;
            if (word.Equals("discard_zeroes_cow", StringComparison.OrdinalIgnoreCase))
                zeroes = true;
            else if (word.Equals("discard_passdown_origin", StringComparison.OrdinalIgnoreCase))
                passdown = true;
            else
                return "Unrecognised feature requested";
        }
        return passdown && !zeroes ? "discard_passdown_origin feature depends on discard_zeroes_cow" : null;
    }

    /// <remarks>Linux drivers/md/dm-exception-store.c: dm_exception_store_create().</remarks>
    private static ExceptionStore? MakeStore(DmRowContext row, BlockDevice origin, BlockDevice cow)
    {
        string kind = row.Arguments[2].ToUpperInvariant();
        if (kind[0] is not ('P' or 'N') || !DmText.TryUInt(row.Arguments[3], out uint chunk))
            return null;
        if (chunk != 0 && ExceptionStore.CheckChunk(chunk, origin, cow) is not null)
            return null;
        if (kind[0] == 'N')
            return new TransientStore(cow, chunk);
        if (kind.Length == 1 || kind[1] == 'O')
            return new PersistentStore(origin, cow, chunk, row.Table.Device.Driver) { KeepsOverflow = kind.Length > 1 };
        row.Table.Device.Driver.Log("persistent snapshot", $"Unsupported persistent store option: {row.Arguments[2][1..]}");
        return null;
    }
}
