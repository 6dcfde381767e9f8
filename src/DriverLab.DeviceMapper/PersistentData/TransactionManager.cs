using DriverLab.Formats.PersistentData;

namespace DriverLab.DeviceMapper.PersistentData;

/// <summary>Copies a block before its first change in a transaction, so that the last committed state stays whole until the next superblock is written.</summary>
/// <remarks>Linux drivers/md/persistent-data/dm-transaction-manager.c.</remarks>
internal sealed class TransactionManager(BlockManager blocks)
{
    private readonly HashSet<ulong> _shadows = [];

    public BlockManager Blocks => blocks;

    /// <summary>The space map of the metadata device; set once it exists.</summary>
    public MetadataSpaceMap Map { get; set; } = null!;

    public MetadataBuffer NewBlock(MetadataBlockKind kind)
    {
        ulong number = Map.NewBlock();
        var buffer = blocks.WriteZero(number, kind);
        _ = _shadows.Add(number);
        return buffer;
    }

    /// <summary>A block of this transaction with the content of another, which loses one reference.</summary>
    /// <param name="number">The block.</param>
    /// <param name="kind">What it is.</param>
    /// <param name="wasShared">Somebody else still uses the old block: what it points to has one user more.</param>
    /// <remarks>Linux drivers/md/persistent-data/dm-transaction-manager.c: dm_tm_shadow_block().</remarks>
    public MetadataBuffer Shadow(ulong number, MetadataBlockKind kind, out bool wasShared)
    {
        wasShared = Map.Count(number) > 1;
        if (!wasShared && _shadows.Contains(number))
            return blocks.Write(number, kind);
        ulong copyNumber = Map.NewBlock();
        Map.Dec(number);
        var copy = blocks.WriteCopy(copyNumber, kind, blocks.Read(number, kind));
        _ = _shadows.Add(copyNumber);
        return copy;
    }

    public void Inc(ulong number) => Map.Inc(number);

    public void Dec(ulong number) => Map.Dec(number);

    public bool IsShared(ulong number) => Map.Count(number) > 1;

    /// <summary>Writes everything but the superblock.</summary>
    public void PreCommit()
    {
        Map.Commit();
        blocks.Flush();
    }

    /// <summary>Writes the superblock, which has been changed by now: the transaction is done.</summary>
    public void Commit()
    {
        _shadows.Clear();
        blocks.Flush();
    }
}
