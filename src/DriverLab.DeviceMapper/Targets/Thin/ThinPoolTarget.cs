using System.Numerics;
using System.Text;
using DriverLab.Block;
using DriverLab.Linux;

namespace DriverLab.DeviceMapper.Targets;

/// <summary>A pool as a table's row: what the table asks for, and the pool's own device, which passes I/O to the data device.</summary>
/// <remarks>Linux drivers/md/dm-thin.c: struct pool_c.</remarks>
internal sealed partial class ThinPoolTarget : DmTarget
{
    private readonly ThinPool _pool;
    private readonly DmDevice _metadata, _data;
    private readonly DmQuirks _quirks;

    /// <summary>What the table says.</summary>
    public readonly PoolFeatures Requested;

    /// <summary>What becomes of it.</summary>
    public PoolFeatures Adjusted;

    public ThinPoolTarget(DmRowContext row, ThinPool pool, DmDevice metadata, DmDevice data, ulong lowWaterBlocks, PoolFeatures features, DmQuirks quirks) : base(row)
    {
        _pool = pool;
        _metadata = metadata;
        _data = data;
        _quirks = quirks;
        LowWaterBlocks = lowWaterBlocks;
        Requested = Adjusted = features;
        FlushBios = 1;
        if (features is { DiscardEnabled: true, DiscardPassdown: true })
        {
            DiscardBios = 1;
            DiscardsSupported = true;
        }
        pool.Metadata.SetThreshold(Threshold, TellMetadataLow);
        pool.Metadata.BeforeCommit = () => data.Device.IssueFlush();
    }

    public ulong LowWaterBlocks { get; }

    /// <summary>Free metadata blocks at which users are told: a quarter of them, 1024 at the most.</summary>
    private ulong Threshold => Math.Min(1024, ThinPool.MetadataBlocksOf(_metadata.Device) / 4);

    private void TellMetadataLow()
    {
        Log($"{Table.Device.Number}: reached low water mark for metadata device: sending event.");
        RaiseEvent();
    }

    private new void Log(string line) => Table.Device.Driver.Log("thin", line);

    public override bool HasDevices => true;

    public override bool HasMessages => true;

    public override MapResult Map(Bio bio)
    {
        bio.Device = _data.Device;
        return MapResult.Remapped;
    }

    public override void AddDevices(List<DmArea> areas) => areas.Add(new(_data.Device, 0, Length));

    public override void Presuspend() => _pool.Presuspend();

    public override void PresuspendUndo() => _pool.PresuspendUndo();

    public override void Postsuspend() => _pool.Postsuspend();

    public override Errno Preresume() => _pool.Preresume(this);

    public override void Resume() => _pool.Resume();

    public override void Destroy()
    {
        _pool.Unbind(this);
        _pool.Put();
    }

    /// <remarks>Linux drivers/md/dm-thin.c: pool_io_hints().</remarks>
    public override void IoHints(ref QueueLimits limits)
    {
        uint block = _pool.BlockSectors, best = limits.IoOpt >> 9;
        if (limits.MaxSectors < block)
        {
            while (block % limits.MaxSectors != 0)
            {
                if (BitOperations.IsPow2(limits.MaxSectors))
                    limits.MaxSectors--;
                limits.MaxSectors = 1u << BitOperations.Log2(limits.MaxSectors);
            }
        }
        if (best < block || best % block != 0)
        {
            limits.IoMin = unchecked((block % limits.MaxSectors == 0 ? limits.MaxSectors : block) << 9);
            limits.IoMin = Math.Max(limits.IoMin, Math.Max(limits.LogicalBlockSize, limits.PhysicalBlockSize));
            limits.IoOpt = block << 9;
        }
        if (Adjusted.DiscardEnabled)
        {
            DisablePassdownIfUnsupported();
            return;
        }
        limits.DiscardGranularity = 0;
        if (_quirks.ThinDiscardsByBlocks)
            limits.MaxDiscardSectors = limits.MaxHwDiscardSectors = 0;
    }

    private void DisablePassdownIfUnsupported()
    {
        if (!Adjusted.DiscardPassdown)
            return;
        ref readonly var below = ref _data.Device.Limits;
        string? reason = below.MaxDiscardSectors == 0 ? "discard unsupported" : below.MaxDiscardSectors < _pool.BlockSectors ? "max discard sectors smaller than a block" : null;
        if (reason is null)
            return;
        Log($"Data device ({_data.Device.Name}) {reason}: Disabling discard passdown.");
        Adjusted.DiscardPassdown = false;
    }

    // ---- status ------------------------------------------------------------------------------------------------------------------

    public override void Status(StatusKind kind, bool noFlush, StringBuilder text)
    {
        if (kind == StatusKind.Table)
            WriteTable(text);
        else
            WriteInfo(noFlush, text);
    }

    private void WriteTable(StringBuilder text)
    {
        _ = text.Append($"{_metadata.Name} {_data.Name} {_pool.BlockSectors} {LowWaterBlocks} ");
        (bool On, string Word)[] features =
        [
            (!Requested.ZeroNewBlocks, "skip_block_zeroing "), (!Requested.DiscardEnabled, "ignore_discard "), (!Requested.DiscardPassdown, "no_discard_passdown "),
            (Requested.Mode == PoolMode.ReadOnly, "read_only "), (Requested.ErrorIfNoSpace, "error_if_no_space "),
        ];
        _ = text.Append($"{features.Count(static f => f.On)} ");
        foreach (var (on, word) in features)
            _ = text.Append(on ? word : "");
    }

    private void WriteInfo(bool noFlush, StringBuilder text)
    {
        if (_pool.Mode == PoolMode.Fail)
        {
            _ = text.Append("Fail");
            return;
        }
        if (!noFlush && !Table.Device.IsSuspended)
            _ = _pool.Commit();
        var metadata = _pool.Metadata;
        if (metadata.HasFailed)
        {
            _pool.LogFailedQuestion("dm_pool_get_metadata_transaction_id");
            _ = text.Append("Error");
            return;
        }
        var features = _pool.Features;
        ulong total = metadata.MetadataBlocks, data = metadata.DataBlocks, held = metadata.HeldRoot;
        _ = text.Append($"{metadata.TransactionId} {total - metadata.FreeMetadataBlocks}/{total} {data - metadata.FreeDataBlocks}/{data} ");
        _ = text.Append(held != 0 ? $"{held} " : "- ");
        _ = text.Append(features.Mode switch { PoolMode.OutOfDataSpace => "out_of_data_space ", PoolMode.Write => "rw ", _ => "ro " });
        _ = text.Append(!features.DiscardEnabled ? "ignore_discard " : features.DiscardPassdown ? "discard_passdown " : "no_discard_passdown ");
        _ = text.Append(features.ErrorIfNoSpace ? "error_if_no_space " : "queue_if_no_space ");
        _ = text.Append(metadata.NeedsCheck ? "needs_check " : "- ").Append($"{Threshold} ");
    }
}
