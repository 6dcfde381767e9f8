using DriverLab.Block;
using DriverLab.DeviceMapper.PersistentData;
using DriverLab.Formats;
using DriverLab.Formats.PersistentData;
using DriverLab.Formats.Thin;
using DriverLab.Linux;

namespace DriverLab.DeviceMapper.Targets;

/// <summary>The metadata of a thin pool: which devices there are, where their blocks are, what is free; in transactions.</summary>
/// <remarks>Linux drivers/md/dm-thin-metadata.c: struct dm_pool_metadata.</remarks>
internal sealed partial class ThinMetadata
{
    private const ulong SuperblockAt = 0, MostReserve = 4096;
    private readonly BlockDevice _device;
    private readonly DeviceMapper _driver;
    private readonly uint _blockSectors;
    private readonly Dictionary<ulong, ThinDevice> _devices = [];
    private readonly List<ThinDevice> _gone = [];
    private BlockManager _blocks = null!;
    private TransactionManager _transactions = null!;
    private MetadataSpaceMap _metadataMap = null!;
    private DataSpaceMap _dataMap = null!;
    private Btree _top = null!, _mappings = null!, _details = null!;
    private ulong _root, _detailsRoot;
    private uint _time, _flags;
    private ulong _reserve;
    private bool _failed, _isInService;
    private int _depth;

    private ThinMetadata(BlockDevice device, uint blockSectors, DeviceMapper driver)
    {
        _device = device;
        _blockSectors = blockSectors;
        _driver = driver;
    }

    /// <summary>Most blocks that a metadata device can have.</summary>
    public const long MostMetadataBlocks = SpaceMapIndexBlock.MaxBitmaps * (long)SpaceMapBitmap.EntriesPerBlock;

    /// <summary>A number that users keep here.</summary>
    public ulong TransactionId { get; private set; }

    /// <summary>The metadata must be checked before they are written again.</summary>
    public bool NeedsCheck => (_flags & ThinSuperblock.NEEDS_CHECK) != 0;

    /// <summary>True while an operation waits for the device in the middle of its work.</summary>
    public bool IsBusy => _depth > 0;

    /// <summary>Told when an operation that others may have waited for has ended.</summary>
    public Action? OnIdle { get; set; }

    /// <summary>Called before a commit writes anything.</summary>
    public Func<Errno>? BeforeCommit { get; set; }

    private void Enter(bool changes)
    {
        _depth++;
        _isInService |= changes;
        if (!_failed)
            return;
        throw new MetadataException(Errno.EINVAL);
    }

    private void Leave()
    {
        if (--_depth > 0)
            return;
        _blocks.Trim();
        OnIdle?.Invoke();
    }

    // ---- opening -----------------------------------------------------------------------------------------------------------------

    /// <summary>Opens the metadata on a device; when its first block is all zeros they are made.</summary>
    /// <returns>EPERM (nothing there, and none may be made), EILSEQ, ENOTBLK, EINVAL, EIO, ENOSPC.</returns>
    public static SysResult<ThinMetadata> Open(BlockDevice device, uint blockSectors, bool mayFormat, DeviceMapper driver)
    {
        var metadata = new ThinMetadata(device, blockSectors, driver);
        try
        {
            metadata.Open(mayFormat);
            metadata.BeginTransaction();
            metadata.SetReserve();
            return metadata;
        }
        catch (MetadataException e)
        {
            return e.Error;
        }
    }

    private void Open(bool mayFormat)
    {
        _blocks = new(_device, _driver);
        _transactions = new(_blocks);
        _metadataMap = new(_transactions, _driver);
        _dataMap = new(_transactions, _driver.Quirks);
        _mappings = new(_transactions, new MappingValues(this));
        _top = new(_transactions, new SubtreeValues(this));
        _details = new(_transactions, new PlainValues(24));
        if (_blocks.IsZero(SuperblockAt))
        {
            if (!mayFormat)
                throw new MetadataException(Errno.EPERM);
            Format();
            return;
        }
        Try(() => ReadSuperblock(), ("thin metadata", "couldn't read superblock"));
        ref readonly var sb = ref ReadSuperblock();
        CheckSuperblock(sb);
        var (metadataRoot, dataRoot) = (sb.MetadataSpaceMap.Root, sb.DataSpaceMap.Root);
        Try(() => _metadataMap.Open(metadataRoot), ("transaction manager", "couldn't open metadata space map"), ("thin metadata", "tm_open_with_sm failed"));
        Try(() => _dataMap.Open(dataRoot), ("thin metadata", "sm_disk_open failed"));
    }

    private ref readonly ThinSuperblock ReadSuperblock() => ref DiskView.Read<ThinSuperblock>(_blocks.Read(SuperblockAt, MetadataBlockKind.Superblock).Data);

    private void CheckSuperblock(in ThinSuperblock sb)
    {
        if (sb.DataBlockSizeSectors.Value != _blockSectors)
        {
            _driver.Log("thin metadata", $"changing the data block size (from {sb.DataBlockSizeSectors.Value} to {_blockSectors}) is not supported");
            throw new MetadataException(Errno.EINVAL);
        }
        if (sb.IncompatFlags.Value != 0)
        {
            _driver.Log("thin metadata", $"could not access metadata due to unsupported optional features ({sb.IncompatFlags.Value:x}).");
            throw new MetadataException(Errno.EINVAL);
        }
        if (_device.IsReadOnly || sb.CompatReadOnlyFlags.Value == 0)
            return;
        _driver.Log("thin metadata", $"could not access metadata RDWR due to unsupported optional features ({sb.CompatReadOnlyFlags.Value:x}).");
        throw new MetadataException(Errno.EINVAL);
    }

    /// <remarks>Linux drivers/md/dm-thin-metadata.c: __format_metadata(), __write_initial_superblock().</remarks>
    private void Format()
    {
        ulong blocks = (ulong)Math.Min(_device.CapacitySectors / BlockManager.SectorsPerBlock, MostMetadataBlocks);
        Try(() => _metadataMap.Make(blocks), ("transaction manager", "couldn't create metadata space map"), ("thin metadata", "tm_create_with_sm failed"));
        Try(_dataMap.Make, ("thin metadata", "sm_disk_create failed"));
        _root = _top.MakeEmpty();
        _detailsRoot = _details.MakeEmpty();
        _dataMap.Commit();
        _transactions.PreCommit();
        var buffer = _blocks.WriteZero(SuperblockAt, MetadataBlockKind.Superblock);
        ref var sb = ref DiskView.Edit<ThinSuperblock>(buffer.Data);
        sb.Magic = ThinSuperblock.ExpectedMagic;
        sb.Version = 2u;
        sb.DataBlockSizeSectors = _blockSectors;
        sb.MetadataBlockSizeSectors = (uint)BlockManager.SectorsPerBlock;
        sb.MetadataBlockCount = blocks;
        WriteRoots(ref sb);
        _transactions.Commit();
    }

    /// <summary>Does something, and tells the log when it fails.</summary>
    private void Try(Action action, params ReadOnlySpan<(string Part, string Line)> complaints)
    {
        try
        {
            action();
        }
        catch (MetadataException)
        {
            foreach (var (part, line) in complaints)
                _driver.Log(part, line);
            throw;
        }
    }

    private void WriteRoots(ref ThinSuperblock sb)
    {
        sb.MappingRoot = _root;
        sb.DetailsRoot = _detailsRoot;
        sb.DataSpaceMap = new() { Root = _dataMap.Root };
        sb.MetadataSpaceMap = new() { Root = _metadataMap.Root };
    }

    /// <summary>Takes what the superblock says as the state of the new transaction.</summary>
    private void BeginTransaction()
    {
        ref readonly var sb = ref ReadSuperblock();
        _time = sb.Time.Value;
        _root = sb.MappingRoot.Value;
        _detailsRoot = sb.DetailsRoot.Value;
        TransactionId = sb.TransactionId.Value;
        _flags = sb.Flags.Value;
    }

    private void SetReserve() => _reserve = Math.Min(MostReserve, _metadataMap.BlockCount / 10);

    /// <summary>Ends the use of the metadata; what has changed is written.</summary>
    public void Close()
    {
        if (_failed)
        {
            _blocks.Release();
            return;
        }
        if (_blocks.IsReadOnly)
            _ = _blocks.WriteBack();
        else if (Commit() is var error and not Errno.OK)
            _driver.Log("thin metadata", $"dm_pool_metadata_close: __commit_transaction() failed, error = -{(int)error}");
        _blocks.Release();
    }

    // ---- transactions ------------------------------------------------------------------------------------------------------------

    /// <summary>Writes everything that has changed since the last commit. Nothing happens when nothing ever has.</summary>
    /// <returns>EINVAL (failed before), EIO, ENOSPC, EPERM.</returns>
    public Errno Commit()
    {
        _depth++;
        try
        {
            if (_failed)
                return Errno.EINVAL;
            CommitTransaction();
            BeginTransaction();
            return Errno.OK;
        }
        catch (MetadataException e)
        {
            return e.Error;
        }
        finally
        {
            Leave();
        }
    }

    /// <remarks>Linux drivers/md/dm-thin-metadata.c: __commit_transaction().</remarks>
    private void CommitTransaction()
    {
        if (!_isInService)
            return;
        if (BeforeCommit?.Invoke() is { } error and not Errno.OK)
        {
            _driver.Log("thin metadata", "pre-commit callback failed");
            throw new MetadataException(error);
        }
        WriteDetails();
        _dataMap.Commit();
        _transactions.PreCommit();
        var buffer = _blocks.Write(SuperblockAt, MetadataBlockKind.Superblock);
        ref var sb = ref DiskView.Edit<ThinSuperblock>(buffer.Data);
        sb.Time = _time;
        sb.TransactionId = TransactionId;
        sb.Flags = _flags;
        WriteRoots(ref sb);
        _transactions.Commit();
    }

    private void WriteDetails()
    {
        foreach (var device in _devices.Values)
        {
            if (!device.IsChanged)
                continue;
            var details = new ThinDeviceDetails
            {
                MappedBlocks = device.MappedBlocks,
                TransactionId = device.TransactionId,
                CreationTime = device.CreationTime,
                SnapshottedTime = device.SnapshottedTime,
            };
            _ = _details.Insert(ref _detailsRoot, device.Id, System.Runtime.InteropServices.MemoryMarshal.AsBytes(new ReadOnlySpan<ThinDeviceDetails>(in details)));
            device.IsChanged = false;
            if (device.OpenCount == 0)
                _gone.Add(device);
        }
        foreach (var device in _gone)
            _ = _devices.Remove(device.Id);
        _gone.Clear();
    }

    /// <summary>Goes back to the last commit. If even that fails, nothing works any more.</summary>
    /// <remarks>Linux drivers/md/dm-thin-metadata.c: dm_pool_abort_metadata().</remarks>
    public Errno Abort()
    {
        if (_failed)
            return Errno.EINVAL;
        foreach (var device in _devices.Values)
        {
            device.LostChanges = device.IsChanged;
            device.MappingRootOf = 0;
        }
        _depth++;
        try
        {
            bool isReadOnly = _blocks.IsReadOnly;
            if (_depth == 1)
                _blocks.Release();
            Open(mayFormat: false);
            _blocks.IsReadOnly = isReadOnly;
            RestoreThreshold();
            BeginTransaction();
            return Errno.OK;
        }
        catch (MetadataException e)
        {
            _failed = true;
            return e.Error;
        }
        finally
        {
            Leave();
        }
    }

    /// <summary>Marks the metadata, on disk too, as in need of a check.</summary>
    public Errno SetNeedsCheck()
    {
        _depth++;
        try
        {
            if (_failed)
                return Errno.EINVAL;
            _isInService = true;
            _flags |= ThinSuperblock.NEEDS_CHECK;
            DiskView.Edit<ThinSuperblock>(_blocks.Write(SuperblockAt, MetadataBlockKind.Superblock).Data).Flags = _flags;
            return Errno.OK;
        }
        catch (MetadataException e)
        {
            return e.Error;
        }
        finally
        {
            Leave();
        }
    }

    /// <summary>True when even going back to the last commit failed: nothing works any more.</summary>
    public bool HasFailed => _failed;

    /// <summary>Refuses every change from now on.</summary>
    public void MakeReadOnly() => _blocks.IsReadOnly = true;

    /// <summary>Takes changes again.</summary>
    public void MakeWritable() => _blocks.IsReadOnly = _failed;

    /// <summary>True when a device has changed in this transaction.</summary>
    public bool HasChanges
    {
        get
        {
            foreach (var device in _devices.Values)
                if (device.IsChanged)
                    return true;
            return false;
        }
    }

    // ---- sizes -------------------------------------------------------------------------------------------------------------------

    public ulong FreeDataBlocks => _dataMap.FreeCount;

    public ulong DataBlocks => _dataMap.BlockCount;

    public ulong MetadataBlocks => _metadataMap.BlockCount;

    /// <summary>Free metadata blocks above the reserve.</summary>
    public ulong FreeMetadataBlocks => _metadataMap.FreeCount < Reserve ? 0 : _metadataMap.FreeCount - Reserve;

    private ulong Reserve => _device.Layer.World.Mutations.Has(Simulation.Mutation.ThinReserveForgotten) ? 0 : _reserve;

    /// <summary>The block of the metadata snapshot, or 0.</summary>
    public ulong HeldRoot
    {
        get
        {
            try
            {
                return ReadSuperblock().HeldRoot.Value;
            }
            catch (MetadataException)
            {
                return 0;
            }
        }
    }

    private (ulong Blocks, Action OnLow) _threshold;

    /// <summary>Calls back once when few metadata blocks are free.</summary>
    public void SetThreshold(ulong blocks, Action onLow)
    {
        _threshold = (blocks, onLow);
        RestoreThreshold();
    }

    private void RestoreThreshold()
    {
        if (_threshold.OnLow is not null)
            _metadataMap.SetThreshold(_threshold.Blocks, _threshold.OnLow);
    }

    public Errno ResizeData(ulong blocks) => Resize(() => _dataMap.Extend(blocks - _dataMap.BlockCount));

    public Errno ResizeMetadata(ulong blocks) => Resize(() =>
    {
        _metadataMap.Extend(blocks - _metadataMap.BlockCount);
        SetReserve();
    });

    private Errno Resize(Action extend)
    {
        try
        {
            Enter(changes: true);
            extend();
            return Errno.OK;
        }
        catch (MetadataException e)
        {
            return e.Error;
        }
        finally
        {
            Leave();
        }
    }

    // ---- what values of the trees count -------------------------------------------------------------------------------------------

    /// <summary>Mapping trees, by thin id.</summary>
    private sealed class SubtreeValues(ThinMetadata metadata) : BtreeValues(8)
    {
        public override bool AreTrees => true;

        public override void Inc(ReadOnlySpan<byte> values) => ForEach(values, metadata._transactions.Inc);

        /// <remarks>A tree that cannot be read stays, and the deletion succeeds. Linux drivers/md/dm-thin-metadata.c: subtree_dec().</remarks>
        public override void Dec(ReadOnlySpan<byte> values) => ForEach(values, root =>
        {
            try
            {
                metadata._mappings.Delete(root);
            }
            catch (MetadataException)
            {
                metadata._driver.Log("thin metadata", "btree delete failed");
            }
        });

        public override bool Same(ReadOnlySpan<byte> a, ReadOnlySpan<byte> b) => a.SequenceEqual(b);

        private static void ForEach(ReadOnlySpan<byte> values, Action<ulong> action)
        {
            foreach (var root in System.Runtime.InteropServices.MemoryMarshal.Cast<byte, Le<ulong>>(values))
                action(root.Value);
        }
    }

    /// <summary>Data blocks, by virtual block. Counts that cannot be changed stay, and who changes the tree is not told.</summary>
    /// <remarks>Linux drivers/md/dm-thin-metadata.c: data_block_inc(), data_block_dec(), with_runs().</remarks>
    private sealed class MappingValues(ThinMetadata metadata) : BtreeValues(8)
    {
        public override void Inc(ReadOnlySpan<byte> values) => ForEach(values, metadata._dataMap.Inc);

        public override void Dec(ReadOnlySpan<byte> values) => ForEach(values, metadata._dataMap.Dec);

        /// <summary>A run of neighbours ends with the first that fails, where the kernel counts runs.</summary>
        private void ForEach(ReadOnlySpan<byte> values, Action<ulong> action)
        {
            ulong? failed = null;
            foreach (var value in System.Runtime.InteropServices.MemoryMarshal.Cast<byte, Le<ulong>>(values))
            {
                ulong block = value.Value >> 24;
                if (failed is { } last && last + 1 == block && metadata._driver.Quirks.CountsRuns)
                {
                    failed = block;
                    continue;
                }
                failed = null;
                try
                {
                    action(block);
                }
                catch (MetadataException)
                {
                    failed = block;
                }
            }
        }

        public override bool Same(ReadOnlySpan<byte> a, ReadOnlySpan<byte> b)
            => System.Runtime.InteropServices.MemoryMarshal.Read<Le<ulong>>(a).Value >> 24 == System.Runtime.InteropServices.MemoryMarshal.Read<Le<ulong>>(b).Value >> 24;
    }
}
