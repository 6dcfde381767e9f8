namespace DriverLab.ThinTools.Report;

/// <summary>How large a metadata device should be.</summary>
public static class MetadataSize
{
    /// <summary>Mappings a leaf holds when it is half full, as it is after random writes.</summary>
    private const int MappingsALeaf = 252 / 2;

    /// <summary>An estimate, as thin_metadata_size gives it: a half-full leaf for each 126 data blocks, and a block for each device.</summary>
    /// <param name="blockSizeBytes">Data block size.</param>
    /// <param name="poolSizeBytes">Data device size.</param>
    /// <param name="devices">Thin devices and snapshots.</param>
    /// <returns>Bytes.</returns>
    public static ulong Estimate(ulong blockSizeBytes, ulong poolSizeBytes, ulong devices)
    {
        ulong blocks = poolSizeBytes / blockSizeBytes;
        return ((blocks + MappingsALeaf - 1) / MappingsALeaf + devices) * 4096;
    }
}
