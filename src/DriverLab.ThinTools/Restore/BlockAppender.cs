using DriverLab.Formats;
using DriverLab.Formats.PersistentData;
using DriverLab.ThinTools.Io;

namespace DriverLab.ThinTools.Restore;

/// <summary>Writes blocks one after another, in large pieces.</summary>
internal sealed class BlockAppender(MetadataDevice device, ulong first)
{
    private const int BlocksAWrite = 256;
    private readonly byte[] _buffer = new byte[BlocksAWrite * MetadataBlock.Size];
    private readonly ulong _limit = Math.Min(device.BlockCount, MetadataDevice.MaxPoolBlocks);
    private ulong _start = first;
    private int _used;

    /// <summary>The number that the next block gets.</summary>
    public ulong Next => _start + (ulong)_used;

    /// <summary>Room for the next block, zeroed; <see cref="Seal"/> it before the next one is asked for.</summary>
    /// <exception cref="ThinToolException">The device is full.</exception>
    public Span<byte> Append()
    {
        if (Next >= _limit)
            throw new ThinToolException($"{device.Name}: {_limit} metadata blocks of 4096 bytes are not enough; use a larger device or file (driverlab thin metadata-size), at most {MetadataDevice.MaxPoolBlocks} blocks are used");
        if (_used == BlocksAWrite)
            Flush();
        var block = _buffer.AsSpan(_used * MetadataBlock.Size, MetadataBlock.Size);
        block.Clear();
        _used++;
        return block;
    }

    /// <summary>Gives the block that was last asked for its checksum and returns its number.</summary>
    public ulong Seal(MetadataBlockKind kind)
    {
        MetadataBlock.Seal(_buffer.AsSpan((_used - 1) * MetadataBlock.Size, MetadataBlock.Size), kind);
        return Next - 1;
    }

    public void Flush()
    {
        if (_used > 0)
            device.Write(_start, _buffer.AsSpan(0, _used * MetadataBlock.Size));
        _start += (ulong)_used;
        _used = 0;
    }
}
