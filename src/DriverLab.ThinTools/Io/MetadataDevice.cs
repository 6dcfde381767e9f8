using DriverLab.Formats.PersistentData;

namespace DriverLab.ThinTools.Io;

/// <summary>A metadata device in blocks of 4096 bytes. Reads may come from several threads at once; writes come from one.</summary>
public abstract class MetadataDevice : IDisposable
{
    /// <summary>The most blocks that a pool uses, whatever the size of the device: 255 bitmaps of 16,320 blocks.</summary>
    /// <remarks>Linux drivers/md/dm-thin-metadata.h: THIN_METADATA_MAX_SECTORS.</remarks>
    public const ulong MaxPoolBlocks = (ulong)SpaceMapIndexBlock.MaxBitmaps * SpaceMapBitmap.EntriesPerBlock;

    /// <summary>Whole blocks.</summary>
    public abstract ulong BlockCount { get; }

    /// <summary>What the user called it.</summary>
    public abstract string Name { get; }

    /// <summary>Reads consecutive blocks.</summary>
    /// <param name="first">The first block.</param>
    /// <param name="into">A multiple of 4096 bytes, inside the device.</param>
    /// <returns>False when the device cannot read them.</returns>
    public abstract bool TryRead(ulong first, Span<byte> into);

    /// <summary>Writes consecutive blocks.</summary>
    /// <exception cref="ThinToolException">The device cannot.</exception>
    public abstract void Write(ulong first, ReadOnlySpan<byte> blocks);

    /// <summary>What was written before is on stable storage after.</summary>
    public abstract void Flush();

    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    protected virtual void Dispose(bool disposing)
    {
    }

    /// <summary>Reads one block that must be readable.</summary>
    /// <exception cref="ThinToolException">It is not.</exception>
    internal void Read(ulong block, Span<byte> into)
    {
        if (block >= BlockCount)
            throw new ThinToolException($"{Name}: block {block} is past the end; the device has {BlockCount} blocks of 4096 bytes");
        if (!TryRead(block, into))
            throw new ThinToolException($"{Name}: block {block} cannot be read: input/output error");
    }
}

/// <summary>A device in memory.</summary>
/// <param name="image">Its bytes; a last part of a block is ignored.</param>
public sealed class MemoryDevice(byte[] image) : MetadataDevice
{
    /// <summary>The bytes, which writes change.</summary>
    public byte[] Image => image;

    public override ulong BlockCount => (ulong)image.Length / MetadataBlock.Size;

    public override string Name => "memory";

    public override bool TryRead(ulong first, Span<byte> into)
    {
        image.AsSpan((int)first * MetadataBlock.Size, into.Length).CopyTo(into);
        return true;
    }

    public override void Write(ulong first, ReadOnlySpan<byte> blocks) => blocks.CopyTo(image.AsSpan((int)first * MetadataBlock.Size));

    public override void Flush()
    {
    }
}
