using DriverLab.Formats;
using DriverLab.Formats.PersistentData;
using DriverLab.Formats.Thin;
using DriverLab.ThinTools.Io;
using DriverLab.ThinTools.Trees;

namespace DriverLab.ThinTools.Model;

/// <summary>A thin device: what the details tree says, and the root of its mapping tree.</summary>
public readonly record struct ThinDevice(DeviceDescription Description, ulong Root);

/// <summary>Opened metadata: a superblock, or the metadata snapshot's copy of one, and the devices.</summary>
public sealed class ThinMetadata
{
    /// <summary>Path of the tree from device to mapping tree in damages.</summary>
    internal const string TopPath = "superblock > mapping tree";
    internal const string DetailsPath = "superblock > details tree";
    private readonly ThinSuperblock _superblock;

    private ThinMetadata(MetadataDevice device, in ThinSuperblock superblock, ulong block)
    {
        Device = device;
        _superblock = superblock;
        SuperblockBlock = block;
    }

    public MetadataDevice Device { get; }

    public ref readonly ThinSuperblock Superblock => ref _superblock;

    /// <summary>0, or the block of the metadata snapshot.</summary>
    public ulong SuperblockBlock { get; }

    /// <summary>Opens what the superblock describes.</summary>
    /// <exception cref="ThinToolException">The superblock's checksum is wrong: there is nothing to trust.</exception>
    public static ThinMetadata Open(MetadataDevice device) => At(device, 0, "the superblock");

    /// <summary>Opens the metadata snapshot, which a pool in use does not change.</summary>
    /// <param name="device">The metadata device.</param>
    /// <param name="block">Where the user says that it is; null to ask the superblock.</param>
    public static ThinMetadata OpenSnapshot(MetadataDevice device, ulong? block = null)
    {
        ulong held = Open(device)._superblock.HeldRoot.Value;
        if (held == 0)
            throw new ThinToolException($"{device.Name} has no metadata snapshot; make one with the pool's message reserve_metadata_snap");
        if (block is { } wanted && wanted != held)
            throw new ThinToolException($"{device.Name}: the metadata snapshot is block {held}, not {wanted}");
        return At(device, held, "the metadata snapshot");
    }

    /// <summary>Opens whatever block 0 holds.</summary>
    /// <param name="device">The metadata device.</param>
    /// <param name="isSound">False when the superblock's checksum or magic number is wrong, or it cannot be read.</param>
    internal static ThinMetadata OpenUnchecked(MetadataDevice device, out bool isSound)
    {
        if (device.BlockCount == 0)
            throw new ThinToolException($"{device.Name} is too small to hold a superblock of 4096 bytes; is it a pool's metadata?");
        Span<byte> bytes = stackalloc byte[MetadataBlock.Size];
        bytes.Clear();
        isSound = device.TryRead(0, bytes) && MetadataBlock.HasValidChecksum(bytes, MetadataBlockKind.Superblock);
        return new(device, DiskView.Read<ThinSuperblock>(bytes), 0);
    }

    /// <summary>What is said of the pool.</summary>
    public PoolDescription Pool => new()
    {
        Uuid = UuidText(_superblock.Uuid),
        Time = _superblock.Time.Value,
        TransactionId = _superblock.TransactionId.Value,
        Flags = _superblock.Flags.Value,
        Version = _superblock.Version.Value,
        DataBlockSizeSectors = _superblock.DataBlockSizeSectors.Value,
        DataBlockCount = _superblock.DataSpaceMap.Root.BlockCount.Value,
    };

    private static ThinMetadata At(MetadataDevice device, ulong block, string what)
    {
        if (device.BlockCount == 0)
            throw new ThinToolException($"{device.Name} is too small to hold a superblock of 4096 bytes; is it a pool's metadata?");
        Span<byte> bytes = stackalloc byte[MetadataBlock.Size];
        device.Read(block, bytes);
        if (!MetadataBlock.HasValidChecksum(bytes, MetadataBlockKind.Superblock))
        {
            throw new ThinToolException(bytes.ContainsAnyExcept((byte)0)
                ? $"{device.Name}: {what} (block {block}) has a wrong checksum: {DiskView.Read<ThinSuperblock>(bytes).Checksum.Value:x8}, expected {MetadataBlock.Checksum(bytes, MetadataBlockKind.Superblock):x8}"
                : $"{device.Name}: {what} (block {block}) is all zeros; there is no metadata here (a pool would format it)");
        }
        return new(device, DiskView.Read<ThinSuperblock>(bytes), block);
    }

    private static string UuidText(in Bytes16 uuid)
    {
        ReadOnlySpan<byte> bytes = uuid;
        bytes = bytes[..(bytes.IndexOf((byte)0) is >= 0 and var end ? end : bytes.Length)];
        return bytes.ContainsAnyExceptInRange((byte)' ', (byte)'~') ? "" : System.Text.Encoding.ASCII.GetString(bytes);
    }
}
