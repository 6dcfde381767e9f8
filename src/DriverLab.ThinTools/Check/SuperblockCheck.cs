using DriverLab.Formats.Thin;
using DriverLab.ThinTools.Io;
using DriverLab.ThinTools.Model;
using DriverLab.ThinTools.Trees;

namespace DriverLab.ThinTools.Check;

/// <summary>The superblock by itself, apart from its checksum, without which it is not opened at all.</summary>
internal static class SuperblockCheck
{
    /// <summary>A mapping has 40 bits for its data block.</summary>
    public const ulong MostDataBlocks = 1UL << 40;

    public static List<Damage> Run(ThinMetadata metadata)
    {
        ref readonly var sb = ref metadata.Superblock;
        var damages = new List<Damage>();
        void Add(DamageReason reason, Severity severity, string text) =>
            damages.Add(new(reason, severity, metadata.SuperblockBlock, metadata.SuperblockBlock == 0 ? "superblock" : $"superblock > metadata snapshot > block {metadata.SuperblockBlock}", text));

        // The kernel's own refusals: it would not activate the pool.
        if (sb.BlockNr.Value != metadata.SuperblockBlock)
            Add(DamageReason.WrongBlockNumber, Severity.Fatal, $"the superblock says that it is block {sb.BlockNr.Value}, expected {metadata.SuperblockBlock}; a kernel refuses it");
        if (sb.Magic.Value != ThinSuperblock.ExpectedMagic)
            Add(DamageReason.WrongMagic, Severity.Fatal, $"the magic number is {sb.Magic.Value}, expected {ThinSuperblock.ExpectedMagic}; a kernel refuses it");
        if (sb.IncompatFlags.Value != 0)
            Add(DamageReason.UnknownIncompatibleFeatures, Severity.Fatal, $"incompatible features {sb.IncompatFlags.Value:x} are set, none is known; a kernel refuses it");
        if (sb.Version.Value is not (1 or 2))
            Add(DamageReason.UnknownVersion, Severity.Note, $"version {sb.Version.Value}, expected 1 or 2; kernels do not look at it");
        if (sb.MetadataBlockSizeSectors.Value != 8)
            Add(DamageReason.WrongMetadataBlockSize, Severity.Note, $"the metadata block size is {sb.MetadataBlockSizeSectors.Value} sectors, expected 8; kernels do not look at it");
        if (sb.DataSpaceMap.Root.BlockCount.Value > MostDataBlocks)
            Add(DamageReason.SpaceMapTooLarge, Severity.Fatal, $"the data space map has {sb.DataSpaceMap.Root.BlockCount.Value} blocks, at most {MostDataBlocks} can be mapped");
        if (sb.MetadataSpaceMap.Root.BlockCount.Value > MetadataDevice.MaxPoolBlocks)
            Add(DamageReason.SpaceMapTooLarge, Severity.Fatal, $"the metadata space map has {sb.MetadataSpaceMap.Root.BlockCount.Value} blocks, at most {MetadataDevice.MaxPoolBlocks} are possible");
        else if (metadata.SuperblockBlock == 0 && sb.MetadataSpaceMap.Root.BlockCount.Value > metadata.Device.BlockCount)
            Add(DamageReason.SpaceMapTooLarge, Severity.Note, $"the metadata space map has {sb.MetadataSpaceMap.Root.BlockCount.Value} blocks, the device {metadata.Device.BlockCount}; has it been copied whole?");
        return damages;
    }
}
