using System.Buffers;
using System.Runtime.InteropServices;
using DriverLab.Block;
using DriverLab.Formats;
using DriverLab.Formats.Snapshot;
using DriverLab.Linux;

namespace DriverLab.DeviceMapper.Targets;

/// <summary>A store on the copy-on-write device: a header, then areas of metadata, each before the chunks that it tells of.</summary>
/// <remarks>Linux drivers/md/dm-snap-persistent.c.</remarks>
internal sealed class PersistentStore(BlockDevice origin, BlockDevice cow, uint chunkSectors, DeviceMapper driver) : ExceptionStore(cow, chunkSectors)
{
    private const uint DefaultChunkSectors = 32, Version = 1;
    private const int HeaderChunks = 1;
    private readonly List<IExceptionCommitted> _waiting = [];
    private byte[] _area = [];
    private int _areaBytes;

    /// <summary>A request has not ended: a call that hangs leaves it behind, and its memory must not serve another store.</summary>
    private bool _isUnderWay;
    private ulong _currentArea, _next = HeaderChunks + 1;
    private int _committed, _pending;
    private bool _isValid = true;

    public override bool CanMerge => true;

    public override string Name => KeepsOverflow ? "PO" : "P";

    private int PerArea => _areaBytes / 16;

    private Span<SnapshotException> Exceptions => MemoryMarshal.Cast<byte, SnapshotException>(_area.AsSpan(0, _areaBytes));

    private void Log(string line) => driver.Log("persistent snapshot", line);

    // ---- chunks ------------------------------------------------------------------------------------------------------------------

    private bool Transfer(BioOp op, ulong chunk, byte[] data, BioFlags flags = BioFlags.None)
    {
        var scope = Cow.Layer.EnterWorker();
        try
        {
            var bio = Cow.Layer.AllocBio();
            bio.Device = Cow;
            bio.Op = op;
            bio.Flags = flags;
            bio.Sector = (long)chunk * ChunkSectors;
            bio.Sectors = _areaBytes >> 9;
            bio.Data = data;
            _isUnderWay = true;
            var status = Cow.Layer.SubmitAndWait(bio);
            _isUnderWay = false;
            return status == BlkStatus.OK;
        }
        finally
        {
            Cow.Layer.LeaveWorker(scope);
        }
    }

    private ulong AreaChunk(ulong area) => HeaderChunks + area * (ulong)(PerArea + 1);

    private bool WriteArea() => Transfer(BioOp.Write, AreaChunk(_currentArea), _area, BioFlags.PreFlush | BioFlags.Fua | BioFlags.Sync);

    private bool ReadArea() => Transfer(BioOp.Read, AreaChunk(_currentArea), _area);

    private bool ZeroArea(ulong area)
    {
        byte[] zeros = Zeros();
        bool isOk = Transfer(BioOp.Write, AreaChunk(area), zeros);
        ArrayPool<byte>.Shared.Return(zeros);
        return isOk;
    }

    /// <summary>A chunk of zeros, to be returned to the pool: chunks may have 32 MiB.</summary>
    private byte[] Zeros()
    {
        byte[] chunk = ArrayPool<byte>.Shared.Rent(_areaBytes);
        chunk.AsSpan(0, _areaBytes).Clear();
        return chunk;
    }

    private void NewArea()
    {
        Release();
        _areaBytes = (int)ChunkSectors << 9;
        _area = Zeros();
    }

    public override void Release()
    {
        if (_area.Length > 0 && !_isUnderWay)
            ArrayPool<byte>.Shared.Return(_area);
        (_area, _areaBytes) = ([], 0);
    }

    private void SkipMetadata()
    {
        if (_next % (ulong)(PerArea + 1) == HeaderChunks)
            _next++;
    }

    // ---- reading -----------------------------------------------------------------------------------------------------------------

    public override Errno Read(Action<ulong, ulong> add, out bool isValid)
    {
        isValid = true;
        var error = ReadHeader(out bool isNew, out uint version);
        if (error != Errno.OK)
            return error;
        if (isNew)
            return MakeNew();
        if (version != Version)
        {
            Log($"unable to handle snapshot disk version {version}");
            return Errno.EINVAL;
        }
        isValid = _isValid;
        return isValid ? ReadExceptions(add) : Errno.OK;
    }

    private Errno ReadHeader(out bool isNew, out uint version)
    {
        (isNew, version) = (false, Version);
        bool wasGiven = ChunkSectors != 0;
        if (!wasGiven)
            ChunkSectors = Math.Max(DefaultChunkSectors, Cow.Limits.LogicalBlockSize >> 9);
        NewArea();
        // The area's room is free until it is read or made.
        if (!Transfer(BioOp.Read, 0, _area))
            return Errno.EIO;
        var header = DiskView.Read<SnapshotHeader>(_area);
        if (header.Magic.Value == 0)
        {
            isNew = true;
            return Errno.OK;
        }
        if (header.Magic.Value != SnapshotHeader.ExpectedMagic)
        {
            Log("Invalid or corrupt snapshot");
            return Errno.ENXIO;
        }
        _isValid = header.Valid.Value != 0;
        version = header.Version.Value;
        uint chunk = header.ChunkSizeSectors.Value;
        if (chunk == ChunkSectors)
            return Errno.OK;
        if (wasGiven)
            Log($"chunk size {chunk} in device metadata overrides table chunk size of {ChunkSectors}.");
        if (CheckChunk(chunk, origin, Cow) is { } complaint)
        {
            Log($"invalid on-disk chunk size {chunk}: {complaint}.");
            return Errno.EINVAL;
        }
        ChunkSectors = chunk;
        NewArea();
        return Errno.OK;
    }

    private Errno MakeNew()
    {
        _area.AsSpan(0, _areaBytes).Clear();
        if (!WriteHeader())
        {
            Log("write_header failed");
            return Errno.EIO;
        }
        if (ZeroArea(0))
            return Errno.OK;
        Log("zero_disk_area(0) failed");
        return Errno.EIO;
    }

    private bool WriteHeader()
    {
        byte[] block = Zeros();
        ref var header = ref DiskView.Edit<SnapshotHeader>(block);
        header.Magic = SnapshotHeader.ExpectedMagic;
        header.Valid = _isValid ? 1u : 0u;
        header.Version = Version;
        header.ChunkSizeSectors = ChunkSectors;
        bool isOk = Transfer(BioOp.Write, 0, block);
        ArrayPool<byte>.Shared.Return(block);
        return isOk;
    }

    private Errno ReadExceptions(Action<ulong, ulong> add)
    {
        for (_currentArea = 0; ; _currentArea++)
        {
            if (!ReadArea())
                return Errno.EIO;
            for (_committed = 0; _committed < PerArea && Exceptions[_committed].NewChunk.Value != 0; _committed++)
            {
                var exception = Exceptions[_committed];
                _next = Math.Max(_next, exception.NewChunk.Value + 1);
                add(exception.OldChunk.Value, exception.NewChunk.Value);
            }
            if (_committed < PerArea)
                break;
        }
        SkipMetadata();
        return Errno.OK;
    }

    // ---- writing -----------------------------------------------------------------------------------------------------------------

    public override bool TryPrepare(out ulong newChunk)
    {
        newChunk = _next;
        if ((ulong)Cow.CapacitySectors < (_next + 1) * ChunkSectors)
            return false;
        _next++;
        SkipMetadata();
        _pending++;
        return true;
    }

    /// <summary>The area is written when nothing more is under way, or when it is full; then the next one has been emptied before.</summary>
    public override void Commit(ulong oldChunk, ulong newChunk, bool isOk, IExceptionCommitted done)
    {
        _isValid &= isOk;
        Exceptions[_committed++] = new() { OldChunk = oldChunk, NewChunk = newChunk };
        _waiting.Add(done);
        bool isFull = _committed == PerArea;
        if (--_pending > 0 && !isFull)
            return;
        if (isFull && !ZeroArea(_currentArea + 1))
            _isValid = false;
        if (_isValid && !WriteArea())
            _isValid = false;
        if (isFull)
        {
            _committed = 0;
            _currentArea++;
            _area.AsSpan(0, _areaBytes).Clear();
        }
        IExceptionCommitted[] told = [.. _waiting];
        _waiting.Clear();
        foreach (var one in told)
            one.Committed(_isValid);
    }

    public override void Drop()
    {
        _isValid = false;
        if (!WriteHeader())
            Log("write header failed");
    }

    public override (long Allocated, long Total, long Metadata) Usage
        => ((long)_next * ChunkSectors, Cow.CapacitySectors, (long)(_currentArea + 1 + HeaderChunks) * ChunkSectors);

    // ---- merging -----------------------------------------------------------------------------------------------------------------

    public override int PrepareMerge(out ulong lastOld, out ulong lastNew)
    {
        lastOld = lastNew = 0;
        if (_committed == 0)
        {
            if (_currentArea == 0)
                return 0;
            _currentArea--;
            if (!ReadArea())
                return -1;
            _committed = PerArea;
        }
        var last = Exceptions[_committed - 1];
        (lastOld, lastNew) = (last.OldChunk.Value, last.NewChunk.Value);
        int run = 1;
        for (; run < _committed; run++)
        {
            var before = Exceptions[_committed - 1 - run];
            if (before.OldChunk.Value != unchecked(lastOld - (ulong)run) || before.NewChunk.Value != unchecked(lastNew - (ulong)run)) // nothing lies before chunk 0
                break;
        }
        return run;
    }

    public override bool CommitMerge(int count)
    {
        Exceptions.Slice(_committed - count, count).Clear();
        if (!WriteArea())
            return false;
        _committed -= count;
        _next = AreaChunk(_currentArea) + (ulong)_committed + 1;
        return true;
    }
}
