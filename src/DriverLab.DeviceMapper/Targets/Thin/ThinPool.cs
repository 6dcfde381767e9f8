using DriverLab.Block;
using DriverLab.Linux;
using DriverLab.Simulation;

namespace DriverLab.DeviceMapper.Targets;

/// <summary>What a pool does with I/O.</summary>
internal enum PoolMode
{
    Write,
    OutOfDataSpace,
    OutOfMetadataSpace,
    ReadOnly,
    Fail,
}

/// <summary>The features of a pool.</summary>
internal record struct PoolFeatures(PoolMode Mode, bool ZeroNewBlocks, bool DiscardEnabled, bool DiscardPassdown, bool ErrorIfNoSpace)
{
    public static PoolFeatures Default => new(PoolMode.Write, ZeroNewBlocks: true, DiscardEnabled: true, DiscardPassdown: true, ErrorIfNoSpace: false);
}

/// <summary>The pools of a kernel: a pool lives as long as a table of its device does, and is found by that device.</summary>
public sealed class ThinPools
{
    internal List<ThinPool> All { get; } = [];

    /// <summary>How long writes wait for space in a full pool, in seconds; 0: for ever. The module's parameter.</summary>
    public uint NoSpaceTimeoutSeconds { get; set; } = 60;

    internal ThinPool? Find(MappedDevice device) => All.Find(p => p.Device == device);

    internal ThinPool? FindByMetadata(BlockDevice metadata) => All.Find(p => p.MetadataDevice == metadata);
}

/// <summary>A thin pool at work: shared by the tables of its device and by the thin devices on it.</summary>
/// <remarks>Linux drivers/md/dm-thin.c: struct pool.</remarks>
internal sealed partial class ThinPool
{
    private const long SecondNs = 1_000_000_000;
    private readonly ThinPools _pools;
    private int _users;

    private ThinPool(ThinPools pools, MappedDevice device, BlockDevice metadataDevice, BlockDevice dataDevice, ThinMetadata metadata, uint blockSectors)
    {
        _pools = pools;
        Device = device;
        MetadataDevice = metadataDevice;
        DataDevice = dataDevice;
        Metadata = metadata;
        BlockSectors = blockSectors;
        LastCommitNs = Clock.NowNs;
        Copier = new(device.Layer);
        _worker = new(this);
        (_waker, _retryWaker) = (new(this), new(this));
        metadata.OnIdle = GoOn;
        pools.All.Add(this);
    }

    public MappedDevice Device { get; }
    public BlockDevice MetadataDevice { get; }
    public BlockDevice DataDevice { get; }
    public ThinMetadata Metadata { get; }
    public uint BlockSectors { get; }
    public Kcopyd Copier { get; }
    public List<ThinTarget> ActiveThins { get; } = [];

    /// <summary>The target of the table that is live, or is being made so.</summary>
    public ThinPoolTarget? Target { get; private set; }

    public PoolFeatures Features;

    public ulong LowWaterBlocks { get; private set; }

    public bool IsSuspended { get; private set; } = true;

    private bool LowWaterTriggered { get; set; }

    private Clock Clock => Device.Layer.World.Clock;

    private MutationSet Mutations => Device.Layer.World.Mutations;

    /// <summary>The name under which the pool's device appears in the log.</summary>
    private string Name => Device.Number.ToString();

    /// <summary>Says that metadata which have failed were asked for something.</summary>
    public void LogFailedQuestion(string function) => Log($"{Name}: {function} returned -{(int)Errno.EINVAL}");

    private void Log(string line) => Device.Driver.Log("thin", line);

    /// <summary>Finds the pool of a device, or makes it.</summary>
    /// <param name="pools">All pools.</param>
    /// <param name="device">The pool's device.</param>
    /// <param name="metadata">Its metadata device.</param>
    /// <param name="data">Its data device.</param>
    /// <param name="blockSectors">Size of a block.</param>
    /// <param name="mayFormat">Empty metadata may be made.</param>
    /// <param name="sentence">Why not.</param>
    /// <param name="isNew">The pool was made just now.</param>
    /// <remarks>Linux drivers/md/dm-thin.c: __pool_find().</remarks>
    public static SysResult<ThinPool> Get(ThinPools pools, MappedDevice device, BlockDevice metadata, BlockDevice data, uint blockSectors, bool mayFormat, out string sentence, out bool isNew)
    {
        isNew = false;
        sentence = "";
        if (pools.FindByMetadata(metadata) is { } byMetadata)
        {
            if (byMetadata.Device != device)
                return Refuse("metadata device already in use by a pool", Errno.EBUSY, out sentence);
            if (byMetadata.DataDevice != data)
                return Refuse("data device already in use by a pool", Errno.EBUSY, out sentence);
            byMetadata._users++;
            return byMetadata;
        }
        if (pools.Find(device) is not null)
            return Refuse("different pool cannot replace a pool", Errno.EINVAL, out sentence);
        var opened = ThinMetadata.Open(metadata, blockSectors, mayFormat, device.Driver);
        if (!opened.IsOk)
            return Refuse("Error creating metadata object", opened.Error, out sentence);
        isNew = true;
        return new ThinPool(pools, device, metadata, data, opened.Value, blockSectors) { _users = 1, Features = PoolFeatures.Default };
    }

    private static Errno Refuse(string text, Errno error, out string sentence)
    {
        sentence = text;
        return error;
    }

    public void Hold() => _users++;

    public void Put()
    {
        if (--_users > 0)
            return;
        _ = _pools.All.Remove(this);
        Metadata.Close();
    }

    // ---- modes -------------------------------------------------------------------------------------------------------------------

    public PoolMode Mode => Features.Mode;

    private bool IsReadOnlyMode => Mode is PoolMode.OutOfMetadataSpace or PoolMode.ReadOnly;

    /// <summary>Takes over what a table asks for.</summary>
    /// <remarks>Linux drivers/md/dm-thin.c: bind_control_target().</remarks>
    public void Bind(ThinPoolTarget target)
    {
        var oldMode = Mode;
        var newMode = target.Adjusted.Mode;
        target.Adjusted.Mode = oldMode;
        Target = target;
        Features = target.Adjusted;
        LowWaterBlocks = target.LowWaterBlocks;
        SetMode(newMode);
    }

    public void Unbind(ThinPoolTarget target)
    {
        if (Target == target)
            Target = null;
    }

    /// <remarks>Linux drivers/md/dm-thin.c: set_pool_mode().</remarks>
    public void SetMode(PoolMode mode)
    {
        var old = Mode;
        if (mode == PoolMode.Write && Metadata.NeedsCheck)
        {
            Log($"{Name}: unable to switch pool to write mode until repaired.");
            mode = old != mode ? old : PoolMode.ReadOnly;
        }
        if (old == PoolMode.Fail)
            mode = old;
        switch (mode)
        {
            case PoolMode.Fail or PoolMode.OutOfMetadataSpace or PoolMode.ReadOnly:
                Metadata.MakeReadOnly();
                FailRetries(BlkStatus.IoError);
                break;
            case PoolMode.OutOfDataSpace:
                if (!Features.ErrorIfNoSpace && _pools.NoSpaceTimeoutSeconds > 0)
                    ArmNoSpaceTimer();
                break;
            case PoolMode.Write:
                _noSpaceTimer = null;
                if (Target is not null)
                    Features.ErrorIfNoSpace = Target.Requested.ErrorIfNoSpace;
                Metadata.MakeWritable();
                break;
        }
        Features.Mode = mode;
        if (Target is not null)
            Target.Adjusted.Mode = mode;
        if (old != mode)
            TellMode();
    }

    private void TellMode()
    {
        string text = Mode switch
        {
            PoolMode.Write => "write",
            PoolMode.OutOfDataSpace => $"out-of-data-space{(Features.ErrorIfNoSpace ? " (error IO)" : " (queue IO)")}",
            PoolMode.OutOfMetadataSpace or PoolMode.ReadOnly => "read-only",
            PoolMode.Fail => "fail",
        };
        RaiseEvent();
        Log($"{Name}: switching pool to {text} mode");
    }

    private void RaiseEvent() => Target?.Table.Device.RaiseEvent();

    // ---- the timer of a full pool ------------------------------------------------------------------------------------------------

    private NoSpaceTimer? _noSpaceTimer;

    private void ArmNoSpaceTimer()
    {
        _noSpaceTimer = new(this);
        Device.Layer.World.Queue.Add(_noSpaceTimer, Clock.NowNs + _pools.NoSpaceTimeoutSeconds * SecondNs);
    }

    private sealed class NoSpaceTimer(ThinPool pool) : WorkItem
    {
        public override void Run()
        {
            if (pool._noSpaceTimer == this)
                pool.NoSpaceTimeout();
        }
    }

    private void NoSpaceTimeout()
    {
        _noSpaceTimer = null;
        if (Mode != PoolMode.OutOfDataSpace || Features.ErrorIfNoSpace)
            return;
        Features.ErrorIfNoSpace = true;
        TellMode();
        FailRetries(BlkStatus.NoSpace);
    }

    // ---- commits -----------------------------------------------------------------------------------------------------------------

    private long LastCommitNs { get; set; }

    /// <summary>Commits; a failure makes the pool read-only.</summary>
    /// <remarks>Linux drivers/md/dm-thin.c: commit().</remarks>
    public Errno Commit()
    {
        if (Mode >= PoolMode.OutOfMetadataSpace)
            return Errno.EINVAL;
        var error = Metadata.Commit();
        if (error != Errno.OK)
        {
            OperationFailed("dm_pool_commit_metadata", error);
            return error;
        }
        if (Metadata.FreeMetadataBlocks == 0 && !IsReadOnlyMode)
        {
            Log("No free metadata blocks");
            SetMode(PoolMode.OutOfMetadataSpace);
        }
        if (Mode == PoolMode.OutOfDataSpace && Metadata.FreeDataBlocks > 0)
        {
            SetMode(PoolMode.Write);
            RequeueRetries();
            WakeAtTick(_retryWaker, Clock.NowNs); // nobody wakes the worker for them
        }
        return Errno.OK;
    }

    /// <summary>Goes back to the last commit and becomes read-only, to be checked.</summary>
    /// <remarks>Linux drivers/md/dm-thin.c: metadata_operation_failed(), abort_transaction().</remarks>
    public void OperationFailed(string operation, Errno error)
    {
        Log($"{Name}: metadata operation '{operation}' failed: error = -{(int)error}");
        Log($"{Name}: aborting current metadata transaction");
        if (Metadata.Abort() != Errno.OK)
        {
            Log($"{Name}: failed to abort metadata transaction");
            SetMode(PoolMode.Fail);
        }
        if (Metadata.SetNeedsCheck() != Errno.OK)
        {
            Log($"{Name}: failed to set 'needs_check' flag in metadata");
            SetMode(PoolMode.Fail);
        }
        SetMode(PoolMode.ReadOnly);
    }

    // ---- suspend and resume -------------------------------------------------------------------------------------------------------

    /// <summary>Grows the maps to what the devices have now.</summary>
    /// <returns>EINVAL: a device is smaller than before.</returns>
    /// <remarks>Linux drivers/md/dm-thin.c: pool_preresume().</remarks>
    public Errno Preresume(ThinPoolTarget target)
    {
        Bind(target);
        var error = GrowData((ulong)(target.Length / BlockSectors), out bool grewData);
        bool grewMetadata = false;
        if (error == Errno.OK)
            error = GrowMetadata(out grewMetadata);
        if (error == Errno.OK && (grewData || grewMetadata))
            _ = Commit();
        return error != Errno.OK && Mode == PoolMode.Fail ? Errno.OK : error;
    }

    private Errno GrowData(ulong blocks, out bool grew)
    {
        grew = false;
        if (Metadata.HasFailed)
        {
            Log($"{Name}: failed to retrieve data device size");
            return Errno.EINVAL;
        }
        ulong before = Metadata.DataBlocks;
        if (blocks < before)
        {
            Log($"{Name}: pool target ({blocks} blocks) too small: expected {before}");
            return Errno.EINVAL;
        }
        if (blocks == before)
            return Errno.OK;
        if (Metadata.NeedsCheck)
        {
            Log($"{Name}: unable to grow the data device until repaired.");
            return Errno.OK;
        }
        if (before > 0)
            Log($"{Name}: growing the data device from {before} to {blocks} blocks");
        var error = Metadata.ResizeData(blocks);
        if (error != Errno.OK)
        {
            OperationFailed("dm_pool_resize_data_dev", error);
            return error;
        }
        grew = true;
        return Errno.OK;
    }

    private Errno GrowMetadata(out bool grew)
    {
        grew = false;
        ulong before = Metadata.MetadataBlocks, blocks = MetadataBlocksOf(MetadataDevice);
        if (blocks < before)
        {
            Log($"{Name}: metadata device ({blocks} blocks) too small: expected {before}");
            return Errno.EINVAL;
        }
        if (blocks == before)
            return Errno.OK;
        if (Metadata.NeedsCheck)
        {
            Log($"{Name}: unable to grow the metadata device until repaired.");
            return Errno.OK;
        }
        WarnIfTooLarge(MetadataDevice);
        Log($"{Name}: growing the metadata device from {before} to {blocks} blocks");
        if (Mode == PoolMode.OutOfMetadataSpace)
            SetMode(PoolMode.Write);
        var error = Metadata.ResizeMetadata(blocks);
        if (error != Errno.OK)
        {
            OperationFailed("dm_pool_resize_metadata_dev", error);
            return error;
        }
        grew = true;
        return Errno.OK;
    }

    /// <summary>Blocks of a metadata device that can be used.</summary>
    public static ulong MetadataBlocksOf(BlockDevice device) => (ulong)Math.Min(device.CapacitySectors / 8, ThinMetadata.MostMetadataBlocks);

    public void WarnIfTooLarge(BlockDevice device) => WarnIfTooLarge(device, Device.Driver);

    public static void WarnIfTooLarge(BlockDevice device, DeviceMapper driver)
    {
        const long mostSectors = ThinMetadata.MostMetadataBlocks * 8, warnAt = 16L << 21;
        if (device.CapacitySectors > warnAt)
            driver.Log("thin", $"Metadata device {device.Name} is larger than {mostSectors} sectors: excess space will not be used.");
    }

    public void Resume()
    {
        RequeueRetries();
        foreach (var thin in ActiveThins)
            thin.Table.Device.ResumeInternally();
        LowWaterTriggered = false;
        IsSuspended = false;
        _resumedNs = Clock.NowNs;
        Wake();
    }

    public void Presuspend()
    {
        IsSuspended = true;
        foreach (var thin in ActiveThins)
            thin.Table.Device.SuspendInternally();
    }

    public void PresuspendUndo()
    {
        foreach (var thin in ActiveThins)
            thin.Table.Device.ResumeInternally();
        IsSuspended = false;
    }

    public void Postsuspend()
    {
        _noSpaceTimer = null;
        DrainWork();
        _ = Commit();
    }
}
