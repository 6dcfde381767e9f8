using System.Numerics;
using DriverLab.Block;
using DriverLab.Linux;

namespace DriverLab.DeviceMapper.Targets;

/// <summary>Is told when an exception is safe in the store.</summary>
internal interface IExceptionCommitted
{
    /// <summary>It is, or the store has failed.</summary>
    void Committed(bool isOk);
}

/// <summary>Where a snapshot keeps which chunks it has copied, and hands out chunks of the copy-on-write device.</summary>
/// <remarks>Linux drivers/md/dm-exception-store.h: struct dm_exception_store_type.</remarks>
internal abstract class ExceptionStore(BlockDevice cow, uint chunkSectors)
{
    protected BlockDevice Cow { get; } = cow;

    /// <summary>Size of a chunk, in sectors; 0 until it is known, and while the exceptions of another snapshot are waited for.</summary>
    public uint ChunkSectors
    {
        get;
        set
        {
            field = value;
            if (value != 0)
                ChunkShift = BitOperations.Log2(value);
        }
    } = chunkSectors;

    /// <summary>The chunk of a sector is the sector shifted by this; what it was before the size became 0.</summary>
    public int ChunkShift { get; private set; } = BitOperations.Log2(Math.Max(chunkSectors, 1));

    /// <summary>The snapshot may stay readable when the store is full.</summary>
    public bool KeepsOverflow { get; set; }

    /// <summary>The store can be merged back.</summary>
    public virtual bool CanMerge => false;

    /// <summary>How the table names it.</summary>
    public abstract string Name { get; }

    /// <summary>Reads what the store holds; an empty one is made.</summary>
    /// <param name="add">Called for each exception: old chunk, new chunk.</param>
    /// <param name="isValid">False: the snapshot has been given up.</param>
    public abstract Errno Read(Action<ulong, ulong> add, out bool isValid);

    /// <summary>Hands out a chunk.</summary>
    /// <returns>False: the device is full.</returns>
    public abstract bool TryPrepare(out ulong newChunk);

    /// <summary>Enters an exception whose data are there.</summary>
    public abstract void Commit(ulong oldChunk, ulong newChunk, bool isOk, IExceptionCommitted done);

    /// <summary>Marks the snapshot as given up.</summary>
    public virtual void Drop()
    {
    }

    /// <summary>Gives back what it holds: nothing uses it any more.</summary>
    public virtual void Release()
    {
    }

    /// <summary>Sectors in use, of all, and those of them that hold metadata.</summary>
    public abstract (long Allocated, long Total, long Metadata) Usage { get; }

    /// <summary>The last run of chunks that follow each other on both devices.</summary>
    /// <returns>Its length; 0: all is merged; negative: the store cannot be read.</returns>
    public virtual int PrepareMerge(out ulong lastOld, out ulong lastNew) => throw new NotSupportedException();

    /// <summary>Forgets the last exceptions.</summary>
    public virtual bool CommitMerge(int count) => throw new NotSupportedException();

    /// <summary>Checks and sets a chunk size.</summary>
    /// <returns>The sentence of a refusal, or null.</returns>
    /// <remarks>Linux drivers/md/dm-exception-store.c: dm_exception_store_set_chunk_size().</remarks>
    public static string? CheckChunk(uint sectors, BlockDevice origin, BlockDevice cow)
    {
        if (!System.Numerics.BitOperations.IsPow2(sectors))
            return "Chunk size is not a power of 2";
        if (sectors % (cow.Limits.LogicalBlockSize >> 9) != 0 || sectors % (origin.Limits.LogicalBlockSize >> 9) != 0)
            return "Chunk size is not a multiple of device blocksize";
        return sectors > int.MaxValue >> 9 ? "Chunk size is too high" : null;
    }
}

/// <summary>A store in memory: gone with the table.</summary>
/// <remarks>Linux drivers/md/dm-snap-transient.c.</remarks>
internal sealed class TransientStore(BlockDevice cow, uint chunkSectors) : ExceptionStore(cow, chunkSectors)
{
    private long _next;

    public override string Name => "N";

    public override Errno Read(Action<ulong, ulong> add, out bool isValid)
    {
        isValid = true;
        return Errno.OK;
    }

    public override bool TryPrepare(out ulong newChunk)
    {
        newChunk = (ulong)_next / Math.Max(ChunkSectors, 1);
        if (Cow.CapacitySectors < _next + ChunkSectors)
            return false;
        _next += ChunkSectors;
        return true;
    }

    public override void Commit(ulong oldChunk, ulong newChunk, bool isOk, IExceptionCommitted done) => done.Committed(isOk);

    public override (long Allocated, long Total, long Metadata) Usage => (_next, Cow.CapacitySectors, 0);
}
