using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using DriverLab.Formats.PersistentData;

namespace DriverLab.Formats.Thin;

/// <summary>What is wrong with a thin pool's superblock.</summary>
public enum ThinSuperblockFault
{
    None,
    WrongBlockNumber,
    WrongMagic,
    Checksum,
    UnknownIncompatibleFeatures,
    WrongMetadataBlockSize,
}

/// <summary>The superblock of a thin pool, block 0 of its metadata device.</summary>
[DiskStruct(364, "struct thin_disk_superblock", "drivers/md/dm-thin-metadata.c")]
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public struct ThinSuperblock
{
    public const ulong ExpectedMagic = 27_022_010;
    /// <summary>Bit 0 of <see cref="Flags"/>: the metadata must be checked before it is written again.</summary>
    public const uint NEEDS_CHECK = 1;

    public Le<uint> Checksum;
    public Le<uint> Flags;
    public Le<ulong> BlockNr;
    public Bytes16 Uuid;
    public Le<ulong> Magic;
    public Le<uint> Version;
    public Le<uint> Time;
    public Le<ulong> TransactionId;
    /// <summary>The block of the metadata snapshot; 0 when there is none.</summary>
    public Le<ulong> HeldRoot;
    public SpaceMapRootArea DataSpaceMap;
    public SpaceMapRootArea MetadataSpaceMap;
    /// <summary>Root of the tree from thin id to that device's mapping tree.</summary>
    public Le<ulong> MappingRoot;
    /// <summary>Root of the tree from thin id to <see cref="ThinDeviceDetails"/>.</summary>
    public Le<ulong> DetailsRoot;
    /// <summary>In sectors of 512 bytes.</summary>
    public Le<uint> DataBlockSizeSectors;
    /// <summary>In sectors of 512 bytes; always 8.</summary>
    public Le<uint> MetadataBlockSizeSectors;
    public Le<ulong> MetadataBlockCount;
    public Le<uint> CompatFlags;
    public Le<uint> CompatReadOnlyFlags;
    public Le<uint> IncompatFlags;

    /// <summary>Checks a superblock in the order in which the kernel does.</summary>
    /// <remarks>Linux drivers/md/dm-thin-metadata.c: sb_check(), then __check_incompat_features(). The kernel answers ENOTBLK, EILSEQ, EILSEQ and EINVAL.</remarks>
    public static ThinSuperblockFault Check(ReadOnlySpan<byte> block)
    {
        ref readonly var sb = ref DiskView.Read<ThinSuperblock>(block);
        return sb.BlockNr.Value != 0 ? ThinSuperblockFault.WrongBlockNumber
            : sb.Magic.Value != ExpectedMagic ? ThinSuperblockFault.WrongMagic
            : !MetadataBlock.HasValidChecksum(block, MetadataBlockKind.Superblock) ? ThinSuperblockFault.Checksum
            : sb.IncompatFlags.Value != 0 ? ThinSuperblockFault.UnknownIncompatibleFeatures
            : sb.MetadataBlockSizeSectors.Value != 8 ? ThinSuperblockFault.WrongMetadataBlockSize
            : ThinSuperblockFault.None;
    }
}

/// <summary>Sixteen bytes, such as a uuid.</summary>
[InlineArray(16)]
public struct Bytes16
{
    private byte _first;
}

/// <summary>The 128 bytes that a superblock keeps for a space map's root.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public struct SpaceMapRootArea
{
    public SpaceMapRoot Root;
    public Rest Unused;

    [InlineArray(96)]
    public struct Rest
    {
        private byte _first;
    }
}

/// <summary>What the details tree knows of a thin device: 24 bytes.</summary>
[DiskStruct(24, "struct disk_device_details", "drivers/md/dm-thin-metadata.c")]
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public struct ThinDeviceDetails
{
    public Le<ulong> MappedBlocks;
    /// <summary>The transaction in which the device was made.</summary>
    public Le<ulong> TransactionId;
    public Le<uint> CreationTime;
    public Le<uint> SnapshottedTime;
}

/// <summary>A leaf value of a mapping tree: the data block in the upper 40 bits, the time of its making in the lower 24.</summary>
/// <remarks>Linux drivers/md/dm-thin-metadata.c: pack_block_time().</remarks>
public readonly record struct ThinMapping(ulong DataBlock, uint Time)
{
    public ulong Packed => (DataBlock << 24) | (Time & 0xff_ffff);

    public static ThinMapping Unpack(ulong packed) => new(packed >> 24, (uint)(packed & 0xff_ffff));
}
