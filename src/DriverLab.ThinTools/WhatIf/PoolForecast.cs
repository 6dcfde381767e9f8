using DriverLab.Formats;
using DriverLab.Formats.PersistentData;
using DriverLab.ThinTools.Dump;
using DriverLab.ThinTools.Model;
using DriverLab.ThinTools.Report;
using DriverLab.ThinTools.Trees;

namespace DriverLab.ThinTools.WhatIf;

/// <summary>How the pool is set up beyond what its metadata says: the table's words.</summary>
public sealed record ForecastOptions
{
    /// <summary>The table's low water mark, in data blocks; null for none.</summary>
    public ulong? LowWaterBlocks { get; init; }

    /// <summary>Data blocks, when the data device is to grow; null for what the metadata says.</summary>
    public ulong? DataBlockCount { get; init; }

    /// <summary>error_if_no_space: a write that finds no block fails at once and does not wait.</summary>
    public bool ErrorIfNoSpace { get; init; }

    /// <summary>skip_block_zeroing.</summary>
    public bool SkipBlockZeroing { get; init; }
}

/// <summary>What one step does, in blocks.</summary>
public sealed record StepForecast(PlanStep Step)
{
    /// <summary>Mapped for the first time.</summary>
    public ulong Provisioned { get; set; }

    /// <summary>Of those, zeroed first because the write covers only a part.</summary>
    public ulong Zeroed { get; set; }

    /// <summary>Shared blocks that are copied before the write.</summary>
    public ulong Copied { get; set; }

    /// <summary>Shared blocks that a whole-block write replaces without a copy.</summary>
    public ulong Replaced { get; set; }

    /// <summary>Written where they are.</summary>
    public ulong Overwritten { get; set; }

    /// <summary>No longer mapped by this device.</summary>
    public ulong Unmapped { get; set; }

    /// <summary>Data blocks that nobody maps any more.</summary>
    public ulong Freed { get; set; }

    /// <summary>Blocks that could not be written, for want of space.</summary>
    public ulong Refused { get; set; }

    public ulong DataFree { get; set; }

    /// <summary>An estimate from above: siblings share entries before a node is split.</summary>
    public long MetadataFree { get; set; }

    public List<string> Events { get; } = [];
}

/// <summary>Says what a pool will do: which blocks are provisioned, copied, freed, and when it is low on space or out of it. The metadata is only read.</summary>
/// <remarks>Follows the rules that a kernel's dm-thin follows: a block is shared when it was mapped before the device was last snapshotted; a discard unmaps whole blocks only;
/// a tenth of the metadata, at most 4096 blocks, is kept in reserve.</remarks>
public sealed class PoolForecast
{
    private const int MostEntries = 252;

    private readonly ThinMetadata _metadata;
    private readonly ForecastOptions _options;
    private readonly Dictionary<ulong, ForecastDevice> _devices = [];
    private readonly BlockCounts _users;
    private readonly Dictionary<ulong, long> _change = [];
    private readonly ulong _blockBytes;
    private readonly ulong _dataTotal;
    private ulong _dataFree;
    private long _metadataFree;
    private ulong _nextNew;
    private uint _time;
    private bool _isLow, _isOutOfData, _isOutOfMetadata;

    private PoolForecast(ThinMetadata metadata, ForecastOptions options)
    {
        _metadata = metadata;
        _options = options;
        ref readonly var sb = ref metadata.Superblock;
        _blockBytes = sb.DataBlockSizeSectors.Value * 512UL;
        ulong known = sb.DataSpaceMap.Root.BlockCount.Value;
        _dataTotal = options.DataBlockCount ?? known;
        if (_dataTotal < known)
            throw new ThinToolException($"{_dataTotal} data blocks: the pool has {known}, and pools do not shrink");
        if (_blockBytes == 0)
            throw new ThinToolException($"{metadata.Device.Name}: the data block size is 0");
        _dataFree = _dataTotal - sb.DataSpaceMap.Root.AllocatedCount.Value;
        ulong total = sb.MetadataSpaceMap.Root.BlockCount.Value;
        _metadataFree = (long)(total - sb.MetadataSpaceMap.Root.AllocatedCount.Value) - (long)Math.Min(4096, total / 10);
        _time = sb.Time.Value;
        _users = new(known);
        _nextNew = _dataTotal;
        var table = DeviceTable.Load(metadata);
        Strict.Require(metadata, [.. table.DetailsDamages, .. table.TopDamages, .. table.Mismatches()]);
        foreach (var device in table.Devices())
        {
            var forecast = new ForecastDevice(metadata, device);
            forecast.CountUsers(_users);
            _devices[device.Description.Id] = forecast;
        }
    }

    /// <summary>Forecasts a plan.</summary>
    public static IReadOnlyList<StepForecast> Run(ThinMetadata metadata, IReadOnlyList<PlanStep> plan, ForecastOptions options)
    {
        var forecast = new PoolForecast(metadata, options);
        return [.. plan.Select(forecast.Step)];
    }

    private StepForecast Step(PlanStep step)
    {
        var result = new StepForecast(step);
        switch (step.Verb)
        {
            case PlanVerb.Write:
                Write(step, result);
                break;
            case PlanVerb.Discard:
                ulong firstWhole = (step.Begin + _blockBytes - 1) / _blockBytes, end = (step.Begin + step.Length) / _blockBytes;
                Unmap(Find(step), firstWhole, end, result);
                break;
            case PlanVerb.Create:
                Add(step, new(_metadata, null) { SnapshotTime = _time });
                _metadataFree--;
                break;
            case PlanVerb.Snapshot:
                TakeSnapshot(step);
                break;
            case PlanVerb.Delete:
                Unmap(Find(step), 0, ulong.MaxValue, result);
                _ = _devices.Remove(step.Device);
                break;
            case PlanVerb.Commit:
                break;
        }
        if (_isOutOfData && result.Freed > 0)
        {
            _isOutOfData = false;
            result.Events.Add("blocks are free again: the pool goes back to rw by itself");
        }
        if (_metadataFree <= 0 && !_isOutOfMetadata)
        {
            _isOutOfMetadata = true;
            result.Events.Add("the metadata is full: the pool goes read-only and needs_check is set; grow the metadata device before this");
        }
        result.DataFree = _dataFree;
        result.MetadataFree = _metadataFree;
        return result;
    }

    private void Write(PlanStep step, StepForecast result)
    {
        if (step.Length == 0)
            return;
        var device = Find(step);
        ulong first = step.Begin / _blockBytes, last = (step.Begin + step.Length - 1) / _blockBytes;
        for (ulong block = first; block <= last; block++)
        {
            bool isWhole = step.Begin <= block * _blockBytes && step.Begin + step.Length >= (block + 1) * _blockBytes;
            var mapping = device.Find(block);
            if (mapping is { } m && m.Time >= device.SnapshotTime)
            {
                result.Overwritten++;
                continue;
            }
            if (!Allocate(result))
                continue;
            if (mapping is null)
            {
                result.Provisioned++;
                result.Zeroed += isWhole || _options.SkipBlockZeroing ? 0 : 1UL;
            }
            else
            {
                result.Copied += isWhole ? 0 : 1UL;
                result.Replaced += isWhole ? 1UL : 0;
                Release(mapping.Value.Data, result);
            }
            _change[_nextNew] = 1;
            _metadataFree -= device.Map(block, _nextNew++, _time);
        }
    }

    /// <summary>Takes a data block; the low water mark is looked at before, as the kernel does.</summary>
    private bool Allocate(StepForecast result)
    {
        if (!_isLow && _options.LowWaterBlocks is { } mark && _dataFree <= mark)
        {
            _isLow = true;
            result.Events.Add($"low water: {_dataFree} data blocks are free, the mark is {mark}");
        }
        if (_dataFree == 0)
        {
            if (!_isOutOfData)
                result.Events.Add(_options.ErrorIfNoSpace ? "out of data space: the write fails with ENOSPC" : "out of data space: the write waits for no_space_timeout (60 s unless set), then fails with ENOSPC");
            _isOutOfData = true;
            result.Refused++;
            return false;
        }
        _dataFree--;
        return true;
    }

    private void Unmap(ForecastDevice device, ulong begin, ulong end, StepForecast result)
    {
        foreach (var (block, data) in device.Mapped(begin, end))
        {
            result.Unmapped++;
            _metadataFree -= device.Unmap(block);
            Release(data, result);
        }
    }

    private void Release(ulong data, StepForecast result)
    {
        long users = (data < _users.BlockCount ? _users[data] : 0) + _change.GetValueOrDefault(data) - 1;
        _change[data] = _change.GetValueOrDefault(data) - 1;
        if (users > 0)
            return;
        result.Freed++;
        _dataFree++;
    }

    private void TakeSnapshot(PlanStep step)
    {
        if (!_devices.TryGetValue(step.Origin, out var origin))
            throw new ThinToolException($"'{step.Text}': there is no device {step.Origin}; a kernel answers ENODATA");
        _time++;
        origin.SnapshotTime = _time;
        Add(step, origin.Clone(_time));
        foreach (var (_, data) in origin.Mapped(0, ulong.MaxValue))
            _change[data] = _change.GetValueOrDefault(data) + 1;
    }

    private void Add(PlanStep step, ForecastDevice device)
    {
        if (!_devices.TryAdd(step.Device, device))
            throw new ThinToolException($"'{step.Text}': device {step.Device} exists; a kernel answers EEXIST");
    }

    private ForecastDevice Find(PlanStep step) => _devices.TryGetValue(step.Device, out var device)
        ? device
        : throw new ThinToolException($"'{step.Text}': there is no device {step.Device}; the pool has {(_devices.Count == 0 ? "none" : string.Join(", ", _devices.Keys.Order().Take(12)))}");

    /// <summary>A device as a plan leaves it: what is on disk, and what has changed since.</summary>
    private sealed class ForecastDevice
    {
        private readonly ThinMetadata _metadata;
        private readonly List<(ulong FirstKey, int Entries, bool IsOwn)> _leaves = [];
        private SortedDictionary<ulong, (ulong Data, uint Time)> _mappings = [];

        public ForecastDevice(ThinMetadata metadata, ThinDevice? device)
        {
            _metadata = metadata;
            if (device is not { } thin)
                return;
            SnapshotTime = thin.Description.SnapshotTime;
            var visitor = new Loader(this);
            new TreeWalker(metadata.Device, 8).Walk(new(thin.Root, MetadataDump.PathOf(thin.Description.Id)), ref visitor);
        }

        public uint SnapshotTime { get; set; }

        public ForecastDevice Clone(uint time)
        {
            var clone = new ForecastDevice(_metadata, null) { SnapshotTime = time, _mappings = new(_mappings) };
            for (int i = 0; i < _leaves.Count; i++)
                _leaves[i] = _leaves[i] with { IsOwn = false };
            clone._leaves.AddRange(_leaves);
            return clone;
        }

        public void CountUsers(BlockCounts users)
        {
            foreach (var (data, _) in _mappings.Values)
            {
                if (data < users.BlockCount)
                    users.Increment(data);
            }
        }

        public (ulong Data, uint Time)? Find(ulong block) => _mappings.TryGetValue(block, out var mapping) ? mapping : null;

        public List<(ulong Block, ulong Data)> Mapped(ulong begin, ulong end) =>
            end - begin < (ulong)_mappings.Count
                ? [.. Range(begin, end).Where(_mappings.ContainsKey).Select(block => (block, _mappings[block].Data))]
                : [.. _mappings.Where(pair => pair.Key >= begin && pair.Key < end).Select(pair => (pair.Key, pair.Value.Data))];

        /// <summary>Maps a block.</summary>
        /// <returns>Metadata blocks that this takes: a copy of a shared leaf, a split.</returns>
        public int Map(ulong block, ulong data, uint time)
        {
            bool isNew = !_mappings.ContainsKey(block);
            _mappings[block] = (data, time);
            if (_leaves.Count == 0)
                _leaves.Add((0, 0, true));
            int i = LeafOf(block), taken = _leaves[i].IsOwn ? 0 : 1;
            var leaf = _leaves[i] with { IsOwn = true, Entries = _leaves[i].Entries + (isNew ? 1 : 0) };
            _leaves[i] = leaf;
            if (leaf.Entries <= MostEntries)
                return taken;
            ulong middle = _mappings.Keys.SkipWhile(key => key < leaf.FirstKey).ElementAtOrDefault(leaf.Entries / 2);
            _leaves[i] = leaf with { Entries = leaf.Entries / 2 };
            _leaves.Insert(i + 1, (middle, leaf.Entries - leaf.Entries / 2, true));
            return taken + 1;
        }

        /// <summary>Unmaps a block.</summary>
        /// <returns>Metadata blocks that this takes; leaves that merge are not counted.</returns>
        public int Unmap(ulong block)
        {
            _ = _mappings.Remove(block);
            int i = LeafOf(block), taken = _leaves[i].IsOwn ? 0 : 1;
            _leaves[i] = _leaves[i] with { IsOwn = true, Entries = _leaves[i].Entries - 1 };
            return taken;
        }

        private int LeafOf(ulong block)
        {
            int low = 0, high = _leaves.Count;
            while (high - low > 1)
            {
                int middle = (low + high) / 2;
                if (_leaves[middle].FirstKey <= block)
                    low = middle;
                else
                    high = middle;
            }
            return low;
        }

        private static IEnumerable<ulong> Range(ulong begin, ulong end)
        {
            for (ulong block = begin; block < end; block++)
                yield return block;
        }

        private readonly struct Loader(ForecastDevice device) : ITreeVisitor
        {
            public bool Enter(ulong block) => true;

            public void Leaf(ulong block, BtreeNode node)
            {
                if (node.Count > 0)
                    device._leaves.Add((node.Keys[0].Value, node.Count, IsOwn: true));
                var values = node.Values<Le<ulong>>();
                for (int i = 0; i < values.Length; i++)
                    device._mappings[node.Keys[i].Value] = (values[i].Value >> 24, (uint)(values[i].Value & 0xff_ffff));
            }

            public void Damaged(Damage damage) => Strict.Refuse(device._metadata, damage);
        }
    }
}
