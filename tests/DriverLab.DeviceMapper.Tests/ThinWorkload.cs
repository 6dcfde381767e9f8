using DriverLab.Block;
using DriverLab.Linux;
using DriverLab.Simulation;

namespace DriverLab.DeviceMapper.Tests;

/// <summary>Random work on thin devices, and what each block may hold after a power cut: what was synced, or anything written to it since.</summary>
internal sealed class ThinWorkload(int seed, ThinLab lab)
{
    private const int Blocks = 40, MostDevices = 4;
    private readonly Prng _random = Prng.FromSeed((ulong)seed, "thin workload");
    private readonly Dictionary<ulong, BlockFile> _open = [];
    private readonly Dictionary<ulong, byte[]> _now = [];
    private byte _tag;

    /// <summary>What holds from a moment of the log on.</summary>
    /// <param name="From">The time of the log.</param>
    /// <param name="Devices">For each device and block, the tag; 0 is unwritten.</param>
    public sealed record Moment(long From, Dictionary<ulong, byte[]> Devices);

    /// <summary>States that were synced.</summary>
    public List<Moment> Synced { get; } = [];

    /// <summary>Each write or discard: when, where, which tag.</summary>
    public List<(long At, ulong Device, int Block, byte Tag)> Changes { get; } = [];

    public void Run(int steps)
    {
        CreateThin(0);
        for (int i = 0; i < steps; i++)
            Step();
    }

    private void Step()
    {
        ulong id = _open.Keys.ElementAt(_random.Next(_open.Count));
        switch (_random.Next(20))
        {
            case < 11:
                Write(id, _random.Next(Blocks), whole: _random.Next(2) == 0);
                break;
            case < 13:
                Discard(id, _random.Next(Blocks), 1 + _random.Next(6));
                break;
            case < 16:
                Sync(id);
                break;
            case < 17 when _open.Count < MostDevices:
                CreateThin((ulong)_random.Next(1000));
                break;
            case < 18 when _open.Count < MostDevices:
                CreateSnapshot((ulong)_random.Next(1000), id);
                break;
            case < 19 when _open.Count > 1:
                Delete(id);
                break;
            default:
                lab.Lab.World.Clock.Advance(400_000_000);
                lab.Lab.World.Queue.RunDue(lab.Lab.World.Clock);
                break;
        }
    }

    private void Write(ulong id, int block, bool whole)
    {
        byte tag = (byte)(1 + _tag++ % 250);
        byte[] data = new byte[whole ? ThinLab.BlockBytes : 4096];
        data.AsSpan().Fill(tag);
        Changes.Add((lab.Log.Now, id, block, tag));
        var result = _open[id].Write((long)block * ThinLab.BlockBytes, data, direct: true, sync: false);
        if (result.IsOk)
            _now[id][block] = tag;
        else
            Assert.That(result.Error, Is.EqualTo(Errno.ENOSPC));
    }

    private void Discard(ulong id, int block, int count)
    {
        count = Math.Min(count, Blocks - block);
        for (int i = block; i < block + count; i++)
        {
            Changes.Add((lab.Log.Now, id, i, 0));
            NoteSharers(id, i);
        }
        Assert.That(lab.Lab.Device($"t{id}").IssueDiscard(block * 128L, count * 128L), Is.EqualTo(Errno.OK));
        Array.Clear(_now[id], block, count);
    }

    /// <summary>
    /// A discard goes down to the disk before the commit. Who has parted from the block since the last commit still has it in the state that a cut goes back to, and loses it there. That is
    /// the order of work in drivers/md/dm-thin.c, process_prepared_discard_passdown_pt1(); no kernel was cut at that moment to see it.
    /// </summary>
    private void NoteSharers(ulong id, int block)
    {
        byte tag = _now[id][block];
        foreach (var (other, tags) in _now)
            if (other != id && tag != 0 && tags[block] != tag && Synced.FindLast(m => m.Devices.ContainsKey(other)) is { } moment && moment.Devices[other][block] == tag)
                Changes.Add((lab.Log.Now, other, block, 0));
    }

    /// <summary>After an fsync of a device everything of it is safe; so is all that the commit took along.</summary>
    private void Sync(ulong id)
    {
        Assert.That(_open[id].Fsync(), Is.EqualTo(Errno.OK));
        NoteSynced([id]);
    }

    private void NoteSynced(IEnumerable<ulong> ids) => Synced.Add(new(lab.Log.Now, ids.ToDictionary(i => i, i => (byte[])_now[i].Clone())));

    private void CreateThin(ulong id)
    {
        if (lab.Message($"create_thin {id}") != Errno.OK)
            return;
        _now[id] = new byte[Blocks];
        _open[id] = lab.Open(id);
        NoteSynced([id]);
    }

    private void CreateSnapshot(ulong id, ulong origin)
    {
        Assert.That(lab.Lab.Suspend($"t{origin}"), Is.EqualTo(Errno.OK));
        var error = lab.Message($"create_snap {id} {origin}");
        Assert.That(lab.Lab.Resume($"t{origin}"), Is.EqualTo(Errno.OK));
        if (error != Errno.OK)
            return;
        _now[id] = (byte[])_now[origin].Clone();
        _open[id] = lab.Open(id);
        NoteSynced([id, origin]);
    }

    private void Delete(ulong id)
    {
        lab.Close(id, _open[id]);
        _ = _open.Remove(id);
        Changes.Add((lab.Log.Now, id, -1, 0));
        Assert.That(lab.Message($"delete {id}"), Is.EqualTo(Errno.OK));
        _ = _now.Remove(id);
    }

    /// <summary>The devices that must be there after a cut, with the tags that each of their blocks may hold.</summary>
    public Dictionary<ulong, HashSet<byte>[]> Allowed(long cut)
    {
        var result = new Dictionary<ulong, HashSet<byte>[]>();
        foreach (var moment in Synced)
        {
            if (moment.From > cut)
                break;
            foreach (var (id, tags) in moment.Devices)
                result[id] = [.. tags.Select((tag, block) => Since(id, block, tag, moment.From, cut))];
        }
        foreach (var (at, id, block, _) in Changes)
            if (block < 0 && at <= cut && !Synced.Exists(m => m.From > at && m.From <= cut && m.Devices.ContainsKey(id)))
                _ = result.Remove(id);
        return result;
    }

    private HashSet<byte> Since(ulong id, int block, byte tag, long from, long cut)
    {
        var tags = new HashSet<byte> { tag };
        foreach (var change in Changes)
            if (change.Device == id && change.Block == block && change.At >= from && change.At <= cut)
                _ = tags.Add(change.Tag);
        return tags;
    }
}
