using System.Buffers.Binary;

namespace DriverLab.Formats.PersistentData;

/// <summary>The kinds of 4096-byte metadata blocks of thin pools; each has its own constant in the checksum, which so tells the kind.</summary>
public enum MetadataBlockKind
{
    Superblock,
    BtreeNode,
    Bitmap,
    Index,
}

/// <summary>Checksums of metadata blocks.</summary>
/// <remarks>Raw CRC-32C of bytes 4 to 4095, exclusive-or a constant of the kind. Linux drivers/md/persistent-data/dm-block-manager.c: dm_bm_checksum(); the validators hold the constants.</remarks>
public static class MetadataBlock
{
    /// <summary>Size of every metadata block, in bytes.</summary>
    public const int Size = 4096;

    /// <summary>The checksum that a block of this kind should carry in its first four bytes.</summary>
    public static uint Checksum(ReadOnlySpan<byte> block, MetadataBlockKind kind) => Crc32C.Raw(block[4..Size]) ^ Salt(kind);

    /// <summary>True when the block carries the right checksum for its kind.</summary>
    public static bool HasValidChecksum(ReadOnlySpan<byte> block, MetadataBlockKind kind) => BinaryPrimitives.ReadUInt32LittleEndian(block) == Checksum(block, kind);

    /// <summary>Writes the checksum; the last thing to do to a block.</summary>
    public static void Seal(Span<byte> block, MetadataBlockKind kind) => BinaryPrimitives.WriteUInt32LittleEndian(block, Checksum(block, kind));

    /// <summary>The kind of a block by its checksum; null when it is none of them.</summary>
    public static MetadataBlockKind? Recognise(ReadOnlySpan<byte> block)
    {
        uint salt = Crc32C.Raw(block[4..Size]) ^ BinaryPrimitives.ReadUInt32LittleEndian(block);
        foreach (var kind in Enum.GetValues<MetadataBlockKind>())
        {
            if (salt == Salt(kind))
                return kind;
        }
        return null;
    }

    private static uint Salt(MetadataBlockKind kind) => kind switch
    {
        MetadataBlockKind.Superblock => 160_774,
        MetadataBlockKind.BtreeNode => 121_107,
        MetadataBlockKind.Bitmap => 240_779,
        MetadataBlockKind.Index => 160_478,
    };
}
